"""What we wrote is not news, whichever rule looks at it."""

from dataclasses import replace
from datetime import timedelta

from syncd.core.rules import Expression, FieldRule, MappingRules
from syncd.core.sources import FieldOf, TextOf
from syncd.core.state import WITHHELD, BaselineState, Reason
from syncd.core.template import compile_template
from syncd.model.ids import Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import FieldInfo
from tests.core.test_plan import linked, only
from tests.support.link_world import LinkWorld
from tests.support.mappings import mapping, traits

SLOW = dict.fromkeys(Side, traits(settle_s=60))


def _both_ways() -> MappingRules:
    """A field written by one rule in each direction."""
    back = FieldRule(
        slot="to_itsm.title",
        target_side=Side.ITSM,
        target="title",
        expression=Expression(source=FieldOf("title")),
    )
    rules = mapping()
    return replace(rules, fields=(*rules.fields, back))


def test_a_value_written_by_one_rule_is_not_sent_back_by_another() -> None:
    world = linked(_both_ways())
    world.sets(Side.ITSM, "title", "second")
    world.plans()
    world.delivers(Side.VENDOR)
    world.sets(Side.ITSM, "title", "third")
    assert only(world).target is Side.VENDOR
    world.settles()
    titles = [world.tickets[side].get("title") for side in Side]
    assert titles == ["third", "third"]


def test_a_value_that_is_just_being_written_is_not_sent_back() -> None:
    world = linked(_both_ways())
    world.sets(Side.ITSM, "title", "second")
    world.plans()
    world.delivers(Side.VENDOR, lose_answer=True)
    world.sets(Side.ITSM, "title", "third")
    world.plans()
    assert [each.planned.target for each in world.queue[-2:]] == [Side.VENDOR, Side.VENDOR]


def test_what_a_vendor_made_of_a_write_that_is_not_settled_is_not_sent_back() -> None:
    world = linked(_both_ways())
    world.sets(Side.ITSM, "title", "second")
    world.plans()
    world.delivers(Side.VENDOR, lose_answer=True)
    world.sets(Side.VENDOR, "title", "SECOND")
    assert world.plans().operations == ()
    world.settles()
    assert world.tickets[Side.ITSM].get("title") == "second"


def test_what_a_vendor_made_of_a_new_ticket_is_not_sent_back_however_early_it_was_read() -> None:
    world = LinkWorld(rules=_both_ways(), traits=SLOW)
    world.creates(Side.ITSM, title="first", status="New", assigned_group="NOC")
    assert world.opens(Side.ITSM)
    world.delivers(Side.VENDOR)
    world.sets(Side.VENDOR, "title", "FIRST")
    # Its creation was settled by the very read that met its marker.
    world.read_at[Side.VENDOR] = world.now - timedelta(seconds=1)
    plan = world.plans()
    assert {each.reason for each in plan.operations} == {Reason.REFERENCE}
    assert "field.altered" in {note.event for note in plan.notes}


def test_a_persons_value_is_carried_back_by_the_other_rule() -> None:
    world = linked(_both_ways())
    world.sets(Side.VENDOR, "title", "as the vendor calls it")
    operation = only(world)
    assert (operation.target, operation.kind) == (Side.ITSM, WriteKind.UPDATE)
    world.settles()
    assert world.tickets[Side.ITSM].get("title") == "as the vendor calls it"


def test_a_stale_read_of_a_written_field_is_not_sent_back() -> None:
    world = linked(_both_ways(), SLOW)
    world.sets(Side.ITSM, "title", "second")
    world.plans()
    world.delivers(Side.VENDOR)
    world.plans()
    world.sets(Side.VENDOR, "title", "Link down")  # The state before our write, read too early.
    assert world.plans().operations == ()
    world.now += timedelta(seconds=61)
    assert only(world).target is Side.ITSM


def test_what_stood_in_a_field_before_we_wrote_it_for_the_first_time_is_not_sent_back() -> None:
    world = linked(_both_ways(), SLOW)
    world.sets(Side.VENDOR, "title", "second")
    world.plans()
    world.delivers(Side.ITSM)
    world.plans()
    world.sets(Side.ITSM, "title", "Link down")  # The state before our write, read too early.
    plan = world.plans()
    assert (plan.operations, plan.stale) == ((), frozenset({Side.ITSM}))
    world.now += timedelta(seconds=61)
    assert only(world).fields == {"title": "Link down"}  # Still there: a person's.


