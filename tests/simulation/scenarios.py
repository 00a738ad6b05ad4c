"""The sorts of pairing that stories are told of."""

from dataclasses import dataclass, replace
from typing import Any

from syncd.core.rules import (
    AttachmentRules,
    ConflictPolicy,
    Expression,
    FieldRule,
    MappingRules,
    PairedField,
    Rate,
)
from syncd.core.sources import FieldOf
from syncd.model.features import Reading
from syncd.model.ids import Side
from syncd.model.ticket import CommentKind
from tests.simulation.traits import Profile
from tests.simulation.vendor import KIND
from tests.support.mappings import mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One sort of pairing.

    Attributes:
        desk, carrier: the two systems.
        rules: the mapping.
        vendors_set_titles: the vendor's people change titles as well.
        forgets: the desk's people open tickets without what the mapping needs.
        removes: people delete tickets and bring them back.
        meddles: an operator pauses this and that, and the clock is set.
    """

    desk: Profile
    carrier: Profile
    rules: MappingRules
    vendors_set_titles: bool = True
    forgets: bool = False
    removes: bool = False
    meddles: bool = False


def rules_for(
    conflict: ConflictPolicy = ConflictPolicy.ITSM, *, title_both: bool = True, **changes: object
) -> MappingRules:
    """A mapping that carries all there is, history too.

    Args:
        conflict: the policy of every field.
        title_both: one rule for both directions; else one for each.
        changes: replace parts of the rules.
    """
    made = mapping(conflict)
    comments = {side: replace(rule, history=True) for side, rule in made.comments.items()}
    directed = ("description",) if title_both else ("description", "title")
    title = PairedField(slot="both.title", itsm="title", vendor="title", conflict=conflict)
    values: dict[str, Any] = {
        "itsm_kind": KIND,
        "vendor_kind": KIND,
        "comments": comments,
        "fields": tuple(_as_it_is(name, side) for name in directed for side in Side),
        "paired": (*made.paired, title) if title_both else made.paired,
        "status": replace(made.status, conflict=conflict) if made.status else None,
    }
    return replace(made, **(values | changes))


def with_policy(rules: MappingRules, conflict: ConflictPolicy) -> MappingRules:
    """The same mapping with another policy for every field."""
    return replace(
        rules,
        paired=tuple(replace(each, conflict=conflict) for each in rules.paired),
        status=replace(rules.status, conflict=conflict) if rules.status else None,
    )


def strict_rules() -> MappingRules:
    """The same, but nothing is opened without a description, and only so many in a while."""
    made = rules_for()
    return replace(
        made,
        fields=tuple(replace(each, missing_parks=True) for each in made.fields),
        tell_problems=CommentKind.WORK_NOTE,
        at_most=Rate(count=1, per_s=60.0),
    )


def _as_it_is(name: str, target: Side) -> FieldRule:
    return FieldRule(
        slot=f"to_{target}.{name}",
        target_side=target,
        target=name,
        expression=Expression(source=FieldOf(name)),
    )


FEED = Profile(overlap=2)
WATCH = Profile(reading=Reading.WATCH)
# As an ITSM behind the SmartOps contract: a create cannot be looked for, comments have no ids.
BLIND = Profile(reading=Reading.WATCH, finds_creates=False, comment_ids=False, takes_files=False)
SAID_FILES = {
    Side.VENDOR: AttachmentRules(),
    Side.ITSM: AttachmentRules(otherwise=CommentKind.WORK_NOTE),
}

SCENARIOS = {
    "itsm wins": Scenario(desk=WATCH, carrier=FEED, rules=rules_for()),
    "an operator meddles": Scenario(desk=WATCH, carrier=FEED, rules=rules_for(), meddles=True),
    "tickets vanish": Scenario(desk=WATCH, carrier=FEED, rules=rules_for(), removes=True),
    "tickets lack something": Scenario(
        desk=WATCH, carrier=FEED, rules=strict_rules(), forgets=True
    ),
    "blind desk": Scenario(desk=BLIND, carrier=FEED, rules=rules_for(attachments=SAID_FILES)),
    "vendor wins": Scenario(desk=WATCH, carrier=FEED, rules=rules_for(ConflictPolicy.VENDOR)),
    "two feeds": Scenario(desk=FEED, carrier=replace(FEED, tells_updates=False), rules=rules_for()),
    "conflicts park": Scenario(desk=WATCH, carrier=FEED, rules=rules_for(ConflictPolicy.PARK)),
    # Two rules instead of one for both directions have no policy: one side writes the titles.
    "a rule each way": Scenario(
        desk=WATCH, carrier=FEED, rules=rules_for(title_both=False), vendors_set_titles=False
    ),
    "blind carrier": Scenario(
        desk=WATCH, carrier=replace(BLIND, reading=Reading.FEED), rules=rules_for()
    ),
}
