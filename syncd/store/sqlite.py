"""The store on SQLite: one thread owns the only writing connection, a few threads read.

Why it is built so: pysqlite's own transactions lose updates (no BEGIN before a SELECT), so the
driver manages none and every transaction starts with BEGIN IMMEDIATE; a power cut loses
acknowledged rows unless `synchronous=FULL`; and the cost of that is shared: units handed in while a
commit runs go into the next one together, each in a savepoint of its own.
"""

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from syncd.model.errors import BrokenInvariant, CommandRefused
from syncd.store import schema
from syncd.store.database import Call, Database, P, T, Unit, many_of
from syncd.store.errors import StoreUnavailable
from syncd.store.lock import FileLock
from syncd.store.tx import Tx

BUSY_TIMEOUT_MS = 5_000
CACHE_KIB = 2_048
GROUP_MAX = 512
"""Units in one transaction; bounds how long the first of them waits for its commit."""
QUEUE_MAX = 4_096
"""Units waiting for the writer; beyond it `write` waits to hand in."""
READERS_MAX = 3

PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    f"PRAGMA cache_size=-{CACHE_KIB}",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA foreign_keys=ON",
)
WRITER_PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")


@dataclass(slots=True)
class _Job:
    unit: Callable[..., Any]
    call: Call
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


class SqliteDatabase(Database):
    """The store in one file; holds that file's lock while open for writing."""

    is_shared = False

    def __init__(self, path: Path, lock: FileLock | None, writer: "_Writer | None") -> None:
        """Use `start`."""
        self._path = path
        self._lock = lock
        self._writer = writer
        self._room = asyncio.Semaphore(QUEUE_MAX)
        self._readers = _Readers(path)

    @classmethod
    async def start(
        cls, path: Path, *, read_only: bool, upgrade: bool, what: str, started_at: datetime
    ) -> "SqliteDatabase":
        """Open the file; see `Database.open`."""
        if read_only:
            database = cls(path, None, None)
            await database._check()
            return database
        lock = FileLock(path, what=what, started_at=started_at)
        try:
            writer = await asyncio.to_thread(_Writer, path, upgrade=upgrade)
        except BaseException:
            lock.release()
            raise
        return cls(path, lock, writer)

    async def _check(self) -> None:
        if not self._path.exists():
            raise CommandRefused(
                f"there is no store at {self._path}; `syncd db upgrade` or `syncd run` makes it"
            )
        try:
            await self.read(lambda tx: schema.check(tx.connection))
        except BaseException:
            await self.close()
            raise

    async def write(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._writer is None:
            raise CommandRefused("this store was opened for reading only")
        async with self._room:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[T] = loop.create_future()
            self._writer.hand_in(_Job(unit, (args, kwargs), loop, future))
            return await future

    async def read(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        work: Callable[[Tx], T] = partial(_call, unit, args, kwargs)
        try:
            reading = loop.run_in_executor(self._readers.pool, self._readers.run, work)
        except RuntimeError as error:
            raise StoreUnavailable("the store is closed") from error
        return await reading

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.close()
        if self._writer is not None:
            self._writer.stop()
        if self._lock is not None:
            self._lock.release()


def _call(unit: Callable[..., T], args: Sequence[Any], kwargs: dict[str, Any], tx: Tx) -> T:
    return unit(tx, *args, **kwargs)


# --- writing ---------------------------------------------------------------------------------


class _Writer:
    """The thread that owns the writing connection."""

    def __init__(self, path: Path, *, upgrade: bool) -> None:
        self._raw = _connect(path, read_only=False)
        self._connection = _wrap(self._raw)
        try:
            _prepare(self._raw, self._connection, upgrade=upgrade)
        except BaseException:
            self._connection.close()
            raise
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # Nothing is put behind the end of the queue, or it would wait for ever.
        self._gate = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def hand_in(self, job: _Job) -> None:
        with self._gate:
            if self._stopping:
                raise StoreUnavailable("the store is closed")
            self._jobs.put(job)

    def stop(self) -> None:
        with self._gate:
            self._stopping = True
            self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            while len(group) < GROUP_MAX:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    self._jobs.put(None)
                    break
                group.append(more)
            try:
                self._run_group(group)
            except BaseException as error:  # noqa: BLE001 - without this thread nobody would answer
                for job in group:
                    job.error = job.error or error
            _report(group)

    def _run_group(self, group: list[_Job]) -> None:
        raw = self._raw
        try:
            raw.execute("BEGIN IMMEDIATE")
            for jobs in _alike(group):
                if len(jobs) == 1 or not self._run_many(jobs):
                    for job in jobs:
                        self._run_one(job, alone=len(group) == 1)
            if raw.in_transaction:
                raw.execute("COMMIT")
        except sqlite3.Error as error:
            # Nothing of the group is stored; a unit's own error stays its own.
            for job in group:
                job.error = job.error or _unavailable(error)
        finally:
            if raw.in_transaction:
                raw.execute("ROLLBACK")

    def _run_many(self, jobs: list[_Job]) -> bool:
        """Carry out calls of one unit as one; False: undone, to be tried one by one."""
        many = many_of(jobs[0].unit)
        if many is None:
            return False
        raw = self._raw
        raw.execute("SAVEPOINT units")
        try:
            results = many(Tx(self._connection), [job.call for job in jobs])
        except Exception as error:
            if not raw.in_transaction:
                raise sqlite3.OperationalError(str(error)) from error
            raw.execute("ROLLBACK TO units")
            raw.execute("RELEASE units")
            return False
        raw.execute("RELEASE units")
        for job, result in zip(jobs, results, strict=True):
            job.result = result
        return True

    def _run_one(self, job: _Job, *, alone: bool) -> None:
        raw = self._raw
        if not alone:
            raw.execute("SAVEPOINT unit")
        try:
            args, kwargs = job.call
            job.result = job.unit(Tx(self._connection), *args, **kwargs)
        except BaseException as error:  # it belongs to who handed the unit in
            job.error = _translated(error)
            if not raw.in_transaction:
                # A full disk or an I/O error undoes the whole transaction, others' units too.
                raise sqlite3.OperationalError(str(error)) from error
            raw.execute("ROLLBACK" if alone else "ROLLBACK TO unit")
        if not alone:
            raw.execute("RELEASE unit")


def _alike(group: list[_Job]) -> list[list[_Job]]:
    """Put together the calls of one unit; each other job stands alone, in order."""
    found: dict[int, list[_Job]] = {}
    for place, job in enumerate(group):
        key = place if many_of(job.unit) is None else -id(job.unit)
        found.setdefault(key, []).append(job)
    return list(found.values())


def _report(group: list[_Job]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in group:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, jobs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, jobs)


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, sa.exc.IntegrityError):
        broken = BrokenInvariant(f"the store forbids it: {error.orig}")
        broken.__cause__ = error
        return broken
    if isinstance(error, sa.exc.OperationalError) and _is_outside(error):
        return _unavailable(error)
    return error


def _is_outside(error: BaseException) -> bool:
    """Whether the disk, the file or another process is to blame, not the statement."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return code is None or code & 0xFF != sqlite3.SQLITE_ERROR


def _unavailable(error: BaseException) -> StoreUnavailable:
    unavailable = StoreUnavailable(f"SQLite: {getattr(error, 'orig', None) or error}")
    unavailable.__cause__ = error
    return unavailable


# --- reading ---------------------------------------------------------------------------------


class _Readers:
    """Threads with a read-only connection each, opened when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._open: list[sa.Connection] = []
        self.pool = ThreadPoolExecutor(READERS_MAX, thread_name_prefix="store-reader")

    def run(self, work: Callable[[Tx], T]) -> T:
        try:
            raw, connection = self._connection()
            raw.execute("BEGIN")
            try:
                return work(Tx(connection))
            finally:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
        except (sqlite3.Error, sa.exc.OperationalError) as error:
            if _is_outside(error):
                raise _unavailable(error) from error
            raise

    def close(self) -> None:
        self.pool.shutdown(wait=True)
        for connection in self._open:
            connection.close()

    def _connection(self) -> tuple[sqlite3.Connection, sa.Connection]:
        if not hasattr(self._own, "pair"):
            raw = _connect(self._path, read_only=True)
            connection = _wrap(raw)
            self._open.append(connection)
            self._own.pair = raw, connection
        pair: tuple[sqlite3.Connection, sa.Connection] = self._own.pair
        return pair


# --- connections -----------------------------------------------------------------------------


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    try:
        if not read_only:
            # Tickets are nobody else's business.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        raw = sqlite3.connect(
            f"file:{quote(str(path))}?mode={'ro' if read_only else 'rw'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        for pragma in PRAGMAS if read_only else (*PRAGMAS, *WRITER_PRAGMAS):
            raw.execute(pragma).fetchall()
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"cannot open {path}: {error}") from error
    return raw


