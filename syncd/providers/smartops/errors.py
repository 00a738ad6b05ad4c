"""What every failure the contract can answer means (DESIGN R3, STYLE section 6).

The outcome stands twice: in the HTTP status (read_error) and in `statusCode` of a 2xx answer
(code_error). One row per answer; O numbers are those of providers/smartops.md §5.

    HTTP                        read                  write
    401                         by the transport      by the transport
    404 with the envelope       NotFound              NotFound (a create: Refused)
    404 without it              OddAnswer             Refused
    400 403 405 413 415 422     Refused               Refused
    those and 404, statusCode   as its status         OutcomeUnknown
      408, 409 or not 4xx
    everything else             by the transport      by the transport

    statusCode under 2xx        read                  write
    200, 201                    success               success
    401                         CredentialsRejected   CredentialsRejected
    404                         NotFound              NotFound (a create: Refused)
    408                         Unreachable           OutcomeUnknown
    409                         Refused               OutcomeUnknown
    429                         RateLimited           RateLimited
    other 4xx                   Refused               Refused
    5xx                         Unreachable           OutcomeUnknown
    none                        OddAnswer             OutcomeUnknown
    anything else               Refused               OutcomeUnknown
"""

import re
from dataclasses import replace
from datetime import datetime

import orjson

from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteContext,
    RemoteError,
    Unreachable,
)
from syncd.providers.smartops.wire import Envelope, WireError, parse_envelope

SUCCESS_CODES = frozenset({"200", "201"})
"""`200` is success, `201` is tolerated (O3)."""

_REFUSED_STATUSES = frozenset({400, 403, 404, 405, 413, 415, 422})
"""HTTP statuses that say a write had no effect (DESIGN R3) and are no matter of tokens or pace."""

_DETAIL_CHARS_MAX = 2_000


def read_error(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
    """Read an HTTP error answer; the transport's ErrorReader.

    Spec: §5 O3 (HTTP status and envelope); DESIGN R3.
    """
    if status not in _REFUSED_STATUSES:
        return None
    envelope = _envelope(body)
    if is_write and envelope is not None and envelope.code and not _is_client_fault(envelope.code):
        return OutcomeUnknown(f"HTTP {status}, yet statusCode {_said(envelope)}")
    if status == 404:
        return _not_found(envelope, is_write=is_write)
    said = f": {_said(envelope)}" if envelope else ""
    return Refused(f"HTTP {status}{said}")


def code_error(
    envelope: Envelope, context: RemoteContext, *, is_write: bool, closed_at: datetime
) -> RemoteError | None:
    """Read the `statusCode` of an answer whose HTTP status is a success.

    Args:
        envelope: the answer.
        context: of the exchange.
        is_write: the call has an effect.
        closed_at: when the answer was there; the settle time of an unknown write counts from it.

    Returns:
        None for success.

    Spec: §1; §5 O3; §6, statusCode ("any other code = failure"); DESIGN R3.
    """
    code = envelope.code
    if code in SUCCESS_CODES:
        return None
    context = replace(context, code=code, detail=envelope.message[:_DETAIL_CHARS_MAX])
    said = f"statusCode {_said(envelope)}"
    if code == "401":
        return CredentialsRejected(said, context)
    if code == "404":
        return NotFound(said, context)
    if code == "429":
        return RateLimited(said, context)
    if not is_write:
        return _read_code_error(code, said, context)
    if _is_client_fault(code):
        return Refused(said, context)
    return OutcomeUnknown(said, context, closed_at=closed_at)


def _read_code_error(code: str, said: str, context: RemoteContext) -> RemoteError:
    if not code:
        return OddAnswer("the answer has no statusCode", context)
    if code == "408" or re.fullmatch(r"5\d\d", code):
        return Unreachable(said, context)
    return Refused(said, context)


def _is_client_fault(code: str) -> bool:
    return re.fullmatch(r"4\d\d", code) is not None and code not in {"408", "409"}


def _not_found(envelope: Envelope | None, *, is_write: bool) -> RemoteError:
    if envelope is not None and envelope.code:
        return NotFound(f"HTTP 404: {_said(envelope)}")
    # Not the contract's own 404 but a wrong path or a proxy: says nothing about a ticket (R8).
    text = "HTTP 404 without the contract's answer: is the path right?"
    return Refused(text) if is_write else OddAnswer(text)


def _envelope(body: bytes) -> Envelope | None:
    try:
        return parse_envelope(orjson.loads(body))
    except (orjson.JSONDecodeError, WireError):
        return None


def _said(envelope: Envelope) -> str:
    code = envelope.code or "missing"
    return f"{code} {envelope.message}".strip()[:_DETAIL_CHARS_MAX]
