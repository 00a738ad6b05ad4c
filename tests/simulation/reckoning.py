"""What a story asks of the store in the end: what is open still, and what an operator can see."""

from datetime import datetime

from syncd.model.ids import Side
from syncd.store import conflicts, inbox, links, operations, tickets
from syncd.store import tables as t
from syncd.store.tx import Tx
from tests.simulation.checker import Shown


def open_still(tx: Tx, *, soon: datetime) -> list[str]:
    """Name what is not settled, or will be looked at before an instant."""
    found = [
        f"{one.kind} {one.state} {one.park_reason} {one.detail}"
        for one in operations.list_operations(tx)
    ]
    found += [f"decision about {row}" for row in tickets.decide_due(tx, now=soon, limit=99)]
    found += [f"read of {row.id}" for row in tx.rows(_READS)]
    found += [f"pushed {one.body}" for one in inbox.take(tx, limit=9)]
    return found


def shown(tx: Tx) -> Shown:
    """Read what an operator can see: what was parked, and which fields are in conflict."""
    names = {row.id: row.external_id for row in tx.rows(_NAMES)}
    parked, frozen = set(), set()
    stopped = set(tx.scalars(_PARKED))
    for record in links.overview(tx):
        tickets_of = {side: names[row] for side, row in record.link.rows.items()}
        if record.link.id in stopped:
            parked |= set(tickets_of.values())
        for conflict in conflicts.list_open(tx, link_id=record.link.id):
            frozen.add((tickets_of[Side.ITSM], conflict.slot))
    rejoined = tx.rows(_REJOINED)
    parted = {names[row] for pair in rejoined for row in (pair.itsm_ticket, pair.vendor_ticket)}
    return Shown(parked=frozenset(parked), frozen=frozenset(frozen), parted=frozenset(parted))


_NAMES = t.ticket.select().with_only_columns(t.ticket.c.id, t.ticket.c.external_id)
_REJOINED = (
    t.link.select()
    .with_only_columns(t.link.c.itsm_ticket, t.link.c.vendor_ticket)
    .where(t.link.c.added_by != "")
)
_PARKED = (
    t.journal.select()
    .with_only_columns(t.journal.c.link)
    .where(t.journal.c.event == "operation.parked", t.journal.c.link.is_not(None))
)
_READS = (
    t.ticket.select()
    .with_only_columns(t.ticket.c.id)
    .where(t.ticket.c.read_due_at.is_not(None), t.ticket.c.gone_at.is_(None))
)
