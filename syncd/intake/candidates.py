"""Which mappings would open a partner for a ticket, and what keeps them from it (R5, R13)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from syncd.core.evaluate import examine
from syncd.core.items import lost_files
from syncd.core.opening import plan_opening, source_view
from syncd.core.rules import MappingMode, MappingRules
from syncd.core.state import ItemPair, NotOpened, Opening
from syncd.intake.config import IntakeConfig
from syncd.intake.records import ConfigurationMoved, Decider
from syncd.model.ids import AttachmentId, Side, TicketRow
from syncd.model.operation import WriteKind
from syncd.model.ticket import Ticket
from syncd.store import journal, mappings, meta, outbox, sharing
from syncd.store.mappings import ASKED
from syncd.store.records import Line, LinkPhase, LinkRecord, MappingRecord, StoredTicket
from syncd.store.tx import Tx

HELD = "opening.held"
"""Told of a ticket that was not opened because of `at_most`."""
CONTESTED = "opening.contested"
"""Told of a ticket that several exclusive mappings want."""
KNOWN = "opening.known_only"
"""Told of a ticket that matches only because the mapping was edited."""
DECLINED = "opening.declined"
"""Told of a ticket that a mapping opens no partner for, and why, whenever that is news."""
WOULD_OPEN = "dry_run.would_open"
"""Told of a ticket that a mapping would open if it were live."""

MATCHED_BEFORE = (HELD, CONTESTED, WOULD_OPEN)
"""What was told of a ticket that matched already, whatever was edited since."""
LASTING = (*MATCHED_BEFORE, KNOWN)
"""Lines that later decisions ask for: they are kept, however old."""

SKEW_S = 300.0
"""How far a provider's clock may be from ours when a ticket is judged older than a create."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A ticket for which partners may be opened.

    Attributes:
        stored: the ticket.
        linked: its links, removed ones too.
        before: as it was known before it changed just now; None: it did not change, or was new.
        is_new: it was read just now for the first time.
    """

    stored: StoredTicket
    linked: Sequence[LinkRecord]
    before: Ticket | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A mapping that would open a partner for a ticket.

    Attributes:
        rules: the mapping.
        source: the side the ticket is on.
        found: the opening, or what the ticket lacks.
        is_by_edit: the ticket matches only because the mapping was edited.
    """

    rules: MappingRules
    source: Side
    found: Opening | NotOpened
    is_by_edit: bool = False


def candidates(tx: Tx, subject: Subject, decider: Decider) -> list[Candidate]:
    """List the mappings that match a ticket and have no link for it."""
    stored, ticket = subject.stored, subject.stored.snapshot
    if ticket is None:
        return []
    known = {link.mapping for link in subject.linked}
    restored_at = meta.restored_at(tx) if ticket.attachments else None
    lost = lost_files(ticket, restored_at=restored_at, now=decider.now)
    found_all = []
    for rules, source in decider.config.sides(stored.connection, stored.kind):
        is_taken = rules.name in known or (source is Side.VENDOR and bool(subject.linked))
        if is_taken:
            continue
        state = standing(tx, rules)
        is_asked = was_asked(tx, stored.row, rules)
        if not is_asked and not _is_young(state, rules, ticket):
            decline(tx, stored, rules, source, decider, why=_too_old(state, ticket))
            continue
        foreign = sharing.written_there(tx, stored.row) if subject.linked else ()
        found = _judge(rules, source, ticket, decider.config, foreign, lost=lost)
        if isinstance(found, NotOpened) and not found.problems:
            decline(tx, stored, rules, source, decider, why="  ".join(map(str, found.tests)))
        else:
            by_edit = not is_asked and _is_by_edit(tx, subject, rules, source, decider.config)
            chosen = decider.config.opening_rules(rules, ticket, source)
            found_all.append(
                Candidate(rules=chosen, source=source, found=found, is_by_edit=by_edit)
            )
    return found_all


def decline(
    tx: Tx,
    stored: StoredTicket,
    rules: MappingRules,
    source: Side,
    decider: Decider,
    *,
    why: str,
) -> None:
    """Keep why a mapping opens no partner, as of now; once, as long as it stays so."""
    opening = rules.opening(source.other)
    if opening is None or not why:
        return
    line = Line(
        at=decider.now,
        event=DECLINED,
        detail=why,
        ticket=stored.row,
        mapping=rules.name,
        revision=rules.revision,
        correlation_id=decider.correlation_id,
        place=str(opening.place),
    )
    last = journal.last_told(tx, stored.row, DECLINED, mapping=rules.name)
    if last is None or (last.detail, last.place) != (line.detail, line.place):
        journal.append(tx, line)


def _too_old(state: MappingRecord, ticket: Ticket) -> str:
    made, live = ticket.created_at, state.first_live_at
    if made is None or live is None:
        return ""
    return f"made {made:%Y-%m-%d %H:%M:%S}, before the mapping went live {live:%Y-%m-%d %H:%M:%S}"


