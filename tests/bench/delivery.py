"""Delivery as a share of the floor: the same POSTs by the same client without a store.

Floor: 32 workers send prepared writes through the adapter. Ours: the delivery service carries out a
store full of ready operations through the same adapter: claim, *sending*, send, outcome, journal,
log line and metrics as in the daemon. Both are timed in the middle of a run, once they are warm
and while there is more to do.
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.log import LogFormat, LogOptions, set_up
from syncd.model.ids import ConnectionName
from syncd.model.operation import Write, WriteKind
from syncd.model.outbox import OutcomeKind
from syncd.ports.clock import SystemClock, SystemIds
from syncd.store.database import Database
from syncd.store.spool import Spool
from syncd.transport.pool import ClientPool
from tests.bench import outbox, process
from tests.bench.adapter import PostAdapter, new_metrics, post_adapter
from tests.bench.harness import Bench, Goal, Of, Row, Setting, in_turns, judged
from tests.bench.outbox import Engine

CONCURRENCY = 32
OPERATIONS = {20: 1600, 5: 2000, 0: 2000}
"""Operations timed, by latency in milliseconds."""
QUICK_OPERATIONS = 600
ROUND_S = 120.0
"""Longest time one run may take, in seconds."""
GOALS = {
    ("sqlite", 20): 0.97,
    ("sqlite", 5): 0.80,
    ("sqlite", 0): 0.50,
    ("postgres", 20): 0.95,
    ("postgres", 5): 0.70,
    ("postgres", 0): 0.40,
}


@dataclass(slots=True, kw_only=True)
class Window:
    """Times operations from the first after the warm-up to the last before the end.

    Attributes:
        warm: operations before it.
        count: operations in it.
    """

    warm: int
    count: int
    done: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    _began: tuple[float, float] = (0.0, 0.0)
    _ended: tuple[float, float] = (0.0, 0.0)

    def tick(self) -> None:
        self.done += 1
        if self.done == self.warm:
            self._began = _clocks()
        elif self.done == self.warm + self.count:
            self._ended = _clocks()
            self.full.set()

    @property
    def per_s(self) -> float:
        return self.count / (self._ended[0] - self._began[0])

    @property
    def cpu_us(self) -> float:
        """Processor time of this process for one operation, in microseconds."""
        return (self._ended[1] - self._began[1]) / self.count * 1e6


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


class Counting:
    """The daemon's metrics, and a window that is told of every outcome."""

    def __init__(self, window: Window) -> None:
        self._metrics = new_metrics()
        self._window = window
        self.others = 0

    def settled(
        self, connection: ConnectionName, kind: WriteKind, outcome: OutcomeKind, duration_s: float
    ) -> None:
        self._metrics.settled(connection, kind, outcome, duration_s)
        if not self._window.full.is_set():  # what is cut off at the end goes back to the store
            self.others += outcome is not OutcomeKind.APPLIED
        self._window.tick()

    def delivered(self, connection: ConnectionName, seen_to_delivered_s: float) -> None:
        self._metrics.delivered(connection, seen_to_delivered_s)

    def alerted(self, connection: ConnectionName, event: str) -> None:
        self._metrics.alerted(connection, event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One row's means.

    Attributes:
        engine: gives full stores.
        latency_ms: the vendor's.
        count: operations timed.
        url: the vendor's.
        folder: for the spool.
    """

    engine: Engine
    latency_ms: int
    count: int
    url: str
    folder: Path

    @property
    def window(self) -> Window:
        return Window(warm=self.count // 4, count=self.count)

    @property
    def total(self) -> int:
        """Operations needed: the timed ones, those before, and enough after to keep it busy."""
        return self.count + self.count // 4 + 8 * CONCURRENCY

    @contextlib.asynccontextmanager
    async def adapter(self) -> AsyncIterator[PostAdapter]:
        async with ClientPool() as pool:
            yield post_adapter(self.url, pool, latency_ms=self.latency_ms, concurrency=CONCURRENCY)


async def floor(plot: Plot) -> Window:
    """Send the writes without a store."""
    window = plot.window
    queue: Iterator[Write] = iter(outbox.writes(plot.total))

    async def work(adapter: PostAdapter) -> None:
        for write in queue:
            if window.full.is_set():
                return
            await adapter.write(write)
            window.tick()

    gc.collect()
    async with plot.adapter() as adapter, asyncio.timeout(ROUND_S), asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(work(adapter))
    return window


async def deliver(plot: Plot) -> Window:
    """Carry out a store's operations."""
    window, clock = plot.window, SystemClock()
    counting = Counting(window)
    async with (
        plot.engine.fresh() as url,
        await Database.open(url) as db,
        plot.adapter() as adapter,
    ):
        delivery = Delivery(
            db,
            {outbox.VENDOR: adapter},
            Spool(plot.folder / "spool"),
            clock=clock,
            ids=SystemIds(),
            options=Options(owner="bench", concurrency=CONCURRENCY),
            hooks=Hooks(
                live_mappings=lambda: frozenset({outbox.MAPPING}),
                metrics=counting,
                log=structlog.get_logger(),
            ),
        )
        await delivery.recover()
        stop = asyncio.Event()
        gc.collect()
        running = asyncio.create_task(delivery.run(stop))
        try:
            async with asyncio.timeout(ROUND_S):
                await asyncio.wait(
                    {running, asyncio.ensure_future(window.full.wait())},
                    return_when=asyncio.FIRST_COMPLETED,
                )
        finally:
            stop.set()
            await running
    if counting.others:
        raise AssertionError(f"{counting.others} operations were not applied at the first try")
    return window


@contextlib.contextmanager
def quiet_log() -> Iterator[None]:
    """Log as the daemon does, to nowhere: a line costs what it costs there."""
    before = structlog.get_config()
    with Path("/dev/null").open("wb") as stream:
        set_up(LogOptions(level="info", format=LogFormat.JSON), stream=stream)
        try:
            yield
        finally:
            structlog.configure(**before)


def row_name(engine: str, latency_ms: int) -> str:
    return f"delivery-{engine}-{latency_ms}ms"


async def _measure(setting: Setting, plot: Plot) -> Row:
    name = row_name(plot.engine.name, plot.latency_ms)
    cpu: dict[str, list[float]] = {"floor": [], "ours": []}

    async def least() -> float:
        window = await floor(plot)
        cpu["floor"].append(window.cpu_us)
        return window.per_s

    async def ours() -> float:
        window = await deliver(plot)
        cpu["ours"].append(window.cpu_us)
        return window.per_s

    rounds = await in_turns(setting, name, least, ours)
    spent = {who: sorted(each)[len(each) // 2] for who, each in cpu.items()}
    goal = Goal(bound=GOALS[plot.engine.name, plot.latency_ms], at_least=True, of=Of.RATIO)
    return judged(
        name,
        rounds,
        unit="op/s",
        goal=goal,
        note=f"CPU {spent['floor']:.0f} → {spent['ours']:.0f} µs/op",
    )


async def run(engine_name: str, setting: Setting) -> list[Row]:
    """Measure one engine at every latency."""
    wanted = [ms for ms in OPERATIONS if setting.wants(row_name(engine_name, ms))]
    with quiet_log(), outbox.engine(engine_name, setting.folder) as engine:
        async with process.child("vendor") as vendor:
            url = (await vendor.hears())["url"]
            plots = [
                Plot(
                    engine=engine,
                    latency_ms=latency_ms,
                    count=QUICK_OPERATIONS if setting.quick else OPERATIONS[latency_ms],
                    url=url,
                    folder=setting.folder,
                )
                for latency_ms in wanted
            ]
            most = max(plot.total for plot in plots)
            setting.say(f"{engine_name}: making a store with {most} operations")
            await engine.fill(most)
            return [await _measure(setting, plot) for plot in plots]


def benches() -> Sequence[Bench]:
    """Give a bench per engine."""
    return [
        Bench(
            rows=tuple(row_name(name, latency_ms) for latency_ms in OPERATIONS),
            run=partial(run, name),
        )
        for name in ("sqlite", "postgres")
    ]
