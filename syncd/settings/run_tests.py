"""Runs the `tests:` of mappings against the core's own decisions; nothing is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar

from syncd.core.following import successor
from syncd.core.opening import at_account, plan_followed
from syncd.core.plan import plan_link, plan_opening
from syncd.core.rules import MappingRules
from syncd.core.state import (
    MET,
    WRITTEN,
    Baseline,
    FollowUp,
    ItemKind,
    ItemPair,
    LinkState,
    NotOpened,
    PairState,
    Plan,
    PlannedOperation,
    SideTraits,
)
from syncd.model.ids import AttachmentId, CommentId, LinkRow, MappingName, Side, TicketId
from syncd.model.operation import WriteKind
from syncd.model.ticket import Attachment, Comment, CommentKind, Missing, Ticket, Value
from syncd.registry import PROVIDERS, Provider
from syncd.settings.mapping_tests import Expected, Happening, MappingTest
from syncd.settings.traits import mapping_traits
from syncd.settings.values import Settings

_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_NUMBERS = {Side.ITSM: "INC0000001", Side.VENDOR: "Case-00000001"}
_ROUNDS_MAX = 5
"""Decisions after which both tickets of a linked test must agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """What came of one test.

    Attributes:
        mapping: whose test it is.
        test: the test.
        failures: what was not as expected, one line each; none when it passed.
    """

    __test__: ClassVar[bool] = False  # A test's outcome is no test.

    mapping: MappingName
    test: MappingTest
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.failures


def run_tests(
    settings: Settings, providers: Mapping[str, Provider] = PROVIDERS
) -> tuple[TestOutcome, ...]:
    """Run the tests of every mapping."""
    outcomes = []
    for name, tests in settings.tests.items():
        itsm = mapping_traits(settings, name, providers)[Side.ITSM]
        for test in tests:
            rules = _account(test, settings.mappings[name], itsm)
            traits = mapping_traits(settings, name, providers, rules.vendor)
            outcomes.append(run_test(test, rules, traits))
    return tuple(outcomes)


def _account(test: MappingTest, rules: MappingRules, itsm: SideTraits) -> MappingRules:
    """Give the rules for the vendor connection that the test's ITSM ticket names."""
    given = test.given.get(Side.ITSM)
    if given is None:
        return rules
    news = Happening() if test.linked else test.when.get(Side.ITSM, Happening())
    return at_account(rules, _changed(_ticket(Side.ITSM, given, rules), news), itsm)


def run_test(
    test: MappingTest, rules: MappingRules, traits: Mapping[Side, SideTraits]
) -> TestOutcome:
    """Run one test.

    Args:
        test: what is given, what happens and what must follow.
        rules: its mapping.
        traits: both connections.
    """
    plan, problems = _linked(test, rules, traits) if test.linked else _unlinked(test, rules, traits)
    failures = [
        f"{side}: {failure}"
        for side, expected in test.expect.items()
        for failure in _failures(expected, _of(plan, side), traits[side])
    ]
    failures += [
        f"{side}: {failure}"
        for side, expected in test.expect.items()
        for failure in _not_followed(expected, plan)
    ]
    found = {conflict.slot for conflict in plan.conflicts}
    names = found | {slot.rpartition(".")[2] for slot in found}
    failures += [
        f"no conflict in {slot}; conflicts: {', '.join(sorted(found)) or 'none'}"
        for slot in test.conflicts
        if slot not in names
    ]
    failures += [
        f"no problem says {wanted!r}; problems: {'; '.join(problems) or 'none'}"
        for wanted in test.problems
        if not any(wanted in problem for problem in problems)
    ]
    if failures and found and not test.conflicts:
        failures.append(f"there is a conflict in {', '.join(sorted(found))}")
    return TestOutcome(mapping=rules.name, test=test, failures=tuple(failures))


# --- what follows --------------------------------------------------------------------------------


def _unlinked(
    test: MappingTest, rules: MappingRules, traits: Mapping[Side, SideTraits]
) -> tuple[Plan, tuple[str, ...]]:
    side, given = next(iter(test.given.items()))
    ticket = _changed(_ticket(side, given, rules), test.when.get(side, Happening()))
    opening = plan_opening(rules, ticket, side, traits)
    if isinstance(opening, NotOpened):
        return Plan(), opening.problems
    return opening.plan, ()


