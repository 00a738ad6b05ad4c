"""When a vendor's closed ticket is followed by a new one, and what the new one starts with."""

from dataclasses import replace

from syncd.core.following import successor
from syncd.core.opening import plan_followed
from syncd.core.plan import plan_link
from syncd.core.rules import MappingRules, StatusAction, StatusEffect, StatusRules
from syncd.core.state import Opening, Reason
from syncd.model.ids import Side
from syncd.model.operation import OperationState, WriteKind
from tests.core.test_plan import linked
from tests.support.link_world import LinkWorld
from tests.support.mappings import NOTHING, SAY, mapping, set_to

FOLLOW = StatusAction(effect=StatusEffect.FOLLOW_UP, only_from=("Closed",), otherwise=SAY)


def _rules(**changes: object) -> MappingRules:
    status = StatusRules(
        to_vendor={"New": NOTHING, "In Progress": FOLLOW, "Resolved": NOTHING},
        to_itsm={"New": NOTHING, "Closed": set_to("Resolved")},
    )
    return replace(mapping(), **({"status": status} | changes))  # type: ignore[arg-type]


def _closed(rules: MappingRules | None = None) -> LinkWorld:
    world = linked(rules or _rules())
    world.sets(Side.VENDOR, "status", "Closed")
    world.settles()
    assert world.tickets[Side.ITSM].get("status") == "Resolved"
    return world


def _opening(world: LinkWorld) -> Opening:
    state = world.state()
    follow_up = plan_link(state).follow_up
    assert follow_up is not None
    opening = plan_followed(successor(state, follow_up))
    assert isinstance(opening, Opening)
    return opening


def test_a_follow_up_is_created_with_the_old_number_before_its_description() -> None:
    world = _closed()
    number = world.tickets[Side.VENDOR].number
    world.sets(Side.ITSM, "status", "In Progress")
    create, *rest = _opening(world).plan.operations
    assert (create.kind, create.reason) == (WriteKind.CREATE, Reason.FOLLOWED_UP)
    assert create.fields["description"] == f"Follow-up of {number}.\n\nsince noon"
    assert rest == []


def test_where_no_description_is_written_a_comment_names_the_old_ticket() -> None:
    title = tuple(each for each in mapping().fields if each.target == "title")
    world = _closed(_rules(fields=title))
    number = world.tickets[Side.VENDOR].number
    world.sets(Side.ITSM, "status", "In Progress")
    _, said = _opening(world).plan.operations
    assert (said.kind, said.reason) == (WriteKind.COMMENT, Reason.FOLLOWED_UP)
    assert said.comment is not None
    assert said.comment.body == f"Follow-up of {number}."


def test_a_vendor_that_closes_while_the_desk_moves_on_is_heard_first() -> None:
    world = linked(_rules())
    world.sets(Side.ITSM, "status", "In Progress")
    world.sets(Side.VENDOR, "status", "Closed")
    plan = plan_link(world.state())
    assert plan.follow_up is None
    assert {each.reason for each in plan.operations} == {
        Reason.STATUS_FOLLOWS,
        Reason.STATUS_SAID,
    }


def test_a_status_that_is_set_back_by_us_is_no_reason_for_a_follow_up() -> None:
    world = _closed()
    assert plan_link(world.state()).is_empty


def test_what_is_due_to_the_desk_goes_out_and_what_was_said_is_history() -> None:
    world = linked(_rules())
    world.says(Side.ITSM, "first")
    world.says(Side.VENDOR, "second")
    world.settles()
    world.sets(Side.VENDOR, "status", "Closed")
    world.settles()
    world.says(Side.VENDOR, "third")
    world.says(Side.ITSM, "fourth")
    world.sets(Side.ITSM, "status", "In Progress")
    plan = plan_link(world.state())
    assert [each.target for each in plan.operations] == [Side.ITSM]
    said = [each.comment.body for each in _opening(world).plan.operations if each.comment]
    assert [each.rpartition(": ")[2] for each in said] == ["fourth"]


def test_a_write_under_way_at_the_closed_ticket_is_waited_for() -> None:
    world = _closed()
    world.says(Side.ITSM, "again")
    world.plans()
    world.queue[-1].state, world.queue[-1].sent = OperationState.UNKNOWN, True
    world.sets(Side.ITSM, "status", "In Progress")
    plan = plan_link(world.state())
    assert (plan.follow_up, plan.operations, plan.baselines) == (None, (), ())
    assert plan.recheck_s is not None
