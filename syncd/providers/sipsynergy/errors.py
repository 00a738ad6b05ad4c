"""What SIP Synergy's error answers mean: one row per status that can be expected.

The document has two hints (section 4): the 404 of the confirm-contacts check and the shape *Error
Unprocessable Entity*. The rest is convention, or what the company's other services answer
(section 8). What is not in the table is left to the classes of DESIGN R3.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import orjson

from syncd.model.secret import Secret
from syncd.ports.errors import NotFound, Refused, RemoteContext, RemoteError
from syncd.transport.redact import scrub

RAW_BYTES_MAX = 2048
"""How much of an error's body is read."""
SAID_CHARS_MAX = 300
_DEPTH_MAX = 4
_NAMES = ("title", "message", "detail", "errorMessage", "error", "errors")


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
        text: what an operator is told beside the service's own words.
    """

    meaning: Meaning
    text: str


def _row(meaning: Meaning, text: str) -> Row:
    return Row(meaning=meaning, text=text)


ROWS: Mapping[int, Row] = MappingProxyType(
    {
        400: _row(Meaning.REFUSED, "invalid request"),
        # Whether a token is old or a key wrong, the transport knows.
        401: _row(Meaning.BY_STATUS, "not authorized"),
        403: _row(Meaning.REFUSED, "forbidden"),
        404: _row(Meaning.NOT_FOUND, "not found"),
        405: _row(Meaning.REFUSED, "no such method here"),
        410: _row(Meaning.NOT_FOUND, "gone"),
        413: _row(Meaning.REFUSED, "too large"),
        415: _row(Meaning.REFUSED, "wrong content type"),
        422: _row(Meaning.REFUSED, "invalid arguments"),
        429: _row(Meaning.BY_STATUS, "too many requests"),
        500: _row(Meaning.BY_STATUS, "internal server error"),
        502: _row(Meaning.BY_STATUS, "bad gateway"),
        503: _row(Meaning.BY_STATUS, "unavailable"),
        504: _row(Meaning.BY_STATUS, "gateway timeout"),
    }
)
"""HTTP status -> what it means. Spec: Tickets Microservice, section 4; section 8."""


def said(body: bytes) -> str:
    """Give the service's own words in an error's body, of any shape seen; empty for none.

    Spec: Tickets Microservice, section 3, Error Unprocessable Entity; section 8, row 2.
    """
    try:
        parsed: object = orjson.loads(body[:RAW_BYTES_MAX])
    except orjson.JSONDecodeError:
        return ""
    texts = dict.fromkeys(text.strip() for text in _texts(parsed, 0) if text.strip())
    return ": ".join(texts)[:SAID_CHARS_MAX]


def _texts(node: object, depth: int) -> Iterator[str]:
    """Walk `title`, `message`, `detail`, `error` and `errors`."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node[:10]:
            yield from _texts(item, depth + 1)
    elif isinstance(node, dict):
        for name in _NAMES:
            yield from _texts(node.get(name), depth + 1)


class HttpErrors:
    """The transport's ErrorReader for one connection.

    Args:
        secrets: never repeated, whatever an answer quotes.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._secrets = tuple(secrets)

    def __call__(self, status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
        """Turn an error answer into the error delivery and intake act on.

        Args:
            status: HTTP status, 400 and above.
            body: the body as received, possibly cut.
            is_write: whether the call had an effect in mind.

        Returns:
            None where DESIGN R3's classes apply: 401, 429, 5xx and whatever is not in the table.

        Spec: Tickets Microservice, section 4; section 8.
        """
        del is_write  # the same answer means the same for both; R3 tells them apart afterwards
        row = ROWS.get(status)
        if row is None or row.meaning is Meaning.BY_STATUS:
            return None
        words = scrub(said(body), self._secrets)
        message = f"SIP Synergy {status}: {row.text}" + (f" ({words})" if words else "")
        context = RemoteContext(status=status)
        return (NotFound if row.meaning is Meaning.NOT_FOUND else Refused)(message, context)
