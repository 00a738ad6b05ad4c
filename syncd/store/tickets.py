"""Tickets: becoming known, being due, being read; set-based, for there may be 100,000 of them.

A ticket is due when `read_due_at` (something was seen, asked for, or written) or `next_poll_at`
(its turn) has come. Two counters on each row keep reads honest: `write_epoch` moves when a write to
it is claimed and when its outcome is stored, `sight_epoch` when it is seen or hastened; a read
notes both when it starts.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import sqlalchemy as sa

from syncd.model.errors import BrokenInvariant, ensure
from syncd.model.ids import ConnectionName, TicketId, TicketRow
from syncd.model.ticket import Ticket
from syncd.ports.adapter import Sighting, TicketRef
from syncd.store import codec, journal
from syncd.store import tables as t
from syncd.store.merging import merge_known_by_word, merge_rows
from syncd.store.records import ITS_TURN, DueRead, Line, SaveResult, StoredTicket
from syncd.store.sighted import insertion, new_values, sight_chunk
from syncd.store.tx import Row, Tx, among
from syncd.store.types import Instant, sooner
from syncd.store.watching import Turn, turn_of

TURNS_SHARE = 4
"""One in so many of the tickets read in a round is one whose turn it is, if any is."""

GONE_A_ROUND = 2
"""Tickets that are gone and looked for again in a round, beside those that are there."""

LOOKED_FOR = "it was gone: looked for again"
"""The cause of such a read."""

CHUNK = 5_000
"""Tickets compared at once: bounds memory and one parameter's size."""

_c = t.ticket.c
_P = sa.bindparam

_DUE_COLUMNS = (
    _c.id, _c.kind, _c.external_id, _c.number, _c.write_epoch, _c.sight_epoch, _c.cause,
    _c.read_failures, _c.watched, _c.read_due_at, _c.next_poll_at, _c.gone_at,
)  # fmt: skip
_NOT_IN_FLIGHT = ~sa.exists().where(t.operation.c.target_row == _c.id, t.state_in(*t.IN_FLIGHT))
_DUE_SEEN = (
    sa.select(*_DUE_COLUMNS)
    .where(
        _c.connection == _P("connection"),
        _c.read_due_at.is_not(None),
        _c.gone_at.is_(None),
        _c.read_due_at <= _P("now", type_=Instant()),
        _NOT_IN_FLIGHT,
    )
    .order_by(_c.read_due_at)
    .limit(_P("most", type_=sa.Integer()))
)
_DUE_TURN = (
    sa.select(*_DUE_COLUMNS)
    .where(
        _c.connection == _P("connection"),
        _c.next_poll_at.is_not(None),
        _c.gone_at.is_(None),
        _c.next_poll_at <= _P("now", type_=Instant()),
        _NOT_IN_FLIGHT,
    )
    .order_by(_c.next_poll_at)
    .limit(_P("most", type_=sa.Integer()))
)
_DUE_GONE = (
    sa.select(*_DUE_COLUMNS)
    .where(
        _c.connection == _P("connection"),
        _c.next_poll_at.is_not(None),
        _c.gone_at.is_not(None),
        _c.next_poll_at <= _P("now", type_=Instant()),
        _NOT_IN_FLIGHT,
    )
    .order_by(_c.next_poll_at)
    .limit(GONE_A_ROUND)
)
_FOR_SAVE = sa.select(
    _c.write_epoch,
    _c.sight_epoch,
    _c.digest,
    _c.external_id,
    _c.number,
    _c.read_due_at,
    _c.next_poll_at,
    _c.read_failures,
    _c.gone_at,
    _c.decide_due_at,
    _c.read_at,
    (~_NOT_IN_FLIGHT).label("in_flight"),
).where(_c.id == _P("row"))


_UPDATE = sa.update(t.ticket).where(_c.id == _P("row"))
_SNAPSHOT = sa.select(_c.snapshot).where(_c.id == _P("row"))
_BY_ROW = sa.select(t.ticket).where(_c.id == _P("row"))
_LOCK = sa.select(_c.id).where(_c.id == _P("row")).with_for_update()
_SET_DECIDE_DUE = (
    sa.update(t.ticket)
    .where(_c.id == _P("row"), _c.decide_due_at.is_distinct_from(_P("at", type_=Instant())))
    .values(decide_due_at=_P("at", type_=Instant()))
)


# --- becoming known --------------------------------------------------------------------------


