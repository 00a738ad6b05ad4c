"""What a feed or scan saw, against what is known: digests compared, new rows made, others moved."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from syncd.model.ids import ConnectionName, TicketId
from syncd.ports.adapter import Sighting
from syncd.store import tables as t
from syncd.store.tx import Tx, insert_into
from syncd.store.types import Instant, sooner

NO_DIGEST = "-"
"""Stands for the digest of what a feed saw: it equals none, so the ticket is read."""

_c = t.ticket.c
_P = sa.bindparam


def sight_chunk(
    tx: Tx,
    connection: ConnectionName,
    kind: str,
    chunk: dict[TicketId, Sighting],
    *,
    now: datetime,
    watched: bool,
) -> int:
    """Take in some of what was seen, by id; return how many tickets became due."""
    seen_as = {
        found: seen.digest.hex() if seen.digest else NO_DIGEST for found, seen in chunk.items()
    }
    given = {"connection": connection, "kind": kind, "seen": orjson.dumps(seen_as).decode()}
    others: dict[str, bool] = dict(map(tuple, tx.rows(_others(tx.is_postgres), given)))
    if not others:
        return 0
    fresh = [seen for found, seen in chunk.items() if found in others and not others[found]]
    moved = [seen for found, seen in chunk.items() if others.get(found)]
    if fresh:
        _run_each(
            tx,
            insertion(tx.is_postgres),
            [
                new_values(connection, kind, seen.ref.id, seen.ref.number, now=now, watched=watched)
                | {"list_digest": seen.digest, "cause": seen.seen}
                for seen in fresh
            ],
        )
    if moved:
        _move(tx, connection, kind, moved, now)
    return len(fresh) + len(moved)


@cache
def _others(is_postgres: bool) -> sa.Select[Any]:
    """Ask which of many ids, each with its digest, are unknown or were seen otherwise before.

    The database compares: of a list that shows nothing new no row is fetched.
    """
    seen = _P("seen", type_=sa.Text())
    if is_postgres:
        each = sa.func.json_each_text(sa.cast(seen, postgresql.JSON)).table_valued("key", "value")
        before = sa.func.encode(_c.list_digest, sa.literal_column("'hex'"))
    else:
        each = sa.func.json_each(seen).table_valued("key", "value")
        before = sa.func.lower(sa.func.hex(_c.list_digest))
    is_it = sa.and_(
        _c.connection == _P("connection"), _c.kind == _P("kind"), _c.external_id == each.c.key
    )
    return (
        sa.select(each.c.key, _c.id.is_not(None))
        .outerjoin_from(each, t.ticket, is_it)
        .where(sa.or_(_c.id.is_(None), before.is_distinct_from(each.c.value)))
    )


@cache
def insertion(is_postgres: bool) -> sa.Insert:
    """Give the INSERT of a ticket that leaves one alone that is there already."""
    return insert_into(t.ticket, is_postgres=is_postgres).on_conflict_do_nothing()


_MOVE = (
    sa.update(t.ticket)
    .where(
        _c.connection == _P("seen_on"), _c.kind == _P("seen_kind"), _c.external_id == _P("seen_id")
    )
    .values(
        # The earlier instant stays: a ticket seen again and again is not put off.
        read_due_at=sooner(_c.read_due_at, _P("now", type_=Instant())),
        sight_epoch=_c.sight_epoch + 1,
        list_digest=sa.func.coalesce(_P("seen_digest", type_=sa.LargeBinary()), _c.list_digest),
        cause=_P("seen_cause"),
        gone_at=None,
    )
)


def _move(
    tx: Tx, connection: ConnectionName, kind: str, moved: Sequence[Sighting], now: datetime
) -> None:
    here = {"seen_on": connection, "seen_kind": kind, "now": now}
    _run_each(
        tx,
        _MOVE,
        [
            here | {"seen_id": seen.ref.id, "seen_digest": seen.digest, "seen_cause": seen.seen}
            for seen in moved
        ],
    )


def _run_each(tx: Tx, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
    # One is carried out as one: a list of one costs more.
    tx.run(statement, rows[0] if len(rows) == 1 else rows)


def new_values(
    connection: ConnectionName,
    kind: str,
    external_id: TicketId | None,
    number: str,
    *,
    now: datetime,
    watched: bool,
) -> dict[str, Any]:
    """Give the row of a ticket that is not known yet; due now."""
    return {
        "connection": connection,
        "kind": kind,
        "external_id": external_id,
        "number": number,
        "write_epoch": 0,
        "sight_epoch": 0,
        "read_due_at": now,
        "cause": "",
        "read_failures": 0,
        "read_error": "",
        "watched": watched,
        "stray": False,
        "first_seen_at": now,
    }
