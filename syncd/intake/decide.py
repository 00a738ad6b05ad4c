"""One decision in one transaction: a stored snapshot in, planned operations and journal lines out.

The functions in here are units: they run inside a transaction of the store, read what the decision
needs, let the core decide, and store all of the plan or nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from syncd.core.evaluate import phase_of
from syncd.core.plan import plan_link
from syncd.core.rules import MappingMode, MappingRules
from syncd.core.slots import STATUS
from syncd.core.state import LinkState, Plan
from syncd.intake.config import IntakeConfig
from syncd.intake.open import consider_opening, plan_context, reconsider_opening
from syncd.intake.records import Decider, Decision
from syncd.model.ids import LinkRow, OperationKey, Side, TicketRow
from syncd.model.operation import OperationState, Receipt, WriteKind
from syncd.model.ticket import Ticket
from syncd.store import journal, links, outbox, tickets
from syncd.store.records import (
    DueRead,
    KeyOwner,
    Line,
    LinkParts,
    LinkPhase,
    LinkRecord,
    SaveResult,
    StoredTicket,
)
from syncd.store.tx import Tx

CLAIMED_RECHECK_S = 2.0
"""How soon a ticket that one of our creates may just be making is looked at again."""

OLDER_RETRY_S = 1.0
"""Shortest pause before a ticket is read again that showed an older state than known."""

OLDER_READS_MAX = 3
"""So many reads in a row that show an older state are believed."""

CLOSED_PHASE = "closed"

_SETTLED_ENDS = (LinkPhase.REMOVED, LinkPhase.GONE)


def ingest(
    tx: Tx, due: DueRead, ticket: Ticket, next_poll_at: datetime | None, decider: Decider
) -> tuple[SaveResult, Decision]:
    """Store a snapshot and decide about it, in one transaction."""
    if _is_older(tx, due, ticket):
        settle_s = decider.config.traits[due.connection].features.settle_s
        later = decider.now + timedelta(seconds=max(settle_s, OLDER_RETRY_S))
        error = "it shows an older state than was read before"
        tickets.read_failed(tx, due.row, now=decider.now, retry_at=later, error=error)
        return SaveResult.DISCARDED, Decision()
    result = tickets.save_read(tx, due, ticket, now=decider.now, next_poll_at=next_poll_at)
    if result is not SaveResult.CHANGED:
        return result, Decision()
    journal.append(
        tx,
        Line(
            at=decider.now,
            event="ticket.read",
            detail=f"{ticket.number}: {due.cause or 'changed'}",
            connection=due.connection,
            ticket=due.row,
            correlation_id=decider.correlation_id,
        ),
    )
    return result, decide_ticket(tx, due.row, decider)


def _is_older(tx: Tx, due: DueRead, ticket: Ticket) -> bool:
    """Whether a read shows a state from before the one that is known (a lagging replica, R1).

    Believed after a few reads in a row all the same: the provider may have put its clock back.
    """
    if due.failures >= OLDER_READS_MAX or ticket.updated_at is None:
        return False
    stored = tickets.load_tickets(tx, [due.row]).get(due.row)
    known = stored.snapshot if stored is not None else None
    return (
        known is not None and known.updated_at is not None and ticket.updated_at < known.updated_at
    )


def decide_ticket(tx: Tx, row: TicketRow, decider: Decider) -> Decision:
    """Decide about a ticket: its links, and whether it gets a partner."""
    stored = tickets.load_tickets(tx, [row]).get(row)
    if stored is None or stored.snapshot is None or stored.stray:
        tickets.set_decide_due(tx, row, None)
        return Decision()
    owners = links.own_keys(tx, stored.snapshot.keys)
    held = _claim_created(tx, stored, owners, decider)
    if held is not None:
        tickets.set_decide_due(tx, row, held)
        return Decision(held=1)
    tickets.set_decide_due(tx, row, None)
    return _decide_known(tx, stored, owners, decider)


def _decide_known(
    tx: Tx, stored: StoredTicket, owners: Mapping[OperationKey, KeyOwner], decider: Decider
) -> Decision:
    decision = Decision()
    linked = links.links_of(tx, stored.row)
    for link in linked:
        if link.phase not in _SETTLED_ENDS and link.pause is None:
            decision += decide_link(tx, link.id, decider)
    if not owners and tickets.load_tickets(tx, [stored.row])[stored.row].stray is False:
        decision += consider_opening(tx, stored, linked, decider)
    return decision


def _claim_created(
    tx: Tx, stored: StoredTicket, owners: Mapping[OperationKey, KeyOwner], decider: Decider
) -> datetime | None:
    """Give a ticket that carries a create's marker to its link (R5).

    Returns:
        When to look again, because the create is just being sent; None when the ticket is settled.
    """
    ticket = stored.snapshot
    if ticket is None or not ticket.keys:
        return None
    linked = bool(links.links_of(tx, stored.row))
    if linked:
        return None
    owner = owners.get(ticket.keys[0])
    if owner is None:
        _mark_stray(tx, stored, decider, f"marker {ticket.keys[0]} is not of this store")
        return None
    if owner.kind is not WriteKind.CREATE:
        return None
    if owner.state in (OperationState.CLAIMED, OperationState.SENDING):
        return decider.now + timedelta(seconds=CLAIMED_RECHECK_S)
    link = links.get(tx, owner.link_id)
    if owner.target in link.rows or link.phase in _SETTLED_ENDS:
        _mark_stray(tx, stored, decider, f"a second effect of {ticket.keys[0]}")
        return None
    outbox.settle_seen(
        tx,
        ticket.keys[0],
        Receipt(ticket_id=ticket.id, ticket_number=ticket.number),
        now=decider.now,
        detail="its marker was met in a read",
    )
    return None


def _mark_stray(tx: Tx, stored: StoredTicket, decider: Decider, why: str) -> None:
    """Set a ticket aside that may never get a partner: another instance's, or a second effect."""
    tickets.mark_stray(tx, stored.row, why, decider.now)


