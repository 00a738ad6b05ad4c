"""A create that was not sent yet, and a ticket that goes on changing meanwhile."""

from dataclasses import replace

from syncd.core.rules import CommentRules
from syncd.core.state import ItemKind, ItemPair, PairState, Plan, PlannedOperation, Reason
from syncd.model.features import Limits
from syncd.model.ids import Side
from syncd.model.operation import CommentDraft, OperationState, ParkReason, WriteKind
from syncd.model.ticket import CommentKind
from tests.support.link_world import LinkWorld
from tests.support.mappings import ALL_WRITES, mapping, traits


def _opening(world: LinkWorld | None = None) -> LinkWorld:
    """A link whose create waits, the vendor being away."""
    world = world or LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, traits()))
    world.creates(
        Side.ITSM, title="Link down", priority="1", assigned_group="NOC", status="New",
        description="d",
    )  # fmt: skip
    assert world.opens(Side.ITSM)
    return world


def _said(world: LinkWorld) -> list[str]:
    return [each.body for each in world.tickets[Side.VENDOR].comments]


def test_it_is_sent_as_the_ticket_is_then() -> None:
    world = _opening()
    world.sets(Side.ITSM, "priority", "2")
    world.plans()
    world.settles()
    assert world.tickets[Side.VENDOR].get("priority") == "High"
    assert sum(each.planned.kind is WriteKind.CREATE for each in world.queue) == 2


def test_words_that_came_with_the_change_are_not_history() -> None:
    world = _opening()
    world.says(Side.ITSM, "it got worse")
    world.sets(Side.ITSM, "priority", "2")
    world.settles()
    assert _said(world) == ["Ann: it got worse"]


def test_what_waited_already_is_sent_once_and_in_order() -> None:
    world = _opening()
    world.says(Side.ITSM, "first")
    world.attaches(Side.ITSM, "log.txt")
    world.plans()
    world.says(Side.ITSM, "second")
    world.sets(Side.ITSM, "priority", "2")
    world.settles()
    assert _said(world) == ["Ann: first", "Ann: second"]
    assert [each.name for each in world.tickets[Side.VENDOR].attachments] == ["log.txt"]


def test_all_parts_of_a_long_comment_arrive() -> None:
    small = traits()
    small = replace(small, features=replace(small.features, limits=Limits(comment_bytes=100)))
    world = _opening(LinkWorld(rules=mapping(), traits={Side.ITSM: traits(), Side.VENDOR: small}))
    world.says(Side.ITSM, "x" * 90)
    world.plans()
    parts = sum(each.planned.comment is not None for each in world.queue)
    assert parts > 1
    world.sets(Side.ITSM, "priority", "2")
    world.settles()
    assert len(_said(world)) == parts


def test_what_is_history_stays_history() -> None:
    world = LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="t", assigned_group="NOC", status="New", description="d")
    world.says(Side.ITSM, "early")
    assert world.opens(Side.ITSM)
    world.sets(Side.ITSM, "title", "other")
    world.settles()
    assert _said(world) == []
    assert {pair.state for pair in world.pairs.values()} == {PairState.HISTORY}


def test_with_history_everything_is_said_once() -> None:
    rules = mapping(comments={Side.VENDOR: CommentRules(history=True)})
    world = LinkWorld(rules=rules, traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="t", assigned_group="NOC", status="New", description="d")
    world.says(Side.ITSM, "early")
    assert world.opens(Side.ITSM)
    world.says(Side.ITSM, "late")
    world.sets(Side.ITSM, "title", "other")
    world.settles()
    assert _said(world) == ["early", "late"]


def test_one_that_a_person_was_asked_about_is_not_sent_because_the_ticket_changed() -> None:
    world = _opening()
    create = world.queue[0]
    create.state, create.park_reason = OperationState.PARKED, ParkReason.TOO_LATE
    world.sets(Side.ITSM, "priority", "2")
    plan = world.plans()
    assert create.id not in plan.superseded
    assert [each.kind for each in plan.operations] == [WriteKind.UPDATE]


def test_one_that_was_refused_is_tried_again_once_the_ticket_is_corrected() -> None:
    world = _opening()
    create = world.queue[0]
    create.state, create.park_reason = OperationState.PARKED, ParkReason.REFUSED
    world.sets(Side.ITSM, "title", "A better title")
    world.settles()
    assert world.tickets[Side.VENDOR].get("title") == "A better title"


def test_of_what_was_said_before_a_quotation_of_ours_is_a_persons() -> None:
    rules = mapping(comments={Side.VENDOR: CommentRules(history=True)})
    world = LinkWorld(rules=rules, traits=dict.fromkeys(Side, traits()))
    world.creates(Side.ITSM, title="t", assigned_group="NOC", status="New", description="d")
    world.says(Side.ITSM, "Not sent: title missing\n[ref:test-000000000001]", author="syncd")
    world.says(Side.ITSM, "why? > Not sent: title missing [ref:test-000000000001]")
    assert world.opens(Side.ITSM)
    world.settles()
    assert _said(world) == ["why? > Not sent: title missing"]


def test_words_that_wait_behind_what_may_be_ours_are_not_forgotten_with_the_create() -> None:
    unmarked = traits(writes={k: replace(how, marker=False) for k, how in ALL_WRITES.items()})
    world = _opening(LinkWorld(rules=mapping(), traits=dict.fromkeys(Side, unmarked)))
    told = PlannedOperation(
        target=Side.ITSM,
        kind=WriteKind.COMMENT,
        reason=Reason.PROBLEM_SAID,
        comment=CommentDraft(body="Not sent: no room", author="", kind=CommentKind.WORK_NOTE),
    )
    world.store(Plan(operations=(told,)))
    world.queue[-1].state = OperationState.UNKNOWN
    world.says(Side.ITSM, "it got worse")
    world.plans()
    ours = world.says(Side.ITSM, "Not sent: no room", author="syncd")
    ticket = world.tickets[Side.ITSM]
    world.tickets[Side.ITSM] = replace(ticket, comments=tuple(reversed(ticket.comments)))
    world.sets(Side.ITSM, "priority", "2")
    plan = world.plans()
    assert plan.recheck_s is not None
    key = next(each.key for each in world.queue if each.planned is told)
    world.settle_seen(key, ours)
    known = ItemPair(
        kind=ItemKind.COMMENT, origin=Side.ITSM, source_id=ours, state=PairState.SKIPPED, key=key
    )
    world.store(Plan(pairs=(known,)))
    world.settles()
    assert _said(world) == ["Ann: it got worse"]
    assert world.tickets[Side.VENDOR].get("priority") == "High"
