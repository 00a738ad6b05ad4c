"""The sandboxes' own clock: the real time by default, stepped or frozen by tests."""

import asyncio
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Say what time it is in the simulated vendor's world.

    Args:
        start: aware instant to stand still at; None runs with the real time.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._frozen_at = start
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """Return the aware UTC instant of this world."""
        if self._frozen_at is not None:
            return self._frozen_at
        return _real_now() + self._offset

    def freeze(self, at: datetime | None = None) -> datetime:
        """Stand still, at `at` or at this moment, until `resume`."""
        self._frozen_at = at if at is not None else self.now()
        return self._frozen_at

    def advance(self, seconds: float) -> datetime:
        """Move this world's time on by `seconds` (back when negative), frozen or running."""
        step = timedelta(seconds=seconds)
        if self._frozen_at is not None:
            self._frozen_at += step
        else:
            self._offset += step
        return self.now()

    def resume(self) -> None:
        """Run on from the instant shown now."""
        if self._frozen_at is not None:
            self._offset = self._frozen_at - _real_now()
            self._frozen_at = None

    @property
    def is_frozen(self) -> bool:
        """Whether the time stands still."""
        return self._frozen_at is not None


async def pause(seconds: float) -> None:
    """Wait real seconds: a slow answer is slow for the client, whatever our clock shows."""
    await asyncio.sleep(seconds)


def iso(at: datetime) -> str:
    """Write an instant for the record: UTC, microseconds, `Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _real_now() -> datetime:
    return datetime.now(UTC)
