"""Every parked state has a way out, and a command that does not apply says what would."""

import pytest

from syncd.core.state import PairState
from syncd.model.errors import CommandRefused
from syncd.model.ids import OperationId, Side, TicketId
from syncd.model.operation import OperationState, ParkReason
from syncd.model.outbox import OutcomeKind
from syncd.model.ticket import MISSING
from syncd.ports.adapter import TicketRef
from syncd.store import journal, operations, tickets
from syncd.store.records import LinkPhase
from tests.store.scene import (
    CARRIER,
    KIND,
    NOW,
    Scene,
    applied,
    attachment,
    closing,
    comment,
    later,
    outcome,
    parked,
    receipt,
    ticket,
    update,
)

WHO = {"by": "kari", "now": later(10)}


async def in_doubt(scene: Scene) -> OperationId:
    """Send the one operation that is due and lose track of it."""
    op = await scene.send()
    await scene.settle(op, outcome(OutcomeKind.UNKNOWN))
    await scene.settle(await scene.claim_one(), parked(ParkReason.IN_DOUBT))
    return op.id


# --- retry ----------------------------------------------------------------------------------


async def test_retrying_a_refused_operation_sends_it_again(scene: Scene) -> None:
    await scene.linked(update("a"))
    op = await scene.send()
    await scene.settle(op, parked(ParkReason.REFUSED))
    assert await scene.db.write(operations.retry, op.id, **WHO) is OperationState.READY
    again = await scene.claim_one(now=later(10))
    assert (again.state, again.attempts, again.sends) == (OperationState.READY, 0, 0)
    line = (await scene.db.read(journal.tail))[-1].line
    assert (line.event, line.actor) == ("operation.retried", "kari")


