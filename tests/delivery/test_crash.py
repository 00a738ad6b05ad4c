"""Stopped at any step, delivery goes on after a restart: nothing lost, nothing twice.

A step is a transaction's start or end, or a place where a vendor could be interrupted. Killed means
that nothing of the process happens after that step; cancelled means that its tasks are.
"""

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncd.core.state import Rank
from syncd.delivery.ledger import Ledger
from syncd.model.features import WriteFeature
from syncd.model.ids import OperationId, OperationKey
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.store.database import Database, P, T, Unit
from tests.delivery.world import (
    World,
    a_world,
    attachment,
    comment,
    create,
    silent,
    status,
    update,
)
from tests.support.clock import FakeClock
from tests.support.memory_adapter import Fault

STEPS_MAX = 400


class Killed(BaseException):
    """The process is dead: whatever still runs of it may not touch the world."""


class Fuse:
    """Counts steps and ends the process at the n-th."""

    def __init__(self, at: int, *, kills: bool) -> None:
        self.at = at
        self.kills = kills
        self.count = 0
        self.blown = asyncio.Event()

    async def step(self, _name: str = "") -> None:
        if self.kills and self.blown.is_set():
            raise Killed
        self.count += 1
        if self.count == self.at:
            self.blown.set()
            if self.kills:
                raise Killed
            # Let the cancellation arrive here; what is shielded from it goes on after a moment.
            await asyncio.sleep(0.01)


