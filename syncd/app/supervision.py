"""Keeps services running: a crash is told, waited out and followed by a new start."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics
from syncd.model.errors import BrokenInvariant
from syncd.ports.clock import Clock, IdSource
from syncd.store.errors import StoreUnavailable

RESTART_FIRST_S = 1.0
"""Seconds before a crashed service starts again; doubled with each crash, with jitter."""
RESTART_MAX_S = 60.0
"""Longest such pause."""
STEADY_S = 120.0
"""A service that ran so long before it crashed begins with the first pause again."""

Run = Callable[[asyncio.Event], Awaitable[None]]
"""One life of a service: goes on until the event is set. Called anew after a crash."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the supervisor works with.

    Attributes:
        clock, ids: time and jitter.
        health, metrics: told about crashes and restarts.
        store_grace_s: seconds the store may fail services before the daemon gives up.
    """

    clock: Clock
    ids: IdSource
    health: Health
    metrics: Metrics
    store_grace_s: float


@dataclass(slots=True)
class _Kept:
    """One service, as it is kept running."""

    name: str
    run: Run
    stop: asyncio.Event
    task: asyncio.Task[None] | None = None
    crashes: int = 0
    store_failed_s: float | None = field(default=None)


class Supervisor:
    """Owns the services' tasks, within one task group."""

    def __init__(self, group: asyncio.TaskGroup, surroundings: Surroundings) -> None:
        """Start nothing yet."""
        self._group = group
        self._with = surroundings
        self._kept: dict[str, _Kept] = {}
        self.given_up = asyncio.Event()
        self.reason = ""

    def start(self, name: str, run: Run) -> None:
        """Keep a service running from now on."""
        kept = _Kept(name=name, run=run, stop=asyncio.Event())
        self._kept[name] = kept
        kept.task = self._group.create_task(self._keep(kept), name=name)

    async def end(self, name: str, limit_s: float) -> None:
        """Stop one service, by force after a while."""
        kept = self._kept.pop(name)
        await self._ended([kept], limit_s)

    async def finish(self, limit_s: float) -> None:
        """Stop all services, by force after a while."""
        kept, self._kept = list(self._kept.values()), {}
        await self._ended(kept, limit_s)

    async def _ended(self, kept: list[_Kept], limit_s: float) -> None:
        tasks = [one.task for one in kept if one.task is not None]
        for one in kept:
            one.stop.set()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=limit_s)
        for task in late:
            _log.warning("app.service_cut_off", service=task.get_name(), limit_s=limit_s)
            task.cancel()
        if late:
            await asyncio.wait(late)
        for one in kept:
            self._with.health.ended(one.name)

    async def _keep(self, kept: _Kept) -> None:
        while not kept.stop.is_set():
            began_s = self._with.clock.monotonic_s()
            self._with.health.recovered(kept.name)
            try:
                await kept.run(kept.stop)
            except Exception as err:  # noqa: BLE001 - this is where services' crashes end
                if self._with.clock.monotonic_s() - began_s >= STEADY_S:
                    kept.crashes, kept.store_failed_s = 0, None
                self._crashed(kept, err)
                if self.given_up.is_set():
                    return
                await self._pause(kept)
            else:
                if kept.stop.is_set():
                    return
                _log.error("app.service_ended", service=kept.name)
                kept.crashes += 1
                await self._pause(kept)

    def _crashed(self, kept: _Kept, err: Exception) -> None:
        kept.crashes += 1
        self._with.health.failed(kept.name, f"{type(err).__name__}: {err}")
        if isinstance(err, StoreUnavailable):
            self._store_failed(kept, err)
            return
        kept.store_failed_s = None
        level = "critical" if isinstance(err, BrokenInvariant) else "error"
        getattr(_log, level)(
            "app.service_crashed", service=kept.name, crashes=kept.crashes, exc_info=err
        )

    def _store_failed(self, kept: _Kept, err: StoreUnavailable) -> None:
        now_s = self._with.clock.monotonic_s()
        if kept.store_failed_s is None:
            kept.store_failed_s = now_s
        _log.error("app.store_failed", service=kept.name, error=str(err))
        if now_s - kept.store_failed_s >= self._with.store_grace_s:
            self.reason = f"the store cannot be used: {err}"
            self.given_up.set()

    async def _pause(self, kept: _Kept) -> None:
        """Wait before the next start, unless told to stop."""
        bound_s = min(RESTART_MAX_S, RESTART_FIRST_S * 2.0 ** min(kept.crashes - 1, 10))
        wait_s = bound_s * (0.5 + 0.5 * self._with.ids.jitter())
        await first(kept.stop.wait(), self._with.clock.sleep(wait_s))
        if not kept.stop.is_set():
            self._with.metrics.restarted(kept.name)


async def first(*waits: Awaitable[object]) -> None:
    """Wait until one of them is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
