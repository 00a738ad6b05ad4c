"""Throughput with one failing ticket among a thousand, or with a second vendor that is down.

Floor: the same operations without the trouble. Both go through the delivery service, on SQLite.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.model.ids import ConnectionName, CorrelationId, OperationKey, Side
from syncd.model.operation import Receipt, Write
from syncd.ports.adapter import Adapter, FileSource
from syncd.ports.clock import SystemClock, SystemIds
from syncd.ports.errors import CircuitOpen, OutcomeUnknown, Unreachable
from syncd.store import links, plans
from syncd.store.database import Database
from syncd.store.records import PlanContext
from syncd.store.spool import Spool
from syncd.store.tx import Tx
from syncd.transport.pool import ClientPool
from tests.bench import outbox, process
from tests.bench.adapter import post_adapter
from tests.bench.delivery import CONCURRENCY, ROUND_S, Counting, Window, quiet_log
from tests.bench.harness import Bench, Goal, Of, Row, Setting, in_turns, judged

LATENCY_MS = 5
TICKETS = 1_000
BREAKER_FAILURES = 5
FAILING, DOWN = "containment-failing-ticket", "containment-vendor-down"
LEAST = {FAILING: 0.97, DOWN: 0.95}


class Troubled:
    """An adapter some of whose writes always fail, or all: then as behind a breaker."""

    def __init__(self, inner: Adapter, ticket: str | None, error: BaseException) -> None:
        self._inner = inner
        self._ticket = ticket
        self._error = error
        self._failures = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        if self._ticket is None:
            self._failures += 1
            raise CircuitOpen("down") if self._failures > BREAKER_FAILURES else self._error
        if write.ticket_id == self._ticket:
            raise self._error
        return await self._inner.write(write, file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One row's means."""

    name: str
    engine: outbox.Engine
    url: str
    folder: Path

    async def per_s(self, *, troubled: bool) -> float:
        """Give the throughput of what is not in trouble, in operations a second."""
        window = Window(warm=TICKETS // 5, count=TICKETS // 2)
        async with (
            self.engine.fresh() as url,
            await Database.open(url) as db,
            self._adapters(troubled=troubled) as adapters,
        ):
            if troubled and self.name == DOWN:
                await db.write(_also_for_the_desk)
            await _until_full(self._delivery(db, adapters, window), window)
        return window.per_s

    def _delivery(
        self, db: Database, adapters: Mapping[ConnectionName, Adapter], window: Window
    ) -> Delivery:
        return Delivery(
            db,
            adapters,
            Spool(self.folder / "spool"),
            clock=SystemClock(),
            ids=SystemIds(),
            options=Options(owner="bench", concurrency=CONCURRENCY),
            hooks=Hooks(
                live_mappings=lambda: frozenset({outbox.MAPPING}),
                metrics=OnlyApplied(window),
                log=structlog.get_logger(),
            ),
        )

    @asynccontextmanager
    async def _adapters(self, *, troubled: bool) -> AsyncIterator[Mapping[ConnectionName, Adapter]]:
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(ClientPool())
            made: Adapter = post_adapter(
                self.url, pool, latency_ms=LATENCY_MS, concurrency=CONCURRENCY
            )
            vendor, desk = made, made
            if troubled and self.name == FAILING:
                lost = OutcomeUnknown("cut off", closed_at=SystemClock().now())
                ticket = outbox.ticket(Side.VENDOR, TICKETS // 4).id
                vendor = Troubled(made, ticket, lost)  # type: ignore[assignment]
            if troubled:
                desk = Troubled(made, None, Unreachable("down"))  # type: ignore[assignment]
            yield {outbox.VENDOR: vendor, outbox.DESK: desk}


class OnlyApplied(Counting):
    """Metrics that tick for what the healthy vendor took."""

    def settled(self, connection, kind, outcome, duration_s) -> None:  # type: ignore[no-untyped-def]
        if connection == outbox.VENDOR:
            super().settled(connection, kind, outcome, duration_s)


async def _until_full(delivery: Delivery, window: Window) -> None:
    await delivery.recover()
    stop = asyncio.Event()
    gc.collect()
    running = asyncio.create_task(delivery.run(stop))
    try:
        async with asyncio.timeout(ROUND_S):
            await window.full.wait()
    finally:
        stop.set()
        await running


def _also_for_the_desk(tx: Tx) -> None:
    """Give every link a write to the other side, for a vendor that is down."""
    for number, seen in enumerate(links.overview(tx)):
        (planned,) = outbox.planned(2 * number).operations
        plan = replace(outbox.planned(0), operations=(replace(planned, target=Side.ITSM),))
        context = PlanContext(
            new_key=lambda number=number: OperationKey(f"bench-d{number:011x}"),
            correlation_id=CorrelationId(f"d{number}"),
            seen_at=outbox.AT,
            now=outbox.AT,
            revision="r1",
        )
        plans.apply_plan(tx, seen.link.id, plan, context)


async def _measure(setting: Setting, plot: Plot) -> Row:
    rounds = await in_turns(
        setting,
        plot.name,
        lambda: plot.per_s(troubled=False),
        lambda: plot.per_s(troubled=True),
    )
    goal = Goal(bound=LEAST[plot.name], at_least=True, of=Of.RATIO)
    return judged(plot.name, rounds, unit="op/s", goal=goal, note="floor: without the trouble")


async def run(setting: Setting) -> list[Row]:
    """Measure both."""
    wanted = [name for name in LEAST if setting.wants(name)]
    with quiet_log(), outbox.engine("sqlite", setting.folder) as engine:
        async with process.child("vendor") as vendor:
            url = (await vendor.hears())["url"]
            await engine.fill(TICKETS)
            return [
                await _measure(
                    setting, Plot(name=name, engine=engine, url=url, folder=setting.folder)
                )
                for name in wanted
            ]


def benches() -> Sequence[Bench]:
    """Give the bench."""
    return [Bench(rows=(FAILING, DOWN), run=run)]
