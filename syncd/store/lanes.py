"""Lanes: the queue of operations to one target ticket, whose head is a stored state (DESIGN R6).

The database allows one operation per lane in a head state. Within a lane the order is (rank, id): a
create, then ordinary ones as they were planned, then a closing one. A parked create keeps
everything behind it waiting, for there is no ticket to write to; so does one in doubt whose effect
could not be told from a later one's. Other parked operations let later ones pass.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from syncd.core.state import Rank
from syncd.model.ids import LinkRow, Side, TicketRow
from syncd.model.operation import OperationState
from syncd.store import tables as t
from syncd.store.tx import Tx

RANKS = {Rank.CREATE: 0, Rank.NORMAL: 1, Rank.CLOSING: 2}

_o = t.operation.c
_other = t.operation.alias()
_LANE = sa.bindparam("of_lane", type_=sa.Text())

_waiting = t.operation.alias()
_FIRST = (
    sa.select(_waiting.c.id)
    .where(_waiting.c.lane == _LANE, _waiting.c.state == sa.literal_column("'waiting'"))
    .order_by(_waiting.c.rank, _waiting.c.id)
    .limit(1)
)
_head = t.operation.alias()
_PROMOTE = (
    sa.update(t.operation)
    .where(
        _o.id == _FIRST.scalar_subquery(),
        ~sa.exists().where(
            _head.c.lane == _LANE,
            _head.c.state.in_([sa.literal_column(f"'{state}'") for state in t.HEAD]),
        ),
        ~sa.exists().where(
            _other.c.lane == _LANE,
            _other.c.state == sa.literal_column("'parked'"),
            _other.c.blocks == sa.literal_column("1"),
        ),
    )
    # One that is to be probed when its turn comes says so.
    .values(state=sa.func.coalesce(_o.claimed_from, OperationState.READY), claimed_from=None)
)
_READY_HEAD = sa.select(_o.id, _o.rank).where(
    _o.lane == _LANE, _o.state == sa.literal_column("'ready'")
)
_STEP_BACK = (
    sa.update(t.operation)
    .where(_o.id == sa.bindparam("operation"))
    .values(state=OperationState.WAITING)
)
_BETTER = _FIRST.where(_waiting.c.rank < sa.bindparam("rank"))


def of_ticket(row: TicketRow | int) -> str:
    """Name the lane of an existing ticket."""
    return f"t{row}"


def of_link(link_id: LinkRow | int, target: Side) -> str:
    """Name the lane of a ticket that a link has yet to create."""
    return f"l{link_id}:{target}"


def promote(tx: Tx, lane: str) -> bool:
    """Make the next operation of a lane its head, where it has none."""
    return tx.run(_PROMOTE, {"of_lane": lane}) > 0


def arrange(tx: Tx, lanes: Iterable[str]) -> None:
    """Give every lane its right head after operations were added or taken away.

    A head that is only ready steps back behind one of lower rank: a closing status waits for the
    comment planned after it.
    """
    for lane in sorted(set(lanes)):
        head = tx.first(_READY_HEAD, {"of_lane": lane})
        if head is not None:
            if tx.scalar(_BETTER, {"of_lane": lane, "rank": head.rank}) is None:
                continue
            tx.run(_STEP_BACK, {"operation": head.id})
        promote(tx, lane)
