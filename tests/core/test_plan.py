"""Each reason for a write, and each reason against one, in its smallest form."""

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.core.plan import plan_link, plan_opening
from syncd.core.rules import (
    AttachmentRules,
    ChangePolicy,
    CommentRules,
    CommentTest,
    ConflictPolicy,
    Expression,
    FieldRule,
    LongPolicy,
    StatusAction,
    StatusEffect,
    StatusRules,
)
from syncd.core.sources import FieldOf
from syncd.core.state import WITHHELD, NotOpened, Opening, PairState, PlannedOperation, Rank, Reason
from syncd.model.features import Limits
from syncd.model.ids import OperationKey, Side
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.model.ticket import CommentKind, Value, Visibility
from tests.support.link_world import LinkWorld
from tests.support.mappings import ALL_WRITES, mapping, set_to, traits

NO_FILES = {kind: how for kind, how in ALL_WRITES.items() if kind is not WriteKind.ATTACHMENT}


def linked(rules=None, side_traits=None, *, origin: Side | None = Side.ITSM) -> LinkWorld:
    """A link that is open and settled, opened from the ITSM."""
    world = LinkWorld(rules=rules or mapping(), traits=side_traits or dict.fromkeys(Side, traits()))
    fields = {"title": "Link down", "priority": "1", "assigned_group": "NOC", "status": "New"}
    world.creates(Side.ITSM, description="since noon", **fields)
    if origin is None:
        fields = {"title": "Other", "priority": "High", "status": "New"}
        world.creates(Side.VENDOR, description="", **fields)
        return world
    assert world.opens(Side.ITSM)
    world.settles()
    return world


def only(world: LinkWorld) -> PlannedOperation:
    """The one operation a decision plans."""
    plan = world.plans()
    assert len(plan.operations) == 1, plan
    return plan.operations[0]


# --- opening -----------------------------------------------------------------------------------


def test_a_ticket_that_matches_is_opened_with_its_fields_mapped() -> None:
    world = LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="Link down", priority="2", assigned_group="NOC", status="New")
    opening = plan_opening(world.rules, world.tickets[Side.ITSM], Side.ITSM, world.traits)
    assert isinstance(opening, Opening)
    create = opening.plan.operations[0]
    assert (create.kind, create.target, create.reason) == (
        WriteKind.CREATE,
        Side.VENDOR,
        Reason.OPENED,
    )
    assert create.fields == {"title": "Link down", "priority": "High"}
    assert create.rank is Rank.CREATE


def test_a_ticket_that_does_not_match_says_which_condition_failed_and_the_actual_value() -> None:
    world = LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="x", assigned_group="Windows")
    found = plan_opening(world.rules, world.tickets[Side.ITSM], Side.ITSM, world.traits)
    assert isinstance(found, NotOpened)
    assert [(test.asked, test.holds, test.actual) for test in found.tests] == [
        ("assigned_group=NOC", False, "Windows")
    ]


def test_a_missing_value_that_parks_is_a_problem_with_its_field() -> None:
    rules = mapping()
    fields = (replace(rules.fields[0], missing_parks=True), *rules.fields[1:])
    world = LinkWorld(rules=replace(rules, fields=fields), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, assigned_group="NOC")
    found = plan_opening(world.rules, world.tickets[Side.ITSM], Side.ITSM, world.traits)
    assert isinstance(found, NotOpened)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("title missing")


def test_a_long_title_is_cut_and_its_rest_follows_as_a_comment() -> None:
    rules = mapping()
    fields = (replace(rules.fields[0], long=LongPolicy.COMMENT),)
    world = LinkWorld(rules=replace(rules, fields=fields), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="x" * 450, assigned_group="NOC", status="New")
    found = plan_opening(world.rules, world.tickets[Side.ITSM], Side.ITSM, world.traits)
    assert isinstance(found, Opening)
    create, rest = found.plan.operations
    assert len(str(create.fields["title"])) == 400
    assert rest.reason is Reason.REST_SAID
    assert rest.comment is not None
    kept = str(create.fields["title"]).removesuffix(" […]")
    assert kept + rest.comment.body.removeprefix("title, continued: ") == "x" * 450


