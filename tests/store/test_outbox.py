"""The outbox: one operation per ticket under way, in order, nobody's twice (R2, R6)."""

import asyncio

import pytest
import sqlalchemy as sa

from syncd.core.state import ItemKind, PairState
from syncd.model.errors import BrokenInvariant
from syncd.model.ids import OperationId, Side
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.model.outbox import OutcomeKind
from syncd.store import connections, links, operations, outbox
from syncd.store import tables as t
from syncd.store.database import Tx
from syncd.store.records import Recovered
from tests.store.scene import (
    CARRIER,
    DESK,
    KIND,
    MAPPING,
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
    update,
)

# --- order ----------------------------------------------------------------------------------


async def test_a_create_goes_first_and_alone(scene: Scene) -> None:
    link = await scene.opening(comment("c1"), update("b"))
    assert await scene.states(link) == ["create ready", "comment waiting", "update waiting"]
    (op,) = await scene.claim()
    assert op.write.kind is WriteKind.CREATE
    assert op.write.ticket_id is None
    assert await scene.claim() == []


async def test_comments_keep_their_order_and_stand_before_a_closing_status(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), closing(), comment("c2"))
    sent = []
    for turn in range(3):
        op = await scene.deliver(receipt(comment_id=f"v{turn}"))
        sent.append(op.write.comment.body if op.write.comment else op.write.kind)
    assert sent == ["text of c1", "text of c2", "status"]
    assert await scene.claim() == []
    assert await scene.states(link) == ["comment applied", "status applied", "comment applied"]


async def test_a_closing_status_that_is_ready_steps_back_behind_a_new_comment(
    scene: Scene,
) -> None:
    link = await scene.linked(closing())
    assert await scene.states(link) == ["status ready"]
    await scene.plan(link, comment("c1"))
    assert await scene.states(link) == ["status waiting", "comment ready"]


async def test_a_closing_status_that_is_claimed_is_not_called_back(scene: Scene) -> None:
    link = await scene.linked(closing())
    op = await scene.claim_one()
    await scene.plan(link, comment("c1"))
    assert await scene.states(link) == ["status claimed", "comment waiting"]
    await scene.settle(op, applied(receipt()))
    assert await scene.states(link) == ["status applied", "comment ready"]


async def test_the_database_forbids_two_heads(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))

    def force(tx: Tx) -> None:
        tx.run(sa.update(t.operation).values(state=OperationState.READY))

    with pytest.raises(BrokenInvariant, match="forbids"):
        await scene.db.write(force)
    assert await scene.states(link) == ["comment ready", "comment waiting"]


async def test_tickets_do_not_wait_for_one_another(scene: Scene) -> None:
    for n in range(5):
        await scene.linked(comment("c1"), itsm=f"inc{n}", vendor=f"case{n}")
    assert len(await scene.claim()) == 5


async def test_both_sides_of_a_link_have_queues_of_their_own(scene: Scene) -> None:
    await scene.linked(comment("c1", Side.VENDOR), comment("v1", Side.ITSM))
    assert {op.connection for op in await scene.claim()} == {DESK, CARRIER}


