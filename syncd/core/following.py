"""A vendor's ticket that takes nothing more: the link ends, and a follow-up takes its place.

The new ticket names the old one. What was said by the old link is history for the new one; what the
vendor's closed ticket did not get, the comment that caused the follow-up above all, goes to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from syncd.core.evaluate import examine, phase_of
from syncd.core.items import plan_items
from syncd.core.rules import StatusEffect
from syncd.core.slots import STATUS, Slots, is_unsent
from syncd.core.state import (
    FOLLOWED,
    FOLLOWS,
    Baseline,
    BaselineMove,
    FollowUp,
    ItemKind,
    ItemPair,
    LinkState,
    Note,
    OpenOperation,
    PairState,
    Plan,
)
from syncd.core.status import NOT_FOLLOWED, action_for, changed_statuses, status_of
from syncd.model.ids import OperationId, Side
from syncd.model.operation import OperationState, WriteKind
from syncd.model.ticket import Missing

CLOSED = "closed"
"""The phase of a ticket that takes no comments."""

_Item = tuple[ItemKind, Side, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What asks for a follow-up, and the rule that says so."""

    why: str
    place: str


def why_followed(slots: Slots) -> Cause | None:
    """Say what asks for a new ticket of the vendor; None where the one there is serves.

    The conditions of `open.to_vendor` must hold: what would get no partner gets no new one.
    """
    opening = slots.state.rules.open_to_vendor
    if opening is None or len(slots.views) < len(Side):
        return None
    cause = _by_status(slots) or _by_comment(slots)
    holds = cause is not None and examine(opening.when, slots.views[Side.ITSM])[0]
    return cause if holds else None


def _by_status(slots: Slots) -> Cause | None:
    """Ask the status table; where the vendor's ticket has just moved as well, that comes first."""
    rules = slots.state.rules.status
    if rules is None or STATUS in slots.state.conflicts:
        return None
    if changed_statuses(slots) != (Side.ITSM,) or slots.is_unsettled(Side.ITSM, STATUS):
        return None
    if isinstance(slots.accounted(Side.ITSM, STATUS), Missing):
        return None
    here, there = (status_of(slots.views[side]) for side in (Side.ITSM, Side.VENDOR))
    action = action_for(rules, Side.VENDOR, here, there)
    if action.effect is not StatusEffect.FOLLOW_UP:
        return None
    return Cause(why=f"status is now {here}, and theirs is {there}", place=str(action.place))


def _by_comment(slots: Slots) -> Cause | None:
    rules = slots.state.rules.comments.get(Side.VENDOR)
    vendor = slots.views[Side.VENDOR]
    if rules is None or not rules.follow_up:
        return None
    if phase_of(vendor.ticket.get(STATUS), slots.state.traits[Side.VENDOR]) != CLOSED:
        return None
    waiting = [each.item for each in _unsent(slots)]
    new = [each.item for each in plan_items(slots).operations if each.target is Side.VENDOR]
    if not any(item is not None and item[0] is ItemKind.COMMENT for item in (*waiting, *new)):
        return None
    return Cause(
        why=f"something is said, and theirs is {status_of(vendor)}", place=str(rules.place)
    )


def is_busy(slots: Slots) -> bool:
    """Whether a write to the vendor's ticket is under way: its outcome says what moves on."""
    return any(
        each.target is Side.VENDOR
        and not is_unsent(each)
        and each.state is not OperationState.PARKED
        for each in slots.state.operations
    )