def test_what_stood_between_two_writes_of_one_value_is_not_sent_back() -> None:
    world = linked(_both_ways(), SLOW)
    world.sets(Side.ITSM, "title", "second")
    world.settles()
    world.sets(Side.VENDOR, "title", "theirs")
    world.settles()
    world.sets(Side.ITSM, "title", "second")
    world.plans()
    world.delivers(Side.VENDOR)
    world.plans()
    world.sets(Side.VENDOR, "title", "theirs")  # The state before our write, read too early.
    assert world.plans().operations == ()
    world.now += timedelta(seconds=61)
    assert only(world).target is Side.ITSM


def test_a_person_who_changes_a_ticket_right_after_we_made_it_is_heard_at_once() -> None:
    world = LinkWorld(rules=_both_ways(), traits=SLOW)
    world.creates(Side.VENDOR, title="as the vendor calls it", status="New")
    assert world.opens(Side.VENDOR)
    world.delivers(Side.ITSM)
    world.sets(Side.ITSM, "title", "as we call it")  # Nothing older ever stood there.
    assert only(world).fields == {"title": "as we call it"}


def test_a_text_made_of_a_field_we_wrote_is_not_news_either() -> None:
    said = FieldRule(
        slot="to_itsm.description",
        target_side=Side.ITSM,
        target="description",
        expression=Expression(source=TextOf(compile_template("Carrier: {{ title }}"))),
    )
    rules = mapping()
    world = linked(replace(rules, fields=(rules.fields[0], said)))
    world.sets(Side.ITSM, "title", "second")
    world.settles()
    assert world.tickets[Side.ITSM].get("description") == "since noon"
    world.sets(Side.VENDOR, "title", "theirs")
    world.settles()
    assert world.tickets[Side.ITSM].get("description") == "Carrier: theirs"


