"""What an operator sees of the outbox, and does to it: retry, discard, adopt (DESIGN section 7).

Every command compares the state it expects and refuses with what would work; each is journalled
with who gave it.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.core.state import PairState
from syncd.model.errors import CommandRefused
from syncd.model.ids import (
    AttachmentId,
    CommentId,
    ConnectionName,
    CorrelationId,
    LinkRow,
    MappingName,
    OperationId,
    OperationKey,
    Side,
    TicketId,
)
from syncd.model.operation import OperationState, ParkReason, Receipt, WriteKind
from syncd.store import codec, journal, lanes
from syncd.store import tables as t
from syncd.store.effects import (
    Told,
    account_for_source,
    apply_receipt,
    effects_of,
    load_rows,
    lock_around,
)
from syncd.store.records import (
    AttemptRecord,
    Line,
    LinkPhase,
    OperationDetail,
    OperationRecord,
)
from syncd.store.tx import Row, Tx

_o = t.operation.c
_source, _target = t.ticket.alias(), t.ticket.alias()
_head = t.operation.alias()

_QUERY = (
    sa.select(
        t.operation,
        _source.c.number.label("source_number"),
        _target.c.number.label("target_number"),
        _target.c.external_id.label("target_id"),
        _head.c.id.label("head"),
    )
    .join_from(t.operation, _source, _source.c.id == _o.source_row)
    .outerjoin(_target, _target.c.id == _o.target_row)
    .outerjoin(
        _head,
        sa.and_(
            _head.c.lane == _o.lane,
            _head.c.id != _o.id,
            sa.or_(
                _head.c.state.in_([sa.literal_column(f"'{state}'") for state in t.HEAD]),
                sa.and_(
                    _head.c.state == sa.literal_column("'parked'"),
                    _head.c.blocks == sa.literal_column("1"),
                ),
            ),
        ),
    )
)


# --- looking ---------------------------------------------------------------------------------


def held_by(tx: Tx, kind: str, name: str) -> dict[str, int]:
    """Count what waits behind a paused connection or mapping: kind of write -> operations."""
    column = _o.connection if kind == "connection" else _o.mapping
    query = (
        sa.select(_o.kind, sa.func.count().label("n"))
        .where(column == name, t.state_in(OperationState.READY, OperationState.WAITING))
        .group_by(_o.kind)
        .order_by(_o.kind)
    )
    return {str(row.kind): int(row.n) for row in tx.rows(query)}


def list_operations(
    tx: Tx, *, states: Collection[OperationState] | None = None, limit: int = 200
) -> list[OperationRecord]:
    """Return operations, oldest first; those that are open or parked unless states are named."""
    query = _listing(tuple(states or t.UNSETTLED))
    return [record_of(row) for row in tx.rows(query, {"most": limit})]


@cache
def _listing(asked: tuple[OperationState, ...]) -> sa.Select[Any]:
    query = _QUERY.where(t.state_in(*asked)).order_by(_o.id)
    if set(asked) <= {*t.UNSETTLED}:
        # By an expression, or SQLite walks the table in the order of its ids.
        query = _QUERY.where(*t.among_unsettled(*asked)).order_by(_o.id + 0)
    return query.limit(sa.bindparam("most", type_=sa.Integer()))


def of_link(tx: Tx, link_id: LinkRow, *, limit: int = 200) -> list[OperationRecord]:
    """Return the newest operations of a link, settled ones too, oldest of them first."""
    query = _QUERY.where(_o.link == link_id).order_by(_o.id.desc()).limit(limit)
    return [record_of(row) for row in reversed(tx.rows(query))]


_SHOWN = _QUERY.where(_o.id == sa.bindparam("operation"))
_ATTEMPTS = (
    sa.select(t.attempt).where(t.attempt.c.operation == sa.bindparam("of")).order_by(t.attempt.c.id)
)


def show(tx: Tx, operation_id: OperationId) -> OperationDetail:
    """Return an operation with its attempts.

    Raises:
        CommandRefused: there is no such operation.
    """
    row = tx.first(_SHOWN, {"operation": operation_id})
    if row is None:
        raise _unknown(operation_id)
    fields, comment, attachment = codec.load_payload(row.payload)
    attempts = tx.rows(_ATTEMPTS, {"of": operation_id})
    return OperationDetail(
        record=record_of(row),
        fields=fields,
        comment=comment.body if comment else "",
        attachment=attachment.name if attachment else "",
        receipt=None if row.receipt is None else codec.load(row.receipt),
        attempts=tuple(_attempt(found) for found in attempts),
    )


def _unknown(operation_id: int) -> CommandRefused:
    return CommandRefused(f"there is no operation {operation_id}; `syncd ops list` shows them")


def _attempt(row: Row) -> AttemptRecord:
    return AttemptRecord(
        number=row.number,
        what=row.what,
        owner=row.owner,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        status=row.status,
        request=row.request,
        detail=row.detail,
        late=row.late,
    )


def record_of(row: Row) -> OperationRecord:
    """Make the value of a row of this module's query."""
    waits = row.state == OperationState.WAITING
    return OperationRecord(
        id=OperationId(row.id),
        link_id=LinkRow(row.link),
        mapping=MappingName(row.mapping),
        connection=ConnectionName(row.connection),
        target=Side(row.target),
        target_number=row.target_number or "",
        source_number=row.source_number,
        kind=WriteKind(row.kind),
        key=OperationKey(row.key),
        state=OperationState(row.state),
        park_reason=None if row.park_reason is None else ParkReason(row.park_reason),
        reason=row.reason,
        place=row.place,
        attempts=row.attempts,
        sends=row.sends,
        looks=row.looks,
        planned_at=row.planned_at,
        not_before=row.not_before,
        sent_at=row.sent_at,
        settled_at=row.settled_at,
        detail=row.detail,
        correlation_id=CorrelationId(row.correlation_id),
        waits_for=OperationId(row.head) if waits and row.head is not None else None,
    )


