"""Links that a follow-up ended, and those that took their place."""

from datetime import datetime

import sqlalchemy as sa

from syncd.model.ids import LinkRow
from syncd.store import codec, journal
from syncd.store import tables as t
from syncd.store.records import Line, LinkPhase
from syncd.store.tx import Tx

_FOLLOW_UP = sa.select(t.baseline.c.value).where(
    t.baseline.c.link == sa.bindparam("link"), t.baseline.c.slot == sa.bindparam("slot")
)


def give_way(tx: Tx, link_id: LinkRow, *, now: datetime) -> None:
    """End a link whose ITSM ticket gets another partner; what is due elsewhere still goes out."""
    ended = {"tombstone_at": now, "phase": LinkPhase.REMOVED}
    tx.run(
        sa.update(t.link)
        .where(t.link.c.id == link_id, t.link.c.tombstone_at.is_(None))
        .values(ended)
    )
    told = "a follow-up takes its place"
    journal.append(tx, Line(at=now, event="link.removed", detail=told, link=link_id))


def follow_up_of(tx: Tx, link_id: LinkRow, slot: str) -> str:
    """Return what a link keeps of a follow-up (`FOLLOWS`, `FOLLOWED`): a number; empty for none."""
    value = tx.scalar(_FOLLOW_UP, {"link": link_id, "slot": slot})
    return "" if value is None else str(codec.load(value))
