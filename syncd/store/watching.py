"""Tickets that are read in their turn: when something last happened, and to which partners."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from syncd.model.ids import ConnectionName, TicketRow
from syncd.store import tables as t
from syncd.store.tx import Tx

Turn = datetime | Callable[[datetime], datetime | None] | None
"""A ticket's next turn, or what tells it from when the ticket was last active; None: no turn."""

_c, _l = t.ticket.c, t.link.c
_ROW: sa.BindParameter[int] = sa.bindparam("row")
_PARTNER_ROWS = sa.union_all(
    sa.select(_l.vendor_ticket).where(_l.itsm_ticket == _ROW, _l.tombstone_at.is_(None)),
    sa.select(_l.itsm_ticket).where(_l.vendor_ticket == _ROW, _l.tombstone_at.is_(None)),
)
_PARTNER_ACTIVE = sa.select(sa.func.max(_c.read_at)).where(_c.id.in_(_PARTNER_ROWS))
_PARTNERS = sa.select(_c.id, _c.connection, _c.next_poll_at).where(
    _c.id.in_(_PARTNER_ROWS), _c.gone_at.is_(None)
)
_SET_TURN = sa.update(t.ticket).where(_c.id == _ROW)


def turn_of(
    tx: Tx, row: TicketRow, turn: Turn, *, last_read_at: datetime | None, now: datetime
) -> datetime | None:
    """Say when a ticket's next turn is.

    Args:
        tx: the transaction.
        row: the ticket.
        turn: its next turn, or what tells it.
        last_read_at: when it last changed, as `read_at` has it; `now` where it changed just now.
        now: for a ticket of which nothing is known.
    """
    if not callable(turn):
        return turn
    if last_read_at == now:
        return turn(now)
    return turn(active_at(tx, row, last_read_at) or now)


def active_at(tx: Tx, row: TicketRow, last_read_at: datetime | None) -> datetime | None:
    """Say when something last happened to a ticket or its partners; None: nobody knows."""
    partner_at: datetime | None = tx.scalar(_PARTNER_ACTIVE, {"row": row})
    return max((at for at in (last_read_at, partner_at) if at is not None), default=None)


def warm_partners(tx: Tx, row: TicketRow, soon: Mapping[ConnectionName, datetime]) -> None:
    """Have partners on these connections be read by an instant: something happened to `row`.

    One that another process has locked is being read or written just now: it is left alone, since
    waiting for it could be waiting for each other.
    """
    query = _PARTNERS.with_for_update(skip_locked=True) if tx.is_postgres else _PARTNERS
    for partner in tx.rows(query, {"row": row}):
        at = soon.get(ConnectionName(partner.connection))
        if at is not None and (partner.next_poll_at is None or partner.next_poll_at > at):
            tx.run(_SET_TURN, {"row": partner.id, "next_poll_at": at})


def set_watched(
    tx: Tx, row: TicketRow, watched: bool, next_poll_at: datetime | None = None
) -> None:
    """Start or stop polling a ticket by number."""
    values = {"watched": watched, "next_poll_at": next_poll_at if watched else None}
    tx.run(_SET_TURN, {"row": row} | values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How many tickets of a connection are read in their turn.

    Attributes:
        hot: something happened to them lately.
        others: cooling, cold or closed: read ever more rarely.
        at_rest: not read any more until something tells of them.
    """

    hot: int = 0
    others: int = 0
    at_rest: int = 0


def watched(tx: Tx, connection: ConnectionName, hot_since: datetime) -> Watched:
    """Count a connection's watched tickets; one that changed since then is hot."""
    has_turn = _c.next_poll_at.is_not(None)
    is_hot = sa.and_(has_turn, _c.read_at >= hot_since)
    named = {"hot": is_hot, "turns": has_turn, "at_rest": ~has_turn}
    counted = [sa.func.count(sa.case((each, 1))).label(name) for name, each in named.items()]
    here = (_c.connection == connection, _c.watched.is_(True), _c.gone_at.is_(None))
    found = tx.first(sa.select(*counted).where(*here))
    if found is None:
        return Watched()
    return Watched(hot=found.hot, others=found.turns - found.hot, at_rest=found.at_rest)
