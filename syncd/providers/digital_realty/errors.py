"""What Digital Realty's error answers mean: one row per answer.

Nothing of this is documented (section 7, D17 and D18): codes are those of DESIGN R3, and the text
is looked for in the places where such answers usually have it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import orjson

from syncd.ports.errors import NotFound, Refused, RemoteContext, RemoteError

RAW_BYTES_MAX = 2048
"""How much of an error's body is read and kept (D18)."""
_TEXT_CHARS_MAX = 300
_DEPTH_MAX = 4


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
        # A new token once, then the credentials are refused: the transport's part.
        401: Row(meaning=Meaning.BY_STATUS, text="the token is not accepted"),
        403: Row(
            meaning=Meaning.REFUSED,
            text="forbidden: check master_account_id, account_id and the permission "
            "'Service Tickets-Customer Support'",
        ),
        404: Row(meaning=Meaning.NOT_FOUND, text="not found in this account"),
        405: Row(meaning=Meaning.REFUSED, text="the call does not exist: check base_url and paths"),
        # May be the status that forbids it, or a change that crossed ours: R3 says unknown.
        409: Row(meaning=Meaning.BY_STATUS, text="in conflict"),
        413: Row(meaning=Meaning.REFUSED, text="too large"),
        415: Row(meaning=Meaning.REFUSED, text="the content type is not accepted"),
        422: Row(meaning=Meaning.REFUSED, text="the request is not accepted"),
        # The transport knows Retry-After.
        429: Row(meaning=Meaning.BY_STATUS, text="too many requests"),
        500: Row(meaning=Meaning.BY_STATUS, text="internal error"),
        502: Row(meaning=Meaning.BY_STATUS, text="the gateway got no answer"),
        503: Row(meaning=Meaning.BY_STATUS, text="not available"),
        504: Row(meaning=Meaning.BY_STATUS, text="the gateway got no answer in time"),
    }
)
"""HTTP status -> what it means. Spec: Customer Support Tickets API, section 7, D17 and D18."""

STATUS_MAY_FORBID = frozenset({400, 403, 422})
"""Refusals after which the ticket is read: its status may no longer allow the write (D18)."""


def error_text(body: bytes) -> str:
    """Find what an error's body says, in one line; empty when it is no JSON or says nothing.

    Spec: Customer Support Tickets API, section 7, D18.
    """
    try:
        node = orjson.loads(body[:RAW_BYTES_MAX])
    except orjson.JSONDecodeError:
        return ""
    texts = dict.fromkeys(" ".join(text.split()) for text in _texts(node, 0))
    return "; ".join(text for text in texts if text)[:_TEXT_CHARS_MAX]


def _texts(node: object, depth: int) -> Iterator[str]:
    """Walk `message`, `error`, `error_description`, `errors[]`, `fault.faultstring`, `detail`."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(node, str):
        yield node
    if isinstance(node, list):
        for item in node[:10]:
            yield from _texts(item, depth + 1)
    if isinstance(node, dict):
        names = (
            "message", "error_description", "error", "errors", "fault", "faultstring", "detail",
        )  # fmt: skip
        for name in names:
            yield from _texts(node.get(name), depth + 1)


def read_error(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
    """Turn an error answer of Digital Realty into the error delivery and intake act on.

    Args:
        status: HTTP status, 400 and above.
        body: the body as received, possibly cut.
        is_write: whether the call had an effect in mind.

    Returns:
        None where DESIGN R3's classes apply: 401, 408, 409, 429 and 5xx.

    Spec: Customer Support Tickets API, section 7, D18.
    """
    del is_write  # the same answer means the same for both; R3 tells them apart afterwards
    row = ROWS.get(status)
    if row is None or row.meaning is Meaning.BY_STATUS:
        return None
    said = error_text(body)
    message = f"Digital Realty {status}: {row.text}" + (f" ({said})" if said else "")
    context = RemoteContext(status=status, code=str(status))
    if row.meaning is Meaning.NOT_FOUND:
        return NotFound(message, context)
    return Refused(message, context)
