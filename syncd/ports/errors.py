"""Errors about a vendor's system, as delivery and intake act on them (STYLE section 6, DESIGN R3).

RemoteError                 connection, endpoint, status, code, request id, detail
├── Unreachable             provably never left (DNS, refused connection, TLS), or a read: later
│   └── CircuitOpen         not even tried: the connection's breaker is open
├── RateLimited             429 or Retry-After: later, costs no attempt
├── TokenRejected           401 on a write with a cached token: again, with a fresh one
├── CredentialsRejected     refused by the token endpoint, or 401 on a fresh token: pause
├── StaleVersion            412 on a conditional write: read and plan again
├── NotFound                404 on a ticket: plan decides
├── Refused                 the provider said no, without effect: parked with the reason
│   └── Unsupported         the provider cannot do that at all (an undeclared Feature)
├── OddAnswer               a read whose answer cannot be understood; kept for the operator
└── OutcomeUnknown          a write was sent and nobody knows: probed before it is sent again
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteContext:
    """Where an error happened; safe to log and store (no secrets, texts cut at 2 KiB)."""

    connection: str = ""
    endpoint: str = ""
    status: int | None = None
    code: str = ""
    request_id: str = ""
    detail: str = ""


class RemoteError(Exception):
    """Base of all errors about a vendor's system."""

    def __init__(self, message: str, context: RemoteContext | None = None) -> None:
        """Keep the message and where it happened."""
        super().__init__(message)
        self.context = context or RemoteContext()


class Unreachable(RemoteError):
    """Provably no effect: the request never left, or it was a read."""


class CircuitOpen(Unreachable):
    """The connection's circuit breaker is open; nothing was sent."""


class RateLimited(RemoteError):
    """The provider asks us to wait; no effect, costs no attempt."""

    def __init__(
        self,
        message: str,
        context: RemoteContext | None = None,
        *,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep what the provider asked for, in seconds; None when it said nothing."""
        super().__init__(message, context)
        self.retry_after_s = retry_after_s


class TokenRejected(RemoteError):
    """A write was answered 401 with a cached token: no effect, costs no attempt."""


class CredentialsRejected(RemoteError):
    """Our credentials are refused: the connection is paused and one alert raised."""


class StaleVersion(RemoteError):
    """A conditional write met a newer version: no effect; read and plan again."""


class NotFound(RemoteError):
    """The ticket (or comment, or attachment) is not there."""


class Refused(RemoteError):
    """The provider understood and said no; no effect."""


class Unsupported(Refused):
    """The provider has no such ability; its Features say so."""


class OddAnswer(RemoteError):
    """A read succeeded but its answer cannot be understood."""


class OutcomeUnknown(RemoteError):
    """A write may have happened: time-out, reset, 5xx, 408, 409, 3xx, success without the id."""

    def __init__(
        self,
        message: str,
        context: RemoteContext | None = None,
        *,
        closed_at: datetime | None = None,
    ) -> None:
        """Keep when the socket was closed: the settle time counts from then."""
        super().__init__(message, context)
        self.closed_at = closed_at
