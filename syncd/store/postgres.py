"""The store on PostgreSQL: units run through asyncpg, each in a transaction of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from syncd.model.errors import BrokenInvariant, CommandRefused
from syncd.store import schema
from syncd.store.database import ACCEPTED, Call, Database, Many, P, T, Unit, many_of
from syncd.store.errors import StoreUnavailable
from syncd.store.tx import CHANNEL, Tx

POOL_SIZE = 12
POOL_WAIT_S = 30
CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 20_000
IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000
"""Below `LOCK_TIMEOUT_MS`: what a daemon that stands still had locked is free before others give
up. No transaction of a daemon waits for anything but the server."""
ALONE_IDLE_TIMEOUT_MS = 60_000
"""Of who copies or upgrades, with one long transaction and nobody beside it."""
GROUP_MAX = 128
"""Calls of one unit carried out together."""
TRIES_MAX = 6
"""Runs of one unit that meets deadlocks or serialization failures."""
LOST_MAX = 2
"""Connections that one unit may lose before its commit; each costs a run on a new one."""

AGAIN = frozenset({"40001", "40P01"})
"""serialization_failure, deadlock_detected: the transaction is undone and may be repeated."""
AWAY = ("08", "25006", "28", "3D", "53", "55", "57", "58")
"""What a server says that cannot serve us now."""
ENDED = frozenset({"57P01", "57P02", "57P03"})
"""admin_shutdown, crash_shutdown, cannot_connect_now: the server ends the session."""
NOT_EVEN_ASKED = ("connection is closed", "cannot switch to state")
"""What the driver says of a session it knows to be over or ending: it sent nothing."""
_LOCK = sa.text("SELECT pg_advisory_lock(hashtextextended(:owner, 0))")
_UNLOCK = sa.text("SELECT pg_advisory_unlock(hashtextextended(:owner, 0))")
_OWNERS = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Owners' locks that others hold on this database (`hold_owner`)."""
_WHO = "SELECT value FROM meta WHERE key = 'prefix'"
UPGRADE_LOCK = 0x73796E6364
"""Advisory lock of schema upgrades: the letters of syncd."""


def _nobody(_said: str) -> None:
    """Hear nothing."""


@dataclass(slots=True)
class _Job:
    unit: Callable[..., Any]
    call: Call
    answer: "asyncio.Future[Any]"

    def settle(self, result: object, error: Exception | None) -> None:
        if self.answer.done():
            return
        if error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(result)


def _call(unit: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], tx: Tx) -> T:
    return unit(tx, *args, **kwargs)


