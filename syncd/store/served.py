"""Served tickets: made and changed by callers of the gateway and by our own operations.

A change and everything that makes the engine look at it are one transaction: the ticket's row among
all tickets, due to be read, and a line in the journal. Each request that changed something is kept
(`served_call`), so that its repetition is known after a crash too; a unique index keeps two
processes from carrying out one key twice. The row of the served ticket is locked before any other.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson
import sqlalchemy as sa

from syncd.model.errors import BrokenInvariant, ensure
from syncd.model.ids import (
    AttachmentId,
    CommentId,
    ConnectionName,
    OperationKey,
    TicketId,
    TicketRow,
)
from syncd.model.ticket import CommentKind
from syncd.ports.adapter import Sighting, TicketRef
from syncd.ports.served import (
    SERVED_KIND,
    Applied,
    KeyReused,
    NoServedTicket,
    NoteDraft,
    ServedChange,
    ServedFile,
    ServedNote,
    ServedRequest,
    ServedRules,
    ServedSeen,
    ServedTicket,
    Written,
)
from syncd.store import connections, journal, sighted, tickets
from syncd.store import tables as t
from syncd.store.records import Line
from syncd.store.tx import Row, Tx, insert_into

STATUS_KEY = "ticketStatus"
"""The contract's name of the status (section 2 of the SmartOps contract)."""
NUMBER_DIGITS = 7
"""Shortest number after its prefix."""
NEWS_EVERY = timedelta(seconds=10)
"""How exactly it is known when a connection was last heard."""

_c = t.served_ticket.c
_P = sa.bindparam
_Parts = tuple[int | None, int | None]
_Told = tuple[TicketRow | None, str]

_KNOWN = sa.select(t.served_call).where(
    t.served_call.c.connection == _P("connection"),
    t.served_call.c.caller == _P("caller"),
    t.served_call.c.key == _P("key"),
)
_BY_SYS_ID = sa.select(t.served_ticket).where(
    _c.connection == _P("connection"), _c.sys_id == _P("word")
)
_BY_NUMBER = sa.select(t.served_ticket).where(
    _c.connection == _P("connection"), _c.number == _P("word")
)
_BY_SHOWN = (
    sa.select(t.served_ticket)
    .where(_c.connection == _P("connection"), _c.shown_number == _P("word"))
    .limit(2)
)
_LOCK = _BY_SYS_ID.with_for_update()
_NUMBER = (
    sa.update(t.served_ticket)
    .where(_c.id == _P("row"))
    .values(number=_P("new_number"), shown_number=_P("new_number"))
    .returning(t.served_ticket)
)
_NOTES = (
    sa.select(t.served_note).where(t.served_note.c.ticket == _P("row")).order_by(t.served_note.c.id)
)
_FILES = (
    sa.select(t.served_file).where(t.served_file.c.ticket == _P("row")).order_by(t.served_file.c.id)
)


@cache
def _insert(table: sa.Table, names: tuple[str, ...], *, is_postgres: bool) -> sa.Executable:
    """Build an INSERT once that adds a row unless it is in the way of another."""
    values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    insert = insert_into(table, is_postgres=is_postgres).values(values)
    return insert.on_conflict_do_nothing().returning(table.c.id)


@cache
def _update(names: tuple[str, ...]) -> sa.Executable:
    """Build an UPDATE of a served ticket once."""
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
    return sa.update(t.served_ticket).where(_c.id == _P("row")).values(values)


def _add(tx: Tx, table: sa.Table, values: Mapping[str, Any]) -> int | None:
    """Add a row; None when another is in its way."""
    made = tx.scalar(_insert(table, tuple(values), is_postgres=tx.is_postgres), values)
    return None if made is None else int(made)


# --- requests ------------------------------------------------------------------------------------