def test_what_was_said_before_linking_stays_unless_history_is_asked_for() -> None:
    world = LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="x", assigned_group="NOC", status="New")
    world.says(Side.ITSM, "early")
    assert world.opens(Side.ITSM)
    assert {pair.state for pair in world.pairs.values()} == {PairState.HISTORY}
    comments = {Side.VENDOR: CommentRules(history=True)}
    told = plan_opening(
        replace(world.rules, comments=comments),
        world.tickets[Side.ITSM],
        Side.ITSM,
        world.traits,
    )
    assert isinstance(told, Opening)
    assert told.plan.operations[-1].reason is Reason.COMMENTED


def test_a_create_that_was_not_sent_is_planned_anew_when_the_ticket_changes() -> None:
    world = LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="old", assigned_group="NOC", status="New", priority="1")
    world.opens(Side.ITSM)
    world.sets(Side.ITSM, "title", "new")
    plan = world.plans()
    assert len(plan.superseded) == 1
    assert [each.fields["title"] for each in plan.operations] == ["new"]
    world.settles()
    assert world.tickets[Side.VENDOR].get("title") == "new"


def test_a_create_nobody_knows_the_end_of_is_not_planned_again_but_followed_by_an_update() -> None:
    world = LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="old", assigned_group="NOC", status="New", priority="1")
    world.opens(Side.ITSM)
    world.queue[0].state = OperationState.UNKNOWN
    world.sets(Side.ITSM, "title", "new")
    assert only(world).kind is WriteKind.UPDATE


# --- fields ------------------------------------------------------------------------------------


def test_a_changed_field_is_written() -> None:
    world = linked()
    world.sets(Side.ITSM, "title", "Link up")
    operation = only(world)
    assert (operation.kind, operation.reason) == (WriteKind.UPDATE, Reason.FIELD_CHANGED)
    assert operation.fields == {"title": "Link up"}


def test_several_changed_fields_travel_in_one_write() -> None:
    world = linked()
    world.sets(Side.ITSM, "title", "Link up")
    world.sets(Side.ITSM, "priority", "3")
    assert only(world).fields == {"title": "Link up", "priority": "Medium"}


def test_a_change_taken_back_before_it_was_sent_is_not_sent() -> None:
    world = linked()
    world.sets(Side.ITSM, "title", "Oops")
    world.plans()
    world.sets(Side.ITSM, "title", "Link down")
    plan = world.plans()
    assert (len(plan.superseded), plan.operations) == (1, ())


def test_a_change_meant_as_a_comment_is_said() -> None:
    rules = mapping()
    fields = (rules.fields[0], replace(rules.fields[1], changes=ChangePolicy.COMMENT))
    world = linked(replace(rules, fields=fields))
    world.sets(Side.ITSM, "description", "since one")
    operation = only(world)
    assert (operation.kind, operation.reason) == (WriteKind.COMMENT, Reason.CHANGE_SAID)


def test_both_sides_changed_to_what_agrees_writes_nothing() -> None:
    world = linked()
    world.sets(Side.ITSM, "priority", "3")
    world.sets(Side.VENDOR, "priority", "Medium")
    assert world.plans().operations == ()
    assert world.plans().is_empty


@pytest.mark.parametrize(
    ("policy", "target"), [(ConflictPolicy.ITSM, Side.VENDOR), (ConflictPolicy.VENDOR, Side.ITSM)]
)
def test_two_different_changes_follow_the_policy_and_tell_the_losing_value(
    policy: ConflictPolicy, target: Side
) -> None:
    world = linked(mapping(policy))
    world.sets(Side.ITSM, "priority", "3")
    world.sets(Side.VENDOR, "priority", "High")
    plan = world.plans()
    assert [each.target for each in plan.operations] == [target]
    lost = "High" if target is Side.VENDOR else "3"
    assert any(lost in note.detail for note in plan.notes)


