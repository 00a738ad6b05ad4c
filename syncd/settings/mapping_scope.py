"""What the rules of one mapping are checked against, and the checks they share."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import jinja2
from jinja2 import nodes

from syncd.core.rules import Place
from syncd.core.state import FOLLOWS
from syncd.core.template import Template, compile_template
from syncd.model.ids import Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import CommentKind, FieldInfo
from syncd.settings.patterns import compile_pattern
from syncd.settings.problems import Path, listed, nearest, quoted, shown
from syncd.settings.tables import LoadedTable, Tables
from syncd.settings.traits import Facts
from syncd.settings.validate import Reading

ALWAYS_READABLE = ("number", "phase")
"""Names that every ticket has besides its fields."""
SIDE_NAMES = ("itsm", "vendor")
"""Names templates read both tickets under; each has `number`."""

_REFUSED_FILTERS = frozenset({"pprint", "random"})
"""Filters that give another text for the same ticket."""

_CHECKER = jinja2.Environment(autoescape=False)  # noqa: S701 - parses only, renders nothing


@dataclass(slots=True)
class Scope:
    """One mapping being checked.

    Attributes:
        reading: its file.
        facts: both sides.
        tables: by name.
        derived: names from `derive`, in the order they are computed.
        labels: (side, field, label) the rules compare or write, with where they first stand.
        used_tables: tables the rules look up.
        writers: (side, field) -> the rule that writes it.
    """

    reading: Reading
    facts: Mapping[Side, Facts]
    tables: Tables
    derived: tuple[str, ...] = ()
    labels: dict[tuple[Side, str, str], Path] = field(default_factory=dict)
    used_tables: dict[str, LoadedTable] = field(default_factory=dict)
    writers: dict[tuple[Side, str], Path] = field(default_factory=dict)

    def add(self, path: Path, what: str) -> None:
        """Complain about the value at a path."""
        self.reading.add(path, what)

    def add_key(self, path: Path, what: str) -> None:
        """Complain about the key at a path."""
        self.reading.add_key(path, what)

    def place(self, path: Path) -> Place:
        """Give a rule's place."""
        mark = self.reading.document.key_mark(self.reading.document.known(path))
        return Place(mark.file, mark.line)

    # --- fields -------------------------------------------------------------------------------

    def readable(self, side: Side, name: str, path: Path, derived: bool = False) -> bool:
        """Check that a name gives a value on a side; say whether it does."""
        facts = self.facts[side]
        if name in ALWAYS_READABLE or (derived and name in self.derived):
            return True
        info = facts.fields.get(name)
        if info is None:
            if name in self.derived:
                self.add(path, f"{shown(name)} is derived from the ITSM ticket; not known here")
            else:
                self._no_field(side, name, path, self.derived if derived else ())
            return False
        if not info.readable:
            how = "can be written, never read"
            if not info.writable:
                how = "is not read as the connection is set up"
            self.add(path, f"{shown(name)} of {facts.name} {how}")
            return False
        return True

    def writable(
        self, side: Side, name: str, path: Path, how: Iterable[str], key: bool = True
    ) -> FieldInfo | None:
        """Check that a field can be written by one of some kinds of write; None when it cannot."""
        facts = self.facts[side]
        complain = self.add_key if key else self.add
        info = facts.fields.get(name)
        if info is None:
            self._no_field(side, name, path, (), key=key)
            return None
        if not info.writable.isdisjoint(how):
            return info
        can = [each.name for each in facts.fields.values() if not each.writable.isdisjoint(how)]
        said = f"{shown(name)} of {facts.name} cannot be written here; accepted: {listed(can)}"
        complain(path, said)
        return None

    def _no_field(
        self, side: Side, name: str, path: Path, more: Iterable[str], *, key: bool = False
    ) -> None:
        facts = self.facts[side]
        known = [*more, *facts.fields]
        close = nearest(name, known) or ";"
        said = (
            f"{facts.name} ({facts.connection.provider}) has no field {shown(name)}{close}"
            f" accepted: {listed(known)}"
        )
        (self.add_key if key else self.add)(path, said)

    def claim(self, side: Side, name: str, path: Path) -> None:
        """Note that a rule writes a field; complain when another does already."""
        first = self.writers.setdefault((side, name), path)
        if first != path:
            line = self.reading.document.key_mark(first).line
            self.add_key(
                path, f"{shown(name)} of the {side} side is already written in line {line}"
            )

    def can_say(self, side: Side, kind: CommentKind, path: Path) -> None:
        """Check that a kind of comment can be written on a side."""
        facts = self.facts[side]
        features = facts.traits.features
        if WriteKind.COMMENT not in features.writes:
            said = f"{facts.name} ({facts.provider}) takes no comments; accepted: leave it out"
            self.add(path, said)
            return
        kinds = features.comment_kinds
        if kind not in kinds:
            accepted = listed(sorted(str(each) for each in kinds))
            self.add(path, f"{facts.name} takes no {kind}; accepted: {accepted}")

    # --- labels -------------------------------------------------------------------------------

    def label(self, side: Side, name: str, label: str, path: Path, given: str = "") -> bool:
        """Check a label the rules name for a field.

        Args:
            side: whose field.
            name: the field.
            label: as written.
            path: where it stands.
            given: what gives it, as in `table sites row 7 gives `; empty where it stands itself.

        Returns:
            Whether it is accepted, or nobody can tell.
        """
        facts = self.facts[side]
        right = facts.canonical(name, label)
        accepted = facts.accepted(name)
        if right != label and (not accepted or right in accepted):
            self.add(path, f"{given}{shown(label)} is written {shown(right)} for {facts.name}")
            return False
        if accepted and label not in accepted:
            wrong = f"{given}{shown(label)};"
            if not given:
                wrong = f"{shown(label)} is not accepted{nearest(label, accepted) or ';'}"
            self.add(path, f"{wrong} {facts.name} accepts {quoted(accepted)}")
            return False
        return True

    def spell(self, side: Side, name: str, label: str, path: Path) -> None:
        """Note how a label is written, so that the core meets it in that form."""
        self.labels.setdefault((side, name, label), path)

    # --- patterns and templates -----------------------------------------------------------------

    def pattern(self, text: str, path: Path) -> re.Pattern[str] | None:
        """Compile a pattern; None after a complaint."""
        try:
            return compile_pattern(text)
        except ValueError as err:
            self.add(path, str(err))
            return None

    def template(
        self, text: str, path: Path, side: Side, more: Iterable[str] = ()
    ) -> Template | None:
        """Compile a template over a side's ticket; None after a complaint."""
        try:
            _check_words(text)
            template = compile_template(text)
        except (ValueError, jinja2.TemplateError) as err:
            self.add(path, str(err))
            return None
        facts = self.facts[side]
        readable = [each.name for each in facts.fields.values() if each.readable]
        known = dict.fromkeys([*more, *readable, "number", FOLLOWS, *SIDE_NAMES, *self.derived])
        for name in sorted(template.names - set(known)):
            close = nearest(name, known) or ";"
            self.add(path, f"template: unknown name {shown(name)}{close} accepted: {listed(known)}")
        return template


def _check_words(text: str) -> None:
    """Refuse filters and tests that do not exist, and parts of `itsm` and `vendor` that do not.

    Raises:
        ValueError: naming the first.
    """
    try:
        tree = _CHECKER.parse(text)
    except jinja2.TemplateSyntaxError:
        return  # Told by whoever compiles it.
    for one in tree.find_all(nodes.Filter):
        if one.name not in _CHECKER.filters or one.name in _REFUSED_FILTERS:
            close = nearest(one.name, _CHECKER.filters)
            raise ValueError(f"template: no filter {shown(one.name)}{close}")
    for test in tree.find_all(nodes.Test):
        if test.name not in _CHECKER.tests:
            raise ValueError(f"template: no test {shown(test.name)}")
    for part in tree.find_all(nodes.Getattr):
        base = part.node
        if isinstance(base, nodes.Name) and base.name in SIDE_NAMES and part.attr != "number":
            raise ValueError(f"template: {base.name}.{part.attr} is not known; accepted: number")
