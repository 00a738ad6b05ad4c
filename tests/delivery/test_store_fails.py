"""The store fails during a delivery: nothing is sent unnoted, nothing answered is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncd.model.operation import OperationState, ParkReason
from syncd.model.outbox import OutcomeKind
from syncd.store.database import Database, P, T, Unit
from syncd.store.errors import StoreUnavailable
from tests.delivery.world import World, a_world, create
from tests.support.clock import FakeClock


@pytest.fixture
async def world(tmp_path: Path, store_url: str) -> AsyncIterator[World]:
    async with a_world(tmp_path, url=store_url) as made:
        yield made


class Flaky(Database):
    """A store that is away for the n-th writes named."""

    is_shared = False

    def __init__(self, inner: Database, fails: dict[str, list[BaseException]]) -> None:
        self.inner = inner
        self.fails = fails

    async def write(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        name = getattr(unit, "__name__", "")
        if self.fails.get(name):
            raise self.fails[name].pop(0)
        return await self.inner.write(unit, *args, **kwargs)

    async def read(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.inner.read(unit, *args, **kwargs)

    async def close(self) -> None:
        await self.inner.close()


class Unseen(Flaky):
    """A store on which others see that the owner lives only while `is_seen`."""

    is_seen = True

    async def hold_owner(self, owner: str) -> None:
        if not self.is_seen:
            raise StoreUnavailable("the owner's session is lost")

    @property
    def is_owner_held(self) -> bool:
        return self.is_seen


async def test_nothing_is_claimed_while_others_could_take_the_owner_for_dead(
    world: World,
) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    unseen = Unseen(world.db, {})
    delivery = world.delivery(db=unseen)
    await delivery.recover()
    unseen.is_seen = False
    with pytest.raises(StoreUnavailable, match="the owner's session"):
        await delivery.run_round()
    assert await world.state(create_id) is OperationState.READY
    assert world.vendor.sends == []
    unseen.is_seen = True
    await delivery.run_round()
    assert await world.state(create_id) is OperationState.APPLIED


async def test_an_outcome_is_stored_when_the_store_is_back(tmp_path: Path) -> None:
    async with a_world(tmp_path, FakeClock(auto_advance=True)) as world:
        (create_id,) = await world.plan(await world.opening(), create())
        flaky = Flaky(world.db, {"settle": [StoreUnavailable("disk full") for _ in range(5)]})
        await world.delivery(db=flaky).run_round()
        assert await world.state(create_id) is OperationState.APPLIED
        assert len(world.vendor.effects) == 1


async def test_an_outcome_that_cannot_be_stored_becomes_a_case_for_a_person(
    world: World,
) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    flaky = Flaky(world.db, {"settle": [ValueError("bug")]})
    await world.delivery(db=flaky).run_round()
    record = (await world.show(create_id)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.IN_DOUBT)
    assert "vendor-1" in record.detail


async def test_nothing_is_sent_when_sending_cannot_be_noted(world: World) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    flaky = Flaky(world.db, {"mark_sending": [StoreUnavailable("disk full")]})
    await world.delivery(db=flaky).run_round()
    assert world.vendor.sends == []
    assert await world.state(create_id) is OperationState.READY


async def test_a_claim_of_which_nobody_knows_whether_it_was_stored_is_given_back(
    world: World,
) -> None:
    await world.plan(await world.opening(), create())

    class Torn(Flaky):
        async def write(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            result = await super().write(unit, *args, **kwargs)
            if unit.__name__ == "_claim" and self.fails.pop("torn", []):
                raise StoreUnavailable("connection lost at commit")
            return result

    delivery = world.delivery(db=Torn(world.db, {"torn": [KeyError()]}))
    with pytest.raises(StoreUnavailable):
        await delivery.run_round()
    assert (await delivery.run_round()).count(OutcomeKind.APPLIED) == 1
