"""A text that becomes too long for the other side goes the way the mapping chose (R10)."""

from dataclasses import replace

import pytest

from syncd.core.plan import plan_opening
from syncd.core.rules import LongPolicy, MappingRules, PairedField
from syncd.core.state import WITHHELD, NotOpened, Opening, Reason
from syncd.model.ids import Side
from syncd.model.ticket import CommentKind
from tests.core.test_plan import linked
from tests.support.link_world import LinkWorld
from tests.support.mappings import mapping, traits

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


def _paired(policy: LongPolicy) -> MappingRules:
    """The texts kept equal in both directions, and nothing else."""
    pairs = tuple(
        PairedField(slot=f"both.{name}", itsm=name, vendor=name, long=policy)
        for name in ("title", "description")
    )
    return mapping(fields=(), paired=pairs, tell_problems=CommentKind.WORK_NOTE)


@pytest.mark.parametrize("source", list(Side))
@pytest.mark.parametrize("policy", list(LongPolicy))
def test_a_text_kept_equal_in_both_directions_goes_the_way_the_mapping_chose(
    policy: LongPolicy, source: Side
) -> None:
    world = linked(_paired(policy))
    slot = (source, WITHHELD + "both.description")
    before = world.tickets[source.other].get("description")
    world.sets(source, "description", LONG)
    plan = world.plans()
    world.settles()
    assert world.plans().is_empty
    kept = str(world.tickets[source.other].get("description"))
    if policy is LongPolicy.PARK:
        assert kept == before
        assert [each.target for each in plan.operations] == [Side.ITSM] * (source is Side.ITSM)
        assert "499 characters are too long, 400" in str(world.baselines[slot].value)
    else:
        assert len(kept) == 400
        assert LONG.startswith(kept.removesuffix(" […]"))
        said = [each.comment.body for each in plan.operations if each.comment is not None]
        assert [one[:24] for one in said] == ["description, continued: "] * (
            policy is LongPolicy.COMMENT
        )
        assert world.tickets[source].get("description") == LONG

    world.sets(source, "description", "short again")
    world.settles()
    assert world.tickets[source.other].get("description") == "short again"
    assert slot not in world.baselines or world.baselines[slot].value is None


def test_a_value_of_the_other_side_ends_what_was_withheld() -> None:
    world = linked(_paired(LongPolicy.PARK))
    slot = (Side.ITSM, WITHHELD + "both.description")
    world.sets(Side.ITSM, "description", LONG)
    world.settles()
    assert world.baselines[slot].value is not None
    world.sets(Side.VENDOR, "description", "theirs")
    world.settles()
    assert world.tickets[Side.ITSM].get("description") == "theirs"
    assert world.baselines[slot].value is None


@pytest.mark.parametrize("policy", [LongPolicy.CUT, LongPolicy.COMMENT])
def test_a_text_that_was_cut_agrees_with_the_whole_one(policy: LongPolicy) -> None:
    world = linked(_paired(policy))
    world.sets(Side.ITSM, "description", LONG)
    world.settles()
    for side in Side:
        key = (side, "both.description")
        world.baselines[key] = replace(world.baselines[key], value="something else")
    plan = world.plans()
    assert not plan.conflicts
    assert not plan.operations


@pytest.mark.parametrize("policy", list(LongPolicy))
def test_a_partner_is_opened_with_a_long_text_kept_equal_as_the_mapping_chose(
    policy: LongPolicy,
) -> None:
    world = LinkWorld(rules=_paired(policy), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, assigned_group="NOC", title="Link down", description=LONG)
    told = plan_opening(world.rules, world.tickets[Side.ITSM], Side.ITSM, world.traits)
    if policy is LongPolicy.PARK:
        assert isinstance(told, NotOpened)
        assert told.problems[0].startswith("description is too long")
        return
    assert isinstance(told, Opening)
    create, *after = told.plan.operations
    assert len(str(create.fields["description"])) == 400
    assert [each.reason for each in after] == [Reason.REST_SAID] * (policy is LongPolicy.COMMENT)
