"""The SQLite store without its threads: units run where they are handed in.

With everything in one thread a run is decided by its seed alone, and a test can stop it before or
after any transaction.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from syncd.store.database import Database, P, T, Unit
from syncd.store.sqlite import PRAGMAS, _translated
from syncd.store.tx import Tx

Step = Callable[[str], Awaitable[None]]

_opening: list[sqlite3.Connection] = []
# One engine for all stores, so that statements are compiled once.
_ENGINE = sa.create_engine("sqlite+pysqlite://", creator=_opening.pop, poolclass=NullPool)


async def _no_step(_name: str) -> None:
    return


class InlineDatabase(Database):
    """Implements `Database`; what it commits lies in the file at once.

    Attributes:
        step: awaited before and after each transaction.
        commits: transactions that changed something.
    """

    is_shared = False

    def __init__(self, path: Path, step: Step = _no_step) -> None:
        self.step = step
        self.commits = 0
        self._raw = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        # A killed process is not a power cut: what was written is there.
        for pragma in (*PRAGMAS, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF"):
            self._raw.execute(pragma).fetchall()
        _opening.append(self._raw)
        self._connection = _ENGINE.connect()

    async def write(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await self.step("before a write")
        before = self._raw.total_changes
        self._raw.execute("BEGIN IMMEDIATE")
        try:
            result = unit(Tx(self._connection), *args, **kwargs)
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
        self._raw.execute("BEGIN")
        try:
            return unit(Tx(self._connection), *args, **kwargs)
        finally:
            self._raw.execute("ROLLBACK")

    async def close(self) -> None:
        self._connection.close()
        self._raw.close()
