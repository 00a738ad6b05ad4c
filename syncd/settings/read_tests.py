"""Reads what a mapping's `tests:` say, against the fields of both sides."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from syncd.core.rules import MappingRules
from syncd.model.ids import Side
from syncd.model.texts import parse_size
from syncd.model.ticket import CommentKind, Value, Visibility
from syncd.settings.mapping import MappingBlock, TestBlock
from syncd.settings.mapping_scope import Scope
from syncd.settings.mapping_tests import AddedFile, Expected, Happening, MappingTest, SaidComment
from syncd.settings.problems import Path, listed, nearest, shown
from syncd.settings.validate import unknown_key

T = TypeVar("T")
W = TypeVar("W", CommentKind, Visibility)

_SIDES = [str(side) for side in Side]
_COMMENT_KEYS = ["body", "author", "kind", "visibility"]
_ELSEWHERE = "another_link"
"""Key of what another link of the ticket, another vendor's as a rule, writes there."""
_FILE_KEYS = ["name", "size", "type"]
_WORDS = ("nothing", "opened", "not_opened", "deleted", "follow_up")
"""What `expect` may say of a side in one word."""
_SAID: Mapping[str, CommentKind | None] = {
    "comment": None,
    "comments": None,
    "work_note": CommentKind.WORK_NOTE,
    "closure_note": CommentKind.CLOSURE_NOTE,
}
"""Words under which `expect` names what must be said; a comment may be of any kind."""


def build_tests(scope: Scope, block: MappingBlock, rules: MappingRules) -> tuple[MappingTest, ...]:
    """Check and build a mapping's tests."""
    made: list[MappingTest] = []
    names: dict[str, int] = {}
    for at, one in enumerate(block.tests):
        path: Path = ("tests", at)
        if names.setdefault(one.name, at) != at:
            scope.add((*path, "name"), f"{shown(one.name)} is the name of another test")
        made.append(_TestReader(scope, rules, path).read(one))
    return tuple(made)


