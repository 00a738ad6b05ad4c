"""A vendor that is slow, hangs or fails costs the others nothing: each is read for itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from syncd.intake.readers import Readers
from syncd.intake.service import Intake, IntakePorts
from syncd.model.ids import ConnectionName, TicketId
from syncd.store.errors import StoreUnavailable
from tests.intake.world import CARRIER, DESK, World

WITHIN_S = 20.0
"""When a test fails; nothing waits so long in one that passes."""


class Running:
    """The service as the daemon runs it."""

    def __init__(self, world: World) -> None:
        ports = IntakePorts(db=world.db, clock=world.clock, ids=world.ids, prefix="test")
        self.wake, self.planned, self.stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.intake = Intake(
            ports, world.config, options=world.options, wake=self.wake, delivery_wake=self.planned
        )
        self.task = asyncio.create_task(self.intake.run(self.stop))
        self._world = world

    async def plans(self, itsm: TicketId, **fields: str) -> None:
        """Wait until a change at the desk is read and planned."""
        self._world.desk.set(itsm, **fields)
        await self._world.notify(itsm)
        self.planned.clear()
        self.wake.set()
        async with asyncio.timeout(WITHIN_S):
            await self.planned.wait()

    async def end(self) -> None:
        self.stop.set()
        self.wake.set()
        async with asyncio.timeout(WITHIN_S):
            await self.task


@contextlib.asynccontextmanager
async def running(world: World) -> AsyncIterator[Running]:
    service = Running(world)
    try:
        yield service
    finally:
        service.task.cancel()
        await asyncio.gather(service.task, return_exceptions=True)


class Silence:
    """Lets no read of a vendor end before it is told to."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def step(self, name: str) -> None:
        if name == "read":
            self.asked.set()
            await self.answer.wait()


async def _silent(world: World, vendor: TicketId) -> Silence:
    """Have a change at the carrier, whose ticket cannot be read."""
    silence = Silence()
    world.carrier.step = silence.step
    world.carrier.set(vendor, priority="High")
    await world.intake.poll(CARRIER)
    return silence


async def test_while_one_vendor_hangs_the_others_are_read_and_decided_about_round_after_round(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    other, other_vendor = await world.linked()
    silence = await _silent(world, vendor)
    async with running(world) as service:
        await silence.asked.wait()
        for n in range(3):
            await service.plans(other, title=f"again {n}")
        silence.answer.set()
        await service.end()
    await world.settle()
    assert world.carrier.ticket(other_vendor).get("title") == "again 2"
    assert world.desk.ticket(itsm).get("priority") == "2"


async def test_stopping_waits_for_what_is_being_read_and_keeps_it(world: World) -> None:
    itsm, vendor = await world.linked()
    silence = await _silent(world, vendor)
    async with running(world) as service:
        await silence.asked.wait()
        service.stop.set()
        service.wake.set()
        silence.answer.set()
        await service.end()
    await world.deliver()
    assert world.desk.ticket(itsm).get("priority") == "2"


async def test_cutting_reading_off_leaves_nothing_behind_and_the_next_life_reads_it_again(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    silence = await _silent(world, vendor)
    before = asyncio.all_tasks()
    async with running(world) as service:
        await silence.asked.wait()
        service.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await service.task
    assert {task.get_name() for task in asyncio.all_tasks() - before} == set()
    silence.answer.set()
    await world.settle()
    assert world.desk.ticket(itsm).get("priority") == "2"


async def test_a_round_that_fails_rings_and_is_told_to_whoever_collects() -> None:
    rung, other = asyncio.Event(), asyncio.Event()

    async def read(name: ConnectionName) -> str:
        if name == CARRIER:
            raise StoreUnavailable("away")
        await other.wait()
        return name

    readers = Readers[str](read, rung=rung)
    readers.start([DESK, CARRIER])
    await rung.wait()
    with pytest.raises(StoreUnavailable):
        readers.collect()
    readers.start([DESK])
    other.set()
    await readers.finish()
    assert readers.collect() == []
