"""The outbox as delivery works it: claim, mark as being sent, settle, recover (DESIGN section 7).

A claim takes heads that are due: READY ones to be sent, UNKNOWN ones to be probed. Both become
CLAIMED; `claimed_from` remembers which. A write becomes SENDING just before its first byte. So
after a crash what was only claimed is ready again, and what was being sent is unknown.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain, zip_longest
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from syncd.model.ids import (
    ConnectionName,
    CorrelationId,
    LinkRow,
    MappingName,
    OperationId,
    OperationKey,
    Side,
    TicketRow,
)
from syncd.model.operation import OperationState, ParkReason, Receipt, Write, WriteKind
from syncd.model.outbox import ClaimedOperation
from syncd.model.ticket import Ticket
from syncd.store import codec, journal
from syncd.store import tables as t
from syncd.store.bulk import Bulk, Writes
from syncd.store.database import Call, together
from syncd.store.effects import RELEASED, Effects, Told, load_rows, note, record_others
from syncd.store.records import Claim, Line, Recovered, UnsettledCreate
from syncd.store.sessions import is_gone
from syncd.store.settling import settle, settle_seen
from syncd.store.tx import Row, Tx, among, locking

__all__ = ["settle", "settle_seen"]

_o = t.operation.c
_P = sa.bindparam

_MARK_SENDING = Bulk(
    lambda v, _: (
        sa.update(t.operation)
        .where(_o.id == v("operation", _o.id.type))
        .values(
            state=sa.literal_column("'sending'"),
            sends=_o.sends + sa.literal_column("1"),
            sent_at=sa.func.coalesce(_o.sent_at, v("now", _o.sent_at.type)),
        )
    )
)


# --- claiming --------------------------------------------------------------------------------


def claim(tx: Tx, asked: Claim) -> list[ClaimedOperation]:
    """Take operations that are due, fairly between connections.

    Left alone: paused connections and links, mappings not named as writable, tickets of which only
    the number is known yet. A create that waited
    longer than its mapping allows is parked instead.
    """
    _park_late(tx, asked.now)
    queues = [_candidates(tx, asked, name, room) for name, room in asked.free.items() if room > 0]
    mixed = [row for row in chain.from_iterable(zip_longest(*queues)) if row is not None]
    chosen = _lock(tx, mixed[: asked.limit])
    if not chosen:
        return []
    take, move = _taking(tx.is_postgres)
    ids = tx.many(chosen)
    tx.run(take, {"ids": ids, "by": asked.owner, "until": asked.lease_until})
    # A read that is under way now would overlap the write (R1).
    tx.run(move, {"ids": ids})
    return _load(tx, chosen)


@cache
def _taking(is_postgres: bool) -> tuple[sa.Update, sa.Update]:
    chosen = among(_o.id, "ids", is_postgres=is_postgres)
    take = sa.update(t.operation).where(chosen)
    move = sa.update(t.ticket).where(t.ticket.c.id.in_(sa.select(_o.target_row).where(chosen)))
    return (
        take.values(
            claimed_from=_o.state,
            state=OperationState.CLAIMED,
            lease_owner=_P("by"),
            lease_until=_P("until"),
            attempt=_o.attempt + 1,
        ),
        move.values(write_epoch=t.ticket.c.write_epoch + 1),
    )


_LATE = (
    _o.state == sa.literal_column("'ready'"),
    _o.ask_after_at.is_not(None),
    _o.ask_after_at <= _P("now"),
    _o.sends == 0,
)
_SELECT_LATE = sa.select(_o.id, _o.link, _o.mapping, _o.connection).where(*_LATE)


def _park_late(tx: Tx, now: datetime) -> None:
    rows = tx.rows(_SELECT_LATE, {"now": now})
    if not rows:
        return
    detail = "it waited longer than the mapping's ask_after"
    tx.run(
        sa.update(t.operation)
        .where(tx.among(_o.id, [row.id for row in rows]), *_LATE)
        .values(
            state=OperationState.PARKED,
            park_reason=ParkReason.TOO_LATE,
            settled_at=now,
            detail=detail,
        ),
        {"now": now},
    )
    journal.append(
        tx,
        *(
            Line(
                at=now,
                event="operation.parked",
                detail=detail,
                connection=row.connection,
                link=row.link,
                operation=row.id,
                mapping=row.mapping,
            )
            for row in rows
        ),
    )


def _candidates(tx: Tx, asked: Claim, name: ConnectionName, room: int) -> Sequence[Row]:
    return tx.rows(
        _candidates_of(tx.is_postgres),
        {
            "name": name,
            "now": asked.now,
            "mappings": tx.many(asked.writable_mappings),
            "most": min(room, asked.limit),
        },
    )


@cache
def _candidates_of(is_postgres: bool) -> sa.Select[Any]:
    c = t.connection.c
    # Known by its number alone: its reading tells the id that writes go by.
    unread = sa.exists().where(t.ticket.c.id == _o.target_row, t.ticket.c.external_id.is_(None))
    query = (
        sa.select(_o.id, _o.target_row, _o.link)
        .join(t.link, t.link.c.id == _o.link)
        .where(
            _o.connection == _P("name"),
            t.state_in(*t.DUE),
            _o.not_before <= _P("now"),
            among(_o.mapping, "mappings", is_postgres=is_postgres),
            t.link.c.paused_at.is_(None),
            ~sa.exists().where(c.name == _P("name"), c.paused_at.is_not(None)),
            ~unread,
        )
        .order_by(_o.not_before, _o.id)
        .limit(_P("most", type_=sa.Integer()))
    )
    # What another process is just claiming is stepped over, or all would want the same.
    return query.with_for_update(of=t.operation, skip_locked=True) if is_postgres else query


def _lock(tx: Tx, rows: Sequence[Row]) -> list[OperationId]:
    """Lock the tickets and links of operations already locked; leave out what others hold.

    The other way round than everybody else, but waiting for nobody, so there is no deadlock.
    """
    if not tx.is_postgres or not rows:
        return [OperationId(row.id) for row in rows]
    targets = {row.target_row for row in rows if row.target_row is not None}
    creating = {row.link for row in rows if row.target_row is None}
    tickets, links = _free(tx, t.ticket, targets), _free(tx, t.link, creating)
    return [
        OperationId(row.id)
        for row in rows
        if (row.link in links if row.target_row is None else row.target_row in tickets)
    ]


def _free(tx: Tx, table: sa.Table, ids: Collection[int]) -> frozenset[int]:
    if not ids:
        return frozenset()
    return frozenset(tx.scalars(locking(table, skip_locked=True), {"ids": tx.many(ids)}))


_source, _target = t.ticket.alias("source"), t.ticket.alias("target")
_CLAIMED = (
    _o.id, _o.attempt, _o.lease_owner, _o.claimed_from, _o.state, _o.link, _o.mapping,
    _o.connection, _o.target, _o.target_row, _o.source_connection, _o.source_row, _o.kind, _o.key,
    _o.ticket_kind, _o.payload, _o.only_from, _o.attempts, _o.sends, _o.looks, _o.sent_at,
    _o.closed_at, _o.seen_at, _o.planned_at, _o.correlation_id,
)  # fmt: skip
"""What delivery is handed of an operation."""


def _load(tx: Tx, ids: Sequence[OperationId]) -> list[ClaimedOperation]:
    found = {
        row.id: _claimed(row) for row in tx.gather(_loading(tx.is_postgres), {"ids": tx.many(ids)})
    }
    return [found[wanted] for wanted in ids]


@cache
def _loading(is_postgres: bool) -> sa.Select[Any]:
    return (
        sa.select(
            *_CLAIMED,
            _source.c.external_id.label("source_id"),
            _source.c.number.label("source_number"),
            _source.c.kind.label("source_kind"),
            # The whole ticket, of any size, is worth reading only where its status is judged.
            sa.case((_o.only_from.is_not(None), _target.c.snapshot)).label("target_snapshot"),
            _target.c.external_id.label("target_id"),
            _target.c.number.label("target_number"),
        )
        .join_from(t.operation, _source, _source.c.id == _o.source_row)
        .outerjoin(_target, _target.c.id == _o.target_row)
        .where(among(_o.id, "ids", is_postgres=is_postgres))
    )


def _claimed(row: Row) -> ClaimedOperation:
    target = row.target_snapshot
    return ClaimedOperation(
        id=OperationId(row.id),
        attempt=row.attempt,
        owner=row.lease_owner or "",
        state=OperationState(row.claimed_from or row.state),
        link_id=LinkRow(row.link),
        mapping=MappingName(row.mapping),
        connection=ConnectionName(row.connection),
        target=Side(row.target),
        target_row=None if row.target_row is None else TicketRow(row.target_row),
        source_connection=ConnectionName(row.source_connection),
        source_row=TicketRow(row.source_row),
        source=_source_of(row),
        write=_write(row),
        snapshot=None if target is None else codec.decode_ticket(target),
        only_from=None if row.only_from is None else tuple(codec.load(row.only_from)),
        attempts=row.attempts,
        sends=row.sends,
        looks=row.looks,
        sent_at=row.sent_at,
        closed_at=row.closed_at,
        seen_at=row.seen_at,
        planned_at=row.planned_at,
        correlation_id=CorrelationId(row.correlation_id),
    )


def _source_of(row: Row) -> Ticket | None:
    # Only what an attachment is fetched by: its fields and comments are in the payload already.
    if row.source_id is None:
        return None
    return Ticket(id=row.source_id, number=row.source_number, kind=row.source_kind, fields={})


def _write(row: Row) -> Write:
    fields, comment, attachment = codec.load_payload(row.payload)
    is_create = row.kind == WriteKind.CREATE
    return Write(
        kind=WriteKind(row.kind),
        key=OperationKey(row.key),
        ticket_kind=row.ticket_kind,
        ticket_id=None if is_create else row.target_id,
        ticket_number="" if is_create else row.target_number or "",
        fields=fields,
        comment=comment,
        attachment=attachment,
    )


# --- sending ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sending:
    """One call of `mark_sending`."""

    operation_id: OperationId
    owner: str
    attempt: int
    now: datetime


def mark_many_sending(tx: Tx, calls: Sequence[Call]) -> list[bool]:
    """Note of many operations that their first byte is about to leave; see `mark_sending`."""
    asked = [_Sending(*args, **kwargs) for args, kwargs in calls]
    ids = tx.many([each.operation_id for each in asked])
    held = set(map(tuple, tx.gather(_held(tx.is_postgres), {"ids": ids})))
    writes = Writes(tx)
    ours = []
    for each in asked:
        fence = (each.operation_id, each.owner, each.attempt)
        ours.append(fence in held)
        if fence in held:
            held.remove(fence)
            writes.add(_MARK_SENDING, {"operation": each.operation_id, "now": each.now})
    writes.flush()
    return ours


@cache
def _held(is_postgres: bool) -> sa.Select[Any]:
    query = (
        sa.select(_o.id, _o.lease_owner, _o.attempt)
        .where(among(_o.id, "ids", is_postgres=is_postgres))
        .where(t.state_in(OperationState.CLAIMED))
        .order_by(_o.id)
    )
    return query.with_for_update() if is_postgres else query


@together(mark_many_sending)
def mark_sending(
    tx: Tx, operation_id: OperationId, owner: str, attempt: int, now: datetime
) -> bool:
    """Note that the first byte is about to leave; committed before it does.

    Returns:
        False when the operation was taken over: it must not be sent.
    """
    return mark_many_sending(tx, [((operation_id, owner, attempt, now), {})])[0]


def keep_sending(
    tx: Tx, operation_id: OperationId, owner: str, attempt: int, until: datetime
) -> bool:
    """Note anew that the first byte is about to leave, where the last note is old.

    Returns:
        False when the operation was taken over meanwhile: it must not be sent.
    """
    ours = (
        _o.id == operation_id,
        _o.lease_owner == owner,
        _o.attempt == attempt,
        t.state_in(OperationState.SENDING),
    )
    return tx.run(sa.update(t.operation).where(*ours).values(lease_until=until)) == 1


def attach_file(tx: Tx, operation_id: OperationId, *, size_bytes: int, digest: str) -> None:
    """Note size and digest of an attachment once the spool has it."""
    found = tx.scalar(_PAYLOAD, {"operation": operation_id})
    payload = codec.load(found)
    payload["attachment"] |= {"size_bytes": size_bytes, "digest": digest}
    tx.run(_SET_PAYLOAD, {"operation": operation_id, "filled": codec.dump(payload)})


_PAYLOAD = sa.select(_o.payload).where(_o.id == sa.bindparam("operation"))
_SET_PAYLOAD = (
    sa.update(t.operation)
    .where(_o.id == sa.bindparam("operation"))
    .values(payload=sa.bindparam("filled"))
)


# --- recovering ------------------------------------------------------------------------------


def extend_lease(tx: Tx, owner: str, until: datetime) -> int:
    """Keep what an owner holds for longer; return how many operations that are."""
    mine = (_o.lease_owner == owner, t.state_in(*t.IN_FLIGHT))
    return tx.run(sa.update(t.operation).where(*mine).values(lease_until=until))


def release_owner(tx: Tx, owner: str, *, now: datetime) -> int:
    """Give back what an owner claimed and did not send (an orderly stop)."""
    return _give_back(tx, [_o.lease_owner == owner, _o.state == OperationState.CLAIMED], now)


_OF_OTHERS = (
    sa.select(_o.id)
    .where(t.state_in(*t.IN_FLIGHT), _o.lease_owner != sa.bindparam("owner"))
    .limit(sa.literal_column("1"))
)


def recover(
    tx: Tx, *, owner: str, now: datetime, probe_at: datetime, alone: bool = False
) -> Recovered:
    """Take over what others left: never sent is ready again, maybe sent is to be probed.

    On PostgreSQL an owner is gone when its session lock is free. One whose connection was cut may
    still be alive: then a mark of sending is refused it, and what it may be sending just now counts
    as not there only when its lease has expired as well.

    Args:
        tx: the transaction.
        owner: who recovers; its own operations are left alone.
        now: on SQLite, leases up to this instant have expired.
        probe_at: when operations that may have been sent are probed at the earliest.
        alone: nobody else can be alive (SQLite, at start): leases are not waited for.
    """
    if tx.scalar(_OF_OTHERS, {"owner": owner}) is None:
        return Recovered(ready=0, unknown=0)
    left: list[sa.ColumnElement[bool]] = [_o.lease_owner != owner]
    if tx.is_postgres:
        left.append(_o.lease_owner.in_(_gone_owners(tx, owner)))
    elif not alone:
        left.append(_o.lease_until <= now)
    ready = _give_back(tx, [*left, _o.state == OperationState.CLAIMED], now)
    lost = [*left, t.state_in(*t.IN_FLIGHT), _o.state == OperationState.SENDING]
    rows = tx.rows(sa.select(_o.id, _o.link, _o.connection, _o.mapping).where(*lost))
    if rows:
        tx.run(
            sa.update(t.operation)
            .where(tx.among(_o.id, [row.id for row in rows]), *lost)
            .values(
                state=OperationState.UNKNOWN,
                not_before=probe_at,
                closed_at=_surely_over_at(now) if tx.is_postgres else now,
                looks=0,
                detail="the daemon stopped while sending",
                **RELEASED,
            )
        )
        journal.append(tx, *(_left_sending(row, now) for row in rows))
    return Recovered(ready=ready, unknown=len(rows))


def _surely_over_at(now: datetime) -> sa.ColumnElement[datetime]:
    """Say when nobody sends any more: who lives without its session cannot renew its lease."""
    return sa.case((_o.lease_until > now, _o.lease_until), else_=sa.literal(now, _o.closed_at.type))


def _left_sending(row: Row, now: datetime) -> Line:
    return Line(
        at=now,
        event="operation.unknown",
        detail="the daemon stopped while sending",
        connection=row.connection,
        link=row.link,
        operation=row.id,
        mapping=row.mapping,
    )


def _give_back(tx: Tx, which: Sequence[sa.ColumnElement[bool]], now: datetime) -> int:
    return tx.run(
        sa.update(t.operation)
        .where(t.state_in(*t.IN_FLIGHT), *which)
        .values(
            state=sa.func.coalesce(_o.claimed_from, OperationState.READY),
            **RELEASED,
        )
    )


def _gone_owners(tx: Tx, owner: str) -> list[str]:
    owners = tx.scalars(
        sa.select(_o.lease_owner)
        .where(t.state_in(*t.IN_FLIGHT), _o.lease_owner != owner)
        .distinct()
    )
    return [name for name in owners if is_gone(tx, name)]


# --- looking again ---------------------------------------------------------------------------


_RECHECKS = (
    sa.select(_o.id)
    .where(_o.recheck_at.is_not(None), _o.recheck_at <= _P("now"))
    .order_by(_o.recheck_at)
    .limit(_P("most", type_=sa.Integer()))
)
_NEXT_DUE = sa.select(sa.func.min(_o.not_before)).where(t.state_in(*t.DUE))


def rechecks_due(tx: Tx, *, now: datetime, limit: int) -> list[ClaimedOperation]:
    """Return applied operations that were sent twice and are to be looked at once more (R3)."""
    due = tx.scalars(_RECHECKS, {"now": now, "most": limit})
    return _load(tx, [OperationId(found) for found in due]) if due else []


def record_recheck(
    tx: Tx,
    operation_id: OperationId,
    *,
    others: tuple[Receipt, ...] = (),
    again_at: datetime | None = None,
    detail: str = "",
    now: datetime,
) -> None:
    """Note what looking once more showed.

    Args:
        tx: the transaction.
        operation_id: the operation.
        others: effects beside the one that is known.
        again_at: look yet again then; None: enough.
        detail: for the operator.
        now: when.
    """
    row = load_rows(tx, [operation_id])[operation_id]
    effects = Effects(Writes(tx))
    tx.run(sa.update(t.operation).where(_o.id == operation_id).values(recheck_at=again_at))
    note(effects, row, "operation.rechecked", Told(now=now, detail=detail))
    record_others(effects, row, others, now)
    effects.write()


def unsettled_creates(tx: Tx, connection: ConnectionName, kind: str) -> list[UnsettledCreate]:
    """Return creates whose effect may show as a new ticket of this connection and kind (R5)."""
    in_doubt = sa.and_(_o.state == OperationState.PARKED, _o.park_reason == ParkReason.IN_DOUBT)
    maybe_there = sa.or_(t.state_in(*t.IN_FLIGHT, OperationState.UNKNOWN), in_doubt, _o.sends > 0)
    query = sa.select(_o.id, _o.key, _o.link, _o.target, _o.state, _o.sent_at).where(
        _o.connection == connection,
        _o.ticket_kind == kind,
        _o.kind == WriteKind.CREATE,
        # By the index of what is unsettled; any order asked for here would walk the table.
        t.state_in(*t.UNSETTLED),
        _o.link > sa.literal_column("0"),
        maybe_there,
    )
    return [
        UnsettledCreate(
            id=OperationId(row.id),
            key=OperationKey(row.key),
            link_id=LinkRow(row.link),
            target=Side(row.target),
            state=OperationState(row.state),
            sent_at=row.sent_at,
        )
        for row in sorted(tx.rows(query), key=attrgetter("id"))
    ]


def next_due(tx: Tx) -> datetime | None:
    """Say when the next operation is due, pauses apart; None: none is open."""
    due: datetime | None = tx.scalar(_NEXT_DUE)
    return due