def test_a_person_who_changes_a_ticket_before_we_read_what_we_made_is_heard() -> None:
    world = LinkWorld(rules=_both_ways(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.VENDOR, title="as the vendor calls it", status="New")
    assert world.opens(Side.VENDOR)
    world.delivers(Side.ITSM)
    world.sets(Side.ITSM, "title", "as we call it")
    world.sets(Side.ITSM, "description", "filled in by the desk itself")
    world.settles()
    vendor = world.tickets[Side.VENDOR]
    assert vendor.get("title") == "as we call it"
    assert vendor.get("description") == "filled in by the desk itself"  # it was empty there


def test_a_field_that_cannot_be_read_back_is_unverified_and_not_sent_again() -> None:
    blind = traits()
    hidden = FieldInfo(name="title", writable=frozenset({"create", "update"}), readable=False)
    blind = replace(blind, fields={**blind.fields, "title": hidden})
    world = linked(side_traits={Side.ITSM: traits(), Side.VENDOR: blind})
    world.sets(Side.ITSM, "title", "Link up")
    world.plans()
    assert world.delivers(Side.VENDOR)
    fields = dict(world.tickets[Side.VENDOR].fields)
    assert fields.pop("title") == "Link up"
    world.tickets[Side.VENDOR] = replace(world.tickets[Side.VENDOR], fields=fields)
    assert not world.plans().operations
    baseline = world.baselines[Side.VENDOR, "to_vendor.title"]
    assert (baseline.value, baseline.state) == ("Link up", BaselineState.UNVERIFIED)
    assert world.plans().is_empty


def test_a_status_set_while_an_older_one_still_waits_to_be_said_is_no_news() -> None:
    world = linked(mapping(), SLOW)
    world.sets(Side.ITSM, "status", "Resolved")
    world.sets(Side.VENDOR, "status", "Closed")
    said, followed = world.plans().operations
    assert (said.kind, followed.kind) == (WriteKind.COMMENT, WriteKind.STATUS)
    world.delivers(Side.ITSM)
    assert world.tickets[Side.ITSM].get("status") == "Closed"
    world.sets(Side.ITSM, "status", "Resolved")  # The state before our write, read too early.
    assert world.plans().operations == ()
    world.sets(Side.ITSM, "status", "Closed")
    assert world.plans().operations == ()
    world.delivers(Side.VENDOR)
    assert world.plans().operations == ()
    world.now += timedelta(seconds=61)
    world.sets(Side.ITSM, "status", "Resolved")
    assert only(world).kind is WriteKind.COMMENT


def test_what_a_ticket_we_opened_shows_at_first_is_shown_where_the_origin_says_otherwise() -> None:
    back = FieldRule(
        slot="to_itsm.description",
        target_side=Side.ITSM,
        target="description",
        expression=Expression(source=FieldOf("cause")),
    )
    empty = replace(
        back,
        slot="to_itsm.title",
        target="title",
        expression=replace(back.expression, source=FieldOf("untold"), default="unknown"),
    )
    rules = mapping()
    world = LinkWorld(
        rules=replace(rules, fields=(*rules.fields, back, empty)),
        traits=dict.fromkeys(Side, traits()),
    )
    world.creates(Side.ITSM, title="Link down", description="ours", assigned_group="NOC")
    assert world.opens(Side.ITSM)
    world.delivers(Side.VENDOR)
    world.sets(Side.VENDOR, "cause", "a default, or a person's?")
    world.settles()
    assert world.tickets[Side.ITSM].get("description") == "ours"
    withheld = (Side.VENDOR, WITHHELD + "to_itsm.description")
    assert "'ours' is kept until it changes" in str(world.baselines[withheld].value)
    assert world.notes.count("field.not_carried") == 1
    world.sets(Side.VENDOR, "cause", "a person's, surely")
    world.settles()
    assert world.tickets[Side.ITSM].get("description") == "a person's, surely"
    assert world.baselines[withheld].value is None


def test_a_value_that_our_write_replaced_unseen_is_no_news_when_read_too_early() -> None:
    world = linked(mapping(), SLOW)
    world.sets(Side.VENDOR, "status", "Solved")
    world.plans()
    world.delivers(Side.ITSM)
    world.sets(Side.ITSM, "status", "Closed")  # A person's, overwritten by ours before any read.
    plan = world.plans()
    assert (plan.operations, plan.stale) == ((), frozenset({Side.ITSM}))
    world.sets(Side.ITSM, "status", "Resolved")
    assert world.plans().operations == ()
    world.now += timedelta(seconds=61)
    world.sets(Side.ITSM, "status", "Closed")
    assert only(world).reason is Reason.STATUS_FOLLOWS


def test_what_may_be_a_persons_is_not_overruled_before_the_provider_has_settled() -> None:
    world = linked(mapping(), SLOW)
    world.sets(Side.VENDOR, "priority", "Medium")
    world.plans()
    world.delivers(Side.ITSM)
    world.sets(Side.VENDOR, "priority", "Critical")
    assert only(world).fields == {"priority": "1"}
    world.sets(Side.ITSM, "priority", "2")
    assert (world.plans().operations, world.head(Side.ITSM)) == ((), None)
    world.now += timedelta(seconds=61)
    assert only(world).fields == {"priority": "High"}  # Both changed: the mapping says who wins.


def test_a_change_taken_back_before_our_write_is_read_is_carried() -> None:
    world = linked()
    before = world.tickets[Side.VENDOR]
    world.sets(Side.ITSM, "priority", "2")
    world.sets(Side.ITSM, "title", "second")
    world.plans()
    world.delivers(Side.VENDOR)
    after, world.read_at[Side.VENDOR] = world.tickets[Side.VENDOR], world.now - timedelta(seconds=5)
    world.sets(Side.ITSM, "priority", "1")
    world.sets(Side.ITSM, "title", "Link down")
    world.tickets[Side.VENDOR] = before  # As it was read before our write.
    assert only(world).fields == {"priority": "Critical", "title": "Link down"}
    world.tickets[Side.VENDOR] = after
    world.read_at.clear()
    world.settles()
    vendor = world.tickets[Side.VENDOR]
    assert (vendor.get("priority"), vendor.get("title")) == ("Critical", "Link down")
    assert world.tickets[Side.ITSM].get("priority") == "1"
