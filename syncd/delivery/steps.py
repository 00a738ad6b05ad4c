"""How far our clock was set while a write's fate was unknown.

When a write's socket was closed is stored by the wall clock, for a daemon that starts again.
Setting it forward would make the settle time look over: within one process the steady clock tells.
What an earlier process noted counts from our start at the earliest, for nobody can tell whether the
clock was set in between: a start costs what is in doubt one settle time more.
"""

from datetime import UTC, datetime, timedelta

from syncd.model.ids import OperationId
from syncd.ports.clock import Clock

KEPT_MAX = 10_000
"""Writes remembered; those settled by a read or by a person are never told to this one."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClockSteps:
    """Remembers, per unsettled write, how the two clocks stood when its closing was noted."""

    def __init__(self, clock: Clock) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._apart: dict[OperationId, timedelta] = {}

    def note(self, operation: OperationId) -> None:
        """Note that a closing is being stored now."""
        self._apart.pop(operation, None)
        self._apart[operation] = self._between()
        if len(self._apart) > KEPT_MAX:
            del self._apart[next(iter(self._apart))]

    def forget(self, operation: OperationId) -> None:
        """Forget a write that is settled."""
        self._apart.pop(operation, None)

    def closed_at(self, operation: OperationId, stored: datetime) -> datetime:
        """Return when a write's socket was closed, as our clock counts now.

        Args:
            operation: the write.
            stored: the instant that was stored for it.
        """
        noted = self._apart.get(operation)
        if noted is None:
            uptime = timedelta(seconds=self._clock.monotonic_s() - self._began_s)
            return max(stored, self._clock.now() - uptime)
        return stored + max(self._between() - noted, timedelta(0))

    def _between(self) -> timedelta:
        return self._clock.now() - _EPOCH - timedelta(seconds=self._clock.monotonic_s())
