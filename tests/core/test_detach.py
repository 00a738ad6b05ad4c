"""When a ticket that no longer matches is let go (`no_longer: detach`)."""

from dataclasses import replace

import pytest

from syncd.core.evaluate import examine, view_of, without
from syncd.core.rules import (
    AllOf,
    AnyOf,
    Condition,
    FieldTest,
    MappingRules,
    NoLonger,
    NotAny,
    OpeningRules,
    Place,
)
from syncd.model.ids import Side
from tests.core.test_plan import linked
from tests.support.mappings import mapping, traits

GROUP = FieldTest(field="assigned_group", one_of=("NOC",))
PHASE = FieldTest(field="phase", one_of=("open",))


def _detaching() -> MappingRules:
    opening = OpeningRules(
        target_side=Side.VENDOR,
        when=AllOf((GROUP, PHASE)),
        no_longer=NoLonger.DETACH,
        place=Place("m.yaml", 7),
    )
    return replace(mapping(), open_to_vendor=opening)


def test_a_ticket_reassigned_away_is_let_go_where_the_mapping_says_so() -> None:
    world = linked(_detaching())
    assert not world.plans().detach
    world.sets(Side.ITSM, "assigned_group", "Printers")
    assert world.plans().detach == "it no longer matches m.yaml:7"


def test_a_ticket_that_is_closed_is_kept_so_that_its_partner_is_closed_as_well() -> None:
    world = linked(_detaching())
    world.sets(Side.ITSM, "status", "Closed")
    plan = world.plans()
    assert not plan.detach
    assert plan.operations


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (AllOf((GROUP, PHASE)), True),
        (AllOf((PHASE, FieldTest(field="assigned_group", one_of=("Printers",)))), False),
        (AnyOf((PHASE,)), True),
        (NotAny((PHASE,)), True),
        (NotAny((GROUP, PHASE)), False),
        (NotAny((AllOf((GROUP, PHASE)),)), True),
    ],
)
def test_a_condition_that_does_not_ask_about_a_field_asks_the_rest(
    condition: Condition, holds: bool
) -> None:
    world = linked()
    world.sets(Side.ITSM, "status", "Closed")
    view = view_of(world.tickets[Side.ITSM], traits())
    assert examine(without(condition, frozenset({"phase"})), view)[0] is holds