class PostgresDatabase(Database):
    """The store on a server, shared by any number of processes."""

    is_shared = True

    def __init__(self, engine: AsyncEngine, *, read_only: bool) -> None:
        """Use `start`."""
        self._engine = engine
        self._read_only = read_only
        self._reading = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._running: set[asyncio.Task[Any]] = set()
        self._waiting: dict[Many, list[_Job]] = {}
        self._at_work: set[Many] = set()
        self._owner: AsyncConnection | None = None
        self._owner_name = ""
        self._owner_lost = False
        self._owning = asyncio.Lock()
        self._bell: Callable[[str], None] = _nobody
        self._prefix = ""
        sa.event.listen(engine.sync_engine, "connect", self._look_who_answers)

    @classmethod
    async def start(cls, url: str, *, read_only: bool, upgrade: bool) -> "PostgresDatabase":
        """Connect; see `Database.open`."""
        if upgrade and not read_only:
            await upgrade_database(url)
        database = cls(_engine(url), read_only=read_only)
        try:
            await database.read(lambda tx: schema.check(tx.connection))
        except BaseException:
            await database.close()
            raise
        return database

    async def write(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._read_only:
            raise CommandRefused("this store was opened for reading only")
        if (many := many_of(unit)) is not None:
            answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(many, []).append(_Job(unit, (args, kwargs), answer))
            if many not in self._at_work:
                self._at_work.add(many)
                self._keep(self._work_off(many))
            return await answer
        # A caller that is cancelled must not undo what it handed in.
        return await asyncio.shield(self._keep(self._alone(partial(_call, unit, args, kwargs))))

    def _keep(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        # Whose caller was cancelled fails unheard.
        task.add_done_callback(lambda over: over.cancelled() or over.exception())
        return task

    async def _alone(self, work: Callable[[Tx], T]) -> T:
        async def once() -> T:
            async with self._engine.connect() as connection:
                result = await _run(connection, work)
                await _commit(connection)
                return result

        return await _repeated(once)

    async def _work_off(self, many: Many) -> None:
        """Carry out what waits of one unit, all that came while the last group ran at a time."""
        try:
            while jobs := self._waiting.pop(many, None):
                for start in range(0, len(jobs), GROUP_MAX):
                    await self._together(many, jobs[start : start + GROUP_MAX])
        finally:
            self._at_work.discard(many)

    async def _together(self, many: Many, jobs: "list[_Job]") -> None:
        if len(jobs) > 1:
            calls = [job.call for job in jobs]
            try:
                results = await self._alone(lambda tx: many(tx, calls))
            except StoreUnavailable as error:
                for job in jobs:
                    job.settle(None, error)
                return
            except Exception:  # noqa: BLE001 - one of them; which, shows below
                results = []
            for job, result in zip(jobs, results, strict=False):
                job.settle(result, None)
            if results:
                return
        for job in jobs:
            args, kwargs = job.call
            try:
                job.settle(await self._alone(partial(_call, job.unit, args, kwargs)), None)
            except Exception as error:  # noqa: BLE001 - it belongs to who handed the unit in
                job.settle(None, error)

    async def read(self, unit: Unit[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async def once() -> T:
            async with self._reading.connect() as connection:
                return await _run(connection, partial(_call, unit, args, kwargs))

        return await _repeated(once)

    async def hold_owner(self, owner: str) -> None:
        try:
            # One at a time: a session carries out one statement.
            async with self._owning:
                await self._held(owner)
        except (OSError, TimeoutError, asyncpg.PostgresError, sa.exc.SQLAlchemyError) as error:
            self._owner_lost = True
            raise StoreUnavailable(f"PostgreSQL: the owner's session: {error}") from error

    async def _held(self, owner: str) -> None:
        """Hold it, also where the session, and then what the pool still has, was ended."""
        for tries in range(LOST_MAX + 1):
            try:
                await self._hold(owner)
                return
            except sa.exc.DBAPIError as error:
                self._owner_lost = True
                if tries == LOST_MAX or not _is_lost(error.orig):
                    raise

    async def _hold(self, owner: str) -> None:
        if self._owner is not None and not self._owner_lost:
            if owner == self._owner_name:
                await self._owner.execute(sa.text("SELECT 1"))
                return
            # A former life of this process is over: what it had may be taken over.
            await self._owner.execute(_UNLOCK, {"owner": self._owner_name})
            await self._owner.execute(_LOCK, {"owner": owner})
            self._owner_name = owner
            return
        await self._drop_owner()
        self._owner = await self._owner_session(owner)
        self._owner_name, self._owner_lost = owner, False

    async def _owner_session(self, owner: str) -> AsyncConnection:
        """Open the session whose end tells others that this owner is gone."""
        session = await self._engine.connect()
        try:
            await session.execution_options(isolation_level="AUTOCOMMIT")
            # Where the server has not noticed yet that the former session is over, it waits.
            await session.execute(_LOCK, {"owner": owner})
            raw: Any = (await session.get_raw_connection()).driver_connection
            raw.add_termination_listener(self._ended)
            await raw.add_listener(CHANNEL, self._heard)
        except BaseException:
            await session.invalidate()
            await session.close()
            raise
        return session

    def _ended(self, _connection: object) -> None:
        self._owner_lost = True

    def _heard(self, _connection: object, _pid: int, _channel: str, said: object) -> None:
        self._bell(str(said))

    async def _drop_owner(self) -> None:
        if self._owner is None:
            return
        session, self._owner = self._owner, None
        with suppress(Exception):
            # Closing the session is what gives the lock back.
            await session.invalidate()
            await session.close()

    @property
    def is_owner_held(self) -> bool:
        return self._owner is not None and not self._owner_lost

    def belongs_to(self, prefix: str) -> None:
        self._prefix = prefix

    def _look_who_answers(self, raw: Any, _record: object) -> None:
        """See that a new session is one of the database this process began with."""
        if not self._prefix:
            return
        try:
            with closing(raw.cursor()) as cursor:
                cursor.execute(_WHO)
                row = cursor.fetchone()
            raw.rollback()
        except raw.dbapi.ProgrammingError:
            # It has no tables of ours at all.
            row = None
        if row is None or row[0] != self._prefix:
            raw.terminate()
            found = "one without our data" if row is None else f"another one ({row[0]})"
            raise StoreUnavailable(
                f"PostgreSQL: where the store {self._prefix} was, {found} answers: "
                "bring the data back, then `syncd db restored`"
            )

    @property
    def held_as(self) -> str:
        return self._owner_name if self.is_owner_held else ""

    def ring_with(self, bell: Callable[[str], None]) -> None:
        self._bell = bell

    async def close(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
        await self._drop_owner()
        await self._engine.dispose()


async def upgrade_database(url: str) -> None:
    """Bring a database's schema up to date; processes that start together take turns.

    Raises:
        SchemaMismatch: it is newer than this version of syncd.
        StoreUnavailable: it cannot be reached.
    """
    engine = _engine(url, idle_ms=ALONE_IDLE_TIMEOUT_MS)

    async def once() -> None:
        async with engine.begin() as connection:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(UPGRADE_LOCK)))
            await connection.run_sync(schema.migrate)

    try:
        await _repeated(once)
    finally:
        await engine.dispose()


class _Alone:
    """A database in one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        return await self._connection.run_sync(work)


@asynccontextmanager
async def alone(url: str) -> AsyncIterator[_Alone]:
    """Use a database in one transaction while no daemon works on it; committed at the end.

    Raises:
        CommandRefused: a daemon works on it.
        SchemaMismatch: it is of another version, or has no tables (SchemaMissing).
        StoreUnavailable: it cannot be reached.
    """
    engine = _engine(url, idle_ms=ALONE_IDLE_TIMEOUT_MS)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            await connection.run_sync(schema.check)
            if (await connection.execute(_OWNERS)).scalar():
                raise CommandRefused(
                    f"a syncd works on {connection.engine.url.database}: stop all that use it first"
                )
            yield _Alone(connection)
            await connection.commit()
    except sa.exc.DBAPIError as error:
        raise _translated(error) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailable(f"PostgreSQL: {error or type(error).__name__}") from error
    finally:
        await engine.dispose()


def _engine(url: str, *, idle_ms: int = IDLE_IN_TRANSACTION_TIMEOUT_MS) -> AsyncEngine:
    if sa.make_url(url).drivername != "postgresql+asyncpg":
        raise CommandRefused(f"the store's address names another driver; {ACCEPTED}")
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "server_settings": {
                "application_name": "syncd",
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "idle_in_transaction_session_timeout": str(idle_ms),
            },
        },
    )
    sa.event.listen(engine.sync_engine, "handle_error", _note_lost)
    return engine


def _note_lost(context: sa.engine.ExceptionContext) -> None:
    """Tell SQLAlchemy of lost connections that it does not know: the pool then drops them all."""
    if _is_lost(context.original_exception):
        context.is_disconnect = True


def _is_lost(error: BaseException | None) -> bool:
    # An idle session that the server ended is noticed by the next statement; the driver may
    # still be waiting for an end of that message which never comes, and says it is busy.
    state = str(getattr(error, "sqlstate", None) or "")
    said = (*NOT_EVEN_ASKED, "connection was closed")
    return state in ENDED or state.startswith("08") or any(each in str(error) for each in said)


class _LostBeforeCommit(Exception):
    """The connection went away before the unit was committed: nothing of it is stored."""


async def _run(connection: AsyncConnection, work: Callable[[Tx], T]) -> T:
    """Run a unit up to its commit."""
    try:
        return await connection.run_sync(lambda sync: work(Tx(sync)))
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated or _is_lost(error.orig):
            raise _LostBeforeCommit from error
        raise


async def _commit(connection: AsyncConnection) -> None:
    """Commit; a connection lost while doing so leaves open whether the unit is stored."""
    try:
        await connection.commit()
    except sa.exc.DBAPIError as error:
        if any(said in str(error.orig) for said in NOT_EVEN_ASKED):
            raise _LostBeforeCommit from error
        raise


async def _repeated(once: Callable[[], Awaitable[T]]) -> T:
    lost = 0
    for tries in range(1, TRIES_MAX + LOST_MAX + 1):
        try:
            return await once()
        except _LostBeforeCommit as error:
            lost += 1
            if lost > LOST_MAX:
                cause = error.__cause__
                raise StoreUnavailable(f"PostgreSQL: {getattr(cause, 'orig', cause)}") from cause
        except sa.exc.IntegrityError as error:
            raise BrokenInvariant(f"the store forbids it: {error.orig}") from error
        except sa.exc.DBAPIError as error:
            if _state_of(error) not in AGAIN or tries - lost >= TRIES_MAX:
                raise _translated(error) from error
        except (
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            sa.exc.TimeoutError,
        ) as error:
            raise StoreUnavailable(f"PostgreSQL: {error or type(error).__name__}") from error
    raise BrokenInvariant("the last try returns or raises")


def _state_of(error: sa.exc.DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _translated(error: sa.exc.DBAPIError) -> Exception:
    # Classes of SQLSTATE: 08 connection, 25006 a standby that only reads, 28 login, 3D no such
    # database, 53 resources (disk full), 55 locks, 57 operator (shutdown, time-out), 58 system
    # (I/O); without one the connection was lost.
    state = _state_of(error)
    if error.connection_invalidated or not state or state.startswith(AWAY):
        return StoreUnavailable(f"PostgreSQL: {error.orig}")
    if state in AGAIN:
        return StoreUnavailable(
            f"PostgreSQL: still in the way after {TRIES_MAX} tries: {error.orig}"
        )
    return error


ENGINE = PostgresDatabase
"""What `Database.open` starts."""
