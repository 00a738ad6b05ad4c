"""Forgetting what nobody needs any more: journal lines, attempts, operations, served tickets.

Tables are walked by id, a window at a time, and a window that holds nothing old ends the walk: ids
rise with time, so no index is kept for this. What stays whatever its age, such as lines that later
decisions ask for, is stepped over by the database: it fills no window, however much there is.
Links, tombstones and pairs stay for ever (R13), and of an operation its key, for that is how a
marker met years later is known as ours (R5).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from syncd.model.ids import LinkRow, TicketRow
from syncd.model.operation import OperationState
from syncd.store import links
from syncd.store import tables as t
from syncd.store.tx import Row, Tx

WINDOW_ROWS = 500
"""Rows looked at in one transaction; bounds how long other writers wait for it."""

SETTLED = (OperationState.APPLIED, OperationState.SUPERSEDED, OperationState.DISCARDED)

_o, _a, _t, _l = t.operation.c, t.attempt.c, t.ticket.c, t.link.c
_s = t.served_ticket.c
_KEPT_OF_OPERATION = ("key", "link", "target", "target_row", "kind", "state")


class Kept(StrEnum):
    """What is kept for a time."""

    JOURNAL = "journal"
    ATTEMPTS = "attempts"
    OPERATIONS = "operations"
    SERVED = "served"


_TIME = {
    Kept.JOURNAL: (t.journal, t.journal.c.at),
    Kept.ATTEMPTS: (t.attempt, _a.ended_at),
    Kept.OPERATIONS: (t.operation, _o.planned_at),
    Kept.SERVED: (t.served_ticket, t.served_ticket.c.created_at),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Some rows in a sequence of ids.

    Attributes:
        after_id, last_id: the rows behind the one, up to the other.
        is_old: one of them at least is old enough to go.
    """

    after_id: int
    last_id: int
    is_old: bool


def _may_go(what: Kept, lasting: Collection[str]) -> sa.ColumnElement[bool]:
    """Say which rows go once they are old enough."""
    match what:
        case Kept.JOURNAL:
            return t.journal.c.event.not_in(list(lasting))
        case Kept.ATTEMPTS:
            return sa.exists().where(_o.id == _a.operation, *_is_over())
        case Kept.OPERATIONS:
            return sa.and_(*_is_over())
        case Kept.SERVED:
            return sa.or_(_s.closed_by != "", _s.resolved_at.is_not(None))


def window(
    tx: Tx,
    what: Kept,
    before: datetime,
    *,
    after_id: int = 0,
    limit: int = WINDOW_ROWS,
    lasting: Collection[str] = (),
) -> Window | None:
    """Look at the next rows; None behind the last one. The newest of numbered things stays.

    Args:
        tx: the transaction.
        what: the table.
        before: what is older may be old enough to go.
        after_id: where the last window ended.
        limit: rows in it.
        lasting: events of the journal whose lines stay and are not counted.
    """
    table, at = _TIME[what]
    rows = sa.select(table.c.id, at.label("at")).where(table.c.id > after_id)
    if what is not Kept.ATTEMPTS:
        # SQLite would give the newest row's number to the next one, and people know these numbers.
        rows = rows.where(table.c.id < sa.select(sa.func.max(table.c.id)).scalar_subquery())
    rows = rows.where(_may_go(what, lasting))
    some = rows.order_by(table.c.id).limit(limit).subquery()
    ends = sa.select(sa.func.max(some.c.id).label("last"), sa.func.min(some.c.at).label("oldest"))
    found = tx.first(ends)
    if found is None or found.last is None:
        return None
    return Window(after_id=after_id, last_id=found.last, is_old=found.oldest < before)


def forget_journal(tx: Tx, some: Window, before: datetime, *, lasting: Collection[str] = ()) -> int:
    """Remove lines written before an instant; return how many.

    Args:
        tx: the transaction.
        some: where to look.
        before: the instant.
        lasting: events that decisions still ask for; those lines stay.
    """
    c = t.journal.c
    here = (c.id > some.after_id, c.id <= some.last_id)
    return tx.run(sa.delete(t.journal).where(*here, c.at < before, _may_go(Kept.JOURNAL, lasting)))


def forget_attempts(tx: Tx, some: Window, before: datetime) -> int:
    """Remove attempts that ended before an instant, of settled operations; return how many."""
    here = (_a.id > some.after_id, _a.id <= some.last_id, _a.ended_at < before)
    return tx.run(sa.delete(t.attempt).where(*here, _may_go(Kept.ATTEMPTS, ())))


