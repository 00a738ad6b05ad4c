"""Delivery as a service: it keeps its lanes busy, shares fairly, and stops within a bound."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from syncd.delivery.service import Delivery
from syncd.model.ids import ConnectionName, LinkRow, OperationId, Side
from syncd.model.operation import OperationState
from syncd.ports.clock import SystemClock
from syncd.ports.errors import CircuitOpen, OddAnswer, RateLimited
from tests.delivery.world import DESK, VENDOR, World, a_world, comment, update
from tests.support.memory_adapter import Fault

PATIENCE_S = 20.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, SystemClock()) as made:
        made.options = replace(made.options, poll_s=0.05, hold_s=0.05, hold_max_s=0.1)
        yield made


class Running:
    """A service that runs, for a test to stop."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(delivery.run(self.stop))

    async def finish(self) -> None:
        self.stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await self.task


@pytest.fixture
async def start(world: World) -> AsyncIterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(**changes: Any) -> Running:
        started.append(Running(world.delivery(**changes)))
        return started[-1]

    yield begin
    for running in started:
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - the vendor in memory tells nobody
            await asyncio.sleep(0.005)


async def updates(world: World, numbers: range) -> list[OperationId]:
    ids: list[OperationId] = []
    for number in numbers:
        ids += await world.plan(await world.link(number), update(title="new"))
    return ids


