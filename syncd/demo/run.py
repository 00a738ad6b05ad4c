"""Runs the demo: people act, things break, everything settles, the judge counts."""

import asyncio
import contextlib
import random
import secrets
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson
from rich.console import Console

from syncd.demo.clerk import Clerk
from syncd.demo.court import Judgement, judge_all
from syncd.demo.daemon import DemoFailed, Pulse
from syncd.demo.options import DemoOptions
from syncd.demo.people import People
from syncd.demo.report import Result, document, summary
from syncd.demo.show import Stage
from syncd.demo.verdict import Fate, Shown
from syncd.demo.world import World, world

LOOK_EVERY_S = 0.5
"""How often the daemon is asked how it is."""
TICK_EVERY_S = 2.0
"""How often progress is told where nothing is shown live."""
QUIET_S = 4.0
"""Nothing open and nothing written for so long, and everything read since: longer than the reads
after writes."""
ASK_EVERY_S = 3.0
"""How often the operator lists what waits for a person, while something is missing."""
GIVE_UP_S = 45.0
"""Quiet for so long and still something missing: longer than anything held is looked at again."""
SETTLES_MAX = 5
"""However much moves, it must have settled within so many times the longest wait for a move."""
HELD_S, HOLD_MAX_S, CATCH_EVERY_S = 0.4, 3.0, 0.005
"""How long an answer is held back for a kill, how long a write is waited for, how often looked."""
EFFECTS = frozenset(
    {"ticket_created", "field_changed", "status_changed", "comment_added", "attachment_added"}
)

FINE, FOUND, FAILED = 0, 1, 2


async def run_demo(options: DemoOptions) -> int:
    """Run the demo.

    Returns:
        Exit status: 0 nothing lost, doubled, echoed or leaked and everything ended; 1 otherwise;
        2 it could not run.
    """
    seed = options.seed if options.seed is not None else secrets.randbelow(100_000)
    console = Console(stderr=options.json, highlight=False)
    playing = asyncio.ensure_future(_play(options, seed, console))
    # The daemon is our child and must not outlive us: whatever ends us, it is stopped first.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    try:
        result = await playing
    except (DemoFailed, OSError) as error:
        console.print(f"The demo could not run: {error}", style="red", markup=False)
        if options.json:
            _write({"ok": False, "problem": str(error), "seed": seed})
        return FAILED
    except asyncio.CancelledError:
        console.print("The demo was stopped.", style="red")
        return FAILED
    finally:
        playing.cancel()
        await asyncio.wait([playing])
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    if options.json:
        _write(document(result))
    else:
        summary(result, console)
    return FINE if result.is_good else FOUND


async def _play(options: DemoOptions, seed: int, console: Console) -> Result:
    async with world(options, seed) as made:
        console.print(f"seed {seed}; the daemon's log: {made.daemon.log}", soft_wrap=True)
        with Stage(console, made, is_live=console.is_terminal and not options.json) as stage:
            show = _Show(options=options, seed=seed, world=made, stage=stage)
            result = await show.run()
        if options.keep or not result.is_good:
            result.is_kept = made.is_kept = True
            made.save_records()
        return result


def _write(found: object) -> None:
    sys.stdout.write(orjson.dumps(found).decode() + "\n")
    sys.stdout.flush()