def test_a_parked_conflict_freezes_that_field_alone() -> None:
    world = linked(mapping(ConflictPolicy.PARK))
    world.sets(Side.ITSM, "priority", "3")
    world.sets(Side.VENDOR, "priority", "High")
    world.sets(Side.ITSM, "title", "Link up")
    plan = world.plans()
    assert [conflict.slot for conflict in plan.conflicts] == ["both.priority"]
    assert [each.fields for each in plan.operations] == [{"title": "Link up"}]
    assert world.plans().is_empty


def test_an_unknown_label_is_kept_and_changes_nothing() -> None:
    world = linked()
    world.sets(Side.VENDOR, "priority", "Bananas")
    plan = world.plans()
    assert plan.operations == ()
    assert [note.event for note in plan.notes] == ["field.unknown_label"]
    assert world.plans().is_empty


def test_a_refused_write_is_replaced_by_a_newer_change_and_not_repeated_without_one() -> None:
    world = linked()
    world.sets(Side.ITSM, "title", "refused")
    world.plans()
    world.queue[-1].state = OperationState.PARKED
    world.queue[-1].park_reason = ParkReason.REFUSED
    assert world.plans().is_empty
    world.sets(Side.ITSM, "title", "accepted")
    plan = world.plans()
    assert len(plan.superseded) == 1
    assert plan.operations[0].fields == {"title": "accepted"}


def test_a_write_in_doubt_is_never_replaced_only_followed() -> None:
    world = linked()
    world.sets(Side.ITSM, "title", "maybe")
    world.plans()
    world.queue[-1].state = OperationState.PARKED
    world.queue[-1].park_reason = ParkReason.IN_DOUBT
    world.sets(Side.ITSM, "title", "surely")
    plan = world.plans()
    assert plan.superseded == ()
    assert plan.operations[0].fields == {"title": "surely"}


# --- echo --------------------------------------------------------------------------------------


def test_what_we_wrote_read_back_is_no_news() -> None:
    world = linked()
    world.sets(Side.ITSM, "title", "Link up")
    world.settles()
    assert plan_link(world.state()).is_empty


def test_a_stale_read_within_the_settle_time_is_no_news_and_is_looked_at_again() -> None:
    world = linked(side_traits=dict.fromkeys(Side, traits(settle_s=60)))
    world.sets(Side.ITSM, "priority", "3")
    world.plans()
    world.delivers(Side.VENDOR)
    world.sets(Side.VENDOR, "priority", "Critical")  # The state before our write, read too early.
    plan = world.plans()
    assert plan.operations == ()
    assert plan.recheck_s is not None
    world.now += timedelta(seconds=61)
    assert only(world).target is Side.ITSM  # Still there after the settle time: a person's change.


def test_a_snapshot_from_before_two_writes_of_ours_is_no_news() -> None:
    world = linked()
    read_at = world.now
    for value in ("3", "2"):
        world.now += timedelta(seconds=1)
        world.sets(Side.ITSM, "priority", value)
        world.plans()
        world.delivers(Side.VENDOR)
    world.sets(Side.VENDOR, "priority", "Critical")  # As it was read before either of them.
    late = replace(world.state(), read_at={Side.VENDOR: read_at, Side.ITSM: world.now})
    plan = plan_link(late)
    assert plan.operations == ()
    assert plan.stale == {Side.VENDOR}
    assert only(world).target is Side.ITSM  # Read since: a person's change.


def test_a_text_the_provider_cut_is_altered_and_not_sent_again() -> None:
    world = linked()
    long = "A link that is down since noon and that nobody can explain"
    world.sets(Side.ITSM, "title", long)
    world.plans()
    world.delivers(Side.VENDOR)
    world.sets(Side.VENDOR, "title", long[:30])
    plan = world.plans()
    assert plan.operations == ()
    assert [note.event for note in plan.notes] == ["field.altered"]
    assert world.plans().is_empty


def test_an_edit_of_how_labels_are_spelled_is_no_news() -> None:
    world = linked()

    def shouted(name: str, value: Value) -> Value:
        return value.upper() if name == "status" and isinstance(value, str) else value

    loud = replace(traits(), normalise=shouted)
    world.traits = {Side.ITSM: loud, Side.VENDOR: loud}
    world.rules = replace(world.rules, status=StatusRules())
    assert world.plans().operations == ()


