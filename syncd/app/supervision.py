"""Keeps services running: a crash is told, waited out and followed by a new start."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics
from syncd.model.errors import BrokenInvariant, ensure
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
    limit_s: float
    stop: asyncio.Event
    task: asyncio.Task[None] | None = None
    crashes: int = 0
    store_failed_s: float | None = None


class Supervisor:
    """Owns the services' tasks, within one task group."""

    def __init__(self, group: asyncio.TaskGroup, surroundings: Surroundings) -> None:
        """Start nothing yet."""
        self._group = group
        self._with = surroundings
        self._kept: dict[str, _Kept] = {}
        self.given_up = asyncio.Event()
        self.reason = ""

    def start(self, name: str, run: Run, *, limit_s: float) -> None:
        """Keep a service running from now on.

        Args:
            name: unique among those running.
            run: one life of it.
            limit_s: seconds it has to stop when told to; then it is cut off.
        """
        ensure(name not in self._kept, f"service {name} runs once")
        kept = _Kept(name=name, run=run, limit_s=limit_s, stop=asyncio.Event())
        self._kept[name] = kept
        kept.task = self._group.create_task(self._keep(kept), name=name)

    def names(self) -> frozenset[str]:
        """Name the services kept running."""
        return frozenset(self._kept)

    async def end(self, name: str) -> None:
        """Stop one service, by force when its time is up."""
        await self._ended(self._kept.pop(name))

    async def finish(self) -> None:
        """Stop all services at once, each by force when its time is up."""
        await asyncio.gather(*(self._ended(one) for one in self._kept.values()))

    async def cut_off(self) -> None:
        """Stop by force whatever still runs."""
        left = [one.task for one in self._kept.values() if one.task and not one.task.done()]
        for task in left:
            task.cancel()
        if left:
            _log.warning("app.services_cut_off", services=[task.get_name() for task in left])
            await asyncio.wait(left)

    async def _ended(self, kept: _Kept) -> None:
        kept.stop.set()
        if kept.task is None:
            return
        _, late = await asyncio.wait([kept.task], timeout=kept.limit_s)
        if late:
            _log.warning("app.service_cut_off", service=kept.name, limit_s=kept.limit_s)
            kept.task.cancel()
            await asyncio.wait([kept.task])
        self._with.health.ended(kept.name)

    async def _keep(self, kept: _Kept) -> None:
        while not kept.stop.is_set():
            began_s = self._with.clock.monotonic_s()
            self._with.health.recovered(kept.name)
            try:
                await kept.run(kept.stop)
            except Exception as err:  # noqa: BLE001 - this is where services' crashes end
                lived_s = self._with.clock.monotonic_s() - began_s
                if lived_s >= STEADY_S:
                    kept.crashes = 0
                if lived_s >= min(STEADY_S, self._with.store_grace_s):
                    kept.store_failed_s = None  # The store worked meanwhile.
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
