"""One-directional and two-directional fields of a link (DESIGN R7)."""

from collections.abc import Iterator, Mapping

from syncd.core.evaluate import View, as_text, fingerprint, inputs, short, why_nothing
from syncd.core.fitting import aim_at, aim_of, carried_again, fit, rest_said, too_long, withhold
from syncd.core.naming import computed
from syncd.core.rules import ChangePolicy, ConflictPolicy, FieldRule, PairedField
from syncd.core.slots import STATUS, Draft, FieldWrite, Slots, directed, paired_values
from syncd.core.sources import FieldOf
from syncd.core.state import (
    WITHHELD,
    ZONED,
    FoundConflict,
    PlannedOperation,
    Reason,
    SideTraits,
    SlotMove,
)
from syncd.core.translating import is_same, mapped, why_no_time, written_value, zone_name
from syncd.model.ids import Side
from syncd.model.operation import CommentDraft, WriteKind
from syncd.model.ticket import MISSING, CommentKind, Missing, Value

UPDATE = "update"

BRIEF_CHARS = 60
"""So much of a value is shown where two differ."""


# --- what changed ----------------------------------------------------------------------------


def changed_inputs(slots: Slots, rule: FieldRule, view: View) -> bool | None:
    """Whether a rule's inputs changed; None when nothing was ever accounted for."""
    now = fingerprint(view, inputs(rule.expression, slots.state.rules.derive))
    before = slots.accounted(rule.target_side.other, rule.slot)
    if not isinstance(before, Mapping):
        return None
    side = rule.target_side.other
    return any(
        not is_ours(slots, side, name, value)
        and not is_before_ours(slots, side, name, value)
        and not may_be_ours(slots, side, name, value)
        and (rule.relay or not is_of_another_link(slots, view, name))
        for name, value in now.items()
        if name in before and before[name] != value
    )


def has_stale_input(slots: Slots, rule: FieldRule, view: View) -> bool:
    """Whether one of a rule's inputs shows what stood there before our write (R1)."""
    now = fingerprint(view, inputs(rule.expression, slots.state.rules.derive))
    side = rule.target_side.other
    if not rule.relay and any(_is_held(slots, side, view, name) for name in now):
        return True
    return any(is_before_ours(slots, side, name, value) for name, value in now.items())


def may_be_ours(slots: Slots, side: Side, name: str, told: str) -> bool:
    """Whether a field shows what an unsettled write of ours may have left there, reshaped.

    The write's outcome tells; what a person put there is news just as well when that is known.
    """
    return not is_ours(slots, side, name, told) and any(
        slots.is_unsettled(side, slot) for slot in _slots_writing(slots, side, name)
    )


def is_of_another_link(slots: Slots, view: View, name: str) -> bool:
    """Whether a field of a ticket shows what another of its links wrote."""
    side = next(side for side, each in slots.views.items() if each is view)
    value = view.get(name)
    return not isinstance(value, Missing) and slots.is_foreign(side, name, value)


def _is_held(slots: Slots, side: Side, view: View, name: str) -> bool:
    value = view.get(name)
    return not isinstance(value, Missing) and slots.is_held(side, name, value)


def is_ours(slots: Slots, side: Side, name: str, told: str) -> bool:
    """Whether a field shows what we wrote there, or are just writing (R5)."""
    for slot in _slots_writing(slots, side, name):
        writers = slots.carriers(slot, source=side.other)
        written = [writer.slots[slot].target_value for writer in writers]
        baseline = slots.baseline(side, slot)
        if baseline is not None and baseline.written_at is not None:
            written.append(baseline.value)
        if any(_is_told(each, told) for each in written):
            return True
    return False


def is_before_ours(slots: Slots, side: Side, name: str, told: str) -> bool:
    """Whether a field may show what stood there before our write (R1).

    A ticket that our write created shows nothing older.
    """
    for slot in _slots_writing(slots, side, name):
        baseline = slots.baseline(side, slot)
        if baseline is None or isinstance(baseline.previous, Missing):
            continue
        if slots.is_settling(side, slot) and not _is_told(baseline.value, told):
            return True
    return False


def _is_told(value: Value | Missing, told: str) -> bool:
    return not isinstance(value, Missing) and short(as_text(value)) == told


