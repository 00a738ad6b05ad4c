"""A store, a clock and figures, for parts of app alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics
from syncd.store.database import Database
from tests.support.clock import FakeClock
from tests.support.stores import sqlite_store


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty SQLite store, open."""
    async with await Database.open(sqlite_store(tmp_path / "syncd.db")) as opened:
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def health(clock: FakeClock) -> Health:
    made = Health(clock=clock)
    made.entered("running")
    return made


@pytest.fixture
def metrics(clock: FakeClock) -> Metrics:
    made = Metrics(clock=clock, version="1")
    made.know(["desk", "telenor"])
    return made
