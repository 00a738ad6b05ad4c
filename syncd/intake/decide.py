"""One decision in one transaction: a stored snapshot in, planned operations and journal lines out.

The functions in here are units: they run inside a transaction of the store, read what the decision
needs, let the core decide, and store all of the plan or nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.core.evaluate import phase_of
from syncd.core.fuses import Sign, back_and_forth, moves_of, signs_of, sources_of
from syncd.core.plan import plan_link
from syncd.core.rules import MappingMode, MappingRules
from syncd.core.slots import STATUS
from syncd.core.state import LinkState, Note, Plan
from syncd.intake.candidates import Subject, standing
from syncd.intake.claim import Standing, claim_created
from syncd.intake.config import IntakeConfig
from syncd.intake.follow import follow_up, tell_late_change
from syncd.intake.link_state import link_state
from syncd.intake.open import FUSE, consider_opening, plan_context, reconsider_opening
from syncd.intake.records import ConfigurationMoved, Decider, Decision, Snapshot
from syncd.model.ids import LinkRow, Side, TicketRow
from syncd.model.operation import OperationState, WriteKind
from syncd.model.ticket import Ticket
from syncd.store import fuses, journal, links, tickets, watching
from syncd.store.records import (
    DueRead,
    Line,
    LinkParts,
    LinkPhase,
    LinkRecord,
    SaveResult,
)
from syncd.store.tx import Tx

CLAIMED_RECHECK_S = 2.0
"""How soon is looked again at what waits for a write that is just being sent."""

OLDER_RETRY_S = 1.0
"""Shortest pause before a ticket is read again that showed an older state than known."""

OLDER_READS_MAX = 3
"""So many reads in a row that show an older state are believed."""

CLOSED_PHASE = "closed"

IN_FLIGHT = (OperationState.CLAIMED, OperationState.SENDING)
"""States of a write that is just being sent."""


def ingest(
    tx: Tx, read: Snapshot, decider: Decider, *, together: bool = False
) -> tuple[SaveResult, Decision]:
    """Store a snapshot and decide about it, in one transaction.

    Args:
        tx: the transaction.
        read: the snapshot.
        decider: what else a decision needs.
        together: many come at once: a linked ticket is decided about when all are known (R8).
    """
    due = read.due
    before: list[Ticket] = []

    def is_older(known: Ticket) -> bool:
        before.append(known)
        return _is_older(due, read.ticket, known)

    result = _save(tx, read, decider.now, is_older)
    if result is SaveResult.REFUSED:
        settle_s = decider.config.traits[due.connection].features.settle_s
        later = decider.now + timedelta(seconds=max(settle_s, OLDER_RETRY_S))
        error = "it shows an older state than was read before"
        tickets.read_failed(tx, due.row, now=decider.now, retry_at=later, error=error)
    if result is not SaveResult.CHANGED:
        return result, Decision()
    _warm_partners(tx, due, decider)
    journal.append(
        tx,
        Line(
            at=decider.now,
            event="ticket.read",
            detail=f"{read.ticket.number}: {due.cause or 'changed'}",
            connection=due.connection,
            ticket=due.row,
            correlation_id=decider.correlation_id,
        ),
    )
    if together and links.links_of(tx, due.row):
        return result, Decision()
    return result, decide_ticket(
        tx, due.row, decider, before=before[0] if before else None, is_new=not before
    )


def _save(
    tx: Tx, read: Snapshot, now: datetime, refuse: Callable[[Ticket], bool] | None
) -> SaveResult:
    return tickets.save_read(
        tx,
        read.due,
        read.ticket,
        now=now,
        next_poll_at=read.next_poll_at,
        started_at=read.started_at,
        refuse=refuse,
    )


def _warm_partners(tx: Tx, due: DueRead, decider: Decider) -> None:
    """Have watched partners of a ticket that changed be read soon: an answer may follow."""
    config = decider.config
    watched = {name: config.pace(name) for name in config.traits if config.is_watched(name)}
    if watched:
        soon = {
            name: decider.now + timedelta(seconds=pace.every_s) for name, pace in watched.items()
        }
        watching.warm_partners(tx, due.row, soon)


def _is_older(due: DueRead, ticket: Ticket, known: Ticket) -> bool:
    """Whether a read shows a state from before the one that is known (a lagging replica, R1).

    Believed after a few reads in a row all the same: the provider may have put its clock back.
    """
    if due.failures >= OLDER_READS_MAX or ticket.updated_at is None:
        return False
    return known.updated_at is not None and ticket.updated_at < known.updated_at


def keep_undecided(tx: Tx, read: Snapshot, *, now: datetime, decide_at: datetime) -> SaveResult:
    """Store a snapshot whose decision broke; it is decided about later."""
    result = _save(tx, read, now, None)
    if result is SaveResult.CHANGED:
        tickets.set_decide_due(tx, read.due.row, decide_at)
    return result


def decide_ticket(
    tx: Tx, row: TicketRow, decider: Decider, *, before: Ticket | None = None, is_new: bool = False
) -> Decision:
    """Decide about a ticket: its links, and whether it gets a partner.

    Args:
        tx: the transaction.
        row: the ticket.
        decider: what else a decision needs.
        before: the ticket as it was known before it changed just now; None: it did not.
        is_new: it was read just now for the first time.

    Raises:
        ConfigurationMoved: a mapping was renamed, and those who decide were not told yet.
    """
    # Nobody else opens a partner for it meanwhile.
    links.lock_with_partners(tx, row)
    stored = tickets.load_tickets(tx, [row]).get(row)
    tickets.set_decide_due(tx, row, None)
    if stored is None or stored.stray:
        return Decision()
    linked = links.links_of(tx, row)
    if not linked:
        standing = claim_created(tx, stored, decider)
        if standing is Standing.STRAY:
            return Decision()
        if standing is Standing.HELD:
            tickets.decide_by(tx, [row], decider.now + timedelta(seconds=CLAIMED_RECHECK_S))
            return Decision(held=1)
        linked = links.links_of(tx, row)
    decision = Decision()
    for link in linked:
        if link.phase not in (LinkPhase.REMOVED, LinkPhase.SAID) and link.pause is None:
            decision += decide_link(tx, link.id, decider)
        tell_late_change(tx, link, stored, decider)
    if stored.gone_at is None:
        decision += consider_opening(tx, Subject(stored, linked, before, is_new), decider)
    return decision


def decide_link(tx: Tx, link_id: LinkRow, decider: Decider) -> Decision:
    """Decide about one link and store the plan."""
    links.lock_links(tx, [link_id])
    parts = links.load_link(tx, link_id)
    rules = decider.config.link_rules(parts.link)
    if rules is None:
        raise ConfigurationMoved(parts.link.mapping)
    if parts.gone and parts.gone <= parts.unread:
        return Decision(held=1)  # The read that is due wakes it.
    if parts.gone:
        return _rest(tx, parts, decider)
    if parts.link.phase is LinkPhase.GONE:
        parts = _wake(tx, parts, decider)
    if not parts.tickets:
        return Decision()
    if _was_never_opened(parts):
        return reconsider_opening(tx, parts, rules, decider)
    state = link_state(tx, parts, rules, decider.config, decider.now)
    plan = plan_link(state)
    _note_phase(tx, parts.link, state, decider)
    if rules.mode is MappingMode.DRY_RUN:
        standing(tx, rules)
        return _only_tell(tx, parts.link, plan, decider)
    return _store(tx, parts, rules, plan, decider)


def _rest(tx: Tx, parts: LinkParts, decider: Decider) -> Decision:
    """Let a link rest whose ticket is gone: what changes meanwhile is decided when it is back."""
    sides = " and ".join(f"{side} {parts.numbers[side]}" for side in Side if side in parts.gone)
    links.set_phase(
        tx, parts.link.id, LinkPhase.GONE, now=decider.now, why=f"{sides} is not there any more"
    )
    return Decision(gone=1)


def _wake(tx: Tx, parts: LinkParts, decider: Decider) -> LinkParts:
    phase = LinkPhase.OPEN if len(parts.link.rows) == len(Side) else LinkPhase.OPENING
    links.set_phase(tx, parts.link.id, phase, now=decider.now, why="it is there again")
    return replace(parts, link=replace(parts.link, phase=phase))


def _was_never_opened(parts: LinkParts) -> bool:
    """Whether a link only stands for a problem that was told: its create was never planned."""
    is_opening = parts.link.phase is LinkPhase.OPENING and len(parts.link.rows) < len(Side)
    return is_opening and not any(each.kind is WriteKind.CREATE for each in parts.operations)


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
    if plan.follow_up is not None:
        told = f"a follow-up of {plan.follow_up.number}: {plan.follow_up.why}"
        journal.append(
            tx,
            Line(
                at=decider.now,
                event="dry_run.would_write",
                detail=told,
                link=link.id,
                mapping=link.mapping,
                place=plan.follow_up.place,
                correlation_id=decider.correlation_id,
            ),
        )
    return Decision(told=len(plan.operations) + (plan.follow_up is not None))


def _store(tx: Tx, parts: LinkParts, rules: MappingRules, plan: Plan, decider: Decider) -> Decision:
    link = parts.link
    if plan.follow_up is not None:
        return follow_up(tx, link, rules, (plan, plan.follow_up), decider)
    if plan.detach:
        return _detach(tx, parts, rules, plan, decider)
    if _goes_back_and_forth(tx, link, rules, plan, decider):
        return Decision(alternating=1)
    if not plan.is_empty:
        links.apply_plan(tx, link.id, plan, plan_context(rules, decider, None))
    if plan.recheck_s is not None:
        at = decider.now + timedelta(seconds=plan.recheck_s)
        tickets.decide_by(tx, list(link.rows.values()), at)
        stale = [link.rows[side] for side in plan.stale if side in link.rows]
        tickets.hasten(tx, stale, at, cause="it may have shown the state before our write")
    return Decision(
        planned=len(plan.operations),
        superseded=len(plan.superseded),
        conflicts=len(plan.conflicts),
        held=1 if plan.recheck_s is not None else 0,
        signs=_signs(parts, rules, plan, decider.config, decider.now),
    )


def _signs(
    parts: LinkParts, rules: MappingRules, plan: Plan, config: IntakeConfig, now: datetime
) -> tuple[Sign, ...]:
    sources = sources_of(parts.tickets, config.traits_of(rules))
    return signs_of(rules.name, parts.link.id, plan, sources, now)


def _goes_back_and_forth(
    tx: Tx, link: LinkRecord, rules: MappingRules, plan: Plan, decider: Decider
) -> bool:
    """Pause a link between two systems that overrule each other without end (R8).

    What a person resumed has been looked at: only what was carried since counts.
    """
    planned = moves_of(plan)
    if not planned:
        return False
    allowed = rules.fuses.back_and_forth
    since = decider.now - timedelta(seconds=allowed.per_s)
    carried = fuses.moves_since(tx, link.id, since)
    found = back_and_forth((*carried, *planned), allowed.count)
    if found is None:
        return False
    reason = (
        f"{found.slot} went back and forth more than {allowed.count} times in "
        f"{allowed.per_s:.0f} s, last to {found.value!r} on the {found.target} side"
    )
    links.pause(tx, link.id, reason, by=FUSE, now=decider.now)
    return True


def _detach(
    tx: Tx, parts: LinkParts, rules: MappingRules, plan: Plan, decider: Decider
) -> Decision:
    """End a link that no longer matches, once none of its writes is under way."""
    link = parts.link
    if any(each.state in IN_FLIGHT for each in parts.operations):
        at = decider.now + timedelta(seconds=CLAIMED_RECHECK_S)
        tickets.decide_by(tx, list(link.rows.values()), at)
        return Decision(held=1)
    seen = Plan(applied=plan.applied, notes=(Note(event="link.detached", detail=plan.detach),))
    links.apply_plan(tx, link.id, seen, plan_context(rules, decider, None))
    links.tombstone(tx, link.id, by=f"mapping {rules.name}", now=decider.now)
    return Decision()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a ticket's links would write now, for `syncd plan`."""

    link_id: LinkRow
    plan: Plan
    signs: tuple[Sign, ...] = ()


def preview_link(tx: Tx, link_id: LinkRow, config: IntakeConfig, now: datetime) -> Preview | None:
    """Decide about a link without storing anything; None when its mapping is not configured."""
    parts = links.load_link(tx, link_id)
    rules = config.link_rules(parts.link)
    if rules is None or not parts.tickets or _was_never_opened(parts):
        return None
    plan = plan_link(link_state(tx, parts, rules, config, now))
    signs = _signs(parts, rules, plan, config, now)
    return Preview(link_id=link_id, plan=plan, signs=signs)
