"""Notes on changed fields: each state once, nothing that came and went."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from syncd.core.rules import MappingRules, NoteRule
from syncd.core.state import Reason
from syncd.core.template import compile_template
from syncd.model.ids import Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import CommentKind
from tests.core.test_plan import linked, only
from tests.support.link_world import LinkWorld
from tests.support.mappings import ALL_WRITES, mapping, traits

HOURS = NoteRule(
    slot="notes.to_itsm.hours+costs",
    target_side=Side.ITSM,
    when_changed=("hours", "costs"),
    kind=CommentKind.WORK_NOTE,
    text=compile_template("{{ hours }} h, {{ costs }} EUR"),
)


def _rules() -> MappingRules:
    return replace(mapping(), notes=(HOURS,))


def _said(world: LinkWorld) -> list[str]:
    return [each.body for each in world.tickets[Side.ITSM].comments]


def test_a_change_of_one_of_the_fields_is_said_once() -> None:
    world = linked(_rules())
    assert not world.plans().operations
    world.sets(Side.VENDOR, "hours", "1.5")
    said = only(world)
    assert (said.kind, said.reason, said.target) == (WriteKind.COMMENT, Reason.NOTED, Side.ITSM)
    assert said.comment is not None
    assert (said.comment.body, said.comment.kind) == ("1.5 h,  EUR", CommentKind.WORK_NOTE)
    assert not world.plans().operations


def test_a_change_before_the_note_was_sent_takes_its_place() -> None:
    world = linked(_rules())
    world.sets(Side.VENDOR, "hours", "1")
    world.plans()
    world.sets(Side.VENDOR, "costs", "20")
    plan = world.plans()
    assert len(plan.superseded) == len(plan.operations) == 1
    world.settles()
    assert _said(world) == ["1 h, 20 EUR"]


def test_a_note_planned_with_the_link_is_replaced_when_it_changes_before_it_is_sent() -> None:
    world = LinkWorld(rules=_rules(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.VENDOR, title="x", status="New", hours="3", costs="")
    assert world.opens(Side.VENDOR)
    assert world.delivers(Side.ITSM)
    assert only(world).reason is Reason.NOTED
    world.sets(Side.VENDOR, "hours", "4")
    plan = world.plans()
    assert len(plan.superseded) == len(plan.operations) == 1
    world.settles()
    assert _said(world) == ["4 h,  EUR"]


def test_what_is_there_when_the_link_is_opened_is_said_and_nothing_when_people_pair() -> None:
    world = LinkWorld(rules=_rules(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.VENDOR, title="x", status="New", hours="3", costs="")
    assert world.opens(Side.VENDOR)
    world.settles()
    assert _said(world) == ["3 h,  EUR"]
    paired = linked(_rules(), origin=None)
    paired.sets(Side.VENDOR, "hours", "3")
    paired.settles()
    assert _said(paired) == []


def test_a_new_tickets_zero_hours_are_no_news_and_count_from_there() -> None:
    world = LinkWorld(rules=_rules(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.VENDOR, title="x", status="New", hours="0", costs="0.00")
    assert world.opens(Side.VENDOR)
    world.settles()
    assert _said(world) == []
    world.sets(Side.VENDOR, "hours", "1.5")
    world.settles()
    world.sets(Side.VENDOR, "hours", "0")
    world.settles()
    assert _said(world) == ["1.5 h, 0.00 EUR", "0 h, 0.00 EUR"]


def test_a_rule_that_an_edit_brought_waits_for_a_change() -> None:
    world = linked()
    world.sets(Side.VENDOR, "hours", "3")
    world.settles()
    world.rules = _rules()
    world.settles()
    assert _said(world) == []
    world.sets(Side.VENDOR, "hours", "4")
    world.settles()
    assert _said(world) == ["4 h,  EUR"]


def test_what_cannot_be_said_is_told_in_the_journal_once() -> None:
    mute = {kind: how for kind, how in ALL_WRITES.items() if kind is not WriteKind.COMMENT}
    world = linked(_rules(), {Side.ITSM: traits(writes=mute), Side.VENDOR: traits()})
    world.sets(Side.VENDOR, "hours", "3")
    world.settles()
    assert world.notes.count("note.not_carried") == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["hours", "costs"]), st.sampled_from("123"), st.booleans()),
        max_size=8,
    )
)
def test_each_state_that_was_sent_is_said_once_and_the_last_always(
    changes: list[tuple[str, str, bool]],
) -> None:
    world = linked(_rules())
    states = []
    for name, value, lose in changes:
        world.sets(Side.VENDOR, name, value)
        world.plans()
        world.delivers(Side.ITSM, lose_answer=lose)
        world.settles()
        shown = world.tickets[Side.VENDOR].fields
        states.append(f"{shown.get('hours', '')} h, {shown.get('costs', '')} EUR".strip())
    wanted = [each for at, each in enumerate(states) if at == 0 or states[at - 1] != each]
    assert _said(world) == wanted
