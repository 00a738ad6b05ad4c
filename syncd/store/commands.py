"""Every write an operator can ask for, by name: run by the daemon, or under its lock.

A command is `f(tx, arguments, actor, now)`; arguments and result are JSON-able. It raises
CommandRefused with a text that says what would work. `actor` is who gave it; each command is
journalled under it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import sqlalchemy as sa

from syncd.model.errors import CommandRefused
from syncd.model.ids import ConnectionName, LinkRow, MappingName, OperationId, Side, TicketRow
from syncd.store import (
    adopting,
    conflicts,
    connections,
    credentials,
    feeds,
    journal,
    links,
    mappings,
    marking,
    meta,
    operations,
    spool,
    tickets,
    watching,
)
from syncd.store import tables as t
from syncd.store.records import Line
from syncd.store.repairing import repair
from syncd.store.tx import Tx

Arguments = Mapping[str, object]
Command = Callable[[Tx, Arguments, str, datetime], object]

RESYNC_MAX = 10_000
"""Tickets one resync makes due, unless it says a limit itself."""


# --- arguments -------------------------------------------------------------------------------


def _text(arguments: Arguments, name: str, default: str | None = None) -> str:
    value = arguments.get(name, default)
    if not isinstance(value, str) or (not value and default is None):
        raise CommandRefused(f"{name} is missing")
    return value


def _number(arguments: Arguments, name: str, default: int | None = None) -> int:
    value = arguments.get(name, default)
    try:
        return int(str(value))
    except ValueError as error:
        raise CommandRefused(f"{name} is a whole number, not {value!r}") from error


def _flag(arguments: Arguments, name: str, *, default: bool = False) -> bool:
    value = arguments.get(name, default)
    if not isinstance(value, bool):
        raise CommandRefused(f"{name} is true or false, not {value!r}")
    return value


def _side(arguments: Arguments, name: str) -> Side:
    value = arguments.get(name)
    if value not in (Side.ITSM, Side.VENDOR):
        raise CommandRefused(f"{name} is itsm or vendor, not {value!r}")
    return Side(str(value))


# --- operations and conflicts ----------------------------------------------------------------


def retry(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`ops.retry`: id, i_know, can_probe (from the provider's Features)."""
    number = OperationId(_number(arguments, "id"))
    state = operations.retry(
        tx,
        number,
        by=actor,
        now=now,
        i_know=_flag(arguments, "i_know"),
        can_probe=_flag(arguments, "can_probe", default=True),
    )
    return {"id": number, "state": str(state)}


