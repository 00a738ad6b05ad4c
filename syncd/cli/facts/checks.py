"""What `check` looks at: the mappings' tests, notes, and what is expected of each connection."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncd.core.rules import (
    Expression,
    First,
    Lookup,
    MappingRules,
    PairedField,
    Place,
    StatusAction,
    StatusEffect,
)
from syncd.core.sources import Constant, FieldOf
from syncd.model.ids import ConnectionName, Side
from syncd.model.ticket import MISSING
from syncd.ports.adapter import CheckFinding, Expectation
from syncd.settings.run_tests import TestOutcome
from syncd.settings.values import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything `check` found.

    Attributes:
        settings: the configuration; it loaded, or there would be no result.
        outcomes: of the mappings' tests.
        notes: worth knowing, no reason to fail.
        live: by connection, what the systems said; empty when they were not asked.
    """

    settings: Settings
    outcomes: Sequence[TestOutcome]
    notes: Sequence[str]
    live: Mapping[ConnectionName, Sequence[CheckFinding]]

    @property
    def is_fine(self) -> bool:
        """Whether nothing was found."""
        asked = (finding for found in self.live.values() for finding in found)
        return all(each.passed for each in self.outcomes) and all(each.ok for each in asked)


def notes(settings: Settings) -> tuple[str, ...]:
    """Say what is worth knowing of a configuration."""
    used = {
        name
        for rules in settings.mappings.values()
        for side in Side
        for name in rules.connections(side)
    }
    found = [
        f"connection {name} is used by no mapping"
        for name in settings.connections
        if name not in used
    ]
    found += [
        f"mapping {name} has no tests"
        for name, rules in settings.mappings.items()
        if not settings.tests.get(rules.name)
    ]
    if not settings.mappings:
        found.append("there is no mapping: nothing is kept in step")
    return (*settings.remarks, *found, *_shared_references(settings))


def _shared_references(settings: Settings) -> Iterator[str]:
    """Name ITSM fields that show a partner's number and that a second mapping writes as well.

    An ITSM ticket may have a partner by each mapping that uses its kind; `exclusive` holds for one
    instant, and a ticket that is reassigned keeps its first partner.
    """
    writers: dict[tuple[ConnectionName, str, str], list[tuple[MappingRules, Place]]] = {}
    shown: set[tuple[ConnectionName, str, str]] = set()
    for rules in settings.mappings.values():
        references = {each.field for each in rules.references if each.side is Side.ITSM}
        for field, place in _written(rules).items():
            key = (rules.itsm, rules.itsm_kind, field)
            writers.setdefault(key, []).append((rules, place))
            if field in references:
                shown.add(key)
    for key, found in writers.items():
        can_meet = any(rules.opening(Side.VENDOR) is not None for rules, _ in found)
        if key in shown and len(found) > 1 and can_meet:
            *first, last = (str(place) for _, place in found)
            yield (
                f"{', '.join(first)} and {last} write {key[2]} of {key[0]}: where one ticket has"
                " two of these partners, one's number is lost to the other's; give each a field"
            )


def _written(rules: MappingRules) -> dict[str, Place]:
    """Give every field of the ITSM's ticket that rules write, and where they say so."""
    found: dict[str, Place] = {}
    for each in rules.each():
        for rule in each.fields:
            if rule.target_side is Side.ITSM:
                found.setdefault(rule.target, rule.place)
        for paired in each.paired:
            found.setdefault(paired.itsm, paired.place)
        for one in each.references:
            if one.side is Side.ITSM:
                found.setdefault(one.field, one.place)
    return found


def expectation(settings: Settings, name: ConnectionName) -> Expectation:
    """Gather every constant that mappings may send to a connection, and every status they name."""
    values: dict[str, set[str]] = {}
    statuses: set[str] = set()
    kinds: set[str] = set()
    for rules in settings.mappings.values():
        for side in Side:
            if name in rules.connections(side):
                here = rules if side is Side.ITSM else rules.at(name)
                kinds.add(rules.kind(side))
                for field, value in _sent(here, side):
                    values.setdefault(field, set()).add(value)
                statuses |= set(_statuses(here, side))
    return Expectation(
        values={field: frozenset(each) for field, each in values.items()},
        statuses=frozenset(statuses),
        kinds=frozenset(kinds),
    )


def _sent(rules: MappingRules, side: Side) -> Iterator[tuple[str, str]]:
    """Go through (field, value) that a mapping may write on a side."""
    for rule in rules.fields:
        if rule.target_side is side:
            for value in _values(rule.expression, rules.derive):
                yield rule.target, value
    for paired in rules.paired:
        for value in _labels(paired, side):
            yield paired.vendor if side is Side.VENDOR else paired.itsm, value
    opening = rules.opening(side)
    for field, expression in opening.fixed.items() if opening else ():
        for value in _values(expression, rules.derive):
            yield field, value


def _values(expression: Expression, derive: Mapping[str, Expression]) -> set[str]:
    """List the values an expression can give, as far as the configuration alone tells."""
    found: set[object] = set()
    if expression.labels is not None:
        found |= set(expression.labels.values())
    else:
        match expression.source:
            case Constant(value):
                found.add(value if isinstance(value, str) else None)
            case Lookup(table=table, get=get):
                column = table.columns.index(get)
                found |= {row[column] for row in table.rows}
            case First(options):
                for option in options:
                    found |= _values(option, derive)
            case FieldOf(name) if name in derive:
                # Derived names use earlier ones only, so this ends.
                earlier = {key: derive[key] for key in list(derive)[: list(derive).index(name)]}
                found |= _values(derive[name], earlier)
            case _:
                pass
    if expression.default is not MISSING:
        found.add(expression.default)
    return {each for each in found if isinstance(each, str) and each}


def _labels(paired: PairedField, side: Side) -> set[str]:
    toward = paired.to_vendor if side is Side.VENDOR else paired.to_itsm
    return set(toward.values()) if toward is not None else set()


def _statuses(rules: MappingRules, side: Side) -> Iterator[str]:
    """Go through the labels of a side that a mapping names."""
    if rules.status is None:
        return
    here, _ = rules.status.toward(side)
    there, _ = rules.status.toward(side.other)
    yield from there
    for action in here.values():
        yield from _named(action)


def _named(action: StatusAction | None) -> Iterator[str]:
    while action is not None:
        if action.effect in (StatusEffect.SET, StatusEffect.CANCEL):
            yield action.status
            yield from action.only_from or ()
        action = action.otherwise
