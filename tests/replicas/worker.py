"""One delivering process: `python -m tests.replicas.worker STORE VENDOR LATENCY_MS CONCURRENCY`.

Tells its parent once that it is ready, begins when it hears a line, and ends with its input.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import structlog

from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.ports.clock import SystemClock, SystemIds
from syncd.store.database import Database
from syncd.store.spool import Spool
from syncd.transport.pool import ClientPool
from tests.bench import outbox, process
from tests.bench.adapter import new_metrics, post_adapter
from tests.bench.delivery import quiet_log


async def work(store: str, vendor: str, latency_ms: int, concurrency: int) -> None:
    """Deliver what is due until the parent wants no more."""
    with tempfile.TemporaryDirectory(prefix="syncd-worker-") as folder:
        async with await Database.open(store) as db, ClientPool() as pool:
            adapter = post_adapter(vendor, pool, latency_ms=latency_ms, concurrency=concurrency)
            delivery = Delivery(
                db,
                {outbox.VENDOR: adapter},
                Spool(Path(folder)),
                clock=SystemClock(),
                ids=SystemIds(),
                options=Options(owner=f"worker-{os.getpid()}", concurrency=concurrency),
                hooks=Hooks(
                    live_mappings=lambda: frozenset({outbox.MAPPING}),
                    metrics=new_metrics(),
                    log=structlog.get_logger(),
                ),
            )
            await delivery.recover()
            await _deliver(delivery)


async def _deliver(delivery: Delivery) -> None:
    process.tell({"ready": True})
    lines = process.told()
    await anext(lines)
    stop = asyncio.Event()
    running = asyncio.create_task(delivery.run(stop))
    async for _ in lines:
        pass
    stop.set()
    await running


def main() -> None:
    """Do what the arguments say."""
    store, vendor, latency_ms, concurrency = sys.argv[1:]
    with quiet_log():
        asyncio.run(work(store, vendor, int(latency_ms), int(concurrency)))


if __name__ == "__main__":
    main()
