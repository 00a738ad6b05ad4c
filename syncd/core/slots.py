"""Fields: which slots changed, and what that means for the other side (DESIGN R5, R7)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.core.evaluate import View
from syncd.core.rules import FieldRule, PairedField
from syncd.core.state import (
    WRITTEN,
    Baseline,
    BaselineMove,
    BaselineState,
    FoundConflict,
    LinkState,
    Note,
    OpenOperation,
    PlannedOperation,
    SlotMove,
)
from syncd.model.ids import OperationId, Side
from syncd.model.operation import UNSENT_STATES, OperationState, ParkReason, WriteKind
from syncd.model.ticket import MISSING, Missing, Value

STATUS = "status"
"""The slot of both sides' status."""

SETTLING_RECHECK_S = 5.0
"""Added to the settle time when a read was set aside as stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldWrite:
    """One field of an UPDATE to be planned, with the baselines it moves."""

    slot: str
    name: str
    value: Value
    move: SlotMove
    place: str = ""


@dataclass(slots=True)
class Draft:
    """A plan being gathered; turned into a frozen `Plan` at the end.

    Attributes:
        writes: by target side, fields to be written together.
        early: operations that need no grouping, in order.
    """

    writes: dict[Side, list[FieldWrite]] = field(
        default_factory=lambda: {Side.ITSM: [], Side.VENDOR: []}
    )
    early: list[PlannedOperation] = field(default_factory=list)
    baselines: list[BaselineMove] = field(default_factory=list)
    conflicts: list[FoundConflict] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def account(self, side: Side, slot: str, value: Value) -> None:
        """Move a baseline without a write."""
        self.baselines.append(BaselineMove(side=side, slot=slot, value=value))

    def note(self, event: str, detail: str, place: object = "") -> None:
        """Add a journal line."""
        self.notes.append(Note(event=event, detail=detail, place=str(place)))


def is_unsent(operation: OpenOperation) -> bool:
    """Whether an operation surely had no effect and may be replaced by a newer change."""
    if operation.state in UNSENT_STATES:
        return not operation.sent
    refused = operation.park_reason not in (ParkReason.IN_DOUBT, ParkReason.EXHAUSTED)
    return operation.state is OperationState.PARKED and refused


def may_have_left(operation: OpenOperation) -> bool:
    """Whether an unsettled operation may have had its effect already, or have it yet."""
    under_way = (OperationState.CLAIMED, OperationState.SENDING, OperationState.UNKNOWN)
    is_in_doubt = operation.park_reason is ParkReason.IN_DOUBT
    return operation.sent or is_in_doubt or operation.state in under_way


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What is accounted for, per slot: stored baselines and the operations still open.

    Attributes:
        state: the link.
        views: both tickets, as far as known.
        superseded: operations a newer change replaces; they no longer count.
    """

    state: LinkState
    views: Mapping[Side, View]
    superseded: frozenset[OperationId] = frozenset()

    def baseline(self, side: Side, slot: str) -> Baseline | None:
        """Return the stored baseline."""
        return self.state.baselines.get((side, slot))

    def carriers(self, slot: str, *, source: Side) -> list[OpenOperation]:
        """List the open and parked operations that account for a slot's change on a side."""
        if not self.state.operations:
            return []
        found = [
            operation
            for operation in self.state.operations
            if slot in operation.slots
            and operation.slots[slot].source is source
            and operation.id not in self.superseded
        ]
        return sorted(found, key=lambda operation: operation.id)

    def accounted(self, side: Side, slot: str) -> Value | Missing:
        """Return the value last accounted for on a side, open operations from there included.

        What an operation carries was read before a later write of ours replaced it there.
        """
        carriers, baseline = self.carriers(slot, source=side), self.baseline(side, slot)
        written_at = None if baseline is None else baseline.written_at
        if carriers and (written_at is None or written_at <= carriers[-1].planned_at):
            return carriers[-1].slots[slot].source_value
        return MISSING if baseline is None else baseline.value

    def is_expected(self, side: Side, slot: str, value: Value) -> bool:
        """Whether a value is no news: an open operation writes it there, or overrules it."""
        moves = [writer.slots[slot] for writer in self.carriers(slot, source=side.other)]
        return any(value in (move.target_value, move.overruled) for move in moves)

    def is_unsettled(self, side: Side, slot: str) -> bool:
        """Whether a write of ours to this side may be under way: its outcome decides first."""
        writers = self.carriers(slot, source=side.other)
        return any(not is_unsent(writer) for writer in writers)

    def is_too_early(
        self, slot: str, changed: Collection[Side], values: Mapping[Side, Value | Missing]
    ) -> bool:
        """Whether changes of a slot are decided later.

        Either a write of ours to a changed side is unsettled: its outcome decides first. Or what
        the other side shows may be a person's, made since we wrote there: it has to settle first.
        """
        return any(
            self.is_unsettled(side, slot)
            or self.is_unclear(side.other, slot, values.get(side.other, MISSING))
            for side in changed
        )

    def is_stale(self, side: Side, slot: str, value: Value) -> bool:
        """Whether a value may be what stood there before our own write, read too early (R1).

        Any value but ours may be: a person's that we never saw, or one from before the write
        before. A change made since is seen just as well when the provider has settled.
        """
        baseline = self.baseline(side, slot)
        return baseline is not None and value != baseline.value and self.is_settling(side, slot)

    def is_settling(self, side: Side, slot: str) -> bool:
        """Whether a side was read so early after our write that it may show what stood before."""
        baseline = self.baseline(side, slot)
        if baseline is None or baseline.written_at is None:
            return False
        return self._age(side, baseline.written_at) < self._settle(side)

    def standing(self, side: Side, slot: str, value: Value | Missing) -> Value | Missing:
        """Return what stands on a side: what it shows, or what we wrote where that is older."""
        baseline = self.baseline(side, slot)
        if baseline is None or isinstance(value, Missing) or not self.is_stale(side, slot, value):
            return value
        return baseline.value

    def is_known_stale(self, side: Side, slot: str, value: Value) -> bool:
        """Whether a value is what we know stood there before our own write, read too early.

        A ticket that our write created shows nothing older, however early it was read.
        """
        baseline = self.baseline(side, slot)
        if baseline is None or isinstance(baseline.previous, Missing):
            return False
        is_older = value == baseline.previous
        written_at = baseline.written_at
        is_early = written_at is not None and self._age(side, written_at) < timedelta(0)
        return (is_older or is_early) and self.is_stale(side, slot, value)

    def is_unclear(self, side: Side, slot: str, value: Value | Missing) -> bool:
        """Whether a value may be stale, or a person's change since our write: not overruled yet."""
        baseline = self.baseline(side, slot)
        if baseline is None or baseline.written_at is None or isinstance(value, Missing):
            return False
        age = self._age(side, baseline.written_at)
        is_new = value not in (baseline.value, baseline.previous)
        return is_new and timedelta(0) <= age < self._settle(side)

    def _age(self, side: Side, written_at: datetime) -> timedelta:
        # How old the snapshot is counts, not how late it is looked at.
        return self.state.read_at.get(side, self.state.now) - written_at

    def _settle(self, side: Side) -> timedelta:
        return timedelta(seconds=self.state.traits[side].features.settle_s)

    def is_foreign(self, side: Side, name: str, value: Value) -> bool:
        """Whether a field shows what another link of the ticket wrote there (R10)."""
        mark = self.state.baselines.get((side, WRITTEN + name))
        if mark is None or mark.value is None:
            return False
        written = self.state.traits[side].normalise(name, mark.value)
        return written == value or is_altered(written, value)

    def is_held(self, side: Side, name: str, value: Value) -> bool:
        """Whether another link may just be writing this value: decided once that is settled."""
        normalise = self.state.traits[side].normalise
        return any(
            other.target is side
            and may_have_left(other)
            and name in other.fields
            and normalise(name, other.fields[name]) == value
            for other in self.state.others
        )


