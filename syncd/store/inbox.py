"""The inbox: what is pushed to us, stored before it is answered."""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.model.ids import ConnectionName
from syncd.store import tables as t
from syncd.store.records import InboxItem
from syncd.store.tx import Tx, among

_c = t.inbox.c
_P = sa.bindparam
_WAITING = (
    sa.select(t.inbox)
    .where(_c.done_at.is_(None))
    .order_by(_c.id)
    .limit(_P("most", type_=sa.Integer()))
)
_WAITING_OF = _WAITING.where(_c.connection == _P("connection"))


def put(
    tx: Tx,
    connection: ConnectionName,
    kind: str,
    body: str,
    *,
    received_at: datetime,
    received_from: str = "",
) -> int:
    """Store what came in; return its number."""
    values = {
        "connection": connection,
        "kind": kind,
        "body": body,
        "received_at": received_at,
        "received_from": received_from,
    }
    tx.ring("intake")
    return tx.insert_id(t.inbox, values)


def take(tx: Tx, *, limit: int, connection: ConnectionName | None = None) -> list[InboxItem]:
    """Return what is not done, oldest first.

    To be marked by `done` in the transaction that stores its effect.
    """
    given: dict[str, int | str] = {"most": limit}
    if connection is not None:
        given["connection"] = connection
    return [
        InboxItem(
            id=row.id,
            connection=ConnectionName(row.connection),
            kind=row.kind,
            body=row.body,
            received_at=row.received_at,
            received_from=row.received_from,
        )
        for row in tx.rows(_WAITING if connection is None else _WAITING_OF, given)
    ]


def lock(tx: Tx, ids: Collection[int]) -> frozenset[int]:
    """Keep items for this transaction; give those that nobody else has or has done."""
    return frozenset(tx.scalars(_locking(tx.is_postgres), {"ids": tx.many(ids)}))


@cache
def _locking(is_postgres: bool) -> sa.Select[Any]:
    wanted = among(_c.id, "ids", is_postgres=is_postgres)
    query = sa.select(_c.id).where(wanted, _c.done_at.is_(None)).order_by(_c.id)
    return query.with_for_update(skip_locked=True) if is_postgres else query


def done(tx: Tx, ids: Collection[int], *, now: datetime) -> None:
    """Note that items were taken care of."""
    if ids:
        tx.run(_doing(tx.is_postgres), {"ids": tx.many(ids), "now": now})


@cache
def _doing(is_postgres: bool) -> sa.Update:
    wanted = among(_c.id, "ids", is_postgres=is_postgres)
    return sa.update(t.inbox).where(wanted).values(done_at=_P("now"))


def forget_before(tx: Tx, at: datetime, *, limit: int) -> int:
    """Remove items done before an instant, so many at once; return how many."""
    old = sa.select(_c.id).where(_c.done_at < at).limit(limit)
    return tx.run(sa.delete(t.inbox).where(_c.id.in_(old)))