def _slots_writing(slots: Slots, side: Side, name: str) -> Iterator[str]:
    for rule in slots.state.rules.fields:
        if rule.target_side is side and rule.target == name:
            yield rule.slot
    for paired in slots.state.rules.paired:
        if name == (paired.itsm if side is Side.ITSM else paired.vendor):
            yield paired.slot
    if name == STATUS and slots.state.rules.status is not None:
        yield STATUS


def changed_sides(slots: Slots, paired: PairedField) -> frozenset[Side]:
    """Name the sides whose value of a two-directional field is news."""
    changed: set[Side] = set()
    for side, value in paired_values(paired, slots.views).items():
        if isinstance(value, Missing) or value == slots.accounted(side, paired.slot):
            continue
        name = paired.itsm if side is Side.ITSM else paired.vendor
        if not paired.relay and (
            slots.is_foreign(side, name, value) or slots.is_held(side, name, value)
        ):
            continue
        if not slots.is_stale(side, paired.slot, value) and not slots.is_expected(
            side, paired.slot, value
        ):
            changed.add(side)
    return frozenset(changed)


def changed_slots(slots: Slots) -> frozenset[str]:
    """Name the slots that are news on either side."""
    changed = {rule.slot for rule, view in directed(slots) if changed_inputs(slots, rule, view)}
    changed |= {
        paired.slot
        for paired in slots.state.rules.paired
        if changed_sides(slots, paired) or _moved_zone(slots, paired)
    }
    return frozenset(changed)


# --- one direction ---------------------------------------------------------------------------


def plan_directed(slots: Slots, draft: Draft) -> None:
    """Decide every one-directional field."""
    for rule, view in directed(slots):
        if rule.slot in slots.state.conflicts or has_stale_input(slots, rule, view):
            continue
        names = inputs(rule.expression, slots.state.rules.derive)
        source_value = fingerprint(view, names)
        changed = changed_inputs(slots, rule, view)
        if any(may_be_ours(slots, rule.target_side.other, *one) for one in source_value.items()):
            continue
        if changed:
            _write_directed(slots, draft, rule, view, source_value)
        elif changed is None and _is_first_look(slots, rule):
            _meet(slots, draft, rule, view, source_value)
        elif changed is None or slots.accounted(rule.target_side.other, rule.slot) != source_value:
            draft.account(rule.target_side.other, rule.slot, source_value)
            if changed is None:
                _compare(slots, draft, rule, view)
        elif slots.accounted(rule.target_side.other, WITHHELD + rule.slot):
            _forget_withheld(slots, draft, rule, view)


def _compare(slots: Slots, draft: Draft, rule: FieldRule, view: View) -> None:
    """Show where tickets that people paired, or paired again, differ: there is no ancestor (R13).

    Which of the two values is the older one nobody knows: neither is overwritten before the source
    changes, or a person has it carried.
    """
    target, source = rule.target_side, rule.target_side.other
    there, traits = slots.views.get(target), slots.state.traits[target]
    known, value = traits.fields.get(rule.target), computed(rule, view, slots.state.rules)
    is_by_hand = slots.state.is_fresh and slots.state.origin is None
    is_set = rule.changes is ChangePolicy.UPDATE and is_writable(rule.target, traits, UPDATE)
    is_shown = known is not None and known.readable and there is not None
    if not (is_by_hand and is_set and is_shown) or there is None or isinstance(value, Missing):
        return
    written, _ = fit(aim_of(rule), value, traits)
    if (
        is_empty(value)
        or _is_there(slots, rule, value)
        or (written is not None and _is_there(slots, rule, written))
    ):
        return
    kept, ours = _brief(there.ticket.get(rule.target)), _brief(value)
    why = (
        f"paired while it was {kept!r} there and is {ours!r} here; kept until it changes "
        f"here, or `syncd reconcile --repair`"
    )
    draft.note("field.not_carried", f"{rule.target}: {why}", rule.place)
    draft.account(source, WITHHELD + rule.slot, f"{rule.target}: {why} ({rule.place})")


def _brief(value: Value | Missing) -> str:
    text = as_text(value)
    return text if len(text) <= BRIEF_CHARS else f"{text[:BRIEF_CHARS]}…"


