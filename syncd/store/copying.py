"""Copying a store from one database to another (`syncd db copy`): SQLite to PostgreSQL and back.

Both stores are held alone while it lasts. Rows are read in the order of their primary key, so many
at a time, from one transaction, and written in one: the target gets everything, or nothing.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from syncd.model.errors import CommandRefused
from syncd.ports.clock import Clock, SystemClock
from syncd.store import tables as t
from syncd.store.database import is_sqlite, sqlite_path
from syncd.store.errors import SchemaMissing, StoreUnavailable
from syncd.store.upgrading import upgrade

CHUNK_ROWS = 1_000
"""Rows in memory at once."""

WHAT = "syncd db copy"

T = TypeVar("T")
Told = Callable[[str, int], None]
"""Is told how many rows of a table have been copied so far."""


class _Store(Protocol):
    """One store in one transaction."""

    async def run(self, work: Callable[[sa.Connection], T]) -> T:
        """Do something in it."""
        ...


async def copy(
    from_url: str, to_url: str, *, told: Told | None = None, clock: Clock | None = None
) -> dict[str, int]:
    """Copy every row of every table.

    Args:
        from_url: the store that is read; not changed.
        to_url: the store that is written; its tables are made where there are none.
        told: for showing how far it is.
        clock: for the name in the lock; None: the machine's.

    Returns:
        Rows by table, counted in both stores at the end.

    Raises:
        StoreHeld: a running process has one of the two SQLite files.
        CommandRefused: a daemon works on one of them, the target is not empty, or both are one.
        SchemaMismatch: one of them is of another version of syncd.
        StoreUnavailable: one cannot be read or written.
    """
    if sa.make_url(from_url) == sa.make_url(to_url):
        raise CommandRefused("both addresses are one store's; name another one to copy to")
    clock = clock or SystemClock()
    if is_sqlite(from_url) and not sqlite_path(from_url).exists():
        raise CommandRefused(f"there is no store at {sqlite_path(from_url)}; nothing is copied")
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(_alone(from_url, clock))
        await _make_tables(to_url, clock)
        target = await stack.enter_async_context(_alone(to_url, clock))
        await _refuse_filled(target)
        for table in t.metadata.sorted_tables:
            await _copy_table(source, target, table, told)
        await target.run(_set_sequences)
        return await _compare(source, target)


async def _make_tables(url: str, clock: Clock) -> None:
    """Make the schema where there is none; an older one stays, for it is somebody's store."""
    try:
        async with _alone(url, clock):
            pass
    except SchemaMissing:
        await upgrade(url, clock=clock)


@asynccontextmanager
async def _alone(url: str, clock: Clock) -> AsyncIterator[_Store]:
    if is_sqlite(url):
        from syncd.store import sqlite

        path = sqlite_path(url)
        async with sqlite.alone(path, what=WHAT, started_at=clock.now()) as store:
            yield store
    else:
        from syncd.store import postgres

        async with postgres.alone(url) as shared:
            yield shared


async def _refuse_filled(target: _Store) -> None:
    counts = await target.run(_count)
    filled = {name: count for name, count in counts.items() if count}
    if filled:
        raise CommandRefused(
            f"the store to copy to is not empty: {sum(filled.values())} rows, of "
            f"{', '.join(sorted(filled))}; name a new one"
        )


async def _copy_table(source: _Store, target: _Store, table: sa.Table, told: Told | None) -> None:
    last: tuple[Any, ...] | None = None
    copied = 0
    while rows := await source.run(_reader(table, last)):
        await target.run(_writer(table, rows))
        last = tuple(rows[-1][column.name] for column in table.primary_key)
        copied += len(rows)
        if told is not None:
            told(table.name, copied)


def _reader(
    table: sa.Table, last: tuple[Any, ...] | None
) -> Callable[[sa.Connection], list[Mapping[str, Any]]]:
    key = list(table.primary_key)
    query = sa.select(table).order_by(*key).limit(CHUNK_ROWS)
    if last is not None:
        values = (sa.literal(value, column.type) for value, column in zip(last, key, strict=True))
        query = query.where(sa.tuple_(*key) > sa.tuple_(*values))
    return lambda connection: [dict(row) for row in connection.execute(query).mappings()]


def _writer(table: sa.Table, rows: list[Mapping[str, Any]]) -> Callable[[sa.Connection], None]:
    def write(connection: sa.Connection) -> None:
        connection.execute(sa.insert(table), rows)

    return write


def _set_sequences(connection: sa.Connection) -> None:
    """Let PostgreSQL number new rows behind the copied ones; SQLite does by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in t.metadata.sorted_tables:
        if "id" in table.c:
            newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            name = sa.func.pg_get_serial_sequence(f'"{table.name}"', "id")
            # The third argument: whether that number is taken.
            setting = sa.func.setval(name, sa.func.coalesce(newest, 1), newest.is_not(None))
            connection.execute(sa.select(setting))


def _count(connection: sa.Connection) -> dict[str, int]:
    return {
        table.name: int(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        )
        for table in t.metadata.sorted_tables
    }


async def _compare(source: _Store, target: _Store) -> dict[str, int]:
    here, there = await source.run(_count), await target.run(_count)
    differing = sorted(name for name in here if here[name] != there[name])
    if differing:
        raise StoreUnavailable(
            f"the copy has other numbers of rows than its source in {', '.join(differing)}; "
            f"nothing of it was kept"
        )
    return here
