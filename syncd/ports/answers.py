"""What error answers mean where the status alone tells: a provider's table, read in one way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from syncd.ports.errors import NotFound, Refused, RemoteContext, RemoteError

BODY_BYTES_MAX = 2048
"""How much of an error's body is read and kept."""
SAID_CHARS_MAX = 300
_DEPTH_MAX = 4
_ITEMS_MAX = 10


class Meaning(StrEnum):
    """What an answer means for us."""

    REFUSED = "refused"
    NOT_FOUND = "not_found"
    BY_STATUS = "by_status"
    """Left to the classes of DESIGN R3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One answer.

    Attributes:
        meaning: what it is for us.
        text: what an operator is told beside the provider's own words.
    """

    meaning: Meaning
    text: str


def texts_said(body: bytes, names: Sequence[str]) -> list[str]:
    """List what an error's body says under these names, at any depth, each once, in one line.

    Nothing where it is no JSON.
    """
    try:
        node: object = orjson.loads(body[:BODY_BYTES_MAX])
    except orjson.JSONDecodeError:
        return []
    found = dict.fromkeys(" ".join(text.split()) for text in _texts(node, names, 0))
    return [text for text in found if text]


def _texts(node: object, names: Sequence[str], depth: int) -> Iterator[str]:
    if depth > _DEPTH_MAX:
        return
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node[:_ITEMS_MAX]:
            yield from _texts(item, names, depth + 1)
    elif isinstance(node, dict):
        for name in names:
            yield from _texts(node.get(name), names, depth + 1)


def error_of(provider: str, rows: Mapping[int, Row], status: int, said: str) -> RemoteError | None:
    """Turn an error answer into the error delivery and intake act on.

    Args:
        provider: its name, for people.
        rows: HTTP status -> what it means.
        status: HTTP status, 400 and above.
        said: the provider's own words; empty for none.

    Returns:
        None where DESIGN R3's classes apply: what the table leaves to them, or lacks.
    """
    row = rows.get(status)
    if row is None or row.meaning is Meaning.BY_STATUS:
        return None
    message = f"{provider} {status}: {row.text}" + (f" ({said})" if said else "")
    kind = NotFound if row.meaning is Meaning.NOT_FOUND else Refused
    return kind(message, RemoteContext(status=status, code=str(status)))
