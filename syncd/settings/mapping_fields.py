"""`derive`, `fields`, `references` and `open` of a mapping: checked, and built for the core."""

from collections.abc import Mapping

from syncd.core.evaluate import inputs
from syncd.core.rules import (
    ChangePolicy,
    ConflictPolicy,
    Expression,
    FieldRule,
    LongPolicy,
    OpeningRules,
    PairedField,
    Reference,
    Zoned,
)
from syncd.core.sources import Constant
from syncd.model.ids import Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import CommentKind, FieldInfo
from syncd.settings.mapping import (
    ExpressionBlock,
    FieldBlock,
    MappingBlock,
    OpeningBlock,
    PairBlock,
    ReferenceBlock,
)
from syncd.settings.mapping_actions import build_leaving
from syncd.settings.mapping_scope import Scope
from syncd.settings.mapping_values import build_condition, build_expression, build_zone, produced
from syncd.settings.problems import Path, listed, shown
from syncd.settings.yaml_nodes import Map

STATUS = "status"
_WRITES = (str(WriteKind.CREATE), str(WriteKind.UPDATE))
_NAME = "a name is made of small letters, digits and `_`"


# --- derive --------------------------------------------------------------------------------------


def build_derive(scope: Scope, blocks: Mapping[str, ExpressionBlock]) -> dict[str, Expression]:
    """Check derived names, put them in the order they must be computed, and build them."""
    path: Path = ("derive",)
    known = scope.facts[Side.ITSM].fields
    for name in blocks:
        if not name.isidentifier() or name != name.lower():
            scope.add_key((*path, name), _NAME)
        elif name in known or name in ("number", "phase", "itsm", "vendor", "author", "body"):
            scope.add_key((*path, name), f"{shown(name)} is a field already; choose another name")
    node = scope.reading.document.node(path)
    scope.derived = tuple(node.entries) if isinstance(node, Map) else ()
    made: dict[str, Expression] = {}
    for name, block in blocks.items():
        expression = build_expression(scope, block, (*path, name), Side.ITSM)
        if expression is not None:
            made[name] = expression
    return _ordered(scope, made)


def _ordered(scope: Scope, made: Mapping[str, Expression]) -> dict[str, Expression]:
    needs = {name: set(inputs(each, {})) & set(made) for name, each in made.items()}
    ordered: dict[str, Expression] = {}
    while len(ordered) < len(made):
        ready = [name for name in made if name not in ordered and needs[name] <= set(ordered)]
        if not ready:
            circle = [name for name in made if name not in ordered]
            said = f"these need one another in a circle: {listed(circle)}"
            scope.add_key(("derive", circle[0]), said)
            break
        ordered |= {name: made[name] for name in ready}
    return ordered


# --- fields --------------------------------------------------------------------------------------


def build_fields(scope: Scope, block: MappingBlock) -> tuple[FieldRule, ...]:
    """Check and build the one-directional rules."""
    rules: list[FieldRule] = []
    directions = ((Side.VENDOR, block.fields.to_vendor), (Side.ITSM, block.fields.to_itsm))
    for target, blocks in directions:
        for name, one in blocks.items():
            path: Path = ("fields", f"to_{target}", name)
            scope.claim(target, name, path)
            rule = _field(scope, one, path, target, name)
            if rule is not None:
                rules.append(rule)
    return tuple(rules)


def _field(
    scope: Scope, block: FieldBlock, path: Path, target: Side, name: str
) -> FieldRule | None:
    expression = build_expression(scope, block, path, target.other)
    if name == STATUS:
        scope.add_key(path, "the status is carried by the tables under `status:`")
        return None
    info = scope.writable(target, name, path, _WRITES)
    if info is None or expression is None:
        return None
    _check_produced(scope, expression, path, target, info=info, long=block.long)
    _check_policies(scope, block, path, target, info=info)
    return FieldRule(
        slot=f"to_{target}.{name}",
        target_side=target,
        target=name,
        expression=expression,
        missing_parks=block.missing == "park",
        long=block.long,
        changes=block.changes,
        relay=block.relay,
        place=scope.place(path),
    )


def _check_policies(
    scope: Scope,
    block: FieldBlock,
    path: Path,
    target: Side,
    *,
    info: FieldInfo,
) -> None:
    name = scope.facts[target].name
    if LongPolicy.COMMENT is block.long:
        scope.can_say(target, CommentKind.COMMENT, (*path, "long"))
    if ChangePolicy.COMMENT is block.changes:
        scope.can_say(target, CommentKind.COMMENT, (*path, "changes"))
    fixed = block.value is not None
    if block.changes is ChangePolicy.UPDATE and not fixed and "update" not in info.writable:
        said = (
            f"{shown(info.name)} of {name} can be written at creation only;"
            " accepted: changes: comment, changes: ignore"
        )
        scope.add(path, said)


