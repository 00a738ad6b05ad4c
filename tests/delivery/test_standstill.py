"""A process that stood still: what others may do meanwhile, and what it may do when it goes on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.delivery.standstill import Standstill
from syncd.model.features import WriteFeature
from syncd.model.operation import (
    OperationState,
    WriteKind,
)
from syncd.store.database import Database
from syncd.store.records import Recovered
from tests.delivery.world import (
    World,
    a_world,
    create,
    turn,
    update,
)
from tests.support.postgres import Server


@pytest.fixture
async def world(tmp_path: Path, store_url: str) -> AsyncIterator[World]:
    async with a_world(tmp_path, url=store_url) as made:
        yield made


@pytest.mark.parametrize("is_taken_over", [True, False])
async def test_an_owner_that_stood_still_between_noting_and_sending_sends_only_what_is_its_own(
    world: World, is_taken_over: bool
) -> None:
    (update_id,) = await world.plan(await world.link(), update(title="new"))
    slow, other = world.delivery(owner="slow"), world.delivery(owner="other")
    honest = slow._ledger.mark_sending

    async def mark_and_stand_still(*arguments: Any) -> bool:
        marked = await honest(*arguments)
        turn(world, 2 * world.options.lease_s)
        if is_taken_over:
            await other.recover()
            await world.drive(other)
        return marked

    slow._ledger.mark_sending = mark_and_stand_still  # type: ignore[assignment,method-assign]
    result = await slow.run_round()
    assert result.lost == is_taken_over
    assert await world.state(update_id) is OperationState.APPLIED
    assert len(world.vendor.sends) == 1


@pytest.mark.parametrize("wakes_first", ["the sender", "the beat"])
async def test_a_write_under_way_may_not_leave_after_a_standstill_whoever_wakes_first(
    world: World, wakes_first: str
) -> None:
    standstill = Standstill(world.clock, longest_s=60.0)
    before = standstill.watch()
    for _ in range(5):
        turn(world, 59.0)
        standstill.beat()
    assert before()
    turn(world, 61.0)
    if wakes_first == "the beat":
        standstill.beat()
    assert not before()
    assert standstill.watch()()


@pytest.mark.postgres
async def test_where_nothing_can_be_looked_for_nobody_is_asked_while_it_may_still_be_on_its_way(
    tmp_path: Path, postgres_store_url: str
) -> None:
    async with (
        await Database.open(postgres_store_url) as others,
        a_world(tmp_path, url=postgres_store_url) as world,
    ):
        world.vendor.writes[WriteKind.CREATE] = WriteFeature(can_probe=False)
        (create_id,) = await world.plan(await world.opening(), create())
        slow, other = world.delivery(owner="slow"), world.delivery(owner="other", db=others)
        states: list[OperationState] = []

        async def meanwhile(name: str) -> None:
            if name == "after effect":
                # Nobody holds the session of this owner: it is taken for dead.
                assert (await other.recover()).unknown == 1
                for _ in range(2):
                    await other.run_round()
                    states.append(await world.state(create_id))
                    turn(world, 2 * world.options.lease_s)

        world.vendor.step = meanwhile
        await slow.run_round()
        assert states == [OperationState.UNKNOWN, OperationState.PARKED]
        assert len(world.vendor.sends) == 1


@pytest.mark.postgres
async def test_one_that_stood_still_until_its_session_was_ended_overwrites_nothing(
    tmp_path: Path, postgres_store_url: str, postgres_server: Server
) -> None:
    ending = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{sa.make_url(postgres_store_url).database}'"
    )
    async with (
        await Database.open(postgres_store_url) as others,
        a_world(tmp_path, url=postgres_store_url) as world,
    ):
        (create_id,) = await world.plan(await world.opening(), create())
        slow, other = world.delivery(owner="slow"), world.delivery(owner="other", db=others)
        await slow.recover()
        await other.recover()
        before: list[Recovered] = []

        async def meanwhile(name: str) -> None:
            if name == "after effect":
                turn(world, 2 * world.options.lease_s)
                before.append(await other.recover())
                await postgres_server.run(ending)
                assert (await other.recover()).unknown == 1
                await world.drive(other)

        world.vendor.step = meanwhile
        await slow.run_round()
        detail = await world.show(create_id)
    assert before == [Recovered()]
    assert detail.record.state is OperationState.APPLIED
    assert [(attempt.what, attempt.late) for attempt in detail.attempts] == [
        ("probe", False),
        ("send", True),
    ]
    assert len(world.vendor.sends) == len(world.vendor.effects) == 1
