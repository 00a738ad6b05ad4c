"""The decision about one link: what is stored and which writes follow (DESIGN 3 and 4)."""

from collections.abc import Mapping
from dataclasses import replace

from syncd.core.evaluate import View, view_of, with_derived
from syncd.core.fields import changed_slots, has_stale_input, plan_directed, plan_paired
from syncd.core.following import instead_of, is_busy, why_followed
from syncd.core.items import HELD_RECHECK_S, ItemDraft, plan_items
from syncd.core.leaving import NO_LONGER, has_left, plan_leaving, why_detached
from syncd.core.notes import changed_notes, plan_notes
from syncd.core.opening import plan_birth, plan_opening
from syncd.core.rules import Reference
from syncd.core.slots import (
    SETTLING_RECHECK_S,
    STATUS,
    Draft,
    FieldWrite,
    Slots,
    directed,
    forget_written,
    is_unsent,
    replaced,
    settle_provisional,
)
from syncd.core.spelling import respelled
from syncd.core.state import (
    MET,
    Baseline,
    BaselineMove,
    ItemKind,
    LinkState,
    NotOpened,
    Plan,
    PlannedOperation,
    Rank,
    Reason,
    SlotMove,
)
from syncd.core.status import has_status_changed, plan_status
from syncd.model.ids import Side
from syncd.model.operation import ParkReason, WriteKind
from syncd.model.ticket import Value

__all__ = ["plan_link", "plan_opening"]


def plan_link(state: LinkState) -> Plan:
    """Decide what one link needs now.

    The same state yields the same plan; a state into which the plan was stored yields an empty one.
    """
    state = respelled(state)
    views = _views(state)
    unborn = _reborn(state, views)
    if unborn is not None:
        return unborn
    draft = Draft()
    settle_provisional(Slots(state=state, views=views), draft)
    state = _with_moves(state, draft.baselines)
    forget_written(Slots(state=state, views=views), draft)
    slots = _replacing(Slots(state=state, views=views))
    cause = why_followed(slots)
    if cause is not None and is_busy(slots):
        return Plan(applied=tuple(plan_items(slots).applied), recheck_s=HELD_RECHECK_S)
    plan_directed(slots, draft)
    plan_paired(slots, draft)
    plan_status(slots, draft)
    plan_leaving(slots, draft)
    plan_notes(slots, draft)
    _plan_references(slots, draft)
    items = plan_items(slots)
    if state.is_fresh and len(views) == len(Side):
        draft.account(Side.ITSM, MET, value=True)
    plan = _gather(slots, draft, items)
    return plan if cause is None else instead_of(slots, plan, cause)


def _views(state: LinkState) -> dict[Side, View]:
    views: dict[Side, View] = {}
    derived: Mapping[str, Value] = {}
    for side in Side:  # ITSM first: `derive` is computed there.
        if side not in state.tickets:
            continue
        derive = state.rules.derive if side is Side.ITSM else {}
        view = view_of(
            state.tickets[side],
            state.traits[side],
            derive=derive,
            numbers=state.numbers,
            follows=state.follows,
        )
        if side is Side.ITSM:
            derived = view.derived
        views[side] = view if side is Side.ITSM else with_derived(view, derived)
    return views


def _reborn(state: LinkState, views: Mapping[Side, View]) -> Plan | None:
    """Plan a create anew, with all that waits for it, when the ticket changed before it was sent.

    None where there is none, or nothing to change. A create that a person was asked about is left
    to them: what changes meanwhile queues up behind it.
    """
    create = next((each for each in state.operations if each.kind is WriteKind.CREATE), None)
    if create is None or not is_unsent(create) or create.target in views:
        return None
    slots, source = Slots(state=state, views=views), create.target.other
    has_changed = bool(changed_slots(slots)) or has_status_changed(slots)
    if not has_changed or create.park_reason is ParkReason.TOO_LATE:
        return None
    birth = plan_birth(
        state.rules, state.tickets[source], source, state.traits, follows=state.follows
    )
    if isinstance(birth, NotOpened):
        return None
    gone = [each for each in state.operations if each.target is create.target and is_unsent(each)]
    carried = {each.item for each in gone}
    if not all(_shows(views[source], item) for item in carried if item is not None):
        return None  # An early state: what it lacks is planned already, and would be forgotten.
    without = replace(
        state,
        operations=tuple(each for each in state.operations if each not in gone),
        pairs=tuple(
            each for each in state.pairs if (each.kind, each.origin, each.source_id) not in carried
        ),
    )
    items = plan_items(Slots(state=without, views=views))
    if any((each.kind, each.side, each.item) in carried for each in items.held):
        return None  # It is planned already, and cannot be planned anew before another is settled.
    return replace(
        birth.plan,
        operations=(*birth.plan.operations, *items.operations),
        superseded=tuple(each.id for each in gone),
        applied=tuple(items.applied),
        pairs=tuple(items.pairs),
        held=tuple(items.held),
        recheck_s=HELD_RECHECK_S if items.is_rechecked else None,
    )


