"""A clock the test turns by hand."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

_TURNS_MAX = 1000
"""Passes over the event loop until whatever a wake-up set off must have come to rest."""


class FakeClock:
    """Implements `syncd.ports.clock.Clock`; time stands still but for `advance` and `jump`.

    With `auto_advance` a sleep moves time itself and returns at once, so that code that backs off
    runs through; what was slept is kept in `slept_s`.
    """

    def __init__(
        self, *, at: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC), auto_advance: bool = False
    ) -> None:
        self.auto_advance = auto_advance
        self.slept_s: list[float] = []
        self._at = at
        self._monotonic_s = 1000.0
        self._order = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._parked = asyncio.Condition()

    def now(self) -> datetime:
        return self._at

    def monotonic_s(self) -> float:
        return self._monotonic_s

    async def sleep(self, seconds: float) -> None:
        """Park until the test advances past the end; zero and less only let others run."""
        self.slept_s.append(seconds)
        until_s = self._monotonic_s + max(0.0, seconds)
        if seconds <= 0 or self.auto_advance:
            await asyncio.sleep(0)
            self.advance(max(0.0, until_s - self._monotonic_s))
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._sleepers, (until_s, self._order, woken))
        async with self._parked:
            self._parked.notify_all()
        await woken

    def advance(self, seconds: float) -> None:
        """Move both clocks forward and wake, in order, whoever's time has come."""
        assert seconds >= 0, "use jump to set the wall clock back"
        end_s = self._monotonic_s + seconds
        self._at += timedelta(seconds=seconds)
        self._monotonic_s = end_s
        while self._sleepers and self._sleepers[0][0] <= end_s + 1e-9:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, forward or back, as an administrator or NTP would."""
        self._at += timedelta(seconds=seconds)

    def parked(self) -> int:
        """How many tasks sleep now."""
        return sum(1 for _, _, woken in self._sleepers if not woken.done())

    def next_wake_s(self) -> float | None:
        """Seconds until the next sleeper's time; None when nobody sleeps."""
        waking = [until_s for until_s, _, woken in self._sleepers if not woken.done()]
        return min(waking) - self._monotonic_s if waking else None

    async def until_parked(self, count: int = 1) -> None:
        """Wait until at least so many tasks sleep."""
        async with self._parked:
            await self._parked.wait_for(lambda: self.parked() >= count)

    async def run_for(self, seconds: float) -> None:
        """Advance from wake-up to wake-up, letting tasks run in between.

        For code that waits for this clock alone; what waits for a socket needs `until_parked`.
        """
        end_s = self._monotonic_s + seconds
        await self.settle()
        while (wake_s := self.next_wake_s()) is not None and self._monotonic_s + wake_s <= end_s:
            self.advance(wake_s)
            await self.settle()
        self.advance(end_s - self._monotonic_s)
        await self.settle()

    async def settle(self) -> None:
        """Let tasks run until none sets off another at once."""
        for _ in range(_TURNS_MAX):
            before = (self._order, self.parked(), len(self.slept_s))
            for _ in range(5):
                await asyncio.sleep(0)
            if before == (self._order, self.parked(), len(self.slept_s)):
                return
