"""Everything `explain` says of a ticket: what the store has, and what the mappings make of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from syncd.cli.facts.held import held_of
from syncd.cli.facts.operations import WholeOperation, whole
from syncd.cli.facts.traits import features_of, intake_config
from syncd.core.evaluate import examine, phase_of
from syncd.core.opening import plan_opening, source_view
from syncd.core.pacing import Warmth, warmth
from syncd.core.rules import MappingMode, MappingRules
from syncd.core.slots import STATUS
from syncd.core.state import Held, NotOpened, TestResult
from syncd.intake import IntakeConfig
from syncd.model.features import Reading
from syncd.model.ids import ConnectionName, LinkRow, MappingName, OperationId, Side, TicketRow
from syncd.model.operation import HEAD_STATES, OPEN_STATES, OperationState, WriteKind
from syncd.settings.values import Settings
from syncd.store import connections, feeds, mappings, reports, watching
from syncd.store.database import Tx, read_holder
from syncd.store.records import FeedRecord, LinkPhase, MappingRecord, Pause, StoredTicket
from syncd.store.reports import LinkFacts

ATTEMPTS_OF_MAX = 40
"""Newest operations of a link whose tries are shown."""
UNSETTLED = OPEN_STATES | {OperationState.PARKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLinked:
    """Why a mapping gave a ticket no partner.

    Attributes:
        mapping: its name.
        mode: live, dry_run or paused.
        place: of its rules for opening.
        why: in words; empty where the tests say it.
        tests: the conditions in order up to the first that failed.
        problems: what the ticket lacks although it matches.
        would_open: nothing stands against it: it is opened at the next decision.
    """

    mapping: MappingName
    mode: MappingMode
    place: str = ""
    why: str = ""
    tests: tuple[TestResult, ...] = ()
    problems: tuple[str, ...] = ()
    would_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """The conditions that opened a partner, as they hold now.

    Attributes:
        target: the connection it was opened at.
        place: of the rules.
        tests: one result per condition.
    """

    target: ConnectionName
    place: str
    tests: tuple[TestResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A known ticket and all there is to say of it.

    Attributes:
        story: as stored: the ticket, its links, its journal.
        reading: how its connection is read.
        warmth: how closely it is watched; None where it has a feed or a list, or was never read.
        operations: whole, by number: what is open, and the newest others.
        modes: of the mappings of its links; absent where a mapping is not configured any more.
        paused: mappings and connections that are paused, by name.
        not_linked: mappings that could have opened a partner and did not.
        matches: by mapping of a link it was opened from: the conditions, as they hold now.
        is_running: a daemon works on this store; None where nobody can tell (PostgreSQL).
        now: the instant of all this.
        has_rules: the mappings could be read; else nothing is said of what they would do.
        held: by link: comments and attachments that wait for the outcome of an operation.
    """

    story: reports.Explanation
    reading: Reading | None
    warmth: Warmth | None
    operations: Mapping[OperationId, WholeOperation]
    modes: Mapping[MappingName, MappingMode]
    paused: Mapping[str, Pause]
    not_linked: tuple[NotLinked, ...]
    matches: Mapping[MappingName, Matching]
    is_running: bool | None
    now: datetime
    has_rules: bool = True
    held: Mapping[LinkRow, tuple[Held, ...]] = field(default_factory=dict)

    @property
    def ticket(self) -> StoredTicket:
        """The ticket asked about."""
        return self.story.ticket

    def open_operations(self) -> list[WholeOperation]:
        """Give the operations that are not settled, the most urgent first."""
        found = [each for each in self.operations.values() if each.detail.record.state in UNSETTLED]
        return sorted(found, key=lambda each: (_urgency(each), each.detail.record.id))


