"""Whether a ticket gets a partner: conditions, age, exclusivity, pace, problems (R8, R13)."""

from dataclasses import replace
from datetime import timedelta

from syncd.core.fuses import limit_of
from syncd.core.items import lost_files
from syncd.core.opening import plan_followed
from syncd.core.plan import plan_opening
from syncd.core.rules import MappingMode, MappingRules, Rate
from syncd.core.state import (
    BaselineMove,
    Note,
    NotOpened,
    Opening,
    Plan,
    PlannedOperation,
    Reason,
    SlotMove,
)
from syncd.core.unmarked import suspected
from syncd.intake.candidates import (
    CONTESTED,
    HELD,
    KNOWN,
    WOULD_OPEN,
    Candidate,
    Subject,
    candidates,
    decline,
    may_be_ours,
    rivals_of,
    was_asked,
)
from syncd.intake.link_state import link_state
from syncd.intake.records import Decider, Decision
from syncd.model.ids import ConnectionName, LinkRow, Side, TicketRow
from syncd.model.operation import CommentDraft, WriteKind
from syncd.store import fuses, journal, links, mappings, sharing, tickets
from syncd.store.mappings import ASKED
from syncd.store.records import Line, LinkParts, PlanContext, StoredTicket
from syncd.store.tx import Tx

PROBLEM = "problem"
"""The baseline slot that remembers which problem the desk was told."""

FUSE = "syncd"
"""Who paused a mapping that opened too many; anybody else is a person."""

WAITS = "opening.waits"
"""Journalled of a ticket that is not opened before an operation is settled."""

HELD_S = 60.0
"""How soon a ticket is looked at again that was not opened yet though it matches."""


def consider_opening(tx: Tx, subject: Subject, decider: Decider) -> Decision:
    """Open partners for a ticket where mappings say so, at most one per mapping."""
    stored = subject.stored
    matching = candidates(tx, subject, decider)
    if matching and may_be_ours(tx, stored, decider):
        for held in matching:
            why = "it may be the ticket of a creation whose answer is not known yet"
            decline(tx, stored, held.rules, held.source, decider, why=why)
        tickets.decide_by(tx, [stored.row], decider.now + timedelta(seconds=HELD_S))
        return Decision(held=1)
    decision = Decision()
    for candidate in matching:
        rivals = rivals_of(candidate, subject, decider)
        if candidate.is_by_edit:
            why = (
                f"it matches since the mapping was edited; `syncd resync {stored.number}` opens it"
            )
            _tell(tx, stored.row, candidate.rules, decider, (KNOWN, why))
        elif rivals:
            told = (CONTESTED, f"also matches {', '.join(rivals)}")
            _tell(tx, stored.row, candidate.rules, decider, told)
            decision += Decision(problems=1)
        else:
            decision += _open(tx, stored, candidate, decider)
    return decision


def _open(tx: Tx, stored: StoredTicket, candidate: Candidate, decider: Decider) -> Decision:
    rules, found = candidate.rules, candidate.found
    if rules.mode is MappingMode.DRY_RUN:
        would = "would open a partner" if isinstance(found, Opening) else "lacks something"
        _tell(tx, stored.row, rules, decider, (WOULD_OPEN, would))
        return Decision(told=1)
    if isinstance(found, NotOpened):
        return _problem(tx, stored, candidate, found, decider)
    if not _is_within_pace(tx, stored.row, rules, decider):
        return Decision(held=1)
    link = _new_link(tx, stored, candidate, decider)
    return store_opening(tx, link, rules, found, decider)


def _new_link(tx: Tx, stored: StoredTicket, candidate: Candidate, decider: Decider) -> LinkRow:
    tests = "  ".join(map(str, candidate.found.tests))
    opening = candidate.rules.opening(candidate.source.other)
    place = str(opening.place) if opening else ""
    return links.create_link(
        tx,
        mapping=candidate.rules.name,
        origin=candidate.source,
        source_row=stored.row,
        partner=_partner(candidate),
        now=decider.now,
        why=(f"at {_partner(candidate)[0]}: {tests}", place),
    )


def _partner(candidate: Candidate) -> tuple[ConnectionName, str]:
    target = candidate.source.other
    return candidate.rules.connection(target), candidate.rules.kind(target)


def store_opening(
    tx: Tx, link: LinkRow, rules: MappingRules, found: Opening, decider: Decider
) -> Decision:
    """Store an opening's plan into its link."""
    opening = rules.opening(found.target)
    links.apply_plan(
        tx, link, found.plan, plan_context(rules, decider, opening.ask_after_s if opening else None)
    )
    return Decision(opened=1, planned=len(found.plan.operations))


def plan_context(rules: MappingRules, decider: Decider, ask_after_s: float | None) -> PlanContext:
    """Say what is stored beside a plan."""
    return PlanContext(
        new_key=decider.new_key,
        correlation_id=decider.correlation_id,
        seen_at=decider.seen_at,
        now=decider.now,
        revision=rules.revision or decider.config.revision,
        ask_after_s=ask_after_s,
        root=decider.root,
    )