def _forget_withheld(slots: Slots, draft: Draft, rule: FieldRule, view: View) -> None:
    """Say no more that a value was not carried once it stands there all the same."""
    value = computed(rule, view, slots.state.rules)
    if not is_empty(value) and not isinstance(value, Missing) and _is_there(slots, rule, value):
        carried_again(slots, draft, rule.target_side.other, rule.slot)


def _is_first_look(slots: Slots, rule: FieldRule) -> bool:
    """Whether a rule brings a field of a ticket we opened, read for the first time, to its origin.

    Texts made of several values, and what is said instead of set, wait for a change.
    """
    source = rule.expression.source
    is_plain = isinstance(source, FieldOf) and source.name not in slots.state.rules.derive
    is_set = rule.changes is ChangePolicy.UPDATE
    return slots.state.is_fresh and slots.state.origin is rule.target_side and is_plain and is_set


def _meet(slots: Slots, draft: Draft, rule: FieldRule, view: View, source_value: Value) -> None:
    """Bring what a new partner shows at first to the ticket it was opened for.

    It fills a field that is empty there. Where another value stands it may be the provider's
    default as well as a person's first change: the origin keeps its own, and that is shown.
    """
    target, source = rule.target_side, rule.target_side.other
    traits, there = slots.state.traits[target], slots.views.get(target)
    known = traits.fields.get(rule.target)
    value = computed(rule, view, slots.state.rules)
    names = inputs(rule.expression, slots.state.rules.derive)
    theirs = fingerprint(view, names).items()
    is_known = any(is_ours(slots, source, name, told) for name, told in theirs) or (
        not rule.relay and any(is_of_another_link(slots, view, name) for name in names)
    )
    is_told = all(not is_empty(view.get(name)) for name in names)
    is_shown = known is not None and known.readable and UPDATE in known.writable
    is_open = is_told and is_shown and not is_known
    if not is_open or there is None or isinstance(value, Missing) or is_empty(value):
        draft.account(source, rule.slot, source_value)
    elif is_empty(there.get(rule.target)):
        _write_directed(slots, draft, rule, view, source_value)
    else:
        draft.account(source, rule.slot, source_value)
        if not _is_there(slots, rule, value):
            first = ", ".join(as_text(view.ticket.get(name)) for name in names)
            kept = as_text(there.ticket.get(rule.target))
            why = f"it was {first!r} when first read, {kept!r} is kept until it changes"
            draft.note("field.not_carried", f"{rule.target}: {why}", rule.place)
            draft.account(source, WITHHELD + rule.slot, f"{rule.target}: {why} ({rule.place})")


def _write_directed(
    slots: Slots, draft: Draft, rule: FieldRule, view: View, source_value: Value
) -> None:
    target, source = rule.target_side, rule.target_side.other
    carried_again(slots, draft, source, rule.slot)
    value = computed(rule, view, slots.state.rules)
    aim, traits = aim_of(rule), slots.state.traits[target]
    if rule.changes is ChangePolicy.IGNORE or is_empty(value):
        if is_empty(value) and (why := why_nothing(rule.expression, view)):
            withhold(slots, draft, aim, (source_value, why))
            return
        if is_empty(value) and rule.missing_parks:
            draft.note("field.missing", f"{rule.target} has no value any more", rule.place)
        draft.account(source, rule.slot, source_value)
        return
    if rule.changes is ChangePolicy.COMMENT:
        draft.early.append(_said(rule, value, SlotMove(source=source, source_value=source_value)))
        return
    written, rest = fit(aim, value, traits)
    if not is_writable(rule.target, traits, UPDATE):
        withhold(slots, draft, aim, (source_value, "it cannot be changed there"))
        return
    if written is None:
        withhold(slots, draft, aim, (source_value, too_long(aim, value, traits)))
        return
    carriers = slots.carriers(rule.slot, source=source)
    if _is_there(slots, rule, written) and not carriers:
        draft.account(source, rule.slot, source_value)
        draft.account(target, rule.slot, traits.normalise(rule.target, written))
        return
    move = SlotMove(
        source=source,
        source_value=source_value,
        target_value=traits.normalise(rule.target, written),
    )
    draft.writes[target].append(
        FieldWrite(
            slot=rule.slot, name=rule.target, value=written, move=move, place=str(rule.place)
        )
    )
    if rest:
        draft.early.append(rest_said(aim, rest))


