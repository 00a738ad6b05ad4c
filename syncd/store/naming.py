"""The key of each operation that is planned, and what a restored store does about lost ones (R13).

What makes something (a ticket, a comment, a file) has a key derived from what it carries. After
`db restored` such a write may have happened in the time the store lost: it counts as unknown, and
is probed by that very key before it is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.core.items import strange
from syncd.core.keys import derived, is_of_lost_time
from syncd.core.state import PairState, PlannedOperation
from syncd.model.ids import ConnectionName, OperationKey, Side
from syncd.model.operation import MAKING, OperationState, WriteKind
from syncd.store import meta
from syncd.store import tables as t
from syncd.store.tx import Tx, among

_o, _k, _p = t.operation.c, t.ticket.c, t.item_pair.c


@cache
def _taken(is_postgres: bool) -> sa.CompoundSelect[Any]:
    o, k = t.operation.c, t.own_key.c
    return sa.union_all(
        sa.select(o.key, o.id, o.state, o.sends).where(
            among(o.key, "keys", is_postgres=is_postgres)
        ),
        sa.select(k.key, sa.null(), k.state, sa.literal_column("1")).where(
            among(k.key, "keys", is_postgres=is_postgres)
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """What all operations of one link have in common, read once for all that are planned together.

    Attributes:
        mapping: the name by which the link's mapping was known first.
        connections: the same of its connections, by side.
        restored_at: when the store was last restored from a backup; None: never.
    """

    mapping: str
    connections: Mapping[Side, str]
    restored_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an operation comes from.

    Attributes:
        lasting: its link's.
        ticket: the source ticket's kind and id, and the target's kind.
        made_at: when the source ticket was made, by its provider's time.
    """

    lasting: Lasting
    ticket: tuple[str, str, str]
    made_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A planned operation's key, and columns that differ from those of a new one."""

    key: OperationKey
    columns: Mapping[str, Any]


def lasting(tx: Tx, mapping: str, connections: Mapping[Side, ConnectionName]) -> Lasting:
    """Read what the operations of a link have in common."""
    asked = [("connection", connections[side]) for side in Side]
    first, *others = meta.first_names(tx, ("mapping", mapping), *asked)
    return Lasting(
        mapping=first,
        connections=dict(zip(Side, others, strict=True)),
        restored_at=meta.restored_at(tx),
    )


def name(
    tx: Tx,
    planned: PlannedOperation,
    origin: Origin | None,
    *,
    root: str,
    fresh: OperationKey,
    now: datetime,
) -> Named:
    """Give an operation its key, and say whether it must be looked for before it is sent.

    Args:
        tx: the transaction.
        planned: the operation.
        origin: where it comes from; None: that cannot be told in a way that lasts.
        root: the instance's first prefix, of which keys are made.
        fresh: a random key, used where none is derived.
        now: when it is stored.
    """
    if origin is None or planned.kind not in MAKING:
        return Named(key=fresh, columns={})
    parts = [*_names(planned, origin.lasting), *origin.ticket, *_parts_of(planned)]
    key = _first_free(tx, list(derived(root, parts)))
    if key is None:
        return Named(key=fresh, columns={})
    restored_at = origin.lasting.restored_at
    made_at = planned.made_at or (origin.made_at if planned.kind is WriteKind.CREATE else None)
    if restored_at is None or not is_of_lost_time(made_at, restored_at=restored_at, now=now):
        return Named(key=key, columns={})
    return Named(key=key, columns=_maybe_sent(made_at or origin.made_at or restored_at, now))


def _names(planned: PlannedOperation, known: Lasting) -> list[str]:
    source, target = planned.target.other, planned.target
    return [known.mapping, known.connections[source], known.connections[target]]


def _parts_of(planned: PlannedOperation) -> list[str]:
    """Say what an operation carries: a comment or file by its id, other words as they stand."""
    carried = [str(part) for part in planned.item or ()]
    if planned.item is None and planned.comment is not None:
        carried = [str(planned.reason), planned.comment.body]
    return [str(planned.target), str(planned.kind), *carried]


def _first_free(tx: Tx, keys: Sequence[OperationKey]) -> OperationKey | None:
    """Give the first key nobody has; one of a write that never left is given up by it."""
    taken = {row.key: row for row in tx.rows(_taken(tx.is_postgres), {"keys": tx.many(keys)})}
    for key in keys:
        row = taken.get(key)
        if row is None:
            return key
        if row.state == OperationState.SUPERSEDED and row.sends == 0:
            aside = f"{key}{row.id:x}"
            tx.run(sa.update(t.operation).where(_o.id == row.id).values(key=aside))
            return key
    return None


def _maybe_sent(since: datetime, now: datetime) -> dict[str, Any]:
    return {
        "claimed_from": OperationState.UNKNOWN,
        "sends": 1,
        "sent_at": min(since, now),
        "closed_at": now,
    }


def recognise(
    tx: Tx, key: OperationKey, *, link: int, connection: str, kind: str, now: datetime
) -> None:
    """Have what was met with a key decided about anew: it was taken for a stranger's until now."""
    tx.run(
        sa.delete(t.item_pair).where(
            _p.link == link, _p.state == PairState.STRAY, _p.reason == strange(key)
        )
    )
    strays = sa.select(_k.id, _k.snapshot).where(
        _k.connection == connection, _k.kind == kind, _k.stray.is_(True)
    )
    known = [row.id for row in tx.rows(strays) if row.snapshot and key in row.snapshot]
    if known:
        again = sa.update(t.ticket).where(tx.among(_k.id, known))
        tx.run(again.values(stray=False, decide_due_at=now))
