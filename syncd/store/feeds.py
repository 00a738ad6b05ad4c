"""Feeds: cursors, moved only in the transaction that stores what they cover (DESIGN R1)."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from syncd.model.ids import ConnectionName, TicketId
from syncd.ports.adapter import PollResult
from syncd.store import journal
from syncd.store import tables as t
from syncd.store.connections import pause_once
from syncd.store.records import FeedRecord, Line
from syncd.store.tickets import sight
from syncd.store.tx import Tx

_c = t.feed.c
_P = sa.bindparam
_HERE = (_c.connection == _P("here"), _c.kind == _P("of_kind"))
_CURSOR = sa.select(_c.cursor).where(*_HERE)
_LISTED = sa.select(_c.listed).where(*_HERE)
_UPDATE = sa.update(t.feed).where(*_HERE)


def load_cursor(tx: Tx, connection: ConnectionName, kind: str) -> str | None:
    """Return where reading stands; None before the first poll."""
    found = tx.scalar(_CURSOR, {"here": connection, "of_kind": kind})
    return None if found is None else str(found)


def last_listed(tx: Tx, connection: ConnectionName, kind: str) -> int:
    """Return how many tickets the whole list held when last read; 0: none, or never."""
    return int(tx.scalar(_LISTED, {"here": connection, "of_kind": kind}) or 0)


def list_emptied(
    tx: Tx, connection: ConnectionName, kind: str, reason: str, *, by: str, now: datetime
) -> bool:
    """Stop a connection whose list cannot be believed; False: it was stopped already.

    From now on it is known to be empty: who resumes the connection has looked.
    """
    _save(tx, connection, kind, {"listed": 0})
    return pause_once(tx, connection, reason, by=by, now=now)


def save_poll(
    tx: Tx, connection: ConnectionName, kind: str, result: PollResult, *, now: datetime
) -> int:
    """Store a poll whole: sightings, odd items, and the cursor that covers them.

    Returns:
        How many tickets became due to be read.
    """
    due = sight(tx, connection, kind, result.sightings, now=now)
    values: dict[str, Any] = {
        "cursor": result.cursor,
        "gap": result.gap,
        "last_poll_at": now,
        "failures": 0,
        "error": "",
        "error_at": None,
    }
    if result.listed is not None:
        values["listed"] = result.listed
    if not result.gap:
        values["last_complete_at"] = now
    _save(tx, connection, kind, values)
    journal.append(
        tx,
        *(
            Line(at=now, event="feed.odd_item", detail=note, connection=connection)
            for note in result.notes
        ),
    )
    return due


def poll_failed(tx: Tx, connection: ConnectionName, kind: str, *, error: str, now: datetime) -> int:
    """Note that a poll failed; the cursor stays. Returns failures in a row, this one included."""
    here = (_c.connection == connection, _c.kind == kind)
    failures = int(tx.scalar(sa.select(_c.failures).where(*here)) or 0) + 1
    values = {"failures": failures, "error": error[:2_000], "error_at": now, "last_poll_at": now}
    _save(tx, connection, kind, values)
    return failures


def rewind(tx: Tx, connection: ConnectionName, kind: str, cursor: str | None = None) -> None:
    """Put the cursor back, so that everything after it is seen again; None: to the start."""
    _save(tx, connection, kind, {"cursor": cursor})


def _save(tx: Tx, connection: ConnectionName, kind: str, values: dict[str, Any]) -> None:
    if not tx.run(_UPDATE, {"here": connection, "of_kind": kind} | values):
        new = {"connection": connection, "kind": kind, "gap": False, "failures": 0, "error": ""}
        tx.run(sa.insert(t.feed), new | values)


def known_ids(tx: Tx, connection: ConnectionName, kind: str) -> frozenset[TicketId]:
    """Return the ids of all tickets known and not gone, for telling what a scan lacks (R8)."""
    c = t.ticket.c
    query = sa.select(c.external_id).where(
        c.connection == connection,
        c.kind == kind,
        c.external_id.is_not(None),
        c.gone_at.is_(None),
    )
    return frozenset(tx.scalars(query))


def overview(tx: Tx) -> list[FeedRecord]:
    """Return all feeds."""
    return [
        FeedRecord(
            connection=ConnectionName(row.connection),
            kind=row.kind,
            cursor=row.cursor,
            gap=row.gap,
            last_poll_at=row.last_poll_at,
            last_complete_at=row.last_complete_at,
            failures=row.failures,
            error=row.error,
            error_at=row.error_at,
        )
        for row in tx.rows(sa.select(t.feed).order_by(_c.connection, _c.kind))
    ]