def is_empty(value: Value | Missing) -> bool:
    """Whether an expression gave nothing to write."""
    return isinstance(value, Missing) or value is None or value == ""


def is_writable(name: str, traits: SideTraits, how: str) -> bool:
    """Whether a field can be written by a kind of write; unknown fields are left to the adapter."""
    known = traits.fields.get(name)
    return known is None or how in known.writable


def _is_there(slots: Slots, rule: FieldRule, value: Value) -> bool:
    """Whether the target shows a value, and not only from before our last write there."""
    side, name = rule.target_side, rule.target
    view = slots.views.get(side)
    if view is None:
        return False
    stands = slots.standing(side, rule.slot, view.get(name))
    return stands == view.traits.normalise(name, value)


def _said(rule: FieldRule, value: Value | Missing, move: SlotMove) -> PlannedOperation:
    text = f"{rule.target} changed: {as_text(value)}"
    return PlannedOperation(
        target=rule.target_side,
        kind=WriteKind.COMMENT,
        reason=Reason.CHANGE_SAID,
        comment=CommentDraft(body=text, author="", kind=CommentKind.COMMENT),
        slots={rule.slot: move},
        place=str(rule.place),
    )


# --- both directions -------------------------------------------------------------------------


def plan_paired(slots: Slots, draft: Draft) -> None:
    """Decide every two-directional field."""
    for paired in slots.state.rules.paired:
        if paired.slot not in slots.state.conflicts:
            _plan_pair(slots, draft, paired)


def _plan_pair(slots: Slots, draft: Draft, paired: PairedField) -> None:
    values = paired_values(paired, slots.views)
    changed = changed_sides(slots, paired)
    for side, value in values.items():
        name = paired.itsm if side is Side.ITSM else paired.vendor
        if isinstance(value, Missing) or paired.relay or not slots.is_foreign(side, name, value):
            continue
        if value != slots.accounted(side, paired.slot):
            draft.account(side, paired.slot, value)
    emptied = frozenset(side for side in changed if is_empty(values[side]))
    moved = _moved_zone(slots, paired) if changed == emptied else frozenset[Side]()
    if moved:
        changed = moved  # What was emptied has nothing to carry; what is to be carried again has.
        _account_all(draft, paired, {side: values[side] for side in emptied})
    if slots.is_too_early(paired.slot, changed, values):
        return
    _note_zone(slots, draft, paired)
    if changed:
        _decide_pair(slots, draft, paired, changed)


def _decide_pair(slots: Slots, draft: Draft, paired: PairedField, changed: frozenset[Side]) -> None:
    values = paired_values(paired, slots.views)
    if _is_new_rule(slots, paired):
        _account_all(draft, paired, values)
    elif len(values) < len(Side):
        _write_paired(slots, draft, paired, next(iter(changed)))
    elif _agree(slots, paired, standing := _standing(slots, paired, values)):
        _account_all(draft, paired, standing)
    elif len(changed) == 1:
        _write_paired(slots, draft, paired, next(iter(changed)))
    else:
        _resolve(slots, draft, paired, values)


def _moved_zone(slots: Slots, paired: PairedField) -> frozenset[Side]:
    """Name the side to be carried again because the ITSM's ticket chooses another zone now.

    That is what could not be carried before; else the wall time stands, and the instant follows it.
    """
    before = slots.accounted(Side.ITSM, ZONED + paired.slot)
    now = zone_name(paired, slots.views)
    if not now or isinstance(before, Missing) or before == now:
        return frozenset()
    held = frozenset(side for side in Side if slots.accounted(side, WITHHELD + paired.slot))
    return frozenset(side for side in held or {paired.wall} if side in slots.views)


def _note_zone(slots: Slots, draft: Draft, paired: PairedField) -> None:
    if paired.zone is None or Side.ITSM not in slots.views:
        return
    before, now = slots.accounted(Side.ITSM, ZONED + paired.slot), zone_name(paired, slots.views)
    if isinstance(before, Missing) or (now and now != before):
        draft.account(Side.ITSM, ZONED + paired.slot, now)


def _standing(
    slots: Slots, paired: PairedField, values: Mapping[Side, Value | Missing]
) -> dict[Side, Value | Missing]:
    return {side: slots.standing(side, paired.slot, value) for side, value in values.items()}