def create(
    tx: Tx,
    request: ServedRequest,
    change: ServedChange,
    *,
    sys_id: TicketId,
    rules: ServedRules,
    now: datetime,
) -> Applied:
    """Make a ticket, or find the one that the same request made before.

    Raises:
        KeyReused: the key belongs to another request.
    """
    # A key that is new, as most are, needs no looking up: it can be taken.
    known = None if request.key else _known(tx, request, now)
    if known is None:
        call = _claim(tx, request, sys_id, now)
        known = _known(tx, request, now) if call is None else None
        if call is not None:
            row = _make(tx, request.connection, change, sys_id=sys_id, rules=rules, now=now)
            _settle_call(tx, call, _add_items(tx, row.id, change, now, key=None))
            made = _ticket(tx, row) if change.notes or change.files else _bare(row)
            _tell(tx, made, _make_known(tx, made, request, change), "ticket.raised")
            return Applied(ticket=made)
    return _repeated(tx, request, known)


def update(
    tx: Tx,
    request: ServedRequest,
    sys_id: TicketId,
    change: ServedChange,
    *,
    rules: ServedRules,
    now: datetime,
) -> Applied:
    """Change a ticket, or find that the same request did so before.

    Raises:
        KeyReused: the key belongs to another request.
        NoServedTicket: there is none.
    """
    # Without a key a change repeated is harmless, and may be meant; only a note would be doubled.
    exact = replace(request, window_s=0.0)
    known = _known(tx, exact, now)
    if known is None:
        row = _lock(tx, request.connection, sys_id)
        call = _claim(tx, request, sys_id, now)
        known = _known(tx, exact, now) if call is None else None
        if call is not None:
            change = replace(change, notes=_unsaid(tx, row, request, change, now=now))
            changed, parts = _change(tx, row, change, rules=rules, now=now, key=None)
            _settle_call(tx, call, parts)
            ticket = _need(tx, request.connection, sys_id)
            if changed:
                _tell(tx, ticket, _make_due(tx, ticket, request, change), "ticket.updated")
            return Applied(ticket=ticket, file_id=_file_id(parts[1]))
    return _repeated(tx, request, known)


def _unsaid(
    tx: Tx, row: Row, request: ServedRequest, change: ServedChange, *, now: datetime
) -> Sequence[NoteDraft]:
    """Leave out notes that the same author just wrote (O16 of the SmartOps contract)."""
    if request.key or request.window_s <= 0 or not change.notes:
        return change.notes
    since = now - timedelta(seconds=request.window_s)
    said = {
        (CommentKind(note.kind), note.author, note.body)
        for note in tx.rows(_NOTES, {"row": row.id})
        if note.key is None and note.at > since
    }
    return [note for note in change.notes if (note.kind, note.author, note.body) not in said]


def _known(tx: Tx, request: ServedRequest, now: datetime) -> Row | None:
    """Find the request this one repeats.

    Raises:
        KeyReused: the key belongs to another request.
    """
    c = t.served_call.c
    mine = (c.connection == request.connection, c.caller == request.caller)
    if request.key:
        found = _called(tx, request.connection, request.caller, request.key)
        if found is not None and found.fingerprint != request.fingerprint:
            raise KeyReused("this Idempotency-Key came before with another request")
        return found
    if request.window_s <= 0:
        return None
    if tx.is_postgres:
        # Two equal requests at the same moment: the second waits, and finds the first.
        name = f"{request.connection}\0{request.caller}\0{request.fingerprint}"
        number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
        tx.run(sa.select(sa.func.pg_advisory_xact_lock(number)))
    since = now - timedelta(seconds=request.window_s)
    query = sa.select(t.served_call).where(
        *mine, c.fingerprint == request.fingerprint, c.key.is_(None), c.at > since
    )
    return tx.first(query.order_by(c.id.desc()).limit(1))


def _claim(tx: Tx, request: ServedRequest, sys_id: TicketId, now: datetime) -> int | None:
    """Note the request; None when another process took its key a moment ago."""
    values = {
        "connection": request.connection,
        "caller": request.caller,
        "key": request.key or None,
        "fingerprint": request.fingerprint,
        "sys_id": sys_id,
        "at": now,
    }
    return _add(tx, t.served_call, values)


def _called(tx: Tx, connection: ConnectionName, caller: str, key: str) -> Row | None:
    return tx.first(_KNOWN, {"connection": connection, "caller": caller, "key": key})


