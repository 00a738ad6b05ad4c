"""When a ticket gets a partner on the other side, and what that partner starts with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from syncd.core.evaluate import (
    View,
    as_text,
    evaluate,
    examine,
    fingerprint,
    inputs,
    short,
    view_of,
    why_nothing,
)
from syncd.core.fields import is_empty, is_writable
from syncd.core.fitting import aim_at, aim_of, fit, rest_said
from syncd.core.items import (
    ItemDraft,
    carry_attachment,
    carry_comment,
    is_foreign,
    plan_items,
    withheld,
)
from syncd.core.leaving import birth_slots
from syncd.core.naming import computed, said_to_follow
from syncd.core.rules import LongPolicy, MappingRules, OpeningRules, StatusEffect
from syncd.core.slots import STATUS, Slots
from syncd.core.state import (
    ItemKind,
    ItemPair,
    LinkState,
    Note,
    NotOpened,
    Opening,
    PairState,
    Plan,
    PlannedOperation,
    Rank,
    Reason,
    SideTraits,
    SlotMove,
)
from syncd.core.status import closing_rank, status_of
from syncd.core.translating import why_no_time, written_value
from syncd.model.ids import AttachmentId, ConnectionName, LinkRow, OperationKey, Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import Missing, Ticket, Value

CREATE = "create"
UNBORN = LinkRow(0)
"""Stands for a link that is not stored yet."""


@dataclass(slots=True)
class _Birth:
    """The CREATE being gathered."""

    fields: dict[str, Value] = field(default_factory=dict)
    slots: dict[str, SlotMove] = field(default_factory=dict)
    after: list[PlannedOperation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def plan_opening(
    rules: MappingRules,
    ticket: Ticket,
    source: Side,
    traits: Mapping[Side, SideTraits],
    foreign: Sequence[ItemPair] = (),
    *,
    lost: Collection[AttachmentId] = (),
) -> Opening | NotOpened:
    """Decide whether a ticket without a link gets a partner, and what is created.

    Args:
        rules: the mapping.
        ticket: the ticket's newest snapshot.
        source: the side it is on.
        traits: both connections.
        foreign: what the ticket's other links wrote on it.
        lost: files left to the first decision about both tickets (`items.lost_files`).

    Returns:
        The opening with everything to be stored, or the tests and problems that prevent it.
    """
    birth = plan_birth(rules, ticket, source, traits)
    if isinstance(birth, NotOpened):
        return birth
    view = source_view(rules, ticket, source, traits[source])
    state = replace(_unborn(rules, view, traits, source), pairs=tuple(foreign))
    items = _items(state, view, lost)
    plan = replace(
        birth.plan,
        operations=(*birth.plan.operations, *items.operations),
        pairs=tuple(items.pairs),
    )
    return replace(birth, plan=plan)


def plan_followed(state: LinkState) -> Opening | NotOpened:
    """Decide whether the follow-up of an ended link's vendor ticket is opened, and with what.

    Args:
        state: a link that has an ITSM ticket alone, and knows which vendor ticket it follows.

    Returns:
        The opening, with what the old ticket did not get; or what prevents it.
    """
    ticket, rules, follows = state.tickets[Side.ITSM], state.rules, state.follows
    birth = plan_birth(rules, ticket, Side.ITSM, state.traits, follows=follows)
    if isinstance(birth, NotOpened):
        return birth
    traits = state.traits[Side.ITSM]
    view = source_view(rules, ticket, Side.ITSM, traits, follows=follows)
    items = plan_items(Slots(state=state, views={Side.ITSM: view}))
    said: tuple[PlannedOperation, ...] = ()
    if WriteKind.COMMENT in state.traits[Side.VENDOR].features.writes:
        said = said_to_follow(rules, follows, birth.plan.operations)
    operations = (*birth.plan.operations, *said, *items.operations)
    return replace(birth, plan=replace(birth.plan, operations=operations, pairs=tuple(items.pairs)))


def plan_birth(
    rules: MappingRules,
    ticket: Ticket,
    source: Side,
    traits: Mapping[Side, SideTraits],
    *,
    follows: str = "",
) -> Opening | NotOpened:
    """Decide as `plan_opening` does, comments and attachments left aside.

    Args:
        rules: the mapping.
        ticket: the ticket's newest snapshot.
        source: the side it is on.
        traits: both connections.
        follows: the vendor ticket that the new one is the follow-up of; empty for none.
    """
    opening = rules.opening(source.other)
    if opening is None:
        return NotOpened()
    view = source_view(rules, ticket, source, traits[source], follows=follows)
    holds, tests = examine(opening.when, view)
    if not holds:
        return NotOpened(tests=tests)
    birth = _birth(rules, opening, view, traits)
    if birth.problems:
        return NotOpened(tests=tests, problems=tuple(birth.problems))
    create = PlannedOperation(
        target=opening.target_side,
        kind=WriteKind.CREATE,
        reason=Reason.FOLLOWED_UP if follows else Reason.OPENED,
        fields=birth.fields,
        slots=birth.slots,
        rank=Rank.CREATE,
        place=str(opening.place),
    )
    plan = Plan(operations=(create, *birth.after), notes=tuple(birth.notes))
    return Opening(plan=plan, target=source.other, tests=tests)


def at_account(rules: MappingRules, ticket: Ticket, itsm: SideTraits) -> MappingRules:
    """Give the rules for the vendor connection that an ITSM ticket's partner belongs to.

    A ticket that names none of them gets the rules as they are: `plan_birth` tells the problem.
    """
    if rules.choose is None:
        return rules
    view = source_view(rules, ticket, Side.ITSM, itsm)
    return rules.at(ConnectionName(as_text(evaluate(rules.choose, view))))


def _wrong_account(rules: MappingRules, view: View) -> str:
    """Say what is wrong with the vendor connection a ticket names; empty when it is this one."""
    if rules.choose is None:
        return ""
    named = as_text(evaluate(rules.choose, view))
    if named == rules.vendor:
        return ""
    accepted, place = ", ".join(rules.one_of), rules.choose.place
    said = f"account {named!r} is none of {accepted}" if named else f"account missing ({accepted})"
    return f"{said} ({place})"


def source_view(
    rules: MappingRules, ticket: Ticket, source: Side, traits: SideTraits, *, follows: str = ""
) -> View:
    """Look at a ticket that has no partner yet, or none that takes the follow-up's place yet."""
    derive = rules.derive if source is Side.ITSM else {}
    numbers = {source: ticket.number}
    return view_of(ticket, traits, derive=derive, numbers=numbers, follows=follows)


