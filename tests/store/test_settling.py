"""An outcome is stored whole, once, and by whom it belongs to (R2, R3, R5, R7)."""

import asyncio
from dataclasses import replace

import pytest

from syncd.core.state import Baseline, BaselineState, ItemKind, ItemPair, PairState, SlotMove
from syncd.model.errors import BrokenInvariant
from syncd.model.ids import AttachmentId, Side, TicketId
from syncd.model.operation import OperationState, ParkReason, Receipt
from syncd.model.outbox import OutcomeKind
from syncd.model.ticket import MISSING
from syncd.store import counting, journal, links, operations, outbox, tickets
from syncd.store.records import LinkPhase
from tests.store.scene import (
    CARRIER,
    DESK,
    KIND,
    NOW,
    OWNER,
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

ITSM_TITLE, VENDOR_TITLE = (Side.ITSM, "to_vendor.title"), (Side.VENDOR, "to_vendor.title")


# --- applied --------------------------------------------------------------------------------


async def test_an_applied_create_gives_the_link_its_partner(scene: Scene) -> None:
    link = await scene.opening(slots=update("a").slots)
    op = await scene.deliver(receipt("case1"), now=later(3))
    parts = await scene.parts(link)
    assert parts.baselines[VENDOR_TITLE].previous is MISSING  # Nothing stood there before it.
    row = parts.link.rows[Side.VENDOR]
    stored = await scene.stored(row)
    assert parts.link.phase is LinkPhase.OPEN
    assert (stored.connection, stored.kind, stored.external_id) == (CARRIER, KIND, "case1")
    assert stored.number == "CASE1"
    assert stored.read_due_at is not None
    assert parts.operations == ()
    assert op.link_id == link


async def test_an_applied_field_moves_both_baselines_at_once(scene: Scene) -> None:
    link = await scene.linked(update("new"))
    await scene.deliver(receipt(), now=later(3))
    baselines = (await scene.parts(link)).baselines
    assert baselines == {
        ITSM_TITLE: Baseline(value="new"),
        VENDOR_TITLE: Baseline(
            value="new",
            previous=None,
            written_at=later(3),
            state=BaselineState.PROVISIONAL,
        ),
    }
    await scene.plan(link, update("newer"))
    await scene.deliver(receipt(), now=later(9))
    written = (await scene.parts(link)).baselines[VENDOR_TITLE]
    assert (written.value, written.previous, written.written_at) == ("newer", "new", later(9))


@pytest.mark.parametrize("how", ["later", "at once", "given up"])
async def test_a_change_is_not_accounted_for_where_we_wrote_since_it_was_planned(
    scene: Scene, how: str
) -> None:
    on_desk = SlotMove(source=Side.ITSM, source_value="Closed")
    said = replace(comment("c1"), item=None, slots={"status": on_desk})
    at_vendor = replace(on_desk, source=Side.VENDOR, target_value="Done", overruled="Closed")
    followed = replace(closing(Side.ITSM), slots={"status": at_vendor})
    link = await scene.linked(said, followed)
    ops = {op.connection: op for op in await scene.claim()}
    for op in ops.values():
        await scene.db.write(outbox.mark_sending, op.id, OWNER, op.attempt, NOW)
    mine, theirs = ops[DESK], ops[CARRIER]
    if how == "at once":
        both = (scene.settle(op, applied(receipt()), later(3)) for op in (mine, theirs))
        assert await asyncio.gather(*both) == [True, True]
    else:
        await scene.settle(mine, applied(receipt()), later(3))
        result = applied(receipt()) if how == "later" else parked(ParkReason.REFUSED)
        await scene.settle(theirs, result, later(9))
    if how == "given up":
        await scene.db.write(operations.discard, theirs.id, by="test", now=later(10))
    parts = await scene.parts(link)
    assert parts.baselines[Side.ITSM, "status"] == Baseline(
        value="Done", previous="Closed", written_at=later(3), state=BaselineState.PROVISIONAL
    )
    assert parts.baselines[Side.VENDOR, "status"].value == "Closed"


@pytest.mark.parametrize(
    ("answered", "state"),
    [("new", BaselineState.PROVISIONAL), ("NEW", BaselineState.ALTERED)],
)
async def test_the_writes_own_answer_becomes_the_baseline(
    scene: Scene, answered: str, state: BaselineState
) -> None:
    link = await scene.linked(update("new"))
    await scene.deliver(receipt(fields={"title": answered, "other": "x"}))
    baselines = (await scene.parts(link)).baselines
    assert (baselines[VENDOR_TITLE].value, baselines[VENDOR_TITLE].state) == (answered, state)
    assert baselines[ITSM_TITLE].value == "new"
    assert set(baselines) == {ITSM_TITLE, VENDOR_TITLE}


async def test_an_applied_comment_is_paired_with_its_copy(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    op = await scene.deliver(receipt(comment_id="v1"))
    assert (await scene.parts(link)).pairs == (
        ItemPair(
            kind=ItemKind.COMMENT,
            origin=Side.ITSM,
            source_id="c1",
            target_id="v1",
            state=PairState.PAIRED,
            key=op.write.key,
        ),
    )


async def test_a_copy_without_an_id_stays_planned_until_it_is_met(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    op = await scene.deliver(receipt())
    (pair,) = (await scene.parts(link)).pairs
    assert (pair.state, pair.target_id, pair.key) == (PairState.PLANNED, "", op.write.key)


async def test_an_applied_attachment_is_paired(scene: Scene) -> None:
    link = await scene.linked(attachment("a1"))
    made = Receipt(ticket_id=TicketId("case1"), attachment_id=AttachmentId("f1"))
    await scene.deliver(made)
    (pair,) = (await scene.parts(link)).pairs
    assert (pair.kind, pair.target_id, pair.state) == (
        ItemKind.ATTACHMENT,
        "f1",
        PairState.PAIRED,
    )


async def test_after_a_write_the_target_is_read_back_and_both_are_decided_about(
    scene: Scene,
) -> None:
    link = await scene.linked(update("new"))
    rows = (await scene.parts(link)).link.rows
    before = await scene.stored(rows[Side.VENDOR])
    for row in rows.values():
        await scene.db.write(tickets.set_decide_due, row, None)
    await scene.deliver(receipt(), now=later(5))
    after = await scene.stored(rows[Side.VENDOR])
    assert after.read_due_at is not None
    assert after.write_epoch > before.write_epoch
    assert after.decide_due_at == later(5)
    assert (await scene.stored(rows[Side.ITSM])).decide_due_at == later(5)


async def test_an_answer_is_journalled_with_what_led_to_it(scene: Scene) -> None:
    link = await scene.linked(update("new"))
    op = await scene.send()
    await scene.settle(op, applied(receipt(), detail="200 in 31 ms"), later(2))
    line = (await scene.db.read(journal.tail))[-1].line
    assert (line.event, line.detail, line.at) == ("operation.applied", "200 in 31 ms", later(2))
    assert (line.link, line.operation, line.ticket) == (link, op.id, op.target_row)
    assert (line.correlation_id, line.revision, line.connection) == ("corr", "r1", CARRIER)
    (attempt,) = (await scene.db.read(operations.show, op.id)).attempts
    assert (attempt.number, attempt.what, attempt.status, attempt.late) == (1, "send", 200, False)


async def test_a_create_whose_ticket_has_a_partner_already_waits_for_a_person(
    scene: Scene,
) -> None:
    await scene.linked(vendor="case1", itsm="inc9")
    link = await scene.opening()
    await scene.settle(await scene.send(), applied(receipt("case1")))
    (operation,) = (await scene.parts(link)).operations
    assert operation.park_reason is ParkReason.INVALID
    assert (await scene.parts(link)).link.phase is LinkPhase.OPENING


async def test_something_applied_without_a_receipt_is_a_bug(scene: Scene) -> None:
    await scene.linked(update("new"))
    op = await scene.send()
    with pytest.raises(BrokenInvariant):
        await scene.settle(op, outcome(OutcomeKind.APPLIED))
    assert await scene.state(op.id) is OperationState.SENDING


# --- not applied ----------------------------------------------------------------------------


async def test_later_costs_an_attempt_unless_it_says_not(scene: Scene) -> None:
    link = await scene.linked(update("new"))
    await scene.settle(await scene.send(), outcome(OutcomeKind.LATER, not_before=NOW))
    op = await scene.send()
    assert op.attempts == 1
    await scene.settle(op, outcome(OutcomeKind.LATER, not_before=NOW, costs_attempt=False))
    assert (await scene.claim_one()).attempts == 1
    assert await scene.states(link) == ["update claimed"]


async def test_an_unknown_write_is_probed_until_absence_is_believed(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    op = await scene.send()
    await scene.settle(op, outcome(OutcomeKind.UNKNOWN, not_before=later(60)), later(1))
    assert await scene.claim(now=later(59)) == []
    op = await scene.claim_one(now=later(60))
    assert (op.state, op.looks) == (OperationState.UNKNOWN, 0)
    again = outcome(OutcomeKind.LATER, what="probe", saw_nothing=True, not_before=later(90))
    await scene.settle(op, again)
    assert await scene.state(op.id) is OperationState.UNKNOWN
    op = await scene.claim_one(now=later(90))
    assert (op.state, op.looks) == (OperationState.UNKNOWN, 1)
    await scene.settle(op, outcome(OutcomeKind.LATER, what="probe", resend=True))
    op = await scene.send(now=later(91))
    assert (op.state, op.looks, op.sends) == (OperationState.READY, 0, 1)
    assert (await scene.operation(op.id)).sends == 2


async def test_a_probe_that_finds_the_effect_settles_the_write(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    await scene.settle(await scene.send(), outcome(OutcomeKind.UNKNOWN))
    op = await scene.claim_one()
    found = applied(receipt(comment_id="v1"), what="probe", others=(receipt(comment_id="v2"),))
    assert await scene.settle(op, found)
    assert {pair.source_id: pair.state for pair in (await scene.parts(link)).pairs} == {
        "c1": PairState.PAIRED,
        "v2": PairState.DUPLICATE,
    }


async def test_a_second_ticket_of_one_create_never_gets_a_partner(scene: Scene) -> None:
    await scene.opening()
    await scene.settle(await scene.send(), outcome(OutcomeKind.UNKNOWN))
    op = await scene.claim_one()
    await scene.settle(op, applied(receipt("case1"), others=(receipt("case2"),)))
    twin = await scene.db.read(tickets.find, CARRIER, external_id=TicketId("case2"))
    assert twin is not None
    assert (await scene.stored(twin)).stray
    assert await scene.db.read(links.links_of, twin) == []


@pytest.mark.parametrize("kind", [OutcomeKind.SUPERSEDED, OutcomeKind.PARKED])
async def test_what_ends_makes_room_for_the_next_and_is_decided_about(
    scene: Scene, kind: OutcomeKind
) -> None:
    link = await scene.linked(update("a"), comment("c1"))
    op = await scene.send()
    await scene.db.write(tickets.set_decide_due, op.source_row, None)
    await scene.settle(op, outcome(kind, park_reason=ParkReason.REFUSED), later(4))
    assert await scene.states(link) == [f"update {kind}", "comment ready"]
    assert (await scene.stored(op.source_row)).decide_due_at == later(4)


async def test_a_superseded_comment_is_decided_about_anew(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    await scene.settle(await scene.claim_one(), outcome(OutcomeKind.SUPERSEDED))
    assert (await scene.parts(link)).pairs == ()


# --- many at once ---------------------------------------------------------------------------


async def test_outcomes_stored_at_once_are_each_stored_whole(scene: Scene) -> None:
    found = [
        await scene.linked(comment("c1"), comment("c2"), itsm=f"inc{n}", vendor=f"case{n}")
        for n in range(20)
    ]
    ops = {op.link_id: op for op in await scene.claim(free={CARRIER: 50})}
    for op in ops.values():
        await scene.db.write(outbox.mark_sending, op.id, OWNER, op.attempt, NOW)
    kinds = [
        applied(receipt(comment_id="v1")),
        outcome(OutcomeKind.APPLIED),  # No receipt: a bug, which harms no other.
        parked(ParkReason.REFUSED),
        outcome(OutcomeKind.UNKNOWN),
    ]
    results = await asyncio.gather(
        *(scene.settle(ops[link], kinds[n % 4]) for n, link in enumerate(found)),
        return_exceptions=True,
    )
    states = ["applied", "sending", "parked", "unknown"]
    for n, link in enumerate(found):
        assert isinstance(results[n], BrokenInvariant) is (n % 4 == 1)
        following = "ready" if n % 4 in (0, 2) else "waiting"
        assert await scene.states(link) == [f"comment {states[n % 4]}", f"comment {following}"]
        (first, _) = (await scene.parts(link)).pairs
        assert first.target_id == ("v1" if n % 4 == 0 else "")


async def test_two_answers_for_one_operation_at_once_count_once(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    op = await scene.send()
    results = await asyncio.gather(
        *(scene.settle(op, applied(receipt(comment_id=f"v{n}"))) for n in range(4))
    )
    assert sorted(results) == [False, False, False, True]
    assert await scene.states(link) == ["comment applied", "comment ready"]
    pairs = (await scene.parts(link)).pairs
    assert [pair.state for pair in pairs].count(PairState.DUPLICATE) == 3


async def test_creates_settled_at_once_each_get_their_partner(scene: Scene) -> None:
    made = [await scene.opening(comment("c1"), source=f"inc{n}") for n in range(5)]
    ops = {op.link_id: op for op in await scene.claim()}
    for op in ops.values():
        await scene.db.write(outbox.mark_sending, op.id, OWNER, op.attempt, NOW)
    await asyncio.gather(
        *(scene.settle(ops[link], applied(receipt(f"case{link}"))) for link in made)
    )
    for link in made:
        assert await scene.states(link) == ["create applied", "comment ready"]
        assert (await scene.parts(link)).numbers[Side.VENDOR] == f"CASE{link}"


# --- fencing --------------------------------------------------------------------------------


async def test_an_outcome_is_fenced_on_owner_and_attempt(scene: Scene) -> None:
    link = await scene.linked(update("a"))
    op = await scene.send()
    recover = {"owner": "daemon-2", "now": NOW, "probe_at": NOW, "alone": True}
    await scene.db.write(outbox.recover, **recover)
    assert not await scene.settle(op, parked(ParkReason.REFUSED))
    assert await scene.states(link) == ["update unknown"]
    (attempt,) = (await scene.db.read(operations.show, op.id)).attempts
    assert attempt.late


async def test_a_late_answer_settles_what_nobody_settled(scene: Scene) -> None:
    link = await scene.opening(comment("c1"))
    op = await scene.send()
    recover = {"owner": "daemon-2", "now": NOW, "probe_at": NOW, "alone": True}
    await scene.db.write(outbox.recover, **recover)
    probing = await scene.claim_one(owner="daemon-2")
    assert not await scene.settle(op, applied(receipt("case1")))
    assert await scene.states(link) == ["create applied", "comment ready"]
    # The probe's own result comes too late, and says the same: no second effect.
    assert not await scene.settle(probing, applied(receipt("case1"), what="probe"))
    assert (await scene.db.read(counting.counts))[CARRIER].stray == 0


async def test_a_late_answer_with_another_id_is_a_second_effect(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    op = await scene.send()
    recover = {"owner": "daemon-2", "now": NOW, "probe_at": NOW, "alone": True}
    await scene.db.write(outbox.recover, **recover)
    probing = await scene.claim_one(owner="daemon-2")
    absent = outcome(OutcomeKind.LATER, what="probe", resend=True)
    assert await scene.settle(probing, absent)
    resent = await scene.send(owner="daemon-2")
    assert await scene.settle(resent, applied(receipt(comment_id="v2")))
    assert not await scene.settle(op, applied(receipt(comment_id="v1")))
    assert {pair.source_id: pair.state for pair in (await scene.parts(link)).pairs} == {
        "c1": PairState.PAIRED,
        "v1": PairState.DUPLICATE,
    }
    events = [each.line.event for each in await scene.db.read(journal.tail)]
    assert events[-1] == "operation.doubled"


async def test_a_late_answer_settles_what_a_person_was_asked_about(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    op = await scene.send()
    recover = {"owner": "daemon-2", "now": NOW, "probe_at": NOW, "alone": True}
    await scene.db.write(outbox.recover, **recover)
    probing = await scene.claim_one(owner="daemon-2")
    await scene.settle(probing, parked(ParkReason.IN_DOUBT))
    assert not await scene.settle(op, applied(receipt(comment_id="v1")))
    assert await scene.states(link) == ["comment applied", "comment ready"]


async def test_settling_twice_counts_once(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    op = await scene.send()
    assert await scene.settle(op, applied(receipt(comment_id="v1")))
    assert not await scene.settle(op, applied(receipt(comment_id="v1")))
    assert await scene.states(link) == ["comment applied", "comment ready"]
    assert len((await scene.parts(link)).pairs) == 2
    assert op.owner == OWNER


async def test_the_partner_was_seen_before_the_answer_came(scene: Scene) -> None:
    link = await scene.opening()
    op = await scene.send()
    early = await scene.read(ticket("case1", title="Link down"), CARRIER)
    await scene.settle(op, applied(receipt("case1")))
    assert (await scene.parts(link)).link.rows[Side.VENDOR] == early