# --- status ------------------------------------------------------------------------------------


def test_a_status_follows_with_what_goes_with_it() -> None:
    solved = set_to("Resolved", closure_note="Carrier: {{ root_cause }}")
    status = StatusRules(to_itsm={"New": StatusAction(), "Solved": solved})
    world = linked(mapping(status=status))
    world.sets(Side.VENDOR, "root_cause", "Restart")
    world.sets(Side.VENDOR, "status", "Solved")
    operation = only(world)
    assert operation.reason is Reason.STATUS_FOLLOWS
    assert operation.fields == {"status": "Resolved", "closure_note": "Carrier: Restart"}
    assert operation.rank is Rank.CLOSING


def test_a_status_the_other_side_cannot_be_told_is_said() -> None:
    world = linked()
    world.sets(Side.ITSM, "status", "Resolved")
    operation = only(world)
    assert operation.reason is Reason.STATUS_SAID
    assert operation.comment is not None
    assert "Resolved" in operation.comment.body


def test_a_status_that_would_set_what_is_there_already_writes_nothing() -> None:
    world = linked()
    world.sets(Side.ITSM, "status", "In Progress")
    assert world.plans().operations == ()


def test_a_reopening_sets_only_from_the_status_it_names() -> None:
    world = linked()
    world.sets(Side.VENDOR, "status", "Solved")
    world.settles()
    assert world.tickets[Side.ITSM].get("status") == "Resolved"
    world.sets(Side.ITSM, "status", "In Progress")
    operation = only(world)
    assert (operation.fields, operation.only_from) == ({"status": "New"}, ("Solved",))


def test_an_unlisted_status_does_what_the_mapping_says_for_unknown() -> None:
    status = mapping().status
    assert status is not None
    say = StatusAction(effect=StatusEffect.SAY, kind=CommentKind.WORK_NOTE)
    world = linked(mapping(status=replace(status, unknown_to_itsm=say)))
    world.sets(Side.VENDOR, "status", "Awaiting parts")
    operation = only(world)
    assert operation.comment is not None
    assert operation.comment.kind is CommentKind.WORK_NOTE


# --- comments ----------------------------------------------------------------------------------


def test_a_comment_crosses_with_its_text_made_by_the_template() -> None:
    world = linked()
    world.says(Side.ITSM, "hello")
    operation = only(world)
    assert operation.reason is Reason.COMMENTED
    assert operation.comment is not None
    assert operation.comment.body == "Ann: hello"


def test_comments_go_before_a_closing_status() -> None:
    world = linked()
    world.sets(Side.VENDOR, "status", "Solved")
    world.says(Side.VENDOR, "done")
    assert [each.kind for each in world.plans().operations] == [
        WriteKind.COMMENT,
        WriteKind.STATUS,
    ]


def test_a_private_comment_leaves_only_under_a_rule_that_names_its_kind() -> None:
    share = (CommentTest(kind=CommentKind.COMMENT), CommentTest(authors=("Ann",)))
    rules = mapping(comments={Side.VENDOR: CommentRules(share=share)})
    world = linked(rules)
    world.says(Side.ITSM, "secret", visibility=Visibility.PRIVATE, kind=CommentKind.WORK_NOTE)
    world.says(Side.ITSM, "unknown", visibility=Visibility.UNKNOWN, kind=CommentKind.WORK_NOTE)
    assert world.plans().operations == ()
    named = (CommentTest(kind=CommentKind.WORK_NOTE),)
    world.rules = replace(rules, comments={Side.VENDOR: CommentRules(share=named)})
    world.says(Side.ITSM, "shared", visibility=Visibility.PRIVATE, kind=CommentKind.WORK_NOTE)
    assert len(world.plans().operations) == 1


def test_a_marker_nobody_here_knows_is_set_aside() -> None:
    world = linked()
    world.says(Side.VENDOR, "from staging\n[ref:abcd-0123456789ab]")
    plan = world.plans()
    assert plan.operations == ()
    assert [pair.state for pair in plan.pairs] == [PairState.STRAY]


