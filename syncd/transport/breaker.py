"""The circuit breaker: an outage becomes waiting, told once when it starts and when it ends."""

from collections.abc import Callable
from enum import StrEnum

from syncd.ports.clock import Clock
from syncd.ports.errors import CircuitOpen, RemoteContext

FAILURES_MAX = 5
"""Failures in a row that open the breaker."""
BACKOFF_FIRST_S = 5.0
"""Seconds until the first probe; doubled after each probe that fails."""
BACKOFF_MAX_S = 300.0
"""Longest time between probes, in seconds."""


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Counts failures in a row; once open, lets a single probe through after a back-off.

    Every `enter` is followed by exactly one of `succeeded`, `failed` and `abandoned`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        on_open: Callable[[str, float], None] | None = None,
        on_close: Callable[[float], None] | None = None,
    ) -> None:
        """Start closed.

        Args:
            clock: where time comes from.
            on_open: told once when it opens: the last failure, seconds until the first probe.
            on_close: told once when it closes: seconds it was open.
        """
        self._clock = clock
        self._on_open = on_open
        self._on_close = on_close
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._backoff_s = BACKOFF_FIRST_S
        self._opened_s = 0.0
        self._probe_s = 0.0
        self._reason = ""

    @property
    def state(self) -> BreakerState:
        """Where it stands."""
        return self._state

    @property
    def reason(self) -> str:
        """The last failure; empty while closed."""
        return self._reason if self._state is not BreakerState.CLOSED else ""

    @property
    def probe_in_s(self) -> float:
        """Seconds until a probe may go; 0 when one may go now or it is closed."""
        if self._state is BreakerState.CLOSED:
            return 0.0
        return max(0.0, self._probe_s - self._clock.monotonic_s())

    def check(self, context: RemoteContext) -> None:
        """Refuse early, before any waiting.

        Raises:
            CircuitOpen: nothing may be sent now.
        """
        if self._state is BreakerState.CLOSED:
            return
        if self._state is BreakerState.HALF_OPEN or self.probe_in_s > 0:
            raise CircuitOpen(f"not sent: the connection is down ({self._reason})", context)

    def enter(self, context: RemoteContext) -> None:
        """Ask to send now; while open and due, the one who asks first is the probe.

        Raises:
            CircuitOpen: nothing may be sent now.
        """
        self.check(context)
        if self._state is BreakerState.OPEN:
            self._state = BreakerState.HALF_OPEN

    def succeeded(self) -> None:
        """The vendor answered."""
        self._failures = 0
        if self._state is BreakerState.CLOSED:
            return
        self._state = BreakerState.CLOSED
        self._backoff_s = BACKOFF_FIRST_S
        if self._on_close is not None:
            self._on_close(self._clock.monotonic_s() - self._opened_s)

    def failed(self, reason: str) -> None:
        """The vendor did not answer, or answered that it is broken."""
        now_s = self._clock.monotonic_s()
        self._failures += 1
        self._reason = reason
        if self._state is BreakerState.HALF_OPEN:
            self._state = BreakerState.OPEN
            self._backoff_s = min(BACKOFF_MAX_S, 2 * self._backoff_s)
            self._probe_s = now_s + self._backoff_s
        elif self._state is BreakerState.CLOSED and self._failures >= FAILURES_MAX:
            self._state = BreakerState.OPEN
            self._opened_s = now_s
            self._probe_s = now_s + self._backoff_s
            if self._on_open is not None:
                self._on_open(reason, self._backoff_s)

    def abandoned(self) -> None:
        """The request ended without telling anything about the vendor (cancelled, say)."""
        if self._state is BreakerState.HALF_OPEN:
            self._state = BreakerState.OPEN
