"""Intake, delivery, a store and two ticket systems full of people, on one clock and from one seed.

Faults first: lost answers, late effects, lagging reads, outages, and the whole process stopped at
any await and started anew on the same file. Then none, and everything must come to rest with
nothing lost and nothing doubled.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, TypeVar

import orjson

from syncd.core.pacing import WatchPace
from syncd.core.retry import RetryPolicy
from syncd.core.rules import MappingMode
from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.intake.config import IntakeConfig, IntakeOptions
from syncd.intake.readers import Readers
from syncd.intake.service import Intake, IntakePorts, Round
from syncd.model.features import Reading
from syncd.model.ids import MappingName, Side, TicketId
from syncd.store import (
    commands,
    connections,
    inbox,
    mappings,
    meta,
)
from syncd.store.records import ConnectionPin
from syncd.store.tx import Tx
from tests.simulation import parts
from tests.simulation.checker import Shown, Stood
from tests.simulation.ending import Ending, Sort
from tests.simulation.habits import HabitualVendor, habits_of
from tests.simulation.inline import InlineDatabase, Memory
from tests.simulation.life import DESK, NAMES, Killed, MemorySpool, SeededIds, current
from tests.simulation.lists import CLOCKS_OVERLAP_S, OVERLAP_S, ListedVendor, Pages, read_by
from tests.simulation.liveness import Rest
from tests.simulation.operating import Operator
from tests.simulation.people import People
from tests.simulation.pressing import press
from tests.simulation.reckoning import shown
from tests.simulation.scenarios import Scenario
from tests.simulation.standing import Standing
from tests.simulation.traits import FATES, Fate, Profile
from tests.simulation.trials import Trial, disordered, luck_of
from tests.simulation.twin import LEASE_S, Twin
from tests.simulation.vendor import KIND
from tests.simulation.ventures import Venture, chance_of
from tests.support.clock import FakeClock

T = TypeVar("T")

PREFIX = "whole1"
IDLE_READS = 3
"""So many times in a row nothing was there to read: enough for one round."""
PASSES_MAX = 2_000
"""Passes over the event loop that one round may take."""
IDLE_PASSES = 30
"""So many passes in which nothing moved: everybody waits for the clock."""


class World:
    """The world of one seed.

    Attributes:
        acts: what people did.
        faults: calls that did not go as they should.
        crashes: lives of the daemon, the first not counted.
        played: how often which fault, act and command was played.
        shown: what the daemon shows of itself in the end.
    """

    def __init__(self, seed: int, store: Memory, scenario: Scenario) -> None:
        self.seed = seed
        self.store = store
        self.scenario = scenario
        self.rules, self.revision = scenario.rules, "r1"
        self.was: MappingName | None = None
        self.random = Random(seed)
        # What came into stories later has luck of its own, so that older ones stay as they were.
        self.luck = Random(f"later {seed}")
        self.reforms = self.luck.random() < parts.REFORMS
        self.is_hurried = self.luck.random() < parts.HURRIED
        self.trials, self.fortune = luck_of(seed)
        self.venture, self.chance = chance_of(seed)
        self.played: Counter[str] = Counter()
        self.ending = Ending(seed)
        desk, carrier = map(self.ending.told_once, (scenario.desk, scenario.carrier))
        carrier = replace(carrier, page=2, overlap=0) if self.is_hurried else carrier
        self.clock = FakeClock()
        self.began_at = self.clock.now()
        self.vendors = {
            Side.ITSM: self._vendor("d", desk),
            Side.VENDOR: self._vendor("v", carrier),
        }
        self.people = {side: People(side, self.vendors[side], self.random) for side in Side}
        self.people[Side.VENDOR].sets_title = scenario.vendors_set_titles
        self.people[Side.ITSM].forgets = scenario.forgets
        for each in self.people.values():
            each.removes = scenario.removes
        self.told: list[str] = []
        self.acts = self.faults = 0
        self.shown = Shown()
        self.is_calm = self.is_whole = False
        self.steps = 0
        self.kill_at: int | None = None
        self.kills = True
        self.life = self.lives = 0
        self.stopping = asyncio.Event()
        self.spool = MemorySpool()
        self.ids = SeededIds(self.random)
        for side, vendor in self.vendors.items():
            vendor.step = self.step
            vendor.fate = partial(self._fate, side)
            vendor.lagging(lambda: self.random.random() * 3.5)
            if side is Side.ITSM:
                vendor.changed = self._ring
            if Trial.SEARCH in self.trials:
                vendor.search_lag_s = self._search_lag_s
            if Trial.FEED in self.trials:
                vendor.mix = self._mix
        self.away: Side | None = None
        self.away_as = Fate.UNREACHABLE
        self.prefix = PREFIX
        self.backed_up_at: float | None = None
        self.lost: list[tuple[float, float]] = []
        self.parked: frozenset[TicketId] = frozenset()
        self.operator = Operator(self)
        self.twin = Twin(self)
        is_late = self.venture is Venture.ADOPT
        self.standing = Standing(self, self.chance) if is_late else None
        self._trouble = self.random.choice((0.0, 0.05, 0.15, 0.3))

    def _vendor(self, name: str, profile: Profile) -> HabitualVendor:
        if name == "v" and self.venture is Venture.PAGES:
            pages = self.chance.choice(list(Pages))
            habits = habits_of(name, profile, self.seed)
            listed = ListedVendor(self.clock, name, read_by(profile, pages), *habits)
            is_set = Trial.CLOCKS in self.trials
            listed.tell_by(pages, overlap_s=CLOCKS_OVERLAP_S if is_set else OVERLAP_S)
            listed.drift = self._drift
            return listed
        return HabitualVendor(self.clock, name, profile, *habits_of(name, profile, self.seed))

    def _drift(self) -> None:
        if not self.is_calm and self.chance.random() < parts.DRIFTS:
            self.played["pages drift while they are read"] += 1
            self.acts += 1
            self.played[self.people[Side.VENDOR].act()] += 1

    @property
    def crashes(self) -> int:
        """How often the daemon was killed or stopped."""
        return max(self.lives - 1, 0)

    # --- the world moves on --------------------------------------------------------------------

    def _ring(self, ticket_id: TicketId) -> None:
        if self.is_calm or self.random.random() < 0.8:
            self.told.append(self.vendors[Side.ITSM].number(ticket_id))

    def _fate(self, side: Side, call: str) -> Fate:
        fate = Fate.OK
        if not self.is_calm and self.random.random() < self._trouble:
            fate = self.random.choice(FATES[call])
        if self.ending.is_odd(call):
            fate = Fate.ODD
        elif self.away is side:
            fate = self.away_as
        elif Trial.TOKENS in self.trials and self._is_bad_luck(parts.TOKENS_REJECTED):
            fate = Fate.TOKEN
        if fate is not Fate.OK:
            self.faults += 1
            self.played[f"{call} {fate}"] += 1
        return fate

    def _is_bad_luck(self, part: float) -> bool:
        return not self.is_calm and self.fortune.random() < part

    def _search_lag_s(self) -> float:
        # What comes late by itself and shows late in a search keeps within the settle time.
        lag_s = self.fortune.random() * 5.0 if self._is_bad_luck(parts.SEARCHES_LAG) else 0.0
        self.played["a search lags"] += lag_s > 0.0
        return lag_s

    def _mix(self, told: list[T], before: list[T]) -> list[T]:
        if self.is_calm:
            return told
        self.played["a feed is disordered"] += 1
        return disordered(self.fortune, told, before)

    def _set_vendors_clock(self) -> None:
        vendor = self.fortune.choice(list(self.vendors.values()))
        # What is from before the mapping went live, by its own system's time, gets no partner.
        since_live_s = (vendor.clock.true() - self.began_at).total_seconds()
        least_s = -min(parts.VENDORS_OFF_S, since_live_s)
        vendor.clock.off_s = self.fortune.uniform(least_s, parts.VENDORS_OFF_S)
        self.played["a vendor's clock is set"] += 1

    async def step(self, name: str) -> None:
        """A place where others get their turn, people act, and processes die."""
        life = current.get()
        if life and self.twin.is_there:
            await self.twin.stall(name)
        if life and life != self.life:
            raise Killed
        self.steps += 1
        if life and (self.steps == self.kill_at or self.ending.kills_at(name)):
            self.stopping.set()
            if self.kills:
                self.life = -1
                raise Killed
            await asyncio.sleep(0)
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            await asyncio.sleep(0)
        if not self.is_calm and self.random.random() < 0.06:
            self._act()
        if life and life != self.life:
            raise Killed

    def _act(self) -> None:
        self.acts += 1
        self.played[self.random.choice(list(self.people.values())).act()] += 1

    # --- lives of the daemon -------------------------------------------------------------------

    def begin_life(self) -> None:
        """Start a daemon on the store as it is."""
        self.lives += 1
        self.life = self.lives
        self.stopping = asyncio.Event()
        self.db = InlineDatabase(self.store, self.step)
        config = self.intake_config()
        ports = IntakePorts(
            db=self.db, clock=self.clock, ids=self.ids, prefix=self.prefix, root=PREFIX
        )
        self.intake = Intake(ports, config, options=IntakeOptions(rounds_max=3))
        self.delivery = self.new_delivery()
        self.twin.begin_life()

    def new_delivery(self, name: str = "") -> Delivery:
        """Make a worker of this life; each has a name of its own."""
        return Delivery(
            self.db,
            self.intake_config().adapters,
            self.spool,
            clock=self.clock,
            ids=self.ids,
            options=Options(
                owner=f"life {self.life} {name}".strip(),
                concurrency=4,
                lease_s=LEASE_S,
                retry=RetryPolicy(base_s=2.0, cap_s=30.0, attempts_max=8),
                verify_tries=1,
            ),
            hooks=Hooks(live_mappings=self._live_mappings),
        )

    def intake_config(self) -> IntakeConfig:
        """The configuration as it stands."""
        return IntakeConfig(
            mappings={self.rules.name: self.rules},
            adapters={NAMES[side]: vendor for side, vendor in self.vendors.items()},
            traits={NAMES[side]: vendor.traits() for side, vendor in self.vendors.items()},
            paces=dict.fromkeys(NAMES.values(), WatchPace(every_s=20.0)),
            revision=self.revision,
        )

    def _live_mappings(self) -> frozenset[MappingName]:
        is_live = self.rules.mode is MappingMode.LIVE
        return frozenset({self.rules.name}) if is_live else frozenset()

    async def tell_store(self) -> None:
        """Make the store know the configuration, as app does."""
        rules, revision, was, now = self.rules, self.revision, self.was, self.clock.now()
        sides = [(name, KIND) for name in NAMES.values()]

        def unit(tx: Tx) -> None:
            for name in NAMES.values():
                connections.pin(tx, ConnectionPin(name=name, provider="m", base_host="m"))
            mappings.sync(
                tx,
                rules.name,
                mode=rules.mode,
                revision=revision,
                now=now,
                was=was if was != rules.name else None,
                sides=sides,
            )

        await self.db.write(unit)

    async def live_a_round(self) -> None:
        """Poll, read, decide, deliver and be notified, all at once; perhaps die of it."""
        work: list[Coroutine[Any, Any, Any]] = [
            self.twin.first(self.delivery),
            self._read_as_the_daemon() if Trial.READERS in self.trials else self.intake.drain(),
            self._poll(),
            self._be_told(),
        ]
        self.random.shuffle(work)
        if Trial.RESTORE in self.trials and self._is_bad_luck(parts.BACKUPS):
            work.append(self._back_up())
        if self.reforms and not self.is_calm and self.luck.random() < 0.4:
            work.append(self.operator.reform(self.luck))
        if Trial.DISCARD in self.trials and self._is_bad_luck(parts.DISCARDS):
            work.append(self.operator.discard(self.fortune))
        if self.venture is Venture.PRESS and not self.is_calm:
            work.append(press(self, self.chance))
        if self.standing and not self.is_calm and self.chance.random() < parts.ADOPTS:
            work.append(self.standing.work())
        work += self.twin.work()
        died = await self.together(work)
        self.operator.note_met()
        if died:
            await self._die()
            await self._begin_again(is_told=self.reforms)

    async def _read_as_the_daemon(self) -> None:
        """Let each connection be read by its own task while the others go on, as in a daemon."""
        self.played["readers side by side"] += 1
        readers = Readers[Round](self.intake._read_next, rung=asyncio.Event())
        idle = 0
        try:
            while idle < IDLE_READS:
                idle = idle + 1 if (await self.intake._go_on(readers)).is_idle else 0
                if readers._tasks:  # All connections may be paused.
                    await asyncio.wait(readers._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            await readers.finish()
        finally:
            await readers.cut_off()

    async def _poll(self) -> None:
        for side, name in NAMES.items():
            if self.vendors[side].profile.reading is not Reading.WATCH:
                while (await self.intake.poll(name)).gap:
                    if not self.is_whole and self.random.random() < 0.5:
                        break

    async def _be_told(self) -> None:
        while self.told:
            number = self.told[0]
            body = orjson.dumps({"numbers": [number]}).decode()
            await self.db.write(inbox.put, DESK, "notify", body, received_at=self.clock.now())
            if number in self.told:
                self.told.remove(number)

    async def together(self, work: Sequence[Coroutine[Any, Any, Any]]) -> bool:
        """Let tasks run side by side, turning the clock when all wait; True when killed."""
        self.tasks = [self._in_life(each) for each in work]
        idle, before = 0, -1
        for _ in range(PASSES_MAX):
            await asyncio.sleep(0)
            if self.stopping.is_set() or all(task.done() for task in self.tasks):
                break
            idle, before = (idle + 1 if before == self.steps else 0), self.steps
            if idle >= IDLE_PASSES and (wake_s := self.clock.next_wake_s()) is not None:
                self.clock.advance(wake_s)
                idle = 0
        if self.stopping.is_set():
            return True
        assert all(task.done() for task in self.tasks), "a round without end"
        for task in self.tasks:
            task.result()
        return False

    def _in_life(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        context = contextvars.copy_context()
        context.run(current.set, self.life)
        return asyncio.create_task(work, context=context)

    async def _die(self) -> None:
        self.kill_at = None
        workers = [self.delivery, *([self.twin.delivery] if self.twin.delivery else [])]
        running = [*(task for each in workers for task in each._tasks), *self.tasks]
        for task in running:
            task.cancel()
        for _ in range(PASSES_MAX):
            await asyncio.sleep(0)
            wake_s = self.clock.next_wake_s()
            if all(task.done() for task in running):
                break
            if wake_s is not None and wake_s > 0:
                self.clock.advance(wake_s)
        for each in workers:
            each._settler.abandon()
        self.life = -1
        await asyncio.sleep(0)
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)
        await self.db.close()

    # --- the story -----------------------------------------------------------------------------

    async def play(self) -> None:
        """Faults, then none."""
        if self.standing:
            self.standing.begin()
        self.begin_life()
        meta.initialise(self.store.tx, environment="test", prefix=PREFIX)
        await self.tell_store()
        if self.venture is Venture.PAGES:
            await self._begin_reading()
        for _ in range(self.random.randint(4, 18)):
            for _ in range(self.random.choice((0, 1, 2, 3, 4))):
                self._act()
            if self.kill_at is None and self.random.random() < 0.25:
                self.kill_at = self.steps + self.random.randint(1, 120)
                self.kills = self.random.random() < 0.7
            if self.is_hurried and self.kill_at is None:
                self.kill_at = self.steps + self.luck.randint(1, 60)
            await self.live_a_round()
            self.clock.advance(self.random.choice((0.0, 0.3, 1.0, 3.0, 10.0, 30.0)))
            await self._befall()
        await self._end_hard()
        await Rest(self).come()
        self.shown = await self.what_is_shown()
        await self.db.close()

    async def _begin_reading(self) -> None:
        """Poll once before anything happens: what stood in a list before is no news to some."""
        self.is_calm = True
        await self.together([self._poll()])
        self.is_calm = False

    async def _befall(self) -> None:
        """Have happen what happens between two rounds."""
        if self.random.random() < 0.15:
            await self.operator.operate()
        if self.scenario.meddles and self.random.random() < 0.3:
            await self.operator.meddle()
        if Trial.CLOCKS in self.trials and self._is_bad_luck(parts.CLOCKS_SET):
            self._set_vendors_clock()
        if self.backed_up_at is not None and self._is_bad_luck(parts.RESTORES):
            await self._restore()
        if Trial.OUTAGE in self.trials and self._is_bad_luck(parts.OUTAGES):
            await self._be_away()
        if self.venture is Venture.STORM and self.chance.random() < parts.STORMS:
            await self._be_stormy()

    async def _be_away(self) -> None:
        """Have one of the two systems away for hours, and people go on meanwhile."""
        self.away = self.fortune.choice(list(Side))
        self.played[f"the {self.away} is away for hours"] += 1
        for hours in self.fortune.choices((0.2, 0.5, 1.0, 3.0), k=self.fortune.randint(1, 3)):
            self._act()
            await self.live_a_round()
            self.clock.advance(hours * 3600.0)
        self.away = None

    async def _be_stormy(self) -> None:
        """Have one of the two systems answer 429 to everything for some minutes."""
        self.away, self.away_as = self.chance.choice(list(Side)), Fate.RATE_LIMITED
        self.played[f"the {self.away} says 429 to everything"] += 1
        for seconds in self.chance.choices((0.0, 3.0, 20.0, 60.0), k=self.chance.randint(1, 5)):
            self._act()
            await self.live_a_round()
            self.clock.advance(seconds)
        self.away, self.away_as = None, Fate.UNREACHABLE

    async def _back_up(self) -> None:
        """Copy the store at any moment."""
        for _ in range(self.fortune.randint(0, 40)):
            await self.step("a backup is about to be made")
        self.store.save()
        self.backed_up_at = self.clock.monotonic_s()
        self.played["a backup is made"] += 1

    async def _restore(self) -> None:
        """Lose the store, put the backup in its place and say so, as the handbook has it."""
        # Where our words carry no marker, a store from before them cannot tell that they are ours.
        if any(each.habits.keeps_no_marker for each in self.vendors.values()):
            return
        self.played["a backup is restored"] += 1
        self.parked |= (await self.db.read(shown)).parked
        assert self.backed_up_at is not None
        self.lost.append((self.backed_up_at, self.clock.monotonic_s()))
        self.life = -1
        await self.db.close()
        self.store.replace("backup")
        self.begin_life()
        given = {"prefix": f"again{self.lives}"}
        await self.db.write(commands.db_restored, given, "op", self.clock.now())
        self.prefix = given["prefix"]
        self.operator.look_around()
        await self._begin_again(is_told=True)

    async def _begin_again(self, *, is_told: bool) -> None:
        """Start a daemon as it starts itself, once more whenever that is its death."""
        while True:
            self.begin_life()
            steps = [*([self.tell_store] if is_told else []), self.delivery.recover]
            for step in steps:
                if await self.together([step()]):
                    break
            else:
                return
            await self._die()

    async def _end_hard(self) -> None:
        """Have people act once more, and something go wrong while that is taken in."""
        ending = self.ending
        if ending.sort is Sort.QUIET:
            return
        self.clock.advance(2.0)
        for people in self.people.values():
            for _ in range(ending.acts):
                self.acts += 1
                people.act()
        self.clock.advance(2.0)
        self.kill_at, self.kills, ending.is_near = None, True, True
        if ending.sort is Sort.EDIT:
            await self.together([self.operator.edit(self.luck)])
        await self.live_a_round()
        ending.is_near = False

    async def what_is_shown(self) -> Shown:
        """Look at what the daemon shows of itself."""
        told = await self.db.read(shown)
        return replace(
            told,
            parked=told.parked | self.parked,
            given_up=tuple(self.operator.given_up),
            apart=tuple(self.operator.apart),
            lost=tuple(self.lost),
            stood=self.standing.stood if self.standing else Stood(),
        )
