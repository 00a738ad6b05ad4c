"""A migrated schema is the schema the tables declare, on both databases."""

import subprocess
import sys
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.store.database import Database, Tx
from syncd.store.schema import MIGRATIONS, REVISION, REVISIONS
from syncd.store.tables import metadata

OWN = "alembic_version"


def described(connection: sa.Connection) -> dict[str, Any]:
    """Read back everything the database says of its tables."""
    inspector = sa.inspect(connection)
    found: dict[str, Any] = {}
    for table in sorted(inspector.get_table_names()):
        if table == OWN:
            continue
        columns = {
            each["name"]: (str(each["type"]), each["nullable"], str(each.get("default")))
            for each in inspector.get_columns(table)
        }
        found[table] = {
            "columns": columns,
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(map(str, inspector.get_foreign_keys(table))),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "indexes": indexes(connection, table),
        }
    return found


def indexes(connection: sa.Connection, table: str) -> list[str]:
    query = (
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :t AND sql IS NOT NULL"
        if connection.dialect.name == "sqlite"
        else "SELECT indexdef FROM pg_indexes WHERE tablename = :t"
    )
    return sorted(connection.execute(sa.text(query), {"t": table}).scalars())


def describe(tx: Tx) -> dict[str, Any]:
    return described(tx.connection)


async def test_a_migrated_sqlite_file_equals_a_fresh_one(sqlite_url: str) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as fresh:
        metadata.create_all(fresh)
        expected = described(fresh)
    engine.dispose()
    async with await Database.open(sqlite_url) as database:
        assert await database.read(describe) == expected


@pytest.mark.postgres
async def test_a_migrated_postgres_database_equals_a_fresh_one(
    postgres_store_url: str, postgres_url: str
) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(postgres_url)
    async with engine.begin() as fresh:
        await fresh.run_sync(metadata.create_all)
        expected = await fresh.run_sync(described)
    await engine.dispose()
    async with await Database.open(postgres_store_url) as database:
        assert await database.read(describe) == expected


async def test_alembic_finds_nothing_left_to_migrate(store_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def compare(tx: Tx) -> list[Any]:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": False})
        return list(compare_metadata(context, metadata))

    async with await Database.open(store_url) as database:
        assert await database.read(compare) == []


def test_every_revision_is_listed_in_order() -> None:
    found = sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("0*.py"))
    assert tuple(found) == REVISIONS
    assert REVISIONS[-1] == REVISION


def test_opening_a_store_imports_no_alembic(sqlite_url: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from syncd.store.database import Database\n"
        "async def main():\n"
        "    await (await Database.open(sys.argv[1], upgrade=True)).close()\n"
        "asyncio.run(main())\n"
        "print('alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", program, sqlite_url]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