def standing(tx: Tx, rules: MappingRules) -> MappingRecord:
    """Give what the store knows of a mapping.

    Raises:
        ConfigurationMoved: it was renamed or went live, and those who decide were not told yet.
    """
    state = mappings.find(tx, rules.name)
    if state is None:
        raise ConfigurationMoved(rules.name)
    # What is due because it goes live must not be used up by what a dry run says about it.
    if rules.mode is MappingMode.DRY_RUN and state.mode != MappingMode.DRY_RUN:
        raise ConfigurationMoved(rules.name)
    return state


def was_asked(tx: Tx, row: TicketRow, rules: MappingRules) -> bool:
    """Whether a person asked for this ticket's partner, whatever its age and the mapping's pace."""
    return journal.was_ever_told(tx, row, (ASKED,), mapping=rules.name)


def _match(
    rules: MappingRules,
    source: Side,
    ticket: Ticket,
    config: IntakeConfig,
    foreign: Sequence[ItemPair] = (),
) -> Opening | NotOpened | None:
    """Give the opening, or what the ticket lacks; None when it does not match."""
    found = _judge(rules, source, ticket, config, foreign)
    return found if isinstance(found, Opening) or found.problems else None


def _judge(
    rules: MappingRules,
    source: Side,
    ticket: Ticket,
    config: IntakeConfig,
    foreign: Sequence[ItemPair] = (),
    *,
    lost: Collection[AttachmentId] = (),
) -> Opening | NotOpened:
    rules = config.opening_rules(rules, ticket, source)
    return plan_opening(rules, ticket, source, config.traits_of(rules), foreign, lost=lost)


def _is_young(state: MappingRecord, rules: MappingRules, ticket: Ticket) -> bool:
    """Whether a ticket was made after the mapping first went live (provider's time); R13."""
    if rules.mode is MappingMode.DRY_RUN or ticket.created_at is None:
        return True
    first_live_at = state.first_live_at
    # Providers cut their times to whole seconds: a ticket of that very second counts as new.
    return first_live_at is None or ticket.created_at >= first_live_at.replace(microsecond=0)


def _is_by_edit(
    tx: Tx, subject: Subject, rules: MappingRules, source: Side, config: IntakeConfig
) -> bool:
    """Whether a ticket matches only because the mapping was edited: it is known, not opened; R13.

    It matched before it changed, in the same way, and yet was not opened: so the mapping did not
    match it then.
    """
    edited_at = mappings.get(tx, rules.name).edited_at
    stored, ticket = subject.stored, subject.stored.snapshot
    if edited_at is None or ticket is None or rules.mode is MappingMode.DRY_RUN:
        return False
    # What nobody had read was never judged by the mapping as it was before.
    if subject.is_new:
        return False
    if (ticket.created_at or stored.first_seen_at) >= edited_at.replace(microsecond=0):
        return False
    if subject.before is not None:
        before = _answers(rules, source, subject.before, config)
        matched = before is not None and before == _answers(rules, source, ticket, config)
    else:
        matched = stored.read_at is not None and stored.read_at <= edited_at
    return matched and not journal.was_ever_told(tx, stored.row, MATCHED_BEFORE, mapping=rules.name)


def _answers(
    rules: MappingRules, source: Side, ticket: Ticket, config: IntakeConfig
) -> tuple[str, ...] | None:
    """Give what a ticket answers to the mapping's conditions; None when it does not match."""
    opening = rules.opening(source.other)
    if opening is None:
        return None
    traits = config.traits_of(rules)[source]
    holds, tests = examine(opening.when, source_view(rules, ticket, source, traits))
    return tuple(test.actual for test in tests) if holds else None


def may_be_ours(tx: Tx, stored: StoredTicket, decider: Decider) -> bool:
    """Whether a create that nobody knows the outcome of may have made this ticket (R5).

    Where creates carry a marker that is read back, a ticket without it is not ours.
    """
    ticket = stored.snapshot
    traits = decider.config.traits_for(stored.connection, stored.kind)
    how = traits.features.writes.get(WriteKind.CREATE)
    if ticket is None or how is None or how.marker:
        return False
    skew = timedelta(seconds=SKEW_S)
    return any(
        ticket.created_at is None
        or create.sent_at is None
        or ticket.created_at >= create.sent_at - skew
        for create in outbox.unsettled_creates(tx, stored.connection, stored.kind)
    )


def rivals_of(candidate: Candidate, subject: Subject, decider: Decider) -> list[str]:
    """Name the other mappings that claim the ticket under the same exclusive word.

    One that only tells what it would do takes nothing from one that is live.
    """
    stored, ticket = subject.stored, subject.stored.snapshot
    word = _exclusive(candidate.rules, candidate.source)
    if not word or ticket is None:
        return []
    let_go = {link.mapping for link in subject.linked if link.phase is LinkPhase.REMOVED}
    rivals = []
    for rules, source in decider.config.sides(stored.connection, stored.kind):
        is_other = rules.name != candidate.rules.name and rules.name not in let_go
        only_tells = rules.mode is MappingMode.DRY_RUN
        if not is_other or _exclusive(rules, source) != word:
            continue
        if only_tells and candidate.rules.mode is not MappingMode.DRY_RUN:
            continue
        if _match(rules, source, ticket, decider.config) is not None:
            rivals.append(str(rules.name))
    return rivals


def _exclusive(rules: MappingRules, source: Side) -> str:
    opening = rules.opening(source.other)
    return opening.exclusive if opening else ""
