"""YAML as texts with places: every scalar stays as it is written (MAPPING.md, Reading YAML).

The parser's events are composed here, not by the library, so that depth, size and the expansion
of aliases are bounded before anything is built.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from syncd.settings.problems import Mark, Path, Problems, shown

FILE_BYTES_MAX = 1024 * 1024
"""Largest file read."""
DEPTH_MAX = 24
"""Blocks within blocks."""
NODES_MAX = 50_000
"""Values of one file, each alias counted as what it stands for."""

BRACES = 'a text with {{ }} must stand in quotes: "{{ … }}"'


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text; `plain` when it stands without quotes."""

    text: str
    mark: Mark
    plain: bool = False
    size: int = 1


@dataclass(frozen=True, slots=True)
class Seq:
    """A list."""

    items: "tuple[Node, ...]"
    mark: Mark
    size: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a block: where the key stands, and its value."""

    key: Mark
    value: "Node"


@dataclass(frozen=True, slots=True)
class Map:
    """A block of keys, in the order of the file."""

    entries: Mapping[str, Entry]
    mark: Mark
    size: int = 1


Node = Scalar | Seq | Map


@dataclass(slots=True)
class Document:
    """One file, read.

    Attributes:
        file: its name, as problems show it.
        root: the top block; an empty one where the file could not be read.
        broken: paths already complained about; what follows from them is not told again.
        readable: False when the file as a whole could not be read.
    """

    file: str
    root: Map
    broken: set[Path] = field(default_factory=set)
    readable: bool = True

    def node(self, path: Path) -> Node | None:
        """Return what stands at a path."""
        here: Node = self.root
        for part in path:
            below = _below(here, part)
            if below is None:
                return None
            here = below
        return here

    def known(self, path: Path) -> Path:
        """Cut a path to what the file has of it."""
        here: Node = self.root
        for depth, part in enumerate(path):
            below = _below(here, part)
            if below is None:
                return path[:depth]
            here = below
        return path

    def mark(self, path: Path) -> Mark:
        """Give the place of the value at a path, or of the nearest block around it."""
        found = self.node(self.known(path))
        return found.mark if found is not None else self.root.mark

    def key_mark(self, path: Path) -> Mark:
        """Give the place of the key at a path."""
        around = self.node(path[:-1]) if path else None
        if isinstance(around, Map) and isinstance(path[-1], str) and path[-1] in around.entries:
            return around.entries[path[-1]].key
        return self.mark(path)

    def is_broken(self, path: Path) -> bool:
        """Whether a path, or one around it, was already complained about."""
        return any(path[:depth] in self.broken for depth in range(len(path) + 1))


def _below(node: Node, part: str | int) -> Node | None:
    if isinstance(node, Map) and isinstance(part, str):
        entry = node.entries.get(part)
        return entry.value if entry else None
    if isinstance(node, Seq) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None


def read_document(data: bytes, file: str, problems: Problems) -> Document:
    """Read one file; problems go to `problems`, and the rest is still given.

    Args:
        data: its bytes.
        file: its name, as problems show it.
        problems: where complaints go.
    """
    document = Document(file, Map({}, Mark(file)))
    text = _decoded(data, file, problems)
    if text is not None:
        try:
            _Composer(document, text, problems).compose()
        except _Unreadable as err:
            problems.add(err.mark, (), err.what)
            text = None
    document.readable = text is not None
    return document


def _decoded(data: bytes, file: str, problems: Problems) -> str | None:
    if len(data) > FILE_BYTES_MAX:
        problems.add(Mark(file), (), f"{len(data)} bytes; at most {FILE_BYTES_MAX} are accepted")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        before = data[: err.start].decode("utf-8", "replace")
        mark = _mark_after(before, file)
        problems.add(mark, (), "not readable as UTF-8; save the file with that encoding")
        return None


def _mark_after(text: str, file: str) -> Mark:
    line_start = text.rfind("\n") + 1
    return Mark(file, text.count("\n") + 1, len(text) - line_start + 1)


class _Unreadable(Exception):
    """The file cannot be read any further."""

    def __init__(self, mark: Mark, what: str) -> None:
        self.mark = mark
        self.what = what
        super().__init__(what)


class _Composer:
    """Makes nodes of one file's events."""

    def __init__(self, document: Document, text: str, problems: Problems) -> None:
        self._document = document
        self._file = document.file
        self._text = text
        self._problems = problems
        self._anchors: dict[str, Node | None] = {}
        self._count = 0
        self._events = self._safe_events()

    def compose(self) -> None:
        """Fill the document's root."""
        event = next(self._events)
        while not isinstance(event, DocumentStartEvent | StreamEndEvent):
            event = next(self._events)
        if isinstance(event, StreamEndEvent):
            self._complain(Mark(self._file), (), "the file is empty")
            return
        root = self._node(next(self._events), (), None)
        if isinstance(root, Map):
            self._document.root = root
        else:
            self._complain(root.mark, (), "a block of keys is expected at the top of the file")
        after = next(self._events)
        while isinstance(after, DocumentEndEvent):
            after = next(self._events)
        if not isinstance(after, StreamEndEvent):
            raise _Unreadable(self._at(after), "a second document; one file holds one")

    def _safe_events(self) -> Iterator[Event]:
        parser = YAML(typ="safe", pure=True)
        try:
            yield from parser.parse(io.StringIO(self._text))
        except MarkedYAMLError as err:
            raise _syntax_problem(err, self._file, self._text) from err
        except ReaderError as err:
            mark = _mark_after(self._text[: err.position], self._file)
            raise _Unreadable(mark, "a character that no YAML file may hold") from err
        except (
            YAMLError,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as err:
            # The parser trips over some odd escapes and directives with errors of all kinds.
            raise _Unreadable(Mark(self._file), f"not readable as YAML: {err}") from err

    def _at(self, event: Event) -> Mark:
        start = event.start_mark
        return Mark(self._file, start.line + 1, start.column + 1)

    def _complain(self, mark: Mark, path: Path, what: str) -> None:
        self._problems.add(mark, path, what)
        self._document.broken.add(path)

    def _node(self, event: Event, path: Path, key: Mark | None) -> Node:
        """Make the node that an event begins; `key` is where its key stands."""
        mark = self._at(event)
        if isinstance(event, AliasEvent):
            return self._aliased(event, mark)
        if not isinstance(event, NodeEvent):
            raise _Unreadable(mark, "not readable as YAML")
        if len(path) > DEPTH_MAX:
            raise _Unreadable(mark, f"more than {DEPTH_MAX} blocks within one another")
        self._spend(1, mark)
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) != "!":
            self._complain(
                mark, path, f"the tag {shown(str(tag))} is not accepted; write the value alone"
            )
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event, mark, path, key)
        elif isinstance(event, SequenceStartEvent):
            node = self._seq(mark, path)
        elif isinstance(event, MappingStartEvent):
            node = self._map(event, mark, path)
        else:
            raise _Unreadable(mark, "not readable as YAML")
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, event: AliasEvent, mark: Mark) -> Node:
        name = str(event.anchor)
        if name not in self._anchors:
            raise _Unreadable(mark, f"*{name} stands for nothing: no &{name} above it")
        node = self._anchors[name]
        if node is None:
            raise _Unreadable(mark, f"*{name} stands within itself")
        self._spend(node.size, mark)
        return node

    def _spend(self, nodes: int, mark: Mark) -> None:
        self._count += nodes
        if self._count > NODES_MAX:
            raise _Unreadable(mark, f"more than {NODES_MAX} values, aliases counted as written out")

    def _scalar(self, event: ScalarEvent, mark: Mark, path: Path, key: Mark | None) -> Scalar:
        plain = event.style is None or event.style == ""
        text = str(event.value)
        if plain and not text:
            mark = key or mark
            self._complain(
                mark,
                path,
                'nothing is written here; write a value, "" for an empty text, or no key',
            )
        return Scalar(text, mark, plain)

    def _seq(self, mark: Mark, path: Path) -> Seq:
        items: list[Node] = []
        event = next(self._events)
        while not isinstance(event, SequenceEndEvent):
            items.append(self._node(event, (*path, len(items)), None))
            event = next(self._events)
        return Seq(tuple(items), mark, 1 + sum(item.size for item in items))

    def _map(self, start: MappingStartEvent, mark: Mark, path: Path) -> Map:
        entries: dict[str, Entry] = {}
        event = next(self._events)
        while not isinstance(event, MappingEndEvent):
            key_mark = self._at(event)
            key = self._key(event, start, key_mark)
            below = (*path, key)
            value = self._node(next(self._events), below, key_mark)
            if key == "<<" and isinstance(event, ScalarEvent) and not event.style:
                self._complain(key_mark, path, "`<<` is not accepted; write the keys out")
            elif key in entries:
                first = entries[key].key.line
                self._complain(key_mark, below, f"the key stands twice; first in line {first}")
            else:
                entries[key] = Entry(key_mark, value)
            event = next(self._events)
        size = 1 + sum(entry.value.size for entry in entries.values())
        return Map(entries, mark, size)

    def _key(self, event: Event, start: MappingStartEvent, mark: Mark) -> str:
        if isinstance(event, ScalarEvent) and (event.value or event.style):
            if event.anchor is not None or event.tag is not None:
                raise _Unreadable(mark, "a key is a text alone, without anchor or tag")
            self._spend(1, mark)
            return str(event.value)
        if isinstance(event, MappingStartEvent) and event.flow_style and start.flow_style:
            raise _Unreadable(self._at(start), BRACES)
        raise _Unreadable(mark, "a key is expected here, as in `key: value`")


