"""A mapping file, whole: shape, then meaning, then the value the core evaluates."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from syncd.core.rules import Expression, FuseLimit, Fuses, MappingRules, Place
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.registry import Provider
from syncd.settings.connections import Connections
from syncd.settings.mapping import FuseBlock, FusesBlock, MappingBlock
from syncd.settings.mapping_active import with_active
from syncd.settings.mapping_fields import (
    build_derive,
    build_fields,
    build_opening,
    build_paired,
    build_references,
)
from syncd.settings.mapping_notes import build_notes
from syncd.settings.mapping_scope import Scope
from syncd.settings.mapping_status import build_attachments, build_comments, build_status
from syncd.settings.mapping_tests import MappingTest
from syncd.settings.mapping_values import build_expression, produced
from syncd.settings.problems import Mark, Path, listed, nearest, shown
from syncd.settings.read_tests import build_tests
from syncd.settings.tables import Tables
from syncd.settings.traits import Facts, facts_of
from syncd.settings.validate import Cuts, Reading, validate_rest

REVISION_CHARS = 12
"""Characters of a revision."""


_ACCOUNT: Path = ("vendor", "connection")

_RULE_DEPTH = {
    "derive": 2,
    "open": 2,
    "references": 2,
    "fields": 3,
    "status": 3,
    "comments": 2,
    "attachments": 2,
    "notes": 3,
}
"""Per section of the file, how deep one rule lies: `fields.to_vendor.title`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What mappings are checked against.

    Attributes:
        connections: of syncd.yaml.
        providers: by name.
        tables: by name.
    """

    connections: Connections
    providers: Mapping[str, Provider]
    tables: Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltMapping:
    """What became of a mapping file.

    Attributes:
        rules: for the core.
        tests: its `tests:`.
        labels: (connection, field, label) with where the mapping first names it.
    """

    rules: MappingRules
    tests: tuple[MappingTest, ...] = ()
    labels: Mapping[tuple[ConnectionName, str, str], Mark] = field(default_factory=dict)


def build_mapping(
    reading: Reading, stem: str, digest: bytes, around: Surroundings
) -> BuiltMapping | None:
    """Check one mapping file and build it; None after any complaint.

    Args:
        reading: the file.
        stem: its name without ending, which the mapping must have.
        digest: of its bytes.
        around: connections, providers and tables.
    """
    before = len(reading.problems)
    if not reading.document.readable or reading.document.is_broken(()):
        return None
    cuts = Cuts(depth=_RULE_DEPTH, instead={"mapping": stem, "mode": "paused"})
    block = validate_rest(MappingBlock, reading, cuts)
    if block is None:
        _check_connection_names(reading, around)
        return None
    if block.mapping != stem:
        said = f"{shown(block.mapping)} is not the file's name; accepted: {stem}"
        reading.add(("mapping",), said)
    if block.was == block.mapping:
        reading.add(("was",), "the name it has now; accepted: a former one")
    candidates = _all_sides(reading, block, around)
    if not candidates:
        return None
    scopes = [Scope(reading=reading, facts=facts, tables=around.tables) for facts in candidates]
    variants = [_rules(scope, block, digest) for scope in scopes]
    rules = _joined(variants)
    tests = build_tests(scopes[0], block, rules)
    if len(reading.problems) > before:
        return None
    labels = {
        (scope.facts[side].connection.name, name, label): reading.document.mark(path)
        for scope in reversed(scopes)
        for (side, name, label), path in scope.labels.items()
    }
    return BuiltMapping(rules=rules, tests=tests, labels=labels)


def _joined(variants: list[MappingRules]) -> MappingRules:
    """Make one mapping of the rules for each vendor connection it may use."""
    first = variants[0]
    if first.choose is None:
        return first
    return replace(first, variants={each.vendor: each for each in variants})


def _check_connection_names(reading: Reading, around: Surroundings) -> None:
    for side in Side:
        path: Path = (str(side), "connection")
        text = getattr(reading.document.node(path), "text", None)
        if isinstance(text, str):
            _connection_exists(reading, text, path, around)
    listed_there = getattr(reading.document.node((*_ACCOUNT, "one_of")), "items", ())
    for at, item in enumerate(listed_there):
        text = getattr(item, "text", None)
        if isinstance(text, str):
            _connection_exists(reading, text, (*_ACCOUNT, "one_of", at), around)


def _connection_exists(reading: Reading, name: str, path: Path, around: Surroundings) -> bool:
    declared = around.connections.declared
    if declared is None or name in declared:
        return True
    close = nearest(name, declared) or ";"
    said = f"no connection {shown(name)}{close} accepted: {listed(sorted(declared))}"
    reading.add(path, said)
    return False


def _all_sides(
    reading: Reading, block: MappingBlock, around: Surroundings
) -> list[dict[Side, Facts]]:
    """Learn about both connections, for each one the vendor's may be.

    Returns:
        None of them where one is wrong, which is told where it stands.
    """
    itsm = _facts(reading, block.itsm.connection, block.itsm.kind, ("itsm", "connection"), around)
    vendor = block.vendor.connection
    names: list[tuple[str, Path]] = [(vendor, _ACCOUNT)] if isinstance(vendor, str) else []
    if not isinstance(vendor, str):
        names = [(name, (*_ACCOUNT, "one_of", at)) for at, name in enumerate(vendor.one_of)]
    found: list[dict[Side, Facts]] = []
    seen: set[str] = {block.itsm.connection}
    for name, path in names:
        facts = _facts(reading, name, block.vendor.kind, path, around)
        if name in seen:
            is_itsm = name == block.itsm.connection
            said = (
                "both sides are the same connection" if is_itsm else f"{shown(name)} stands twice"
            )
            reading.add(path, said)
        elif itsm is not None and facts is not None:
            found.append({Side.ITSM: itsm, Side.VENDOR: facts})
        seen.add(name)
    return found if len(found) == len(names) else []


def _facts(
    reading: Reading, name: str, kind: str | None, path: Path, around: Surroundings
) -> Facts | None:
    _connection_exists(reading, name, path, around)
    connection = around.connections.made.get(ConnectionName(name))
    if connection is None:
        return None
    provider = around.providers[connection.provider]
    kinds = sorted(provider.features(connection.options).kinds)
    side = Side(str(path[0]))
    if kind is None and len(kinds) > 1:
        said = f"`kind` is missing; accepted: {listed(kinds)}"
        reading.add((str(side),), said)
        return None
    kind = kind or kinds[0]
    if kind not in kinds:
        close = nearest(kind, kinds) or ";"
        said = f"{connection.provider} has no {shown(kind)}{close} accepted: {listed(kinds)}"
        reading.add((str(side), "kind"), said)
        return None
    return facts_of(side, connection, kind, provider)


def _choice(scope: Scope, block: MappingBlock) -> Expression | None:
    """Check and build what names the vendor connection; None where it is always the same."""
    if isinstance(block.vendor.connection, str):
        return None
    expression = build_expression(scope, block.vendor.connection, _ACCOUNT, Side.ITSM)
    accepted = block.vendor.connection.one_of
    if expression is not None:
        for text, where, given in produced(scope, expression, _ACCOUNT):
            if text not in accepted:
                close = nearest(text, accepted) or ";"
                scope.add(where, f"{given}{shown(text)}{close} accepted: {listed(accepted)}")
    return expression


def _rules(scope: Scope, block: MappingBlock, digest: bytes) -> MappingRules:
    facts = scope.facts
    if block.problems is not None:
        scope.can_say(Side.ITSM, block.problems.tell_itsm, ("problems", "tell_itsm"))
    derive = build_derive(scope, block.derive)
    to_vendor = build_opening(scope, block.open.to_vendor, Side.VENDOR)
    to_itsm = build_opening(scope, block.open.to_itsm, Side.ITSM)
    references = build_references(scope, block)
    fields = build_fields(scope, block)
    account = block.vendor.connection
    one_of = () if isinstance(account, str) else tuple(map(ConnectionName, account.one_of))
    return MappingRules(
        name=MappingName(block.mapping),
        was=None if block.was is None else MappingName(block.was),
        mode=block.mode,
        itsm=facts[Side.ITSM].connection.name,
        itsm_kind=facts[Side.ITSM].kind,
        vendor=facts[Side.VENDOR].connection.name,
        vendor_kind=facts[Side.VENDOR].kind,
        choose=_choice(scope, block),
        one_of=one_of,
        tell_problems=None if block.problems is None else block.problems.tell_itsm,
        derive=derive,
        open_to_vendor=with_active(scope, block.open.to_vendor, to_vendor, fields),
        open_to_itsm=with_active(scope, block.open.to_itsm, to_itsm, fields),
        at_most=block.open.at_most,
        fuses=_fuses(block.fuses),
        references=references,
        fields=fields,
        paired=build_paired(scope, block),
        status=build_status(scope, block),
        comments=build_comments(scope, block),
        attachments=build_attachments(scope, block),
        notes=build_notes(scope, block),
        revision=_revision(scope, digest),
        place=Place(scope.reading.document.file, 1),
    )


def _fuses(block: FusesBlock) -> Fuses:
    usual = Fuses()
    return Fuses(
        closed=_fuse(block.closed, usual.closed),
        changed=_fuse(block.changed, usual.changed),
        opened=_fuse(block.opened, usual.opened),
        within_s=block.within or usual.within_s,
        back_and_forth=block.back_and_forth or usual.back_and_forth,
    )


def _fuse(block: FuseBlock | None, usual: FuseLimit) -> FuseLimit:
    return usual if block is None else FuseLimit(at_least=block.at_least, share=block.share)


def _revision(scope: Scope, digest: bytes) -> str:
    """Digest the file and the tables it looks up (all rules are built by then)."""
    whole = hashlib.sha256(digest)
    for name in sorted(scope.used_tables):
        whole.update(scope.used_tables[name].digest)
    return whole.hexdigest()[:REVISION_CHARS]
