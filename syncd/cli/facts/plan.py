"""What would be sent now, with the files as they are now, against the stored state."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from syncd.cli.facts.explain import judge
from syncd.core.opening import plan_opening
from syncd.core.rules import MappingMode
from syncd.core.state import FoundConflict, NotOpened, PlannedOperation
from syncd.intake import IntakeConfig
from syncd.intake.decide import preview_link
from syncd.model.ids import ConnectionName, LinkRow, MappingName, Side, TicketRow
from syncd.store import links, mappings, operations, tickets
from syncd.store.database import Tx
from syncd.store.records import LinkPhase, LinkRecord, MappingRecord, OperationRecord, StoredTicket

CHUNK = 250
"""Tickets loaded at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a plan is about: one ticket, one mapping, or everything; and at most how much."""

    ticket: TicketRow | None = None
    mapping: MappingName | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What one ticket or link would bring.

    Attributes:
        mapping, mode: whose it is; only a live mapping sends.
        vendor: the vendor connection it concerns.
        numbers: the tickets' numbers, ITSM first; a partner not there yet is absent.
        opens: a partner would be opened.
        operations: what would be planned.
        conflicts: what would be frozen.
        remarks: what would be told in the journal.
        held: why nothing of it is sent although planned; empty for nothing.
    """

    mapping: MappingName
    mode: MappingMode
    vendor: ConnectionName
    numbers: tuple[str, ...]
    opens: bool = False
    operations: tuple[PlannedOperation, ...] = ()
    conflicts: tuple[FoundConflict, ...] = ()
    remarks: tuple[str, ...] = ()
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A whole plan.

    Attributes:
        queued: operations planned already and not sent.
        foreseen: what the next decisions would add.
        looked_at: links and tickets looked at.
        cut: there were more than the limit.
    """

    queued: tuple[OperationRecord, ...]
    foreseen: tuple[Foreseen, ...]
    looked_at: int
    cut: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be sent."""
        return not self.queued and not self.foreseen


def gather(tx: Tx, config: IntakeConfig, scope: Scope, now: datetime) -> Planned:
    """Decide about everything in scope without storing anything (a unit of the store)."""
    records = _links(tx, scope)
    foreseen = [
        found for record in records[: scope.limit] if (found := _of_link(tx, record, config, now))
    ]
    candidates = list(_unlinked(tx, config, scope))
    known = {record.name: record for record in mappings.overview(tx)}
    for stored in candidates[: scope.limit]:
        foreseen += _openings(tx, stored, config, scope, known)
    queued = _queued(tx, {record.id for record in records}, scope)
    return Planned(
        queued=queued,
        foreseen=tuple(foreseen),
        looked_at=min(len(records), scope.limit) + min(len(candidates), scope.limit),
        cut=max(len(records), len(candidates)) > scope.limit,
    )


def _links(tx: Tx, scope: Scope) -> list[LinkRecord]:
    if scope.ticket is not None:
        found = links.links_of(tx, scope.ticket)
    else:
        found = links.live(tx, mapping=scope.mapping)
    ended = (LinkPhase.REMOVED, LinkPhase.GONE, LinkPhase.SAID)
    return [
        each for each in found if each.phase not in ended and scope.mapping in (None, each.mapping)
    ]


def _queued(tx: Tx, ids: set[LinkRow], scope: Scope) -> tuple[OperationRecord, ...]:
    found = operations.list_operations(tx, limit=10 * scope.limit)
    return tuple(each for each in found if each.link_id in ids)


def _of_link(tx: Tx, record: LinkRecord, config: IntakeConfig, now: datetime) -> Foreseen | None:
    preview = preview_link(tx, record.id, config, now)
    if preview is None or not (preview.plan.operations or preview.plan.conflicts):
        return None
    rules = config.mappings[record.mapping]
    stored = tickets.load_tickets(tx, list(record.rows.values()))
    return Foreseen(
        mapping=rules.name,
        mode=rules.mode,
        vendor=record.vendor,
        numbers=tuple(stored[record.rows[side]].number for side in Side if side in record.rows),
        operations=preview.plan.operations,
        conflicts=preview.plan.conflicts,
        remarks=tuple(f"{note.event}: {note.detail}" for note in preview.plan.notes),
        held=f"paused by {record.pause.by}" if record.pause else "",
    )


def _unlinked(tx: Tx, config: IntakeConfig, scope: Scope) -> Iterator[StoredTicket]:
    """Go through the tickets that might get a partner, the newest first."""
    if scope.ticket is not None:
        yield from tickets.load_tickets(tx, [scope.ticket]).values()
        return
    wanted = {
        name
        for rules in config.mappings.values()
        for side in Side
        for name in rules.connections(side)
        if scope.mapping in (None, rules.name) and rules.opening(side.other) is not None
    }
    for name in sorted(wanted):
        rows = list(tickets.known_rows(tx, name))[::-1][: scope.limit + 1]
        for start in range(0, len(rows), CHUNK):
            yield from tickets.load_tickets(tx, rows[start : start + CHUNK]).values()


def _openings(
    tx: Tx,
    stored: StoredTicket,
    config: IntakeConfig,
    scope: Scope,
    known: dict[MappingName, MappingRecord],
) -> Iterator[Foreseen]:
    linked = links.links_of(tx, stored.row)
    taken = {each.mapping for each in linked}
    for rules, source in config.sides(stored.connection, stored.kind):
        is_out = scope.mapping not in (None, rules.name) or rules.name in taken
        if is_out or stored.snapshot is None or (source is Side.VENDOR and linked):
            continue
        judged = judge(rules, source, stored, config, known.get(rules.name))
        dry = rules.mode is not MappingMode.LIVE
        if not judged.would_open and not (dry and judged.why.startswith("it matches, but the")):
            continue
        here = config.opening_rules(rules, stored.snapshot, source)
        found = plan_opening(here, stored.snapshot, source, config.traits_of(here))
        if not isinstance(found, NotOpened):
            yield Foreseen(
                mapping=rules.name,
                mode=rules.mode,
                vendor=here.vendor,
                numbers=(stored.number,),
                opens=True,
                operations=found.plan.operations,
                remarks=tuple(f"{note.event}: {note.detail}" for note in found.plan.notes),
                held="" if judged.would_open else judged.why,
            )