class _TestReader:
    """Reads one test."""

    def __init__(self, scope: Scope, rules: MappingRules, path: Path) -> None:
        self._scope = scope
        self._rules = rules
        self._path = path

    def read(self, block: TestBlock) -> MappingTest:
        given = self._sides(block.given, "given", ["linked"], self._happening)
        when = self._sides(block.when, "when", [], self._happening)
        expect = self._sides(block.expect, "expect", ["conflicts", "problems"], self._expected)
        linked = self._linked(block.given.get("linked", "false"))
        if linked and len(given) < len(Side):
            given = {side: given.get(side, Happening()) for side in Side}
        if not linked and len(given) != 1:
            self._add(("given",), "without `linked: true` one side stands alone; name one of them")
        for side, news in when.items():
            if not linked and news.elsewhere is not None:
                self._add(("when", str(side), _ELSEWHERE), "it needs `linked: true`")
        if not linked and set(when) - set(given):
            self._add(("when",), "that side has no ticket before it is linked")
        if not block.expect:
            self._add(
                ("expect",), "nothing is expected; accepted: itsm, vendor, conflicts, problems"
            )
        return MappingTest(
            name=block.name,
            linked=linked,
            given=given,
            when=when,
            expect=expect,
            conflicts=self._texts(block.expect.get("conflicts", []), ("expect", "conflicts")),
            problems=self._texts(block.expect.get("problems", []), ("expect", "problems")),
            place=self._scope.place(self._path),
        )

    def _add(self, below: Path, what: str) -> None:
        self._scope.add((*self._path, *below), what)

    def _linked(self, value: object) -> bool:
        if value not in ("true", "false"):
            self._add(("given", "linked"), "accepted: true, false")
        return value == "true"

    def _sides(
        self,
        block: Mapping[str, object],
        key: str,
        others: list[str],
        reader: Callable[[object, Path, Side], T],
    ) -> dict[Side, T]:
        for name in block:
            if name not in (*_SIDES, *others):
                said = unknown_key(name, [*_SIDES, *others])
                self._scope.add_key((*self._path, key, name), said)
        return {
            side: reader(block[str(side)], (key, str(side)), side)
            for side in Side
            if str(side) in block
        }

    def _happening(self, value: object, below: Path, side: Side) -> Happening:
        if not isinstance(value, Mapping):
            self._add(below, "a block of fields is expected")
            return Happening()
        fields: dict[str, Value] = {}
        comments: list[SaidComment] = []
        files: list[AddedFile] = []
        elsewhere: Happening | None = None
        for name, part in value.items():
            where = (*below, str(name))
            if name == _ELSEWHERE:
                elsewhere = self._elsewhere(part, where, side)
            elif name in ("comments", "comment"):
                comments += [self._comment(one, where) for one in _listed(part)]
            elif name in ("attachments", "attachment"):
                files += [self._file(one, where) for one in _listed(part)]
            else:
                fields |= self._field(str(name), part, where, side)
        return Happening(
            fields=fields, comments=tuple(comments), files=tuple(files), elsewhere=elsewhere
        )

    def _elsewhere(self, value: object, below: Path, side: Side) -> Happening | None:
        """Read what another link of the ticket wrote: it happens to a linked ticket only."""
        if below[0] != "when" or _ELSEWHERE in below[:-1]:
            self._scope.add_key((*self._path, *below), f"`{_ELSEWHERE}` belongs to when.{side}")
            return None
        return self._happening(value, below, side)

    def _field(self, name: str, value: object, below: Path, side: Side) -> dict[str, Value]:
        facts = self._scope.facts[side]
        more = ("number", "cancel_reason") if facts.traits.features.cancel_reasons else ("number",)
        if name not in facts.fields and name not in more:
            known = [*facts.fields, "comment", "attachment", _ELSEWHERE]
            close = nearest(name, known) or ";"
            said = f"{facts.name} has no field {shown(name)}{close} accepted: {listed(known)}"
            self._scope.add_key((*self._path, *below), said)
        if isinstance(value, str):
            return {name: value}
        if isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values()):
            return {name: {str(key): str(one) for key, one in value.items()}}
        self._add(below, "a text is expected")
        return {}

    def _comment(self, value: object, below: Path) -> SaidComment:
        if isinstance(value, str):
            return SaidComment(body=value)
        known = self._texts_of(value, below, _COMMENT_KEYS)
        kind = self._word(CommentKind, known.get("kind", "comment"), (*below, "kind"))
        seen = self._word(Visibility, known.get("visibility", "public"), (*below, "visibility"))
        return SaidComment(
            body=known.get("body", ""),
            author=known.get("author", ""),
            kind=kind or CommentKind.COMMENT,
            visibility=seen or Visibility.PUBLIC,
        )

    def _file(self, value: object, below: Path) -> AddedFile:
        if isinstance(value, str):
            return AddedFile(name=value)
        known = self._texts_of(value, below, _FILE_KEYS)
        size = 1000
        try:
            size = parse_size(known.get("size", "1000B"))
        except ValueError as err:
            self._add((*below, "size"), str(err))
        return AddedFile(
            name=known.get("name", ""),
            size_bytes=size,
            content_type=known.get("type", "application/octet-stream"),
        )

    def _texts_of(self, value: object, below: Path, accepted: list[str]) -> dict[str, str]:
        if not isinstance(value, Mapping):
            self._add(below, f"a text is expected, or a block of {listed(accepted)}")
            return {}
        found: dict[str, str] = {}
        for key, one in value.items():
            if key not in accepted:
                self._scope.add_key(
                    (*self._path, *below, str(key)), unknown_key(str(key), accepted)
                )
            elif isinstance(one, str):
                found[str(key)] = one
            else:
                self._add((*below, str(key)), "a text is expected")
        return found

    def _word(self, words: type[W], text: str, below: Path) -> W | None:
        try:
            return words(text)
        except ValueError:
            accepted = listed(str(one) for one in words)
            self._add(below, f"{shown(text)} is not accepted; accepted: {accepted}")
            return None

    def _expected(self, value: object, below: Path, side: Side) -> Expected:
        if value in _WORDS:
            return Expected(
                nothing=value == "nothing",
                deleted=value == "deleted",
                followed=True if value == "follow_up" else None,
                opened={"opened": True, "not_opened": False}.get(str(value)),
            )
        if not isinstance(value, Mapping):
            self._add(below, f"accepted: {listed(_WORDS)}, or a block of fields")
            return Expected()
        fields: dict[str, Value] = {}
        comments: list[tuple[CommentKind | None, str]] = []
        files: list[str] = []
        followed: bool | None = None
        for name, part in value.items():
            where = (*below, str(name))
            if name in _SAID:
                comments += [(_SAID[name], text) for text in self._texts(part, where)]
            elif name in ("attachment", "attachments"):
                files += self._texts(part, where)
            elif name == "follow_up" and part in ("true", "false"):
                followed = part == "true"
            else:
                fields |= self._field(str(name), part, where, side)
        return Expected(
            fields=fields, comments=tuple(comments), files=tuple(files), followed=followed
        )

    def _texts(self, value: object, below: Path) -> tuple[str, ...]:
        found = _listed(value)
        if not all(isinstance(one, str) for one in found):
            self._add(below, "a text, or a list of texts, is expected")
        return tuple(one for one in found if isinstance(one, str))


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]