def forget_written(slots: Slots, draft: Draft) -> None:
    """Forget what other links wrote in fields that somebody changed since."""
    for (side, slot), mark in slots.state.baselines.items():
        view = slots.views.get(side)
        if not slot.startswith(WRITTEN) or mark.value is None or view is None:
            continue
        value = view.get(slot.removeprefix(WRITTEN))
        settle = timedelta(seconds=slots.state.traits[side].features.settle_s)
        read_at = slots.state.read_at.get(side, slots.state.now)
        is_read_since = mark.written_at is None or read_at > mark.written_at + settle
        if isinstance(value, Missing) or not is_read_since:
            continue
        if not slots.is_foreign(side, slot.removeprefix(WRITTEN), value):
            draft.account(side, slot, None)


def is_altered(sent: Value, read: Value) -> bool:
    """Whether a read-back is what we sent, reshaped by the provider, and not somebody's change.

    A provider may cut a text or change its case or white space; a different label is never an
    alteration but news: taken as a change, both sides still converge, and nothing is lost.
    """
    if not isinstance(sent, str) or not isinstance(read, str) or not read:
        return False
    ours, theirs = " ".join(sent.split()).casefold(), " ".join(read.split()).casefold()
    return theirs == ours or (len(theirs) >= 20 and ours.startswith(theirs.rstrip(" .…[]")))