def discard(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`ops.discard`: id."""
    number = OperationId(_number(arguments, "id"))
    operations.discard(tx, number, by=actor, now=now)
    return {"id": number, "state": "discarded"}


def adopt(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`ops.adopt`: id, external_id (of what the operation made)."""
    number = OperationId(_number(arguments, "id"))
    external_id = _text(arguments, "external_id", default="")
    operations.adopt(tx, number, external_id, by=actor, now=now)
    return {"id": number, "state": "applied"}


def resolve(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`conflicts.resolve`: id, keep (itsm or vendor)."""
    keep = _side(arguments, "keep")
    record = conflicts.resolve(tx, _number(arguments, "id"), keep, by=actor, now=now)
    return {"id": record.id, "slot": record.slot, "kept": str(keep)}


# --- links -----------------------------------------------------------------------------------


def link_add(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`link.add`: mapping, and per side SIDE_connection, SIDE_kind, SIDE_ticket, SIDE_watched.

    SIDE_ticket is a number or an id. One not known yet becomes known by that number, and is read.
    """
    mapping = MappingName(_text(arguments, "mapping"))
    mappings.refuse_former_name(tx, mapping)
    rows = {side: _ticket_of_side(tx, arguments, side, now) for side in Side}
    link_id = links.add_link(
        tx,
        mapping=mapping,
        itsm_row=rows[Side.ITSM],
        vendor_row=rows[Side.VENDOR],
        by=actor,
        now=now,
    )
    return {"link": link_id}


def links_add(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`links.add`: pairs, each as `link.add` takes it.

    One that was linked meanwhile, or refused, does not keep the others; each is told.
    """
    pairs = arguments.get("pairs")
    if not isinstance(pairs, list) or len(pairs) > adopting.PAIRS_MAX:
        raise CommandRefused(f"pairs is a list of at most {adopting.PAIRS_MAX}")
    made, refused = 0, []
    for pair in pairs:
        try:
            link_add(tx, pair, actor, now)
            made += 1
        except CommandRefused as error:
            refused.append(f"{pair['itsm_ticket']} and {pair['vendor_ticket']}: {error}")
    return {"linked": made, "refused": refused}


def _ticket_of_side(tx: Tx, arguments: Arguments, side: Side, now: datetime) -> TicketRow:
    word = _text(arguments, f"{side}_ticket")
    connection = ConnectionName(_text(arguments, f"{side}_connection"))
    kind = _text(arguments, f"{side}_kind")
    watched = _flag(arguments, f"{side}_watched")
    found = _on_connection(tx, connection, word)
    if found is None:
        return tickets.ensure_ticket(tx, connection, kind, number=word, now=now, watched=watched)
    if watched:
        watching.set_watched(tx, found, True, now)
    return found


def _on_connection(tx: Tx, connection: ConnectionName, word: str) -> TicketRow | None:
    c = t.ticket.c
    query = sa.select(c.id).where(
        c.connection == connection, sa.or_(c.number == word, c.external_id == word)
    )
    found = tx.scalar(query.order_by(c.external_id.is_(None), c.id).limit(1))
    return None if found is None else TicketRow(found)


def link_remove(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`link.remove`: id."""
    link_id = LinkRow(_number(arguments, "id"))
    links.tombstone(tx, link_id, by=actor, now=now)
    return {"link": link_id}


# --- pausing ---------------------------------------------------------------------------------


def pause(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`pause`: name of a connection, a mapping, or a ticket (number or id); reason; kind."""
    name, reason = _text(arguments, "name"), _text(arguments, "reason", default="")
    match _kind_of(tx, name, _text(arguments, "kind", default="")):
        case "connection":
            connections.pause(tx, ConnectionName(name), reason, by=actor, now=now)
        case "mapping":
            mappings.pause(tx, MappingName(name), reason, by=actor, now=now)
        case _:
            paused = _links_named(tx, name)
            for link_id in paused:
                links.pause(tx, link_id, reason, by=actor, now=now)
            return {"paused": "ticket", "links": list(paused)}
    return {"paused": _kind_of(tx, name, _text(arguments, "kind", default=""))}


def resume(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`resume`: name of a connection, a mapping, or a ticket (number or id); kind.

    Tells how many operations were held, by kind: whoever resumes accepts them.
    """
    name = _text(arguments, "name")
    kind = _kind_of(tx, name, _text(arguments, "kind", default=""))
    held = operations.held_by(tx, kind, name)
    match kind:
        case "connection":
            connections.resume(tx, ConnectionName(name), by=actor, now=now)
        case "mapping":
            mappings.resume(tx, MappingName(name), by=actor, now=now)
        case _:
            resumed = _links_named(tx, name)
            for link_id in resumed:
                links.resume(tx, link_id, by=actor, now=now)
            return {"resumed": "ticket", "links": list(resumed)}
    return {"resumed": kind, "held": held}


def _kind_of(tx: Tx, name: str, wanted: str) -> str:
    known = {
        "connection": sa.select(t.connection.c.name).where(t.connection.c.name == name),
        "mapping": sa.select(t.mapping_state.c.name).where(t.mapping_state.c.name == name),
        "ticket": sa.select(t.ticket.c.id).where(
            sa.or_(t.ticket.c.number == name, t.ticket.c.external_id == name)
        ),
    }
    found = [kind for kind, query in known.items() if tx.scalar(query.limit(1)) is not None]
    if wanted:
        found = [kind for kind in found if kind == wanted]
    if not found:
        raise CommandRefused(f"there is no {wanted or 'connection, mapping or ticket'} {name}")
    if len(found) > 1:
        raise CommandRefused(f"{name} is a {' and a '.join(found)}; say which with --kind")
    return found[0]


def _links_named(tx: Tx, word: str) -> list[LinkRow]:
    found = {
        record.id
        for row in tickets.find_anywhere(tx, word)
        for record in links.links_of(tx, row)
        if record.tombstone_at is None
    }
    if not found:
        raise CommandRefused(f"{word} has no link, so there is nothing to pause or resume")
    return sorted(found)


# --- reading ---------------------------------------------------------------------------------


def watch(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`watch`: connection, kind, number; stop (true: not any more)."""
    connection = ConnectionName(_text(arguments, "connection"))
    number, kind = _text(arguments, "number"), _text(arguments, "kind")
    if _flag(arguments, "stop"):
        found = tickets.find(tx, connection, number=number)
        if found is None:
            raise CommandRefused(f"{number} is not known on {connection}")
        watching.set_watched(tx, found, False)
        row = found
    else:
        row = tickets.ensure_ticket(tx, connection, kind, number=number, now=now, watched=True)
        tickets.hasten(tx, [row], now, cause="watched")
    event = "ticket.unwatched" if _flag(arguments, "stop") else "ticket.watched"
    line = Line(at=now, event=event, detail=number, connection=connection, ticket=row, actor=actor)
    journal.append(tx, line)
    return {"ticket": row}


def resync(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`resync`: name of a ticket, mapping or connection; since (ISO 8601), limit, kind.

    The tickets are read again and decided about again, newest first; a connection's feeds start
    over.
    """
    name = _text(arguments, "name")
    kind = _kind_of(tx, name, _text(arguments, "kind", default=""))
    limit = _number(arguments, "limit", default=RESYNC_MAX)
    rows = _rows_to_resync(tx, name, kind, _since(arguments), limit)
    tickets.hasten(tx, rows, now, cause=f"resync by {actor}")
    tx.run(
        sa.update(t.ticket)
        .where(tx.among(t.ticket.c.id, rows), t.ticket.c.snapshot.is_not(None))
        .values(decide_due_at=now)
    )
    if kind == "connection":
        for feed in feeds.overview(tx):
            if feed.connection == name:
                feeds.rewind(tx, feed.connection, feed.kind)
    detail = f"{kind} {name}: {len(rows)} tickets"
    journal.append(tx, Line(at=now, event="resync.asked", detail=detail, actor=actor))
    return {"resync": kind, "tickets": len(rows)}


def _since(arguments: Arguments) -> datetime | None:
    text = _text(arguments, "since", default="")
    if not text:
        return None
    try:
        since = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandRefused(f"since is a time like 2026-01-31T08:00:00Z, not {text}") from error
    if since.tzinfo is None:
        raise CommandRefused(f"since needs a zone: {text}Z for UTC")
    return since


def _rows_to_resync(
    tx: Tx, name: str, kind: str, since: datetime | None, limit: int
) -> list[TicketRow]:
    c, k = t.ticket.c, t.link.c
    linked = sa.or_(k.itsm_ticket == c.id, k.vendor_ticket == c.id)
    query = sa.select(c.id).order_by(c.id.desc()).limit(limit)
    match kind:
        case "connection":
            query = query.where(c.connection == name)
        case "mapping":
            mine = sa.exists().where(linked, k.mapping == name, k.tombstone_at.is_(None))
            query = query.where(mine)
        case _:
            query = query.where(sa.or_(c.number == name, c.external_id == name))
    if since is not None:
        query = query.where(sa.func.coalesce(c.provider_created_at, c.first_seen_at) >= since)
    return [TicketRow(found) for found in tx.scalars(query)]


# --- the store itself ------------------------------------------------------------------------


def credential_forget(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`credential.forget`: name."""
    name = _text(arguments, "name")
    if not credentials.forget(tx, name):
        known = ", ".join(credentials.names(tx)) or "none"
        raise CommandRefused(f"there is no stored credential {name}; stored: {known}")
    journal.append(tx, Line(at=now, event="credential.forgotten", detail=name, actor=actor))
    return {"forgotten": name}


def db_restored(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`db.restored`: prefix (new, random; made by the caller)."""
    prefix = _text(arguments, "prefix", default="") or None
    instance = meta.begin_epoch(tx, by=actor, now=now, prefix=prefix)
    return {"epoch": instance.epoch, "prefix": instance.prefix}


def db_spool(tx: Tx, arguments: Arguments, actor: str, now: datetime) -> object:
    """`db.spool`: mark (of the folder, or new); tells the digests of all files in use."""
    marking.move(tx, _text(arguments, "mark"), by=actor, now=now)
    return {"in_use": sorted(spool.in_use(tx))}


COMMANDS: Mapping[str, Command] = {
    "ops.retry": retry,
    "ops.discard": discard,
    "ops.adopt": adopt,
    "conflicts.resolve": resolve,
    "adopt.learn": adopting.learn,
    "adopt.open": adopting.ask_opening,
    "link.add": link_add,
    "links.add": links_add,
    "link.remove": link_remove,
    "pause": pause,
    "resume": resume,
    "watch": watch,
    "resync": resync,
    "reconcile.repair": repair,
    "credential.forget": credential_forget,
    "db.restored": db_restored,
    "db.spool": db_spool,
}
"""Name -> command, as `syncd` and the daemon's socket know them."""
