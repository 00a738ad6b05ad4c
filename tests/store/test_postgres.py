"""What holds on PostgreSQL: deadlocks are repeated, a lost server is said, owners seen alive."""

import asyncio
import gc
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.store import outbox, postgres
from syncd.store import tables as t
from syncd.store.database import Database, Tx
from syncd.store.errors import StoreUnavailable
from syncd.store.records import Recovered
from syncd.store.upgrading import upgrade
from tests.store.scene import NOW, Scene, later
from tests.support.postgres import Server

pytestmark = pytest.mark.postgres


def put(tx: Tx, key: str) -> None:
    tx.run(sa.insert(t.meta), {"key": key, "value": "0"})


def touch(tx: Tx, first: str, second: str, seen: list[Any]) -> None:
    for key in (first, second):
        update = sa.update(t.meta).where(t.meta.c.key == key)
        tx.run(update.values(value=t.meta.c.value + "x"))
        tx.run(sa.text("SELECT pg_sleep(0.1)"))
    seen.append(first)


async def test_units_that_deadlock_are_repeated(postgres_store_url: str) -> None:
    seen: list[Any] = []
    async with await Database.open(postgres_store_url) as database:
        for key in ("a", "b"):
            await database.write(put, key)
        await asyncio.gather(
            database.write(touch, "a", "b", seen), database.write(touch, "b", "a", seen)
        )
        values = await database.read(lambda tx: tx.scalars(sa.select(t.meta.c.value)))
    assert sorted(seen) == ["a", "b"]
    assert list(values) == ["0xx", "0xx"]


async def test_a_connection_lost_again_and_again_is_the_store_unavailable_and_it_recovers(
    postgres_store_url: str,
) -> None:
    def end_myself(tx: Tx) -> None:
        tx.run(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async with await Database.open(postgres_store_url) as database:
        with pytest.raises(StoreUnavailable):
            await database.write(end_myself)
        await database.write(put, "a")


async def test_a_unit_whose_connection_is_lost_before_its_commit_runs_again(
    postgres_store_url: str,
) -> None:
    runs: list[str] = []

    def lost_once(tx: Tx) -> None:
        put(tx, "a")
        runs.append("run")
        if len(runs) == 1:
            tx.run(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async with await Database.open(postgres_store_url) as database:
        await database.write(lost_once)
        stored = await database.read(lambda tx: tx.scalars(sa.select(t.meta.c.key)))
    assert (len(runs), list(stored)) == (2, ["a"])


async def test_sessions_that_the_server_ended_cost_no_unit(
    postgres_store_url: str, postgres_server: Server
) -> None:
    # Other tests share the server: only this database's sessions are ended.
    ending = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{sa.make_url(postgres_store_url).database}'"
    )
    async with await Database.open(postgres_store_url) as database:
        for n in range(5):
            await asyncio.gather(*(database.write(put, f"{n}.{k}") for k in range(5)))
            await postgres_server.run(ending)
            # One after another: each meets what is left of an ended session, or a new one.
            for k in range(5, 8):
                await database.write(put, f"{n}.{k}")
        stored = await database.read(lambda tx: tx.scalars(sa.select(t.meta.c.key)))
    assert len(stored) == 40


async def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(StoreUnavailable, match="PostgreSQL"):
        await Database.open("postgresql+asyncpg://nobody@127.0.0.1:1/none")


async def test_a_statement_that_takes_too_long_is_ended(
    postgres_store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT_MS", 100)
    async with await Database.open(postgres_store_url) as database:
        with pytest.raises(StoreUnavailable, match="timeout"):
            await database.write(lambda tx: tx.run(sa.text("SELECT pg_sleep(5)")))


async def test_a_write_whose_caller_has_gone_fails_unheard(postgres_store_url: str) -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: heard.append(said))
    async with await Database.open(postgres_store_url) as database:
        failing = sa.text("SELECT 1 / 0")
        writing = asyncio.ensure_future(database.write(lambda tx: tx.run(failing)))
        await asyncio.sleep(0)
        writing.cancel()
    gc.collect()
    assert (writing.cancelled(), heard) == (True, [])


async def test_processes_that_upgrade_together_take_turns(postgres_url: str) -> None:
    await asyncio.gather(*(upgrade(postgres_url) for _ in range(4)))
    async with await Database.open(postgres_url) as database:
        assert database.is_shared


@pytest.mark.parametrize("late_s", [1, 3_600], ids=["within the lease", "long after it"])
async def test_what_an_owner_holds_is_taken_over_when_it_ends_and_never_while_it_lives(
    postgres_store_url: str, late_s: int
) -> None:
    async with await Database.open(postgres_store_url) as database:
        scene = Scene(database)
        await scene.set_up()
        first, second = await scene.opening(), await scene.opening(source="inc2")
        living = await Database.open(postgres_store_url)
        await living.hold_owner("daemon-2")
        sent, claimed = await scene.claim(owner="daemon-2")
        await database.write(outbox.mark_sending, sent.id, "daemon-2", sent.attempt, NOW)
        at = {"now": later(late_s), "probe_at": later(late_s)}
        assert await database.write(outbox.recover, owner="daemon-1", **at) == Recovered()
        await living.close()
        taken = await database.write(outbox.recover, owner="daemon-1", **at)
        assert taken == Recovered(ready=1, unknown=1)
        assert await scene.states(first) + await scene.states(second) == [
            "create unknown",
            "create ready",
        ]
        again = {op.id: op for op in await scene.claim(now=later(late_s))}
        # Its connection may have been cut while it lives: absence counts when its lease is over.
        assert again[sent.id].closed_at == later(max(60, late_s))
        mark = (claimed.id, "daemon-2", claimed.attempt, NOW)
        assert not await database.write(outbox.mark_sending, *mark)


async def test_two_processes_share_the_outbox_without_taking_one_thing_twice(
    postgres_store_url: str,
) -> None:
    async with (
        await Database.open(postgres_store_url) as first,
        await Database.open(postgres_store_url) as second,
    ):
        one, two = Scene(first), Scene(second)
        await one.set_up()
        for n in range(40):
            await one.opening(source=f"inc{n}")
        rounds = await asyncio.gather(
            *(each.claim(owner=f"o{n}", limit=7) for n, each in enumerate([one, two] * 6))
        )
    taken = [op.id for claimed in rounds for op in claimed]
    assert len(taken) == len(set(taken))
    assert len(taken) >= 20
