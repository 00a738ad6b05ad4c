"""`active_order:` of a mapping: what concerns an active ticket of the vendor is said there."""

from collections.abc import Iterable
from dataclasses import replace

from syncd.core.rules import ActiveRule, Expression, FieldRule, OpeningRules
from syncd.core.sources import FieldOf
from syncd.model.features import ActiveFirst
from syncd.model.ids import Side
from syncd.settings.mapping import ActiveOrderBlock, OpeningBlock
from syncd.settings.mapping_scope import ALWAYS_READABLE, Scope
from syncd.settings.problems import Path, listed, shown

KEY = "active_order"


def with_active(
    scope: Scope,
    block: OpeningBlock | None,
    opening: OpeningRules | None,
    fields: Iterable[FieldRule],
) -> OpeningRules | None:
    """Add the rule that stands before a creation: on wherever the vendor has it, unless ignored."""
    if block is None or opening is None:
        return opening
    target = opening.target_side
    path: Path = ("open", f"to_{target}", KEY)
    facts = scope.facts[target]
    first = facts.traits.features.active_first.get(facts.kind)
    said = block.active_order
    if first is None:
        if said is not None:
            scope.add_key(path, f"{facts.connection.provider} has no such rule for {facts.kind}s")
        return opening
    if said == "ignore":
        return opening
    written = {rule.target: rule.expression for rule in fields if rule.target_side is target}
    terms: dict[str, Expression] = {}
    for name in first.match if said is None else _named(scope, said, first, path):
        expression = written.get(name) or _by_name(scope, name, path, target)
        if expression is not None:
            terms[name] = expression
        elif said is not None:
            what = f"{shown(name)} has no value: write it under `fields`, or name it in `derive`"
            scope.add((*path, "match"), what)
    place = opening.place if said is None else scope.place(path)
    rule = ActiveRule(kind=first.kind, terms=terms, place=place)
    return replace(opening, active=rule) if terms else opening


def _named(scope: Scope, said: ActiveOrderBlock, first: ActiveFirst, path: Path) -> tuple[str, ...]:
    for name in said.match:
        if name not in first.match:
            what = f"{shown(name)} finds no {first.kind}; accepted: {listed(first.match)}"
            scope.add((*path, "match"), what)
    return tuple(name for name in said.match if name in first.match)


def _by_name(scope: Scope, name: str, path: Path, target: Side) -> Expression | None:
    """Give the value of a name the mapping does not write: derived, or a field of the source."""
    source = scope.facts[target.other].fields
    derived = name in scope.derived and target is Side.VENDOR
    if derived or name in source or name in ALWAYS_READABLE:
        return Expression(source=FieldOf(name), place=scope.place(path))
    return None