def blocked_by(gate: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await gate.wait()

    return wait


async def test_it_delivers_whatever_is_stored_and_stops_when_told(
    world: World, start: Callable[..., Running]
) -> None:
    running = start()
    await updates(world, range(1, 6))
    await until(lambda: len(world.vendor.effects) == 5)
    await running.finish()


async def test_the_doorbell_saves_the_wait(world: World, start: Callable[..., Running]) -> None:
    running = start(poll_s=30.0)
    await asyncio.sleep(0.05)
    await updates(world, range(1, 2))
    running.delivery._doorbell.set()
    await until(lambda: len(world.vendor.effects) == 1)
    await running.finish()


async def test_a_tickets_next_operation_does_not_wait_for_a_poll(
    world: World, start: Callable[..., Running]
) -> None:
    await world.plan(await world.link(), *(comment(f"c{number}") for number in range(10)))
    running = start(poll_s=30.0)
    await until(lambda: len(world.vendor.effects) == 10)
    await running.finish()


async def test_the_slowest_of_a_batch_holds_nobody_up(
    world: World, start: Callable[..., Running]
) -> None:
    gate = asyncio.Event()
    world.vendor.script.append(blocked_by(gate))
    await updates(world, range(1, 31))
    running = start(concurrency=2, ahead=1)
    await until(lambda: len(world.vendor.effects) == 29)
    gate.set()
    await until(lambda: len(world.vendor.effects) == 30)
    await running.finish()


async def test_a_connection_never_has_more_in_flight_than_it_may(
    world: World, start: Callable[..., Running]
) -> None:
    async def a_moment() -> None:
        await asyncio.sleep(0.002)

    world.vendor.script.extend(a_moment for _ in range(40))
    await updates(world, range(1, 41))
    running = start(concurrency=3)
    await until(lambda: len(world.vendor.effects) == 40)
    await running.finish()
    assert world.vendor.in_flight_max == 3


async def to_desk(world: World, link_id: LinkRow) -> None:
    await world.plan(link_id, replace(update(title="new"), target=Side.ITSM, slots={}))


async def test_a_connection_that_is_down_takes_nobody_elses_place(
    world: World, start: Callable[..., Running]
) -> None:
    for number in range(1, 61):
        link_id = await world.link(number)
        await world.plan(link_id, update(title="new"))
        if number > 50:
            await to_desk(world, link_id)
    world.vendor.script.extend(CircuitOpen("down") for _ in range(10_000))
    running = start(concurrency=2, ahead=1, hold_s=0.2, hold_max_s=5.0, claim_max=8)
    await until(lambda: len(world.desk.effects) == 10)
    asked = len(world.vendor.sends)
    world.vendor.script.clear()
    await until(lambda: len(world.vendor.effects) == 60)
    await running.finish()
    assert asked < 30  # the many that wait were not each tried in vain


async def test_a_rate_limit_stops_claiming_for_that_connection_alone(
    world: World, start: Callable[..., Running]
) -> None:
    for number in range(1, 21):
        link_id = await world.link(number)
        await world.plan(link_id, update(title="new"))
        await to_desk(world, link_id)
    world.vendor.script.append(RateLimited("wait", retry_after_s=60))
    running = start(concurrency=1, ahead=0)
    await until(lambda: len(world.desk.effects) == 20)
    await running.finish()
    assert len(world.vendor.sends) == 1


# --- stopping ---------------------------------------------------------------------------------


async def test_what_is_in_flight_gets_time_to_finish(
    world: World, start: Callable[..., Running]
) -> None:
    gate = asyncio.Event()
    world.vendor.script.append(blocked_by(gate))
    (update_id,) = await updates(world, range(1, 2))
    running = start(stop_grace_s=10.0)
    await until(lambda: world.vendor.in_flight == 1)
    running.stop.set()
    await asyncio.sleep(0.05)
    gate.set()
    await running.finish()
    assert await world.state(update_id) is OperationState.APPLIED


async def test_what_does_not_finish_in_time_is_unknown_and_found_after_the_restart(
    world: World, start: Callable[..., Running]
) -> None:
    world.vendor.script.append(Fault.HANG)
    (update_id,) = await updates(world, range(1, 2))
    running = start(stop_grace_s=0.1)
    await until(lambda: len(world.vendor.effects) == 1)
    async with asyncio.timeout(5):
        await running.finish()
    record = (await world.show(update_id)).record
    assert record.state is OperationState.UNKNOWN
    assert record.sends == 1


async def test_what_was_claimed_ahead_is_given_back_unsent(
    world: World, start: Callable[..., Running]
) -> None:
    gate = asyncio.Event()
    world.vendor.script.extend(blocked_by(gate) for _ in range(2))
    ids = await updates(world, range(1, 9))
    running = start(concurrency=2, ahead=3, stop_grace_s=5.0)
    await until(lambda: world.vendor.in_flight == 2)
    running.stop.set()
    await asyncio.sleep(0.05)
    gate.set()
    await running.finish()
    states = await world.states(ids)
    assert states.count(OperationState.APPLIED) == 2
    assert states.count(OperationState.READY) == 6
    assert len(world.vendor.sends) == 2


async def test_cancelling_it_still_stores_what_is_known(
    world: World, start: Callable[..., Running]
) -> None:
    world.vendor.script.append(Fault.HANG)
    ids = await updates(world, range(1, 4))
    running = start(concurrency=1)
    await until(lambda: len(world.vendor.effects) == 1)
    running.task.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(running.task, return_exceptions=True)
    assert running.task.cancelled()
    states = await world.states(ids)
    assert states == [OperationState.UNKNOWN, OperationState.READY, OperationState.READY]


async def test_an_adapter_that_will_not_stop_does_not_keep_the_daemon_from_stopping(
    world: World, start: Callable[..., Running]
) -> None:
    done = asyncio.Event()

    async def deaf() -> None:
        while not done.is_set():
            try:
                await done.wait()
            except asyncio.CancelledError:
                continue

    world.vendor.script.append(deaf)
    await updates(world, range(1, 2))
    running = start(stop_grace_s=0.1, settle_grace_s=0.1)
    await until(lambda: world.vendor.in_flight == 1)
    async with asyncio.timeout(5):
        await running.finish()
    done.set()


async def test_stopping_an_idle_one_is_immediate(start: Callable[..., Running]) -> None:
    running = start(poll_s=60.0, stop_grace_s=60.0)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await running.finish()


# --- going on ---------------------------------------------------------------------------------


async def test_a_long_write_keeps_its_lease(world: World, start: Callable[..., Running]) -> None:
    gate = asyncio.Event()
    world.vendor.script.append(blocked_by(gate))
    (update_id,) = await updates(world, range(1, 2))
    running = start(lease_s=0.3)
    await until(lambda: world.vendor.in_flight == 1)
    other = world.delivery(owner="other")
    for _ in range(10):
        await asyncio.sleep(0.1)
        assert (await other._recover(at_start=False)).unknown == 0
    gate.set()
    await until(lambda: len(world.vendor.effects) == 1)
    await running.finish()
    assert await world.state(update_id) is OperationState.APPLIED


async def test_what_a_dead_owner_left_is_taken_over_while_running(
    world: World, start: Callable[..., Running]
) -> None:
    (update_id,) = await updates(world, range(1, 2))
    dead = world.delivery(owner="dead", lease_s=0.2)
    (claimed,) = await dead._ledger.claim({VENDOR: 1})
    assert await dead._ledger.mark_sending(claimed, claimed.write)
    world.vendor.writes = {
        kind: replace(feature, settle_s=0.1) for kind, feature in world.vendor.writes.items()
    }
    running = start(lease_s=0.3)
    await until(lambda: len(world.vendor.effects) == 1)
    await running.finish()
    assert await world.state(update_id) is OperationState.APPLIED
    assert len(world.vendor.probes) >= 2


async def test_a_probe_that_fails_oddly_does_not_end_the_service(
    world: World, start: Callable[..., Running]
) -> None:
    world.vendor.script.append(Fault.LOST)
    world.vendor.probe_script.append(OddAnswer("garbage"))
    world.vendor.writes = {
        kind: replace(feature, settle_s=0.05) for kind, feature in world.vendor.writes.items()
    }
    (update_id,) = await updates(world, range(1, 2))
    world.options = replace(world.options, retry=replace(world.options.retry, base_s=0.05))
    running = start()
    with capture_logs() as lines:
        await until(lambda: any(line["event"] == "delivery.applied" for line in lines))
    await running.finish()
    assert await world.state(update_id) is OperationState.APPLIED


async def test_a_connection_that_comes_with_a_reload_is_served(
    world: World, start: Callable[..., Running]
) -> None:
    vendor = world.adapters.pop(VENDOR)
    running = start()
    await updates_without(world, vendor)
    await asyncio.sleep(0.2)
    assert vendor.sends == []
    world.adapters[VENDOR] = vendor
    await until(lambda: len(vendor.effects) == 1)
    await running.finish()


async def updates_without(world: World, vendor: object) -> None:
    world.adapters[ConnectionName("vendor")] = vendor
    link_id = await world.link()
    del world.adapters[VENDOR]
    await world.plan(link_id, update(title="new"))
    assert DESK in world.adapters