async def test_retrying_one_in_doubt_probes_first(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    number = await in_doubt(scene)
    assert await scene.db.write(operations.retry, number, **WHO) is OperationState.UNKNOWN
    op = await scene.claim_one(now=later(10))
    assert (op.state, op.sends, op.sent_at) == (OperationState.UNKNOWN, 1, NOW)


async def test_who_knows_that_it_did_not_happen_has_it_sent_without_a_probe(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    number = await in_doubt(scene)
    state = await scene.db.write(operations.retry, number, i_know=True, **WHO)
    assert state is OperationState.READY
    assert (await scene.operation(number)).sends == 0


async def test_where_nothing_can_be_probed_the_operator_must_know(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    number = await in_doubt(scene)
    with pytest.raises(CommandRefused, match=f"ops retry {number} --i-know"):
        await scene.db.write(operations.retry, number, can_probe=False, **WHO)
    state = await scene.db.write(operations.retry, number, can_probe=False, i_know=True, **WHO)
    assert state is OperationState.READY
    assert (await scene.operation(number)).sends == 0


async def test_retrying_what_waits_for_its_time_cuts_that_short(scene: Scene) -> None:
    await scene.linked(update("a"))
    op = await scene.send()
    await scene.settle(op, outcome(OutcomeKind.LATER, not_before=later(9_999)))
    assert await scene.db.write(operations.retry, op.id, **WHO) is OperationState.READY
    assert [each.id for each in await scene.claim(now=later(10))] == [op.id]


async def test_a_retried_operation_takes_its_old_place_again(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"), closing())
    op = await scene.send()
    await scene.settle(op, parked(ParkReason.REFUSED))
    await scene.db.write(operations.retry, op.id, **WHO)
    assert await scene.states(link) == ["comment ready", "comment waiting", "status waiting"]


async def test_a_retried_operation_waits_for_one_that_is_under_way(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    refused = await scene.send()
    await scene.settle(refused, parked(ParkReason.REFUSED))
    await scene.send()
    assert await scene.db.write(operations.retry, refused.id, **WHO) is OperationState.WAITING
    assert await scene.states(link) == ["comment waiting", "comment sending"]


async def test_one_in_doubt_is_probed_when_its_turn_comes(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    number = await in_doubt(scene)
    op = await scene.send()
    assert await scene.db.write(operations.retry, number, **WHO) is OperationState.WAITING
    await scene.settle(op, applied(receipt(comment_id="v2")))
    assert await scene.states(link) == ["comment unknown", "comment applied"]


@pytest.mark.parametrize("command", [operations.retry, operations.discard])
async def test_what_is_settled_or_being_sent_is_refused(scene: Scene, command: object) -> None:
    await scene.linked(update("a"))
    op = await scene.send()
    with pytest.raises(CommandRefused, match="being sent"):
        await scene.db.write(command, op.id, **WHO)  # type: ignore[arg-type]
    await scene.settle(op, applied(receipt()))
    with pytest.raises(CommandRefused, match="is applied"):
        await scene.db.write(command, op.id, **WHO)  # type: ignore[arg-type]
    with pytest.raises(CommandRefused, match="no operation 999"):
        await scene.db.write(command, 999, **WHO)  # type: ignore[arg-type]


# --- discard --------------------------------------------------------------------------------


async def test_discarding_accounts_for_the_source_and_leaves_the_target(scene: Scene) -> None:
    link = await scene.linked(update("a"), comment("c1"))
    op = await scene.send()
    await scene.settle(op, parked(ParkReason.REFUSED))
    await scene.db.write(operations.discard, op.id, **WHO)
    parts = await scene.parts(link)
    assert {key: each.value for key, each in parts.baselines.items()} == {
        (Side.ITSM, "to_vendor.title"): "a"
    }
    assert parts.baselines[Side.ITSM, "to_vendor.title"].previous is MISSING
    assert await scene.states(link) == ["update discarded", "comment ready"]
    for row in parts.link.rows.values():
        assert (await scene.stored(row)).decide_due_at == later(10)


async def test_a_discarded_comment_is_given_up(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    waiting = (await scene.parts(link)).operations[1].id
    await scene.db.write(operations.discard, waiting, **WHO)
    assert [pair.state for pair in (await scene.parts(link)).pairs] == [
        PairState.PLANNED,
        PairState.GIVEN_UP,
    ]
    assert await scene.states(link) == ["comment ready", "comment discarded"]


async def test_discarding_a_create_gives_up_the_link(scene: Scene) -> None:
    link = await scene.opening(comment("c1"))
    number = (await scene.parts(link)).operations[0].id
    await scene.db.write(operations.discard, number, **WHO)
    assert await scene.states(link) == ["create discarded", "comment discarded"]
    assert (await scene.parts(link)).link.phase is LinkPhase.REMOVED


# --- adopt ----------------------------------------------------------------------------------


async def test_adopting_a_create_links_the_ticket_that_was_made(scene: Scene) -> None:
    link = await scene.opening(comment("c1"))
    number = await in_doubt(scene)
    with pytest.raises(CommandRefused, match="needs the new ticket"):
        await scene.db.write(operations.adopt, number, "", **WHO)
    await scene.read(ticket("case5"), CARRIER)
    await scene.db.write(operations.adopt, number, "case5", **WHO)
    assert await scene.states(link) == ["create applied", "comment ready"]
    op = await scene.claim_one(now=later(10))
    assert op.write.ticket_id == TicketId("case5")


@pytest.mark.parametrize("word", ["CASE5", "case5"])
async def test_a_ticket_not_known_yet_is_adopted_by_number_or_id_and_written_once_it_was_read(
    scene: Scene, word: str
) -> None:
    link = await scene.opening(comment("c1"))
    await scene.db.write(operations.adopt, await in_doubt(scene), word, **WHO)
    assert await scene.states(link) == ["create applied", "comment ready"]
    assert not await scene.claim(now=later(10))
    (due,) = await scene.db.read(tickets.due_reads, CARRIER, now=later(10), limit=9)
    assert due.ref == TicketRef(kind=KIND, id=None, number=word)
    await scene.read(ticket("case5"), CARRIER, now=later(10))  # by the feed, which knows the id
    op = await scene.claim_one(now=later(10))
    assert (op.write.ticket_id, op.write.ticket_number) == (TicketId("case5"), "CASE5")
    assert len(await scene.db.read(tickets.find_anywhere, "CASE5")) == 1


async def test_a_late_answer_tells_no_second_ticket_of_one_adopted_by_its_number(
    scene: Scene,
) -> None:
    await scene.opening()
    op = await scene.send()
    await scene.settle(op, outcome(OutcomeKind.UNKNOWN))
    await scene.settle(await scene.claim_one(), parked(ParkReason.IN_DOUBT))
    await scene.db.write(operations.adopt, op.id, "CASE5", **WHO)
    assert not await scene.settle(op, applied(receipt("case5")))
    events = [entry.line.event for entry in await scene.db.read(journal.tail)]
    assert "operation.doubled" not in events


async def test_a_known_ticket_is_adopted_by_the_number_on_the_screen(scene: Scene) -> None:
    link = await scene.opening()
    number = await in_doubt(scene)
    known = await scene.read(ticket("case5"), CARRIER)
    await scene.db.write(operations.adopt, number, "CASE5", **WHO)
    assert (await scene.parts(link)).link.rows[Side.VENDOR] == known


async def test_a_ticket_with_a_partner_cannot_be_adopted(scene: Scene) -> None:
    await scene.linked(itsm="inc9", vendor="case9")
    link = await scene.opening()
    number = await in_doubt(scene)
    with pytest.raises(CommandRefused, match="another partner"):
        await scene.db.write(operations.adopt, number, "case9", **WHO)
    assert await scene.states(link) == ["create parked"]
    assert (await scene.operation(number)).park_reason is ParkReason.IN_DOUBT


async def test_adopting_a_comment_pairs_it(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), attachment("a1"))
    await scene.db.write(operations.adopt, await in_doubt(scene), "v1", **WHO)
    await scene.db.write(operations.adopt, await in_doubt(scene), "f1", **WHO)
    pairs = (await scene.parts(link)).pairs
    assert [(pair.target_id, pair.state) for pair in pairs] == [
        ("v1", PairState.PAIRED),
        ("f1", PairState.PAIRED),
    ]
    assert await scene.states(link) == ["comment applied", "attachment applied"]


async def test_adopting_a_field_moves_its_baselines(scene: Scene) -> None:
    link = await scene.linked(update("a"))
    await scene.db.write(operations.adopt, await in_doubt(scene), "", **WHO)
    assert len((await scene.parts(link)).baselines) == 2
    line = (await scene.db.read(journal.tail))[-1].line
    assert (line.actor, line.detail) == ("kari", "adopted by kari")


async def test_what_waits_cannot_be_adopted(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    waiting = (await scene.parts(link)).operations[1].id
    with pytest.raises(CommandRefused, match=f"ops discard {waiting}"):
        await scene.db.write(operations.adopt, waiting, "v1", **WHO)


# --- looking --------------------------------------------------------------------------------


async def test_an_operation_shows_its_payload_and_attempts(scene: Scene) -> None:
    await scene.linked(comment("c1"), attachment("a1"))
    number = await in_doubt(scene)
    detail = await scene.db.read(operations.show, number)
    assert detail.comment == "text of c1"
    assert [(each.what, each.outcome) for each in detail.attempts] == [
        ("send", "unknown"),
        ("send", "parked"),
    ]
    assert (detail.record.source_number, detail.record.target_number) == ("INC1", "CASE1")
    following = await scene.db.read(operations.show, OperationId(number + 1))
    assert following.attachment == "a.txt"


async def test_settled_operations_are_listed_only_when_asked_for(scene: Scene) -> None:
    await scene.linked(comment("c1"), comment("c2"))
    await scene.deliver(receipt(comment_id="v1"))
    listed = await scene.db.read(operations.list_operations)
    assert [each.state for each in listed] == [OperationState.READY]
    done = await scene.db.read(operations.list_operations, states=(OperationState.APPLIED,))
    assert [each.state for each in done] == [OperationState.APPLIED]
