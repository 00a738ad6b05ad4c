"""Reads a provider's ENDPOINTS.md (format: `syncd/providers/__init__.py`) and does what it says."""

import re
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from syncd.model.ids import AttachmentId
from syncd.model.operation import Write, WriteKind
from syncd.model.ticket import CommentKind, Value
from syncd.ports.adapter import Expectation, TicketRef
from tests.conformance.fixture import Fixture
from tests.conformance.world import World, world_of

PROVIDERS_DIR = Path(__file__).resolve().parents[2] / "syncd" / "providers"
COLUMNS = ("id", "method", "path", "operation", "used by", "sends")
UNUSED = "not used: "
_OWN_PLACEHOLDERS = {"ticket", "number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names that must be sent, and those that may be."""

    always: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()

    def problems(self, sent: set[str]) -> list[str]:
        missing = [f"{name} was not sent" for name in sorted(self.always - sent)]
        return missing + [
            f"{name} is told nowhere" for name in sorted(sent - self.always - self.maybe)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One documented call.

    Attributes:
        kind: kind of ticket it is made for; empty: the provider's first.
        used: what makes it.
        headers: name -> value, or empty for any.
    """

    provider: str
    id: str
    method: str
    path: str
    operation: str
    kind: str
    used: str
    headers: Mapping[str, str]
    query: Names
    body: Names

    @property
    def is_multipart(self) -> bool:
        return self.body.always == {"multipart"}

    def matches(self, method: str, path: str) -> bool:
        pieces = re.split(r"(\{\w+\})", self.path)
        pattern = "".join("[^/]+" if one.startswith("{") else re.escape(one) for one in pieces)
        return method == self.method and re.fullmatch(pattern, path) is not None


def rows_of(provider: str) -> list[Row]:
    """Read a provider's table; none when it has no page."""
    page = PROVIDERS_DIR / provider / "ENDPOINTS.md"
    lines = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    cells = [_cells(line) for line in lines if line.startswith("|")]
    if not cells:
        return []
    assert tuple(cells[0]) == COLUMNS, f"{page}: columns are {COLUMNS}"
    return [_row(provider, each) for each in cells[2:]]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(provider: str, cells: list[str]) -> Row:
    assert len(cells) == len(COLUMNS), f"{provider}: {cells}"
    name, method, path, operation, used, sends = cells
    kind = ""
    if (found := re.match(r"([a-z_]+): (?!$)", used)) and not used.startswith(UNUSED):
        kind, used = found[1], used[found.end() :]
    parts = {"header": "", "query": "", "body": ""}
    for part in filter(None, (one.strip() for one in sends.split(";"))):
        what, _, told = part.partition(" ")
        assert what in parts, f"{provider} {name}: {part!r}"
        parts[what] = told
    headers = dict(one.partition("=")[::2] for one in _listed(parts["header"]))
    return Row(
        provider=provider, id=name, method=method, path=path, operation=operation, kind=kind,
        used=used, headers=headers, query=_names(parts["query"]), body=_names(parts["body"]),
    )  # fmt: skip


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _names(text: str) -> Names:
    listed = _listed(text)
    return Names(
        always=frozenset(one for one in listed if not one.endswith("?")),
        maybe=frozenset(one[:-1] for one in listed if one.endswith("?")),
    )


# --- doing it ------------------------------------------------------------------------------------


@asynccontextmanager
async def done(fixture: Fixture, row: Row) -> AsyncIterator[tuple[World, int]]:
    """Do what a row says makes its call, in a world of its own; give it and where it began."""
    async with world_of(fixture) as world:
        verb, *words = shlex.split(row.used)
        since = await _DOING[verb](world, words)
        yield world, since


async def _login(world: World, _words: list[str]) -> int:
    await world.read(world.person_opens())
    return 0


async def _read(world: World, _words: list[str]) -> int:
    ref = await world.opened()
    since = world.mark
    await world.read(ref)
    return since


async def _poll(world: World, _words: list[str]) -> int:
    world.person_opens()
    since = world.mark
    await world.adapter.poll(world.fixture.kind, None)
    return since


async def _check(world: World, _words: list[str]) -> int:
    since = world.mark
    await world.adapter.check(Expectation(statuses=frozenset(world.features.statuses)))
    return since


async def _download(world: World, _words: list[str]) -> int:
    ref = world.person_opens()
    world.person("attaches", str(ref.id), "a.txt", b"hello", "text/plain")
    (file,) = (await world.read(ref)).attachments
    since = world.mark
    async with world.adapter.download(ref, AttachmentId(file.id)) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"hello"
    return since


async def _write(world: World, words: list[str]) -> int:
    write = await _prepared(world, words)
    since = world.mark
    await world.send(write)
    return since


async def _probe(world: World, words: list[str]) -> int:
    write = await _prepared(world, words)
    sent_at = await world.lost(write, "lost_answer")
    since = world.mark
    await world.adapter.probe(write, sent_at)
    return since


async def _prepared(world: World, words: list[str]) -> Write:
    kind = WriteKind(words[0])
    ref = None if kind is WriteKind.CREATE else await world.opened()
    given = dict(word.partition("=")[::2] for word in words[1:])
    if kind is WriteKind.COMMENT and "kind" in given:
        draft = world.comment("Any news?", CommentKind(given["kind"]))
        return world.write_of(kind, ref, comment=draft)
    fields: dict[str, Value] | None = {one: told or None for one, told in given.items()} or None
    return world.write_of(kind, ref, fields=fields)


async def _call(world: World, words: list[str]) -> int:
    ref = await world.opened()
    values = await _values(world, ref, words)
    arguments = dict(word.format_map(values).partition("=")[::2] for word in words[1:])
    since = world.mark
    assert await world.adapter.call(words[0], arguments) is not None
    return since


async def _values(world: World, ref: TicketRef, words: list[str]) -> Mapping[str, str]:
    values = {"ticket": str(ref.id), "number": ref.number}
    if set(re.findall(r"\{(\w+)\}", " ".join(words))) - _OWN_PLACEHOLDERS:
        values |= await world.fixture.placeholders(world, ref)
    return values


_DOING = {
    "login": _login,
    "read": _read,
    "poll": _poll,
    "check": _check,
    "download": _download,
    "write": _write,
    "probe": _probe,
    "call": _call,
}