def _settle_call(tx: Tx, call: int, parts: _Parts) -> None:
    if parts != (None, None):
        c = t.served_call.c
        tx.run(sa.update(t.served_call).where(c.id == call).values(note=parts[0], file=parts[1]))


def _repeated(tx: Tx, request: ServedRequest, known: Row | None) -> Applied:
    if known is None:
        raise BrokenInvariant("a key that is taken is there")
    ticket = _need(tx, request.connection, known.sys_id)
    return Applied(ticket=ticket, is_repeat=True, file_id=_file_id(known.file))


def _make_known(
    tx: Tx, ticket: ServedTicket, request: ServedRequest, change: ServedChange
) -> _Told:
    """Make a new ticket known to the engine, and due."""
    told = _told(request, change)
    values = sighted.new_values(
        ticket.connection, SERVED_KIND, ticket.sys_id, ticket.number,
        now=ticket.updated_at, watched=False,
    ) | {"list_digest": digest_of(ticket.version), "cause": told}  # fmt: skip
    row = _add(tx, t.ticket, values)
    ensure(row is not None, "a random sysId is nobody else's")
    return None if row is None else TicketRow(row), told


def _make_due(tx: Tx, ticket: ServedTicket, request: ServedRequest, change: ServedChange) -> _Told:
    """Have the engine look at a changed ticket."""
    told = _told(request, change)
    ref = TicketRef(kind=SERVED_KIND, id=ticket.sys_id, number=ticket.number)
    seen = Sighting(ref=ref, digest=digest_of(ticket.version), seen=told)
    tickets.sight(tx, ticket.connection, SERVED_KIND, [seen], now=ticket.updated_at)
    row = tickets.find(tx, ticket.connection, external_id=ticket.sys_id, kind=SERVED_KIND)
    return row, told


def _told(request: ServedRequest, change: ServedChange) -> str:
    told = f"by {change.by} from {request.source}" if request.source else f"by {change.by}"
    return told + (f"; not mapped: {', '.join(sorted(change.extra))}" if change.extra else "")


def _tell(tx: Tx, ticket: ServedTicket, known: _Told, event: str) -> None:
    """Note that the connection was heard, and say in the journal what was done."""
    row, told = known
    at = ticket.updated_at
    connections.note_news(tx, ticket.connection, at, but_once_in=NEWS_EVERY)
    journal.append(
        tx, Line(at=at, event=event, detail=told, connection=ticket.connection, ticket=row)
    )


def digest_of(version: int) -> bytes:
    """Give a version as what a list tells of a ticket."""
    return version.to_bytes(16)


# --- operations of ours --------------------------------------------------------------------------


def write(
    tx: Tx,
    connection: ConnectionName,
    sys_id: TicketId,
    change: ServedChange,
    *,
    key: OperationKey,
    rules: ServedRules,
    now: datetime,
) -> Written:
    """Carry out an operation, once.

    Raises:
        NoServedTicket: there is none.
    """
    row = _lock(tx, connection, sys_id)
    before = written(tx, connection, key)
    if before is not None:
        return before
    request = ServedRequest(connection=connection, caller="", fingerprint="", key=key)
    call = _claim(tx, request, sys_id, now)
    ensure(call is not None, "a ticket's operations are carried out one by one")
    _, parts = _change(tx, row, change, rules=rules, now=now, key=key)
    if call is not None:
        _settle_call(tx, call, parts)
    return Written(
        ticket=_need(tx, connection, sys_id),
        note_id=_note_id(parts[0]),
        file_id=_file_id(parts[1]),
    )


def written(tx: Tx, connection: ConnectionName, key: OperationKey) -> Written | None:
    """Say what an operation came to; None: it was never carried out."""
    found = _called(tx, connection, "", str(key))
    if found is None:
        return None
    return Written(
        ticket=_need(tx, connection, found.sys_id),
        note_id=_note_id(found.note),
        file_id=_file_id(found.file),
    )


