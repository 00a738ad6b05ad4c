"""A partner that is cancelled or deleted instead of given a status."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.rules import (
    AllOf,
    FieldTest,
    MappingRules,
    NoLonger,
    OpeningRules,
    StatusAction,
    StatusEffect,
    StatusRules,
)
from syncd.core.state import Rank, Reason, SideTraits
from syncd.model.ids import Side
from syncd.model.operation import WriteKind
from tests.core.test_plan import linked, only
from tests.support.link_world import LinkWorld
from tests.support.mappings import NOTHING, SAY, mapping, traits

CANCEL = StatusAction(
    effect=StatusEffect.CANCEL,
    status="Cancelled",
    cancel_reason="Duplicate request",
    only_from=("New", "In Progress"),
    otherwise=SAY,
)
DELETE = StatusAction(effect=StatusEffect.DELETE)
GROUP = FieldTest(field="assigned_group", one_of=("NOC",))
PHASE = FieldTest(field="phase", one_of=("open",))


def _traits() -> SideTraits:
    made = traits()
    phases = {**made.phases, "closed": ("Closed", "Cancelled")}
    return replace(
        made, features=replace(made.features, cancelled_status="Cancelled"), phases=phases
    )


def _world(action: StatusAction, no_longer: NoLonger = NoLonger.KEEP) -> LinkWorld:
    status = StatusRules(
        to_vendor={"New": NOTHING, "Cancelled": action},
        to_itsm={"New": NOTHING, "Cancelled": StatusAction(effect=StatusEffect.SET, status="Shut")},
    )
    opening = OpeningRules(
        target_side=Side.VENDOR, when=AllOf((GROUP, PHASE)), no_longer=no_longer, cancel=CANCEL
    )
    rules: MappingRules = replace(mapping(), status=status, open_to_vendor=opening)
    return linked(rules, {Side.ITSM: traits(), Side.VENDOR: _traits()})


def test_a_ticket_that_is_cancelled_cancels_its_partner_with_the_reason_after_everything_else() -> (
    None
):
    world = _world(CANCEL)
    world.says(Side.ITSM, "never mind")
    world.sets(Side.ITSM, "status", "Cancelled")
    said, cancelled = world.plans().operations
    assert said.kind is WriteKind.COMMENT
    assert (cancelled.kind, cancelled.reason, cancelled.rank) == (
        WriteKind.STATUS,
        Reason.CANCELLED,
        Rank.CLOSING,
    )
    assert cancelled.fields == {"status": "Cancelled", "cancel_reason": "Duplicate request"}
    assert cancelled.only_from == ("New", "In Progress")
    world.settles()
    assert world.tickets[Side.VENDOR].get("status") == "Cancelled"
    # What we did there is no news here.
    assert world.tickets[Side.ITSM].get("status") == "Cancelled"


def test_a_partner_that_can_be_cancelled_no_more_is_told_instead() -> None:
    world = _world(CANCEL)
    world.tickets[Side.VENDOR] = replace(
        world.tickets[Side.VENDOR], fields={**world.tickets[Side.VENDOR].fields, "status": "Done"}
    )
    world.settles()
    world.sets(Side.ITSM, "status", "Cancelled")
    said = only(world)
    assert (said.kind, said.reason) == (WriteKind.COMMENT, Reason.STATUS_SAID)


def test_a_partner_that_is_cancelled_already_is_left_alone() -> None:
    world = _world(CANCEL)
    world.sets(Side.ITSM, "status", "Cancelled")
    world.sets(Side.VENDOR, "status", "Cancelled")
    assert not world.plans().operations


def test_a_partner_is_deleted_only_where_the_mapping_says_so() -> None:
    world = _world(DELETE)
    world.sets(Side.ITSM, "status", "Cancelled")
    deleted = only(world)
    assert (deleted.kind, deleted.reason, deleted.rank) == (
        WriteKind.DELETE,
        Reason.DELETED,
        Rank.CLOSING,
    )
    assert not deleted.fields


def test_a_ticket_reassigned_away_cancels_its_partner_once() -> None:
    world = _world(NOTHING, NoLonger.CANCEL)
    world.sets(Side.ITSM, "assigned_group", "Printers")
    cancelled = only(world)
    assert cancelled.reason is Reason.CANCELLED
    world.settles()
    world.sets(Side.ITSM, "assigned_group", "Desks")
    assert not world.plans().operations
    assert world.tickets[Side.ITSM].get("status") == "New"


def test_a_ticket_that_leaves_before_its_partner_is_created_has_none_created() -> None:
    rules = _world(NOTHING, NoLonger.CANCEL).rules
    world = LinkWorld(rules=rules, traits={Side.ITSM: traits(), Side.VENDOR: _traits()})
    world.creates(Side.ITSM, title="x", assigned_group="NOC", status="New")
    assert world.opens(Side.ITSM)
    world.sets(Side.ITSM, "assigned_group", "Printers")
    assert "was not created yet" in world.plans().detach


def test_a_partner_that_is_closed_is_not_cancelled() -> None:
    world = _world(NOTHING, NoLonger.CANCEL)
    world.sets(Side.VENDOR, "status", "Closed")
    world.settles()
    world.sets(Side.ITSM, "assigned_group", "Printers")
    assert not world.plans().operations


@pytest.mark.parametrize("group", ["NOC", "Printers"])
def test_an_edit_of_the_conditions_cancels_nothing_until_the_ticket_changes(group: str) -> None:
    world = _world(NOTHING, NoLonger.CANCEL)
    assert world.rules.open_to_vendor is not None
    edited = replace(
        world.rules.open_to_vendor,
        when=AllOf((FieldTest(field="assigned_group", one_of=("Other",)),)),
    )
    world.rules = replace(world.rules, open_to_vendor=edited)
    assert not world.plans().operations
    world.sets(Side.ITSM, "assigned_group", group)
    assert not world.plans().operations


@given(st.lists(st.sampled_from(["NOC", "Printers", "Desks"]), max_size=6), st.booleans())
def test_however_often_a_ticket_is_reassigned_it_is_cancelled_at_most_once(
    groups: list[str], lose: bool
) -> None:
    world = _world(NOTHING, NoLonger.CANCEL)
    cancelled = 0
    for group in groups:
        world.sets(Side.ITSM, "assigned_group", group)
        plan = world.plans()
        cancelled += sum(each.reason is Reason.CANCELLED for each in plan.operations)
        world.delivers(Side.VENDOR, lose_answer=lose)
        assert not world.plans().operations
    world.settles()
    assert cancelled == (1 if set(groups) - {"NOC"} else 0)