def decide_link(tx: Tx, link_id: LinkRow, decider: Decider) -> Decision:
    """Decide about one link and store the plan."""
    links.lock_links(tx, [link_id])
    parts = links.load_link(tx, link_id)
    rules = decider.config.mappings.get(parts.link.mapping)
    if rules is None or not parts.tickets:
        return Decision()
    if _was_never_opened(parts):
        return reconsider_opening(tx, parts, rules, decider)
    state = link_state(parts, rules, decider.config, decider.now)
    plan = plan_link(state)
    _note_phase(tx, parts.link, state, decider)
    if rules.mode is MappingMode.DRY_RUN:
        return _only_tell(tx, parts.link, plan, decider)
    return _store(tx, parts.link, rules, plan, decider)


def _was_never_opened(parts: LinkParts) -> bool:
    """Whether a link only stands for a problem that was told: its create was never planned."""
    is_opening = parts.link.phase is LinkPhase.OPENING and len(parts.link.rows) < len(Side)
    return is_opening and not any(each.kind is WriteKind.CREATE for each in parts.operations)


def link_state(
    parts: LinkParts, rules: MappingRules, config: IntakeConfig, now: datetime
) -> LinkState:
    """Put together what the core decides from."""
    return LinkState(
        link_id=parts.link.id,
        rules=rules,
        traits=config.traits_of(rules),
        tickets=parts.tickets,
        numbers=parts.numbers,
        baselines=parts.baselines,
        pairs=parts.pairs,
        operations=parts.operations,
        conflicts=parts.conflicts,
        own_keys=parts.own_keys,
        origin=None if parts.link.added_by else parts.link.origin,
        now=now,
        read_at=parts.read_at,
    )


def _note_phase(tx: Tx, link: LinkRecord, state: LinkState, decider: Decider) -> None:
    """Keep the link's phase in step: closed while both tickets are, open again when one is not."""
    if len(state.tickets) < len(Side):
        return
    closed = all(
        phase_of(ticket.get(STATUS), state.traits[side]) == CLOSED_PHASE
        for side, ticket in state.tickets.items()
    )
    wanted = LinkPhase.CLOSED if closed else LinkPhase.OPEN
    if link.phase is not wanted:
        links.set_phase(tx, link.id, wanted, now=decider.now)


def _only_tell(tx: Tx, link: LinkRecord, plan: Plan, decider: Decider) -> Decision:
    for operation in plan.operations:
        journal.append(
            tx,
            Line(
                at=decider.now,
                event="dry_run.would_write",
                detail=f"{operation.kind} on the {operation.target} side: {operation.reason}",
                link=link.id,
                mapping=link.mapping,
                place=operation.place,
                correlation_id=decider.correlation_id,
            ),
        )
    return Decision(told=len(plan.operations))


def _store(tx: Tx, link: LinkRecord, rules: MappingRules, plan: Plan, decider: Decider) -> Decision:
    if not plan.is_empty:
        links.apply_plan(tx, link.id, plan, plan_context(rules, decider, None))
    if plan.detach:
        links.tombstone(tx, link.id, by=f"mapping {rules.name}", now=decider.now)
    if plan.recheck_s is not None:
        at = decider.now + timedelta(seconds=plan.recheck_s)
        for row in link.rows.values():
            tickets.set_decide_due(tx, row, at)
        stale = [link.rows[side] for side in plan.stale if side in link.rows]
        tickets.hasten(tx, stale, at, cause="it may have shown the state before our write")
    return Decision(
        planned=len(plan.operations),
        superseded=len(plan.superseded),
        conflicts=len(plan.conflicts),
        held=1 if plan.recheck_s is not None else 0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a ticket's links would write now, for `syncd plan`."""

    link_id: LinkRow
    plan: Plan


def preview_link(tx: Tx, link_id: LinkRow, config: IntakeConfig, now: datetime) -> Preview | None:
    """Decide about a link without storing anything; None when its mapping is not configured."""
    parts = links.load_link(tx, link_id)
    rules = config.mappings.get(parts.link.mapping)
    if rules is None or not parts.tickets or _was_never_opened(parts):
        return None
    return Preview(link_id=link_id, plan=plan_link(link_state(parts, rules, config, now)))