def _wrap(raw: sqlite3.Connection) -> sa.Connection:
    # The engine never opens another connection: its creator gives this one.
    engine = sa.create_engine("sqlite+pysqlite://", creator=lambda: raw, poolclass=NullPool)
    return engine.connect()


def _prepare(raw: sqlite3.Connection, connection: sa.Connection, *, upgrade: bool) -> None:
    try:
        if upgrade:
            raw.execute("BEGIN IMMEDIATE")
            schema.migrate(connection)
            raw.execute("COMMIT")
        schema.check(connection)
    except sqlite3.Error as error:
        raise _unavailable(error) from error
    finally:
        if raw.in_transaction:
            raw.execute("ROLLBACK")


def upgrade_file(path: Path, *, what: str, started_at: datetime) -> None:
    """Bring a file's schema up to date under its lock.

    Raises:
        StoreHeld: a running process has it.
    """
    lock = FileLock(path, what=what, started_at=started_at)
    try:
        _Writer(path, upgrade=True).stop()
    finally:
        lock.release()


class _Alone:
    """A file in one transaction, each piece of work on a thread."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            return await asyncio.to_thread(work, self._connection)
        except (sqlite3.Error, sa.exc.OperationalError) as error:
            if _is_outside(error):
                raise _unavailable(error) from error
            raise


@asynccontextmanager
async def alone(path: Path, *, what: str, started_at: datetime) -> AsyncIterator[_Alone]:
    """Hold a file under its lock in one transaction, committed at the end.

    Raises:
        StoreHeld: a running process has it.
        SchemaMismatch: it is of another version, or has no tables (SchemaMissing).
        StoreUnavailable: it cannot be opened.
    """
    lock = FileLock(path, what=what, started_at=started_at)
    try:
        raw = _connect(path, read_only=False)
        connection = _wrap(raw)
        try:
            schema.check(connection)
            raw.execute("BEGIN IMMEDIATE")
            yield _Alone(connection)
            await asyncio.to_thread(raw.execute, "COMMIT")
        except sqlite3.Error as error:
            raise _unavailable(error) from error
        finally:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            connection.close()
    finally:
        lock.release()


ENGINE = SqliteDatabase
"""What `Database.open` starts."""