def _birth(
    rules: MappingRules, opening: OpeningRules, view: View, traits: Mapping[Side, SideTraits]
) -> _Birth:
    birth, target = _Birth(), opening.target_side
    if target is Side.VENDOR and (wrong := _wrong_account(rules, view)):
        birth.problems.append(wrong)
        return birth
    _directed_fields(rules, view, traits[target], target, birth)
    _paired_fields(rules, view, traits[target], target, birth)
    for name, expression in opening.fixed.items():
        value = evaluate(expression, view)
        if not isinstance(value, Missing) and not is_empty(value):
            birth.fields[name] = value
    _read_back_fields(rules, traits[target], target, birth)
    for reference in rules.references:
        if reference.side is target and reference.field:
            own = view.ticket.number if reference.value == "number" else str(view.ticket.id)
            birth.fields[reference.field] = own
    _status(rules, view, traits[target], target, birth)
    birth.slots |= birth_slots(rules, opening, view)
    return birth


def _directed_fields(
    rules: MappingRules, view: View, traits: SideTraits, target: Side, birth: _Birth
) -> None:
    for rule in rules.fields:
        if rule.target_side is not target:
            continue
        names = inputs(rule.expression, rules.derive)
        move = SlotMove(source=target.other, source_value=fingerprint(view, names))
        value = computed(rule, view, rules)
        if is_empty(value):
            why = why_nothing(rule.expression, view)
            if rule.missing_parks:
                birth.problems.append(f"{rule.target} {why or 'missing'} ({rule.place})")
            elif why:
                told = f"{rule.target}: {why}"
                birth.notes.append(Note(event="field.not_carried", detail=told))
            birth.slots[rule.slot] = move
            continue
        written, rest = fit(aim_of(rule), value, traits)
        if written is None:
            birth.problems.append(f"{rule.target} is too long ({rule.place})")
            continue
        if not is_writable(rule.target, traits, CREATE):
            if is_writable(rule.target, traits, "update"):
                birth.after.append(_later(rule.target, written, rule.slot, move, target))
            continue
        birth.fields[rule.target] = written
        birth.slots[rule.slot] = SlotMove(
            source=target.other,
            source_value=move.source_value,
            target_value=traits.normalise(rule.target, written),
        )
        if rest and rule.long is LongPolicy.COMMENT:
            birth.after.append(rest_said(aim_of(rule), rest))


def _read_back_fields(rules: MappingRules, traits: SideTraits, target: Side, birth: _Birth) -> None:
    """Account for what the create writes in the rules that read it back: a change is news."""
    for rule in rules.fields:
        names = inputs(rule.expression, rules.derive)
        written = {
            name: short(as_text(traits.normalise(name, birth.fields[name])))
            for name in names
            if name in birth.fields
        }
        if rule.target_side is not target and written:
            birth.slots[rule.slot] = SlotMove(source=target, source_value=written)


