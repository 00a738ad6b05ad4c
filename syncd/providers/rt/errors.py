"""What RT's error answers mean: one row per answer (REST2 of RT 5; NOTES.md, Errors)."""

from collections.abc import Mapping
from types import MappingProxyType

from syncd.ports.answers import SAID_CHARS_MAX, Meaning, Row, error_of, texts_said
from syncd.ports.errors import RemoteError

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
    said = "; ".join(texts_said(body, ("message",)))[:SAID_CHARS_MAX]
    return error_of("RT", ROWS, status, said)