# --- commands --------------------------------------------------------------------------------


SENDS_KEPT = 2
"""So many sends stay counted when one is tried again: enough that a second effect is looked for."""


def retry(
    tx: Tx,
    operation_id: OperationId,
    *,
    by: str,
    now: datetime,
    i_know: bool = False,
    can_probe: bool = True,
) -> OperationState:
    """Let a parked operation, or one that waits for its time, go on now.

    One that may have been sent is probed first, unless the operator knows that it did not happen;
    where nothing can be probed it is sent again only then. Each time it may be sent once more.

    Args:
        tx: the transaction.
        operation_id: the operation.
        by: who asks.
        now: when.
        i_know: the operator knows that it did not happen.
        can_probe: whether the provider can tell (its Features).

    Returns:
        The state it is in now.

    Raises:
        CommandRefused: it is settled or under way, or may have happened and cannot be probed.
    """
    row = _take(tx, operation_id)
    state = OperationState(row.state)
    if state in (OperationState.READY, OperationState.UNKNOWN):
        tx.run(sa.update(t.operation).where(_o.id == row.id).values(not_before=now))
        _journal(tx, row, "operation.retried", "its waiting time was cut short", now=now, actor=by)
        return state
    if state is not OperationState.PARKED:
        raise CommandRefused(_not_parked(row, "retry"))
    maybe_sent = row.sends > 0 or row.park_reason == ParkReason.IN_DOUBT
    if maybe_sent and not can_probe and not i_know:
        raise CommandRefused(
            f"operation {row.id} may have happened and {row.connection} cannot be asked: if it "
            f"surely did not, `syncd ops retry {row.id} --i-know`; if it did, `syncd ops adopt "
            f"{row.id} ID`"
        )
    probe = maybe_sent and can_probe and not i_know
    values: dict[str, Any] = {
        "state": OperationState.UNKNOWN if probe else OperationState.READY,
        "park_reason": None,
        "settled_at": None,
        "not_before": now,
        "attempts": 0,
        # One send more, or a look that finds nothing would only ask the person again.
        "sends": min(row.sends, SENDS_KEPT),
        "looks": 0,
        "ask_after_at": None,
    }
    if not probe:
        values |= {"sends": 0, "sent_at": None, "closed_at": None}
    _requeue(tx, row, values)
    how = "probed first" if probe else "sent again"
    _journal(tx, row, "operation.retried", how, now=now, actor=by)
    return OperationState(
        tx.scalar(sa.select(_o.state).where(_o.id == row.id)) or OperationState.WAITING
    )


