"""Whether this process stood still: a machine that was suspended, a process that was stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.ports.clock import Clock


@dataclass(slots=True)
class Standstill:
    """Notices that nothing ran for long, from a beat that comes often.

    Attributes:
        clock: time.
        longest_s: who stands still for longer than so many seconds may be taken for dead.
        seen: how often it happened.
        beat_at: when something ran last.
    """

    clock: Clock
    longest_s: float
    seen: int = 0
    beat_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self.beat_at = self.clock.now()

    def beat(self) -> None:
        """Say that something runs; to be called far more often than `longest_s`."""
        now = self.clock.now()
        # What wakes up first after a standstill may be this, before all it is to stop.
        if self._is_long(self.beat_at, now):
            self.seen += 1
        self.beat_at = now

    def watch(self) -> Callable[[], bool]:
        """Give the question whether nothing stood still for long since now."""
        began_at, seen = self.clock.now(), self.seen

        def is_awake() -> bool:
            since = max(began_at, self.beat_at)
            return self.seen == seen and not self._is_long(since, self.clock.now())

        return is_awake

    def _is_long(self, since: datetime, now: datetime) -> bool:
        return now - since > timedelta(seconds=self.longest_s)