def sight(
    tx: Tx,
    connection: ConnectionName,
    kind: str,
    sightings: Sequence[Sighting],
    *,
    now: datetime,
    watched: bool = False,
) -> int:
    """Take in what a feed or scan saw: unknown tickets become known, changed ones due.

    One whose digest equals the stored one costs no write. Of several sightings of one ticket the
    last counts.

    Args:
        tx: the transaction.
        connection: where they were seen.
        kind: kind of ticket.
        sightings: what was seen; those without an id are known by number until they are read.
        now: what becomes due is due now.
        watched: new ones are polled by number from now on.

    Returns:
        How many tickets became due.
    """
    by_id = {seen.ref.id: seen for seen in sightings if seen.ref.id is not None}
    due = 0
    items = iter(by_id.items())
    while chunk := dict(islice(items, CHUNK)):
        due += sight_chunk(tx, connection, kind, chunk, now=now, watched=watched)
    for seen in sightings:
        if seen.ref.id is None:
            row = ensure_ticket(
                tx, connection, kind, number=seen.ref.number, now=now, watched=watched
            )
            hasten(tx, [row], now, cause=seen.seen)
            due += 1
    return due


def find(
    tx: Tx,
    connection: ConnectionName,
    *,
    external_id: TicketId | None = None,
    number: str | None = None,
    kind: str | None = None,
) -> TicketRow | None:
    """Find a known ticket by id or number; rather one whose id is known."""
    asked = {"external_id": external_id, "number": number, "kind": kind}
    given = {name: value for name, value in asked.items() if value is not None}
    found = tx.scalar(_finding(*given), {"connection": connection} | given)
    return None if found is None else TicketRow(found)


@cache
def _finding(*names: str) -> sa.Select[Any]:
    # With a kind there is an index for all three. Without it, SQLite would walk the connection's
    # part of that index, which is all its tickets, rather than look up the id.
    on = _c.connection if "kind" in names else sa.func.coalesce(_c.connection, "")
    here = [_c[name] == _P(name) for name in names]
    query = sa.select(_c.id).where(on == _P("connection"), *here)
    return query.order_by(_c.external_id.is_(None), _c.id).limit(sa.literal_column("1"))


def find_anywhere(tx: Tx, word: str) -> list[TicketRow]:
    """Find tickets by what an operator types: a number or an id, on any connection."""
    query = sa.select(_c.id).where(sa.or_(_c.number == word, _c.external_id == word))
    return [TicketRow(found) for found in tx.scalars(query.order_by(_c.id))]


def ensure_ticket(
    tx: Tx,
    connection: ConnectionName,
    kind: str,
    *,
    external_id: TicketId | None = None,
    number: str = "",
    now: datetime,
    watched: bool = False,
) -> TicketRow:
    """Return the ticket's row, made when it is not known yet (and then due to be read).

    A row known only by this number learns the id. At least one of id and number is given.
    """
    ensure(external_id or number, "a ticket is known by its id or its number")
    found = None
    if external_id is not None:
        found = find(tx, connection, external_id=external_id, kind=kind)
    if found is None and number:
        by_number = find(tx, connection, number=number, kind=kind)
        if by_number is not None and _may_be(tx, by_number, external_id):
            found = by_number
    if found is None:
        values = new_values(connection, kind, external_id, number, now=now, watched=watched)
        if watched:
            values["next_poll_at"] = now
        made = tx.scalar(_making(tx.is_postgres), values)
        if made is not None:
            return TicketRow(made)
        # Another process was quicker by a moment.
        found = find(tx, connection, external_id=external_id, kind=kind)
        if found is None:
            raise BrokenInvariant("a ticket that is in the way is there")
    _learn(tx, found, external_id, number, watched=watched, now=now)
    return found


@cache
def _making(is_postgres: bool) -> sa.Executable:
    return insertion(is_postgres).returning(_c.id)


_EXTERNAL_ID = sa.select(_c.external_id).where(_c.id == _P("row"))
_KNOWN = sa.select(_c.external_id, _c.number, _c.watched).where(_c.id == _P("row"))


def _may_be(tx: Tx, row: TicketRow, external_id: TicketId | None) -> bool:
    known = tx.scalar(_EXTERNAL_ID, {"row": row})
    return external_id is None or known is None or known == external_id