def _check_produced(
    scope: Scope,
    expression: Expression,
    path: Path,
    target: Side,
    *,
    info: FieldInfo,
    long: LongPolicy = LongPolicy.PARK,
) -> None:
    """Check every text a rule is known to write: accepted there, and short enough."""
    _check_shape(scope, expression, path, info)
    for text, where, given in produced(scope, expression, path):
        if not scope.label(target, info.name, text, where, given):
            continue
        room = info.max_chars
        if room is not None and len(text) > room and long is LongPolicy.PARK:
            said = f"{given}{shown(text)} has {len(text)} characters; {room} are taken"
            scope.add(where, said)


def _check_shape(scope: Scope, expression: Expression, path: Path, info: FieldInfo) -> None:
    """Check that a block of keys is given to a field that has parts, and a text to others."""
    source = expression.source
    if not isinstance(source, Constant) or expression.labels is not None:
        return
    is_block = not isinstance(source.value, str)
    if is_block and not info.parts:
        scope.add((*path, "value"), f"{shown(info.name)} takes a text, not a block of keys")
    elif not is_block and info.parts:
        keys = ", ".join(f"{part}: …" for part in info.parts)
        scope.add((*path, "value"), f"{shown(info.name)} takes {{{keys}}}")
    elif isinstance(source.value, Mapping):
        odd = [key for key in source.value if key not in info.parts]
        for key in odd:
            accepted = listed(info.parts)
            scope.add_key((*path, "value", key), f"unknown key; accepted: {accepted}")


# --- both directions -----------------------------------------------------------------------------


def build_paired(scope: Scope, block: MappingBlock) -> tuple[PairedField, ...]:
    """Check and build the two-directional rules."""
    made: list[PairedField] = []
    for key, one in block.fields.both.items():
        path: Path = ("fields", "both", key)
        paired = _paired(scope, key, one, path)
        if paired is not None:
            made.append(paired)
    return tuple(made)


def _paired(scope: Scope, key: str, block: PairBlock, path: Path) -> PairedField | None:
    names = {Side.ITSM: block.itsm or key, Side.VENDOR: block.vendor or key}
    ok = True
    infos: dict[Side, FieldInfo] = {}
    for side, name in names.items():
        below = (*path, str(side))
        scope.claim(side, name, path if scope.reading.document.node(below) is None else below)
        if name == STATUS:
            scope.add_key(path, "the status is carried by the tables under `status:`")
            return None
        ok &= scope.readable(side, name, below)
        info = scope.writable(side, name, below, ("update",), key=False)
        if info is not None:
            infos[side] = info
    _check_conflict(scope, block.conflict, (*path, "conflict"))
    _check_lengths(scope, block, path, infos)
    zone = _paired_zone(scope, block, path)
    if not ok or len(infos) < len(names):
        return None
    return PairedField(
        slot=f"both.{key}",
        itsm=names[Side.ITSM],
        vendor=names[Side.VENDOR],
        to_vendor=block.map,
        to_itsm=None if block.map is None else _reversed(scope, block, path, names),
        zone=zone,
        wall=block.wall or Side.VENDOR,
        conflict=block.conflict,
        long=block.long,
        relay=block.relay,
        place=scope.place(path),
    )


def _paired_zone(scope: Scope, block: PairBlock, path: Path) -> Zoned | None:
    """Check the zone that both directions convert by; it is chosen by the ITSM's ticket."""
    if block.zone is None:
        if block.wall is not None:
            scope.add_key((*path, "wall"), "`wall` belongs to `zone`")
        return None
    if block.map is not None:
        scope.add_key((*path, "zone"), "a time has no labels; accepted: zone, or map")
        return None
    return build_zone(scope, block.zone, (*path, "zone"), Side.ITSM)


