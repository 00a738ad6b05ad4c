"""Telenor's rule, whole: delivery over real HTTP against Telenor's sandbox."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from syncd.core.active import Question
from syncd.model.operation import OperationState, WriteKind
from syncd.model.outbox import ClaimedOperation
from syncd.model.ticket import CommentKind
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.telenor import TelenorSandbox, TelenorSandboxSettings
from syncd.transport.pool import ClientPool
from tests.delivery.world import VENDOR, World, a_world, create
from tests.providers.telenor.desk import Connecting
from tests.support.clock import FakeClock

PROBLEM = {
    "title": "PO-7712 is late",
    "description": "Promised for Monday.",
    "identification_number": "LU-12345678",
}


@dataclass
class Scene:
    """A store, a desk in memory, and Telenor over HTTP."""

    world: World
    sandbox: TelenorSandbox

    def made_by_us(self, what: str) -> list[dict[str, Any]]:
        return [one for one in self.sandbox.record.of(what) if one["actor"] == "client"]


def asking(op: ClaimedOperation) -> Question | None:
    if op.write.kind is not WriteKind.CREATE:
        return None
    terms = {"order_reference": "PO-7712", "identification_number": "LU-12345678"}
    return Question(kind="order", terms=terms, tell=CommentKind.WORK_NOTE)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = FakeClock(auto_advance=True)
    settings = TelenorSandboxSettings(clock=SandboxClock(clock.now()))
    async with (
        a_world(tmp_path, clock) as world,
        TelenorSandbox(settings) as sandbox,
        ClientPool() as pool,
    ):
        world.adapters[VENDOR] = Connecting(pool=pool, clock=clock).adapter(sandbox.base_url)
        world.question = asking
        yield Scene(world, sandbox)
        assert sandbox.violations == []


@pytest.mark.parametrize("fault", [None, "lost_answer", "reset_before", "expired_token"])
async def test_a_problem_with_an_order_in_process_is_one_comment_on_it_and_no_incident(
    scene: Scene, fault: str | None
) -> None:
    world, sandbox = scene.world, scene.sandbox
    order = sandbox.person_creates({"subject": "x", "orderReference": "PO-7712"}, kind="order")
    if fault is not None:
        sandbox.faults.next(fault, operation="order_add_comment")
    (create_id,) = await world.plan(await world.opening(), create(**PROBLEM))

    await world.drive(world.delivery())

    (said,) = scene.made_by_us("comment_added")
    assert (said["ticket"], said["tree"]) == (order, "order")
    assert "PO-7712 is late\n\nPromised for Monday." in said["text"]
    assert scene.made_by_us("ticket_created") == []
    assert await world.state(create_id) is OperationState.SUPERSEDED
    assert len(world.desk.sends) == 1


@pytest.mark.parametrize("fault", ["error_before", "rate_limited", "garbage", "reset_before"])
async def test_the_incident_waits_until_the_orders_can_be_looked_through(
    scene: Scene, fault: str
) -> None:
    world, sandbox = scene.world, scene.sandbox
    order = sandbox.person_creates({"subject": "LU-12345678"}, kind="order")
    sandbox.faults.next(fault, operation="list_orders", count=1000)
    (create_id,) = await world.plan(await world.opening(), create(**PROBLEM))
    delivery = world.delivery()

    await delivery.run_round()

    assert scene.made_by_us("ticket_created") == scene.made_by_us("comment_added") == []
    assert await world.state(create_id) is OperationState.READY
    sandbox.faults.clear()
    assert isinstance(world.clock, FakeClock)
    world.clock.advance(600)
    await world.drive(delivery)

    (said,) = scene.made_by_us("comment_added")
    assert said["ticket"] == order
    assert scene.made_by_us("ticket_created") == []


async def test_a_problem_with_a_delivered_order_is_an_incident(scene: Scene) -> None:
    world, sandbox = scene.world, scene.sandbox
    order = sandbox.person_creates({"subject": "x", "orderReference": "PO-7712"}, kind="order")
    sandbox.person_sets_status(order, "Solved")
    (create_id,) = await world.plan(await world.opening(), create(**PROBLEM))

    await world.drive(world.delivery())

    (made,) = scene.made_by_us("ticket_created")
    assert made["tree"] == "incident"
    assert scene.made_by_us("comment_added") == []
    assert await world.state(create_id) is OperationState.APPLIED
    assert world.desk.sends == []
