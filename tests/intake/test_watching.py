"""Tickets read one by one: what is due and nothing else, fair, and by one of several processes."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.core.pacing import WatchPace
from syncd.intake.config import IntakeConfig
from syncd.intake.service import READ_LEASE_S, Intake, IntakePorts
from syncd.model.features import Features, Reading
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.model.ticket import Ticket
from syncd.ports.adapter import TicketRef
from syncd.store import leases, tickets
from syncd.store import tables as t
from syncd.store.database import Database
from syncd.store.tx import Tx
from tests.bench import outbox
from tests.bench.fill import fill
from tests.intake.world import DESK, CountingIds, World
from tests.simulation.traits import Profile
from tests.simulation.vendor import Vendor
from tests.support.clock import FakeClock
from tests.support.stores import sqlite_store

HANDS, FAR = ConnectionName("hands"), ConnectionName("far")
PACE = WatchPace(every_s=300, hot_s=1_800, cold_s=3_600)
LINKS = 1_000
HOUR_S = 3_600.0
STEP_S = 15.0


class Quiet(Vendor):
    """A remote system in which nothing happens."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, "v", Profile(reading=Reading.WATCH))
        self.read_at: dict[int, list[datetime]] = {}

    async def read(self, ref: TicketRef) -> Ticket:
        number = int(str(ref.id)[1:])
        self.read_at.setdefault(number, []).append(self.clock.now())
        return outbox.ticket(Side.VENDOR, number)


