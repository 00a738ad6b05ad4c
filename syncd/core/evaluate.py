"""A ticket seen through a mapping: normalised fields, derived names, expressions, conditions."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

from syncd.core.rules import (
    AllOf,
    AnyOf,
    Condition,
    Expression,
    FieldTest,
    First,
    Lookup,
    NotAny,
    Zoned,
)
from syncd.core.sources import Constant, FieldOf, Find, TextOf
from syncd.core.state import FOLLOWS, SideTraits, TestResult
from syncd.core.zones import converted, zone_of
from syncd.model.ids import Side
from syncd.model.ticket import MISSING, Missing, Ticket, Value

DIGEST_PREFIX = "blake2b:"
"""Begins a baseline's input that is kept as a digest."""

LONG_CHARS = 200
"""Longer inputs are kept in baselines as digests."""

UNRULED_PHASE = ""
"""The phase of a status no phase lists."""


def phase_of(status: Value | Missing, traits: SideTraits) -> str:
    """Return the phase whose list has this status; empty when none has."""
    if not isinstance(status, str):
        return UNRULED_PHASE
    wanted = traits.normalise("status", status)
    for phase, labels in traits.phases.items():
        if any(traits.normalise("status", label) == wanted for label in labels):
            return phase
    return UNRULED_PHASE


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One ticket as rules see it.

    Attributes:
        ticket: the snapshot.
        traits: its connection.
        derived: names from `derive` that gave something.
        context: what templates read.
    """

    ticket: Ticket
    traits: SideTraits
    derived: Mapping[str, Value] = field(default_factory=dict)
    context: Mapping[str, object] = field(default_factory=dict)

    def get(self, name: str) -> Value | Missing:
        """Return a name's value after N; MISSING when nothing is known under it."""
        if name in self.derived:
            return self.derived[name]
        if name == "number":
            return self.ticket.number
        if name == "phase":
            return phase_of(self.ticket.get("status"), self.traits)
        value = self.ticket.get(name)
        return value if isinstance(value, Missing) else self.traits.normalise(name, value)

    def text(self, name: str) -> str:
        """Return a name's value after N as text; empty for MISSING and None."""
        return as_text(self.get(name))

    def shown(self, name: str) -> Value | Missing:
        """Return a name's value as it is written elsewhere: canonical, but not changed in case."""
        value = self.get(name)
        raw = self.ticket.get(name)
        return value if name in self.derived else spelled(raw, value)


def spelled(raw: Value | Missing, normalised: Value | Missing) -> Value | Missing:
    """Choose what is written of a value: N only compares, but a canonical label replaces others."""
    if isinstance(raw, str) and isinstance(normalised, str):
        only_case = raw.strip().casefold() == normalised.casefold()
        return raw.strip() if only_case and normalised == normalised.casefold() else normalised
    return normalised


def as_text(value: Value | Missing) -> str:
    """Give a value as text: empty for MISSING and None, `true`/`false` for booleans."""
    if value is None or isinstance(value, Missing):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {part}" for key, part in value.items())
    return str(value)


def _for_template(value: Value | Missing) -> Value:
    return None if isinstance(value, Missing) else value


def _template_context(
    ticket: Ticket, traits: SideTraits, numbers: Mapping[Side, str], follows: str
) -> dict[str, object]:
    fields: dict[str, object] = {
        name: _for_template(spelled(value, traits.normalise(name, value)))
        for name, value in ticket.fields.items()
    }
    fields["number"] = ticket.number
    fields["itsm"] = {"number": numbers.get(Side.ITSM, "")}
    fields["vendor"] = {"number": numbers.get(Side.VENDOR, "")}
    fields[FOLLOWS] = follows
    return fields


class _Context(Mapping[str, object]):
    """What templates read, put together when the first one reads: most decisions need none."""

    def __init__(self, build: Callable[[], Mapping[str, object]]) -> None:
        self._build = build

    @cached_property
    def _built(self) -> Mapping[str, object]:
        return self._build()

    def __getitem__(self, name: str) -> object:
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._built)

    def __len__(self) -> int:
        return len(self._built)