def show_as(tx: Tx, connection: ConnectionName, sys_id: TicketId, number: str) -> ServedTicket:
    """Tell callers this number from now on, unless they were told another than ours already.

    Raises:
        NoServedTicket: there is none.
    """
    row = _lock(tx, connection, sys_id)
    if row.shown_number == row.number and number:
        tx.run(sa.update(t.served_ticket).where(_c.id == row.id).values(shown_number=number))
    return _need(tx, connection, sys_id)


# --- reading -------------------------------------------------------------------------------------


def find(
    tx: Tx, connection: ConnectionName, *, sys_id: str = "", number: str = ""
) -> ServedTicket | None:
    """Find a ticket by what is named; else by that text as the other, where that is one ticket."""
    # What we told first belongs to us for ever; a vendor's number may be any text.
    ways = (_BY_SYS_ID, _BY_NUMBER, _BY_SHOWN) if sys_id else (_BY_NUMBER, _BY_SHOWN, _BY_SYS_ID)
    word = sys_id or number
    if not word:
        return None
    for way in ways:
        rows = tx.rows(way, {"connection": connection, "word": word})
        if len(rows) == 1:
            return _ticket(tx, rows[0])
    return None


def changed(
    tx: Tx, connection: ConnectionName, *, since: datetime | None, after_row: int, limit: int
) -> list[ServedSeen]:
    """List tickets changed at or after an instant, oldest change first."""
    query = sa.select(_c.id, _c.sys_id, _c.number, _c.version, _c.changed_at).where(
        _c.connection == connection
    )
    if since is not None:
        later = sa.and_(_c.changed_at == since, _c.id > after_row)
        query = query.where(sa.or_(_c.changed_at > since, later))
    return [
        ServedSeen(
            row=row.id,
            sys_id=row.sys_id,
            number=row.number,
            version=row.version,
            changed_at=row.changed_at,
        )
        for row in tx.rows(query.order_by(_c.changed_at, _c.id).limit(limit))
    ]


def forget_calls_before(tx: Tx, at: datetime, *, limit: int) -> int:
    """Forget callers' requests made before an instant, so many at once; return how many.

    Our own operations stay known.
    """
    c = t.served_call.c
    old = sa.select(c.id).where(c.at < at, c.caller != "").order_by(c.at).limit(limit)
    return tx.run(sa.delete(t.served_call).where(c.id.in_(old)))


def _need(tx: Tx, connection: ConnectionName, sys_id: str) -> ServedTicket:
    row = tx.first(_BY_SYS_ID, {"connection": connection, "word": sys_id})
    if row is None:
        raise NoServedTicket(f"no served ticket {sys_id} on {connection}")
    return _ticket(tx, row)


def _ticket(tx: Tx, row: Row) -> ServedTicket:
    notes, files = tx.rows(_NOTES, {"row": row.id}), tx.rows(_FILES, {"row": row.id})
    return _bare(row, tuple(map(_note, notes)), tuple(map(_file, files)))


def _bare(
    row: Row, notes: tuple[ServedNote, ...] = (), files: tuple[ServedFile, ...] = ()
) -> ServedTicket:
    return ServedTicket(
        connection=ConnectionName(row.connection),
        sys_id=TicketId(row.sys_id),
        number=row.number,
        shown_number=row.shown_number,
        fields=orjson.loads(row.fields),
        notes=notes,
        files=files,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.changed_at,
        updated_by=row.changed_by,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        closed_by=row.closed_by,
        version=row.version,
    )


def _note(row: Row) -> ServedNote:
    return ServedNote(
        id=CommentId(f"note-{row.id}"),
        kind=CommentKind(row.kind),
        author=row.author,
        body=row.body,
        at=row.at,
        key=row.key,
    )


def _file(row: Row) -> ServedFile:
    return ServedFile(
        id=AttachmentId(f"file-{row.id}"),
        name=row.name,
        content_type=row.content_type,
        size_bytes=row.size_bytes,
        digest=row.digest,
        author=row.author,
        at=row.at,
        key=row.key,
    )


def _note_id(row: int | None) -> CommentId | None:
    return None if row is None else CommentId(f"note-{row}")


def _file_id(row: int | None) -> AttachmentId | None:
    return None if row is None else AttachmentId(f"file-{row}")


