"""Throughput with one failing ticket among a thousand, or with a second vendor that is down.

A turn is one new comment for each ticket, from the first that arrives to the last of the healthy
ones; what failed is tried again all the while. Floor: the same without the trouble. Both go through
the delivery service on SQLite, each with a store and a service of its own that live for the whole
row; their short turns alternate, so that whatever else the machine does meets both alike.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from statistics import median

import sqlalchemy as sa
import structlog

from syncd.core.retry import RetryPolicy
from syncd.core.state import ItemKind, ItemPair, Plan, PlannedOperation, Reason
from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.model.ids import ConnectionName, CorrelationId, OperationKey, Side
from syncd.model.operation import CommentDraft, Receipt, Write, WriteKind
from syncd.model.outbox import OutcomeKind
from syncd.ports.adapter import Adapter, FileSource
from syncd.ports.clock import SystemClock, SystemIds
from syncd.ports.errors import CircuitOpen, Unreachable
from syncd.store import links, plans
from syncd.store import tables as t
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
TURNS = 3
"""Turns of each for every round that is asked for: they are short, and their median counts."""
TIMED = TICKETS - 2
"""Operations timed in a turn: all but the first and the one that may fail."""
BREAKER_FAILURES = 5
FAILING, DOWN = "containment-failing-ticket", "containment-vendor-down"
LEAST = {FAILING: 0.97, DOWN: 0.95}
TRIED_AGAIN = RetryPolicy(cap_s=1.0)
"""Back-off that stops growing where others would go on: the failing one fails in every turn."""
_IN_FLIGHT = sa.select(sa.func.count()).where(t.state_in(*t.IN_FLIGHT))


class Troubled:
    """An adapter some of whose writes always fail, or all: then as behind a breaker."""

    def __init__(self, inner: Adapter, *, ticket: str = "", is_down: bool = False) -> None:
        self._inner = inner
        self._ticket = ticket
        self._is_down = is_down
        self.failures = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        if self._is_down or write.ticket_id == self._ticket:
            self.failures += 1
            is_open = self._is_down and self.failures > BREAKER_FAILURES
            raise CircuitOpen("down") if is_open else Unreachable("cut off")
        return await self._inner.write(write, file)


class OnlyApplied(Counting):
    """Metrics that tick for what the healthy vendor took."""

    def settled(self, connection, kind, outcome, duration_s) -> None:  # type: ignore[no-untyped-def]
        if connection == outbox.VENDOR and outcome is OutcomeKind.APPLIED:
            super().settled(connection, kind, outcome, duration_s)

    def begin(self, window: Window) -> Window:
        """Tick another window from now on."""
        self._window = window
        return window


@dataclass(slots=True, kw_only=True)
class Works:
    """A store and the service that works it off, when it is its turn.

    Attributes:
        db: the store.
        metrics: ticks the window of the turn.
        doorbell: the service's.
        clock: of both.
        is_on: whether it may claim.
        cpu_us: processor time of an operation, by turn.
    """

    db: Database
    metrics: OnlyApplied
    doorbell: asyncio.Event = field(default_factory=asyncio.Event)
    clock: SystemClock = field(default_factory=SystemClock)
    is_on: bool = False
    cpu_us: list[float] = field(default_factory=list)

    async def turn(self) -> float:
        """Deliver a comment for each ticket; gives the healthy vendor's operations a second."""
        await self.db.write(_comment, f"turn {len(self.cpu_us)}", self.clock.now())
        window = self.metrics.begin(Window(warm=1, count=TIMED))
        gc.collect()
        self.is_on = True
        self.doorbell.set()
        try:
            async with asyncio.timeout(ROUND_S):
                await window.full.wait()
        finally:
            self.is_on = False
        while await self.db.read(lambda tx: tx.scalar(_IN_FLIGHT)):  # noqa: ASYNC110 - it rings nobody
            await asyncio.sleep(0.005)
        self.cpu_us.append(window.cpu_us)
        return window.per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One row's means."""

    name: str
    engine: outbox.Engine
    url: str
    folder: Path
    turns: int

    @asynccontextmanager
    async def works(self, *, troubled: bool) -> AsyncIterator[Works]:
        """Set up a store with enough to do and start its service."""
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(
                await Database.open(await stack.enter_async_context(self.engine.fresh()))
            )
            if troubled and self.name == DOWN:
                await db.write(_also_for_the_desk)
            pool = await stack.enter_async_context(ClientPool())
            works = Works(db=db, metrics=OnlyApplied(Window(warm=0, count=0)))
            adapters = self._adapters(pool, troubled=troubled)
            await stack.enter_async_context(_running(self._delivery(works, adapters)))
            yield works
            # Else there was no trouble to be contained.
            met = sum(each.failures for each in adapters.values())
            assert (met > 1) is troubled, f"{met} failures"

    def _delivery(self, works: Works, adapters: Mapping[ConnectionName, Troubled]) -> Delivery:
        served: Mapping[ConnectionName, Adapter] = adapters  # type: ignore[assignment]
        return Delivery(
            works.db,
            served,
            Spool(self.folder / "spool"),
            clock=works.clock,
            ids=SystemIds(),
            options=Options(owner="bench", concurrency=CONCURRENCY, retry=TRIED_AGAIN),
            hooks=Hooks(
                live_mappings=lambda: frozenset({outbox.MAPPING} if works.is_on else ()),
                doorbell=works.doorbell,
                metrics=works.metrics,
                log=structlog.get_logger(),
            ),
        )

    def _adapters(self, pool: ClientPool, *, troubled: bool) -> Mapping[ConnectionName, Troubled]:
        made = post_adapter(self.url, pool, latency_ms=LATENCY_MS, concurrency=CONCURRENCY)
        fails = troubled and self.name == FAILING
        ticket = outbox.ticket(Side.VENDOR, TICKETS // 2).id if fails else ""
        return {
            outbox.VENDOR: Troubled(made, ticket=ticket),
            outbox.DESK: Troubled(made, is_down=troubled and self.name == DOWN),
        }


@asynccontextmanager
async def _running(delivery: Delivery) -> AsyncIterator[None]:
    await delivery.recover()
    stop = asyncio.Event()
    running = asyncio.create_task(delivery.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


def _comment(tx: Tx, name: str, now: datetime) -> None:
    """Give every link a comment to send to the vendor, due now."""
    for seen in links.overview(tx):
        comment = PlannedOperation(
            target=Side.VENDOR,
            kind=WriteKind.COMMENT,
            reason=Reason.COMMENTED,
            comment=CommentDraft(body=f"Any news? The site is still dark: {name}.", author="Kari"),
            item=(ItemKind.COMMENT, Side.ITSM, name),
        )
        pair = ItemPair(kind=ItemKind.COMMENT, origin=Side.ITSM, source_id=name)
        plan = Plan(operations=(comment,), pairs=(pair,))
        plans.apply_plan(tx, seen.link.id, plan, _context(f"{name}-{seen.link.id}", now))


def _also_for_the_desk(tx: Tx) -> None:
    """Give every link a write to the other side, for a vendor that is down."""
    for number, seen in enumerate(links.overview(tx)):
        (planned,) = outbox.planned(2 * number).operations
        plan = replace(outbox.planned(0), operations=(replace(planned, target=Side.ITSM),))
        plans.apply_plan(tx, seen.link.id, plan, _context(f"desk-{seen.link.id}", outbox.AT))


def _context(key: str, now: datetime) -> PlanContext:
    return PlanContext(
        new_key=lambda: OperationKey(key),
        correlation_id=CorrelationId(key),
        seen_at=now,
        now=now,
        revision="r1",
    )


async def _measure(setting: Setting, plot: Plot) -> Row:
    setting.say(f"{plot.name}: making two stores")
    async with plot.works(troubled=False) as floor, plot.works(troubled=True) as ours:
        many = replace(setting, rounds=plot.turns)
        rounds = await in_turns(many, plot.name, floor.turn, ours.turn)
    goal = Goal(bound=LEAST[plot.name], at_least=True, of=Of.RATIO)
    spent = f"CPU {median(floor.cpu_us):.0f} → {median(ours.cpu_us):.0f} µs/op"
    note = f"floor: without the trouble; {spent}"
    return judged(plot.name, rounds, unit="op/s", goal=goal, note=note)


async def run(setting: Setting) -> list[Row]:
    """Measure both."""
    wanted = [name for name in LEAST if setting.wants(name)]
    with quiet_log(), outbox.engine("sqlite", setting.folder) as engine:
        async with process.child("vendor") as vendor:
            url = (await vendor.hears())["url"]
            await engine.fill(TICKETS)
            return [
                await _measure(
                    setting,
                    Plot(
                        name=name,
                        engine=engine,
                        url=url,
                        folder=setting.folder,
                        turns=TURNS * setting.rounds,
                    ),
                )
                for name in wanted
            ]


def benches() -> Sequence[Bench]:
    """Give the bench."""
    return [Bench(rows=(FAILING, DOWN), run=run)]
