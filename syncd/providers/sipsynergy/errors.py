"""What SIP Synergy's error answers mean: one row per status that can be expected.

The document has two hints (section 4): the 404 of the confirm-contacts check and the shape *Error
Unprocessable Entity*. The rest is convention, or what the company's other services answer
(section 8). What is not in the table is left to the classes of DESIGN R3.
"""

from collections.abc import Mapping
from types import MappingProxyType

from syncd.ports.answers import SAID_CHARS_MAX, Meaning, Row, error_of, texts_said
from syncd.ports.errors import RemoteError

_NAMES = ("title", "message", "detail", "errorMessage", "error", "errors")


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
    return ": ".join(texts_said(body, _NAMES))[:SAID_CHARS_MAX]


def read_error(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
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
    return error_of("SIP Synergy", ROWS, status, said(body))
