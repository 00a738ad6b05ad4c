"""A store a test gives back is empty, and one it broke is never given again."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from syncd.model.ids import ConnectionName
from syncd.store import connections
from syncd.store.database import Database
from syncd.store.records import ConnectionPin
from tests.support.postgres import Server
from tests.support.stores import PostgresStores, sqlite_store

PIN = ConnectionPin(name=ConnectionName("desk"), provider="memory", base_host="memory")


async def pin(url: str) -> int:
    """Write something; give how many connections the store knew before."""
    async with await Database.open(url) as db:
        known = await db.read(connections.overview)
        await db.write(connections.pin, PIN)
        return len(known)


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    sqlite_store(tmp_path / "store.db")
    (tmp_path / "store.db").write_bytes(b"mine")
    assert sqlite_store(tmp_path / "store.db").endswith("/store.db")
    assert (tmp_path / "store.db").read_bytes() == b"mine"


@pytest.mark.postgres
async def test_a_database_comes_back_empty_to_the_next_test(
    postgres_server: Server, postgres_stores: PostgresStores
) -> None:
    first = await postgres_stores.take()
    assert await pin(postgres_server.url(first)) == 0
    await postgres_stores.give_back(first)
    second = await postgres_stores.take()
    assert second == first
    assert await pin(postgres_server.url(second)) == 0
    await postgres_stores.give_back(second)


async def changed(connection: asyncpg.Connection) -> None:
    await connection.execute("ALTER TABLE journal DROP COLUMN detail")


async def guarded(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';"
        "CREATE TRIGGER no BEFORE INSERT ON journal EXECUTE FUNCTION no()"
    )


@pytest.mark.postgres
@pytest.mark.parametrize("breaks", [changed, guarded])
async def test_a_database_whose_schema_was_changed_is_dropped(
    postgres_server: Server,
    postgres_stores: PostgresStores,
    breaks: Callable[[asyncpg.Connection], Awaitable[None]],
) -> None:
    name = await postgres_stores.take()
    connection = await asyncpg.connect(
        host=postgres_server.socket_dir, user=postgres_server.user, database=name
    )
    await breaks(connection)
    # Whoever is still connected does not hold it up.
    await postgres_stores.give_back(name)
    assert connection.is_closed() or await refuses(connection)
    fresh = await postgres_stores.take()
    assert fresh != name
    await postgres_stores.give_back(fresh)


async def refuses(connection: asyncpg.Connection) -> bool:
    try:
        await connection.fetchval("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return True
    return False
