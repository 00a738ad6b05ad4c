"""Who is gone: on PostgreSQL each process shows that it lives by a lock of its session."""

import sqlalchemy as sa

from syncd.store.tx import Tx

_LOCK = sa.select(
    sa.func.pg_try_advisory_xact_lock(
        sa.func.hashtextextended(sa.bindparam("name", type_=sa.Text()), 0)
    )
)


def is_gone(tx: Tx, name: str) -> bool:
    """Say whether the process that showed it lived by this name is over (PostgreSQL).

    One whose connection was cut looks as if it were over; its own marks are refused it then.
    """
    # Who lives keeps the lock of its session even when its leases ran out.
    return bool(tx.scalar(_LOCK, {"name": name}))
