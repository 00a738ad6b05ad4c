"""Empty stores without the price of making them: the schema is made once and copied or emptied."""

import atexit
import functools
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from syncd.store.sqlite import upgrade_file
from syncd.store.upgrading import upgrade
from tests.support.postgres import Server

WORN_BYTES = 24_000_000
"""A database that grew beyond this is dropped: emptied, it would be slower than a fresh one."""

_SHAPE = """
SELECT md5(string_agg(said, ';' ORDER BY said)) FROM (
    SELECT concat(c.relname, c.relkind, '.', a.attname, a.atttypid, a.attnotnull) AS said
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
    UNION ALL SELECT concat(conname, conrelid::regclass) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat(tgname, tgrelid::regclass, tgenabled) FROM pg_trigger
     WHERE NOT tgisinternal
    UNION ALL SELECT concat('at ', version_num) FROM alembic_version
) AS everything
"""
_TABLES = """
SELECT relname FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""
_SEQUENCES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
"""
_LEAVE = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def sqlite_store(path: Path) -> str:
    """Give the address of the SQLite store at a path; an empty one when there is none yet."""
    if not path.exists():
        path.write_bytes(empty_sqlite())
    return f"sqlite:///{path}"


@functools.cache
def empty_sqlite() -> bytes:
    """Give the content of a SQLite store with nothing in it."""
    with tempfile.TemporaryDirectory(prefix="syncd-template-") as folder:
        path = Path(folder) / "template.db"
        upgrade_file(path, what="the tests", started_at=datetime(2026, 1, 1, tzinfo=UTC))
        return path.read_bytes()


@functools.cache
def sqlite_template() -> Path:
    """Give a file with an empty store, made once for all tests of a process."""
    folder = tempfile.TemporaryDirectory(prefix="syncd-template-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "template.db"
    path.write_bytes(empty_sqlite())
    return path


class PostgresStores:
    """Empty PostgreSQL stores, each used by one test at a time and by many after one another.

    Making a database takes the server a checkpoint, emptying one a few milliseconds.
    """

    def __init__(self, server: Server) -> None:
        """Make nothing yet."""
        self._server = server
        self._template = ""
        self._shape = ""
        self._free: list[str] = []

    async def take(self) -> str:
        """Give the name of an empty store that nobody else uses."""
        if self._free:
            return self._free.pop()
        if not self._template:
            self._template = await self._server.create_database()
            await upgrade(self._server.url(self._template))
            connection = await self._connect(self._template)
            self._shape = await connection.fetchval(_SHAPE)
            await connection.close()
        return await self._server.create_database(self._template)

    async def give_back(self, name: str) -> None:
        """Empty a store for the next test; drop it when its schema was changed or it grew big."""
        connection = await self._connect(name)
        try:
            await connection.execute(_LEAVE)
            is_same = await connection.fetchval(_SHAPE) == self._shape
            size = await connection.fetchval("SELECT pg_database_size(current_database())")
            is_fit = is_same and size < WORN_BYTES
            if is_fit:
                await _empty(connection)
        finally:
            await connection.close()
        if is_fit:
            self._free.append(name)
        else:
            await self._server.drop_database(name)

    async def close(self) -> None:
        """Drop what is left."""
        for name in (*self._free, *filter(None, (self._template,))):
            await self._server.drop_database(name)

    async def _connect(self, name: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=self._server.socket_dir, user=self._server.user, database=name
        )


async def _empty(connection: asyncpg.Connection) -> None:
    tables = [row["relname"] for row in await connection.fetch(_TABLES)]
    sequences = [row["relname"] for row in await connection.fetch(_SEQUENCES)]
    # Foreign keys are checked by triggers: without them the order of the tables is no matter.
    statements = ["SET LOCAL session_replication_role = replica"]
    statements += [f'DELETE FROM "{name}"' for name in tables]
    statements += [f"SELECT setval('\"{name}\"', 1, false)" for name in sequences]
    async with connection.transaction():
        await connection.execute(";".join(statements))
