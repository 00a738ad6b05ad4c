"""Tickets that trouble: unreadable ones, and those that lost their partner or never got one."""

from dataclasses import dataclass

import sqlalchemy as sa

from syncd.model.ids import ConnectionName, LinkRow, MappingName, Side, TicketRow
from syncd.model.operation import WriteKind
from syncd.store import tables as t
from syncd.store import tickets
from syncd.store.records import LinkPhase, StoredTicket
from syncd.store.tx import Tx

LINKS_MAX = 1_000
"""Newest links of one trouble that are looked at."""
FAILING_MAX = 1_000
"""Tickets of one connection that are counted as not read."""

_c = t.ticket.c
_k = t.link.c
_o = t.operation.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Bereft:
    """A link one of whose tickets is gone.

    Attributes:
        link: its number.
        gone: the ticket that is not there any more, as last read.
        left: the one that is.
    """

    link: LinkRow
    gone: StoredTicket
    left: StoredTicket


def bereft(tx: Tx) -> list[Bereft]:
    """List links that lost one ticket and are neither removed nor paused, newest first."""
    query = (
        sa.select(_k.id, _k.itsm_ticket, _k.vendor_ticket)
        .where(_k.phase == LinkPhase.GONE, _k.tombstone_at.is_(None), _k.paused_at.is_(None))
        .order_by(_k.id.desc())
        .limit(LINKS_MAX)
    )
    rows = [(found.id, (found.itsm_ticket, found.vendor_ticket)) for found in tx.rows(query)]
    wanted = {TicketRow(row) for _, pair in rows for row in pair if row is not None}
    loaded = tickets.load_tickets(tx, wanted)
    found = []
    for link, pair in rows:
        sides = [loaded[row] for row in pair if row in loaded]
        gone = [each for each in sides if each.is_missing]
        left = [each for each in sides if not each.is_missing]
        if gone and left:
            found.append(Bereft(link=LinkRow(link), gone=gone[0], left=left[0]))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """A link that stands for a ticket for which no creation was ever planned.

    Attributes:
        mapping: its mapping.
        origin: the side the ticket is on.
        ticket: as last read.
    """

    mapping: MappingName
    origin: Side
    ticket: StoredTicket


def unopened(tx: Tx) -> list[Unopened]:
    """List tickets that a mapping chose and could not open a partner for, newest first."""
    creates = sa.select(_o.id).where(_o.link == _k.id, _o.kind == WriteKind.CREATE)
    alone = sa.or_(_k.itsm_ticket.is_(None), _k.vendor_ticket.is_(None))
    query = (
        sa.select(_k.mapping, _k.origin, _k.itsm_ticket, _k.vendor_ticket)
        .where(_k.phase == LinkPhase.OPENING, _k.tombstone_at.is_(None), _k.paused_at.is_(None))
        .where(alone, ~sa.exists(creates))
        .order_by(_k.id.desc())
        .limit(LINKS_MAX)
    )
    rows = tx.rows(query)
    wanted = [TicketRow(row.itsm_ticket or row.vendor_ticket) for row in rows]
    loaded = tickets.load_tickets(tx, wanted)
    return [
        Unopened(mapping=MappingName(row.mapping), origin=Side(row.origin), ticket=loaded[ticket])
        for row, ticket in zip(rows, wanted, strict=True)
        if ticket in loaded
    ]


def failing(tx: Tx, connection: ConnectionName) -> list[tuple[str, str]]:
    """Name tickets that could not be read when last tried, each with the last error.

    One whose links have all ended (it is gone, or people parted it) is not waited for.
    """
    own = sa.or_(_k.itsm_ticket == _c.id, _k.vendor_ticket == _c.id)
    ended = _k.phase.in_((LinkPhase.GONE, LinkPhase.REMOVED))
    is_over = sa.and_(
        sa.exists(sa.select(_k.id).where(own, ended)),
        ~sa.exists(sa.select(_k.id).where(own, ~ended)),
    )
    query = (
        sa.select(_c.number, _c.external_id, _c.read_error)
        .where(_c.connection == connection, _c.read_failures > 0, _c.gone_at.is_(None), ~is_over)
        .order_by(_c.id)
        .limit(FAILING_MAX)
    )
    return [(row.number or row.external_id, row.read_error or "") for row in tx.rows(query)]
