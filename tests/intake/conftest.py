"""A world between two ticket systems in memory, on each database in turn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from syncd.store.database import Database
from tests.intake.world import World


@pytest.fixture
async def world(store_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A desk that is read ticket by ticket, a carrier with a feed, and a live mapping."""
    async with await Database.open(store_url) as db:
        made = World(db, tmp_path)
        await made.set_up()
        yield made
