"""One writer per SQLite file: a lock on `<database>.lock`, with the holder's name in it."""

import fcntl
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import IO

import orjson

from syncd.store.errors import StoreHeld, StoreUnavailable
from syncd.store.records import HolderInfo

LOCK_BYTES_MAX = 4096


class FileLock:
    """A lock that the kernel gives back when its process ends, however it ends."""

    def __init__(self, database: Path, *, what: str, started_at: datetime) -> None:
        """Take the lock and write down who we are.

        Args:
            database: the database file.
            what: what we are, for whoever meets the lock.
            started_at: since when, for the same.

        Raises:
            StoreHeld: another process has it.
            StoreUnavailable: the lock file cannot be made.
        """
        try:
            self._file: IO[bytes] = lock_path(database).open("a+b")
        except OSError as error:
            raise StoreUnavailable(f"cannot make {lock_path(database)}: {error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _parse(self._file, database)
            self._file.close()
            raise StoreHeld(holder) from error
        self._write(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "started_at": started_at.isoformat(),
                "what": what,
            }
        )

    def release(self) -> None:
        """Give the lock back; the file stays, so that two processes never lock two files."""
        if not self._file.closed:
            self._write({})
            self._file.close()

    def _write(self, holder: dict[str, object]) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(orjson.dumps(holder))
        self._file.flush()


def lock_path(database: Path) -> Path:
    """Say where the lock of a database file lies."""
    return database.with_name(database.name + ".lock")


def holder_of(database: Path) -> HolderInfo | None:
    """Say who holds a database file for writing; None when nobody does."""
    try:
        with lock_path(database).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _parse(file, database)
    except FileNotFoundError:
        return None
    return None


def _parse(file: IO[bytes], database: Path) -> HolderInfo:
    # The holder may be between truncating and writing: then it stays unnamed.
    try:
        file.seek(0)
        raw = orjson.loads(file.read(LOCK_BYTES_MAX))
        return HolderInfo(
            database=str(database),
            pid=int(raw["pid"]),
            host=str(raw["host"]),
            started_at=datetime.fromisoformat(raw["started_at"]),
            what=str(raw["what"]),
        )
    except (ValueError, KeyError, TypeError):
        return HolderInfo(database=str(database))
