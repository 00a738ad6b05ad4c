"""A statement for many rows does what it does for each of them, and finds them by their index."""

from typing import Any

import pytest
import sqlalchemy as sa

from syncd.store import effects, lanes
from syncd.store import tables as t
from syncd.store.bulk import LISTED_MAX, Bulk, Writes
from syncd.store.database import Database, Tx
from tests.store.scene import NOW, Scene, comment, later

PUT = Bulk(lambda v, names: v.insert(t.lease, names))
SET = Bulk(
    lambda v, names: (
        sa.update(t.lease)
        .where(t.lease.c.name == v("which", t.lease.c.name.type))
        .values({name: v(name, t.lease.c[name].type) for name in names if name != "which"})
    )
)


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"name": f"n{n}", "owner": f"ø '{n}\"", "until": later(n / 7), "held_as": ""}
        for n in range(count)
    ]


def stored(tx: Tx) -> list[dict[str, Any]]:
    query = sa.select(t.lease).order_by(t.lease.c.until)
    return [dict(row._mapping) for row in tx.rows(query)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, LISTED_MAX, LISTED_MAX + 1])
async def test_rows_are_stored_as_they_are(database: Database, count: int) -> None:
    await database.write(PUT.run, rows(count))
    assert await database.read(stored) == rows(count)


ODD = [
    "",
    "a\x00b",
    '["x", {"y": "\\u0000"}]',
    "line\u2028\r\n\t'\"\\",
    "😀 ﷺ \u202e",
    "9007199254740993",
]
ALL = sa.select(t.lease)


async def test_rows_gathered_are_the_rows_fetched(database: Database) -> None:
    odd = [
        {"name": f"n{n}", "owner": text, "until": later(n), "held_as": text[:5]}
        for n, text in enumerate(ODD)
    ]
    if database.is_shared:
        odd = [each for each in odd if "\x00" not in str(each["owner"])]  # PostgreSQL has none

    def same(tx: Tx) -> list[dict[str, Any]]:
        found = [each._asdict() for each in tx.gather(ALL)]
        assert found == [dict(row._mapping) for row in tx.rows(ALL)]
        return found

    assert await database.read(same) == []
    for each in odd:
        await database.write(PUT.run, [each])
    assert sorted(await database.read(same), key=lambda row: row["name"]) == odd


@pytest.mark.parametrize("count", [1, 3, 300])
async def test_rows_are_changed_each_as_it_says(database: Database, count: int) -> None:
    def change(tx: Tx) -> None:
        writes = Writes(tx)
        for n in range(count):
            writes.add(SET, {"which": f"n{n}", "owner": f"new {n}"})
        writes.add(SET, {"which": "n0", "until": NOW})
        writes.flush()
        writes.flush()

    await database.write(PUT.run, rows(count))
    await database.write(change)
    found = await database.read(stored)
    assert {row["name"]: row["owner"] for row in found} == {
        f"n{n}": f"new {n}" for n in range(count)
    }
    assert found[0]["until"] == NOW


async def test_what_has_no_form_in_the_store_is_refused(database: Database) -> None:
    odd = [{"name": "a", "owner": b"x", "until": NOW}, {"name": "b", "owner": b"x", "until": NOW}]
    with pytest.raises(TypeError):
        await database.write(PUT.run, odd)


async def test_many_lanes_get_their_heads_at_once(scene: Scene) -> None:
    made = [
        await scene.linked(comment("c1"), comment("c2"), itsm=f"inc{n}", vendor=f"case{n}")
        for n in range(3)
    ]

    def end_heads(tx: Tx) -> int:
        tx.run(sa.update(t.operation).where(t.state_in(*t.HEAD)).values(state="applied"))
        found = tx.scalars(sa.select(t.operation.c.lane).distinct())
        return lanes.promote(tx, [*found, "t999"])

    assert await scene.db.write(end_heads) == 3
    for link in made:
        assert await scene.states(link) == ["comment applied", "comment ready"]
    assert await scene.db.write(lanes.promote, []) == 0


@pytest.mark.parametrize(
    ("bulk", "names"),
    [
        (effects.UPDATE, ("operation", "state")),
        (effects._WROTE, ("row", "now")),
        (effects._DECIDE, ("row", "now")),
        (effects._PAIR, ("of_link", "of_kind", "of_origin", "of_source", "state")),
    ],
)
async def test_no_table_is_walked_for_a_few_rows(
    sqlite_url: str, bulk: Bulk, names: tuple[str, ...]
) -> None:
    def plan(tx: Tx) -> str:
        statement = bulk._form(names, is_postgres=False, many=True)
        text = str(statement.compile(tx.connection.engine))  # type: ignore[attr-defined]
        found = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("[]",)).all()
        return str(found)

    def listed(tx: Tx) -> str:
        text, parameters = bulk._text(tx, names, 4), (None,) * (4 * (len(names) + 1))
        found = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters).all()
        return str(found)

    async with await Database.open(sqlite_url) as database:
        found = await database.write(plan)
        found_listed = await database.write(listed)
    assert "SCAN given VIRTUAL TABLE" in found
    assert found.count("SCAN") == 1
    assert found_listed.count("SCAN") == 2
    assert "SCAN 4 CONSTANT ROWS" in found_listed
    assert "SCAN given" in found_listed
