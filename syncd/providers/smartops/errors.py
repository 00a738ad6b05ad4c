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
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import orjson

from syncd.model.secret import Secret
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
from syncd.transport.redact import scrub

SUCCESS_CODES = frozenset({"200", "201"})
"""`200` is success, `201` is tolerated (O3)."""

_REFUSED_STATUSES = frozenset({400, 403, 404, 405, 413, 415, 422})
"""HTTP statuses that say a write had no effect (DESIGN R3) and are no matter of tokens or pace."""

_DETAIL_CHARS_MAX = 2_000


def read_error(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
    """Read an HTTP error answer; the transport hides secrets it quotes (O9).

    Spec: §5 O3 (HTTP status and envelope); DESIGN R3.
    """
    if status not in _REFUSED_STATUSES:
        return None
    envelope = _envelope(body)
    said = _said(envelope) if envelope is not None else ""
    code = envelope.code if envelope is not None else ""
    if is_write and code and not _is_client_fault(code):
        return OutcomeUnknown(f"HTTP {status}, yet statusCode {said}")
    if status == 404 and code:
        return NotFound(f"HTTP 404: {said}")
    if status == 404:
        # Not the contract's own but a wrong path or a proxy: tells nothing of a ticket (R8).
        text = "HTTP 404 without the contract's answer: is the path right?"
        return Refused(text) if is_write else OddAnswer(text)
    return Refused(f"HTTP {status}: {said}" if said else f"HTTP {status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What is known of an exchange beside its answer.

    Attributes:
        context: where it happened.
        is_write: the call has an effect.
        closed_at: when the answer was there; an unknown write's settle time counts from it.
        secrets: never repeated, whatever the answer quotes (O9).
    """

    context: RemoteContext
    is_write: bool
    closed_at: datetime
    secrets: tuple[Secret, ...] = ()


def code_error(envelope: Envelope, exchanged: Exchanged) -> RemoteError | None:
    """Read the `statusCode` of an answer whose HTTP status is a success.

    Returns:
        None for success.

    Spec: §1; §5 O3; §6, statusCode ("any other code = failure"); DESIGN R3.
    """
    code = envelope.code
    if code in SUCCESS_CODES:
        return None
    told = _said(envelope, exchanged.secrets)
    context = replace(exchanged.context, code=code, detail=told)
    said = f"statusCode {told}"
    if code == "401":
        return CredentialsRejected(said, context)
    if code == "404":
        return NotFound(said, context)
    if code == "429":
        return RateLimited(said, context)
    if not exchanged.is_write:
        return _read_code_error(code, said, context)
    if _is_client_fault(code):
        return Refused(said, context)
    return OutcomeUnknown(said, context, closed_at=exchanged.closed_at)


def _read_code_error(code: str, said: str, context: RemoteContext) -> RemoteError:
    if not code:
        return OddAnswer("the answer has no statusCode", context)
    if code == "408" or re.fullmatch(r"5\d\d", code):
        return Unreachable(said, context)
    return Refused(said, context)


def _is_client_fault(code: str) -> bool:
    return re.fullmatch(r"4\d\d", code) is not None and code not in {"408", "409"}


def _envelope(body: bytes) -> Envelope | None:
    try:
        return parse_envelope(orjson.loads(body))
    except (orjson.JSONDecodeError, WireError):
        return None


def _said(envelope: Envelope, secrets: Iterable[Secret] = ()) -> str:
    text = f"{envelope.code or 'missing'} {envelope.message}".strip()
    return scrub(text, secrets)[:_DETAIL_CHARS_MAX]