class Quarter:
    """A store of many links at rest, one remote system, and a clock."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = FakeClock()
        self.hands = Quiet(self.clock)
        config = IntakeConfig(
            mappings={},
            adapters={HANDS: self.hands},
            traits={HANDS: self.hands.traits()},
            paces={HANDS: PACE},
        )
        ports = IntakePorts(db=db, clock=self.clock, ids=CountingIds(), prefix="test")
        self.intake = Intake(ports, config)

    async def fill(self, last_change: Callable[[int], timedelta]) -> None:
        """Link tickets that changed so long ago; cold ones are spread over an hour."""
        names = [f"v{number:07}" for number in range(1, LINKS + 1)]
        sides = {Side.ITSM: (FAR, "incident"), Side.VENDOR: (HANDS, "incident")}
        await fill(self.db, names, mapping=MappingName("m"), sides=sides)

        def unit(tx: Tx) -> None:
            row, now = sa.bindparam("row"), self.clock.now()
            tx.run(
                sa.update(t.ticket).where(t.ticket.c.id == row),
                [
                    {
                        "row": 2 * number + 1,
                        "watched": True,
                        "read_at": now - last_change(number),
                        "next_poll_at": now + timedelta(seconds=HOUR_S * number / LINKS),
                    }
                    for number in range(1, LINKS + 1)
                ],
            )

        await self.db.write(unit)

    async def pass_time(self, seconds: float) -> None:
        """Read whatever comes due, in steps of time."""
        for _ in range(int(seconds / STEP_S)):
            self.clock.advance(STEP_S)
            await self.intake.drain()


async def test_a_quiet_hour_of_a_thousand_links_costs_what_is_due_and_no_more(
    tmp_path: Path,
) -> None:
    async with await Database.open(sqlite_store(tmp_path / "syncd.db")) as db:
        quarter = Quarter(db)
        hot = range(1, 11)
        await quarter.fill(lambda number: timedelta(minutes=1 if number in hot else 60 * 24 * 9))

        await quarter.pass_time(HOUR_S)

        reads = {number: len(at) for number, at in quarter.hands.read_at.items()}
        assert set(reads) == set(range(1, LINKS + 1))  # Nobody starved.
        cold = Counter(count for number, count in reads.items() if number not in hot)
        assert cold == {1: LINKS - len(hot)}
        # Half an hour each 5 minutes, half an hour each 10, with a random tenth on top.
        assert all(7 <= reads[number] <= 10 for number in hot)
        assert await db.read(lambda tx: tx.scalar(sa.select(sa.func.count(t.journal.c.id)))) == 0


async def test_a_cold_ticket_waits_no_longer_behind_a_thousand_that_are_due(
    tmp_path: Path,
) -> None:
    async with await Database.open(sqlite_store(tmp_path / "syncd.db")) as db:
        quarter = Quarter(db)
        await quarter.fill(lambda _: timedelta(days=9))
        now = quarter.clock.now()

        def unit(tx: Tx) -> list[int]:
            row, c = tx.scalar(sa.select(sa.func.max(t.ticket.c.id))), t.ticket.c
            tx.run(sa.update(t.ticket).where(c.connection == HANDS).values(read_due_at=now))
            values = {"read_due_at": None, "next_poll_at": now - timedelta(hours=1)}
            tx.run(sa.update(t.ticket).where(c.id == row).values(values))
            due = tickets.due_reads(tx, HANDS, now=now, limit=8)
            return [each.row for each in due if each.row == row]

        assert len(await db.write(unit)) == 1


async def test_what_happens_to_a_partner_makes_a_cold_ticket_hot(world: World) -> None:
    """The desk is watched: a change at the carrier has its ticket read soon."""
    itsm, vendor = await world.linked()
    world.clock.advance(9 * 86_400)
    await world.intake.drain()
    before = await world.stored(world.desk, itsm)
    assert before.next_poll_at is not None
    assert (before.next_poll_at - world.now()).total_seconds() >= HOUR_S

    world.carrier.set(vendor, title="changed over there")
    await world.read()

    after = await world.stored(world.desk, itsm)
    assert after.next_poll_at is not None
    assert (after.next_poll_at - world.now()).total_seconds() <= 60
    world.clock.advance(120)
    await world.intake.drain()
    again = await world.stored(world.desk, itsm)
    assert again.next_poll_at is not None
    assert (again.next_poll_at - world.now()).total_seconds() <= 66


async def test_of_several_processes_one_reads_a_connection_at_a_time(world: World) -> None:
    if not world.db.is_shared:
        pytest.skip("on SQLite one process runs")
    itsm = world.noc()
    await world.notify(itsm)
    now = world.now()
    await world.db.write(
        leases.take, f"read/{DESK}", "another", now=now, until=now + timedelta(seconds=60)
    )
    await world.intake.drain()
    assert world.desk.reads == []
    await world.db.write(leases.give_back, f"read/{DESK}", "another")
    world.clock.advance(61)
    await world.intake.drain()
    assert len(world.desk.reads) == 1
    taken = await world.db.write(leases.take, f"read/{DESK}", "x", now=now, until=now)
    assert taken


class _OneByOne(Vendor):
    """Its tickets are read one after another, each for most of the time a lease lasts."""

    meanwhile: Callable[[], Awaitable[None]]

    @property
    def features(self) -> Features:
        theirs = super().features
        return replace(theirs, limits=replace(theirs.limits, concurrency=1))

    async def read(self, ref: TicketRef) -> Ticket:
        await self.meanwhile()
        return await super().read(ref)


async def test_who_reads_for_long_keeps_the_right_to(world: World) -> None:
    if not world.db.is_shared:
        pytest.skip("on SQLite one process runs")
    desk = _OneByOne(world.clock, "d")
    world.desk = world.vendors[DESK] = desk
    world.build()
    good_until: list[datetime] = []

    def until(tx: Tx) -> datetime:
        lease = t.lease.c
        return tx.scalar(sa.select(lease.until).where(lease.name == f"read/{DESK}"))

    async def looked_at() -> None:
        good_until.append(await world.db.read(until))
        world.clock.advance(READ_LEASE_S * 0.6)

    desk.meanwhile = looked_at
    for _ in range(4):
        await world.notify(world.noc())
    await world.intake.drain()
    # The server's clock says when a lease ends: prolonged each time, it ends later each time.
    assert len(good_until) >= 4
    assert good_until == sorted(set(good_until))