def _learn(
    tx: Tx,
    row: TicketRow,
    external_id: TicketId | None,
    number: str,
    *,
    watched: bool,
    now: datetime,
) -> None:
    values: dict[str, Any] = {}
    known = tx.first(_KNOWN, {"row": row})
    ensure(known is not None, "a row just found is there")
    if known is None:
        return
    if external_id is not None and known.external_id is None:
        values["external_id"] = external_id
    if number and not known.number:
        values["number"] = number
    if watched and not known.watched:
        values |= {"watched": True, "next_poll_at": now}
    if values:
        tx.run(_UPDATE, {"row": row} | values)


# --- being due -------------------------------------------------------------------------------


def due_reads(tx: Tx, connection: ConnectionName, *, now: datetime, limit: int) -> list[DueRead]:
    """Return tickets to be read now: what was seen or asked for first, then those whose turn it is.

    Each has waited longest of its sort, so that none starves behind many hot ones; and however
    much was seen, a part of each answer is kept for those whose turn it is.

    Left out: tickets with a write claimed or being sent. Of those that are gone, few at a time are
    looked for again when it is time to.
    """
    values = {"connection": connection, "now": now, "most": limit}
    seen = tx.rows(_DUE_SEEN, values)
    turns = tx.rows(_DUE_TURN, values)
    kept = min(len(turns), limit // TURNS_SHARE)
    found = {row.id: row for row in (*seen[: limit - kept], *turns)}
    for row in seen:
        found.setdefault(row.id, row)
    gone = tx.rows(_DUE_GONE, {"connection": connection, "now": now})
    return [_due(connection, row) for row in (*islice(found.values(), limit), *gone)]


def _due(connection: ConnectionName, row: Row) -> DueRead:
    return DueRead(
        row=TicketRow(row.id),
        connection=connection,
        ref=TicketRef(kind=row.kind, id=row.external_id, number=row.number),
        write_epoch=row.write_epoch,
        sight_epoch=row.sight_epoch,
        cause=_cause(row),
        failures=row.read_failures,
        watched=row.watched,
        gone_at=row.gone_at,
    )


def _cause(row: Row) -> str:
    if row.read_due_at is not None:
        return str(row.cause)
    return ITS_TURN if row.gone_at is None else LOOKED_FOR


def due_read(tx: Tx, row: TicketRow) -> DueRead | None:
    """Return one ticket as if due, for a read that an operator waits for; None when not known."""
    found = tx.first(sa.select(*_DUE_COLUMNS, _c.connection).where(_c.id == row))
    return None if found is None else _due(ConnectionName(found.connection), found)


_FIRST_DUE = tuple(
    sa.select(sa.func.min(column)).where(
        _c.connection == _P("connection"), whether, column.is_not(None)
    )
    for column, whether in (
        (_c.read_due_at, _c.gone_at.is_(None)),
        (_c.next_poll_at, _c.gone_at.is_(None)),
        (_c.next_poll_at, _c.gone_at.is_not(None)),
    )
)


def next_due(tx: Tx, connection: ConnectionName) -> datetime | None:
    """Say when the next ticket of a connection is due to be read; None: none is."""
    found = (tx.scalar(query, {"connection": connection}) for query in _FIRST_DUE)
    times = [at for at in found if at is not None]
    return min(times) if times else None


def hasten(tx: Tx, rows: Collection[TicketRow], at: datetime, *, cause: str = "asked for") -> None:
    """Make tickets due at an instant (or earlier, where they already are), gone ones too."""
    if rows:
        given = {"rows": tx.many(rows), "at": at, "why": cause}
        tx.run(_hastening(tx.is_postgres), given)


@cache
def _hastening(is_postgres: bool) -> sa.Update:
    rows = among(_c.id, "rows", is_postgres=is_postgres)
    return (
        sa.update(t.ticket)
        .where(rows)
        .values(
            read_due_at=sooner(_c.read_due_at, _P("at", type_=Instant())),
            sight_epoch=_c.sight_epoch + 1,
            cause=_P("why"),
            gone_at=None,
        )
    )


_DECIDE_DUE = (
    sa.select(_c.id)
    .where(_c.decide_due_at.is_not(None), _c.decide_due_at <= _P("now"))
    .order_by(_c.decide_due_at, _c.id)
    .limit(_P("most", type_=sa.Integer()))
)
# Hardly ever needed, and a list is spelt out anew each time.
_DECIDE_DUE_BUT = _DECIDE_DUE.where(_c.connection.not_in(_P("but_of", expanding=True)))


def decide_due(
    tx: Tx, *, now: datetime, limit: int, but_of: Collection[ConnectionName] = ()
) -> list[TicketRow]:
    """Return tickets about which a decision is due, longest waiting first; none of `but_of`."""
    given: dict[str, Any] = {"now": now, "most": limit}
    if not but_of:
        return [TicketRow(found) for found in tx.scalars(_DECIDE_DUE, given)]
    given["but_of"] = list(but_of)
    return [TicketRow(found) for found in tx.scalars(_DECIDE_DUE_BUT, given)]


def set_decide_due(tx: Tx, row: TicketRow, at: datetime | None) -> None:
    """Say when to decide about a ticket again; None: when something changes."""
    tx.run(_SET_DECIDE_DUE, {"row": row, "at": at})


def decide_by(tx: Tx, rows: Collection[TicketRow], at: datetime) -> None:
    """See to it that these tickets are decided about at an instant, or earlier."""
    if rows:
        tx.run(_deciding(tx.is_postgres), {"rows": tx.many(rows), "at": at})


@cache
def _deciding(is_postgres: bool) -> sa.Update:
    rows = among(_c.id, "rows", is_postgres=is_postgres)
    due = sooner(_c.decide_due_at, _P("at", type_=Instant()))
    return sa.update(t.ticket).where(rows).values(decide_due_at=due)


# --- being read ------------------------------------------------------------------------------


def save_read(
    tx: Tx,
    due: DueRead,
    ticket: Ticket,
    *,
    now: datetime,
    next_poll_at: Turn = None,
    started_at: datetime | None = None,
    refuse: Callable[[Ticket], bool] | None = None,
) -> SaveResult:
    """Store what was read, unless a write overlapped the read (DESIGN R1).

    Args:
        tx: the transaction.
        due: as `due_reads` gave it before the read started.
        ticket: what came of it.
        now: when it came.
        next_poll_at: its next turn, or what tells it from when something last happened to the
            ticket or its partners; None: only when something is seen.
        started_at: when the read began; None: now.
        refuse: asked, with what is known, before another content is stored; None: all is believed.
    """
    if tx.is_postgres:
        tx.rows(_LOCK, {"row": due.row})
    stored = tx.first(_FOR_SAVE, {"row": due.row})
    if stored is None or stored.write_epoch != due.write_epoch or stored.in_flight:
        return _discard(tx, due.row, now)
    ensure(stored.external_id in (None, ticket.id), "an adapter gives the ticket it was asked for")
    if stored.external_id is None:
        other = find(tx, due.connection, external_id=ticket.id, kind=due.ref.kind)
        if other is not None and other != due.row:
            merged = merge_rows(tx, lost=due.row, kept=other, now=now)
            return _discard(tx, other if merged else due.row, now)
    words = (ticket.number, ticket.id)
    if stored.digest is None and not merge_known_by_word(tx, due.row, words, now=now):
        return _discard(tx, due.row, now)
    text, digest = codec.encode_ticket(ticket)
    last_at = stored.read_at if digest == stored.digest else now
    turn = turn_of(tx, due.row, next_poll_at, last_read_at=last_at, now=now)
    values = _after_read(due, stored, turn)
    if digest == stored.digest:
        if stored.decide_due_at is not None:
            # What waits to be decided is decided from a state as fresh as this.
            values["read_at"] = started_at or now
        if values:
            tx.run(_UPDATE, {"row": due.row} | values)
        return SaveResult.UNCHANGED
    if refuse is not None and (known := _snapshot(tx, due.row)) is not None and refuse(known):
        return SaveResult.REFUSED
    values |= {
        "snapshot": text,
        "digest": digest,
        "external_id": ticket.id,
        "number": ticket.number or stored.number,
        "provider_created_at": ticket.created_at,
        "read_at": started_at or now,
        "decide_due_at": now,
    }
    tx.run(_UPDATE, {"row": due.row} | values)
    return SaveResult.CHANGED


_SNAPSHOT = sa.select(_c.snapshot).where(_c.id == _P("row"))


def _snapshot(tx: Tx, row: TicketRow) -> Ticket | None:
    text = tx.scalar(_SNAPSHOT, {"row": row})
    return None if text is None else codec.decode_ticket(text)


def _after_read(due: DueRead, stored: Row, next_poll_at: datetime | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    # Seen again while it was being read: what was read may be from before that.
    if stored.read_due_at is not None and stored.sight_epoch == due.sight_epoch:
        values["read_due_at"] = None
    if stored.next_poll_at != next_poll_at:
        values["next_poll_at"] = next_poll_at
    if stored.read_failures:
        values |= {"read_failures": 0, "read_error": ""}
    if stored.gone_at is not None:
        values["gone_at"] = None
    return values


def _discard(tx: Tx, row: TicketRow, now: datetime) -> SaveResult:
    tx.run(_READ_AGAIN, {"row": row, "now": now})
    return SaveResult.DISCARDED


_READ_AGAIN = (
    sa.update(t.ticket)
    .where(_c.id == _P("row"), _c.read_due_at.is_(None))
    .values(read_due_at=_P("now"), cause=sa.literal_column("'a write overlapped the last read'"))
)


_FAILURES = sa.select(_c.read_failures, _c.gone_at).where(_c.id == _P("row"))


def read_failed(
    tx: Tx,
    row: TicketRow,
    *,
    now: datetime,
    retry_at: datetime,
    error: str,
    gone: bool = False,
    look_at: datetime | None = None,
) -> int:
    """Note that a read failed; the ticket is due again at `retry_at`, or gone.

    Args:
        tx: the transaction.
        row: the ticket.
        now: when it failed.
        retry_at: when one that is not gone is read again.
        error: why.
        gone: it is believed gone from now on.
        look_at: when one that is gone is looked for again; None: when something names it.

    Returns:
        Failures in a row, this one included.
    """
    stored = tx.first(_FAILURES, {"row": row})
    failures = 1 + (0 if stored is None else stored.read_failures)
    values: dict[str, Any] = {"read_failures": failures, "read_error": error[:2_000]}
    if stored is not None and stored.gone_at is not None:
        values |= {"next_poll_at": look_at}
    elif gone:
        # Without its digest, the first read after it came back is a change, whatever it shows.
        values |= {"gone_at": now, "read_due_at": None, "decide_due_at": now, "digest": None}
        values |= {"next_poll_at": look_at}
        line = Line(at=now, event="ticket.gone", detail=error, ticket=row)
        journal.append(tx, line)
    else:
        values |= {"read_due_at": retry_at, "next_poll_at": None}
    tx.run(_UPDATE, {"row": row} | values)
    return failures


def mark_stray(tx: Tx, row: TicketRow, reason: str, now: datetime) -> None:
    """Note that a ticket carries a marker nobody here knows: it is never given a partner."""
    if tx.run(sa.update(t.ticket).where(_c.id == row, ~_c.stray).values(stray=True)):
        journal.append(tx, Line(at=now, event="ticket.stray", detail=reason, ticket=row))


# --- looking ---------------------------------------------------------------------------------


def load_tickets(tx: Tx, rows: Collection[TicketRow]) -> dict[TicketRow, StoredTicket]:
    """Load tickets with their snapshots."""
    if not rows:
        return {}
    if len(rows) == 1:
        found = tx.rows(_BY_ROW, {"row": next(iter(rows))})
    else:
        found = tx.rows(_by_rows(tx.is_postgres), {"rows": tx.many(rows)})
    return {TicketRow(row.id): stored_ticket(row) for row in found}


@cache
def _by_rows(is_postgres: bool) -> sa.Select[Any]:
    return sa.select(t.ticket).where(among(_c.id, "rows", is_postgres=is_postgres))


def stored_ticket(row: Row) -> StoredTicket:
    """Make the value of a whole row of the table."""
    return StoredTicket(
        row=TicketRow(row.id),
        connection=ConnectionName(row.connection),
        kind=row.kind,
        external_id=row.external_id,
        number=row.number,
        snapshot=None if row.snapshot is None else codec.decode_ticket(row.snapshot),
        write_epoch=row.write_epoch,
        provider_created_at=row.provider_created_at,
        first_seen_at=row.first_seen_at,
        read_at=row.read_at,
        read_due_at=row.read_due_at,
        next_poll_at=row.next_poll_at,
        read_failures=row.read_failures,
        read_error=row.read_error,
        watched=row.watched,
        gone_at=row.gone_at,
        stray=row.stray,
        decide_due_at=row.decide_due_at,
    )


def known_rows(tx: Tx, connection: ConnectionName) -> Iterator[TicketRow]:
    """Go through all tickets of a connection that are not gone."""
    query = sa.select(_c.id).where(_c.connection == connection, _c.gone_at.is_(None))
    return (TicketRow(found) for found in tx.scalars(query.order_by(_c.id)))
