"""Units are transactions: all of one is stored or nothing, whatever runs beside it."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.model.errors import BrokenInvariant, CommandRefused
from syncd.store import tables as t
from syncd.store.database import Database, Tx, read_holder
from syncd.store.errors import SchemaMismatch


def put(tx: Tx, key: str, value: str = "0") -> str:
    tx.run(sa.insert(t.meta), {"key": key, "value": value})
    return key


def keys(tx: Tx) -> set[str]:
    return set(tx.scalars(sa.select(t.meta.c.key)))


def put_then_fail(tx: Tx, key: str) -> None:
    put(tx, key)
    raise LookupError(key)


def add_one(tx: Tx) -> None:
    query = sa.select(t.meta.c.value).where(t.meta.c.key == "n")
    if tx.is_postgres:
        query = query.with_for_update()
    value = int(tx.scalar(query))
    tx.run(sa.update(t.meta).where(t.meta.c.key == "n").values(value=str(value + 1)))


async def test_what_a_unit_returns_comes_back_after_the_commit(database: Database) -> None:
    assert await database.write(put, "a") == "a"
    assert await database.read(keys) == {"a"}


async def test_a_failing_unit_leaves_nothing_and_harms_no_other(database: Database) -> None:
    units = [database.write(put_then_fail if n % 3 == 0 else put, f"k{n}") for n in range(30)]
    results = await asyncio.gather(*units, return_exceptions=True)
    assert [isinstance(each, LookupError) for each in results] == [n % 3 == 0 for n in range(30)]
    assert await database.read(keys) == {f"k{n}" for n in range(30) if n % 3}


async def test_what_the_database_forbids_is_a_broken_invariant(database: Database) -> None:
    await database.write(put, "a")
    with pytest.raises(BrokenInvariant):
        await database.write(put, "a")


async def test_concurrent_read_modify_writes_lose_no_update(database: Database) -> None:
    await database.write(put, "n")
    await asyncio.gather(*(database.write(add_one) for _ in range(200)))
    assert await database.read(lambda tx: tx.scalar(sa.select(t.meta.c.value))) == "200"


async def test_a_cancelled_caller_does_not_undo_its_unit(database: Database) -> None:
    task = asyncio.create_task(database.write(put, "a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # What is handed in later is stored later; on PostgreSQL each unit goes its own way.
    for _ in range(200):
        if "a" in await database.read(keys):
            break
        await asyncio.sleep(0.01)
    assert "a" in await database.read(keys)


async def test_closing_finishes_what_was_handed_in(store_url: str) -> None:
    database = await Database.open(store_url)
    tasks = [asyncio.create_task(database.write(put, f"k{n}")) for n in range(20)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*tasks)
    async with await Database.open(store_url, read_only=True) as reopened:
        assert len(await reopened.read(keys)) == 20


async def test_a_store_opened_for_reading_refuses_to_write(
    database: Database, store_url: str
) -> None:
    await database.write(put, "a")
    async with await Database.open(store_url, read_only=True) as reader:
        assert await reader.read(keys) == {"a"}
        with pytest.raises(CommandRefused, match="reading only"):
            await reader.write(put, "b")


async def test_a_reading_unit_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        await database.read(put, "a")
    assert await database.read(keys) == set()


async def test_a_unit_may_be_many_parameters_wide(database: Database) -> None:
    def among(tx: Tx) -> int:
        wanted = [f"k{n}" for n in range(100_000)]
        return len(tx.scalars(sa.select(t.meta.c.key).where(tx.among(t.meta.c.key, wanted))))

    await database.write(put, "k99999")
    assert await database.read(among) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///relative.db", "relative"),
        ("sqlite://", "relative"),
        ("postgresql://user@host/db", "another driver"),
        ("mysql://host/db", "mysql"),
        ("nonsense", "cannot be read"),
    ],
)
async def test_an_address_that_cannot_work_is_refused_with_what_would(url: str, said: str) -> None:
    with pytest.raises(CommandRefused, match=said):
        await Database.open(url)


async def test_an_empty_database_is_refused_and_the_way_out_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    with pytest.raises(CommandRefused, match="db upgrade"):
        await Database.open(url, read_only=True)
    with pytest.raises(SchemaMismatch, match="db upgrade"):
        await Database.open(url)
    async with await Database.open(url, upgrade=True) as made:
        assert await made.read(keys) == set()


@pytest.mark.parametrize("found", ["0000", "9999"])
async def test_another_schema_is_refused(store_url: str, found: str) -> None:
    def set_revision(tx: Tx) -> None:
        tx.run(sa.text("UPDATE alembic_version SET version_num = :found"), {"found": found})

    async with await Database.open(store_url) as database:
        await database.write(set_revision)
    for upgrade in (False, True):
        with pytest.raises(SchemaMismatch, match="newer"):
            await Database.open(store_url, upgrade=upgrade)


async def test_a_free_store_has_no_holder(store_url: str) -> None:
    assert read_holder(store_url) is None