def _linked(
    test: MappingTest, rules: MappingRules, traits: Mapping[Side, SideTraits]
) -> tuple[Plan, tuple[str, ...]]:
    tickets = {
        side: _ticket(side, _with_empty(given, test.when.get(side)), rules)
        for side, given in test.given.items()
    }
    state = _agreed(tickets, rules, traits)
    for side, news in test.when.items():
        if news.elsewhere is not None:
            state = _written_elsewhere(state, side, news.elsewhere)
    after = {
        side: _changed(ticket, test.when.get(side, Happening()))
        for side, ticket in state.tickets.items()
    }
    state = replace(state, tickets=after)
    plan = plan_link(state)
    return (plan, ()) if plan.follow_up is None else _followed(state, plan, plan.follow_up)


def _followed(state: LinkState, plan: Plan, follow_up: FollowUp) -> tuple[Plan, tuple[str, ...]]:
    """Add to a link's last plan what the one that takes its place would write."""
    opening = plan_followed(successor(state, follow_up))
    if isinstance(opening, NotOpened):
        return plan, opening.problems
    return replace(plan, operations=(*plan.operations, *opening.plan.operations)), ()


def _written_elsewhere(state: LinkState, side: Side, news: Happening) -> LinkState:
    """Let another link of a ticket write there (DESIGN R10)."""
    before = state.tickets[side]
    after = _changed(before, news)
    made = [(ItemKind.COMMENT, str(one.id)) for one in after.comments[len(before.comments) :]]
    held = after.attachments[len(before.attachments) :]
    made += [(ItemKind.ATTACHMENT, str(one.id)) for one in held]
    pairs = tuple(
        ItemPair(kind=kind, origin=side, source_id=item, state=PairState.FOREIGN)
        for kind, item in made
    )
    marks = {(side, WRITTEN + name): Baseline(value=value) for name, value in news.fields.items()}
    return replace(
        state,
        tickets={**state.tickets, side: after},
        pairs=(*state.pairs, *pairs),
        baselines={**state.baselines, **marks},
    )


def _with_empty(given: Happening, news: Happening | None) -> Happening:
    """Let a field that only `when` names have been empty before."""
    elsewhere = news.elsewhere.fields if news and news.elsewhere else ()
    empty: dict[str, Value] = dict.fromkeys([*(news.fields if news else ()), *elsewhere], None)
    return replace(given, fields={**empty, **given.fields})


def _agreed(
    tickets: Mapping[Side, Ticket], rules: MappingRules, traits: Mapping[Side, SideTraits]
) -> LinkState:
    """Make a link on which nothing is left to do: whatever would be written counts as written."""
    state = LinkState(
        link_id=LinkRow(1),
        rules=rules,
        traits=traits,
        tickets=tickets,
        numbers={side: ticket.number for side, ticket in tickets.items()},
        # As after an edit of the mapping: values are taken as they are (DESIGN R13).
        baselines={(Side.ITSM, MET): Baseline(value=True)},
        pairs=tuple(_history(tickets)),
        operations=(),
        conflicts=frozenset(),
        own_keys={},
        origin=None,
        now=_NOW,
    )
    for _ in range(_ROUNDS_MAX):
        plan = plan_link(state)
        if plan.is_empty:
            break
        state = replace(state, baselines=_moved(state, plan))
    return state


def _moved(state: LinkState, plan: Plan) -> dict[tuple[Side, str], Baseline]:
    baselines = dict(state.baselines)
    for move in plan.baselines:
        baselines[move.side, move.slot] = Baseline(value=move.value)
    for operation in plan.operations:
        for slot, planned in operation.slots.items():
            baselines[planned.source, slot] = Baseline(value=planned.source_value)
            if not isinstance(planned.target_value, Missing):
                baselines[planned.source.other, slot] = Baseline(value=planned.target_value)
    return baselines


def _history(tickets: Mapping[Side, Ticket]) -> Iterator[ItemPair]:
    for side, ticket in tickets.items():
        items = [(ItemKind.COMMENT, str(one.id)) for one in ticket.comments]
        items += [(ItemKind.ATTACHMENT, str(one.id)) for one in ticket.attachments]
        for kind, item in items:
            yield ItemPair(kind=kind, origin=side, source_id=item, state=PairState.HISTORY)


