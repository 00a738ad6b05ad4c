"""Lanes: the queue of operations to one target ticket, whose head is a stored state (DESIGN R6).

The database allows one operation per lane in a head state. Within a lane the order is (rank, id): a
create, then ordinary ones as they were planned, then a closing one. A parked create keeps
everything behind it waiting, for there is no ticket to write to; so does one in doubt whose effect
could not be told from a later one's. Other parked operations let later ones pass.
"""

from collections.abc import Collection, Iterable
from functools import cache

import sqlalchemy as sa

from syncd.core.state import Rank
from syncd.model.ids import LinkRow, Side, TicketRow
from syncd.model.operation import OperationState
from syncd.store import tables as t
from syncd.store.tx import Tx, listed, text_list

RANKS = {Rank.CREATE: 0, Rank.NORMAL: 1, Rank.CLOSING: 2}

_o = t.operation.c
_other = t.operation.alias()
_LANE = sa.bindparam("of_lane", type_=sa.Text())

_waiting, _head = t.operation.alias(), t.operation.alias()
_READY_HEAD = sa.select(_o.id, _o.rank).where(
    _o.lane == _LANE, t.state_in(*t.HEAD), _o.state == sa.literal_column("'ready'")
)
_BETTER = (
    sa.select(_waiting.c.id)
    .where(
        _waiting.c.lane == _LANE,
        _waiting.c.state == sa.literal_column("'waiting'"),
        _waiting.c.rank < sa.bindparam("rank"),
    )
    .limit(1)
)
_STEP_BACK = (
    sa.update(t.operation)
    .where(_o.id == sa.bindparam("operation"))
    .values(state=OperationState.WAITING)
)


@cache
def _promote(is_postgres: bool) -> sa.Executable:
    given = listed(sa.bindparam("lanes", type_=text_list(is_postgres)), is_postgres=is_postgres)
    first = (
        sa.select(_waiting.c.id)
        .where(_waiting.c.lane == given.c.value, _waiting.c.state == sa.literal_column("'waiting'"))
        .order_by(_waiting.c.rank, _waiting.c.id)
        .limit(sa.literal_column("1"))
        .correlate(given)
        .scalar_subquery()
    )
    head = sa.select(_head.c.id).where(
        _head.c.lane == given.c.value,
        _head.c.state.in_([sa.literal_column(f"'{state}'") for state in t.HEAD]),
    )
    blocking = sa.select(_other.c.id).where(
        _other.c.lane == given.c.value,
        _other.c.state == sa.literal_column("'parked'"),
        _other.c.blocks == sa.literal_column("1"),
    )
    free = [~sa.exists(found.correlate(given)) for found in (head, blocking)]
    # One that is to be probed when its turn comes says so.
    state = sa.func.coalesce(_o.claimed_from, sa.literal_column("'ready'"))
    return (
        sa.update(t.operation)
        .where(_o.id.in_(sa.select(first).select_from(given).where(*free)))
        .values(state=state, claimed_from=None)
    )


def of_ticket(row: TicketRow | int) -> str:
    """Name the lane of an existing ticket."""
    return f"t{row}"


def of_link(link_id: LinkRow | int, target: Side) -> str:
    """Name the lane of a ticket that a link has yet to create."""
    return f"l{link_id}:{target}"


def promote(tx: Tx, lanes: Collection[str]) -> int:
    """Make the next operation of each lane its head, where it has none; return how many."""
    if not lanes:
        return 0
    return tx.run(_promote(tx.is_postgres), {"lanes": tx.many(sorted(lanes))})


def arrange(tx: Tx, lanes: Iterable[str]) -> None:
    """Give every lane its right head after operations were added or taken away.

    A head that is only ready steps back behind one of lower rank: a closing status waits for the
    comment planned after it.
    """
    wanted = sorted(set(lanes))
    for lane in wanted:
        head = tx.first(_READY_HEAD, {"of_lane": lane})
        if head is not None and tx.scalar(_BETTER, {"of_lane": lane, "rank": head.rank}):
            tx.run(_STEP_BACK, {"operation": head.id})
    promote(tx, wanted)
