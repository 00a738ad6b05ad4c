"""Tickets that trouble: those whose reading fails, and those that lost their partner."""

from dataclasses import dataclass

import sqlalchemy as sa

from syncd.model.ids import ConnectionName, LinkRow, TicketRow
from syncd.store import tables as t
from syncd.store import tickets
from syncd.store.records import LinkPhase, StoredTicket
from syncd.store.tx import Tx

BEREFT_MAX = 1_000
"""Newest links without a partner that are looked at."""

_c = t.ticket.c
_k = t.link.c


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
        .limit(BEREFT_MAX)
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


def failing(tx: Tx, connection: ConnectionName, most: int) -> list[tuple[str, str]]:
    """Name tickets that could not be read when last tried, each with the last error."""
    query = (
        sa.select(_c.number, _c.external_id, _c.read_error)
        .where(_c.connection == connection, _c.read_failures > 0, _c.gone_at.is_(None))
        .order_by(_c.id)
        .limit(most)
    )
    return [(row.number or row.external_id, row.read_error or "") for row in tx.rows(query)]
