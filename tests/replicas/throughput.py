"""How much more several processes deliver than one, while the vendor's latency is the limit."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import sqlalchemy as sa

from syncd.model.operation import OperationState
from syncd.store import tables as t
from syncd.store.database import Database
from syncd.store.tx import Tx
from tests.bench import outbox, process
from tests.bench.outbox import Engine
from tests.bench.process import LINE_BYTES_MAX, ROOT, Child

LATENCY_MS = 400
"""The vendor's: far above what a process needs for an operation, also on a busy machine."""
CONCURRENCY = 8
"""Requests that one process has under way at once."""
WARM, TIMED, MORE = 40, 160, 80
"""Operations for each process: before the timing, timed, and left over so that it stays busy."""
LOOK_EVERY_S = 0.02
ROUND_S = 120.0


async def measure(processes: int, folder: Path) -> dict[str, object]:
    """Give operations per second with 1, 2, 4 … processes, and how much more that is than one."""
    counts = sorted({1, processes, *(2**power for power in range(1, processes.bit_length()))})
    per_s: dict[int, float] = {}
    with outbox.engine("postgres", folder) as engine:
        await engine.fill((WARM + TIMED + MORE) * processes)
        async with process.child("vendor") as vendor:
            url = str((await vendor.hears())["url"])
            for count in counts:
                per_s[count] = await _per_s(engine, url, count)
    return {
        "latency_ms": LATENCY_MS,
        "in_flight_each": CONCURRENCY,
        "per_s": {str(count): round(found, 1) for count, found in per_s.items()},
        "ratio": {str(count): round(found / per_s[1], 2) for count, found in per_s.items()},
    }


async def _per_s(engine: Engine, vendor: str, processes: int) -> float:
    async with (
        engine.fresh() as store,
        await Database.open(store, read_only=True) as db,
        contextlib.AsyncExitStack() as stack,
    ):
        workers = [
            await stack.enter_async_context(_worker(store, vendor)) for _ in range(processes)
        ]
        await asyncio.gather(*(each.hears() for each in workers))
        for each in workers:
            assert each.process.stdin is not None
            each.process.stdin.write(b"{}\n")
        async with asyncio.timeout(ROUND_S):
            began, before = await _reached(db, WARM * processes)
            ended, after = await _reached(db, (WARM + TIMED) * processes)
    return (after - before) / (ended - began)


async def _reached(db: Database, count: int) -> tuple[float, int]:
    """Wait until so many operations are applied; give when that was seen, and how many were."""
    while True:
        applied = await db.read(_applied)
        if applied >= count:
            return time.perf_counter(), applied
        await asyncio.sleep(LOOK_EVERY_S)


def _applied(tx: Tx) -> int:
    query = sa.select(sa.func.count()).select_from(t.operation)
    return int(tx.scalar(query.where(t.state_in(OperationState.APPLIED))) or 0)


@contextlib.asynccontextmanager
async def _worker(store: str, vendor: str) -> AsyncIterator[Child]:
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.replicas.worker",
        store, vendor, str(LATENCY_MS), str(CONCURRENCY),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )  # fmt: skip
    one = Child(running, "worker")
    try:
        yield one
    finally:
        await one.stop()
