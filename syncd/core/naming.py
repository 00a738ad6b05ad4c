"""How a follow-up names the ticket it follows, where the mapping does not say it itself."""

from collections.abc import Iterable

from syncd.core.evaluate import View, as_text, evaluate, inputs
from syncd.core.rules import FieldRule, MappingRules
from syncd.core.state import FOLLOWS, PlannedOperation, Rank, Reason
from syncd.model.ids import Side
from syncd.model.operation import CommentDraft, WriteKind
from syncd.model.ticket import Missing, Value

NAMED_IN = "description"
"""The vendor's field whose text begins with the number of the ticket that is followed."""


def computed(rule: FieldRule, view: View, rules: MappingRules) -> Value | Missing:
    """Compute what a rule writes; a follow-up's description begins with what it follows."""
    value = evaluate(rule.expression, view)
    follows = as_text(_follows(view))
    is_place = rule.target == NAMED_IN and rule.target_side is Side.VENDOR
    if not follows or not is_place or is_named_by_rules(rules):
        return value
    text = as_text(value)
    if not text:
        return value if rule.missing_parks else naming(follows)
    return f"{naming(follows)}\n\n{text}"


def _follows(view: View) -> Value:
    found = view.context.get(FOLLOWS, "")
    return found if isinstance(found, str) else ""


def is_named_by_rules(rules: MappingRules) -> bool:
    """Whether the mapping says itself where the old number stands: `{{ follows }}`."""
    return any(
        FOLLOWS in inputs(rule.expression, rules.derive)
        for rule in rules.fields
        if rule.target_side is Side.VENDOR
    )


def said_to_follow(
    rules: MappingRules, follows: str, planned: Iterable[PlannedOperation]
) -> tuple[PlannedOperation, ...]:
    """Plan the comment that names the old ticket where no field of the new one does."""
    text = naming(follows)
    is_named = any(text in str(value) for each in planned for value in each.fields.values())
    if is_named or is_named_by_rules(rules):
        return ()
    return (
        PlannedOperation(
            target=Side.VENDOR,
            kind=WriteKind.COMMENT,
            reason=Reason.FOLLOWED_UP,
            comment=CommentDraft(body=text, author=""),
            rank=Rank.NORMAL,
        ),
    )


def naming(follows: str) -> str:
    """Say which ticket another follows."""
    return f"Follow-up of {follows}."
