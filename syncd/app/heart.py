"""Beats while the event loop and the store's writer answer, and feeds the watchdog."""

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from syncd.app.stored import nothing
from syncd.app.systemd import Notifier
from syncd.gateway.health import Health
from syncd.ports.clock import Clock
from syncd.store.database import Database
from syncd.store.errors import StoreUnavailable

BEAT_S = 1.0
"""Seconds between beats."""
LAG_S = 1.0
"""A beat that comes so much late means that something held the event loop; it is told."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartParts:
    """What the heart works with.

    Attributes:
        db: asked to do nothing, to see that it answers.
        health: told about beats, asked whether all is well.
        notifier: fed while it is.
        clock: time.
    """

    db: Database
    health: Health
    notifier: Notifier
    clock: Clock


class Heart:
    """Beats until it is cancelled."""

    def __init__(self, parts: HeartParts) -> None:
        """Do not beat yet."""
        self._parts = parts
        self._asking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Beat until cancelled."""
        clock = self._parts.clock
        try:
            while True:
                self.beat()
                before_s = clock.monotonic_s()
                await clock.sleep(BEAT_S)
                late_s = clock.monotonic_s() - before_s - BEAT_S
                if late_s > LAG_S:
                    _log.warning("app.loop_lagged", late_s=round(late_s, 3))
        finally:
            if self._asking is not None:
                self._asking.cancel()

    def beat(self) -> None:
        """Beat once."""
        parts = self._parts
        parts.health.beat("loop")
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_store(), name="heart asks the store")
        if parts.notifier.watchdog_s is not None and parts.health.alive().is_good:
            parts.notifier.alive()

    async def _ask_store(self) -> None:
        """Beat for the store when it answers; an error is an answer too."""
        with contextlib.suppress(StoreUnavailable):
            await self._parts.db.write(nothing)
        self._parts.health.beat("store")
