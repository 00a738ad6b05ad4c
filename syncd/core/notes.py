"""Notes that go out when fields change on the other side (`notes:`)."""

from collections.abc import Mapping

from syncd.core.evaluate import View, fingerprint, inputs_of
from syncd.core.fields import is_before_ours, is_of_another_link, is_ours, may_be_ours
from syncd.core.rules import NoteRule
from syncd.core.slots import Draft, Slots
from syncd.core.state import PlannedOperation, Reason, SlotMove
from syncd.model.operation import CommentDraft, WriteKind


def changed_notes(slots: Slots) -> frozenset[str]:
    """Name the slots of notes whose fields are news."""
    return frozenset(rule.slot for rule, view in _sources(slots) if _is_news(slots, rule, view))


def plan_notes(slots: Slots, draft: Draft) -> None:
    """Say once what changed; values that came and went between two reads are not carried.

    When a link is opened, values that are there already are said as well, zeros apart; when people
    pair existing tickets, and when an edit brings the rule, they are taken as known.
    """
    for rule, view in _sources(slots):
        now = _shown(slots, rule, view)
        source = rule.target_side.other
        if not _is_news(slots, rule, view):
            if slots.accounted(source, rule.slot) != now and not _is_stale(slots, rule, view):
                draft.account(source, rule.slot, now)
            continue
        text = rule.text.render(view.context).strip()
        if not text:
            draft.account(source, rule.slot, now)
        elif WriteKind.COMMENT not in slots.state.traits[rule.target_side].features.writes:
            draft.note("note.not_carried", "the other side takes no comments", rule.place)
            draft.account(source, rule.slot, now)
        else:
            draft.early.append(_noted(rule, text, SlotMove(source=source, source_value=now)))


def _sources(slots: Slots) -> list[tuple[NoteRule, View]]:
    rules = slots.state.rules.notes
    return [
        (rule, slots.views[rule.target_side.other])
        for rule in rules
        if rule.target_side.other in slots.views
    ]


def _shown(slots: Slots, rule: NoteRule, view: View) -> Mapping[str, str]:
    return fingerprint(view, inputs_of(frozenset(rule.when_changed), slots.state.rules.derive))


def _is_news(slots: Slots, rule: NoteRule, view: View) -> bool:
    side, now = rule.target_side.other, _shown(slots, rule, view)
    before = slots.accounted(side, rule.slot)
    theirs = {
        name: value
        for name, value in now.items()
        if not is_ours(slots, side, name, value)
        and not is_before_ours(slots, side, name, value)
        and not may_be_ours(slots, side, name, value)
        and not is_of_another_link(slots, view, name)
    }
    if isinstance(before, Mapping):
        return any(name in before and before[name] != value for name, value in theirs.items())
    # Planned when the link was opened, and withdrawn just now for what changed since: its words are
    # owed still, and no baseline tells of them.
    if any(
        each.id in slots.superseded and rule.slot in each.slots for each in slots.state.operations
    ):
        return any(_tells(value) for value in theirs.values())
    was_opened = slots.state.is_fresh and slots.state.origin is not None
    return was_opened and any(_tells(value) for value in theirs.values())


def _tells(value: str) -> bool:
    """Say whether a new ticket's value is worth a note: no hours worked are as good as empty."""
    return bool(value.strip(" 0.,"))


def _is_stale(slots: Slots, rule: NoteRule, view: View) -> bool:
    side = rule.target_side.other
    shown = _shown(slots, rule, view).items()
    return any(
        is_before_ours(slots, side, name, value) or may_be_ours(slots, side, name, value)
        for name, value in shown
    )


def _noted(rule: NoteRule, text: str, move: SlotMove) -> PlannedOperation:
    return PlannedOperation(
        target=rule.target_side,
        kind=WriteKind.COMMENT,
        reason=Reason.NOTED,
        comment=CommentDraft(body=text, author="", kind=rule.kind),
        slots={rule.slot: move},
        place=str(rule.place),
    )