def test_a_person_who_quotes_our_marker_is_heard() -> None:
    world = linked()
    world.says(Side.ITSM, "hello")
    world.settles()
    ours = world.tickets[Side.VENDOR].comments[-1]
    world.says(Side.VENDOR, f"> hello [ref:{ours.keys[0]}]\nI agree")
    operation = only(world)
    assert operation.comment is not None
    assert "I agree" in operation.comment.body


def test_a_second_effect_of_our_write_is_never_given_a_partner() -> None:
    world = linked()
    world.says(Side.ITSM, "hello")
    world.settles()
    ours = world.tickets[Side.VENDOR].comments[-1]
    world.says(Side.VENDOR, f"{ours.body}\n[ref:{ours.keys[0]}]", author="syncd")
    plan = world.plans()
    assert plan.operations == ()
    assert [pair.state for pair in plan.pairs] == [PairState.DUPLICATE]


def test_a_comment_of_another_link_is_not_sent_on() -> None:
    world = linked()
    world.keys[OperationKey("test-ffffffffffff")] = (type(world.state().link_id)(2), Side.ITSM)
    world.says(Side.ITSM, "from the other vendor\n[ref:test-ffffffffffff]")
    plan = world.plans()
    assert plan.operations == ()
    assert [pair.state for pair in plan.pairs] == [PairState.SKIPPED]


def test_a_comment_too_long_for_the_other_side_crosses_in_numbered_parts() -> None:
    small = traits()
    small = replace(small, features=replace(small.features, limits=Limits(comment_bytes=200)))
    world = linked(side_traits={Side.ITSM: traits(), Side.VENDOR: small})
    world.says(Side.ITSM, "ø" * 150)
    plan = world.plans()
    bodies = [each.comment.body for each in plan.operations if each.comment]
    assert len(bodies) > 1
    assert all(len(body.encode()) <= 200 for body in bodies)
    assert "".join(body.split(") ", 1)[1] for body in bodies) == "Ann: " + "ø" * 150


# --- attachments -------------------------------------------------------------------------------


def test_an_attachment_crosses() -> None:
    world = linked()
    world.attaches(Side.VENDOR, "photo.jpg")
    assert only(world).reason is Reason.ATTACHED


def test_an_attachment_the_other_side_cannot_take_is_said_with_name_size_and_digest() -> None:
    rules = mapping(attachments={Side.ITSM: AttachmentRules(otherwise=CommentKind.WORK_NOTE)})
    world = linked(rules, {Side.ITSM: traits(writes=NO_FILES), Side.VENDOR: traits()})
    world.attaches(Side.VENDOR, "photo\x1b[2J.jpg", 77)
    operation = only(world)
    assert (operation.kind, operation.reason) == (WriteKind.COMMENT, Reason.ATTACHMENT_SAID)
    assert operation.comment is not None
    assert "77 bytes" in operation.comment.body
    assert "{sha256}" in operation.comment.body
    assert "\x1b" not in operation.comment.body


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (AttachmentRules(max_bytes=5), "10 bytes are more than the 5 allowed"),
        (AttachmentRules(deny=("exe",)), "files of type 'exe' are refused"),
        (AttachmentRules(allow=("png",)), "files of type 'exe' are not allowed"),
    ],
)
def test_an_attachment_the_rules_refuse_is_shown_as_not_carried(
    rules: AttachmentRules, why: str
) -> None:
    world = linked(mapping(attachments={Side.VENDOR: rules}))
    world.attaches(Side.ITSM, "run.EXE")
    plan = world.plans()
    assert plan.operations == ()
    assert [(pair.state, pair.reason) for pair in plan.pairs] == [(PairState.NOT_CARRIED, why)]