# --- changing ------------------------------------------------------------------------------------


def _lock(tx: Tx, connection: ConnectionName, sys_id: TicketId) -> Row:
    row = tx.first(_LOCK, {"connection": connection, "word": sys_id})
    if row is None:
        raise NoServedTicket(f"no served ticket {sys_id} on {connection}")
    return row


def _make(
    tx: Tx,
    connection: ConnectionName,
    change: ServedChange,
    *,
    sys_id: TicketId,
    rules: ServedRules,
    now: datetime,
) -> Row:
    fields = {STATUS_KEY: rules.first_status} | {
        name: text for name, text in change.fields.items() if text
    }
    values: dict[str, Any] = {
        "connection": connection,
        "sys_id": sys_id,
        "number": sys_id,
        "shown_number": sys_id,
        "fields": _json(fields),
        "extra": _json(change.extra),
        "created_at": now,
        "created_by": change.by,
        "changed_at": now,
        "changed_by": change.by,
        "version": 1,
        "resolved_by": "",
        "closed_by": "",
    }
    values |= _phase("", fields[STATUS_KEY], change.by, rules=rules, now=now)
    made = _add(tx, t.served_ticket, values)
    if made is None:
        raise BrokenInvariant("a random sysId is nobody else's")
    # Its own row's number, which is never given twice: the newest row is never removed.
    number = f"{rules.number_prefix}{made:0{NUMBER_DIGITS}d}"
    (row,) = tx.rows(_NUMBER, {"row": made, "new_number": number})
    return row


def _change(
    tx: Tx,
    row: Row,
    change: ServedChange,
    *,
    rules: ServedRules,
    now: datetime,
    key: OperationKey | None,
) -> tuple[bool, _Parts]:
    """Change a locked ticket; say whether anything changed, and what the last items became."""
    before: dict[str, str] = orjson.loads(row.fields)
    after = {name: text for name, text in (before | dict(change.fields)).items() if text}
    values: dict[str, Any] = {}
    if after != before:
        values["fields"] = _json(after)
        was, now_is = before.get(STATUS_KEY, ""), after.get(STATUS_KEY, "")
        values |= _phase(was, now_is, change.by, rules=rules, now=now)
    if change.extra:
        values["extra"] = _json(orjson.loads(row.extra) | dict(change.extra))
    if not (values or change.notes or change.files):
        return False, (None, None)
    # Clocks of two processes may differ a little: the time of a change never runs backwards.
    at = max(now, row.changed_at)
    values |= {"changed_at": at, "changed_by": change.by, "version": row.version + 1}
    given = {f"new_{name}": value for name, value in values.items()}
    tx.run(_update(tuple(values)), {"row": row.id} | given)
    return True, _add_items(tx, row.id, change, at, key=key)


def _phase(
    before: str, after: str, by: str, *, rules: ServedRules, now: datetime
) -> dict[str, Any]:
    """Say who resolved or closed, and when, after a status moved; reopening clears both."""
    if after == before:
        return {}
    if after in rules.closed:
        return {"closed_by": by}
    if after in rules.resolved:
        return {"resolved_at": now, "resolved_by": by, "closed_by": ""}
    return {"resolved_at": None, "resolved_by": "", "closed_by": ""}


def _add_items(
    tx: Tx, ticket: int, change: ServedChange, now: datetime, *, key: OperationKey | None
) -> _Parts:
    """Add notes and files; give the row of the last of each."""
    note = file = None
    for draft in change.notes:
        values = {
            "ticket": ticket,
            "kind": str(draft.kind),
            "author": draft.author,
            "body": draft.body,
            "at": now,
            "key": key,
        }
        note = _add(tx, t.served_note, values)
    for body in change.files:
        values = {
            "ticket": ticket,
            "name": body.name,
            "content_type": body.content_type,
            "size_bytes": body.size_bytes,
            "digest": body.digest,
            "author": body.author,
            "at": now,
            "key": key,
        }
        file = _add(tx, t.served_file, values)
    return note, file


def _json(fields: Mapping[str, str] | Sequence[str]) -> str:
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode()
