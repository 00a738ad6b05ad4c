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
from datetime import timedelta
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
    conflicts,
    connections,
    inbox,
    journal,
    links,
    mappings,
    meta,
    operations,
    tickets,
)
from syncd.store import tables as t
from syncd.store.records import ConnectionPin
from syncd.store.tx import Tx
from tests.simulation.checker import Shown
from tests.simulation.ending import Ending, Sort
from tests.simulation.habits import HabitualVendor, habits_of
from tests.simulation.inline import InlineDatabase, Memory
from tests.simulation.life import DESK, NAMES, Killed, MemorySpool, SeededIds, current
from tests.simulation.operating import Operator
from tests.simulation.people import People
from tests.simulation.scenarios import Scenario
from tests.simulation.traits import Fate, Profile
from tests.simulation.trials import Trial, disordered, luck_of
from tests.simulation.twin import LEASE_S, Twin
from tests.simulation.vendor import KIND
from tests.support.clock import FakeClock

T = TypeVar("T")

PREFIX = "whole1"
REFORMS = 0.25
"""Part of the stories in which the configuration is edited and pairs are taken apart."""
HURRIED = 0.25
"""Part of the stories in which feeds have small pages, tell nothing twice, and lives are short."""
TOKENS_REJECTED = 0.08
"""Part of the calls whose token is rejected, in stories of such."""
SEARCHES_LAG = 0.5
"""Part of the probes that do not see the newest, in stories of such."""
DISCARDS = 0.4
"""Part of the rounds in which an operator gives something up, in stories of such."""
CLOCKS_SET = 0.3
"""Part of the rounds after which a vendor's clock is set, in stories of such."""
VENDORS_OFF_S = 15.0
"""So far vendors' clocks are off at most."""
BACKUPS = 0.4
"""Part of the rounds in which a backup is made, in stories of such."""
RESTORES = 0.15
"""Part of the rounds after which it is put back."""
OUTAGES = 0.12
"""Part of the rounds after which a system goes away, in stories of such."""
IDLE_READS = 3
"""So many times in a row nothing was there to read: enough for one round."""
PASSES_MAX = 2_000
"""Passes over the event loop that one round may take."""
IDLE_PASSES = 30
"""So many passes in which nothing moved: everybody waits for the clock."""
CALM_ROUNDS_MAX = 120
"""Rounds without faults in which everything must have come to rest."""


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
        self.reforms = self.luck.random() < REFORMS
        self.is_hurried = self.luck.random() < HURRIED
        self.trials, self.fortune = luck_of(seed)
        self.played: Counter[str] = Counter()
        carrier = scenario.carrier
        if self.is_hurried:
            carrier = replace(carrier, page=2, overlap=0)
        self.clock = FakeClock()
        self.began_at = self.clock.now()
        self.vendors = {
            Side.ITSM: self._vendor("d", scenario.desk),
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
        self.is_calm = False
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
        self.prefix = PREFIX
        self.backed_up_at: float | None = None
        self.lost: list[tuple[float, float]] = []
        self.parked: frozenset[TicketId] = frozenset()
        self.operator = Operator(self)
        self.twin = Twin(self)
        self.ending = Ending(seed)
        self._trouble = self.random.choice((0.0, 0.05, 0.15, 0.3))

    def _vendor(self, name: str, profile: Profile) -> HabitualVendor:
        return HabitualVendor(self.clock, name, profile, *habits_of(name, profile, self.seed))

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
            fate = self.random.choice(_FATES[call])
        if self.ending.is_odd(call):
            fate = Fate.ODD
        elif self.away is side:
            fate = Fate.UNREACHABLE
        elif Trial.TOKENS in self.trials and self._is_bad_luck(TOKENS_REJECTED):
            fate = Fate.TOKEN
        if fate is not Fate.OK:
            self.faults += 1
            self.played[f"{call} {fate}"] += 1
        return fate

    def _is_bad_luck(self, part: float) -> bool:
        return not self.is_calm and self.fortune.random() < part

    def _search_lag_s(self) -> float:
        # What comes late by itself and shows late in a search keeps within the settle time.
        lag_s = self.fortune.random() * 5.0 if self._is_bad_luck(SEARCHES_LAG) else 0.0
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
        least_s = -min(VENDORS_OFF_S, since_live_s)
        vendor.clock.off_s = self.fortune.uniform(least_s, VENDORS_OFF_S)
        self.played["a vendor's clock is set"] += 1

    async def step(self, name: str) -> None:
        """A place where others get their turn, people act, and processes die."""
        life = current.get()
        if life:
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
        if Trial.RESTORE in self.trials and self._is_bad_luck(BACKUPS):
            work.append(self._back_up())
        if self.reforms and not self.is_calm and self.luck.random() < 0.4:
            work.append(self.operator.reform(self.luck))
        if Trial.DISCARD in self.trials and self._is_bad_luck(DISCARDS):
            work.append(self.operator.discard(self.fortune))
        work += self.twin.work()
        died = await self._together(work)
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
            if self.vendors[side].profile.reading is Reading.FEED:
                while (await self.intake.poll(name)).gap:
                    if self.random.random() < 0.5:
                        break

    async def _be_told(self) -> None:
        while self.told:
            number = self.told[0]
            body = orjson.dumps({"numbers": [number]}).decode()
            await self.db.write(inbox.put, DESK, "notify", body, received_at=self.clock.now())
            if number in self.told:
                self.told.remove(number)

    async def _together(self, work: Sequence[Coroutine[Any, Any, Any]]) -> bool:
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
        self.begin_life()
        meta.initialise(self.store.tx, environment="test", prefix=PREFIX)
        await self.tell_store()
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
            if self.random.random() < 0.15:
                await self.operator.operate()
            if self.scenario.meddles and self.random.random() < 0.3:
                await self.operator.meddle()
            if Trial.CLOCKS in self.trials and self._is_bad_luck(CLOCKS_SET):
                self._set_vendors_clock()
            if self.backed_up_at is not None and self._is_bad_luck(RESTORES):
                await self._restore()
            if Trial.OUTAGE in self.trials and self._is_bad_luck(OUTAGES):
                await self._be_away()
        await self._end_hard()
        await self._come_to_rest()

    async def _be_away(self) -> None:
        """Have one of the two systems away for hours, and people go on meanwhile."""
        self.away = self.fortune.choice(list(Side))
        self.played[f"the {self.away} is away for hours"] += 1
        for hours in self.fortune.choices((0.2, 0.5, 1.0, 3.0), k=self.fortune.randint(1, 3)):
            self._act()
            await self.live_a_round()
            self.clock.advance(hours * 3600.0)
        self.away = None

    async def _back_up(self) -> None:
        """Copy the store at any moment."""
        for _ in range(self.fortune.randint(0, 40)):
            await self.step("a backup is about to be made")
        self.store.save()
        self.backed_up_at = self.clock.monotonic_s()
        self.played["a backup is made"] += 1

    async def _restore(self) -> None:
        """Lose the store, put the backup in its place and say so, as the handbook has it."""
        if any(each.habits.forget_us for each in self.vendors.values()):
            return
        self.played["a backup is restored"] += 1
        self.parked |= (await self.db.read(_shown)).parked
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
                if await self._together([step()]):
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
            await self._together([self.operator.edit(self.luck)])
        await self.live_a_round()
        ending.is_near = False

    async def _come_to_rest(self) -> None:
        self.is_calm, self.kill_at = True, None
        desk = self.vendors[Side.ITSM]
        for people in self.people.values():
            people.put_right()
        if self.reforms:
            await self._together([self.operator.end_reforms()])
        # A webhook that failed is sent again.
        self.told.extend(desk.number(ticket.id) for ticket in desk.tickets())
        quiet = 0
        for _ in range(CALM_ROUNDS_MAX):
            await self.live_a_round()
            acted = await self.operator.operate() or await self.operator.seek_gone()
            quiet = quiet + 1 if not acted and await self._is_quiet() else 0
            if quiet >= 4:
                break
            self.clock.advance(12.0)
        else:
            raise AssertionError(f"not at rest; {await self._open()}")
        await self._be_quiet()
        shown = await self.db.read(_shown)
        self.shown = replace(
            shown,
            parked=shown.parked | self.parked,
            given_up=tuple(self.operator.given_up),
            apart=tuple(self.operator.apart),
            lost=tuple(self.lost),
        )
        await self.db.close()

    async def _be_quiet(self) -> None:
        """Read everything once more: nothing is news, nothing is said."""
        last = await self.db.read(journal.last_id)
        self.clock.advance(1_000.0)
        await self.live_a_round()
        told = await self.db.read(journal.tail, after_id=last)
        # A write that left twice is looked at once more when its settle time is over.
        lines = [one for one in told if one.line.event != "operation.rechecked"]
        assert not lines, f"not quiet: {[(one.line.event, one.line.detail) for one in lines]}"

    async def _is_quiet(self) -> bool:
        return not await self._open() and not any(v.is_late() for v in self.vendors.values())

    async def _open(self) -> list[str]:
        def unit(tx: Tx) -> list[str]:
            found = [
                f"{one.kind} {one.state} {one.park_reason} {one.detail}"
                for one in operations.list_operations(tx)
            ]
            soon = self.clock.now() + timedelta(seconds=600)
            found += [f"decision about {row}" for row in tickets.decide_due(tx, now=soon, limit=99)]
            found += [f"read of {row.id}" for row in tx.rows(_READS)]
            found += [f"pushed {one.body}" for one in inbox.take(tx, limit=9)]
            return found

        return await self.db.read(unit)


def _shown(tx: Tx) -> Shown:
    """Read what an operator can see: what was parked, and which fields are in conflict."""
    names = {row.id: row.external_id for row in tx.rows(_NAMES)}
    parked, frozen = set(), set()
    stopped = set(tx.scalars(_PARKED))
    for record in links.overview(tx):
        tickets_of = {side: names[row] for side, row in record.link.rows.items()}
        if record.link.id in stopped:
            parked |= set(tickets_of.values())
        for conflict in conflicts.list_open(tx, link_id=record.link.id):
            frozen.add((tickets_of[Side.ITSM], conflict.slot))
    rejoined = tx.rows(_REJOINED)
    parted = {names[row] for pair in rejoined for row in (pair.itsm_ticket, pair.vendor_ticket)}
    return Shown(parked=frozenset(parked), frozen=frozenset(frozen), parted=frozenset(parted))


_NAMES = t.ticket.select().with_only_columns(t.ticket.c.id, t.ticket.c.external_id)
_REJOINED = (
    t.link.select()
    .with_only_columns(t.link.c.itsm_ticket, t.link.c.vendor_ticket)
    .where(t.link.c.added_by != "")
)
_PARKED = (
    t.journal.select()
    .with_only_columns(t.journal.c.link)
    .where(t.journal.c.event == "operation.parked", t.journal.c.link.is_not(None))
)
_READS = (
    t.ticket.select()
    .with_only_columns(t.ticket.c.id)
    .where(t.ticket.c.read_due_at.is_not(None), t.ticket.c.gone_at.is_(None))
)

_FATES: dict[str, tuple[Fate, ...]] = {
    "poll": (Fate.UNREACHABLE, Fate.RATE_LIMITED, Fate.ODD),
    "read": (Fate.LAG, Fate.LAG, Fate.UNREACHABLE, Fate.RATE_LIMITED, Fate.ODD, Fate.MISSING),
    "write": (
        *(Fate.LOST, Fate.LOST, Fate.CUT, Fate.CUT, Fate.LATE, Fate.LATE),
        *(Fate.UNREACHABLE, Fate.RATE_LIMITED, Fate.TOKEN, Fate.CREDENTIALS, Fate.REFUSED),
    ),
    "probe": (Fate.UNREACHABLE, Fate.UNCLEAR, Fate.RATE_LIMITED, Fate.ODD),
    "download": (Fate.UNREACHABLE, Fate.RATE_LIMITED),
}
