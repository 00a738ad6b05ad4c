"""Drift: what the two tickets of a link show, held against what the mapping makes of either (R12).

Deltas carry changes. What was missed, or what an edit of the mapping made different, is no change
and stays as it is; this looks at the values themselves, as if every field had just changed on both
sides. Texts of comments are not compared, and a field that a provider altered is no drift.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from syncd.core.evaluate import inputs
from syncd.core.plan import plan_link
from syncd.core.rules import MappingRules
from syncd.core.slots import STATUS
from syncd.core.state import Baseline, BaselineState, FoundConflict, LinkState, PlannedOperation
from syncd.intake import IntakeConfig
from syncd.intake.link_state import link_state
from syncd.model.ids import ConnectionName, LinkRow, MappingName, OperationKey, Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import MISSING, Missing, Ticket, Value
from syncd.store import links
from syncd.store.database import Tx
from syncd.store.records import LinkPhase, LinkRecord

LOST = "(reconcile)"
"""A baseline no field ever has, so that the field counts as changed."""
COMPARED = (LinkPhase.OPEN, LinkPhase.CLOSED)
FIELD_WRITES = (WriteKind.UPDATE, WriteKind.STATUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftedField:
    """A field of one side that is not what the other side's value makes of it.

    Attributes:
        slot: of the rule.
        side: the side that would be written.
        name: the field there.
        found, wanted: what it shows, and what it should.
        source_value: the other side's baseline as it would become.
        place: of the rule.
    """

    slot: str
    side: Side
    name: str
    found: Value | Missing
    wanted: Value
    source_value: Value
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A link whose tickets differ.

    Attributes:
        vendor: the vendor connection.
        fields: what would be written.
        conflicts: fields of which the mapping says no winner.
        unseen: live only: writes that follow from changes not read yet.
        gone: live only: sides whose ticket is not there any more.
    """

    link_id: LinkRow
    mapping: MappingName
    numbers: Mapping[Side, str]
    vendor: ConnectionName
    fields: tuple[DriftedField, ...] = ()
    conflicts: tuple[FoundConflict, ...] = ()
    unseen: tuple[PlannedOperation, ...] = ()
    gone: tuple[Side, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the tickets agree."""
        return not (self.fields or self.conflicts or self.unseen or self.gone)


def linked(tx: Tx, mapping: MappingName | None) -> list[LinkRecord]:
    """List the links that are compared: both tickets known, not removed (a unit of the store)."""
    found = links.live(tx, mapping=mapping)
    return [each for each in found if each.phase in COMPARED and len(each.rows) == len(Side)]


def compare(
    tx: Tx,
    link_id: LinkRow,
    config: IntakeConfig,
    now: datetime,
    live: Mapping[Side, Ticket] | None = None,
) -> Drifted | None:
    """Compare a link's tickets (a unit of the store).

    Args:
        tx: the transaction.
        link_id: the link.
        config: mappings and traits.
        now: the instant of the comparison.
        live: tickets just read; None compares what is stored.

    Returns:
        What differs; None when its mapping is not configured or it was never decided about whole.
    """
    keys = [key for ticket in (live or {}).values() for key in _keys(ticket)]
    parts = links.load_link(tx, link_id, lookup_keys=keys)
    rules = config.link_rules(parts.link)
    tickets = {**parts.tickets, **(live or {})}
    if rules is None or len(tickets) < len(Side):
        return None
    state = link_state(tx, replace(parts, tickets=tickets), rules, config, now)
    if state.is_fresh:
        return None
    unseen = plan_link(state).operations if live else ()
    wanted = plan_link(_forgetful(state))
    busy = {slot for operation in state.operations for slot in operation.slots}
    busy |= {slot for operation in unseen for slot in operation.slots} | set(state.conflicts)
    return Drifted(
        link_id=link_id,
        mapping=rules.name,
        numbers=parts.numbers,
        vendor=parts.link.vendor,
        fields=tuple(
            each
            for operation in wanted.operations
            if operation.kind in FIELD_WRITES
            for each in _fields(operation, state)
            if each.slot not in busy and not _is_altered(each, state)
        ),
        conflicts=tuple(each for each in wanted.conflicts if each.slot not in busy),
        unseen=unseen,
    )


def _keys(ticket: Ticket) -> Iterator[OperationKey]:
    yield from ticket.keys
    for comment in ticket.comments:
        yield from comment.keys


def _forgetful(state: LinkState) -> LinkState:
    """Give the state in which every field counts as changed on every side."""
    baselines = dict(state.baselines)
    for (side, slot), baseline in state.baselines.items():
        baselines[side, slot] = replace(baseline, previous=MISSING, written_at=None)
    for slot, side, value in _forgotten(state.rules):
        if (side, slot) in baselines:
            baselines[side, slot] = Baseline(value=value)
    return replace(state, baselines=baselines, operations=(), conflicts=frozenset())


def _forgotten(rules: MappingRules) -> Iterator[tuple[str, Side, Value]]:
    for rule in rules.fields:
        names = inputs(rule.expression, rules.derive)
        yield rule.slot, rule.target_side.other, dict.fromkeys(names, LOST)
    slots = [paired.slot for paired in rules.paired]
    for slot in [*slots, STATUS] if rules.status is not None else slots:
        for side in Side:
            yield slot, side, LOST


def _fields(operation: PlannedOperation, state: LinkState) -> Iterator[DriftedField]:
    side = operation.target
    for slot, move in operation.slots.items():
        name = _name(state.rules, slot, side)
        if not name or name not in operation.fields:
            continue
        yield DriftedField(
            slot=slot,
            side=side,
            name=name,
            found=state.tickets[side].get(name),
            wanted=operation.fields[name],
            source_value=move.source_value,
            place=operation.place,
        )


def _name(rules: MappingRules, slot: str, side: Side) -> str:
    """Name the field of a side that a slot writes; empty when it writes none."""
    if slot == STATUS:
        return STATUS
    for rule in rules.fields:
        if rule.slot == slot:
            return rule.target
    for paired in rules.paired:
        if paired.slot == slot:
            return paired.vendor if side is Side.VENDOR else paired.itsm
    return ""


def _is_altered(each: DriftedField, state: LinkState) -> bool:
    """Whether the provider altered what we wrote, and it still stands so (R5)."""
    baseline = state.baselines.get((each.side, each.slot))
    if baseline is None or baseline.state is not BaselineState.ALTERED:
        return False
    if isinstance(each.found, Missing):
        return False
    return state.traits[each.side].normalise(each.name, each.found) == baseline.value