# --- tickets -------------------------------------------------------------------------------------


def _ticket(side: Side, given: Happening, rules: MappingRules) -> Ticket:
    number = given.fields.get("number")
    bare = Ticket(
        id=TicketId(f"{side}-1"),
        number=number if isinstance(number, str) else _NUMBERS[side],
        kind=rules.kind(side),
        fields={},
        created_at=_NOW,
        updated_at=_NOW,
    )
    return _changed(bare, given)


def _changed(ticket: Ticket, news: Happening) -> Ticket:
    """Let something happen to a ticket."""
    said = len(ticket.comments)
    held = len(ticket.attachments)
    comments = tuple(
        Comment(
            id=CommentId(f"{ticket.id}-comment-{said + at}"),
            body=one.body,
            author=one.author,
            created_at=_NOW,
            visibility=one.visibility,
            kind=one.kind,
        )
        for at, one in enumerate(news.comments)
    )
    files = tuple(
        Attachment(
            id=AttachmentId(f"{ticket.id}-file-{held + at}"),
            name=one.name,
            size_bytes=one.size_bytes,
            content_type=one.content_type,
            created_at=_NOW,
        )
        for at, one in enumerate(news.files)
    )
    return replace(
        ticket,
        fields={**ticket.fields, **news.fields},
        comments=ticket.comments + comments,
        attachments=ticket.attachments + files,
    )


# --- as expected? --------------------------------------------------------------------------------


def _of(plan: Plan, side: Side) -> list[PlannedOperation]:
    return [operation for operation in plan.operations if operation.target is side]


def _failures(
    expected: Expected, operations: list[PlannedOperation], traits: SideTraits
) -> Iterator[str]:
    if expected.nothing:
        for operation in operations:
            yield f"nothing was expected; {_told(operation)}"
        return
    yield from _wrong_ends(expected, {one.kind for one in operations})
    written = {name: value for one in operations for name, value in one.fields.items()}
    for name, wanted in expected.fields.items():
        if name not in written:
            yield f"{name}: {wanted!r} was expected, nothing is written"
        elif traits.normalise(name, written[name]) != traits.normalise(name, wanted):
            yield f"{name}: {wanted!r} was expected, {written[name]!r} is written"
    for kind, text in expected.comments:
        yield from _unsaid(kind, text, operations, written)
    uploaded = [one.attachment.name for one in operations if one.attachment is not None]
    for file_name in expected.files:
        if file_name not in uploaded:
            yield f"{file_name} is not uploaded; uploaded: {', '.join(uploaded) or 'nothing'}"


def _not_followed(expected: Expected, plan: Plan) -> Iterator[str]:
    followed = plan.follow_up is not None
    if expected.followed is not None and followed is not expected.followed:
        yield "no ticket would follow it" if expected.followed else "a ticket would follow it"


def _wrong_ends(expected: Expected, kinds: set[WriteKind]) -> Iterator[str]:
    opened = WriteKind.CREATE in kinds
    if expected.opened is not None and opened is not expected.opened:
        yield "no ticket would be opened" if expected.opened else "a ticket would be opened"
    if expected.deleted and WriteKind.DELETE not in kinds:
        yield "the ticket would not be deleted"


def _unsaid(
    kind: CommentKind | None,
    text: str,
    operations: list[PlannedOperation],
    written: Mapping[str, Value],
) -> Iterator[str]:
    said = [
        one.comment.body.strip()
        for one in operations
        if one.comment is not None and kind in (None, one.comment.kind)
    ]
    said += [str(written[str(one)]).strip() for one in CommentKind if _is_said(one, kind, written)]
    if text.strip() not in said:
        heard = "; ".join(repr(one) for one in said) or "nothing"
        yield f"{kind or 'comment'}: {text!r} was expected, said: {heard}"


def _is_said(one: CommentKind, kind: CommentKind | None, written: Mapping[str, Value]) -> bool:
    return str(one) in written and kind in (None, one)


def _told(operation: PlannedOperation) -> str:
    parts = [f"{name}={value!r}" for name, value in operation.fields.items()]
    if operation.comment is not None:
        parts.append(f"{operation.comment.kind} {operation.comment.body!r}")
    if operation.attachment is not None:
        parts.append(operation.attachment.name)
    return f"{operation.kind}: {', '.join(parts)}"