def _check_lengths(
    scope: Scope, block: PairBlock, path: Path, infos: Mapping[Side, FieldInfo]
) -> None:
    """Check that labels fit where they are written, and that what is cut off can be said there."""
    for side, info in infos.items():
        room = info.max_chars
        if room is None and info.max_bytes is None:
            continue
        if block.long is LongPolicy.COMMENT:
            scope.can_say(side, CommentKind.COMMENT, (*path, "long"))
        for itsm, vendor in (block.map or {}).items():
            label = vendor if side is Side.VENDOR else itsm
            if room is not None and len(label) > room and block.long is LongPolicy.PARK:
                said = f"{shown(label)} has {len(label)} characters; {room} are taken"
                scope.add((*path, "map", itsm), said)


def _reversed(
    scope: Scope, block: PairBlock, path: Path, names: Mapping[Side, str]
) -> dict[str, str]:
    """Turn a map round; complain when that loses a label and nobody said `lossy: true`."""
    back: dict[str, str] = {}
    for itsm, vendor in (block.map or {}).items():
        where = (*path, "map", itsm)
        for side, label in ((Side.ITSM, itsm), (Side.VENDOR, vendor)):
            scope.label(side, names[side], label, where)
            scope.spell(side, names[side], label, where)
        first = back.setdefault(vendor, itsm)
        if first != itsm and not block.lossy:
            said = (
                f"{shown(first)} and {shown(itsm)} both become {shown(vendor)}: the way back is not"
                " clear; accepted: other labels, or lossy: true (the first is taken)"
            )
            scope.add(where, said)
    return back


def _check_conflict(scope: Scope, policy: ConflictPolicy, path: Path) -> None:
    if policy is not ConflictPolicy.NEWEST:
        return
    without = [each.name for each in scope.facts.values() if not each.traits.features.field_times]
    if without:
        said = (
            f"`newest` needs the time of each field's change; none is told by {listed(without)};"
            " accepted: itsm, vendor, park"
        )
        scope.add(path, said)


def check_status_conflict(scope: Scope, policy: ConflictPolicy) -> None:
    """Check the policy of the status tables."""
    _check_conflict(scope, policy, (STATUS, "conflict"))


# --- references and opening ----------------------------------------------------------------------


def build_references(scope: Scope, block: MappingBlock) -> tuple[Reference, ...]:
    """Check both references and build those that are fields; a marker is the adapter's."""
    made: list[Reference] = []
    both = ((Side.ITSM, block.references.on_itsm), (Side.VENDOR, block.references.on_vendor))
    for side, one in both:
        path: Path = ("references", f"on_{side}")
        if one is None:
            continue
        if (one.field is None) == (one.marker is None):
            scope.add(path, "accepted: one of field, marker")
        elif one.field is not None:
            made += _reference(scope, one, path, side, one.field)
        else:
            _check_marker(scope, one.marker or "", (*path, "marker"), side)
    return tuple(made)


def _reference(
    scope: Scope, block: ReferenceBlock, path: Path, side: Side, name: str
) -> list[Reference]:
    below = (*path, "field")
    scope.claim(side, name, below)
    info = scope.writable(side, name, below, ("update",), key=False)
    if info is None:
        return []
    return [Reference(side=side, field=name, value=block.value, place=scope.place(path))]


def _check_marker(scope: Scope, name: str, path: Path, side: Side) -> None:
    facts = scope.facts[side]
    create = facts.traits.features.writes.get(WriteKind.CREATE)
    if create is None or not create.marker:
        scope.add(path, f"{facts.name} carries no marker in a text; accepted: field")
        return
    scope.writable(side, name, path, _WRITES, key=False)


def build_opening(scope: Scope, block: OpeningBlock | None, target: Side) -> OpeningRules | None:
    """Check and build when a ticket gets a partner on `target`."""
    if block is None:
        return None
    path: Path = ("open", f"to_{target}")
    if WriteKind.CREATE not in scope.facts[target].traits.features.writes:
        scope.add_key(path, f"{scope.facts[target].name} lets no ticket be created")
    fixed: dict[str, Expression] = {}
    for name, one in block.set.items():
        below = (*path, "set", name)
        scope.claim(target, name, below)
        expression = build_expression(scope, one, below, target.other)
        info = scope.writable(target, name, below, ("create",))
        if expression is not None and info is not None:
            _check_produced(scope, expression, below, target, info=info)
            fixed[name] = expression
    no_longer, cancel = build_leaving(scope, block.no_longer, (*path, "no_longer"), target)
    return OpeningRules(
        target_side=target,
        when=build_condition(scope, block.when, (*path, "when"), target.other),
        fixed=fixed,
        exclusive=block.exclusive or "",
        no_longer=no_longer,
        cancel=cancel,
        ask_after_s=block.ask_after,
        place=scope.place(path),
    )