def _is_new_rule(slots: Slots, paired: PairedField) -> bool:
    """Whether an edit of the mapping brought the rule: it waits for a change (R13)."""
    accounted = [slots.accounted(side, paired.slot) for side in Side]
    return not slots.state.is_fresh and all(isinstance(each, Missing) for each in accounted)


def _account_all(draft: Draft, paired: PairedField, values: Mapping[Side, Value | Missing]) -> None:
    for side, value in values.items():
        if not isinstance(value, Missing):
            draft.account(side, paired.slot, value)


def _agree(slots: Slots, paired: PairedField, values: Mapping[Side, Value | Missing]) -> bool:
    """Whether any declared direction maps one side's value to the other's, cut where it must be."""
    for source in Side:
        aim, traits = aim_at(paired, source.other), slots.state.traits[source.other]
        found = values[source.other]
        wanted = mapped(paired, source, values[source], slots.views)
        if isinstance(wanted, Missing) or isinstance(found, Missing):
            continue
        view = slots.views[source]
        is_shown = view.get(aim_at(paired, source).field) == values[source]
        shown = written_value(paired, source, slots.views)
        kept, _ = fit(aim, shown, traits) if is_shown else (None, "")
        written = [wanted] if kept is None else [wanted, kept]
        if any(is_same(paired, traits.normalise(aim.field, one), found) for one in written):
            return True
    return False


def _resolve(
    slots: Slots, draft: Draft, paired: PairedField, values: Mapping[Side, Value | Missing]
) -> None:
    """Settle a two-sided change by the field's policy (R7)."""
    is_unrelated = slots.baseline(Side.ITSM, paired.slot) is None
    winner = {
        ConflictPolicy.ITSM: Side.ITSM,
        ConflictPolicy.VENDOR: Side.VENDOR,
    }.get(paired.conflict)
    if is_unrelated:
        winner = slots.state.origin  # Opened by us: the ticket it was opened from. By hand: nobody.
    shown = {side: None if isinstance(each, Missing) else each for side, each in values.items()}
    if winner is None:
        draft.conflicts.append(
            FoundConflict(
                slot=paired.slot,
                itsm_value=shown[Side.ITSM],
                vendor_value=shown[Side.VENDOR],
                place=str(paired.place),
            )
        )
        return
    loser = winner.other
    draft.note(
        "field.overruled",
        f"{paired.slot}: {winner} says {as_text(values[winner])!r}, "
        f"which overrules {as_text(values[loser])!r}",
        paired.place,
    )
    _write_paired(slots, draft, paired, winner, overruled=values[loser])


def _write_paired(
    slots: Slots,
    draft: Draft,
    paired: PairedField,
    source: Side,
    *,
    overruled: Value | Missing = MISSING,
) -> None:
    values = paired_values(paired, slots.views)
    value = values[source]
    if isinstance(value, Missing):
        return
    target = source.other
    aim, traits = aim_at(paired, target), slots.state.traits[target]
    carried_again(slots, draft, source, paired.slot)
    wanted = written_value(paired, source, slots.views)
    if why := why_no_time(paired, source, slots.views):
        withhold(slots, draft, aim, (value, why))
        return
    if isinstance(wanted, Missing) or wanted == "" or wanted is None:
        why = f"{as_text(value)!r} is not in its map" if as_text(value) else "it was emptied"
        draft.note("field.unknown_label", f"{paired.slot}: {why}")
        draft.account(source, paired.slot, value)
        return
    carried_again(slots, draft, target, paired.slot)
    if target in slots.views and not is_writable(aim.field, traits, UPDATE):
        withhold(slots, draft, aim, (value, f"it cannot be changed on the {target} side"))
        return
    kept, rest = fit(aim, wanted, traits)
    if kept is None:
        withhold(slots, draft, aim, (value, too_long(aim, wanted, traits)))
        return
    written = traits.normalise(aim.field, kept)
    move = SlotMove(source=source, source_value=value, target_value=written, overruled=overruled)
    draft.writes[target].append(
        FieldWrite(slot=paired.slot, name=aim.field, value=kept, move=move, place=str(paired.place))
    )
    if rest:
        draft.early.append(rest_said(aim, rest))