def test_what_the_other_system_never_takes_is_not_sent_and_said_as_the_mapping_says() -> None:
    other = traits()
    limits = Limits(attachment_bytes_min=1, refused_types=frozenset({"exe"}))
    other = replace(other, features=replace(other.features, limits=limits))
    said = AttachmentRules(otherwise=CommentKind.COMMENT)
    for rules in (AttachmentRules(), said):
        world = linked(
            mapping(attachments={Side.VENDOR: rules}), {Side.ITSM: traits(), Side.VENDOR: other}
        )
        world.attaches(Side.ITSM, "empty.txt", 0)
        world.attaches(Side.ITSM, "run.EXE", 7)
        plan = world.plans()
        told = [each.comment.body for each in plan.operations if each.comment]
        whys = told or [pair.reason for pair in plan.pairs]
        assert not any(each.kind is WriteKind.ATTACHMENT for each in plan.operations)
        assert "it is empty, and the other side takes no empty files" in whys[0]
        assert "the other side takes no files of type 'exe'" in whys[1]
        assert len(plan.operations) == (2 if rules is said else 0)


def test_an_attachment_that_may_be_ours_is_held_until_our_write_is_settled() -> None:
    world = linked()
    world.attaches(Side.ITSM, "log.txt", 10)
    world.plans()
    world.delivers(Side.VENDOR, lose_answer=True)
    world.attaches(Side.VENDOR, "other.txt", 11)
    plan = world.plans()
    assert [each.attachment.name for each in plan.operations if each.attachment] == ["other.txt"]
    assert plan.recheck_s is not None


# --- links made by hand --------------------------------------------------------------------------


def test_a_pairing_by_hand_has_no_ancestor_differences_are_conflicts_and_the_past_is_history() -> (
    None
):
    world = linked(origin=None)
    world.says(Side.VENDOR, "before")
    world.attaches(Side.ITSM, "old.log")
    plan = world.plans()
    assert [conflict.slot for conflict in plan.conflicts] == ["both.priority"]
    assert {pair.state for pair in plan.pairs} == {PairState.HISTORY}
    assert [each.reason for each in plan.operations] == [Reason.REFERENCE]


def test_the_partners_number_is_shown_once() -> None:
    world = linked()
    assert world.tickets[Side.ITSM].get("vendor_ref") == world.tickets[Side.VENDOR].number


def test_a_change_on_the_new_partner_before_its_first_read_is_news() -> None:
    back = FieldRule(
        slot="to_itsm.title",
        target_side=Side.ITSM,
        target="title",
        expression=Expression(source=FieldOf("title")),
    )
    rules = mapping()
    world = LinkWorld(
        rules=replace(rules, fields=(*rules.fields, back)), traits=dict.fromkeys(Side, traits())
    )
    world.creates(Side.ITSM, title="Link down", assigned_group="NOC", status="New")
    assert world.opens(Side.ITSM)
    world.delivers(Side.VENDOR)
    world.sets(Side.VENDOR, "title", "Fibre cut at Fornebu")
    updates = [each for each in world.plans().operations if each.target is Side.ITSM]
    assert [each.fields["title"] for each in updates] == ["Fibre cut at Fornebu"]


def test_tickets_paired_by_hand_show_where_a_one_way_field_differs() -> None:
    world = linked(origin=None)
    world.settles()
    told = (Side.ITSM, WITHHELD + "to_vendor.title")
    assert "'Other' there and is 'Link down' here" in str(world.baselines[told].value)
    assert "field.not_carried" in world.notes
    assert world.tickets[Side.VENDOR].get("title") == "Other", "nobody knows which is older"
    assert (Side.ITSM, WITHHELD + "to_vendor.vendor_ref") not in world.baselines
    assert world.plans().is_empty, "it is shown once"
    world.sets(Side.VENDOR, "title", "Link down")
    world.settles()
    assert world.baselines[told].value is None, "they agree now"


def test_what_differed_when_it_was_paired_is_carried_when_it_changes() -> None:
    world = linked(origin=None)
    world.settles()
    world.sets(Side.ITSM, "title", "Link still down")
    world.settles()
    assert world.tickets[Side.VENDOR].get("title") == "Link still down"
    assert world.baselines[Side.ITSM, WITHHELD + "to_vendor.title"].value is None
