"""Time, sleeping, randomness and ids, handed in so that tests and the simulation own them."""

import asyncio
import random
import secrets
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Return the current instant, aware, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never go backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellable."""
        ...


class IdSource(Protocol):
    """Where randomness comes from."""

    def token(self, chars: int) -> str:
        """Return `chars` random lower-case hexadecimal characters."""
        ...

    def jitter(self) -> float:
        """Return a number in [0, 1)."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant, aware, UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return the machine's monotonic clock in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


class SystemIds:
    """The machine's randomness."""

    def token(self, chars: int) -> str:
        """Return random hexadecimal characters from the operating system."""
        return secrets.token_hex((chars + 1) // 2)[:chars]

    def jitter(self) -> float:
        """Return a number in [0, 1)."""
        return random.random()  # noqa: S311 - spreads load, protects nothing