def replaced(slots: Slots, changed: frozenset[str]) -> frozenset[OperationId]:
    """Name the unsent field writes that a newer change of one of their slots replaces.

    So is one whose target shows what may be a person's: it is decided again when that is clear.
    """
    return frozenset(
        operation.id
        for operation in slots.state.operations
        if is_unsent(operation)
        and operation.slots
        and operation.kind is not WriteKind.CREATE
        and (not changed.isdisjoint(operation.slots) or _is_unclear_there(slots, operation))
    )


def _is_unclear_there(slots: Slots, operation: OpenOperation) -> bool:
    """Whether a field that both sides may change shows an unclear value where it is written."""
    both = {STATUS, *(paired.slot for paired in slots.state.rules.paired)}
    for slot in both & set(operation.slots):
        side = operation.slots[slot].source.other
        view = slots.views.get(side)
        name = target_field(slots, side, slot)
        if view is not None and slots.is_unclear(side, slot, view.get(name)):
            return True
    return False


def settle_provisional(slots: Slots, draft: Draft) -> None:
    """Compare what was written with what is read back (R5): agreed, or altered by the provider.

    What can never be read back is unverified: not agreed, and not sent again.
    """
    for (side, slot), baseline in slots.state.baselines.items():
        if baseline.state is not BaselineState.PROVISIONAL or side not in slots.views:
            continue
        name = target_field(slots, side, slot)
        value = slots.views[side].get(name) if name else MISSING
        known = slots.state.traits[side].fields.get(name)
        if known is not None and not known.readable and isinstance(value, Missing):
            unverified = BaselineState.UNVERIFIED
            draft.baselines.append(
                BaselineMove(side=side, slot=slot, value=baseline.value, state=unverified)
            )
            continue
        if isinstance(value, Missing) or slots.is_known_stale(side, slot, value):
            continue
        if value == baseline.value:
            draft.account(side, slot, value)
        elif is_altered(baseline.value, value):
            draft.baselines.append(
                BaselineMove(side=side, slot=slot, value=value, state=BaselineState.ALTERED)
            )
            draft.note(
                "field.altered", f"{name} on the {side} side reads {value!r} after our write"
            )


def target_field(slots: Slots, side: Side, slot: str) -> str:
    """Name the field of a side that a slot writes there; empty when it is not written."""
    rules = slots.state.rules
    if slot == STATUS:
        return "status"
    for paired in rules.paired:
        if paired.slot == slot:
            return paired.itsm if side is Side.ITSM else paired.vendor
    for rule in rules.fields:
        if rule.slot == slot and rule.target_side is side:
            return rule.target
    return ""


def directed(slots: Slots) -> Iterator[tuple[FieldRule, View]]:
    """Give each one-directional rule whose source ticket is known, with that ticket."""
    for rule in slots.state.rules.fields:
        view = slots.views.get(rule.target_side.other)
        if view is not None:
            yield rule, view


def paired_values(paired: PairedField, views: Mapping[Side, View]) -> dict[Side, Value | Missing]:
    """Give the value each known side shows of a two-directional field."""
    names = {Side.ITSM: paired.itsm, Side.VENDOR: paired.vendor}
    return {side: view.get(names[side]) for side, view in views.items()}
