"""What one login may ask of its vendor: pace, concurrency, pauses, and the circuit breaker.

Connections with the same login share one Budget (MAPPING: "token and rate budget are shared").
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from syncd.model.errors import ensure
from syncd.ports.clock import Clock
from syncd.ports.errors import RateLimited, RemoteContext
from syncd.transport.breaker import BreakerState, CircuitBreaker
from syncd.transport.options import Pace

RETRY_AFTER_MAX_S = 3600.0
"""Longest pause a vendor can put us into at once, in seconds."""
SLICE_S = 0.25
"""Length of the piece of a login's time that a process takes at once; at least one request's."""
_ROUNDING_S = 1e-9
"""Slack for the rounding of a wait that was slept exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget as `status` and the metrics show it.

    Attributes:
        breaker: where the circuit breaker stands, and the failure that opened it.
        reason: why it is open; empty while closed.
        probe_in_s: seconds until the next probe.
        paused_s: seconds left of a pause the vendor asked for.
        in_flight: requests under way.
        waiting: calls waiting for their turn.
    """

    breaker: BreakerState
    reason: str
    probe_in_s: float
    paused_s: float
    in_flight: int
    waiting: int


class SharedTime(Protocol):
    """A login's time, of which each of several processes takes pieces; nobody else has those."""

    async def reserve(self, *, length_s: float, within_s: float) -> float:
        """Take the next free piece.

        Args:
            length_s: its length.
            within_s: when it would begin later, nothing is taken.

        Returns:
            Seconds until it begins, or would begin.
        """
        ...

    async def postpone(self, *, by_s: float) -> None:
        """Let no piece begin for a while."""
        ...


class TurnTooFar(RateLimited):
    """Our own pace says no for longer than a call waits; nothing was sent."""


class Budget:
    """Turns for requests: first come, first served."""

    def __init__(
        self,
        *,
        clock: Clock,
        pace: Pace,
        on_open: Callable[[str, float], None] | None = None,
        on_close: Callable[[float], None] | None = None,
        shared: SharedTime | None = None,
    ) -> None:
        """Start with a full bucket and a closed breaker.

        Args:
            clock: where time comes from; waits are slept on it.
            pace: the limits.
            on_open: told once when the breaker opens: the failure, seconds until the first probe.
            on_close: told once when it closes: seconds it was open.
            shared: where several processes keep the rate together; nothing goes in a burst then.
        """
        ensure(pace.requests_per_s is None or pace.requests_per_s > 0, "a rate is above 0")
        ensure(pace.burst >= 1 and pace.concurrency >= 1, "a burst and a concurrency are above 0")
        self.breaker = CircuitBreaker(clock=clock, on_open=on_open, on_close=on_close)
        self._clock = clock
        self._pace = pace
        self._interval_s = 1 / pace.requests_per_s if pace.requests_per_s else 0.0
        self._places = asyncio.Semaphore(pace.concurrency)
        self._shared = shared if pace.requests_per_s else None
        self._slice_turns = 0
        self._slice_until_s = clock.monotonic_s()
        self._turn = asyncio.Lock()
        self._next_s = clock.monotonic_s()
        self._paused_until_s = clock.monotonic_s()
        self._in_flight = 0
        self._waiting = 0

    def state(self) -> BudgetState:
        """Say how things stand."""
        return BudgetState(
            breaker=self.breaker.state,
            reason=self.breaker.reason,
            probe_in_s=self.breaker.probe_in_s,
            paused_s=max(0.0, self._paused_until_s - self._clock.monotonic_s()),
            in_flight=self._in_flight,
            waiting=self._waiting,
        )

    async def acquire(self, context: RemoteContext) -> None:
        """Wait for a place, a turn and the breaker; every return needs one `release`.

        Raises:
            CircuitOpen: the breaker is open.
            TurnTooFar: the turn would come later than `wait_max_s` from now.
        """
        self.breaker.check(context)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        self._in_flight += 1
        try:
            await self.take_turn(context)
            self.breaker.enter(context)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Give the place back."""
        self._in_flight -= 1
        self._places.release()

    async def pause(self, seconds: float) -> None:
        """Let nobody send for a while, in any process: the vendor asked for it."""
        for_s = min(seconds, RETRY_AFTER_MAX_S)
        until_s = self._clock.monotonic_s() + for_s
        is_longer = until_s > self._paused_until_s
        self._paused_until_s = max(self._paused_until_s, until_s)
        if self._shared is not None and is_longer:
            await self._shared.postpone(by_s=for_s)

    async def take_turn(self, context: RemoteContext) -> None:
        """Wait until one more request may go, in the order of asking.

        Raises:
            TurnTooFar: that is more than `wait_max_s` away.
        """
        if not self._turn.locked() and self._has_time() and self._wait_s() <= 0:
            self._count_one()
            return
        deadline_s = self._clock.monotonic_s() + self._pace.wait_max_s
        async with self._turn:
            while (wait_s := await self._next_wait_s(deadline_s)) > 0:
                if self._clock.monotonic_s() + wait_s > deadline_s:
                    raise TurnTooFar(
                        "not sent: the connection's turn comes later than we wait",
                        context,
                        retry_after_s=wait_s,
                    )
                await self._clock.sleep(wait_s)
            self._count_one()

    def _has_time(self) -> bool:
        """Whether the next request is within what this process took of the shared time."""
        if self._shared is None:
            return True
        next_s = max(self._next_s, self._clock.monotonic_s())
        return self._slice_turns > 0 and next_s < self._slice_until_s

    async def _next_wait_s(self, deadline_s: float) -> float:
        """Say how long the next request must wait, taking a piece of the shared time for it."""
        paused_s = self._paused_until_s - self._clock.monotonic_s()
        if self._shared is None or self._has_time() or paused_s > _ROUNDING_S:
            return self._wait_s()
        turns = max(1, int(SLICE_S / self._interval_s))
        length_s, within_s = turns * self._interval_s, deadline_s - self._clock.monotonic_s()
        begins_s = await self._shared.reserve(length_s=length_s, within_s=within_s)
        if begins_s > within_s:
            return begins_s
        from_s = self._clock.monotonic_s() + begins_s
        self._next_s = max(self._next_s, from_s)
        self._slice_turns, self._slice_until_s = turns, from_s + length_s
        return self._wait_s()

    def _wait_s(self) -> float:
        burst_s = 0.0 if self._shared else (self._pace.burst - 1) * self._interval_s
        due_s = max(self._next_s - burst_s, self._paused_until_s)
        wait_s = due_s - self._clock.monotonic_s()
        return wait_s if wait_s > _ROUNDING_S else 0.0

    def _count_one(self) -> None:
        self._next_s = max(self._next_s, self._clock.monotonic_s()) + self._interval_s
        self._slice_turns -= 1
