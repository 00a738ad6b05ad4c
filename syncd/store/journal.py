"""The journal: append-only lines that tell what was seen, decided, sent and answered."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.model.ids import LinkRow, OperationId, TicketRow
from syncd.store import tables as t
from syncd.store.bulk import Bulk
from syncd.store.records import JournalFilter, JournalLine, Line
from syncd.store.tx import Row, Tx, among

DETAIL_CHARS_MAX = 4_000

_INSERT = Bulk(lambda v, names: v.insert(t.journal, names))


def append(tx: Tx, *lines: Line) -> None:
    """Add lines, in order."""
    _INSERT.run(tx, [_values(line) for line in lines])


def of_ticket(tx: Tx, row: TicketRow, *, limit: int = 500) -> list[JournalLine]:
    """Return the newest lines about a ticket and its links, oldest of them first."""
    links = sa.select(t.link.c.id).where(
        sa.or_(t.link.c.itsm_ticket == row, t.link.c.vendor_ticket == row)
    )
    about = sa.or_(t.journal.c.ticket == row, t.journal.c.link.in_(links))
    newest = sa.select(t.journal).where(about).order_by(t.journal.c.id.desc()).limit(limit)
    return [_read(found) for found in reversed(tx.rows(newest))]


def was_told(
    tx: Tx,
    line: Line,
    *,
    after: datetime | None = None,
    until: datetime | None = None,
) -> bool:
    """Whether the same was written about a ticket, a mapping and its revision.

    Args:
        tx: the transaction.
        line: its detail, where empty, may be any.
        after: only lines after that instant; None: any.
        until: only lines up to that instant; None: any.
    """
    c = t.journal.c
    query = sa.select(c.id).where(
        c.ticket == line.ticket,
        c.event == line.event,
        c.mapping == line.mapping,
        c.revision == line.revision,
    )
    if line.detail:
        query = query.where(c.detail == line.detail)
    if after is not None:
        query = query.where(c.at > after)
    if until is not None:
        query = query.where(c.at <= until)
    return tx.scalar(query.limit(1)) is not None


def was_ever_told(tx: Tx, row: TicketRow, events: Collection[str], *, mapping: str) -> bool:
    """Whether any of these events was written about a ticket and a mapping, under any revision."""
    given = {"ticket": row, "mapping": mapping, "events": tx.many(events)}
    return tx.scalar(_ever_told(tx.is_postgres), given) is not None


@cache
def _ever_told(is_postgres: bool) -> sa.Select[Any]:
    c, given = t.journal.c, sa.bindparam
    told = among(c.event, "events", is_postgres=is_postgres)
    here = (c.ticket == given("ticket"), c.mapping == given("mapping"), told)
    return sa.select(c.id).where(*here).limit(sa.literal_column("1"))


def last_told(tx: Tx, row: TicketRow, event: str, *, mapping: str) -> Line | None:
    """Give the newest line of an event about a ticket and a mapping, under any revision."""
    found = tx.first(_LAST_TOLD, {"ticket": row, "mapping": mapping, "event": event})
    return None if found is None else _read(found).line


_LAST_TOLD = (
    sa.select(t.journal)
    .where(
        t.journal.c.ticket == sa.bindparam("ticket"),
        t.journal.c.mapping == sa.bindparam("mapping"),
        t.journal.c.event == sa.bindparam("event"),
    )
    .order_by(t.journal.c.id.desc())
    .limit(sa.literal_column("1"))
)


def tail(
    tx: Tx,
    *,
    after_id: int | None = None,
    limit: int = 200,
    where: JournalFilter | None = None,
) -> list[JournalLine]:
    """Return lines, oldest first.

    Args:
        tx: the transaction.
        after_id: lines after this one, to follow the journal; None: the newest `limit`.
        limit: most lines returned.
        where: which lines; None: all.
    """
    query = sa.select(t.journal).where(*_conditions(where or JournalFilter())).limit(limit)
    if after_id is None:
        return [_read(found) for found in reversed(tx.rows(query.order_by(t.journal.c.id.desc())))]
    query = query.where(t.journal.c.id > after_id).order_by(t.journal.c.id)
    return [_read(found) for found in tx.rows(query)]


def last_id(tx: Tx) -> int:
    """Return the newest line's id; 0 when there is none."""
    return int(tx.scalar(sa.select(sa.func.max(t.journal.c.id))) or 0)


def _conditions(where: JournalFilter) -> Sequence[sa.ColumnElement[bool]]:
    found = [
        t.journal.c[name] == value
        for name in ("connection", "mapping", "ticket", "event")
        if (value := getattr(where, name)) is not None
    ]
    if where.since is not None:
        found.append(t.journal.c.at >= where.since)
    return found


def _values(line: Line) -> dict[str, Any]:
    return {
        "at": line.at,
        "event": line.event,
        "detail": line.detail[:DETAIL_CHARS_MAX],
        "correlation_id": line.correlation_id,
        "connection": line.connection,
        "ticket": line.ticket,
        "link": line.link,
        "operation": line.operation,
        "mapping": line.mapping,
        "actor": line.actor,
        "revision": line.revision,
        "place": line.place,
    }


def _read(found: Row) -> JournalLine:
    line = Line(
        at=found.at,
        event=found.event,
        detail=found.detail,
        correlation_id=found.correlation_id,
        connection=found.connection,
        ticket=None if found.ticket is None else TicketRow(found.ticket),
        link=None if found.link is None else LinkRow(found.link),
        operation=None if found.operation is None else OperationId(found.operation),
        mapping=found.mapping,
        actor=found.actor,
        revision=found.revision,
        place=found.place,
    )
    return JournalLine(id=found.id, line=line)
