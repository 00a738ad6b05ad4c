"""Past states of a ticket, so that a stale read can show one."""

from datetime import datetime
from typing import Generic, TypeVar

S = TypeVar("S")

VERSIONS_MAX = 64
"""States kept per ticket; a stale read older than the oldest kept shows that one."""


class Versions(Generic[S]):
    """The states of one ticket with the instants they began; None stands for removed."""

    __slots__ = ("_states", "_trimmed")

    def __init__(self, at: datetime, state: S) -> None:
        self._states: list[tuple[datetime, S | None]] = [(at, state)]
        self._trimmed = False

    @property
    def latest(self) -> S | None:
        """The state shown now; None when the ticket was removed."""
        return self._states[-1][1]

    def put(self, at: datetime, state: S | None) -> None:
        """Begin a new state at `at`."""
        self._states.append((at, state))
        if len(self._states) > VERSIONS_MAX:
            del self._states[0]
            self._trimmed = True

    def as_of(self, at: datetime | None) -> S | None:
        """Return the state shown at `at`; None when there was no ticket yet (or no more)."""
        if at is None:
            return self.latest
        for began_at, state in reversed(self._states):
            if began_at <= at:
                return state
        return self._states[0][1] if self._trimmed else None