def forget_operations(tx: Tx, some: Window, before: datetime) -> int:
    """Remove operations settled before an instant, with their attempts; return how many.

    Their keys are kept. One that is open, parked, or to be looked at once more stays, however old.
    """
    here = (_o.id > some.after_id, _o.id <= some.last_id, *_is_over(), _o.settled_at < before)
    query = sa.select(_o.id).where(*here).order_by(_o.id)
    ids = tx.scalars(query.with_for_update(skip_locked=True) if tx.is_postgres else query)
    if not ids:
        return 0
    gone = tx.among(_o.id, ids)
    columns = [_o.id, *(_o[name] for name in _KEPT_OF_OPERATION)]
    kept = sa.insert(t.own_key).from_select(
        ["operation", *_KEPT_OF_OPERATION], sa.select(*columns).where(gone)
    )
    tx.run(kept)
    tx.run(
        sa.delete(t.served_call).where(
            t.served_call.c.caller == "",
            t.served_call.c.key.in_(sa.select(_o.key).where(gone)),
        )
    )
    tx.run(sa.delete(t.attempt).where(tx.among(_a.operation, ids)))
    return tx.run(sa.delete(t.operation).where(gone))


def forget_served(tx: Tx, some: Window, before: datetime, *, now: datetime) -> int:
    """Remove served tickets that were resolved or closed and left alone since; return how many.

    Their links end and keep what they know (R13). One with an operation that is open or parked on
    any of its links stays, however old.
    """
    on_it = sa.or_(_l.itsm_ticket == _t.id, _l.vendor_ticket == _t.id)
    query = (
        sa.select(_s.id, _t.id.label("row"))
        .outerjoin(t.ticket, sa.and_(_t.connection == _s.connection, _t.external_id == _s.sys_id))
        .where(_s.id > some.after_id, _s.id <= some.last_id, _s.changed_at < before)
        .where(_may_go(Kept.SERVED, ()))
        .where(~sa.exists().where(on_it, _o.link == _l.id, t.state_in(*t.UNSETTLED)))
        .order_by(_s.id)
    )
    if tx.is_postgres:
        query = query.with_for_update(of=t.served_ticket, skip_locked=True)
    found = _unwritten(tx, tx.rows(query))
    rows = [each.row for each in found if each.row is not None]
    live = _on(tx, rows).where(_l.tombstone_at.is_(None))
    for link in tx.rows(live):
        links.tombstone(tx, LinkRow(link.id), by="retention", now=now)
    gone = {"gone_at": now, "read_due_at": None, "next_poll_at": None, "decide_due_at": None}
    tx.run(sa.update(t.ticket).where(tx.among(_t.id, rows)).values(gone))
    ids = [each.id for each in found]
    for table in (t.served_note, t.served_file):
        tx.run(sa.delete(table).where(tx.among(table.c.ticket, ids)))
    return tx.run(sa.delete(t.served_ticket).where(tx.among(_s.id, ids)))


def _on(tx: Tx, rows: Sequence[int]) -> sa.Select[tuple[int, int | None, int | None]]:
    """Ask for the links of some tickets, in order."""
    linked = sa.or_(tx.among(_l.itsm_ticket, rows), tx.among(_l.vendor_ticket, rows))
    return sa.select(_l.id, _l.itsm_ticket, _l.vendor_ticket).where(linked).order_by(_l.id)


def _unwritten(tx: Tx, found: Sequence[Row]) -> Sequence[Row]:
    """Leave out tickets on whose links something was planned, or a link ended, just now.

    Others write links without the lock on the served ticket: what was looked at may have changed
    until all that belongs to it is locked. What is left out waits for the next clearing.
    """
    rows = [each.row for each in found if each.row is not None]
    if not tx.is_postgres or not rows:
        return found
    sides = {
        row for link in tx.rows(_on(tx, rows)) for row in (link.itsm_ticket, link.vendor_ticket)
    }
    links.lock_tickets(tx, {TicketRow(row) for row in sides.union(rows) if row is not None})
    on_them = tx.rows(_on(tx, rows))
    links.lock_links(tx, [LinkRow(link.id) for link in on_them])
    busy = sa.select(_o.link).where(
        tx.among(_o.link, [link.id for link in on_them]), t.state_in(*t.UNSETTLED)
    )
    unsettled = set(tx.scalars(busy))
    kept = {
        row
        for link in on_them
        if link.id in unsettled
        for row in (link.itsm_ticket, link.vendor_ticket)
    }
    return [each for each in found if each.row is None or each.row not in kept]


def _is_over() -> tuple[sa.ColumnElement[bool], ...]:
    return (t.state_in(*SETTLED), _o.recheck_at.is_(None), _o.settled_at.is_not(None))