def _requeue(tx: Tx, row: Row, values: dict[str, Any]) -> None:
    """Put a parked operation back at the head of its lane, or behind one that is under way."""
    update = sa.update(t.operation).where(_o.id == row.id)
    head = tx.first(sa.select(_o.id, _o.state).where(_o.lane == row.lane, t.state_in(*t.HEAD)))
    if head is not None and head.state == OperationState.READY:
        waiting = sa.update(t.operation).where(_o.id == head.id)
        tx.run(waiting.values(state=OperationState.WAITING))
        head = None
    if head is None:
        tx.run(update.values(values))
        return
    # Its turn comes when that one is settled; then it is probed, or sent, as asked now.
    later = {"state": OperationState.WAITING, "claimed_from": values["state"]}
    tx.run(update.values(values | later))


def discard(tx: Tx, operation_id: OperationId, *, by: str, now: datetime) -> None:
    """Give an operation up: its change counts as accounted for on the side it came from.

    Discarding a create gives up the link as well, with all that waits for it; `syncd link add`
    pairs the tickets later.

    Raises:
        CommandRefused: it is settled, or being sent.
    """
    row = _take(tx, operation_id)
    if row.state not in (*t.DUE, OperationState.WAITING, OperationState.PARKED):
        raise CommandRefused(_not_parked(row, "discard"))
    given_up = {"state": OperationState.DISCARDED, "settled_at": now, "detail": f"by {by}"}
    tx.run(sa.update(t.operation).where(_o.id == row.id).values(given_up))
    _account_for(tx, row)
    _give_up_pair(tx, row, by)
    _journal(tx, row, "operation.discarded", "given up", now=now, actor=by)
    if row.kind == WriteKind.CREATE:
        waiting = (_o.lane == row.lane, _o.state == OperationState.WAITING)
        tx.run(sa.update(t.operation).where(*waiting).values(given_up))
        tx.run(
            sa.update(t.link)
            .where(t.link.c.id == row.link)
            .values(tombstone_at=now, phase=LinkPhase.REMOVED)
        )
        _journal(tx, row, "link.removed", "its creation was discarded", now=now, actor=by)
        return
    lanes.promote(tx, [row.lane])
    _decide(tx, row, now)


def adopt(tx: Tx, operation_id: OperationId, external_id: str, *, by: str, now: datetime) -> None:
    """Settle an operation as having happened, with the id of what it made.

    Args:
        tx: the transaction.
        operation_id: the operation.
        external_id: the ticket's number or id (create), the comment's id or the attachment's; for
            other kinds it is not looked at.
        by: who says so.
        now: when.

    Raises:
        CommandRefused: it is settled, or being sent, or that ticket has another partner.
    """
    row = _take(tx, operation_id)
    is_create = row.kind == WriteKind.CREATE
    if row.state not in (*t.DUE, OperationState.PARKED):
        raise CommandRefused(_not_parked(row, "adopt"))
    if is_create and not external_id:
        raise CommandRefused("adopting a create needs the new ticket's number or id")
    target_id = tx.scalar(sa.select(t.ticket.c.external_id).where(t.ticket.c.id == row.target_row))
    receipt = Receipt(ticket_id=TicketId(external_id if is_create else target_id or ""))
    if is_create:
        receipt = _known_ticket(tx, row, receipt)
    elif row.item_kind == "attachment" and row.kind == WriteKind.ATTACHMENT:
        receipt = replace(receipt, attachment_id=AttachmentId(external_id))
    elif row.kind == WriteKind.COMMENT:
        receipt = replace(receipt, comment_id=CommentId(external_id))
    effects = effects_of(tx, [row])
    if not apply_receipt(effects, row, receipt, Told(now=now, detail=f"adopted by {by}", actor=by)):
        raise CommandRefused(
            f"ticket {external_id} has another partner; `syncd explain {external_id}` shows it"
        )
    effects.write()


