"""From an HTTP status to what it means, exactly by DESIGN R3. Pure.

write: refused      400 401 403 404 405 413 415 422 429      (no effect)
       stale        412 where the request was conditional
       unknown      every other status that is not 2xx
read:  later        408 425 429 5xx
       not there    404 410
       refused      every other 4xx
       odd          3xx that is not a redirect we follow
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

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
    StaleVersion,
    TokenRejected,
    Unreachable,
)
from syncd.transport.budget import RETRY_AFTER_MAX_S
from syncd.transport.redact import scrub

WRITE_REFUSED = frozenset({400, 403, 405, 413, 415, 422})
"""Statuses that say a write had no effect and never will (R3); 401, 404 and 429 have classes."""
READ_LATER = frozenset({408, 425})
"""Statuses below 500 that a read simply tries again."""
REQUEST_ID_HEADERS = (
    "x-request-id", "x-correlation-id", "request-id", "x-transaction-id", "x-amzn-requestid",
)  # fmt: skip
"""Where vendors put the id their support asks for; the first one present counts."""
_ID_CHARS_MAX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is needed beside the status to say what it means.

    Attributes:
        is_write: whether the request may have had an effect.
        conditional: it carried If-Match or If-Unmodified-Since.
        retry_after_s: what the answer asked for; None when it said nothing.
        closed_at: aware UTC instant at which the exchange was over.
    """

    is_write: bool
    conditional: bool
    retry_after_s: float | None
    closed_at: datetime


def status_error(status: int, verdict: Verdict, context: RemoteContext) -> RemoteError:
    """Say what an answer that is not a success means, when the provider's table does not.

    A 401 comes out as TokenRejected: the transport, which knows the token's age, decides further.

    Spec: DESIGN section 4, R3.
    """
    if status == 401:
        return TokenRejected("the vendor does not accept our token", context)
    if status == 429:
        text = "the vendor asks us to wait"
        return RateLimited(text, context, retry_after_s=verdict.retry_after_s)
    if status == 404:
        return NotFound("the vendor says it is not there", context)
    if verdict.is_write:
        return _write_error(status, verdict, context)
    return _read_error(status, verdict, context)


def _write_error(status: int, verdict: Verdict, context: RemoteContext) -> RemoteError:
    if status in WRITE_REFUSED:
        return Refused(f"the vendor refused it with {status}", context)
    if status == 412 and verdict.conditional:
        return StaleVersion("the vendor has a newer version", context)
    text = f"sent, and answered {status}: it may have happened"
    return OutcomeUnknown(text, context, closed_at=verdict.closed_at)


def _read_error(status: int, verdict: Verdict, context: RemoteContext) -> RemoteError:
    if status >= 500 and verdict.retry_after_s is not None:
        text = f"the vendor answered {status} and asks us to wait"
        return RateLimited(text, context, retry_after_s=verdict.retry_after_s)
    if status >= 500 or status in READ_LATER:
        return Unreachable(f"the vendor answered {status}", context)
    if status == 410:
        return NotFound("the vendor says it is gone", context)
    if status >= 400:
        return Refused(f"the vendor refused it with {status}", context)
    return OddAnswer(f"the vendor answered {status}", context)


def settle_reader_error(
    error: RemoteError,
    *,
    is_write: bool,
    context: RemoteContext,
    closed_at: datetime,
    secrets: Sequence[Secret] = (),
) -> RemoteError:
    """Complete what a provider's table made of an answer with where it happened.

    The table's own code and detail stay; secrets that the vendor's words quote do not. An OddAnswer
    about a write becomes OutcomeUnknown: it was sent, and only the table could have said that it
    had no effect.
    """
    own = error.context
    error.args = (scrub(str(error), secrets),)
    error.context = replace(
        context,
        code=scrub(own.code, secrets) or context.code,
        detail=scrub(own.detail, secrets) or context.detail,
    )
    if is_write and isinstance(error, OddAnswer):
        unknown = OutcomeUnknown(str(error), error.context, closed_at=closed_at)
        unknown.__cause__ = error
        return unknown
    if isinstance(error, OutcomeUnknown) and error.closed_at is None:
        error.closed_at = closed_at
    return error


def is_about_token(error: RemoteError | None) -> bool:
    """Say whether a 401 is left to the token's rules; a provider's table may claim it first."""
    return error is None or isinstance(error, TokenRejected)


def token_error(error: TokenRejected, *, renewable: bool, fresh: bool) -> RemoteError:
    """Say what a 401 means: a cached token may be old, a fresh or a configured one cannot.

    Args:
        error: the 401.
        renewable: whether tokens are fetched; else what is sent is what the settings say.
        fresh: whether this one was fetched for this very call.
    """
    if not renewable:
        told = "the vendor refuses the key, token or password of the settings (auth)"
        return CredentialsRejected(told, error.context)
    if fresh:
        return CredentialsRejected("the vendor refuses a token that is new", error.context)
    return error


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After: seconds or an HTTP date; at most an hour; None when absent or unreadable.

    Args:
        headers: lower-case names.
        now: aware UTC instant, for a date.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        seconds = (at - now).total_seconds()
    if seconds != seconds:  # noqa: PLR0124 - float() reads "nan", which compares with nothing
        return None
    return min(max(0.0, seconds), RETRY_AFTER_MAX_S)


def request_id(headers: Mapping[str, str]) -> str:
    """Find the vendor's own id of the exchange; empty when it gives none."""
    for name in REQUEST_ID_HEADERS:
        if name in headers:
            return headers[name][:_ID_CHARS_MAX].encode("ascii", "replace").decode()
    return ""
