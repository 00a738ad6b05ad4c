"""How many tickets a connection has, and how their reading stands."""

import sqlalchemy as sa

from syncd.model.ids import ConnectionName
from syncd.store import tables as t
from syncd.store.records import TicketCounts
from syncd.store.tx import Tx

_c = t.ticket.c


def _number(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((condition, 1)))


# From an index that holds all it asks for: monitoring asks often, and tickets are large.
_COUNTS = sa.select(
    _c.connection,
    sa.func.count().label("known"),
    _number(_c.watched).label("watched"),
    _number(sa.and_(_c.read_failures > 0, _c.gone_at.is_(None))).label("failing"),
    _number(_c.gone_at.is_not(None)).label("gone"),
    _number(_c.stray).label("stray"),
).group_by(_c.connection)
_COUNT_DUE = (
    sa.select(_c.connection, sa.func.count().label("due"))
    .where(_c.read_due_at.is_not(None), _c.gone_at.is_(None))
    .group_by(_c.connection)
)


def counts(tx: Tx) -> dict[ConnectionName, TicketCounts]:
    """Count the tickets of each connection."""
    due = {row.connection: row.due for row in tx.rows(_COUNT_DUE)}
    return {
        ConnectionName(row.connection): TicketCounts(
            known=row.known,
            watched=row.watched,
            due=due.get(row.connection, 0),
            failing=row.failing,
            gone=row.gone,
            stray=row.stray,
        )
        for row in tx.rows(_COUNTS)
    }
