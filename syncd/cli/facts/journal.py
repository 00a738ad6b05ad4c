"""Lines of the journal with the numbers people know tickets by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncd.model.ids import LinkRow, Side, TicketRow
from syncd.store import journal, links, tickets
from syncd.store.database import Tx
from syncd.store.records import JournalFilter, JournalLine

CHUNK = 500
"""Lines read at once while following."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Which lines are shown.

    Attributes:
        where: what the store picks by.
        ticket: only lines about this ticket and its links; None: any.
    """

    where: JournalFilter
    ticket: TicketRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldLine:
    """One line, with ticket numbers instead of rows."""

    id: int
    at: datetime
    event: str
    detail: str
    tickets: tuple[str, ...]
    connection: str
    mapping: str
    operation: int | None
    correlation_id: str
    actor: str
    revision: str
    place: str


def newest(tx: Tx, reading: Reading, limit: int) -> list[ToldLine]:
    """Return the newest lines, oldest of them first."""
    if reading.ticket is None:
        return told(tx, journal.tail(tx, limit=limit, where=reading.where))
    about = journal.of_ticket(tx, reading.ticket, limit=limit)
    return told(tx, [each for each in about if _fits(each, reading.where)])


def after(tx: Tx, reading: Reading, last_id: int) -> list[ToldLine]:
    """Return the lines after one, oldest first."""
    if reading.ticket is None:
        found = journal.tail(tx, after_id=last_id, limit=CHUNK, where=reading.where)
        return told(tx, found)
    about = journal.of_ticket(tx, reading.ticket, limit=CHUNK)
    return told(tx, [each for each in about if each.id > last_id and _fits(each, reading.where)])


def _fits(found: JournalLine, where: JournalFilter) -> bool:
    line = found.line
    return (
        where.connection in (None, line.connection)
        and where.mapping in (None, line.mapping)
        and (where.since is None or line.at >= where.since)
    )


def told(tx: Tx, found: Sequence[JournalLine]) -> list[ToldLine]:
    """Put numbers into lines."""
    by_link = _numbers_of_links(tx, {each.line.link for each in found if each.line.link})
    rows = {each.line.ticket for each in found if each.line.ticket and not each.line.link}
    by_ticket = _numbers(tx, rows)
    made = []
    for each in found:
        line = each.line
        numbers: tuple[str, ...] = ()
        if line.link is not None:
            numbers = by_link.get(line.link, ())
        elif line.ticket is not None:
            numbers = (by_ticket.get(line.ticket, ""),)
        made.append(
            ToldLine(
                id=each.id,
                at=line.at,
                event=line.event,
                detail=line.detail,
                tickets=numbers,
                connection=line.connection,
                mapping=line.mapping,
                operation=line.operation,
                correlation_id=line.correlation_id,
                actor=line.actor,
                revision=line.revision,
                place=line.place,
            )
        )
    return made


def _numbers(tx: Tx, rows: Iterable[TicketRow]) -> dict[TicketRow, str]:
    wanted = sorted(rows)
    if not wanted:
        return {}
    stored = tickets.load_tickets(tx, wanted)
    return {row: one.number or one.external_id or "" for row, one in stored.items()}


def _numbers_of_links(tx: Tx, ids: Iterable[LinkRow]) -> dict[LinkRow, tuple[str, ...]]:
    records = {link_id: links.get(tx, link_id) for link_id in sorted(ids)}
    numbers = _numbers(tx, {row for each in records.values() for row in each.rows.values()})
    return {
        link_id: tuple(numbers.get(record.rows[side], "") for side in Side if side in record.rows)
        for link_id, record in records.items()
    }
