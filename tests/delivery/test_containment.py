"""One ticket that always fails, or one vendor that is down, costs the others nothing.

Counted in rounds and sends on a clock that stands still; `make bench` has it as throughput.
"""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.model.features import WriteFeature
from syncd.model.ids import OperationId, Side, TicketId
from syncd.model.operation import OperationState, ParkReason, Receipt, Write, WriteKind
from syncd.model.outbox import OutcomeKind
from syncd.ports.adapter import FileSource
from syncd.ports.clock import Clock, SystemClock
from syncd.ports.errors import CircuitOpen, OutcomeUnknown, Refused, Unreachable
from syncd.store import operations
from syncd.store.database import Database
from tests.bench import outbox
from tests.delivery.world import World, a_world, silent, update
from tests.support.clock import FakeClock
from tests.support.memory_adapter import MemoryAdapter

TICKETS = 1_000
LINKS = 60
PATIENCE_S = 20.0


class Cursed(MemoryAdapter):
    """A vendor of any ticket, one of which no write ever gets through to."""

    def __init__(self, clock: Clock, ticket: TicketId | None, error: BaseException | None) -> None:
        super().__init__(clock, writes={kind: WriteFeature(settle_s=5) for kind in WriteKind})
        self.cursed = ticket
        self.error = error
        self.cursed_sends = 0

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        assert write.ticket_id is not None
        if write.ticket_id == self.cursed and self.error is not None:
            self.cursed_sends += 1
            raise self.error
        if write.ticket_id not in self._cases:
            self.put(write.ticket_id)
        return await super().write(write, file)


async def rounds_to_rest(world: World, vendor: MemoryAdapter) -> int:
    """Do what is due at this moment; give the rounds it took."""
    world.adapters = {outbox.VENDOR: vendor}
    world.live = frozenset({outbox.MAPPING})
    delivery = world.delivery()
    rounds = 0
    while (await delivery.run_round()).claimed:
        rounds += 1
    return rounds


async def carried(template: Path, folder: Path, error: BaseException | None) -> tuple[int, Cursed]:
    """Carry out a copy of a store's thousand; give the rounds it took, and the vendor."""
    folder.mkdir()
    shutil.copy(template, folder / "syncd.db")
    async with await Database.open(f"sqlite:///{folder / 'syncd.db'}") as db:
        clock = FakeClock()
        world = World(db, folder, clock)
        world.log = silent()
        vendor = Cursed(clock, outbox.ticket(Side.VENDOR, 17).id, error)
        rounds = await rounds_to_rest(world, vendor)
        await world.drive(world.delivery())
    return rounds, vendor


ERRORS = [
    (Refused("no"), ParkReason.REFUSED, 1),
    (OutcomeUnknown("cut off", closed_at=FakeClock().now()), ParkReason.EXHAUSTED, 3),
    (ZeroDivisionError("a bug"), ParkReason.EXHAUSTED, 3),
]


@pytest.mark.slow
async def test_one_ticket_of_a_thousand_that_always_fails_costs_the_others_no_round_and_no_send(
    tmp_path: Path,
) -> None:
    template = tmp_path / "template.db"
    await outbox.fill(f"sqlite:///{template}", TICKETS)
    without, free = await carried(template, tmp_path / "free", None)
    assert len(free.sends) == TICKETS

    for at, (error, reason, sends_most) in enumerate(ERRORS):
        folder = tmp_path / f"{at}"
        rounds, vendor = await carried(template, folder, error)
        assert len(vendor.sends) == TICKETS - 1, "another was written twice, or not at all"
        assert vendor.cursed_sends <= sends_most
        assert rounds == without, "the others waited for it"
        async with await Database.open(f"sqlite:///{folder / 'syncd.db'}", read_only=True) as db:
            (left,) = await db.read(operations.list_operations)
        assert (left.state, left.park_reason) == (OperationState.PARKED, reason)


async def planned(world: World, *, desk_too: bool) -> list[OperationId]:
    """Have a write for each of many tickets; for the desk first, where it is to be down."""
    links = await asyncio.gather(*(world.link(number) for number in range(1, LINKS + 1)))
    if desk_too:
        to_desk = [replace(update(title=f"d{link}"), target=Side.ITSM) for link in links]
        pairs = zip(links, to_desk, strict=True)
        await asyncio.gather(*(world.plan(link, each) for link, each in pairs))
    found = await asyncio.gather(*(world.plan(link, update(title=f"v{link}")) for link in links))
    return [operation for (operation,) in found]


async def rounds_until_there(world: World) -> int:
    """Run rounds, without any time passing, until the vendor has it all."""
    delivery = world.delivery(concurrency=2, claim_max=16)
    for rounds in range(1, 10 * LINKS):
        done = await delivery.run_round()
        assert not done.count(OutcomeKind.UNKNOWN)
        if len(world.vendor.effects) == LINKS:
            return rounds
    raise AssertionError("it never got everything")


@pytest.mark.parametrize("error", [Unreachable("down"), CircuitOpen("down")], ids=["away", "open"])
async def test_a_vendor_that_is_down_costs_the_other_no_round_and_no_send(
    tmp_path: Path, error: BaseException
) -> None:
    rounds = {}
    for is_down in (False, True):
        folder = tmp_path / f"{is_down}"
        folder.mkdir()
        async with a_world(folder, FakeClock()) as world:
            world.log = silent()
            await planned(world, desk_too=is_down)
            world.desk.script.extend([error] * 10 * LINKS)
            rounds[is_down] = await rounds_until_there(world)
            assert len(world.vendor.sends) == LINKS
            assert len(world.desk.sends) <= LINKS, "what is down was asked without end"
    assert rounds[True] == rounds[False]


async def test_a_vendor_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def hangs(_step: str) -> None:
        await gate.wait()

    async with a_world(tmp_path, SystemClock()) as world:
        world.log = silent()
        ids = await planned(world, desk_too=True)
        world.desk.step = hangs
        stop = asyncio.Event()
        service = world.delivery(concurrency=2, claim_max=16, poll_s=0.05)
        running = asyncio.create_task(service.run(stop))
        async with asyncio.timeout(PATIENCE_S):
            while len(world.vendor.effects) < LINKS:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        assert world.desk.effects == []
        gate.set()
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await running
        assert set(await world.states(ids)) == {OperationState.APPLIED}
