"""A text that becomes too long for the other side goes the way the mapping chose (R10)."""

from dataclasses import replace

import pytest

from syncd.core.rules import LongPolicy
from syncd.core.state import WITHHELD, Reason
from syncd.model.ids import Side
from syncd.model.ticket import CommentKind
from tests.core.test_plan import linked
from tests.support.mappings import mapping

LONG = "word " * 100


@pytest.mark.parametrize(
    ("policy", "reasons"),
    [
        (LongPolicy.PARK, [Reason.PROBLEM_SAID]),
        (LongPolicy.COMMENT, [Reason.FIELD_CHANGED, Reason.REST_SAID]),
        (LongPolicy.CUT, [Reason.FIELD_CHANGED]),
    ],
)
def test_a_text_that_becomes_too_long_goes_the_way_the_mapping_chose(
    policy: LongPolicy, reasons: list[Reason]
) -> None:
    rules = mapping(tell_problems=CommentKind.WORK_NOTE)
    rules = replace(rules, fields=tuple(replace(each, long=policy) for each in rules.fields))
    world = linked(rules)
    world.sets(Side.ITSM, "description", LONG)
    plan = world.plans()
    assert [each.reason for each in plan.operations] == reasons
    world.settles()
    assert world.plans().is_empty
    kept = world.tickets[Side.VENDOR].get("description")
    if policy is LongPolicy.PARK:
        (said,) = plan.operations
        assert (said.target, kept) == (Side.ITSM, "since noon")
        assert said.comment is not None
        assert said.comment.body.startswith(
            "Not sent: description: 499 characters are too long, 400"
        )
    if policy is LongPolicy.COMMENT:
        texts = str(kept).removesuffix(" […]") + "".join(
            each.comment.body.removeprefix("description, continued: ")
            for each in plan.operations
            if each.comment is not None
        )
        assert texts.strip() == LONG.strip()


def test_a_change_that_is_not_carried_is_known_until_one_is() -> None:
    world = linked()
    slot = (Side.ITSM, WITHHELD + "to_vendor.description")
    world.sets(Side.ITSM, "description", LONG)
    (note,) = world.plans().notes
    assert note.event == "field.not_carried"
    assert "too long" in str(world.baselines[slot].value)
    world.sets(Side.ITSM, "description", "short again")
    world.settles()
    assert world.baselines[slot].value is None
    assert world.tickets[Side.VENDOR].get("description") == "short again"