def instead_of(slots: Slots, plan: Plan, cause: Cause) -> Plan:
    """Turn a link's plan into its last one: what is due to the ITSM goes out, the rest moves on."""
    ticket = slots.views[Side.VENDOR].ticket
    number = ticket.number or str(ticket.id)
    left = _left_unsent(slots)
    dropped = [each for each in plan.operations if each.target is Side.VENDOR]
    items = [each.item for each in dropped] + [each.item for each in left]
    carried: set[_Item] = {item for item in items if item is not None}
    moved = [_moved(kind, side, source) for kind, side, source in sorted(carried)]
    taken_back = {each.id for each in left}
    kept = [each for each in plan.pairs if (each.kind, each.origin, each.source_id) not in carried]
    return replace(
        plan,
        operations=tuple(each for each in plan.operations if each.target is Side.ITSM),
        superseded=tuple(sorted(_still_replaced(slots, plan) | taken_back)),
        baselines=(*plan.baselines, BaselineMove(side=Side.ITSM, slot=FOLLOWED, value=number)),
        pairs=(*kept, *moved),
        conflicts=(),
        notes=(
            *(note for note in plan.notes if note.event != NOT_FOLLOWED),
            Note(event="link.followed_up", detail=f"{number}: {cause.why}", place=cause.place),
        ),
        recheck_s=None,
        stale=frozenset(),
        detach="",
        follow_up=FollowUp(
            number=number,
            known=tuple(_known(_latest(slots, kept), carried, number)),
            why=cause.why,
            place=cause.place,
        ),
    )


def _still_replaced(slots: Slots, plan: Plan) -> set[OperationId]:
    """Name what the plan replaces on the ITSM's side."""
    there = {each.id for each in slots.state.operations if each.target is Side.VENDOR}
    return set(plan.superseded) - there


def _unsent(slots: Slots) -> list[OpenOperation]:
    return [
        each
        for each in slots.state.operations
        if each.target is Side.VENDOR and is_unsent(each) and each.kind is not WriteKind.CREATE
    ]


def _left_unsent(slots: Slots) -> list[OpenOperation]:
    """List what the vendor's old ticket did not get and need not get any more.

    What continues a comment whose beginning is there already stays with it.
    """
    left: list[OpenOperation] = []
    unsent = {each.id for each in _unsent(slots)}
    has_beginning = False
    for each in sorted(slots.state.operations, key=lambda one: one.id):
        if each.target is not Side.VENDOR:
            continue
        begins = each.item is not None or bool(each.slots)
        if begins:
            has_beginning = each.id in unsent
        if each.id in unsent and has_beginning:
            left.append(each)
    return left


def _moved(kind: ItemKind, side: Side, source_id: str) -> ItemPair:
    reason = "it goes to the follow-up"
    return ItemPair(
        kind=kind, origin=side, source_id=source_id, state=PairState.SKIPPED, reason=reason
    )


def _latest(slots: Slots, planned: list[ItemPair]) -> Iterable[ItemPair]:
    pairs = (*slots.state.pairs, *planned)
    return {(each.kind, each.origin, each.source_id): each for each in pairs}.values()


def _known(pairs: Iterable[ItemPair], carried: set[_Item], number: str) -> Iterator[ItemPair]:
    """Give what stands on the ITSM's ticket and was dealt with by the link that ends."""
    for pair in pairs:
        if pair.origin is Side.ITSM and (pair.kind, pair.origin, pair.source_id) not in carried:
            is_foreign = pair.state is PairState.FOREIGN
            state = PairState.FOREIGN if is_foreign else PairState.HISTORY
            reason = pair.reason or f"it was carried to {number}"
            yield replace(pair, target_id="", key=None, state=state, reason=reason)
        elif pair.origin is Side.VENDOR and pair.target_id:
            yield ItemPair(
                kind=pair.kind,
                origin=Side.ITSM,
                source_id=pair.target_id,
                state=PairState.HISTORY,
                reason=f"it came from {number}",
            )


# --- the new ticket --------------------------------------------------------------------------


def successor(state: LinkState, follow_up: FollowUp) -> LinkState:
    """Give the state of the link that takes the place of an ended one, before it is opened."""
    return replace(
        state,
        tickets={Side.ITSM: state.tickets[Side.ITSM]},
        numbers={Side.ITSM: state.numbers[Side.ITSM], Side.VENDOR: ""},
        baselines={(Side.ITSM, FOLLOWS): Baseline(value=follow_up.number)},
        pairs=follow_up.known,
        operations=(),
        conflicts=frozenset(),
        origin=Side.ITSM,
    )