_SYNTAX: tuple[tuple[str, str], ...] = (
    (r"found character '\\t'", "a tab cannot indent; use spaces"),
    (r"found character '(.)' that", "a text that starts with {0} must stand in quotes"),
    (
        r"mapping values are not",
        "a `: ` within a text needs quotes around it, or the indentation is wrong",
    ),
    (r"expected ',' or '(.)'", "`,` or `{0}` is missing before this"),
    (r"expected <block end>", "the indentation does not fit the lines above"),
    (r"found unexpected end of stream", "the quote that opens here is not closed"),
    (r"sequence entries are not", "a list starts on its own line"),
    (r"could not find expected ':'", "`:` is missing after this key"),
    (
        r"found unknown escape character '(.*)'",
        "\\{0} is not known within double quotes; use single quotes",
    ),
)


def _syntax_problem(err: MarkedYAMLError, file: str, text: str) -> _Unreadable:
    """Say in plain words what the parser stumbled over, and where."""
    said = str(err.problem or err.context or "not readable as YAML")
    at = err.problem_mark or err.context_mark
    if "end of stream" in said and err.context_mark is not None and "quoted" in str(err.context):
        at = err.context_mark
    mark = Mark(file) if at is None else Mark(file, at.line + 1, at.column + 1)
    lines = text.splitlines()
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if "{{" in line and not re.search(r"""["'][^"']*\{\{""", line):
        return _Unreadable(Mark(file, mark.line, line.index("{{") + 1), BRACES)
    for pattern, plain in _SYNTAX:
        if found := re.search(pattern, said):
            return _Unreadable(mark, plain.format(*found.groups()))
    return _Unreadable(mark, f"not readable as YAML: {said}")
