"""Expressions and conditions of a mapping: checked, and built as the core evaluates them."""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from zoneinfo import ZoneInfo

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
from syncd.model.ids import Side
from syncd.model.texts import parse_zone
from syncd.model.ticket import MISSING
from syncd.settings.mapping import ConditionBlock, ExpressionBlock, FieldTestBlock
from syncd.settings.mapping_scope import Scope
from syncd.settings.problems import Path, listed, nearest, shown
from syncd.settings.tables import LoadedTable

SOURCES = ("from", "value", "text", "table", "find", "first")
"""Keys that say where a value comes from."""
_COMPANIONS = {"table": ("by", "get"), "find": ("in",)}
_ANY_CELL = "*"

Source = FieldOf | Constant | TextOf | Lookup | Find | First


def build_expression(
    scope: Scope, block: ExpressionBlock, path: Path, side: Side
) -> Expression | None:
    """Check an expression over a side's ticket and build it; None after a complaint."""
    if not _is_whole(scope, block, path):
        return None
    source = _source(scope, block, path, side)
    if source is None:
        return None
    if isinstance(source, FieldOf) and block.map:
        for label in block.map:
            scope.label(side, source.name, label, (*path, "map", label))
            scope.spell(side, source.name, label, (*path, "map", label))
    zone = None if block.zone is None else build_zone(scope, block.zone, (*path, "zone"), side)
    return Expression(
        source=source,
        zone=zone,
        labels=block.map,
        default=MISSING if block.default is None else block.default,
        place=scope.place(path),
    )


def build_zone(scope: Scope, block: ExpressionBlock, path: Path, side: Side) -> Zoned | None:
    """Check what gives a zone's name, every name it can give included; None after a complaint."""
    below = path if scope.reading.document.node((*path, "value")) is None else (*path, "value")
    if block.zone is not None:
        scope.add_key((*path, "zone"), "a zone has no zone")
        return None
    if block.value is None and not _is_listed(block):
        scope.add(
            path,
            "a ticket names no zone; accepted: the name of one, a table, or the first of several",
        )
        return None
    named = build_expression(scope, block, path, side)
    if named is None:
        return None
    known: dict[str, tzinfo] = {}
    ok = True
    for text, where, given in produced(scope, named, path):
        try:
            known[text.strip()] = ZoneInfo(parse_zone(text.strip()))
        except ValueError as err:
            ok = False
            said = f"{given}{str(err).replace(' is not', ', which is not', 1) if given else err}"
            scope.add(below if block.value is not None else where, said)
    return Zoned(name=named, known=known) if ok else None


def _is_listed(block: ExpressionBlock) -> bool:
    """Whether every name an expression can give stands in the mapping or in a table."""
    if block.first is not None:
        return all(one.value is not None or _is_listed(one) for one in block.first)
    return block.table is not None


def _given(block: ExpressionBlock) -> dict[str, object]:
    names = {info.alias or name: name for name, info in type(block).model_fields.items()}
    found = {key: getattr(block, name) for key, name in names.items()}
    return {key: value for key, value in found.items() if value is not None}


def _is_whole(scope: Scope, block: ExpressionBlock, path: Path) -> bool:
    """Check that exactly one source is named, with all that belongs to it."""
    given = _given(block)
    sources = [key for key in SOURCES if key in given]
    if len(sources) != 1:
        what = (
            f"{' and '.join(sources)} exclude one another"
            if sources
            else "nothing says where the value comes from"
        )
        scope.add(path, f"{what}; accepted: one of {listed(SOURCES)}")
        return False
    needed = _COMPANIONS.get(sources[0], ())
    for key in needed:
        if key not in given:
            scope.add(path, f"`{sources[0]}` needs `{key}`")
            return False
    for owner, keys in _COMPANIONS.items():
        for key in keys:
            if key in given and owner != sources[0]:
                scope.add_key((*path, key), f"`{key}` belongs to `{owner}`")
                return False
    return True


