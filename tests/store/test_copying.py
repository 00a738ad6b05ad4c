"""A store moves from one database to the other whole, or not at all, and works there."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.model.errors import CommandRefused
from syncd.store import journal
from syncd.store import tables as t
from syncd.store.copying import copy
from syncd.store.database import Database, Tx
from syncd.store.errors import SchemaMismatch, StoreHeld
from syncd.store.records import Line
from tests.store.scene import Scene, applied, closing, comment, later, receipt
from tests.support.postgres import Server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a new database of either kind, without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    server: Server = request.getfixturevalue("postgres_server")
    name = await server.create_database()
    yield server.url(name)
    await server.drop_database(name)


def everything(tx: Tx) -> dict[str, list[dict[str, object]]]:
    return {
        table.name: [
            dict(row._mapping) for row in tx.rows(sa.select(table).order_by(*table.primary_key))
        ]
        for table in t.metadata.sorted_tables
    }


async def fill(url: str) -> None:
    async with await Database.open(url) as database:
        scene = Scene(database)
        await scene.set_up()
        await scene.linked(comment("c1"), closing())
        await scene.deliver(receipt(comment_id="v1"))
        await scene.opening(comment("c2"), source="inc2")
        many = [Line(at=later(n), event="read.changed", detail=f"æ€\n{n}") for n in range(2_500)]
        await database.write(journal.append, *many)


async def contents(url: str) -> dict[str, list[dict[str, object]]]:
    async with await Database.open(url, read_only=True) as database:
        return await database.read(everything)


async def test_a_copy_holds_the_same_rows_and_goes_on_from_there(
    store_url: str, other_url: str
) -> None:
    await fill(store_url)
    told: list[tuple[str, int]] = []
    counts = await copy(store_url, other_url, told=lambda name, rows: told.append((name, rows)))
    before = await contents(store_url)
    assert await contents(other_url) == before
    assert counts == {name: len(rows) for name, rows in before.items()}
    assert [rows for name, rows in told if name == "journal"][:2] == [1000, 2000]
    async with await Database.open(other_url) as database:
        scene = replace(Scene(database), _keys=iter(range(1_000, 2_000)))  # type: ignore[arg-type]
        claimed = await scene.claim()
        assert sorted(op.write.kind for op in claimed) == ["create", "status"]
        (closed,) = (op for op in claimed if op.write.kind == "status")
        assert await scene.settle(closed, applied(receipt()))
        link = await scene.linked(comment("c1"), itsm="inc9", vendor="case9")
        assert link not in {row["id"] for row in before["link"]}
        assert await scene.states(link) == ["comment ready"]


async def test_there_and_back_again_is_the_same(
    sqlite_url: str, other_url: str, tmp_path: Path
) -> None:
    await fill(sqlite_url)
    back = f"sqlite:///{tmp_path / 'back.db'}"
    await copy(sqlite_url, other_url)
    await copy(other_url, back)
    assert await contents(back) == await contents(sqlite_url)


async def test_a_store_with_anything_in_it_is_never_copied_to(
    sqlite_url: str, other_url: str
) -> None:
    await fill(sqlite_url)
    await copy(sqlite_url, other_url)
    before = await contents(other_url)
    with pytest.raises(CommandRefused, match="is not empty"):
        await copy(sqlite_url, other_url)
    assert await contents(other_url) == before


async def test_a_copy_that_breaks_off_leaves_an_empty_store(
    sqlite_url: str, other_url: str
) -> None:
    await fill(sqlite_url)

    def stop(name: str, _rows: int) -> None:
        if name == "journal":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await copy(sqlite_url, other_url, told=stop)
    assert not any((await contents(other_url)).values())
    await copy(sqlite_url, other_url)


async def test_nothing_is_copied_beside_a_running_daemon(store_url: str, other_url: str) -> None:
    async with await Database.open(store_url, what="syncd run") as daemon:
        await daemon.hold_owner("daemon-1")
        for pair in ((store_url, other_url), (other_url, store_url)):
            if pair[0] == other_url:
                async with await Database.open(other_url, upgrade=True):
                    pass
            with pytest.raises((StoreHeld, CommandRefused), match=r"stop (that one|all)"):
                await copy(*pair)


async def test_a_store_of_another_version_is_left_as_it_is(store_url: str, other_url: str) -> None:
    def older(tx: Tx) -> None:
        tx.run(sa.text("UPDATE alembic_version SET version_num = '0001'"))

    async with await Database.open(store_url) as database:
        await database.write(older)
    with pytest.raises(SchemaMismatch, match="0001"):
        await copy(store_url, other_url)
    async with await Database.open(other_url, upgrade=True):
        pass
    with pytest.raises(SchemaMismatch, match="0001"):
        await copy(other_url, store_url)


async def test_a_store_is_not_copied_onto_itself_or_from_nowhere(
    sqlite_url: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandRefused, match="one store"):
        await copy(sqlite_url, sqlite_url)
    nowhere = tmp_path / "nowhere.db"
    with pytest.raises(CommandRefused, match="no store at"):
        await copy(f"sqlite:///{nowhere}", sqlite_url)
    assert not nowhere.exists()
