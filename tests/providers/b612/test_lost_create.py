"""A lost POST, from the outbox to the webhook: in doubt, and out again by a person's word."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncd.model.errors import CommandRefused
from syncd.model.ids import OperationId
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.sandbox.b612 import B612Sandbox
from syncd.store import operations, tickets
from tests.delivery.world import VENDOR, World, a_world, create, update
from tests.providers.b612.desk import WORK, Connecting


@pytest.fixture
async def hands() -> AsyncIterator[B612Sandbox]:
    async with B612Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def world(tmp_path: Path, hands: B612Sandbox, connecting: Connecting) -> AsyncIterator[World]:
    async with a_world(tmp_path, connecting.clock) as world:
        world.adapters[VENDOR] = connecting.adapter(hands.webhook_url)
        yield world


async def lost(world: World, hands: B612Sandbox, fault: str) -> tuple[OperationId, OperationId]:
    """Have a create's answer lost, with a change waiting behind it."""
    hands.faults.next(fault, operation="create_ticket", status=502)
    link = await world.opening(kind="ticket")
    (opening,) = await world.plan(link, create(**WORK))
    (waiting,) = await world.plan(link, update(rack="R09"))
    await world.drive(world.delivery())
    return opening, waiting


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "garbage", "reset_before"])
async def test_a_lost_create_is_in_doubt_at_once_and_never_sent_again_by_itself(
    world: World, hands: B612Sandbox, fault: str
) -> None:
    opening, waiting = await lost(world, hands, fault)
    world.clock.advance(30 * 86_400)  # type: ignore[attr-defined]
    await world.drive(world.delivery())

    record = (await world.show(opening)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.IN_DOUBT)
    assert await world.state(waiting) is OperationState.WAITING
    assert len(hands.record.requests("create_ticket")) == 1
    feature = world.adapters[VENDOR].features.writes[WriteKind.CREATE]
    with pytest.raises(CommandRefused, match="--i-know"):
        await world.db.write(
            operations.retry, opening, by="kari", now=world.clock.now(), can_probe=feature.can_probe
        )


async def test_a_number_found_in_their_mail_settles_it(world: World, hands: B612Sandbox) -> None:
    opening, waiting = await lost(world, hands, "lost_answer")

    await world.db.write(
        operations.adopt, opening, "B-612-R45176", by="kari", now=world.clock.now()
    )
    (due,) = await world.db.read(tickets.due_reads, VENDOR, now=world.clock.now(), limit=9)
    read = await world.adapters[VENDOR].read(due.ref)
    await world.db.write(tickets.save_read, due, read, now=world.clock.now())
    await world.drive(world.delivery())

    assert await world.states([opening, waiting]) == [OperationState.APPLIED] * 2
    (ticket,) = hands.tickets()
    assert (ticket["fields"]["rack"], ticket["fields"]["name"]) == ("R09", "LHR1")
    assert [each["method"] for each in hands.record.requests()] == ["POST", "GET", "GET", "PUT"]


async def test_a_person_who_knows_that_it_never_arrived_has_it_sent_again(
    world: World, hands: B612Sandbox
) -> None:
    opening, waiting = await lost(world, hands, "reset_before")
    assert hands.tickets() == []

    state = await world.db.write(
        operations.retry, opening, by="kari", now=world.clock.now(), i_know=True, can_probe=False
    )
    assert state is OperationState.READY
    await world.drive(world.delivery())

    assert await world.states([opening, waiting]) == [OperationState.APPLIED] * 2
    assert [ticket["fields"]["rack"] for ticket in hands.tickets()] == ["R09"]
    assert len(hands.record.requests("create_ticket")) == 2
    assert hands.violations == []


async def test_a_create_that_never_left_is_simply_sent_later(
    world: World, hands: B612Sandbox
) -> None:
    hands.faults.next("rate_limited", operation="create_ticket", retry_after_s=5)
    link = await world.opening(kind="ticket")
    (opening,) = await world.plan(link, create(**WORK))
    await world.drive(world.delivery())

    assert await world.state(opening) is OperationState.APPLIED
    assert len(hands.tickets()) == 1


async def test_an_update_that_was_lost_is_looked_for_and_sent_only_where_it_is_not(
    world: World, hands: B612Sandbox
) -> None:
    hands.faults.next("lost_answer", operation="update_ticket")
    hands.faults.next("reset_before", operation="update_ticket")
    link = await world.opening(kind="ticket")
    await world.plan(link, create(**WORK))
    (first,) = await world.plan(link, update(rack="R09"))
    (second,) = await world.plan(link, update(city="London"))
    await world.drive(world.delivery())

    assert await world.states([first, second]) == [OperationState.APPLIED] * 2
    fields = hands.tickets()[0]["fields"]
    assert (fields["rack"], fields["city"]) == ("R09", "London")
    assert len(hands.record.requests("update_ticket")) == 3