@dataclass(slots=True)
class _Show:
    """One run of it."""

    options: DemoOptions
    seed: int
    world: World
    stage: Stage
    kills: int = 0
    troubles: list[str] = field(default_factory=list)
    is_over: bool = False

    async def run(self) -> Result:
        made = self.world
        clerk = Clerk(made.daemon, made.desk, made.by_connection)
        self.stage.says("starting the daemon")
        await made.daemon.start()
        watch = asyncio.create_task(self._watch(clerk))
        asking = asyncio.create_task(made.automation.watch())
        try:
            await self._act()
            ended_at = self._now_s()
            is_settled = await self._settle(clerk)
            settled_after_s = self._now_s() - ended_at
        finally:
            self.is_over = True
            for task in (watch, asking):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await made.automation.look()
        self.stage.says("counting")
        shown, parked = await clerk.waiting()
        found = self._judge(shown)
        return Result(
            options=self.options,
            seed=self.seed,
            verdict=found.whole,
            by_vendor=found.by_vendor,
            folder=made.folder,
            doubts=clerk.doubts,
            parked=parked,
            is_settled=is_settled,
            kills=self.kills,
            resumed=clerk.resumed,
            settled_after_s=settled_after_s,
            raised=len(made.automation.raised),
            troubles=[*self.troubles, *made.automation.troubles, *made.daemon.crashes()],
        )

    async def _act(self) -> None:
        """Let people act, systems fail and the daemon die."""
        if self.options.faults:
            self.world.misbehave()
        self.stage.says(f"people act for {self.options.seconds:g} s")
        people = People(self.world.staffs(), self.seed)
        await asyncio.gather(people.act(self.options.seconds), self._kill())
        self.world.behave()

    async def _kill(self) -> None:
        """Kill the daemon again and again; the last time perhaps after people have stopped."""
        chance = random.Random(f"{self.seed}:kills")
        gap_s = 2 * self.options.seconds / (1 + self.options.kills)
        for _ in range(self.options.kills):
            # Counted from when it is ready: a kill while it starts would only repeat the last.
            await asyncio.sleep(chance.uniform(0.2, gap_s))
            moment = chance.choice(("at any moment", "before an effect", "after an effect"))
            await self._wait_for(moment)
            async with self.world.daemon.alone:
                await self.world.daemon.kill()
                self.kills += 1
                said = f"daemon killed (SIGKILL, number {self.kills}, {moment})"
                self.stage.says(f"{said}, starting it again")
                await self.world.daemon.start()

    async def _wait_for(self, moment: str) -> None:
        """Wait until a write of the daemon is just before or just after its effect."""
        if moment == "at any moment":
            return
        systems = self.world.systems
        for system in systems:
            is_before = moment == "before an effect"
            system.faults.next("slow", method="POST", delay_s=HELD_S, before_effect=is_before)
        until_s = self._now_s() + HOLD_MAX_S
        waiting = [len(system.faults.pending) for system in systems]
        while self._now_s() < until_s:
            await asyncio.sleep(CATCH_EVERY_S)
            if [len(system.faults.pending) for system in systems] != waiting:
                return

    # --- until everything has arrived ------------------------------------------------------------

    async def _watch(self, clerk: Clerk) -> None:
        """Keep an eye on the daemon; settle what is in doubt as an operator would."""
        ticked_s = self._now_s()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            async with self.world.daemon.alone:
                await self._look(clerk)
            if self._now_s() - ticked_s >= TICK_EVERY_S:
                ticked_s = self._now_s()
                self.stage.tick()

    async def _look(self, clerk: Clerk) -> None:
        daemon = self.world.daemon
        try:
            daemon.check()
        except DemoFailed as error:
            self.troubles.append(str(error))
            self.stage.says(f"{error}; starting it again")
            await daemon.kill()
            await daemon.start()
        self.stage.pulse = await daemon.pulse()
        if self.stage.pulse is None:
            return
        for connection in self.stage.pulse.paused:
            await clerk.resume(connection)
            self.stage.says(f"operator: {connection} was paused, resumed")
        if self.stage.pulse.in_doubt:
            for doubt in await clerk.settle():
                self.stage.says(f"operator: {doubt}")

    async def _settle(self, clerk: Clerk) -> bool:
        """Wait until everything has arrived; say whether all became quiet in time."""
        self.stage.says("people have stopped; waiting until nothing is open")
        began_s = moved_s = quiet_since_s = self._now_s()
        ask_s = 0.0
        before: tuple[Pulse | None, int] = (None, -1)
        # A busy machine takes longer for everything: what counts is that something still moves.
        while (
            self._now_s() - moved_s < self.options.settle_max_s
            and self._now_s() - began_s < SETTLES_MAX * self.options.settle_max_s
        ):
            await asyncio.sleep(LOOK_EVERY_S)
            pulse, effects = self.stage.pulse, self._effects()
            if (pulse, effects) != before:
                moved_s, before = self._now_s(), (pulse, effects)
                quiet_since_s = moved_s
            if pulse is None or not pulse.is_quiet:
                quiet_since_s = self._now_s()
                continue
            quiet_s = self._now_s() - quiet_since_s
            if quiet_s >= GIVE_UP_S:
                return True
            # What was done just before the quiet began is known only after the next read.
            is_read = quiet_s - pulse.polled_s >= QUIET_S
            if is_read and self._now_s() >= ask_s:
                if await self._is_all_there(clerk):
                    return True
                ask_s = self._now_s() + ASK_EVERY_S
        return False

    async def _is_all_there(self, clerk: Clerk) -> bool:
        """Whether nothing is missing but what the daemon shows openly."""
        # Asking takes processes, so only when it may excuse something.
        if self._judge(()).whole.count(Fate.LOST) == 0:
            return True
        shown, _ = await clerk.waiting()
        return self._judge(shown).whole.count(Fate.LOST) == 0

    def _judge(self, shown: Iterable[Shown]) -> Judgement:
        made = self.world
        return judge_all(made.pairings, made.itsm_record, made.vendor_records, shown)

    def _effects(self) -> int:
        records = (self.world.itsm_record, *self.world.vendor_records.values())
        return sum(event["what"] in EFFECTS for record in records for event in record)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
