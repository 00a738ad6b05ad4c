"""Cancelling reads and writes swallows nothing and breaks nothing."""

import asyncio

import pytest

from syncd.model.operation import Receipt, WriteKind
from tests.conformance.world import World, needs, one_field, operation_of

SLOW_S = 0.3
"""Real seconds the sandbox takes; a cancelled call does not wait for them."""
TURNS_MAX = 200_000


async def arrived(world: World, task: "asyncio.Task[object]") -> None:
    """Let things run until the request that meets the fault has come in."""
    for _ in range(TURNS_MAX):
        if not world.sandbox.faults.pending or task.done():
            return
        await asyncio.sleep(0)
    raise AssertionError("the request never came")


async def cancelled(world: World, task: "asyncio.Task[object]") -> None:
    """Cancel once it is under way, and see that it ends cancelled."""
    await arrived(world, task)
    assert not task.done(), task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


class TestCancellation:
    """CancelledError goes through, and the connection works on."""

    async def test_a_read_can_be_cancelled(self, world: World) -> None:
        ref = world.person_opens()
        before = await world.read(ref)
        world.sandbox.faults.next("slow", delay_s=SLOW_S, before_effect=True)
        await cancelled(world, asyncio.create_task(world.adapter.read(ref)))
        assert await world.read(ref) == before

    @pytest.mark.parametrize("kind", list(WriteKind))
    async def test_a_write_can_be_cancelled(self, world: World, kind: WriteKind) -> None:
        needs(world, kind)
        ref = None if kind is WriteKind.CREATE else await world.opened()
        operation = await operation_of(world.fixture, kind)
        world.sandbox.faults.next("slow", delay_s=SLOW_S, before_effect=True, operation=operation)
        since = len(world.exchanges.seen)
        write = one_field(world, world.write_of(kind, ref))
        await cancelled(world, asyncio.create_task(world.send(write)))
        other = None if kind is WriteKind.CREATE else await world.opened()
        told = await world.send(one_field(world, world.write_of(kind, other)))
        assert isinstance(told, Receipt)
        # Counted on our side: the sandbox still sleeps over the cancelled one.
        sent = [one.operation for one in world.exchanges.seen[since:] if one.is_write]
        assert sent.count(sent[0]) == 2, "a cancelled write was repeated"

    async def test_many_tasks_share_an_adapter(self, world: World) -> None:
        refs = [world.person_opens() for _ in range(12)]
        tickets = await asyncio.gather(*(world.read(ref) for ref in refs))
        assert [one.id for one in tickets] == [ref.id for ref in refs]
        if world.can(WriteKind.CREATE):
            since = world.mark
            made = await asyncio.gather(
                *(world.send(world.write_of(WriteKind.CREATE)) for _ in range(8))
            )
            assert len({one.ticket_id for one in made}) == world.done(since) == 8
