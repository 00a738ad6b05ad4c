"""What does not fit the field it is written to, and how that is told (DESIGN R10)."""

from dataclasses import dataclass

from syncd.core.cutting import cut, fits
from syncd.core.evaluate import as_text
from syncd.core.rules import FieldRule, LongPolicy, PairedField, Place
from syncd.core.slots import Draft, Slots
from syncd.core.state import WITHHELD, PlannedOperation, Reason, SideTraits, SlotMove
from syncd.model.ids import Side
from syncd.model.operation import CommentDraft, WriteKind
from syncd.model.ticket import Missing, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The field that a rule writes in one direction.

    Attributes:
        slot: of the rule.
        side: that is written.
        field: that is written there.
        long: what happens to a text that is too long for it.
        place: of the rule.
    """

    slot: str
    side: Side
    field: str
    long: LongPolicy
    place: Place


def aim_of(rule: FieldRule) -> Aim:
    """Give what a one-directional rule writes."""
    return Aim(
        slot=rule.slot,
        side=rule.target_side,
        field=rule.target,
        long=rule.long,
        place=rule.place,
    )


def aim_at(paired: PairedField, side: Side) -> Aim:
    """Give what a two-directional rule writes on a side."""
    name = paired.vendor if side is Side.VENDOR else paired.itsm
    return Aim(slot=paired.slot, side=side, field=name, long=paired.long, place=paired.place)


def fit(aim: Aim, value: Value | Missing, traits: SideTraits) -> tuple[Value, str]:
    """Make a value fit the field's limit.

    Returns:
        What is written and what was cut off; (None, "") when it is too long and may not be cut.
    """
    if isinstance(value, Missing):
        return None, ""
    known = traits.fields.get(aim.field)
    if not isinstance(value, str) or known is None:
        return value, ""
    if fits(value, known.max_chars, known.max_bytes):
        return value, ""
    if aim.long is LongPolicy.PARK:
        return None, ""
    kept, rest = cut(value, known.max_chars, known.max_bytes)
    return kept, rest if aim.long is LongPolicy.COMMENT else ""


def too_long(aim: Aim, value: Value | Missing, traits: SideTraits) -> str:
    """Say by how much a text is too long."""
    known, text = traits.fields[aim.field], as_text(value)
    if known.max_chars is not None and len(text) > known.max_chars:
        return f"{len(text)} characters are too long, {known.max_chars} are taken"
    size = len(text.encode("utf-8", "replace"))
    return f"{size} bytes are too long, {known.max_bytes} are taken"


def rest_said(aim: Aim, rest: str) -> PlannedOperation:
    """Plan the comment that carries what was cut off a long field."""
    return PlannedOperation(
        target=aim.side,
        kind=WriteKind.COMMENT,
        reason=Reason.REST_SAID,
        comment=CommentDraft(body=f"{aim.field}, continued: {rest}", author=""),
        place=str(aim.place),
    )


def withhold(slots: Slots, draft: Draft, aim: Aim, what: tuple[Value, str]) -> None:
    """Say that a change is not carried: in the journal, to `explain`, and to the desk if asked.

    Args:
        slots: of the link.
        draft: takes what is planned.
        aim: the field that is not written.
        what: the source's value, which is accounted for, and why it is not carried.
    """
    source, (source_value, why) = aim.side.other, what
    draft.note("field.not_carried", f"{aim.field}: {why}", aim.place)
    tell = slots.state.rules.tell_problems
    draft.account(source, WITHHELD + aim.slot, f"{aim.field}: {why} ({aim.place})")
    if tell is None or source is not Side.ITSM:
        draft.account(source, aim.slot, source_value)
        return
    body = f"Not sent: {aim.field}: {why} ({aim.place})"
    draft.early.append(
        PlannedOperation(
            target=Side.ITSM,
            kind=WriteKind.COMMENT,
            reason=Reason.PROBLEM_SAID,
            comment=CommentDraft(body=body, author="", kind=tell),
            slots={aim.slot: SlotMove(source=source, source_value=source_value)},
            place=str(aim.place),
        )
    )


def carried_again(slots: Slots, draft: Draft, side: Side, slot: str) -> None:
    """Forget that a side's value was not carried: a newer one is decided about."""
    if slots.accounted(side, WITHHELD + slot):
        draft.account(side, WITHHELD + slot, None)
