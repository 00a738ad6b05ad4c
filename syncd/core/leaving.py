"""A linked ticket that stops matching its mapping's `when` (`no_longer`)."""

from collections.abc import Mapping

from syncd.core.evaluate import View, condition_inputs, examine, fingerprint, without
from syncd.core.rules import MappingRules, NoLonger, OpeningRules, StatusAction, StatusEffect
from syncd.core.slots import STATUS, Draft, Slots, is_unsent
from syncd.core.state import SlotMove
from syncd.core.status import CLOSING_PHASES, cancel, say, status_of
from syncd.model.ids import Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import Value

NO_LONGER = "no_longer"
"""The slot that knows whether the source ticket still matched, and what it showed then."""

MATCHES = "matches"
"""In that slot's value: whether the conditions held."""

_ENDING = frozenset({STATUS, "phase"})
"""A ticket that is being closed still belongs to its partner, which is to be closed as well."""


def why_detached(slots: Slots) -> str:
    """Say why the link ends where a ticket is let go; empty when it stays.

    With `cancel`, a partner that was not created yet is not created to be cancelled.
    """
    for opening, view in _left_openings(slots, NoLonger.DETACH):
        if not _holds(opening, view):
            return f"it no longer matches {opening.place}"
    creates = [each for each in slots.state.operations if each.kind is WriteKind.CREATE]
    if any(is_unsent(each) for each in creates):
        for opening, view in _left_openings(slots, NoLonger.CANCEL):
            if _is_leaving(slots, opening, view):
                return f"it no longer matches {opening.place}; its partner was not created yet"
    return ""


def plan_leaving(slots: Slots, draft: Draft) -> None:
    """Cancel the partner of a ticket that stopped matching, where `no_longer: cancel` says so.

    Only a change of what the conditions ask about counts: an edit of the mapping cancels nothing.
    """
    for opening, view in _left_openings(slots, NoLonger.CANCEL):
        source = opening.target_side.other
        now = standing(slots.state.rules, opening, view)
        if slots.accounted(source, NO_LONGER) == now:
            continue
        action = opening.cancel
        target = slots.views.get(opening.target_side)
        label = status_of(target) if target is not None else ""
        if action.only_from is not None and label and label not in action.only_from:
            action = action.otherwise or StatusAction(place=action.place)
        moves = {NO_LONGER: SlotMove(source=source, source_value=now)}
        is_over = not _is_leaving(slots, opening, view) or _is_ended(slots, opening, draft)
        if not is_over and action.effect is StatusEffect.CANCEL:
            draft.early.append(cancel(slots, source, action, moves))
        elif not is_over and action.effect is StatusEffect.SAY:
            text = f"{view.ticket.number} no longer needs this ticket"
            draft.early.append(say(source.other, text, action, moves))
        else:
            draft.account(source, NO_LONGER, now)


def _is_leaving(slots: Slots, opening: OpeningRules, view: View) -> bool:
    """Whether a ticket that matched does not any more, because it changed."""
    before = slots.accounted(opening.target_side.other, NO_LONGER)
    now = standing(slots.state.rules, opening, view)
    if not isinstance(before, Mapping) or before.get(MATCHES) != "yes" or now[MATCHES] == "yes":
        return False
    return any(before.get(name, value) != value for name, value in now.items() if name != MATCHES)


def has_left(slots: Slots) -> bool:
    """Whether a ticket's standing under `no_longer: cancel` is news."""
    return any(
        slots.accounted(opening.target_side.other, NO_LONGER)
        != standing(slots.state.rules, opening, view)
        for opening, view in _left_openings(slots, NoLonger.CANCEL)
    )


def standing(rules: MappingRules, opening: OpeningRules, view: View) -> dict[str, str]:
    """Give what the slot keeps: whether the ticket matches, and the fields that decide it."""
    names = condition_inputs(without(opening.when, _ENDING), rules.derive)
    return {MATCHES: "yes" if _holds(opening, view) else "no", **fingerprint(view, names)}


def birth_slots(rules: MappingRules, opening: OpeningRules, view: View) -> dict[str, SlotMove]:
    """Account for a ticket's standing when its partner is opened."""
    if opening.no_longer is not NoLonger.CANCEL:
        return {}
    value: Value = standing(rules, opening, view)
    return {NO_LONGER: SlotMove(source=opening.target_side.other, source_value=value)}


def _left_openings(slots: Slots, wanted: NoLonger) -> list[tuple[OpeningRules, View]]:
    found = []
    for target in Side:
        opening, view = slots.state.rules.opening(target), slots.views.get(target.other)
        if opening is None or view is None or slots.state.origin is not target.other:
            continue
        if opening.no_longer is wanted:
            found.append((opening, view))
    return found


def _holds(opening: OpeningRules, view: View) -> bool:
    return examine(without(opening.when, _ENDING), view)[0]


def _is_ended(slots: Slots, opening: OpeningRules, draft: Draft) -> bool:
    """Whether the partner is cancelled already, or the status tables are just ending it."""
    target = slots.views.get(opening.target_side)
    if target is not None and target.get("phase") in CLOSING_PHASES:
        return True
    if target is not None and status_of(target) == opening.cancel.status:
        return True
    return any(
        each.target is opening.target_side
        and (each.kind is WriteKind.DELETE or each.fields.get(STATUS) == opening.cancel.status)
        for each in draft.early
    )
