"""An empty store per test, open, on both databases."""

from collections.abc import AsyncIterator

import pytest

from syncd.store.database import Database
from tests.store.scene import Scene


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    """An empty store, open."""
    async with await Database.open(store_url) as opened:
        yield opened


@pytest.fixture
async def scene(database: Database) -> Scene:
    """A store that knows two connections and a live mapping."""
    made = Scene(database)
    await made.set_up()
    return made
