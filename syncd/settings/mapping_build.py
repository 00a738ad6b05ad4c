"""A mapping file, whole: shape, then meaning, then the value the core evaluates."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.core.rules import MappingRules, Place
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.registry import Provider
from syncd.settings.connections import Connections
from syncd.settings.mapping import MappingBlock, SideBlock
from syncd.settings.mapping_active import with_active
from syncd.settings.mapping_fields import (
    build_derive,
    build_fields,
    build_opening,
    build_paired,
    build_references,
)
from syncd.settings.mapping_scope import Scope
from syncd.settings.mapping_status import build_attachments, build_comments, build_status
from syncd.settings.mapping_tests import MappingTest
from syncd.settings.problems import Mark, Path, listed, nearest, shown
from syncd.settings.read_tests import build_tests
from syncd.settings.tables import Tables
from syncd.settings.traits import Facts, facts_of
from syncd.settings.validate import NOT_YET, Cuts, Reading, validate_rest
from syncd.settings.yaml_nodes import Map

REVISION_CHARS = 12
"""Characters of a revision."""


_RULE_DEPTH = {
    "derive": 2,
    "open": 2,
    "references": 2,
    "fields": 3,
    "status": 3,
    "comments": 2,
    "attachments": 2,
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
    _note_later_words(reading)
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
    facts = _both_sides(reading, block, around)
    if facts is None:
        return None
    scope = Scope(reading=reading, facts=facts, tables=around.tables)
    rules = _rules(scope, block, digest)
    tests = build_tests(scope, block, rules)
    if len(reading.problems) > before:
        return None
    labels = {
        (facts[side].connection.name, name, label): reading.document.mark(path)
        for (side, name, label), path in scope.labels.items()
    }
    return BuiltMapping(rules=rules, tests=tests, labels=labels)


def _note_later_words(reading: Reading) -> None:
    """Say of words of a later version that they are known, and not read yet."""
    for side in Side:
        path: Path = (str(side), "connection")
        if isinstance(reading.document.node(path), Map):
            reading.add(path, f"an account by table (from, one_of) {NOT_YET}")
            reading.document.broken.add(path)


def _check_connection_names(reading: Reading, around: Surroundings) -> None:
    for side in Side:
        path: Path = (str(side), "connection")
        text = getattr(reading.document.node(path), "text", None)
        if isinstance(text, str):
            _connection_exists(reading, text, path, around)


def _connection_exists(reading: Reading, name: str, path: Path, around: Surroundings) -> bool:
    declared = around.connections.declared
    if declared is None or name in declared:
        return True
    close = nearest(name, declared) or ";"
    said = f"no connection {shown(name)}{close} accepted: {listed(sorted(declared))}"
    reading.add(path, said)
    return False


def _both_sides(
    reading: Reading, block: MappingBlock, around: Surroundings
) -> dict[Side, Facts] | None:
    """Learn about both connections; None where one is wrong, which is told where it stands."""
    found: dict[Side, Facts] = {}
    for side, one in ((Side.ITSM, block.itsm), (Side.VENDOR, block.vendor)):
        _connection_exists(reading, one.connection, (str(side), "connection"), around)
        facts = _facts(reading, one, side, around)
        if facts is not None:
            found[side] = facts
    if block.itsm.connection == block.vendor.connection:
        reading.add(("vendor", "connection"), "both sides are the same connection")
        return None
    return found if len(found) == len(Side) else None


def _facts(reading: Reading, block: SideBlock, side: Side, around: Surroundings) -> Facts | None:
    connection = around.connections.made.get(ConnectionName(block.connection))
    if connection is None:
        return None
    provider = around.providers[connection.provider]
    kinds = sorted(provider.features(connection.options).kinds)
    if block.kind is None and len(kinds) > 1:
        said = f"`kind` is missing; accepted: {listed(kinds)}"
        reading.add((str(side),), said)
        return None
    kind = block.kind or kinds[0]
    if kind not in kinds:
        close = nearest(kind, kinds) or ";"
        said = f"{connection.provider} has no {shown(kind)}{close} accepted: {listed(kinds)}"
        reading.add((str(side), "kind"), said)
        return None
    return facts_of(side, connection, kind, provider)


def _rules(scope: Scope, block: MappingBlock, digest: bytes) -> MappingRules:
    facts = scope.facts
    if block.problems is not None:
        scope.can_say(Side.ITSM, block.problems.tell_itsm, ("problems", "tell_itsm"))
    derive = build_derive(scope, block.derive)
    to_vendor = build_opening(scope, block.open.to_vendor, Side.VENDOR)
    to_itsm = build_opening(scope, block.open.to_itsm, Side.ITSM)
    references = build_references(scope, block)
    fields = build_fields(scope, block)
    return MappingRules(
        name=MappingName(block.mapping),
        was=None if block.was is None else MappingName(block.was),
        mode=block.mode,
        itsm=facts[Side.ITSM].connection.name,
        itsm_kind=facts[Side.ITSM].kind,
        vendor=facts[Side.VENDOR].connection.name,
        vendor_kind=facts[Side.VENDOR].kind,
        tell_problems=None if block.problems is None else block.problems.tell_itsm,
        derive=derive,
        open_to_vendor=with_active(scope, block.open.to_vendor, to_vendor, fields),
        open_to_itsm=with_active(scope, block.open.to_itsm, to_itsm, fields),
        at_most=block.open.at_most,
        references=references,
        fields=fields,
        paired=build_paired(scope, block),
        status=build_status(scope, block),
        comments=build_comments(scope, block),
        attachments=build_attachments(scope, block),
        revision=_revision(scope, digest),
        place=Place(scope.reading.document.file, 1),
    )


def _revision(scope: Scope, digest: bytes) -> str:
    """Digest the file and the tables it looks up (all rules are built by then)."""
    whole = hashlib.sha256(digest)
    for name in sorted(scope.used_tables):
        whole.update(scope.used_tables[name].digest)
    return whole.hexdigest()[:REVISION_CHARS]