def view_of(
    ticket: Ticket,
    traits: SideTraits,
    *,
    derive: Mapping[str, Expression] | None = None,
    numbers: Mapping[Side, str] | None = None,
    follows: str = "",
) -> View:
    """Look at a ticket through its connection's traits and, for the ITSM side, `derive`.

    Templates read as `follows` the vendor ticket that the link's one is the follow-up of.
    """
    of_ticket = _Context(partial(_template_context, ticket, traits, numbers or {}, follows))
    derived: dict[str, Value] = {}

    def view() -> View:
        context = _Context(lambda: {**of_ticket, **derived})
        return View(ticket=ticket, traits=traits, derived=derived, context=context)

    for name, expression in (derive or {}).items():
        value = evaluate(expression, view())
        if not isinstance(value, Missing):
            derived[name] = value
    return view()


def with_derived(view: View, derived: Mapping[str, Value]) -> View:
    """Give a view of the other side's ticket the names derived from the ITSM's."""
    return View(ticket=view.ticket, traits=view.traits, context={**derived, **view.context})


# --- expressions -----------------------------------------------------------------------------


def _is_nothing(value: Value | Missing) -> bool:
    return value is None or isinstance(value, Missing) or value == ""


def evaluate(expression: Expression, view: View) -> Value | Missing:
    """Compute an expression over a ticket; MISSING when it gives nothing."""
    value = _of_source(expression, view)
    if expression.zone is not None:
        value = _zoned(value, expression.zone, view)[0]
    if expression.labels is not None:
        value = expression.labels.get(as_text(value), MISSING)
    if _is_nothing(value) and not isinstance(expression.default, Missing):
        return expression.default
    return value


def _of_source(expression: Expression, view: View) -> Value | Missing:
    source = expression.source
    match source:
        case FieldOf(name):
            return view.shown(name) if expression.labels is None else view.get(name)
        case Constant(value):
            return value
        case TextOf(template):
            return template.render(view.context)
        case Lookup():
            return _look_up(source, view)
        case Find():
            found = source.pattern.search(as_text(view.shown(source.field)))
            if found is None:
                return MISSING
            return found.group(1) if source.pattern.groups else found.group(0)
        case First(options):
            values = (evaluate(option, view) for option in options)
            return next((value for value in values if not _is_nothing(value)), MISSING)


def _zoned(value: Value | Missing, zoned: Zoned, view: View) -> tuple[Value | Missing, str]:
    """Convert between wall time and instant; give why nothing came of it as well."""
    text = as_text(value).strip()
    if not text:
        return MISSING, ""
    name = as_text(evaluate(zoned.name, view))
    zone = zone_of(name, zoned.known)
    if zone is None:
        return MISSING, f"no zone is known for {text!r}"
    made = converted(text, zone)
    return (MISSING, f"{text!r} is no date with a time") if made is None else (made, "")


def why_nothing(expression: Expression, view: View) -> str:
    """Say why an expression with a zone gives nothing for what stands there; empty otherwise."""
    if expression.zone is None:
        return ""
    return _zoned(_of_source(expression, view), expression.zone, view)[1]


def _look_up(lookup: Lookup, view: View) -> Value | Missing:
    """Find the most specific row: the one with the fewest `*`; the earlier of equals."""
    table = lookup.table
    keys = [table.columns.index(name) for name in lookup.by]
    wanted = [(name, view.text(name)) for name in lookup.by]
    column = table.columns.index(lookup.get)
    best: tuple[int, str] | None = None
    for row in table.rows:
        cells = [row[key] for key in keys]
        if not all(_fits(cell, want, view) for cell, want in zip(cells, wanted, strict=True)):
            continue
        stars = cells.count("*")
        if best is None or stars < best[0]:
            best = (stars, row[column])
    return best[1] if best and best[1] != "" else MISSING


def _fits(cell: str, wanted: tuple[str, str], view: View) -> bool:
    name, value = wanted
    return cell in ("*", value) or as_text(view.traits.normalise(name, cell)) == value


