"""What fuses count: links of a mapping, what waits to be decided, what a link carried lately."""

from datetime import datetime

import sqlalchemy as sa

from syncd.core.fuses import Move
from syncd.model.ids import LinkRow, MappingName, Side
from syncd.model.operation import OperationState
from syncd.store import codec
from syncd.store import tables as t
from syncd.store.tx import Tx

_c, _t, _j, _o = t.link.c, t.ticket.c, t.journal.c, t.operation.c
_P = sa.bindparam
_RESUMED = sa.select(sa.func.max(_j.at)).where(_j.link == _P("link"), _j.event == "link.resumed")
_PLANNED = (
    sa.select(_o.target, _o.slots)
    .where(_o.link == _P("link"), _o.planned_at >= _P("since"))
    .where(_o.slots != "{}", _o.state != OperationState.SUPERSEDED)
    .order_by(_o.id)
)


def count_links(tx: Tx, mapping: MappingName) -> int:
    """Count a mapping's links that are not removed."""
    mine = (_c.mapping == mapping, _c.tombstone_at.is_(None))
    return int(tx.scalar(sa.select(sa.func.count()).where(*mine)) or 0)


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
    due = [_t.decide_due_at.is_not(None), _t.decide_due_at <= now]
    if after is not None:
        due.append(_t.decide_due_at >= after)
    found: dict[MappingName, dict[LinkRow, None]] = {}
    for column in (_c.itsm_ticket, _c.vendor_ticket):
        query = (
            sa.select(_c.mapping, _c.id)
            .join(t.ticket, _t.id == column)
            .where(*due, _c.tombstone_at.is_(None), _c.paused_at.is_(None))
        )
        for row in tx.rows(query):
            found.setdefault(MappingName(row.mapping), {})[LinkRow(row.id)] = None
    # Sorted here: asked for there, SQLite would walk all links in that order.
    return {name: sorted(ids) for name, ids in found.items()}
