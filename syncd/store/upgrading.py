"""Bringing a store's schema up to date, as a command of its own (`syncd db upgrade`)."""

import asyncio

from syncd.ports.clock import Clock, SystemClock
from syncd.store.database import is_sqlite, sqlite_path
from syncd.store.sqlite import upgrade_file


async def upgrade(url: str, *, clock: Clock | None = None) -> None:
    """Make the schema in an empty database, or bring an older one up to date.

    Raises:
        StoreHeld: a running process has this SQLite file.
        SchemaMismatch: the database is newer than this version of syncd.
        StoreUnavailable: it cannot be reached.
    """
    if is_sqlite(url):
        await asyncio.to_thread(
            upgrade_file,
            sqlite_path(url),
            what="syncd db upgrade",
            started_at=(clock or SystemClock()).now(),
        )
        return
    from syncd.store.postgres import upgrade_database

    await upgrade_database(url)