def _known_ticket(tx: Tx, row: Row, receipt: Receipt) -> Receipt:
    # An operator types what stands on the screen, and nobody here can tell a number from an id that
    # was never read: what is not known becomes known by that word, and its reading tells the rest.
    c = t.ticket.c
    here = (c.connection == row.connection, c.kind == row.ticket_kind)
    if tx.scalar(sa.select(c.id).where(*here, c.external_id == receipt.ticket_id)) is not None:
        return receipt
    by_number = tx.first(
        sa.select(c.external_id, c.number).where(
            *here, c.number == receipt.ticket_id, c.external_id.is_not(None)
        )
    )
    if by_number is None:
        return Receipt(ticket_id=TicketId(""), ticket_number=receipt.ticket_id)
    return Receipt(ticket_id=TicketId(by_number.external_id), ticket_number=by_number.number)


def _take(tx: Tx, operation_id: OperationId) -> Row:
    first = tx.first(sa.select(_o.target_row, _o.source_row, _o.link).where(_o.id == operation_id))
    if first is None:
        raise _unknown(operation_id)
    tickets = {first.source_row, first.target_row} - {None}
    lock_around(tx, tickets, [first.link])
    return load_rows(tx, [operation_id])[operation_id]


def _not_parked(row: Row, command: str) -> str:
    if row.state in t.IN_FLIGHT:
        return f"operation {row.id} is being sent; wait for its answer, then {command} it"
    if row.state == OperationState.WAITING:
        return (
            f"operation {row.id} waits for the one before it on the same ticket; `syncd ops show "
            f"{row.id}` names it; what works now: `syncd ops discard {row.id}`"
        )
    return f"operation {row.id} is {row.state}: there is nothing left to {command}"


def _account_for(tx: Tx, row: Row) -> None:
    effects = effects_of(tx, [row])
    account_for_source(effects, row, codec.load_slots(row.slots))
    effects.write()


def _give_up_pair(tx: Tx, row: Row, by: str) -> None:
    c = t.item_pair.c
    if row.item_kind is not None:
        tx.run(
            sa.update(t.item_pair)
            .where(
                c.link == row.link,
                c.kind == row.item_kind,
                c.origin == row.item_origin,
                c.source_id == row.item_source_id,
            )
            .values(
                state=PairState.GIVEN_UP,
                reason=f"discarded by {by}",
                # With its key it is known again, should it turn out to have happened.
                key=row.key if row.sends > 0 else None,
            )
        )


def _decide(tx: Tx, row: Row, now: datetime) -> None:
    rows = [found for found in (row.source_row, row.target_row) if found is not None]
    tx.run(sa.update(t.ticket).where(t.ticket.c.id.in_(rows)).values(decide_due_at=now))


def _journal(tx: Tx, row: Row, event: str, detail: str, *, now: datetime, actor: str) -> None:
    journal.append(
        tx,
        Line(
            at=now,
            event=event,
            detail=detail,
            correlation_id=row.correlation_id,
            connection=row.connection,
            ticket=row.target_row,
            link=row.link,
            operation=row.id,
            mapping=row.mapping,
            actor=actor,
            revision=row.revision,
        ),
    )
