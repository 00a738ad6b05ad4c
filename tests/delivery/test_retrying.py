"""A person has what is parked tried again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncd.model.operation import OperationState
from syncd.store import operations
from tests.delivery.world import World, a_world, create
from tests.support.clock import FakeClock
from tests.support.memory_adapter import Fault


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, FakeClock(auto_advance=True), inline=True) as made:
        yield made


async def test_what_was_sent_as_often_as_may_be_is_sent_once_more_when_a_person_asks(
    world: World,
) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    delivery = world.delivery(sends_max=3)
    world.vendor.script.extend(Fault.CUT for _ in range(4))
    for sends in (3, 4, 5):
        await world.drive(delivery)
        assert len(world.vendor.sends) == sends
        state = (await world.show(create_id)).record.state
        assert state is (OperationState.APPLIED if sends == 5 else OperationState.PARKED)
        if sends < 5:
            looks = len(world.vendor.probes)
            now = world.clock.now()
            await world.db.write(operations.retry, create_id, by="anna", now=now)
            await delivery.run_round()
            assert len(world.vendor.probes) == looks + 1
