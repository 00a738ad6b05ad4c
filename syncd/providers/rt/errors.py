"""What RT's error answers mean: one row per answer (REST2 of RT 5; NOTES.md, Errors)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import orjson

from syncd.ports.errors import NotFound, Refused, RemoteContext, RemoteError

_TEXT_CHARS_MAX = 300


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
        text: what an operator is told.
    """

    meaning: Meaning
    text: str


ROWS: Mapping[int, Row] = MappingProxyType(
    {
        400: Row(meaning=Meaning.REFUSED, text="the request is not accepted"),
        401: Row(meaning=Meaning.BY_STATUS, text="the token is not accepted"),
        403: Row(meaning=Meaning.REFUSED, text="no right to: check the API user's rights"),
        404: Row(meaning=Meaning.NOT_FOUND, text="not found"),
        405: Row(meaning=Meaning.REFUSED, text="the call does not exist: check base_url"),
        # Conditional updates alone are sent with If-Match.
        412: Row(meaning=Meaning.BY_STATUS, text="the ticket has changed since it was read"),
        413: Row(meaning=Meaning.REFUSED, text="too large"),
        415: Row(meaning=Meaning.REFUSED, text="the content type is not accepted"),
        422: Row(meaning=Meaning.REFUSED, text="the request is not accepted"),
        429: Row(meaning=Meaning.BY_STATUS, text="too many requests"),
        # Also what RT answers for ids of transactions and attachments that are not there.
        500: Row(meaning=Meaning.BY_STATUS, text="internal error"),
    }
)
"""HTTP status -> what it means."""


def error_text(body: bytes) -> str:
    """Find what an error's body says, in one line; empty when it says nothing."""
    try:
        node = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    told = node.get("message") if isinstance(node, dict) else None
    return " ".join(told.split())[:_TEXT_CHARS_MAX] if isinstance(told, str) else ""


def read_error(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
    """Turn an error answer of RT into the error delivery and intake act on.

    Args:
        status: HTTP status, 400 and above.
        body: the body as received, possibly cut.
        is_write: whether the call had an effect in mind.

    Returns:
        None where DESIGN R3's classes apply: 401, 408, 409, 412, 429 and 5xx.
    """
    del is_write  # the same answer means the same for both; R3 tells them apart afterwards
    row = ROWS.get(status)
    if row is None or row.meaning is Meaning.BY_STATUS:
        return None
    said = error_text(body)
    message = f"RT {status}: {row.text}" + (f" ({said})" if said else "")
    context = RemoteContext(status=status, code=str(status))
    if row.meaning is Meaning.NOT_FOUND:
        return NotFound(message, context)
    return Refused(message, context)