def _is_within_pace(tx: Tx, row: TicketRow, rules: MappingRules, decider: Decider) -> bool:
    """Whether `at_most`, or a fuse, allows one more; beyond it the mapping pauses, with one alert.

    A person who resumes it has looked at what it held: those are opened, and count no more. What a
    person asked for is opened, and never counts.
    """
    if was_asked(tx, row, rules):
        return True
    state = mappings.get(tx, rules.name, lock=True)
    allowed = rules.at_most or _fused(tx, rules)
    resumed_at = state.resumed_at
    held = Line(at=decider.now, event=HELD, ticket=row, mapping=rules.name)
    if state.pause is None or state.pause.by != FUSE:
        if resumed_at is not None and journal.was_told(tx, held, until=resumed_at):
            return True
        since = decider.now - timedelta(seconds=allowed.per_s)
        since = max(since, resumed_at or since)
        opened = links.count_opened_since(
            tx, rules.name, since, unless_told=HELD, unless_asked=ASKED
        )
        if opened < allowed.count:
            return True
    if state.pause is None:
        reason = f"more than {allowed.count} openings in {allowed.per_s:.0f} s"
        mappings.pause(tx, rules.name, reason, by=FUSE, now=decider.now)
    if not journal.was_told(tx, held, after=resumed_at):
        why = f"the mapping opened too many; `syncd resume {rules.name}` opens it"
        journal.append(tx, replace(held, detail=why, place=str(rules.place)))
    tickets.decide_by(tx, [row], decider.now + timedelta(seconds=HELD_S))
    return False


def _fused(tx: Tx, rules: MappingRules) -> Rate:
    """Give the pace of a mapping that states none: by the number of links it has."""
    fuse = rules.fuses.opened
    return Rate(count=limit_of(fuse, fuses.count_links(tx, rules.name)), per_s=rules.fuses.within_s)


def _problem(
    tx: Tx, stored: StoredTicket, candidate: Candidate, found: NotOpened, decider: Decider
) -> Decision:
    """Keep a link for a ticket that lacks something, so that it is told once and opened later."""
    link = _new_link(tx, stored, candidate, decider)
    _say_problem(tx, link, candidate.rules, "; ".join(found.problems), decider)
    return Decision(problems=1)


def _say_problem(tx: Tx, link: LinkRow, rules: MappingRules, text: str, decider: Decider) -> None:
    record = links.get(tx, link)
    source = record.origin
    note = Note(event="opening.problem", detail=text, place=str(rules.place))
    move = SlotMove(source=source, source_value=text)
    if rules.tell_problems is None or source is not Side.ITSM:
        plan = Plan(baselines=(BaselineMove(side=source, slot=PROBLEM, value=text),), notes=(note,))
    else:
        plan = Plan(
            notes=(note,),
            operations=(
                PlannedOperation(
                    target=Side.ITSM,
                    kind=WriteKind.COMMENT,
                    reason=Reason.PROBLEM_SAID,
                    comment=CommentDraft(
                        body=f"Not sent: {text}", author="", kind=rules.tell_problems
                    ),
                    slots={PROBLEM: move},
                    place=str(rules.place),
                ),
            ),
        )
    links.apply_plan(tx, link, plan, plan_context(rules, decider, None))


def reconsider_opening(tx: Tx, parts: LinkParts, rules: MappingRules, decider: Decider) -> Decision:
    """Open a ticket's partner once what it lacked is there; tell a different problem once."""
    source = parts.link.origin
    ticket = parts.tickets.get(source)
    if ticket is None or rules.mode is MappingMode.DRY_RUN:
        return Decision()
    base = decider.config.mappings[rules.name]
    rules = decider.config.opening_rules(base, ticket, source)
    if source is Side.ITSM and rules.vendor != parts.link.vendor:
        links.set_partner(tx, parts.link.id, (rules.vendor, rules.vendor_kind))
    state = link_state(tx, parts, rules, decider.config, decider.now)
    if state.follows:
        found = plan_followed(state)
    else:
        row = parts.link.rows[source]
        foreign = sharing.written_there(tx, row) if source is Side.ITSM else ()
        lost = lost_files(ticket, restored_at=state.restored_at, now=decider.now)
        found = plan_opening(rules, ticket, source, state.traits, foreign, lost=lost)
    if isinstance(found, Opening):
        if (suspect := suspected(state, source)) is not None:
            # Nobody can tell yet whether its words are ours: they would be carried, or be history.
            row = parts.link.rows[source]
            why = f"op {suspect} may have made a comment that stands there; it is settled first"
            _tell(tx, row, rules, decider, (WAITS, why))
            tickets.decide_by(tx, [row], decider.now + timedelta(seconds=HELD_S))
            return Decision(held=1)
        if not _is_within_pace(tx, parts.link.rows[source], rules, decider):
            return Decision(held=1)
        links.note_opened(tx, parts.link.id, decider.now)
        return store_opening(tx, parts.link.id, rules, found, decider)
    text = "; ".join(found.problems)
    if text and text not in _told(parts):
        _say_problem(tx, parts.link.id, rules, text, decider)
    return Decision(problems=1 if text else 0)


def _told(parts: LinkParts) -> set[str]:
    """List the problems that were told or are about to be."""
    baseline = parts.baselines.get((parts.link.origin, PROBLEM))
    told = {str(baseline.value)} if baseline is not None else set()
    for operation in parts.operations:
        if PROBLEM in operation.slots:
            told.add(str(operation.slots[PROBLEM].source_value))
    return told


def _tell(
    tx: Tx, row: TicketRow, rules: MappingRules, decider: Decider, told: tuple[str, str]
) -> None:
    """Journal something about a ticket, unless that was said of it under the same rules."""
    event, detail = told
    line = Line(
        at=decider.now,
        event=event,
        detail=detail,
        ticket=row,
        mapping=rules.name,
        revision=rules.revision,
        correlation_id=decider.correlation_id,
        place=str(rules.place),
    )
    if not journal.was_told(tx, line):
        journal.append(tx, line)
