"""The SQLite store without its threads and its file: units run where they are handed in.

With everything in one thread a run is decided by its seed alone, and a test can stop it before or
after any transaction. What is committed outlives a daemon that is killed, as it would in a file;
power cuts are for others to play.
"""

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from syncd.store.database import Database, P, T, Unit
from syncd.store.sqlite import PRAGMAS, _translated
from syncd.store.tx import Tx
from tests.simulation.quick import QuickConnection

Step = Callable[[str], Awaitable[None]]

_opening: list[sqlite3.Connection] = []
# One engine for all stores, so that statements are compiled once.
_ENGINE = sa.create_engine("sqlite+pysqlite://", creator=_opening.pop, poolclass=NullPool)

CACHED_STATEMENTS = 1_024


async def _no_step(_name: str) -> None:
    return


class Memory:
    """A store in memory; it outlives whoever works on it until it is closed.

    Attributes:
        raw: SQLite's own connection.
        tx: what units work in.
    """

    def __init__(self, template: Path) -> None:
        """Begin with a copy of a file."""
        # One that was used before has its statements prepared: only its rows were forgotten.
        self._used = _used[template]
        self.raw, self._full = self._used.pop() if self._used else _opened(template)
        self.has_backup = False
        quick: Any = QuickConnection(self.raw, self._full)
        self.tx = Tx(quick)

    def close(self) -> None:
        """Forget everything that was not in the file."""
        self.replace("template")
        if self.has_backup:
            self.raw.execute("DETACH backup")
        self._used.append((self.raw, self._full))

    def end(self) -> None:
        """Give up the store, where nobody begins with the same file again."""
        self._full.close()

    def save(self) -> None:
        """Copy everything aside, as a backup does."""
        if not self.has_backup:
            self.raw.execute("ATTACH ':memory:' AS backup")
        for (table,) in self.raw.execute(_TABLES).fetchall():
            if not self.has_backup:
                self.raw.execute(f"CREATE TABLE backup.{table} AS SELECT * FROM main.{table}")
            else:
                self.raw.execute(f"DELETE FROM backup.{table}")
                self.raw.execute(f"INSERT INTO backup.{table} SELECT * FROM main.{table}")
        self.has_backup = True

    def replace(self, schema: str) -> None:
        """Put the rows of an attached store in the place of those that are here."""
        self.raw.execute("PRAGMA foreign_keys=OFF")
        self.raw.execute("BEGIN")
        for (table,) in self.raw.execute(_TABLES).fetchall():
            self.raw.execute(f"DELETE FROM main.{table}")
            self.raw.execute(f"INSERT INTO main.{table} SELECT * FROM {schema}.{table}")
        self.raw.execute("COMMIT")
        self.raw.execute("PRAGMA foreign_keys=ON")


_TABLES = "SELECT name FROM template.sqlite_schema WHERE type = 'table'"
_used: dict[Path, list[tuple[sqlite3.Connection, sa.Connection]]] = defaultdict(list)


def _opened(template: Path) -> tuple[sqlite3.Connection, sa.Connection]:
    # An address, so that the file below can be attached for reading alone: a transaction locks
    # every file it could write to, and other processes tell stories from the same one.
    raw = sqlite3.connect(
        "file::memory:", isolation_level=None, cached_statements=CACHED_STATEMENTS, uri=True
    )
    with contextlib.closing(sqlite3.connect(template)) as source:
        source.backup(raw)
    for pragma in (*PRAGMAS, f"ATTACH '{template.as_uri()}?immutable=1' AS template"):
        raw.execute(pragma).fetchall()
    _opening.append(raw)
    return raw, _ENGINE.connect()


class InlineDatabase(Database):
    """Implements `Database` on a store in memory.

    Attributes:
        step: awaited before and after each transaction.
        commits: transactions that changed something.
    """

    is_shared = False

    def __init__(self, memory: Memory, step: Step = _no_step) -> None:
        self.step = step
        self.commits = 0
        self._raw, self._tx = memory.raw, memory.tx

    async def write(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self.step("before a write")
        before = self._raw.total_changes
        self._raw.execute("BEGIN IMMEDIATE")
        try:
            result = unit(self._tx, *args, **kwargs)
            self._raw.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - it belongs to who handed the unit in
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
            raise _translated(error) from error.__cause__
        self.commits += self._raw.total_changes > before
        await self.step("after a write")
        return result

    async def read(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self.step("before a reading")
        # Nobody else has a turn while a unit runs: it needs no transaction to see one state.
        before = self._raw.total_changes
        result = unit(self._tx, *args, **kwargs)
        assert self._raw.total_changes == before, "a reading writes nothing"
        return result

    async def close(self) -> None:
        return


@contextlib.contextmanager
def in_memory(template: Path) -> Iterator[InlineDatabase]:
    """Open a store in memory that begins as a copy of a file; forgotten in the end."""
    memory = Memory(template)
    try:
        yield InlineDatabase(memory)
    finally:
        memory.end()
