"""The mark in the spool: by it a daemon knows that the folder is the one its store uses.

Attachments are named in the store and lie in the spool. Several daemons on one PostgreSQL must have
one folder, and a store that was moved or restored must find its own: else files would seem lost.
The store keeps a mark, the folder a file with it. The first daemon on a new store makes that file,
under a lock, so that of two with different folders the second is refused.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from syncd.model.errors import CommandRefused
from syncd.store import journal
from syncd.store import tables as t
from syncd.store.errors import StoreUnavailable
from syncd.store.records import Line
from syncd.store.tx import Tx

MARK_FILE = "store-mark"
"""The file in the spool that holds the mark; it moves with the folder."""
MARK_CHARS_MAX = 100
"""Longer contents are none of ours."""
MARK, MADE = "spool_mark", "spool_marked"
"""What the store keeps: the mark, and that a folder has it."""

_c = t.meta.c


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMark:
    """What the store says of its spool: the mark, empty for none yet, and whether it was made."""

    mark: str = ""
    is_made: bool = False


def known(tx: Tx) -> KnownMark:
    """Return what the store says of its spool."""
    query = sa.select(_c.key, _c.value).where(_c.key.in_((MARK, MADE)))
    found = {row.key: row.value for row in tx.rows(query)}
    return KnownMark(mark=found.get(MARK, ""), is_made=MADE in found)


def choose(tx: Tx, mark: str) -> None:
    """Choose the mark of a store that has none; committed before any folder gets it."""
    tx.run(tx.insert(t.meta).on_conflict_do_nothing(), [{"key": MARK, "value": mark}])


def settle(tx: Tx, folder: Path) -> None:
    """Hold a folder against the mark; the first one of a store gets it.

    Raises:
        CommandRefused: it is not this store's spool.
        StoreUnavailable: the folder cannot be used.
    """
    mark = tx.scalar(sa.select(_c.value).where(_c.key == MARK).with_for_update())
    found, is_made = read(folder), known(tx).is_made
    if found and found != mark:
        raise CommandRefused(_strange(folder))
    if not found and is_made:
        raise CommandRefused(_unmarked(folder))
    if not found:
        _make(folder, str(mark))
    if not is_made:
        tx.run(tx.insert(t.meta).on_conflict_do_nothing(), [{"key": MADE, "value": "1"}])


def move(tx: Tx, mark: str, *, by: str, now: datetime) -> None:
    """Take note that another folder is the spool from now on.

    Args:
        tx: the transaction.
        mark: what stands in it; where nothing does, a new one: the next daemon to start makes it.
        by: who says so.
        now: when.
    """
    tx.run(sa.delete(t.meta).where(_c.key.in_((MARK, MADE))))
    choose(tx, mark)
    detail = "the next daemon to start takes its folder for the spool"
    journal.append(tx, Line(at=now, event="store.spool_moved", detail=detail, actor=by))


def read(folder: Path) -> str:
    """Return the mark of a folder; empty when it has none, or is not there.

    Raises:
        StoreUnavailable: it cannot be read.
    """
    try:
        with (folder / MARK_FILE).open(encoding="ascii", errors="replace") as file:
            return file.read(MARK_CHARS_MAX).strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreUnavailable(f"the spool {folder}: {error}") from error


def _make(folder: Path, mark: str) -> None:
    part = folder / f".{MARK_FILE}-{mark}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part.open("w", encoding="ascii") as file:
            file.write(f"{mark}\n")
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / MARK_FILE)
        above = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(above)
        finally:
            os.close(above)
    except OSError as error:
        raise StoreUnavailable(f"the spool {folder}: {error}") from error


def _unmarked(folder: Path) -> str:
    return (
        f"{folder} is not the spool of this store: it has no file {MARK_FILE}. All daemons of a "
        "store need one shared folder, in which its attachments lie: name or mount that one as "
        "store.spool. If it is lost, or was moved without that file: `syncd db spool`"
    )


def _strange(folder: Path) -> str:
    return (
        f"{folder} is the spool of another store, says its file {MARK_FILE}: name this store's own "
        "folder as store.spool, or an empty one. If that other store is gone for good, and its "
        "folder shall serve this one: `syncd db spool`"
    )