async def test_a_refused_operation_lets_later_ones_pass(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    await scene.settle(await scene.send(), parked(ParkReason.REFUSED))
    assert await scene.states(link) == ["comment parked", "comment ready"]


@pytest.mark.parametrize("reason", [ParkReason.REFUSED, ParkReason.IN_DOUBT])
async def test_a_parked_create_keeps_everything_behind_it_waiting(
    scene: Scene, reason: ParkReason
) -> None:
    link = await scene.opening(comment("c1"))
    await scene.settle(await scene.send(), parked(reason))
    await scene.plan(link, comment("c2"))
    assert await scene.states(link) == ["create parked", "comment waiting", "comment waiting"]
    assert await scene.claim() == []
    (first, *_) = await scene.db.read(operations.list_operations)
    waiting = (await scene.db.read(operations.list_operations))[1]
    assert waiting.waits_for == first.id


async def test_one_in_doubt_is_passed_unless_its_effect_could_not_be_told(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"), comment("c3"))
    await scene.settle(await scene.send(), parked(ParkReason.IN_DOUBT))
    assert await scene.states(link) == ["comment parked", "comment ready", "comment waiting"]
    op = await scene.send()
    assert await scene.db.write(
        outbox.settle, op, parked(ParkReason.IN_DOUBT), now=NOW, blocks=True
    )
    assert await scene.states(link) == ["comment parked", "comment parked", "comment waiting"]
    assert (await scene.db.read(operations.list_operations))[2].waits_for == op.id
    await scene.db.write(operations.adopt, op.id, "v2", by="kari", now=NOW)
    assert await scene.states(link) == ["comment parked", "comment applied", "comment ready"]


async def test_what_waited_for_a_create_goes_to_the_new_ticket_in_order(scene: Scene) -> None:
    link = await scene.opening(comment("c1"), comment("c2"), closing())
    await scene.deliver(receipt("case7"))
    parts = await scene.parts(link)
    assert parts.numbers == {Side.ITSM: "INC1", Side.VENDOR: "CASE7"}
    bodies = []
    for turn in range(3):
        op = await scene.deliver(receipt("case7", comment_id=f"v{turn}"))
        assert (op.write.ticket_id, op.write.ticket_number) == ("case7", "CASE7")
        bodies.append(op.write.comment.body if op.write.comment else "closing")
    assert bodies == ["text of c1", "text of c2", "closing"]


# --- claiming -------------------------------------------------------------------------------


async def test_claims_are_fair_between_connections_and_keep_to_what_is_free(
    scene: Scene,
) -> None:
    for n in range(4):
        await scene.linked(
            comment("c1", Side.VENDOR), comment("v", Side.ITSM), itsm=f"i{n}", vendor=f"v{n}"
        )
    taken = await scene.claim(free={DESK: 1, CARRIER: 10}, limit=3)
    assert sorted(op.connection for op in taken) == [DESK, CARRIER, CARRIER]
    assert await scene.claim(free={DESK: 0}) == []


async def test_nothing_is_claimed_of_what_is_paused_or_not_live(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    assert await scene.claim(mappings_=frozenset()) == []
    await scene.db.write(connections.pause, CARRIER, "fire", by="kari", now=NOW)
    assert await scene.claim() == []
    await scene.db.write(connections.resume, CARRIER, by="kari", now=NOW)
    await scene.db.write(links.pause, link, "by hand", by="kari", now=NOW)
    assert await scene.claim() == []
    await scene.db.write(links.resume, link, by="kari", now=NOW)
    assert len(await scene.claim(mappings_=frozenset({MAPPING}))) == 1


async def test_what_is_not_due_is_left(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    op = await scene.send()
    await scene.settle(op, outcome(OutcomeKind.LATER, not_before=later(30)))
    assert await scene.claim(now=later(29)) == []
    assert await scene.db.read(outbox.next_due) == later(30)
    assert [op.id for op in await scene.claim(now=later(30))] == [op.id]


async def test_two_claims_at_once_never_take_the_same(scene: Scene) -> None:
    for n in range(30):
        await scene.linked(comment("c1"), itsm=f"inc{n}", vendor=f"case{n}")
    rounds = await asyncio.gather(*(scene.claim(owner=f"o{n}", limit=7) for n in range(8)))
    taken = [op.id for each in rounds for op in each]
    assert len(taken) == len(set(taken))


async def test_a_claim_carries_all_that_delivery_needs(scene: Scene) -> None:
    await scene.linked(attachment("a1"))
    op = await scene.claim_one()
    assert op.source is not None
    assert (op.source.id, op.write.ticket_id) == ("inc1", "case1")
    assert (op.attempt, op.attempts, op.sends, op.looks, op.sent_at) == (1, 0, 0, 0, None)
    assert (op.seen_at, op.planned_at) == (later(-1), NOW)
    assert op.write.attachment is not None
    assert op.write.attachment.digest == ""
    await scene.db.write(outbox.attach_file, op.id, size_bytes=5, digest="ab")
    await scene.db.write(outbox.release_owner, OWNER, now=NOW)
    again = await scene.claim_one()
    assert again.write.attachment is not None
    assert (again.write.attachment.size_bytes, again.write.attachment.digest) == (5, "ab")
    assert again.attempt == 2


async def test_a_create_that_waited_too_long_waits_for_a_person(scene: Scene) -> None:
    link = await scene.opening(comment("c1"), ask_after_s=60.0)
    assert await scene.claim(now=later(61)) == []
    parts = await scene.parts(link)
    assert parts.operations[0].park_reason is ParkReason.TOO_LATE
    await scene.db.write(operations.retry, parts.operations[0].id, by="kari", now=later(62))
    assert len(await scene.claim(now=later(62))) == 1


# --- sending --------------------------------------------------------------------------------


async def test_sending_is_noted_once_and_only_by_the_owner(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    op = await scene.claim_one()
    mark = outbox.mark_sending
    assert not await scene.db.write(mark, op.id, "another", op.attempt, NOW)
    assert not await scene.db.write(mark, op.id, OWNER, op.attempt + 1, NOW)
    assert await scene.db.write(mark, op.id, OWNER, op.attempt, NOW)
    assert not await scene.db.write(mark, op.id, OWNER, op.attempt, NOW)
    record = await scene.operation(op.id)
    assert (record.state, record.sends, record.sent_at) == (OperationState.SENDING, 1, NOW)


async def test_only_what_may_have_had_an_effect_counts_as_sent(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    op = await scene.send()
    await scene.settle(op, outcome(OutcomeKind.LATER, costs_attempt=False))
    record = await scene.operation(op.id)
    assert (record.sends, record.sent_at, record.attempts) == (0, None, 0)
    op = await scene.send(now=later(5))
    await scene.settle(op, outcome(OutcomeKind.UNKNOWN, closed_at=later(6)))
    op = await scene.claim_one(now=later(7))
    assert (op.state, op.sent_at, op.closed_at) == (OperationState.UNKNOWN, later(5), later(6))
    assert (await scene.parts(link)).operations[0].sent


async def test_sends_marked_at_once_are_each_told_the_truth(scene: Scene) -> None:
    for n in range(10):
        await scene.linked(comment("c1"), itsm=f"inc{n}", vendor=f"case{n}")
    ops = await scene.claim()
    marks = [(op.id, OWNER if op.id % 2 else "another", op.attempt, NOW) for op in [*ops, *ops]]
    told = await asyncio.gather(*(scene.db.write(outbox.mark_sending, *mark) for mark in marks))
    assert sum(told) == sum(op.id % 2 for op in ops)
    for op in ops:
        record = await scene.operation(op.id)
        assert (record.state, record.sends) == (
            (OperationState.SENDING, 1) if op.id % 2 else (OperationState.CLAIMED, 0)
        )


# --- recovering -----------------------------------------------------------------------------


async def test_after_a_crash_claimed_is_ready_and_sending_is_unknown(scene: Scene) -> None:
    first = await scene.linked(comment("c1"))
    second = await scene.linked(comment("c1"), itsm="inc2", vendor="case2")
    third = await scene.linked(comment("c1"), itsm="inc3", vendor="case3")
    ops = {op.link_id: op for op in await scene.claim()}
    sent, probed = ops[second], ops[third]
    for op in (sent, probed):
        await scene.db.write(outbox.mark_sending, op.id, OWNER, op.attempt, NOW)
    await scene.settle(probed, outcome(OutcomeKind.UNKNOWN))
    await scene.claim_one()
    recover = {"owner": "daemon-2", "now": later(1), "probe_at": later(300), "alone": True}
    assert await scene.db.write(outbox.recover, **recover) == Recovered(ready=2, unknown=1)
    assert await scene.states(first) == ["comment ready"]
    assert await scene.states(second) == ["comment unknown"]
    assert await scene.states(third) == ["comment unknown"]
    assert await scene.db.write(outbox.recover, **recover) == Recovered()
    due = {op.id for op in await scene.claim(now=later(2), owner="daemon-2")}
    assert sent.id not in due
    due |= {op.id for op in await scene.claim(now=later(300), owner="daemon-2")}
    assert sent.id in due


async def test_a_living_lease_is_respected_until_it_expires(scene: Scene) -> None:
    await scene.db.hold_owner(OWNER)
    link = await scene.linked(comment("c1"))
    await scene.send()
    recover = {"owner": "daemon-2", "probe_at": later(100)}
    await scene.db.write(outbox.extend_lease, OWNER, later(90))
    await scene.db.write(outbox.recover, now=later(80), **recover)
    assert await scene.states(link) == ["comment sending"]
    await scene.db.write(outbox.recover, now=later(90), **recover)
    # Where processes share the store, the session tells who lives, whatever its lease says.
    after = "sending" if scene.db.is_shared else "unknown"
    assert await scene.states(link) == [f"comment {after}"]


async def test_an_orderly_stop_gives_back_only_what_was_not_sent(scene: Scene) -> None:
    first = await scene.linked(comment("c1"))
    second = await scene.linked(comment("c1"), itsm="inc2", vendor="case2")
    ops = {op.link_id: op for op in await scene.claim()}
    sent = ops[second]
    await scene.db.write(outbox.mark_sending, sent.id, OWNER, sent.attempt, NOW)
    assert await scene.db.write(outbox.release_owner, OWNER, now=NOW) == 1
    assert await scene.states(first) == ["comment ready"]
    assert await scene.states(second) == ["comment sending"]


# --- looking again --------------------------------------------------------------------------


async def test_an_operation_sent_twice_is_looked_at_once_more(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    op = await scene.send()
    await scene.settle(op, applied(receipt(comment_id="v1"), recheck_at=later(60)))
    assert await scene.db.read(outbox.rechecks_due, now=later(59), limit=9) == []
    (found,) = await scene.db.read(outbox.rechecks_due, now=later(60), limit=9)
    assert (found.id, found.state) == (op.id, OperationState.APPLIED)
    other = receipt(comment_id="v2")
    await scene.db.write(outbox.record_recheck, op.id, others=(other,), detail="two", now=later(60))
    assert await scene.db.read(outbox.rechecks_due, now=later(99), limit=9) == []
    (twin,) = [
        pair for pair in (await scene.parts(link)).pairs if pair.state is PairState.DUPLICATE
    ]
    assert (twin.kind, twin.origin, twin.source_id) == (ItemKind.COMMENT, Side.VENDOR, "v2")


async def test_creates_nobody_knows_about_are_listed_for_their_connection(scene: Scene) -> None:
    link = await scene.opening()
    listed = (outbox.unsettled_creates, CARRIER, KIND)
    assert await scene.db.read(*listed) == []
    op = await scene.send()
    (found,) = await scene.db.read(*listed)
    assert (found.key, found.link_id, found.sent_at) == (op.write.key, link, NOW)
    await scene.settle(op, parked(ParkReason.IN_DOUBT))
    assert len(await scene.db.read(*listed)) == 1
    assert await scene.db.read(outbox.unsettled_creates, DESK, KIND) == []


async def test_an_effect_met_in_a_read_settles_the_create(scene: Scene) -> None:
    link = await scene.opening(comment("c1"))
    op = await scene.send()
    await scene.settle(op, outcome(OutcomeKind.UNKNOWN))
    seen = {"now": NOW, "detail": "its marker was met"}
    assert await scene.db.write(outbox.settle_seen, op.write.key, receipt("case1"), **seen)
    assert not await scene.db.write(outbox.settle_seen, op.write.key, receipt("case1"), **seen)
    assert await scene.states(link) == ["create applied", "comment ready"]
    unknown = OperationId(10**6)
    assert not await scene.db.write(outbox.settle_seen, str(unknown), receipt(), **seen)
