"""What `status`, `explain` and the metrics show: facts as values, nothing judged or formatted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.core.state import FOLLOWED, FOLLOWS, WITHHELD, BaselineState, ItemPair
from syncd.model.errors import CommandRefused
from syncd.model.ids import ConnectionName, LinkRow, TicketRow
from syncd.model.operation import OperationState
from syncd.model.ticket import Value
from syncd.store import (
    codec,
    connections,
    counting,
    feeds,
    following,
    journal,
    links,
    mappings,
    operations,
    tickets,
)
from syncd.store import tables as t
from syncd.store.conflicts import list_open
from syncd.store.records import (
    ConflictRecord,
    ConnectionRecord,
    FeedRecord,
    JournalLine,
    LinkRecord,
    MappingRecord,
    OperationRecord,
    StoredTicket,
    TicketCounts,
)
from syncd.store.tx import Tx

PARKED_MAX = 100
LATENCY_SAMPLE = 1_000
"""Newest applied operations that a latency is taken from."""

_o = t.operation.c
_k = t.link.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Figures for monitoring.

    Attributes:
        operations: (connection, state) -> open and parked operations.
        oldest_undelivered_at: when the change of the oldest open operation was seen.
        parked: (connection, reason) -> operations that wait for a person.
        conflicts: unresolved ones.
        inbox: items not taken care of.
        links: (mapping, phase) -> links, tombstones left out.
        tickets: by connection.
    """

    operations: Mapping[tuple[str, str], int]
    oldest_undelivered_at: datetime | None
    parked: Mapping[tuple[str, str], int]
    conflicts: int
    inbox: int
    links: Mapping[tuple[str, str], int]
    tickets: Mapping[ConnectionName, TicketCounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from reading a change to its arrival; `count` 0 when nothing arrived yet."""

    count: int = 0
    p50_s: float = 0.0
    p99_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStatus:
    """A connection's line of `syncd status`; `oldest_at`: of what is not delivered."""

    record: ConnectionRecord
    feeds: tuple[FeedRecord, ...]
    tickets: TicketCounts
    states: Mapping[str, int]
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingStatus:
    """A mapping's line of `syncd status`."""

    record: MappingRecord
    links_open: int
    links_all: int
    waiting: int
    parked: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What `syncd status` shows.

    Attributes:
        parked: operations that wait for a person, oldest first, at most PARKED_MAX.
        parked_count: how many there are.
        conflicts: slots that wait for a person.
        paused_links: links a person paused.
        connections: by name.
        mappings: by name.
        late: open operations whose change is older than asked.
        in_flight: operations being sent now; none: a restart interrupts nothing.
        inbox: items not taken care of.
        latency: of what arrived lately.
    """

    parked: tuple[OperationRecord, ...]
    parked_count: int
    conflicts: tuple[ConflictRecord, ...]
    paused_links: tuple[LinkRecord, ...]
    connections: tuple[ConnectionStatus, ...]
    mappings: tuple[MappingStatus, ...]
    late: tuple[OperationRecord, ...]
    in_flight: int
    inbox: int
    latency: Latency


_WITHHELD = (
    sa.select(t.baseline.c.value)
    .where(t.baseline.c.link == sa.bindparam("link"), t.baseline.c.slot.startswith(WITHHELD))
    .order_by(t.baseline.c.slot)
)
_UNVERIFIED = (
    sa.select(t.baseline.c.slot)
    .where(
        t.baseline.c.link == sa.bindparam("link"),
        t.baseline.c.state == BaselineState.UNVERIFIED,
    )
    .order_by(t.baseline.c.slot)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """A link of an explained ticket: its partner and everything about them.

    Attributes:
        unverified: slots of fields that were written and can never be read back.
        withheld: fields whose last change was not carried, and why.
        follows: number of the vendor's ticket that this link's one is the follow-up of.
        followed: number of the vendor's ticket that a follow-up took the place of.
    """

    link: LinkRecord
    partner: StoredTicket | None
    operations: tuple[OperationRecord, ...]
    conflicts: tuple[ConflictRecord, ...]
    pairs: tuple[ItemPair, ...]
    unverified: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    follows: str = ""
    followed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What `syncd explain` shows of a ticket."""

    ticket: StoredTicket
    links: tuple[LinkFacts, ...] = ()
    lines: tuple[JournalLine, ...] = field(default_factory=tuple)


# --- figures ---------------------------------------------------------------------------------


def metrics(tx: Tx, now: datetime) -> Metrics:
    """Count what monitoring asks for."""
    states, parked = _by_connection(tx)
    phases = (
        sa.select(_k.mapping, _k.phase, sa.func.count().label("n"))
        .where(_k.tombstone_at.is_(None))
        .group_by(_k.mapping, _k.phase)
    )
    return Metrics(
        operations=states,
        oldest_undelivered_at=_oldest(tx),
        parked=parked,
        conflicts=_count(tx, t.conflict, t.conflict.c.resolved_at.is_(None)),
        inbox=_count(tx, t.inbox, t.inbox.c.done_at.is_(None)),
        links={(row.mapping, row.phase): row.n for row in tx.rows(phases)},
        tickets=counting.counts(tx),
    )


def _by_connection(tx: Tx) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    query = (
        sa.select(_o.connection, _o.state, _o.park_reason, sa.func.count().label("n"))
        .where(t.state_in(*t.UNSETTLED))
        .group_by(_o.connection, _o.state, _o.park_reason)
    )
    states: dict[tuple[str, str], int] = {}
    parked: dict[tuple[str, str], int] = {}
    for row in tx.rows(query):
        place = (row.connection, row.state)
        states[place] = states.get(place, 0) + row.n
        if row.state == OperationState.PARKED:
            parked[row.connection, row.park_reason or ""] = row.n
    return states, parked


def _oldest(tx: Tx) -> datetime | None:
    at: datetime | None = tx.scalar(
        sa.select(sa.func.min(_o.seen_at)).where(*t.among_unsettled(*t.OPEN))
    )
    return at


def _count(tx: Tx, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    return int(tx.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0)


def latency(tx: Tx) -> Latency:
    """Measure the newest operations that arrived."""
    newest = (
        sa.select(_o.seen_at, _o.settled_at)
        .where(_o.state == OperationState.APPLIED, _o.settled_at.is_not(None))
        .order_by(_o.id.desc())
        .limit(LATENCY_SAMPLE)
    )
    times = sorted((row.settled_at - row.seen_at).total_seconds() for row in tx.rows(newest))
    if not times:
        return Latency()
    return Latency(
        count=len(times),
        p50_s=times[len(times) // 2],
        p99_s=times[min(len(times) * 99 // 100, len(times) - 1)],
    )


# --- status ----------------------------------------------------------------------------------


def status(tx: Tx, now: datetime, *, late_after: timedelta = timedelta(minutes=15)) -> Status:
    """Gather what `syncd status` shows.

    Args:
        tx: the transaction.
        now: aware UTC instant.
        late_after: an open operation whose change is older counts as late.
    """
    parked = operations.list_operations(tx, states=(OperationState.PARKED,), limit=PARKED_MAX)
    paused = sa.select(_k.id).where(_k.paused_at.is_not(None), _k.tombstone_at.is_(None))
    return Status(
        parked=tuple(parked),
        parked_count=_count(tx, t.operation, *t.among_unsettled(OperationState.PARKED)),
        conflicts=tuple(list_open(tx)),
        paused_links=tuple(links.get(tx, LinkRow(found)) for found in tx.scalars(paused)),
        connections=_connections(tx),
        mappings=_mappings(tx),
        late=tuple(
            record
            for record in operations.list_operations(tx, states=t.OPEN)
            if record.planned_at < now - late_after
        ),
        in_flight=_count(tx, t.operation, t.state_in(*t.IN_FLIGHT)),
        inbox=_count(tx, t.inbox, t.inbox.c.done_at.is_(None)),
        latency=latency(tx),
    )


def _connections(tx: Tx) -> tuple[ConnectionStatus, ...]:
    states, _ = _by_connection(tx)
    read = feeds.overview(tx)
    known = counting.counts(tx)
    oldest = {
        row.connection: row.at
        for row in tx.rows(
            sa.select(_o.connection, sa.func.min(_o.seen_at).label("at"))
            .where(*t.among_unsettled(*t.OPEN))
            .group_by(_o.connection)
        )
    }
    return tuple(
        ConnectionStatus(
            record=record,
            feeds=tuple(found for found in read if found.connection == record.pin.name),
            tickets=known.get(record.pin.name, TicketCounts()),
            states={state: n for (name, state), n in states.items() if name == record.pin.name},
            oldest_at=oldest.get(record.pin.name),
        )
        for record in connections.overview(tx)
    )


def _mappings(tx: Tx) -> tuple[MappingStatus, ...]:
    open_links = sa.func.count(sa.case((_k.phase.in_(("opening", "open")), 1)))
    of_links = {
        row.mapping: row
        for row in tx.rows(
            sa.select(_k.mapping, open_links.label("live"), sa.func.count().label("all"))
            .where(_k.tombstone_at.is_(None))
            .group_by(_k.mapping)
        )
    }
    is_parked = _o.state == OperationState.PARKED
    of_operations = {
        row.mapping: row
        for row in tx.rows(
            sa.select(
                _o.mapping,
                sa.func.count(sa.case((~is_parked, 1))).label("waiting"),
                sa.func.count(sa.case((is_parked, 1))).label("parked"),
                sa.func.min(sa.case((~is_parked, _o.seen_at))).label("oldest_at"),
            )
            .where(t.state_in(*t.UNSETTLED))
            .group_by(_o.mapping)
        )
    }
    found = []
    for record in mappings.overview(tx):
        linked, planned = of_links.get(record.name), of_operations.get(record.name)
        found.append(
            MappingStatus(
                record=record,
                links_open=linked.live if linked else 0,
                links_all=linked.all if linked else 0,
                waiting=planned.waiting if planned else 0,
                parked=planned.parked if planned else 0,
                oldest_at=planned.oldest_at if planned else None,
            )
        )
    return tuple(found)


# --- explain ---------------------------------------------------------------------------------


def explain(tx: Tx, row: TicketRow, *, lines: int = 500) -> Explanation:
    """Gather everything known about a ticket.

    Raises:
        CommandRefused: there is no such ticket.
    """
    ticket = tickets.load_tickets(tx, [row]).get(row)
    if ticket is None:
        raise CommandRefused(f"there is no ticket in row {row}")
    return Explanation(
        ticket=ticket,
        links=tuple(_link_facts(tx, row, record) for record in links.links_of(tx, row)),
        lines=tuple(journal.of_ticket(tx, row, limit=lines)),
    )


def _link_facts(tx: Tx, row: TicketRow, record: LinkRecord) -> LinkFacts:
    partner_row = next((found for found in record.rows.values() if found != row), None)
    partner = tickets.load_tickets(tx, [partner_row]) if partner_row is not None else {}
    return LinkFacts(
        link=record,
        partner=partner.get(partner_row) if partner_row is not None else None,
        operations=tuple(operations.of_link(tx, record.id)),
        conflicts=tuple(list_open(tx, link_id=record.id)),
        pairs=links.pairs_of(tx, record.id),
        unverified=tuple(tx.scalars(_UNVERIFIED, {"link": record.id})),
        withheld=tuple(str(why) for why in _withheld(tx, record.id) if why),
        follows=following.follow_up_of(tx, record.id, FOLLOWS),
        followed=following.follow_up_of(tx, record.id, FOLLOWED),
    )


def _withheld(tx: Tx, link_id: LinkRow) -> list[Value]:
    return [codec.load(value) for value in tx.scalars(_WITHHELD, {"link": link_id})]