def _source(scope: Scope, block: ExpressionBlock, path: Path, side: Side) -> Source | None:
    if block.from_ is not None:
        ok = scope.readable(side, block.from_, (*path, "from"), derived=side is Side.ITSM)
        return FieldOf(block.from_) if ok else None
    if block.value is not None:
        return Constant(block.value)
    if block.text is not None:
        template = scope.template(block.text, (*path, "text"), side)
        return None if template is None else TextOf(template)
    if block.table is not None:
        return _lookup(scope, block, path, side)
    if block.find is not None:
        return _find(scope, block, path, side)
    options = [
        build_expression(scope, option, (*path, "first", at), side)
        for at, option in enumerate(block.first or ())
    ]
    if not options:
        scope.add((*path, "first"), "an empty list gives nothing")
        return None
    made = tuple(option for option in options if option is not None)
    return First(made) if len(made) == len(options) else None


def _find(scope: Scope, block: ExpressionBlock, path: Path, side: Side) -> Find | None:
    pattern = scope.pattern(block.find or "", (*path, "find"))
    name = block.in_ or ""
    ok = scope.readable(side, name, (*path, "in"), derived=side is Side.ITSM)
    if pattern is not None and pattern.groups > 1:
        scope.add((*path, "find"), "more than one group; the first is taken, use (?:…) for others")
        return None
    return Find(pattern=pattern, field=name) if pattern is not None and ok else None


def _lookup(scope: Scope, block: ExpressionBlock, path: Path, side: Side) -> Lookup | None:
    name = block.table or ""
    loaded = scope.tables.loaded.get(name)
    if loaded is None:
        declared = scope.tables.declared
        if declared is not None and name not in declared:
            close = nearest(name, declared) or ";"
            said = f"no table {shown(name)}{close} accepted: {listed(sorted(declared))}"
            scope.add((*path, "table"), said)
        return None
    scope.used_tables[loaded.table.name] = loaded
    by, get = block.by or (), block.get or ""
    ok = _has_columns(scope, loaded, by, (*path, "by"))
    ok &= _has_columns(scope, loaded, (get,), (*path, "get"))
    for name in by:
        ok &= scope.readable(side, name, (*path, "by"), derived=side is Side.ITSM)
    if ok and get in by:
        scope.add((*path, "get"), f"{shown(get)} already chooses the row")
        ok = False
    return (
        Lookup(table=loaded.table, by=by, get=get)
        if ok and _is_clear(scope, loaded, by, path)
        else None
    )


def _has_columns(scope: Scope, loaded: LoadedTable, names: tuple[str, ...], path: Path) -> bool:
    columns = loaded.table.columns
    missing = [name for name in names if name not in columns]
    for name in missing:
        close = nearest(name, columns) or ";"
        said = f"{loaded.file} has no column {shown(name)}{close} accepted: {listed(columns)}"
        scope.add(path, said)
    if not names:
        scope.add(path, f"no column is named; accepted: {listed(columns)}")
    return bool(names) and not missing


def _is_clear(scope: Scope, loaded: LoadedTable, by: tuple[str, ...], path: Path) -> bool:
    """Check that no two rows answer the same key."""
    places = [loaded.table.columns.index(name) for name in by]
    seen: dict[tuple[str, ...], int] = {}
    for row, line in zip(loaded.table.rows, loaded.lines, strict=True):
        key = tuple(row[place] for place in places)
        first = seen.setdefault(key, line)
        if first != line:
            said = f"{loaded.file} has {shown(' | '.join(key))} twice, in rows {first} and {line}"
            scope.add((*path, "table"), said)
            return False
    return True


def produced(scope: Scope, expression: Expression, path: Path) -> Iterator[tuple[str, Path, str]]:
    """Give every text an expression is known to produce: (text, its place, what gives it)."""
    if isinstance(expression.default, str):
        yield expression.default, (*path, "default"), ""
    if expression.labels is not None:
        for label, written in expression.labels.items():
            yield written, (*path, "map", label), ""
        return
    source = expression.source
    if expression.zone is not None:
        return  # what a clock shows is known only then
    if isinstance(source, Constant) and isinstance(source.value, str):
        yield source.value, (*path, "value"), ""
    elif isinstance(source, First):
        for at, option in enumerate(source.options):
            yield from produced(scope, option, (*path, "first", at))
    elif isinstance(source, Lookup):
        yield from _cells(scope, source, path)