def inputs(expression: Expression, derive: Mapping[str, Expression]) -> frozenset[str]:
    """Name the fields of the source ticket that an expression depends on."""
    names: set[str] = set()
    match expression.source:
        case FieldOf(name):
            names = {name}
        case TextOf(template):
            names = set(template.names) - {"itsm", "vendor"}
        case Lookup(by=by):
            names = set(by)
        case Find(field=name):
            names = {name}
        case First(options):
            names = set().union(*(inputs(option, derive) for option in options))
        case Constant():
            pass
    if expression.zone is not None:
        names |= inputs(expression.zone.name, derive)
    return inputs_of(names, derive)


def condition_inputs(condition: Condition, derive: Mapping[str, Expression]) -> frozenset[str]:
    """Name the fields of a ticket that a condition asks about."""
    match condition:
        case FieldTest():
            return inputs_of({condition.field}, derive)
        case AllOf(parts) | AnyOf(parts) | NotAny(parts):
            return frozenset[str]().union(*(condition_inputs(each, derive) for each in parts))


def inputs_of(names: set[str] | frozenset[str], derive: Mapping[str, Expression]) -> frozenset[str]:
    """Name the fields of the source ticket that some names, derived ones too, depend on."""
    plain = {name for name in names if name not in derive}
    for name in names - plain:
        # A derived name depends on those derived before it only, so this ends.
        earlier = {key: derive[key] for key in list(derive)[: list(derive).index(name)]}
        plain |= inputs(derive[name], earlier)
    return frozenset(plain)


def fingerprint(view: View, names: frozenset[str]) -> Mapping[str, str]:
    """Give the inputs' values as a baseline keeps them: short ones whole, long ones as digests."""
    return {name: short(view.text(name)) for name in sorted(names)}


def short(text: str) -> str:
    """Give a text as a baseline keeps it."""
    if len(text) <= LONG_CHARS:
        return text
    return (
        DIGEST_PREFIX + hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()
    )


# --- conditions ------------------------------------------------------------------------------


def examine(condition: Condition, view: View) -> tuple[bool, tuple[TestResult, ...]]:
    """Evaluate a condition.

    Returns:
        Whether it holds, and the tests made, in order, ending with the first that failed (all of
        them where alternatives were tried).
    """
    match condition:
        case FieldTest():
            result = _test(condition, view)
            return result.holds, (result,)
        case AllOf(conditions):
            return _all(conditions, view)
        case AnyOf(conditions):
            results = [examine(each, view) for each in conditions]
            won = next((tests for holds, tests in results if holds), None)
            if won is not None:
                return True, won
            return False, tuple(test for _, tests in results for test in tests)
        case NotAny(conditions):
            results = [examine(each, view) for each in conditions]
            tests = tuple(_negated(test) for _, group in results for test in group)
            return not any(holds for holds, _ in results), tests


def without(condition: Condition, names: frozenset[str]) -> Condition:
    """Give a condition that no longer asks about some fields; what depends on them holds."""
    match condition:
        case FieldTest():
            return AllOf() if condition.field in names else condition
        case AllOf(conditions):
            return AllOf(tuple(without(each, names) for each in conditions))
        case AnyOf(conditions):
            return AnyOf(tuple(without(each, names) for each in conditions))
        case NotAny(conditions):
            return NotAny(tuple(each for each in conditions if without(each, names) == each))


def _all(conditions: tuple[Condition, ...], view: View) -> tuple[bool, tuple[TestResult, ...]]:
    tests: list[TestResult] = []
    for each in conditions:
        holds, made = examine(each, view)
        tests.extend(made)
        if not holds:
            return False, tuple(tests)
    return True, tuple(tests)


def _negated(test: TestResult) -> TestResult:
    return TestResult(
        asked=f"not {test.asked}", holds=not test.holds, actual=test.actual, place=test.place
    )


def _test(test: FieldTest, view: View) -> TestResult:
    actual = view.text(test.field)
    if test.pattern is not None:
        asked = f"{test.field} matches {test.pattern.pattern}"
        actual = as_text(view.shown(test.field))
        holds = test.pattern.search(actual) is not None
    else:
        asked = f"{test.field}={' or '.join(test.one_of)}"
        normalise: Callable[[str, Value], Value] = view.traits.normalise
        accepted = {as_text(normalise(test.field, each)) for each in test.one_of}
        holds = actual in accepted or actual in test.one_of
    return TestResult(asked=asked, holds=holds, actual=actual, place=str(test.place))