def _later(name: str, value: Value, slot: str, move: SlotMove, target: Side) -> PlannedOperation:
    """Plan a field that can be written only once the ticket exists."""
    return PlannedOperation(
        target=target,
        kind=WriteKind.UPDATE,
        reason=Reason.FIELD_CHANGED,
        fields={name: value},
        slots={slot: move},
    )


def _paired_fields(
    rules: MappingRules, view: View, traits: SideTraits, target: Side, birth: _Birth
) -> None:
    for paired in rules.paired:
        aim = aim_at(paired, target)
        value = view.get(aim_at(paired, target.other).field)
        wanted = written_value(paired, target.other, {target.other: view})
        if isinstance(value, Missing) or is_empty(value):
            continue
        if why := why_no_time(paired, target.other, {target.other: view}):
            told = f"{aim.field}: {why}"
            birth.notes.append(Note(event="field.not_carried", detail=told))
            continue
        if isinstance(wanted, Missing) or is_empty(wanted):
            told = f"{paired.slot}: {value!r} is not in its map"
            birth.notes.append(Note(event="field.unknown_label", detail=told))
            continue
        kept, rest = fit(aim, wanted, traits)
        if kept is None:
            birth.problems.append(f"{aim.field} is too long ({paired.place})")
            continue
        written = traits.normalise(aim.field, kept)
        move = SlotMove(source=target.other, source_value=value, target_value=written)
        if is_writable(aim.field, traits, CREATE):
            birth.fields[aim.field] = kept
            birth.slots[paired.slot] = move
        elif is_writable(aim.field, traits, "update"):
            birth.after.append(_later(aim.field, kept, paired.slot, move, target))
        if rest:
            birth.after.append(rest_said(aim, rest))


def _status(
    rules: MappingRules, view: View, traits: SideTraits, target: Side, birth: _Birth
) -> None:
    """Account for the source's status; set the partner's where the table always does."""
    if rules.status is None:
        return
    label = status_of(view)
    table, unknown = rules.status.toward(target)
    action = table.get(label, unknown)
    birth.slots[STATUS] = SlotMove(source=target.other, source_value=label)
    if action.effect is not StatusEffect.SET or action.only_from is not None:
        return
    fields: dict[str, Value] = {STATUS: action.status}
    fields |= {name: text.render(view.context) for name, text in action.fields.items()}
    birth.after.append(
        PlannedOperation(
            target=target,
            kind=WriteKind.STATUS,
            reason=Reason.STATUS_FOLLOWS,
            fields={name: value for name, value in fields.items() if value},
            slots={
                STATUS: SlotMove(
                    source=target.other, source_value=label, target_value=action.status
                )
            },
            rank=closing_rank(action.status, traits),
            place=str(action.place),
        )
    )


def _items(state: LinkState, view: View, lost: Collection[AttachmentId]) -> ItemDraft:
    """Carry what the ticket brings: its attachments, and its comments where `history` says so."""
    items = ItemDraft(pairs=[], operations=[], applied=[])
    source = next(iter(state.tickets))
    slots, rules = Slots(state=state, views={source: view}), state.rules
    comments = rules.comments.get(source.other)
    met: set[OperationKey] = set()
    for comment in view.ticket.comments:
        reason = "" if comments is None else withheld(comments, comment)
        # The first with a marker is ours; a later one is a person's who quotes it.
        is_relayed = comments is not None and comments.relay
        is_ours = not met.issuperset(comment.keys) and not is_relayed
        is_ours |= not is_relayed and is_foreign(state, ItemKind.COMMENT, comment.id)
        met.update(comment.keys)
        if comments is not None and comments.history and not reason and not is_ours:
            carry_comment(slots, items, (source, view, comment), comments)
        else:
            items.pairs.append(
                ItemPair(
                    kind=ItemKind.COMMENT,
                    origin=source,
                    source_id=comment.id,
                    state=PairState.SKIPPED if reason else PairState.HISTORY,
                    reason=reason or "it was said before linking",
                )
            )
    for attachment in view.ticket.attachments:
        if attachment.id not in lost:
            carry_attachment(slots, items, source, attachment)
    return items


def _unborn(
    rules: MappingRules, view: View, traits: Mapping[Side, SideTraits], source: Side
) -> LinkState:
    return LinkState(
        link_id=UNBORN,
        rules=rules,
        traits=traits,
        tickets={source: view.ticket},
        numbers={source: view.ticket.number},
        baselines={},
        pairs=(),
        operations=(),
        conflicts=frozenset(),
        own_keys={},
        origin=source,
        now=datetime.min.replace(tzinfo=UTC),
    )