def _urgency(each: WholeOperation) -> int:
    record = each.detail.record
    if record.state is OperationState.PARKED:
        return 0
    if record.state is OperationState.UNKNOWN:
        return 1
    return 2 if record.state in HEAD_STATES else 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A connection where a ticket could have been met, and was not.

    Attributes:
        connection: its name.
        reading: how it is read.
        last_complete_at: when its feed was last read to the end; None: never, or it has none.
    """

    connection: ConnectionName
    reading: Reading
    last_complete_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A word that names no ticket the store knows."""

    word: str
    places: tuple[Place, ...]
    now: datetime


def unknown(tx: Tx, settings: Settings, word: str, now: datetime) -> Unknown:
    """Say where a ticket that is not known could have come from (a unit of the store)."""
    read = feeds.overview(tx)
    places = tuple(
        Place(
            connection=name,
            reading=features_of(settings, name).reading,
            last_complete_at=_complete_at(read, name),
        )
        for name in settings.connections
    )
    return Unknown(word=word, places=places, now=now)


def _warmth(
    tx: Tx, settings: Settings, ticket: StoredTicket, config: IntakeConfig, now: datetime
) -> Warmth | None:
    name = ticket.connection
    if not config.is_watched(name) or ticket.snapshot is None:
        return None
    at = watching.active_at(tx, ticket.row, ticket.read_at) or now
    is_closed = phase_of(ticket.snapshot.get(STATUS), config.traits[name]) == "closed"
    pace = settings.connections[name].poll.pace
    return warmth(pace, max(0.0, (now - at).total_seconds()), is_closed=is_closed)


def _complete_at(read: Sequence[FeedRecord], name: ConnectionName) -> datetime | None:
    times = [each.last_complete_at for each in read if each.connection == name]
    return max((at for at in times if at is not None), default=None)


def gather(tx: Tx, settings: Settings, row: TicketRow, now: datetime) -> Explained:
    """Gather everything about a ticket (a unit of the store)."""
    story = reports.explain(tx, row)
    config = intake_config(settings)
    name = story.ticket.connection
    known = {record.name: record for record in mappings.overview(tx)}
    return Explained(
        story=story,
        reading=features_of(settings, name).reading if name in settings.connections else None,
        warmth=_warmth(tx, settings, story.ticket, config, now),
        operations=_operations(tx, settings, story.links),
        modes={
            each.link.mapping: settings.mappings[each.link.mapping].mode
            for each in story.links
            if each.link.mapping in settings.mappings
        },
        paused={**_named(mappings.paused(tx)), **_named(connections.paused(tx))},
        not_linked=tuple(_not_linked(story, config, known)),
        matches=_matches(story, config),
        is_running=None if tx.is_postgres else read_holder(settings.store.url) is not None,
        now=now,
        has_rules=not settings.errors,
        held={
            each.link.id: held_of(tx, each.link.id, config, now)
            for each in story.links
            if each.link.tombstone_at is None
        },
    )


def _named(paused: Mapping[Any, Pause]) -> dict[str, Pause]:
    return {str(name): pause for name, pause in paused.items()}


def _operations(
    tx: Tx, settings: Settings, links: Sequence[LinkFacts]
) -> dict[OperationId, WholeOperation]:
    found: dict[OperationId, WholeOperation] = {}
    for link in links:
        newest = {record.id for record in link.operations[-ATTEMPTS_OF_MAX:]}
        for record in link.operations:
            if record.id in newest or record.state in UNSETTLED:
                found[record.id] = whole(tx, settings, record.id)
    return found


# --- what the mappings make of it ---------------------------------------------------------------


def _matches(story: reports.Explanation, config: IntakeConfig) -> dict[MappingName, Matching]:
    """Test the conditions of the mappings that opened this ticket's partners, as they are now."""
    snapshot = story.ticket.snapshot
    found: dict[MappingName, Matching] = {}
    for each in story.links:
        link = each.link
        rules = config.link_rules(link)
        opened_here = link.rows.get(link.origin) == story.ticket.row and not link.added_by
        if rules is None or snapshot is None or not opened_here:
            continue
        opening = rules.opening(link.origin.other)
        if opening is not None:
            view = source_view(rules, snapshot, link.origin, config.traits_of(rules)[link.origin])
            found[link.mapping] = Matching(
                target=rules.connection(link.origin.other),
                place=str(opening.place),
                tests=examine(opening.when, view)[1],
            )
    return found


