"""Joining two rows that turn out to be one ticket: known by number, and by id."""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.model.ids import TicketRow
from syncd.model.operation import OperationState
from syncd.store import journal, lanes
from syncd.store import tables as t
from syncd.store.records import Line, LinkPhase
from syncd.store.tx import Tx, among


def merge_rows(tx: Tx, *, lost: TicketRow, kept: TicketRow, now: datetime) -> bool:
    """Let `kept` take over everything that names `lost`, and remove `lost`.

    A link of `lost` whose place is already taken by a link of `kept` becomes a tombstone.

    Returns:
        False when both have a write under way: then nothing is done, to be tried again later.
    """
    c = t.ticket.c
    if _is_busy(tx, lost) and _is_busy(tx, kept):
        return False
    before = tx.first(sa.select(c.watched, c.number).where(c.id == lost))
    if before is not None and before.watched:
        tx.run(sa.update(t.ticket).where(c.id == kept).values(watched=True, next_poll_at=now))
    if before is not None and before.number:
        # What was known by its number only is still asked for by it.
        nameless = sa.update(t.ticket).where(c.id == kept, c.number == "")
        tx.run(nameless.values(number=before.number))
    _tombstone_doubles(tx, lost, kept, now)
    for column in (t.link.c.itsm_ticket, t.link.c.vendor_ticket):
        tx.run(sa.update(t.link).where(column == lost).values({column: kept}))
    o = t.operation.c
    # Heads that are only ready queue up again, so that the joined queue has one head at most.
    for row in (lost, kept):
        tx.run(
            sa.update(t.operation)
            .where(o.lane == lanes.of_ticket(row), o.state == OperationState.READY)
            .values(state=OperationState.WAITING)
        )
    tx.run(
        sa.update(t.operation)
        .where(o.target_row == lost)
        .values(target_row=kept, lane=lanes.of_ticket(kept))
    )
    tx.run(sa.update(t.operation).where(o.source_row == lost).values(source_row=kept))
    k = t.own_key.c
    tx.run(sa.update(t.own_key).where(k.target_row == lost).values(target_row=kept))
    tx.run(sa.update(t.journal).where(t.journal.c.ticket == lost).values(ticket=kept))
    tx.run(sa.delete(t.ticket).where(c.id == lost))
    lanes.arrange(tx, [lanes.of_ticket(kept)])
    journal.append(
        tx, Line(at=now, event="ticket.merged", detail="known by number before", ticket=kept)
    )
    return True


def merge_known_by_word(tx: Tx, kept: TicketRow, words: Collection[str], *, now: datetime) -> bool:
    """Join rows that are known by one word only to the one that turns out to be that ticket.

    To be done before anything is decided about it: the other row may have a link.

    Args:
        tx: the transaction.
        kept: the row of the ticket that was read.
        words: its number and its id: an operator may have given either.
        now: when.

    Returns:
        False when it has to be tried again later.
    """
    given = {"kept": kept, "words": tx.many(word for word in words if word)}
    found = tx.scalars(_known_by_word(tx.is_postgres), given)
    return all(merge_rows(tx, lost=TicketRow(lost), kept=kept, now=now) for lost in found)


@cache
def _known_by_word(is_postgres: bool) -> sa.Select[Any]:
    c, k = t.ticket.c, t.ticket.alias().c
    return sa.select(c.id).where(
        among(c.number, "words", is_postgres=is_postgres),
        # Not `IS NULL`, or SQLite walks all rows without an id instead of those of that number.
        sa.func.coalesce(c.external_id, "") == "",
        k.id == sa.bindparam("kept"),
        c.id != k.id,
        c.connection == k.connection,
        c.kind == k.kind,
    )


def _is_busy(tx: Tx, row: TicketRow) -> bool:
    o = t.operation.c
    busy = t.state_in(OperationState.CLAIMED, OperationState.SENDING, OperationState.UNKNOWN)
    query = sa.select(o.id).where(o.lane == lanes.of_ticket(row), busy)
    return tx.scalar(query.limit(1)) is not None


def _tombstone_doubles(tx: Tx, lost: TicketRow, kept: TicketRow, now: datetime) -> None:
    k = t.link.alias()
    live = (t.link.c.tombstone_at.is_(None), k.c.tombstone_at.is_(None))
    taken = sa.or_(
        sa.and_(
            t.link.c.itsm_ticket == lost,
            k.c.itsm_ticket == kept,
            k.c.mapping == t.link.c.mapping,
        ),
        sa.and_(t.link.c.vendor_ticket == lost, k.c.vendor_ticket == kept),
    )
    doubles = tx.scalars(sa.select(t.link.c.id).join(k, sa.and_(taken, *live)))
    for link in doubles:
        tx.run(
            sa.update(t.link)
            .where(t.link.c.id == link)
            .values(tombstone_at=now, phase=LinkPhase.REMOVED)
        )
        detail = "its ticket is the ticket of another link"
        journal.append(tx, Line(at=now, event="link.removed", detail=detail, link=link))
