"""Both tickets of a link, as they were read last."""

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from syncd.model.ids import LinkRow, Side
from syncd.model.ticket import Ticket
from syncd.store import codec
from syncd.store import tables as t
from syncd.store.records import LinkRecord
from syncd.store.tx import Tx

_t, _P = t.ticket.c, sa.bindparam
# A gone ticket has lost its digest, and gets it back with the first read after that.
_LACKS_DIGEST = sa.and_(_t.snapshot.is_not(None), _t.digest.is_(None))
_IS_GONE = sa.or_(_t.gone_at.is_not(None), _LACKS_DIGEST).label("is_gone")
_SIDES = sa.select(_t.id, _t.number, _t.snapshot, _t.read_at, _t.gone_at, _IS_GONE).where(
    sa.or_(_t.id == _P("one"), _t.id == _P("other"))
)


@dataclass(slots=True)
class Sides:
    """What is known of a link's tickets, by side.

    Attributes:
        tickets: newest snapshots.
        numbers: empty text while unknown.
        read_at: when the read of each snapshot began.
        gone: not there any more, or not read since they came back.
        unread: those of them that are only to be read anew.
    """

    tickets: dict[Side, Ticket] = field(default_factory=dict)
    numbers: dict[Side, str] = field(default_factory=lambda: dict.fromkeys(Side, ""))
    read_at: dict[Side, datetime] = field(default_factory=dict)
    gone: set[Side] = field(default_factory=set)
    unread: set[Side] = field(default_factory=set)


_UNREAD = (
    sa.select(sa.func.count())
    .select_from(t.link)
    .join(t.ticket, sa.or_(_t.id == t.link.c.itsm_ticket, _t.id == t.link.c.vendor_ticket))
    .where(t.link.c.id == _P("link"), _t.gone_at.is_(None), _LACKS_DIGEST)
)


def is_unread(tx: Tx, link_id: LinkRow) -> bool:
    """Whether a link rests until a ticket of it is read anew: back, or the store was restored."""
    return bool(tx.scalar(_UNREAD, {"link": link_id}))


def load_sides(tx: Tx, record: LinkRecord) -> Sides:
    """Load what is known of both tickets of a link."""
    both = {"one": record.rows.get(Side.ITSM), "other": record.rows.get(Side.VENDOR)}
    found = {row.id: row for row in tx.rows(_SIDES, both)}
    sides = Sides()
    for side, row in record.rows.items():
        ticket = found[row]
        sides.numbers[side] = ticket.number
        if ticket.snapshot is not None:
            sides.tickets[side] = codec.decode_ticket(ticket.snapshot)
        if ticket.read_at is not None:
            sides.read_at[side] = ticket.read_at
        if ticket.is_gone:
            sides.gone.add(side)
            if ticket.gone_at is None:
                sides.unread.add(side)
    return sides
