"""Comments and attachments while writes of ours are unsettled."""

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.core.items import lost_files
from syncd.core.plan import plan_link, plan_opening
from syncd.core.state import GivenUp, Opening, PairState, Plan
from syncd.model.ids import LinkRow, Side
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.model.ticket import Visibility
from tests.core.test_plan import linked, only
from tests.support.link_world import LINK, LinkWorld, Queued
from tests.support.mappings import ALL_WRITES, mapping, traits

NO_MARKERS = {kind: replace(how, marker=False) for kind, how in ALL_WRITES.items()}


def _uploading(name: str) -> LinkWorld:
    """A link whose upload has happened, while its answer has not come."""
    world = linked()
    world.attaches(Side.ITSM, name)
    world.plans()
    world.delivers(Side.VENDOR, lose_answer=True)
    return world


def test_a_file_whose_name_was_cleaned_on_the_way_is_recognised_as_perhaps_ours() -> None:
    world = linked()
    world.attaches(Side.ITSM, "a/b:c.txt")
    world.plans()
    world.head(Side.VENDOR).state = OperationState.UNKNOWN  # type: ignore[union-attr]
    world.attaches(Side.VENDOR, "b_c.txt")
    assert world.plans().operations == ()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (OperationState.UNKNOWN, None),
        (OperationState.PARKED, ParkReason.IN_DOUBT),
        (OperationState.PARKED, ParkReason.EXHAUSTED),
        (OperationState.READY, None),
    ],
)
def test_while_an_upload_may_have_left_a_file_like_it_is_held(
    state: OperationState, reason: ParkReason | None
) -> None:
    world = _uploading("log.txt")
    upload = next(each for each in world.queue if each.planned.kind is WriteKind.ATTACHMENT)
    upload.state, upload.park_reason, upload.sent = state, reason, True
    plan = world.plans()
    assert (plan.operations, plan.pairs) == ((), ())


def test_what_is_held_for_a_person_costs_no_write_and_no_line() -> None:
    world = _uploading("log.txt")
    upload = next(each for each in world.queue if each.planned.kind is WriteKind.ATTACHMENT)
    upload.state, upload.park_reason = OperationState.PARKED, ParkReason.IN_DOUBT
    plan = world.plans()
    assert plan.is_empty
    assert plan.recheck_s is None


def _saying(words: str) -> tuple[LinkWorld, Queued]:
    """A link whose comments carry no marker, and a comment that is next to be written."""
    world = linked(side_traits=dict.fromkeys(Side, traits(writes=NO_MARKERS)))
    world.says(Side.ITSM, words)
    world.plans()
    head = world.head(Side.VENDOR)
    assert head is not None
    return world, head


def test_where_comments_carry_no_marker_one_like_ours_is_held_until_ours_is_settled() -> None:
    world, head = _saying("hello")
    head.state = OperationState.UNKNOWN
    ours = world.says(Side.VENDOR, "Ann: hello")
    world.says(Side.VENDOR, "I agree")
    plan = world.plans()
    assert plan.is_empty
    assert [each.operation for each in plan.held] == [head.id] * 2
    assert plan.recheck_s is not None
    world.settle_seen(head.key, ours)
    assert _said(world.plans()) == ["I agree"]


def _said(plan: Plan) -> list[str]:
    return [each.comment.body for each in plan.operations if each.comment]


def test_what_is_said_behind_a_comment_that_is_held_does_not_pass_it() -> None:
    world, head = _saying("hello")
    head.state = OperationState.UNKNOWN
    world.says(Side.VENDOR, "first")
    world.says(Side.VENDOR, "Ann: hello")
    world.says(Side.VENDOR, "last")
    world.says(Side.VENDOR, "not for you", visibility=Visibility.PRIVATE)
    world.attaches(Side.VENDOR, "log.txt")
    assert [each.kind for each in world.plans().operations] == ["comment", "attachment"]
    assert {pair.state for pair in world.pairs.values()} == {PairState.PLANNED, PairState.SKIPPED}
    world.delivers(Side.ITSM)
    world.queue.remove(head)
    assert _said(world.plans()) == ["Ann: hello", "last"]


def _given_up(world: LinkWorld, *, link_id: int = LINK) -> GivenUp:
    """Discard the write at the head, which may have left."""
    head = world.head(Side.VENDOR)
    assert head is not None
    assert head.planned.comment is not None
    world.queue.remove(head)
    item = head.planned.item
    assert item is not None
    world.pairs[item] = replace(world.pairs[item], state=PairState.GIVEN_UP, key=head.key)
    return GivenUp(
        key=head.key,
        link_id=LinkRow(link_id),
        target=Side.VENDOR,
        body=head.planned.comment.body,
        planned_at=world.now,
        left_at=world.now,
    )


def _plan_with(world: LinkWorld, given_up: GivenUp) -> Plan:
    return plan_link(replace(world.state(), given_up=(given_up,)))