def _not_linked(
    story: reports.Explanation, config: IntakeConfig, known: Mapping[MappingName, MappingRecord]
) -> list[NotLinked]:
    ticket = story.ticket
    linked = {each.link.mapping for each in story.links if not is_unopened(each)}
    is_partner = any(each.link.tombstone_at is None for each in story.links)
    found = []
    for rules, source in config.sides(ticket.connection, ticket.kind):
        if rules.name in linked or (source is Side.VENDOR and is_partner):
            continue
        found.append(judge(rules, source, ticket, config, known.get(rules.name)))
    return found


def is_unopened(facts: LinkFacts) -> bool:
    """Say whether a link only stands for a ticket that lacks something: no creation was planned."""
    is_opening = facts.link.phase is LinkPhase.OPENING and facts.partner is None
    creates = (each for each in facts.operations if each.kind is WriteKind.CREATE)
    return is_opening and not facts.follows and next(creates, None) is None


def judge(
    rules: MappingRules,
    source: Side,
    ticket: StoredTicket,
    config: IntakeConfig,
    record: MappingRecord | None,
) -> NotLinked:
    """Say why a mapping opens no partner for a ticket, with the first condition that failed.

    Args:
        rules: the mapping.
        source: the side the ticket is on.
        ticket: as stored.
        config: for what the core must know of both connections.
        record: what the store knows of the mapping; None: nothing yet.
    """
    opening = rules.opening(source.other)
    if opening is None:
        why = f"it opens nothing for tickets of the {source} side"
        return NotLinked(mapping=rules.name, mode=rules.mode, place=str(rules.place), why=why)
    place = str(opening.place)
    if ticket.snapshot is None:
        why = "it was not read yet"
        return NotLinked(mapping=rules.name, mode=rules.mode, place=place, why=why)
    rules = config.opening_rules(rules, ticket.snapshot, source)
    result = plan_opening(rules, ticket.snapshot, source, config.traits_of(rules))
    if isinstance(result, NotOpened):
        return NotLinked(
            mapping=rules.name,
            mode=rules.mode,
            place=place,
            why="it matches, but lacks something" if result.problems else "",
            tests=result.tests,
            problems=result.problems,
        )
    view = source_view(rules, ticket.snapshot, source, config.traits_of(rules)[source])
    hindered = hindrance(rules, ticket, record)
    return NotLinked(
        mapping=rules.name,
        mode=rules.mode,
        place=place,
        why=hindered or "it matches: its partner is opened at the next decision",
        tests=examine(opening.when, view)[1],
        would_open=not hindered,
    )


def hindrance(rules: MappingRules, ticket: StoredTicket, record: MappingRecord | None) -> str:
    """Say what keeps a matching ticket from being opened; empty for nothing."""
    if ticket.stray:
        return "it matches, but is set aside: it carries a marker that no link here knows"
    if rules.mode is not MappingMode.LIVE:
        return f"it matches, but the mapping is in mode {rules.mode}"
    if record is not None and record.pause is not None:
        return f"it matches, but the mapping is paused by {record.pause.by}: {record.pause.reason}"
    created_at = ticket.provider_created_at
    first_live_at = record.first_live_at if record is not None else None
    # Providers cut their times to whole seconds, and a ticket of that very second is opened.
    first_live_at = first_live_at and first_live_at.replace(microsecond=0)
    if created_at is not None and first_live_at is not None and created_at < first_live_at:
        return (
            f"it matches, but is older ({created_at:%Y-%m-%d %H:%M:%S}) than the mapping, which "
            f"went live {first_live_at:%Y-%m-%d %H:%M:%S}"
        )
    return ""
