"""One service per connection that polls it when its bell rings."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from syncd.app.stored import give_back_poll, take_poll
from syncd.app.supervision import first
from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics
from syncd.intake import PollRound
from syncd.model.ids import ConnectionName
from syncd.ports.clock import Clock
from syncd.store.database import Database
from syncd.store.errors import StoreUnavailable

GAP_S = 1.0
"""Seconds between a poll that reached its page limit and the next, which goes on there."""
PAUSED = "paused"
"""What a poll of a paused connection comes to; that is no failure."""
LEASE_EVERY = 3.0
"""A process that polls keeps the right to for so many intervals, then another takes over."""
LEASE_MIN_S = 15.0
"""But at least for so many seconds."""


class Polling(Protocol):
    """What polls: intake."""

    async def poll(self, connection: ConnectionName) -> PollRound:
        """Read a connection's feed or scan once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PollParts:
    """What polls work with.

    Attributes:
        intake: polls.
        db, owner: on a shared store one process at a time polls a connection.
        every_s: a connection's interval, as configured now.
        health, metrics: told how polls went.
        clock: time.
    """

    intake: Polling
    db: Database
    owner: str
    every_s: Callable[[ConnectionName], float]
    health: Health
    metrics: Metrics
    clock: Clock


class Poller:
    """Polls one connection."""

    def __init__(self, name: ConnectionName, bell: asyncio.Event, parts: PollParts) -> None:
        """Take what it works with."""
        self._name = name
        self._bell = bell
        self._parts = parts

    async def run(self, stop: asyncio.Event) -> None:
        """Poll whenever the bell rang, until told to stop; then another process may at once."""
        try:
            await self._run(stop)
        finally:
            with contextlib.suppress(StoreUnavailable):
                await give_back_poll(self._parts.db, self._name, owner=self._parts.owner)

    async def _run(self, stop: asyncio.Event) -> None:
        while True:
            await first(self._bell.wait(), stop.wait())
            if stop.is_set():
                return
            self._bell.clear()
            if await self.run_round():
                await first(self._parts.clock.sleep(GAP_S), stop.wait())
                self._bell.set()

    async def run_round(self) -> bool:
        """Poll once; says whether there is more to read."""
        parts, name = self._parts, self._name
        for_s = max(LEASE_MIN_S, LEASE_EVERY * parts.every_s(name))
        now = parts.clock.now()
        if not await take_poll(parts.db, name, owner=parts.owner, now=now, for_s=for_s):
            parts.health.polled(name)
            return False
        try:
            done = await parts.intake.poll(name)
        finally:
            parts.health.polled(name)
        if done.error and done.error != PAUSED:
            parts.metrics.poll_failed(name)
        return done.gap
