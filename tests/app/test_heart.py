"""The heart beats while loop and store answer, and feeds the watchdog only then."""

import asyncio
import socket
from pathlib import Path

from syncd.app.heart import Heart, HeartParts
from syncd.app.systemd import Notifier
from syncd.gateway.health import Health
from syncd.store.database import Database
from tests.support.clock import FakeClock


def watchdog(folder: Path) -> tuple[socket.socket, Notifier]:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(folder / "notify"))
    manager.setblocking(False)
    environ = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "30000000"}
    return manager, Notifier(environ)


async def test_it_feeds_the_watchdog_while_all_is_well(
    db: Database, health: Health, clock: FakeClock, tmp_path: Path
) -> None:
    manager, notifier = watchdog(tmp_path)
    heart = Heart(HeartParts(db=db, health=health, notifier=notifier, clock=clock))
    with manager:
        task = asyncio.create_task(heart.run())
        await clock.until_parked()
        assert manager.recv(100) == b"WATCHDOG=1"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_store_that_hangs_stops_the_feeding(
    db: Database, health: Health, clock: FakeClock, tmp_path: Path
) -> None:
    manager, notifier = watchdog(tmp_path)
    heart = Heart(HeartParts(db=db, health=health, notifier=notifier, clock=clock))
    with manager:
        health.beat("store")
        clock.advance(25)
        heart.beat()
        assert health.alive().problems == ("store: no heartbeat for 25 s",)
        try:
            told = manager.recv(100)
        except BlockingIOError:
            told = b""
        assert told == b""
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while not health.alive().is_good:  # noqa: ASYNC110 - the store's thread answers
                await asyncio.sleep(0.001)
        heart.beat()
        assert manager.recv(100) == b"WATCHDOG=1"
