"""What Digital Realty's error answers mean: one row per answer.

Nothing of this is documented (section 7, D17 and D18): codes are those of DESIGN R3, and the text
is looked for in the places where such answers usually have it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from syncd.ports.answers import SAID_CHARS_MAX, Meaning, Row, error_of, texts_said
from syncd.ports.errors import RemoteError

_NAMES = (
    "message", "error_description", "error", "errors", "fault", "faultstring", "detail",
)  # fmt: skip

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
    return "; ".join(texts_said(body, _NAMES))[:SAID_CHARS_MAX]


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
    return error_of("Digital Realty", ROWS, status, error_text(body))
