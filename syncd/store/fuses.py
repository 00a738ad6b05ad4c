"""What fuses count: links of a mapping, what waits to be decided, what a link carried lately."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from syncd.core.fuses import Move
from syncd.core.state import Rank, Reason
from syncd.model.ids import LinkRow, MappingName, Side, TicketRow
from syncd.model.operation import OperationState, WriteKind
from syncd.model.ticket import Ticket
from syncd.store import codec, lanes
from syncd.store import tables as t
from syncd.store.tickets import load_tickets
from syncd.store.tx import Tx
from syncd.store.types import EPOCH, Instant

_c, _t, _j, _o = t.link.c, t.ticket.c, t.journal.c, t.operation.c
_P = sa.bindparam
_RESUMED = sa.select(sa.func.max(_j.at)).where(_j.link == _P("link"), _j.event == "link.resumed")
_PLANNED = (
    sa.select(_o.target, _o.slots)
    .where(_o.link == _P("link"), _o.planned_at >= _P("since"))
    .where(_o.slots != "{}", _o.state != OperationState.SUPERSEDED)
    .order_by(_o.id)
)
_LIVE_LINKS = sa.select(sa.func.count()).where(
    _c.mapping == _P("mapping"), _c.tombstone_at.is_(None)
)
_NEWEST = sa.select(sa.func.max(_o.id))
_CHANGES = (
    sa.select(_o.id, _o.mapping, _o.link, _o.target, _o.kind, _o.rank, _o.planned_at, _o.source_row)
    .where(_o.id > _P("after"), _o.planned_at >= _P("since", type_=Instant()))
    .where(_o.kind.in_((WriteKind.UPDATE, WriteKind.STATUS)), _o.reason != Reason.REFERENCE)
    .order_by(_o.id)
)


_AWAITING = [
    sa.select(_c.mapping, _c.id)
    .join(t.ticket, _t.id == column)
    .where(
        _t.decide_due_at.is_not(None),
        _t.decide_due_at <= _P("now"),
        _t.decide_due_at >= _P("after"),
        _c.tombstone_at.is_(None),
        _c.paused_at.is_(None),
    )
    for column in (_c.itsm_ticket, _c.vendor_ticket)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """A change of a ticket that was planned lately.

    Attributes:
        operation: its number.
        mapping, link: whose.
        target: the side it writes.
        kind: of write.
        is_closing: it ends the ticket whatever its source shows.
        planned_at: when.
        source: the ticket it comes from, as last read.
    """

    operation: int
    mapping: MappingName
    link: LinkRow
    target: Side
    kind: WriteKind
    is_closing: bool
    planned_at: datetime
    source: Ticket | None


def newest_operation(tx: Tx) -> int:
    """Return the number of the newest operation; 0: there is none."""
    return int(tx.scalar(_NEWEST) or 0)


def changes_since(
    tx: Tx, since: datetime, *, after: int, known: Container[int] = ()
) -> list[PlannedChange]:
    """List the changes planned since an instant, in order.

    Args:
        tx: the transaction.
        since: the instant.
        after: only operations with a greater number.
        known: numbers that are left out.
    """
    rows = [
        row for row in tx.rows(_CHANGES, {"after": after, "since": since}) if row.id not in known
    ]
    sources = load_tickets(tx, {TicketRow(row.source_row) for row in rows})
    return [
        PlannedChange(
            operation=row.id,
            mapping=MappingName(row.mapping),
            link=LinkRow(row.link),
            target=Side(row.target),
            kind=WriteKind(row.kind),
            is_closing=row.rank == lanes.RANKS[Rank.CLOSING],
            planned_at=row.planned_at,
            source=sources[TicketRow(row.source_row)].snapshot,
        )
        for row in rows
    ]


def count_links(tx: Tx, mapping: MappingName) -> int:
    """Count a mapping's links that are not removed."""
    return int(tx.scalar(_LIVE_LINKS, {"mapping": mapping}) or 0)


def moves_since(tx: Tx, link_id: LinkRow, since: datetime) -> list[Move]:
    """List the values that a link carried or has planned since an instant, oldest first.

    What came before a person last resumed the link is left out.
    """
    resumed_at = tx.scalar(_RESUMED, {"link": link_id})
    given = {"link": link_id, "since": max(since, resumed_at or since)}
    return [
        Move(slot=slot, target=Side(row.target), value=move.source_value)
        for row in tx.rows(_PLANNED, given)
        for slot, move in codec.load_slots(row.slots).items()
    ]


def awaiting_decision(
    tx: Tx, *, now: datetime, after: datetime | None = None
) -> dict[MappingName, list[LinkRow]]:
    """List, by mapping, the links of tickets about which a decision is due.

    Args:
        tx: the transaction.
        now: due by then.
        after: only those that became due then or later; None: all.
    """
    found: dict[MappingName, dict[LinkRow, None]] = {}
    for query in _AWAITING:
        for row in tx.rows(query, {"now": now, "after": after or EPOCH}):
            found.setdefault(MappingName(row.mapping), {})[LinkRow(row.id)] = None
    # Sorted here: asked for there, SQLite would walk all links in that order.
    return {name: sorted(ids) for name, ids in found.items()}
