"""Facts about the whole store: the instance's prefix, its environment, its epoch."""

from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.model.errors import CommandRefused, ensure
from syncd.model.operation import MAKING, OperationState, ParkReason
from syncd.store import journal
from syncd.store import tables as t
from syncd.store.records import Instance, Line
from syncd.store.tx import Tx, among
from syncd.store.types import sooner

_RESTORED_AT = "restored_at"
_WHEN_RESTORED = sa.select(t.meta.c.value).where(
    t.meta.c.key == sa.literal_column(f"'{_RESTORED_AT}'")
)


def initialise(tx: Tx, *, environment: str, prefix: str) -> Instance:
    """Pin the environment and the prefix of our keys, or compare them with what is pinned.

    Args:
        tx: the transaction.
        environment: from the settings.
        prefix: random hexadecimal, used only when the store is new.

    Raises:
        CommandRefused: the store belongs to another environment.
    """
    values = {"environment": environment, "prefix": prefix, "epoch": "1"}
    insert = tx.insert(t.meta).on_conflict_do_nothing()
    tx.run(insert, [{"key": key, "value": value} for key, value in values.items()])
    found = instance(tx)
    if found.environment != environment:
        raise CommandRefused(
            f"this store belongs to the environment {found.environment!r}, the settings say "
            f"{environment!r}; use that environment's store"
        )
    return found


def instance(tx: Tx) -> Instance:
    """Return what was pinned."""
    found = {row.key: row.value for row in tx.rows(sa.select(t.meta))}
    ensure("prefix" in found, "a store is initialised before it is used")
    return Instance(
        prefix=found["prefix"],
        environment=found["environment"],
        epoch=int(found["epoch"]),
        root=found.get("root", found["prefix"]),
    )


def is_initialised(tx: Tx) -> bool:
    """Say whether a daemon ever ran on this store."""
    return tx.scalar(sa.select(t.meta.c.key).where(t.meta.c.key == "prefix")) is not None


def restored_at(tx: Tx) -> datetime | None:
    """Say when this store was last restored from a backup; None: never."""
    found = tx.scalar(_WHEN_RESTORED)
    return None if found is None else datetime.fromisoformat(found)


def begin_epoch(tx: Tx, *, by: str, now: datetime, prefix: str | None = None) -> Instance:
    """Take note that this store was restored from a backup (DESIGN R13).

    Every operation that was not settled becomes unknown, so that it is probed before it is sent;
    one that is parked is in doubt. What is planned from now on may have been written in the lost
    time: `naming` sees to that.

    Args:
        tx: the transaction.
        by: who says so.
        now: when.
        prefix: a new prefix for keys, so that marks of the lost time are recognised as strange.
    """
    o = t.operation.c
    maybe_sent = {
        "sent_at": sa.func.coalesce(o.sent_at, o.planned_at),
        "sends": sa.case((o.sends > 0, o.sends), else_=1),
        "closed_at": now,
        "not_before": now,
        "looks": 0,
        "lease_owner": None,
        "lease_until": None,
        "attempt": o.attempt + 1,
    }
    heads = sa.update(t.operation).where(t.state_in(*t.HEAD))
    waiting = sa.update(t.operation).where(t.state_in(OperationState.WAITING))
    count = tx.run(heads.values(state=OperationState.UNKNOWN, claimed_from=None, **maybe_sent))
    count += tx.run(waiting.values(claimed_from=OperationState.UNKNOWN, **maybe_sent))
    # What was refused may have been put right and sent in the lost time.
    parked = sa.update(t.operation).where(
        t.state_in(OperationState.PARKED), o.kind.in_([str(kind) for kind in MAKING])
    )
    columns = {name: maybe_sent[name] for name in ("sent_at", "sends", "closed_at")}
    tx.run(parked.values(park_reason=ParkReason.IN_DOUBT, **columns))
    _read_again(tx, now)
    before = instance(tx)
    epoch = before.epoch + 1
    _set(tx, "epoch", str(epoch))
    _set(tx, "root", before.root)
    _set(tx, _RESTORED_AT, now.isoformat())
    if prefix is not None:
        _set(tx, "prefix", prefix)
    detail = f"epoch {epoch}; {count} operations are probed before they are sent"
    journal.append(tx, Line(at=now, event="store.restored", detail=detail, actor=by))
    return instance(tx)


def note_renamed(tx: Tx, what: str, old: str, new: str) -> None:
    """Keep by which name a mapping or connection was known first: keys are derived from that."""
    _set(tx, f"{what} {new}", first_names(tx, (what, old))[0])


def first_names(tx: Tx, *named: tuple[str, str]) -> list[str]:
    """Give the first names of mappings and connections: (`mapping` or `connection`, name) each."""
    keys = {f"{what} {name}": name for what, name in named}
    renamed = tx.rows(_values_of(tx.is_postgres), {"keys": tx.many(sorted(keys))})
    first = keys | {row.key: row.value for row in renamed}
    return [first[f"{what} {name}"] for what, name in named]


@cache
def _values_of(is_postgres: bool) -> sa.Select[Any]:
    return sa.select(t.meta).where(among(t.meta.c.key, "keys", is_postgres=is_postgres))


def _set(tx: Tx, key: str, value: str) -> None:
    c = t.meta.c
    if not tx.run(sa.update(t.meta).where(c.key == key).values(value=value)):
        tx.run(tx.insert(t.meta), [{"key": key, "value": value}])


def _read_again(tx: Tx, now: datetime) -> None:
    """Have the tickets of all links read: nothing is decided before both sides are known anew."""
    k, c = t.ticket.c, t.link.c
    linked = [sa.select(side).where(side.is_not(None), c.tombstone_at.is_(None)) for side in _SIDES]
    again = sa.update(t.ticket).where(
        k.id.in_(sa.union_all(*linked)), k.external_id.is_not(None), k.gone_at.is_(None)
    )
    # Without its digest the first read is a change, whatever it shows, and a decision follows.
    tx.run(
        again.values(
            digest=None,
            read_due_at=sooner(k.read_due_at, now),
            sight_epoch=k.sight_epoch + 1,
            write_epoch=k.write_epoch + 1,
            cause="the store was restored",
        )
    )


_SIDES = (t.link.c.itsm_ticket, t.link.c.vendor_ticket)