class FusedDatabase(Database):
    """A store whose transactions are steps: before, and after the commit but before it is told."""

    is_shared = False

    def __init__(self, inner: Database, fuse: Fuse) -> None:
        self.inner = inner
        self.fuse = fuse

    async def write(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self.fuse.kills or not self.fuse.blown.is_set():
            await self.fuse.step()
        result = await self.inner.write(unit, *args, **kwargs)
        if self.fuse.kills or not self.fuse.blown.is_set():
            await self.fuse.step()
        return result

    async def read(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.inner.read(unit, *args, **kwargs)

    async def close(self) -> None:
        await self.inner.close()


def _people(world: World) -> None:
    """What is at both providers before anything is delivered."""
    world.desk.put("D1", title="t")
    world.desk.put_file("D1", "f1", "log.txt", b"some bytes")
    world.vendor.put("V2", title="t", status="New")


async def _plans(world: World) -> None:
    first = await world.opening(1)
    await world.plan(first, create(title="one"), comment("a comment"), attachment("f1"))
    await world.plan(await world.link(2), update(title="two"), status("Closed", rank=Rank.CLOSING))


class Start:
    """The store as it is before delivery starts, made once and copied for each step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "start.db"
        self.keys: dict[OperationId, OperationKey] = {}

    async def make(self) -> None:
        home = self.folder / "start"
        home.mkdir()
        async with a_world(home) as world:
            await _plans(world)
            self.keys = world.keys
        (home / "syncd.db").rename(self.file)

    @contextlib.asynccontextmanager
    async def world(self, at: int) -> AsyncIterator[World]:
        home = self.folder / str(at)
        home.mkdir()
        shutil.copy(self.file, home / "syncd.db")
        async with a_world(home, inline=True) as world:
            world.keys, world.log = self.keys, silent()
            _people(world)
            yield world
        shutil.rmtree(home)


async def _live_until(world: World, fuse: Fuse) -> bool:
    """Run until at rest or until the fuse blows; returns whether it came to rest."""
    delivery = world.delivery(db=FusedDatabase(world.db, fuse), owner="first")
    world.vendor.step = world.desk.step = fuse.step
    running = asyncio.create_task(_run(world, delivery, fuse))
    blown = asyncio.create_task(fuse.blown.wait())
    await asyncio.wait({running, blown}, return_when=asyncio.FIRST_COMPLETED)
    if fuse.blown.is_set():
        # The round's own tasks and whoever waits for them.
        for task in [*delivery._tasks, running]:
            task.cancel()
    blown.cancel()
    await asyncio.gather(running, *delivery._tasks, blown, return_exceptions=True)
    delivery._settler.abandon()
    await asyncio.sleep(0)
    return not fuse.blown.is_set()


async def _run(world: World, delivery: object, fuse: Fuse) -> None:
    try:
        await delivery.recover()  # type: ignore[attr-defined]
        await world.drive(delivery)  # type: ignore[arg-type]
    except Killed:
        fuse.blown.set()


async def _settle_down(world: World) -> None:
    async def no_step(_name: str) -> None:
        return

    world.vendor.step = world.desk.step = no_step
    delivery = world.delivery(owner="second")
    await delivery.recover()
    await world.drive(delivery)


def _check(world: World, states: dict[OperationId, OperationState]) -> None:
    effects: Counter[str] = Counter()
    effects.update({str(key): count for key, count in world.vendor.counts().items()})
    for operation_id, state in states.items():
        count = effects[str(world.keys[operation_id])]
        assert state is OperationState.APPLIED, f"{operation_id} is {state}"
        assert count == 1, f"{operation_id} happened {count} times"


async def _at_step(start: Start, at: int, *, kills: bool, faults: tuple[Fault, ...] = ()) -> bool:
    async with start.world(at) as world:
        world.vendor.script.extend(faults)
        at_rest = await _live_until(world, Fuse(at, kills=kills))
        await _settle_down(world)
        _check(world, {found: await world.state(found) for found in world.keys})
        return at_rest


async def _at_every_step(start: Start, *, kills: bool, faults: tuple[Fault, ...] = ()) -> int:
    for at in range(1, STEPS_MAX):
        if await _at_step(start, at, kills=kills, faults=faults):
            return at
    raise AssertionError("the run never came to rest")


@pytest.fixture
async def start(tmp_path: Path) -> Start:
    made = Start(tmp_path)
    await made.make()
    return made


@pytest.mark.parametrize("kills", [True, False], ids=["killed", "cancelled"])
@pytest.mark.parametrize(
    "faults", [(), (Fault.LOST, Fault.CUT, Fault.LOST)], ids=["honest", "faulty"]
)
@pytest.mark.slow
async def test_stopped_at_any_step_everything_happens_exactly_once(
    start: Start, kills: bool, faults: tuple[Fault, ...]
) -> None:
    steps = await _at_every_step(start, kills=kills, faults=faults)
    assert steps > 30  # it really stopped in many places


async def test_a_delivery_that_forgets_to_note_sending_is_caught(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The canary: without *sending* a killed send looks as if nothing had left.
    async def forgotten(*_arguments: object) -> bool:
        return True

    monkeypatch.setattr(Ledger, "mark_sending", forgotten)
    with pytest.raises(AssertionError, match="happened 2 times"):
        await _at_every_step(start, kills=True)


@pytest.mark.parametrize("at", [1, 4, 7, 12, 19, 26])
@pytest.mark.parametrize("kills", [True, False], ids=["killed", "cancelled"])
async def test_stopped_at_some_step_everything_happens_exactly_once(
    start: Start, at: int, kills: bool
) -> None:
    await _at_step(start, at, kills=kills)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [True, False], ids=["killed", "cancelled"])
async def test_where_nothing_can_be_found_out_a_stop_while_sending_is_in_doubt_never_twice(
    tmp_path: Path, kills: bool
) -> None:
    at, at_rest, doubts = 0, False, 0
    while not at_rest:
        at += 1
        folder = tmp_path / str(at)
        folder.mkdir()
        async with a_world(folder, FakeClock(), inline=True) as world:
            world.log = silent()
            world.vendor.writes = {kind: WriteFeature(can_probe=False) for kind in WriteKind}
            (update_id,) = await world.plan(await world.link(), update(title="new"))
            at_rest = await _live_until(world, Fuse(at, kills=kills))
            await _settle_down(world)
            record = (await world.show(update_id)).record
            count = world.vendor.counts()[world.keys[update_id]]
            if record.state is OperationState.PARKED:
                assert record.park_reason is ParkReason.IN_DOUBT
                assert count <= 1
                doubts += 1
            else:
                assert record.state is OperationState.APPLIED
                assert count == 1
    assert doubts >= 2