def _shows(view: View, item: tuple[ItemKind, Side, str]) -> bool:
    """Whether a ticket shows a comment or an attachment."""
    kind, _, source_id = item
    ticket = view.ticket
    shown = ticket.comments if kind is ItemKind.COMMENT else ticket.attachments
    return any(each.id == source_id for each in shown)


def _with_moves(state: LinkState, moves: list[BaselineMove]) -> LinkState:
    baselines = dict(state.baselines)
    for move in moves:
        before = baselines[move.side, move.slot]
        baselines[move.side, move.slot] = Baseline(
            value=move.value,
            previous=before.previous,
            written_at=before.written_at,
            state=move.state,
        )
    return replace(state, baselines=baselines)


def _replacing(slots: Slots) -> Slots:
    """Set aside the unsent writes that newer changes replace."""
    changed = changed_slots(slots) | ({STATUS} if has_status_changed(slots) else frozenset())
    changed |= changed_notes(slots)
    changed |= {NO_LONGER} if has_left(slots) else frozenset()
    return replace(slots, superseded=replaced(slots, changed))


def _plan_references(slots: Slots, draft: Draft) -> None:
    """Write each side's number into the field of the other that shows it."""
    for reference in slots.state.rules.references:
        partner = slots.state.tickets.get(reference.side.other)
        if partner is None or reference.side not in slots.views or not reference.field:
            continue
        slot = f"reference.{reference.side}.{reference.field}"
        value = partner.number if reference.value == "number" else str(partner.id)
        source = reference.side.other
        if not value or slots.accounted(source, slot) == value:
            continue
        if slots.views[reference.side].get(reference.field) == value:
            draft.account(source, slot, value)
            continue
        draft.writes[reference.side].append(_reference_write(reference, slot, value))


def _reference_write(reference: Reference, slot: str, value: str) -> FieldWrite:
    return FieldWrite(
        slot=slot,
        name=reference.field,
        value=value,
        move=SlotMove(source=reference.side.other, source_value=value, target_value=value),
        place=str(reference.place),
    )


def _gather(slots: Slots, draft: Draft, items: ItemDraft) -> Plan:
    early = draft.early + items.operations
    updates = [_update(side, writes) for side, writes in draft.writes.items() if writes]
    operations = sorted((*updates, *early), key=lambda operation: operation.rank is Rank.CLOSING)
    stale = _stale_sides(slots)
    waits = [HELD_RECHECK_S] if items.is_rechecked else []
    if stale:
        settle = max(traits.features.settle_s for traits in slots.state.traits.values())
        waits.append(settle + SETTLING_RECHECK_S)
    return Plan(
        operations=tuple(operations),
        superseded=tuple(sorted(slots.superseded)),
        applied=tuple(items.applied),
        baselines=tuple(draft.baselines),
        pairs=tuple(items.pairs),
        conflicts=tuple(draft.conflicts),
        notes=tuple(draft.notes),
        held=tuple(items.held),
        recheck_s=min(waits, default=None),
        stale=stale,
        detach=why_detached(slots),
    )


def _update(side: Side, writes: list[FieldWrite]) -> PlannedOperation:
    """Put all changed fields of one target into one write."""
    return PlannedOperation(
        target=side,
        kind=WriteKind.UPDATE,
        reason=Reason.REFERENCE
        if all(write.slot.startswith("reference.") for write in writes)
        else Reason.FIELD_CHANGED,
        fields={write.name: write.value for write in writes},
        slots={write.slot: write.move for write in writes},
        place=writes[0].place,
    )


def _stale_sides(slots: Slots) -> frozenset[Side]:
    """Name the sides that show a value from before our write."""
    stale = {side for side, view in slots.views.items() if _is_stale_view(slots, side, view)}
    stale |= {
        rule.target_side.other
        for rule, view in directed(slots)
        if has_stale_input(slots, rule, view)
    }
    return frozenset(stale)


def _is_stale_view(slots: Slots, side: Side, view: View) -> bool:
    label = view.get("status")
    if isinstance(label, str) and slots.is_stale(side, STATUS, label):
        return True
    for paired in slots.state.rules.paired:
        value = view.get(paired.itsm if side is Side.ITSM else paired.vendor)
        if isinstance(value, str) and slots.is_stale(side, paired.slot, value):
            return True
    return False