def _cells(scope: Scope, source: Lookup, path: Path) -> Iterator[tuple[str, Path, str]]:
    loaded = scope.used_tables[source.table.name]
    place = source.table.columns.index(source.get)
    told: set[str] = set()
    for row, line in zip(source.table.rows, loaded.lines, strict=True):
        if row[place] and row[place] not in told:
            told.add(row[place])
            yield row[place], path, f"table {source.table.name} row {line} gives "


# --- conditions ------------------------------------------------------------------------------


def build_condition(scope: Scope, block: ConditionBlock, path: Path, side: Side) -> Condition:
    """Check a condition on a side's ticket and build what could be built of it."""
    parts: list[Condition] = []
    extra: Mapping[str, FieldTestBlock] = block.__pydantic_extra__ or {}
    for name, test in extra.items():
        one = _field_test(scope, name, test, (*path, name), side)
        if one is not None:
            parts.append(one)
    groups = (("all", block.all_, AllOf), ("any", block.any_, AnyOf), ("not", block.not_, NotAny))
    for key, blocks, made in groups:
        if blocks is not None:
            below = tuple(
                build_condition(scope, each, (*path, key, at), side)
                for at, each in enumerate(blocks)
            )
            parts.append(made(below))
            if not below:
                scope.add((*path, key), "an empty list of conditions")
    if not extra and all(blocks is None for _, blocks, _ in groups):
        scope.add(path, "no condition at all would match every ticket; name a field")
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _field_test(
    scope: Scope, name: str, block: FieldTestBlock, path: Path, side: Side
) -> Condition | None:
    ways = [key for key in ("is", "not", "matches") if _way(block, key) is not None]
    if len(ways) != 1:
        scope.add(path, f"{' and '.join(ways) or 'nothing'}; accepted: one of is, not, matches")
        return None
    if not _is_name(scope, name, path, side):
        return None
    place = scope.place(path)
    if block.matches is not None:
        pattern = scope.pattern(block.matches, (*path, "matches"))
        return None if pattern is None else FieldTest(field=name, pattern=pattern, place=place)
    labels = block.is_ if block.is_ is not None else block.not_ or ()
    below = (*path, ways[0])
    if not labels:
        scope.add(below, "an empty list")
    for label in labels:
        _check_tested(scope, name, label, below, side)
    test = FieldTest(field=name, one_of=labels, place=place)
    return test if block.is_ is not None else NotAny((test,))


def _way(block: FieldTestBlock, key: str) -> object:
    return {"is": block.is_, "not": block.not_, "matches": block.matches}[key]


def _is_name(scope: Scope, name: str, path: Path, side: Side) -> bool:
    facts = scope.facts[side]
    known = [*scope.derived] if side is Side.ITSM else []
    if name in known or name in ("number", "phase"):
        return True
    info = facts.fields.get(name)
    if info is not None and info.readable:
        return True
    readable = dict.fromkeys([*known, "number", "phase"])
    readable |= dict.fromkeys(each.name for each in facts.fields.values() if each.readable)
    close = nearest(name, readable) or ";"
    said = f"{facts.name} has no field {shown(name)} to read{close} accepted: {listed(readable)}"
    scope.add_key(path, said)
    return False


def _check_tested(scope: Scope, name: str, label: str, path: Path, side: Side) -> None:
    facts = scope.facts[side]
    if name != "phase":
        if name not in scope.derived or side is not Side.ITSM:
            scope.label(side, name, label, path)
        return
    phases = facts.connection.phases
    if label not in phases:
        close = nearest(label, phases) or ";"
        said = f"{facts.name} has no phase {shown(label)}{close} accepted: {listed(phases)}"
        scope.add(path, said)
