"""Housekeeping: silence is told once, unused files go, health is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog.testing

from syncd.app.assembly import Plant, TokenStore, Workshop, build
from syncd.app.housekeeping import Housekeeping, HouseParts
from syncd.app.stored import settle
from syncd.gateway.metrics import Metrics
from syncd.log import ExchangeLog
from syncd.model.ids import ConnectionName
from syncd.model.secret import Secret
from syncd.ports.clock import SystemIds
from syncd.settings.values import ExpectNews
from syncd.store import connections, journal
from syncd.store.database import Database
from syncd.store.records import Line
from syncd.store.spool import Spool
from syncd.store.tx import Tx
from syncd.transport.pool import ClientPool
from tests.app.world import settings_for
from tests.support.clock import FakeClock

DESK = ConnectionName("desk")


@pytest.fixture
async def plant(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Plant]:
    settings = settings_for(tmp_path)
    desk = replace(settings.connections[DESK], expect_news=ExpectNews(every_s=3600))
    settings = replace(settings, connections={**settings.connections, DESK: desk})

    async def nothing_kept(_name: str) -> Secret | None:
        return None

    async def keep(_name: str, _token: Secret) -> None:
        return None

    async with ClientPool() as pool:
        workshop = Workshop(
            pool=pool, clock=clock, ids=SystemIds(), tokens=TokenStore(nothing_kept, keep),
            log=ExchangeLog(), changed=lambda: None,
        )  # fmt: skip
        yield await build(settings, workshop)


@pytest.fixture
async def house(
    db: Database, plant: Plant, clock: FakeClock, metrics: Metrics, tmp_path: Path
) -> Housekeeping:
    await settle(db, plant.settings, prefix="abc123", now=clock.now())
    parts = HouseParts(
        db=db, spool=Spool(tmp_path / "spool", clock=clock), plant=lambda: plant,
        metrics=metrics, clock=clock, changed=asyncio.Event(),
    )  # fmt: skip
    return Housekeeping(parts)


Later = Callable[[float], None]


async def journalled(db: Database) -> list[str]:
    lines = await db.read(journal.tail, after_id=0)
    return [one.line.event for one in lines if one.line.event.startswith("connection.news")]


async def test_silence_is_told_once_and_its_end_once(
    house: Housekeeping, db: Database, clock: FakeClock, metrics: Metrics
) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            await house.run_round()
            clock.advance(1000)
        await db.write(connections.note_news, DESK, clock.now())
        for _ in range(3):
            clock.advance(100)
            await house.run_round()
    told = [one["event"] for one in logs if "news" in one["event"]]
    assert told == ["app.news_overdue", "app.news_came"]
    assert await journalled(db) == ["connection.news_overdue", "connection.news_came"]
    assert 'syncd_news_overdue{connection="desk"} 0.0' in metrics.render(None).decode()


async def test_files_that_no_operation_names_are_dropped(
    house: Housekeeping, clock: FakeClock, tmp_path: Path
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"left behind"

    spool = Spool(tmp_path / "spool", clock=clock)
    saved = await spool.save(chunks(), max_bytes=100)
    await house.run_round()
    clock.advance(timedelta(days=2).total_seconds())
    await house.run_round()
    assert await spool.size(saved.digest) is None


def note(tx: Tx, line: Line) -> None:
    journal.append(tx, line)


async def test_old_lines_of_the_journal_are_forgotten_once_they_are_older_than_asked(
    house: Housekeeping, db: Database, clock: FakeClock
) -> None:
    for event in ("read.changed", "opening.held"):
        await db.write(note, Line(at=clock.now(), event=event))

    async def left() -> set[str]:
        found = {one.line.event for one in await db.read(journal.tail)}
        return found & {"read.changed", "opening.held"}

    clock.advance(timedelta(days=399).total_seconds())
    await house.run_round()
    assert await left() == {"read.changed", "opening.held"}
    clock.advance(timedelta(days=2).total_seconds())
    await house.run_round()
    assert await left() == {"opening.held"}


async def test_a_connection_that_goes_down_and_comes_back_is_noted(
    house: Housekeeping, plant: Plant, db: Database
) -> None:
    async def health() -> str:
        known = await db.read(connections.overview)
        return next(one.health for one in known if one.pin.name == DESK)

    await house.run_round()
    assert await health() == "up"
    breaker = plant.budget(DESK).breaker
    for _ in range(5):
        breaker.failed("no answer")
    await house.run_round()
    assert await health() == "down: no answer"
    breaker.succeeded()
    await house.run_round()
    assert await health() == "up"


async def test_it_sums_up_now_and_then(house: Housekeeping, clock: FakeClock) -> None:
    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            await house.run_round()
            clock.advance(300)
    summaries = [one for one in logs if one["event"] == "app.summary"]
    assert len(summaries) == 2
    assert summaries[0]["oldest_s"] is None


async def test_it_goes_round_until_told_to_stop(house: Housekeeping, clock: FakeClock) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(house.run(stop))
    await clock.until_parked()
    stop.set()
    await task
