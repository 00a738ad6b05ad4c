"""Leases: who may do something that one process at a time does, until when."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.store import tables as t
from syncd.store.sessions import is_gone
from syncd.store.tx import Tx

_c = t.lease.c


def take(
    tx: Tx, name: str, owner: str, *, now: datetime, until: datetime, held_as: str = ""
) -> bool:
    """Take or prolong a lease; False when another holds it still.

    Who was killed holds nothing any more: where a process showed that it lives, its lease ends with
    it, however long it was good for.

    Args:
        tx: the transaction.
        name: of what one process at a time does.
        owner: who wants it.
        now: leases up to this instant have expired; on PostgreSQL its own clock decides that, the
            same for all hosts.
        until: how long it is good; on PostgreSQL the time from `now` to it counts.
        held_as: the name the owner's process shows that it lives by (`Database.held_as`); empty:
            the lease ends by its time alone.
    """
    if tx.is_postgres:
        at = _clock(tx)
        now, until = at, at + (until - now)
    if _taken(tx, name, owner, now=now, until=until, held_as=held_as):
        return True
    if not tx.is_postgres:
        return False
    holder = tx.first(sa.select(t.lease).where(_c.name == name).with_for_update(skip_locked=True))
    if holder is None or not holder.held_as or not is_gone(tx, holder.held_as):
        return False
    tx.run(sa.delete(t.lease).where(_c.name == name))
    return _taken(tx, name, owner, now=now, until=until, held_as=held_as)


def _taken(tx: Tx, name: str, owner: str, *, now: datetime, until: datetime, held_as: str) -> bool:
    values = {"owner": owner, "until": until, "held_as": held_as}
    insert = tx.insert(t.lease).values(name=name, **values)
    free = sa.or_(_c.owner == owner, _c.until <= now)
    written = insert.on_conflict_do_update(index_elements=["name"], set_=values, where=free)
    return tx.run(written) > 0


def give_back(tx: Tx, name: str, owner: str) -> None:
    """Give a lease back."""
    tx.run(sa.delete(t.lease).where(_c.name == name, _c.owner == owner))


def reserve(tx: Tx, name: str, *, now: datetime, length: timedelta, within: timedelta) -> timedelta:
    """Take the next piece of a time that processes share; each piece is one's alone.

    Args:
        tx: the transaction.
        name: of the time.
        now: used on SQLite; on PostgreSQL it is the database's, the same for all hosts.
        length: of the piece.
        within: when it would begin later than in so long, nothing is taken.

    Returns:
        In how long it begins, or would begin.
    """
    new = {"name": name, "owner": "", "until": now, "held_as": ""}
    tx.run(tx.insert(t.lease).values(**new).on_conflict_do_nothing(index_elements=["name"]))
    taken = tx.scalar(sa.select(_c.until).where(_c.name == name).with_for_update())
    if tx.is_postgres:
        # Looked at once the row is ours: whoever waited for it has a later now.
        now = _clock(tx)
    begins = max(taken, now)
    if begins - now <= within:
        tx.run(sa.update(t.lease).where(_c.name == name).values(until=begins + length))
    return timedelta(seconds=(begins - now).total_seconds())


def postpone(tx: Tx, name: str, *, now: datetime, length: timedelta) -> None:
    """Let no piece of a time that processes share begin for so long; see `reserve`."""
    until = (_clock(tx) if tx.is_postgres else now) + length
    insert = tx.insert(t.lease).values(name=name, owner="", until=until, held_as="")
    later = _c.until < until
    tx.run(
        insert.on_conflict_do_update(index_elements=["name"], set_={"until": until}, where=later)
    )


def _clock(tx: Tx) -> datetime:
    return tx.scalar(sa.select(sa.func.clock_timestamp()))  # type: ignore[no-any-return]
