"""What Telenor's error answers mean: one row per documented answer.

Sources: Service Ticket API, section 3 (six-digit codes); section 9 (five-digit codes of the shared
gateway, Apigee's fault names). Every row says what it is for us; what is not in the table is left
to the classes of DESIGN R3.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import orjson

from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    RateLimited,
    Refused,
    RemoteContext,
    RemoteError,
)

RAW_BYTES_MAX = 2048
"""How much of an error's body is read and kept (T26)."""
_DEPTH_MAX = 6
_CODE_IN_TEXT = re.compile(r"\b([45]\d{4,6})\b")


class Meaning(StrEnum):
    """What an answer means for us."""

    REFUSED = "refused"
    NOT_FOUND = "not_found"
    TOKEN = "token"
    CREDENTIALS = "credentials"
    RATE = "rate"
    BY_STATUS = "by_status"
    """Left to the classes of DESIGN R3: a write is then of unknown outcome, a read is repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One documented answer.

    Attributes:
        status: HTTP status it comes with.
        meaning: what it is for us.
        text: what an operator is told.
    """

    status: int
    meaning: Meaning
    text: str


def _row(status: int, meaning: Meaning, text: str) -> Row:
    return Row(status=status, meaning=meaning, text=text)


ROWS: Mapping[str, Row] = MappingProxyType(
    {
        # Service Ticket API, section 3
        "400001": _row(400, Meaning.REFUSED, "mandatory inputs are missing"),
        "400002": _row(400, Meaning.REFUSED, "invalid inputs"),
        "401001": _row(401, Meaning.REFUSED, "invalid resource: check the system user's rights"),
        "401002": _row(
            401, Meaning.REFUSED, "not authorized: the system user has no access (Min Bedrift)"
        ),
        "401003": _row(401, Meaning.TOKEN, "invalid or expired token"),
        "403001": _row(403, Meaning.REFUSED, "forbidden"),
        # A wrong path must never look like a ticket that is gone (DESIGN R8).
        "404001": _row(404, Meaning.REFUSED, "path or method not found: check base_url"),
        "404002": _row(404, Meaning.NOT_FOUND, "data or entity not found"),
        "500001": _row(500, Meaning.BY_STATUS, "internal server error"),
        "503001": _row(503, Meaning.BY_STATUS, "external server error"),
        # The gateway in front, section 9
        "40102": _row(401, Meaning.TOKEN, "authorization header missing"),
        "40103": _row(401, Meaning.REFUSED, "the application has no API product: order it"),
        "40105": _row(401, Meaning.TOKEN, "invalid access token"),
        "40106": _row(401, Meaning.TOKEN, "access token expired"),
        "40107": _row(401, Meaning.CREDENTIALS, "client id and secret are refused"),
        "40108": _row(401, Meaning.CREDENTIALS, "client id and secret are refused"),
        "40301": _row(403, Meaning.REFUSED, "invalid scope: the application lacks a right"),
        "40401": _row(404, Meaning.REFUSED, "path or method not found: check base_url"),
        "4042000": _row(404, Meaning.NOT_FOUND, "not found on the back end"),
        "42901": _row(429, Meaning.RATE, "quota used up"),
        "42902": _row(429, Meaning.RATE, "too many requests at once"),
        "50001": _row(500, Meaning.BY_STATUS, "internal error of the gateway"),
        # Apigee's own fault names, section 9
        "policies.ratelimit.QuotaViolation": _row(429, Meaning.RATE, "quota used up"),
        "policies.ratelimit.SpikeArrestViolation": _row(
            429, Meaning.RATE, "too many requests at once"
        ),
        "keymanagement.service.invalid_access_token": _row(
            401, Meaning.TOKEN, "invalid access token"
        ),
        "keymanagement.service.access_token_expired": _row(
            401, Meaning.TOKEN, "access token expired"
        ),
    }
)
"""Telenor's code -> what it means."""


def error_code(status: int, body: bytes) -> str:
    """Find Telenor's code in an error's body, whose shape is not documented.

    Args:
        status: HTTP status; a number in free text counts only when it begins with the status.
        body: the body as received.

    Returns:
        The code as text, empty when there is none.

    Spec: Service Ticket API, section 8, T26.
    """
    text = body[:RAW_BYTES_MAX].decode("utf-8", errors="replace")
    named = list(_named_codes(_parsed(body), 0))
    for code in named:
        if code in ROWS:
            return code
    if named:
        return named[0]
    in_text: list[str] = _CODE_IN_TEXT.findall(text)
    fitting = [code for code in in_text if code.startswith(str(status))]
    return fitting[0] if fitting else ""


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _named_codes(node: object, depth: int) -> Iterator[str]:
    """Walk `code`, `errorCode`, `error.code`, `errors[].code`, `fault.detail.errorcode`."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(node, list):
        for item in node[:10]:
            yield from _named_codes(item, depth + 1)
    if not isinstance(node, dict):
        return
    for name in ("code", "errorCode", "errorcode"):
        value = node.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            yield str(value).strip()
    for name in ("error", "errors", "fault", "detail"):
        yield from _named_codes(node.get(name), depth + 1)


def read_error(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
    """Turn an error answer of Telenor into the error delivery and intake act on.

    Args:
        status: HTTP status, 400 and above.
        body: the body as received, possibly cut.
        is_write: whether the call had an effect in mind.

    Returns:
        None where DESIGN R3's classes apply: an expired or unknown token (the transport fetches a
        new one), 429 (it knows `Retry-After`), 5xx.

    Spec: Service Ticket API, section 3; section 8, T24 and T26; section 9.
    """
    del is_write  # the same answer means the same for both; R3 tells them apart afterwards
    code = error_code(status, body)
    row = ROWS.get(code)
    if row is None:
        return None
    context = RemoteContext(status=status, code=code)
    message = f"Telenor {status} {code}: {row.text}"
    # Where the code and the status disagree the status decides, save that a gateway's rate limit
    # may come as a 5xx: it was stopped before the back end, so it had no effect.
    if row.meaning is Meaning.RATE:
        return None if status == row.status else RateLimited(message, context)
    if row.status != status:
        return None
    if row.meaning is Meaning.REFUSED:
        return Refused(message, context)
    if row.meaning is Meaning.NOT_FOUND:
        return NotFound(message, context)
    if row.meaning is Meaning.CREDENTIALS:
        return CredentialsRejected(message, context)
    return None
