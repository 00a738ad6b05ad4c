"""A ticket that carries a marker of ours: whose it is (DESIGN R5).

A marker matches once, the earliest: a ticket made by one of our creates belongs to that create's
link. Where a person quotes a marker in a ticket of their own, it is a ticket like any other.
"""

from enum import Enum, auto

from syncd.core.items import strange
from syncd.intake.records import Decider
from syncd.model.operation import OperationState, Receipt, WriteKind
from syncd.model.ticket import Ticket
from syncd.store import links, outbox, tickets
from syncd.store.records import KeyOwner, LinkPhase, StoredTicket
from syncd.store.tx import Tx


class Standing(Enum):
    """What a ticket is to us.

    PLAIN: nobody's, or somebody's already. HELD: a create that may be making it is being sent.
    STRAY: it never gets a partner: another instance's, or a second effect.
    """

    PLAIN = auto()
    HELD = auto()
    STRAY = auto()


def claim_created(tx: Tx, stored: StoredTicket, decider: Decider) -> Standing:
    """Give a ticket without a link that carries a create's marker to the link it was made for."""
    ticket = stored.snapshot
    if ticket is None or not ticket.keys:
        return Standing.PLAIN
    key = ticket.keys[0]
    owner = links.own_keys(tx, [key]).get(key)
    if owner is None:
        return _set_aside(tx, stored, decider, strange(key))
    if owner.kind is not WriteKind.CREATE or not _is_made_here(tx, stored, owner, decider):
        return Standing.PLAIN
    if owner.state in (OperationState.CLAIMED, OperationState.SENDING):
        return Standing.HELD
    link = links.get(tx, owner.link_id)
    is_free = owner.target not in link.rows and link.phase is not LinkPhase.REMOVED
    if is_free and _settle(tx, ticket, decider):
        return Standing.PLAIN
    return _set_aside(tx, stored, decider, f"a second effect of {key}")


def _is_made_here(tx: Tx, stored: StoredTicket, owner: KeyOwner, decider: Decider) -> bool:
    """Whether the create writes to this ticket's connection; else a person quotes its marker."""
    rules = decider.config.link_rules(links.get(tx, owner.link_id))
    if rules is None:
        return True
    here = (rules.connection(owner.target), rules.kind(owner.target))
    return here == (stored.connection, stored.kind)


def _settle(tx: Tx, ticket: Ticket, decider: Decider) -> bool:
    receipt = Receipt(ticket_id=ticket.id, ticket_number=ticket.number)
    detail = "its marker was met in a read"
    return outbox.settle_seen(tx, ticket.keys[0], receipt, now=decider.now, detail=detail)


def _set_aside(tx: Tx, stored: StoredTicket, decider: Decider, why: str) -> Standing:
    tickets.mark_stray(tx, stored.row, why, decider.now)
    return Standing.STRAY