@pytest.mark.parametrize("is_of_this_link", [True, False])
def test_a_comment_without_marker_that_was_given_up_in_doubt_does_not_come_back(
    is_of_this_link: bool,
) -> None:
    world = linked(side_traits=dict.fromkeys(Side, traits(writes=NO_MARKERS)))
    world.says(Side.ITSM, "hello")
    world.plans()
    given_up = _given_up(world, link_id=LINK if is_of_this_link else LINK + 1)
    if not is_of_this_link:
        world.pairs.clear()
        world.tickets[Side.ITSM] = replace(world.tickets[Side.ITSM], comments=())
    ours = world.says(Side.VENDOR, "Ann:  hello")
    world.says(Side.VENDOR, "Ann: hello")
    plan = _plan_with(world, given_up)
    assert _said(plan) == ["Ann: hello"]
    known = [pair for pair in plan.pairs if pair.key == given_up.key]
    assert [(pair.target_id or pair.source_id) for pair in known] == [ours]
    world.store(plan)
    assert _plan_with(world, given_up).is_empty


@pytest.mark.parametrize("when_s", [-3600, 3600])
def test_a_person_may_say_at_another_time_what_was_given_up(when_s: float) -> None:
    world = linked(side_traits=dict.fromkeys(Side, traits(writes=NO_MARKERS)))
    world.says(Side.ITSM, "hello")
    world.plans()
    given_up = _given_up(world)
    world.now += timedelta(seconds=when_s)
    world.says(Side.VENDOR, "Ann: hello")
    assert _said(_plan_with(world, given_up)) == ["Ann: hello"]


def test_a_person_may_say_what_was_given_up_where_our_comments_bear_another_name() -> None:
    world, head = _saying("before")
    world.settle_seen(head.key, world.says(Side.VENDOR, "Ann: before", author="syncd"))
    world.says(Side.ITSM, "hello")
    world.plans()
    given_up = _given_up(world)
    world.says(Side.VENDOR, "Ann: hello", author="Kari")
    assert _said(_plan_with(world, given_up)) == ["Ann: hello"]


def test_where_comments_carry_no_marker_the_same_words_of_a_person_arrive_after_all() -> None:
    world, head = _saying("hello")
    head.state = OperationState.UNKNOWN
    ours = world.says(Side.VENDOR, "Ann: hello")
    world.says(Side.VENDOR, "Ann: hello")
    assert world.plans().operations == ()
    world.settle_seen(head.key, ours)
    assert only(world).target is Side.ITSM
    assert {pair.state for pair in world.pairs.values()} == {PairState.PAIRED, PairState.PLANNED}


def test_a_person_who_quotes_a_marker_nobody_here_knows_is_heard() -> None:
    world = linked()
    world.says(Side.VENDOR, "from a lost time\n[ref:abcd-0123456789ab]")
    world.says(Side.VENDOR, "thanks for: from a lost time\n[ref:abcd-0123456789ab]")
    plan = world.plans()
    assert [pair.state for pair in plan.pairs] == [PairState.STRAY, PairState.PLANNED]
    assert len(plan.operations) == 1


@pytest.mark.parametrize("is_known_to_have_left", [True, False])
def test_a_file_that_an_upload_made_which_was_given_up_does_not_come_back(
    is_known_to_have_left: bool,
) -> None:
    world = _uploading("log.txt")
    upload = next(each for each in world.queue if each.planned.kind is WriteKind.ATTACHMENT)
    world.queue.remove(upload)
    (place, pair), *_ = [each for each in world.pairs.items() if each[1].kind == "attachment"]
    key = upload.key if is_known_to_have_left else None
    world.pairs[place] = replace(pair, state=PairState.GIVEN_UP, key=key)
    assert len(world.plans().operations) == (0 if is_known_to_have_left else 1)
    assert world.plans().operations == ()


def test_files_alike_on_both_sides_are_one_where_a_backup_was_restored() -> None:
    world = linked()
    world.attaches(Side.ITSM, "log.txt")
    world.attaches(Side.VENDOR, "log.txt")
    state = replace(world.state(), restored_at=world.now)
    plan = plan_link(state)
    assert [pair.state for pair in plan.pairs] == [PairState.PAIRED]
    assert plan.operations == ()


@pytest.mark.parametrize("is_opened_again", [True, False])
def test_where_a_backup_was_restored_a_file_waits_for_the_first_look_at_the_partner(
    is_opened_again: bool,
) -> None:
    """It may be a copy, made in the lost time, of a file that only the partner would show."""
    world = LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="Link down", assigned_group="NOC", status="New")
    if not is_opened_again:
        world.opens(Side.ITSM)
    world.attaches(Side.ITSM, "log.txt")
    ticket, restored_at = world.tickets[Side.ITSM], world.now
    if is_opened_again:
        lost = lost_files(ticket, restored_at=restored_at, now=world.now)
        opening = plan_opening(world.rules, ticket, Side.ITSM, world.traits, lost=lost)
        assert isinstance(opening, Opening)
        world.origin = Side.ITSM
        world.store(opening.plan)
    world.store(plan_link(replace(world.state(), restored_at=restored_at)))
    assert [each.planned.kind for each in world.queue] == [WriteKind.CREATE]
    world.delivers(Side.VENDOR)
    world.attaches(Side.VENDOR, "log.txt")
    plan = plan_link(replace(world.state(), restored_at=restored_at))
    assert [pair.state for pair in plan.pairs] == [PairState.PAIRED]
    assert WriteKind.ATTACHMENT not in {each.kind for each in plan.operations}
