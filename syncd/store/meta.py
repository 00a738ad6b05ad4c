"""Facts about the whole store: the instance's prefix, its environment, its epoch."""

from datetime import datetime

import sqlalchemy as sa

from syncd.model.errors import CommandRefused, ensure
from syncd.model.operation import OperationState
from syncd.store import journal
from syncd.store import tables as t
from syncd.store.records import Instance, Line
from syncd.store.tx import Tx


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
        prefix=found["prefix"], environment=found["environment"], epoch=int(found["epoch"])
    )


def is_initialised(tx: Tx) -> bool:
    """Say whether a daemon ever ran on this store."""
    return tx.scalar(sa.select(t.meta.c.key).where(t.meta.c.key == "prefix")) is not None


def begin_epoch(tx: Tx, *, by: str, now: datetime, prefix: str | None = None) -> Instance:
    """Take note that this store was restored from a backup (DESIGN R13).

    Every operation that was not settled becomes unknown, so that it is probed before it is sent.

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
    c = t.meta.c
    epoch = instance(tx).epoch + 1
    tx.run(sa.update(t.meta).where(c.key == "epoch").values(value=str(epoch)))
    if prefix is not None:
        tx.run(sa.update(t.meta).where(c.key == "prefix").values(value=prefix))
    detail = f"epoch {epoch}; {count} operations are probed before they are sent"
    journal.append(tx, Line(at=now, event="store.restored", detail=detail, actor=by))
    return instance(tx)
