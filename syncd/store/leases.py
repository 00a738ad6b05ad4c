"""Leases: who may do something that one process at a time does, until when."""

from datetime import datetime

import sqlalchemy as sa

from syncd.store import tables as t
from syncd.store.tx import Tx

_c = t.lease.c


def take(tx: Tx, name: str, owner: str, *, now: datetime, until: datetime) -> bool:
    """Take or prolong a lease; False when another holds it still."""
    insert = tx.insert(t.lease).values(name=name, owner=owner, until=until)
    free = sa.or_(_c.owner == owner, _c.until <= now)
    return (
        tx.run(
            insert.on_conflict_do_update(
                index_elements=["name"], set_={"owner": owner, "until": until}, where=free
            )
        )
        > 0
    )


def give_back(tx: Tx, name: str, owner: str) -> None:
    """Give a lease back."""
    tx.run(sa.delete(t.lease).where(_c.name == name, _c.owner == owner))
