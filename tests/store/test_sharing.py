"""Several processes on one PostgreSQL: owners seen, each other woken (DESIGN 8)."""

import asyncio

import pytest
import sqlalchemy as sa

from syncd.model.ids import ConnectionName
from syncd.store import inbox
from syncd.store.database import Database
from syncd.store.errors import StoreUnavailable
from syncd.store.tx import Tx
from syncd.store.upgrading import upgrade
from tests.store.scene import NOW
from tests.support.postgres import Server

pytestmark = pytest.mark.postgres
HERE = ConnectionName("desk")


async def test_a_lost_owners_session_is_noticed_and_made_anew(
    postgres_store_url: str, postgres_server: Server
) -> None:
    name = sa.make_url(postgres_store_url).database
    async with (
        await Database.open(postgres_store_url) as database,
        await Database.open(postgres_store_url) as other,
    ):

        def is_free(tx: Tx) -> bool:
            taken = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended('daemon-1', 0))")
            return bool(tx.scalar(taken))

        await database.hold_owner("daemon-1")
        assert database.is_owner_held
        assert not await other.write(is_free)
        await postgres_server.run(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        for _ in range(1_000):
            if not database.is_owner_held:
                break
            await asyncio.to_thread(lambda: None)  # lets the loop hear of it
        assert not database.is_owner_held
        await database.hold_owner("daemon-1")
        assert database.is_owner_held
        assert not await other.write(is_free)


async def test_another_life_of_a_process_gives_up_the_former_ones_lock(
    postgres_store_url: str,
) -> None:
    async with (
        await Database.open(postgres_store_url) as database,
        await Database.open(postgres_store_url) as other,
    ):

        def free(tx: Tx, name: str) -> bool:
            taken = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
            return bool(tx.scalar(taken, {"name": name}))

        await asyncio.gather(*(database.hold_owner("life-1") for _ in range(5)))
        await database.hold_owner("life-2")
        seen = [await other.write(free, name) for name in ("life-1", "life-2")]
    assert seen == [True, False]


async def test_a_server_that_is_gone_leaves_the_owner_unheld(postgres_server: Server) -> None:
    name = await postgres_server.create_database()
    await upgrade(postgres_server.url(name))
    async with await Database.open(postgres_server.url(name)) as database:
        await database.hold_owner("daemon-1")
        await postgres_server.drop_database(name)
        with pytest.raises(StoreUnavailable):
            await database.hold_owner("daemon-1")
        assert not database.is_owner_held


async def test_a_process_hears_what_another_one_stored(postgres_store_url: str) -> None:
    heard: list[str] = []
    rung = asyncio.Event()

    def bell(said: str) -> None:
        heard.append(said)
        rung.set()

    async with (
        await Database.open(postgres_store_url) as database,
        await Database.open(postgres_store_url) as other,
    ):
        database.ring_with(bell)
        await database.hold_owner("daemon-1")
        await other.write(inbox.put, HERE, "notify", "{}", received_at=NOW)
        async with asyncio.timeout(30):
            await rung.wait()
    assert heard == ["intake"]
