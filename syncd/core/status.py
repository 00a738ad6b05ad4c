"""The status of both sides: tables of what each label does on the other (MAPPING.md, status)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from syncd.core.evaluate import View, as_text, phase_of
from syncd.core.rules import (
    CloseWhen,
    ConflictPolicy,
    StatusAction,
    StatusEffect,
    StatusRules,
)
from syncd.core.slots import STATUS, Draft, Slots
from syncd.core.state import FoundConflict, PlannedOperation, Rank, Reason, SideTraits, SlotMove
from syncd.model.ids import Side
from syncd.model.operation import CommentDraft, WriteKind
from syncd.model.ticket import MISSING, Missing, Value

SETTING = (StatusEffect.SET, StatusEffect.CANCEL)
"""What leaves the target with a status that the rule names."""

ENDING = (StatusEffect.CANCEL, StatusEffect.DELETE)
"""What is done also to a target whose status is not known yet: delivery reads it first."""

NOT_FOLLOWED = "status.not_followed_up"
"""Journalled where a follow-up was asked for and what the rule does else was done."""

CLOSING_PHASES = ("resolved", "closed")
"""Setting a status of these phases comes after all comments and attachments (R6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """A changed status of one side and what it does on the other."""

    source: Side
    label: str
    action: StatusAction


def status_of(view: View) -> str:
    """Return a ticket's status after N; empty when the provider does not tell it."""
    return view.text(STATUS)


def has_status_changed(slots: Slots) -> bool:
    """Whether either side's status is news."""
    return slots.state.rules.status is not None and bool(changed_statuses(slots))


def changed_statuses(slots: Slots) -> tuple[Side, ...]:
    """Name the sides whose status is news."""
    found: list[Side] = []
    for side, view in slots.views.items():
        label = status_of(view)
        if not label or label == slots.accounted(side, STATUS):
            continue
        if not _is_relayed(slots) and (
            slots.is_foreign(side, STATUS, label) or slots.is_held(side, STATUS, label)
        ):
            continue
        landed = slots.is_expected(side, STATUS, label)
        if not landed and not slots.is_stale(side, STATUS, label):
            found.append(side)
    return tuple(found)


def _is_relayed(slots: Slots) -> bool:
    return slots.state.rules.status is not None and slots.state.rules.status.relay


def plan_status(slots: Slots, draft: Draft) -> None:
    """Decide what a changed status of either side does on the other."""
    rules = slots.state.rules.status
    if rules is None or STATUS in slots.state.conflicts:
        return
    changed = changed_statuses(slots)
    for side, view in slots.views.items():
        label = status_of(view)
        is_theirs = not _is_relayed(slots) and slots.is_foreign(side, STATUS, label)
        if is_theirs and label != slots.accounted(side, STATUS):
            draft.account(side, STATUS, label)
    labels = {side: status_of(view) for side, view in slots.views.items()}
    if slots.is_too_early(STATUS, changed, labels):
        return
    if not changed or _is_new_rule(slots, draft):
        return
    if len(changed) == len(Side) and _agree(rules, slots):
        for side, view in slots.views.items():
            draft.account(side, STATUS, status_of(view))
        return
    moves = [_move(rules, slots, side) for side in changed]
    decisive = (*SETTING, StatusEffect.DELETE)
    settings = [move for move in moves if move.action.effect in decisive]
    if len(settings) == len(Side):
        _resolve(rules, slots, draft, settings)
        return
    for move in moves:
        # A label of the other side that is said, not set, is replaced there all the same.
        _carry(slots, draft, move, overruled=_label_of(moves, move.source.other))


def _label_of(moves: list[_Move], side: Side) -> Value | Missing:
    return next((move.label for move in moves if move.source is side), MISSING)


def _is_new_rule(slots: Slots, draft: Draft) -> bool:
    """Take both labels as they are when an edit of the mapping brought the tables (R13)."""
    if slots.state.is_fresh or any(
        not isinstance(slots.accounted(side, STATUS), Missing) for side in Side
    ):
        return False
    for side, view in slots.views.items():
        draft.account(side, STATUS, status_of(view))
    return True


def action_for(rules: StatusRules, target: Side, label: str, target_label: str) -> StatusAction:
    """Return what a label does on `target`, whose own status is `target_label`."""
    table, unknown = rules.toward(target)
    return _allowed(table.get(label, unknown), target_label)


def _allowed(action: StatusAction, target_label: str) -> StatusAction:
    """Give what an action comes to with the target as it is: itself, or what is done else."""
    if action.only_from is None or target_label in action.only_from:
        return action
    if action.effect in SETTING and action.status == target_label:
        return action
    if action.effect in ENDING and not target_label:
        return action
    if action.otherwise is None:
        return StatusAction(place=action.place)
    return _allowed(action.otherwise, target_label)


def _move(rules: StatusRules, slots: Slots, source: Side) -> _Move:
    label = status_of(slots.views[source])
    stands = _standing(slots, source.other)
    return _Move(source=source, label=label, action=action_for(rules, source.other, label, stands))


def _standing(slots: Slots, side: Side) -> str:
    """Give a ticket's status, or what we set where it shows what was there before; else empty."""
    view = slots.views.get(side)
    return "" if view is None else as_text(slots.standing(side, STATUS, status_of(view)))


def _agree(rules: StatusRules, slots: Slots) -> bool:
    itsm, vendor = (status_of(slots.views[side]) for side in (Side.ITSM, Side.VENDOR))
    there = rules.to_vendor.get(itsm, StatusAction())
    here = rules.to_itsm.get(vendor, StatusAction())
    follows = there.effect in SETTING and there.status == vendor
    return follows or (here.effect in SETTING and here.status == itsm)


def _resolve(rules: StatusRules, slots: Slots, draft: Draft, moves: list[_Move]) -> None:
    """Settle two statuses that contradict each other, by the policy."""
    by_side = {move.source: move for move in moves}
    winner = {ConflictPolicy.ITSM: Side.ITSM, ConflictPolicy.VENDOR: Side.VENDOR}.get(
        rules.conflict
    )
    if slots.state.is_fresh and not any(slots.baseline(side, STATUS) for side in Side):
        winner = slots.state.origin
    if winner is None:
        draft.conflicts.append(
            FoundConflict(
                slot=STATUS,
                itsm_value=by_side[Side.ITSM].label,
                vendor_value=by_side[Side.VENDOR].label,
                place=str(by_side[Side.ITSM].action.place),
            )
        )
        return
    loser = by_side[winner.other]
    draft.note(
        "status.overruled",
        f"{winner} says {by_side[winner].label!r}, which overrules {loser.label!r}",
        loser.action.place,
    )
    _carry(slots, draft, by_side[winner], overruled=loser.label)


def _carry(slots: Slots, draft: Draft, move: _Move, overruled: Value | Missing = MISSING) -> None:
    target = move.source.other
    if waiting := _waits_for_others(slots, move):
        draft.note("status.waits_for_others", waiting, move.action.place)
        draft.account(move.source, STATUS, move.label)
        return
    match move.action.effect:
        case StatusEffect.NOTHING:
            draft.account(move.source, STATUS, move.label)
        case StatusEffect.SET | StatusEffect.CANCEL if (
            _standing(slots, target) == move.action.status
        ):
            draft.account(move.source, STATUS, move.label)
            draft.account(target, STATUS, move.action.status)
        case StatusEffect.SET:
            draft.early.append(_set(slots, move, overruled))
        case StatusEffect.CANCEL:
            slot = _status_move(move, overruled)
            draft.early.append(cancel(slots, move.source, move.action, {STATUS: slot}))
        case StatusEffect.DELETE:
            draft.early.append(_delete(move))
        case StatusEffect.SAY:
            draft.early.append(_say(slots, move))
        case StatusEffect.FOLLOW_UP:
            _not_followed(slots, draft, move)


def _not_followed(slots: Slots, draft: Draft, move: _Move) -> None:
    """Do what the rule does else: the ticket matches no more, or the partner moved as well.

    Where a follow-up is due, the link's last plan takes the place of this one.
    """
    action = move.action.otherwise or StatusAction(place=move.action.place)
    draft.note(NOT_FOLLOWED, f"{move.label}: `else` is done", move.action.place)
    _carry(slots, draft, replace(move, action=action))


def _waits_for_others(slots: Slots, move: _Move) -> str:
    """Say why a shared ITSM ticket is not closed yet (`close_when: all`); empty when it is.

    The partner that is closed last closes it.
    """
    rules = slots.state.rules.status
    if rules is None or rules.close_when is CloseWhen.ANY or move.source is not Side.VENDOR:
        return ""
    if move.action.effect is not StatusEffect.SET:
        return ""
    wanted = phase_of(move.action.status, slots.state.traits[Side.ITSM])
    enough = CLOSING_PHASES[CLOSING_PHASES.index(wanted) :] if wanted in CLOSING_PHASES else ()
    waiting = sum(phase not in enough for phase in slots.state.siblings) if enough else 0
    return f"{move.action.status!r} waits for {waiting} other partner(s)" if waiting else ""


def _set(slots: Slots, move: _Move, overruled: Value | Missing) -> PlannedOperation:
    target = move.source.other
    context = slots.views[move.source].context
    fields: dict[str, Value] = {STATUS: move.action.status}
    for name, template in move.action.fields.items():
        rendered = template.render(context)
        if rendered:
            fields[name] = rendered
    return PlannedOperation(
        target=target,
        kind=WriteKind.STATUS,
        reason=Reason.STATUS_FOLLOWS,
        fields=fields,
        slots={STATUS: _status_move(move, overruled)},
        rank=closing_rank(move.action.status, slots.state.traits[target]),
        only_from=move.action.only_from,
        place=str(move.action.place),
    )


def _status_move(move: _Move, overruled: Value | Missing) -> SlotMove:
    return SlotMove(
        source=move.source,
        source_value=move.label,
        target_value=move.action.status,
        overruled=overruled,
    )


def cancel(
    slots: Slots, source: Side, action: StatusAction, moves: Mapping[str, SlotMove]
) -> PlannedOperation:
    """Plan the write that cancels the partner of a ticket of `source`.

    The status it leaves is ours: seen there, it is no news for the ticket it came from.
    """
    shown = status_of(slots.views[source])
    status = SlotMove(source=source, source_value=shown, target_value=action.status)
    # As the provider writes it: the mapping's label may be the connection's own spelling.
    label = slots.state.traits[source.other].features.cancelled_status
    fields: dict[str, Value] = {STATUS: label or action.status}
    if action.cancel_reason:
        fields["cancel_reason"] = action.cancel_reason
    return PlannedOperation(
        target=source.other,
        kind=WriteKind.STATUS,
        reason=Reason.CANCELLED,
        fields=fields,
        slots={STATUS: status, **moves},
        rank=Rank.CLOSING,
        only_from=action.only_from,
        place=str(action.place),
    )


def _delete(move: _Move) -> PlannedOperation:
    return PlannedOperation(
        target=move.source.other,
        kind=WriteKind.DELETE,
        reason=Reason.DELETED,
        slots={STATUS: SlotMove(source=move.source, source_value=move.label)},
        rank=Rank.CLOSING,
        only_from=move.action.only_from,
        place=str(move.action.place),
    )


def closing_rank(label: str, traits: SideTraits) -> Rank:
    """Return CLOSING for a status after which the ticket may take nothing more."""
    closing = (
        traits.normalise(STATUS, each)
        for phase in CLOSING_PHASES
        for each in traits.phases.get(phase, ())
    )
    return Rank.CLOSING if traits.normalise(STATUS, label) in closing else Rank.NORMAL


def _say(slots: Slots, move: _Move) -> PlannedOperation:
    number = slots.views[move.source].ticket.number
    text = f"{number}: status is now {as_text(move.label)}"
    told = SlotMove(source=move.source, source_value=move.label)
    return say(move.source.other, text, move.action, {STATUS: told})


def say(
    target: Side, text: str, action: StatusAction, moves: Mapping[str, SlotMove]
) -> PlannedOperation:
    """Plan the comment that stands for a status the other side cannot be given."""
    return PlannedOperation(
        target=target,
        kind=WriteKind.COMMENT,
        reason=Reason.STATUS_SAID,
        comment=CommentDraft(body=text, author="", kind=action.kind),
        slots=dict(moves),
        place=str(action.place),
    )
