"""What a feed or scan saw, against what is known: digests compared, new rows made, others moved."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.model.ids import ConnectionName, TicketId
from syncd.ports.adapter import Sighting
from syncd.store import tables as t
from syncd.store.tx import Tx, among, insert_into
from syncd.store.types import Instant, sooner

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
    given = {"connection": connection, "kind": kind, "ids": tx.many(chunk)}
    known = dict(map(tuple, tx.rows(_digests_of(tx.is_postgres), given)))
    fresh = [seen for found, seen in chunk.items() if found not in known]
    moved = [
        seen
        for found, seen in chunk.items()
        if found in known and (seen.digest is None or seen.digest != known[found])
    ]
    if fresh:
        tx.run(
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
def _digests_of(is_postgres: bool) -> sa.Select[Any]:
    return sa.select(_c.external_id, _c.list_digest).where(
        _c.connection == _P("connection"),
        _c.kind == _P("kind"),
        among(_c.external_id, "ids", is_postgres=is_postgres),
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
    tx.run(
        _MOVE,
        [
            here | {"seen_id": seen.ref.id, "seen_digest": seen.digest, "seen_cause": seen.seen}
            for seen in moved
        ],
    )


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
