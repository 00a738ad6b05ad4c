"""What `syncd adopt` asks of the store, and the commands by which it keeps, and has opened."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncd.core.pairing import Paired, Who
from syncd.model.errors import CommandRefused
from syncd.model.ids import (
    ConnectionName,
    LinkRow,
    MappingName,
    OperationKey,
    Side,
    TicketId,
    TicketRow,
)
from syncd.store import codec, journal, links, mappings, tickets
from syncd.store import tables as t
from syncd.store.records import Line, SaveResult, StoredTicket
from syncd.store.tx import Tx

DECIDE_IN_S = 600.0
"""How long a ticket that was read for pairing is left alone, so that it can be paired first."""

PAIRS_MAX = 200
"""Pairs one command links; ticket texts one command keeps."""

_c, _k = t.ticket.c, t.link.c


def known(
    tx: Tx, connection: ConnectionName, kind: str, *, after: TicketRow | None, limit: int
) -> list[StoredTicket]:
    """Return tickets that were read and are there, in the order of their rows."""
    query = (
        sa.select(t.ticket)
        .where(
            _c.connection == connection,
            _c.kind == kind,
            _c.snapshot.is_not(None),
            _c.gone_at.is_(None),
            _c.stray.is_(False),
            _c.id > (after or 0),
        )
        .order_by(_c.id)
        .limit(limit)
    )
    return [tickets.stored_ticket(row) for row in tx.rows(query)]


def pairs(tx: Tx, mapping: MappingName, vendors: Collection[ConnectionName]) -> list[Paired]:
    """Return the links of a mapping and those of these connections' tickets, removed ones too."""
    itsm, vendor = t.ticket.alias(), t.ticket.alias()
    query = (
        sa.select(
            _k.id,
            _k.mapping,
            _k.tombstone_at,
            itsm.c.connection.label("itsm_connection"),
            itsm.c.external_id.label("itsm_id"),
            vendor.c.connection.label("vendor_connection"),
            vendor.c.external_id.label("vendor_id"),
        )
        .outerjoin_from(t.link, itsm, itsm.c.id == _k.itsm_ticket)
        .outerjoin(vendor, vendor.c.id == _k.vendor_ticket)
        .where(sa.or_(_k.mapping == mapping, vendor.c.connection.in_(list(vendors))))
        .order_by(_k.id)
    )
    return [
        Paired(
            link_id=LinkRow(row.id),
            mapping=MappingName(row.mapping),
            itsm=_who(row.itsm_connection, row.itsm_id),
            vendor=_who(row.vendor_connection, row.vendor_id),
            is_removed=row.tombstone_at is not None,
        )
        for row in tx.rows(query)
    ]


def _who(connection: str | None, external_id: str | None) -> Who | None:
    if connection is None or external_id is None:
        return None
    return Who(ConnectionName(connection), TicketId(external_id))


def owners(tx: Tx, keys: Collection[OperationKey]) -> dict[OperationKey, Who]:
    """Say of keys met on vendor tickets which ITSM ticket's link wrote them."""
    found = {
        key: owner.link_id
        for key, owner in links.own_keys(tx, keys).items()
        if owner.target is Side.VENDOR
    }
    query = (
        sa.select(_k.id, _c.connection, _c.external_id)
        .join(t.ticket, _c.id == _k.itsm_ticket)
        .where(tx.among(_k.id, sorted(set(found.values()))))
    )
    itsm = {row.id: _who(row.connection, row.external_id) for row in tx.rows(query)}
    return {key: who for key, link in found.items() if (who := itsm.get(link)) is not None}


# --- commands --------------------------------------------------------------------------------


def learn(tx: Tx, arguments: Mapping[str, object], actor: str, now: datetime) -> object:
    """`adopt.learn`: connection, kind, tickets (their canonical texts): keep what was read.

    They are decided about like any other ticket, but not before they could be paired.
    """
    connection = ConnectionName(str(arguments.get("connection", "")))
    kind, kept = str(arguments.get("kind", "")), 0
    for text in _list(arguments, "tickets"):
        ticket = codec.decode_ticket(str(text))
        row = tickets.ensure_ticket(
            tx, connection, kind, external_id=ticket.id, number=ticket.number, now=now
        )
        due = tickets.due_read(tx, row)
        if due is None:
            continue
        turn = now if due.watched else None
        if tickets.save_read(tx, due, ticket, now=now, next_poll_at=turn) is SaveResult.CHANGED:
            tickets.set_decide_due(tx, row, now + timedelta(seconds=DECIDE_IN_S))
            kept += 1
    return {"kept": kept}


def ask_opening(tx: Tx, arguments: Mapping[str, object], actor: str, now: datetime) -> object:
    """`adopt.open`: mapping, connection, tickets (ids): let the mapping open partners for them.

    Their age no longer keeps them from it; everything else that a mapping asks for still does.
    """
    mapping = MappingName(str(arguments.get("mapping", "")))
    connection = ConnectionName(str(arguments.get("connection", "")))
    mappings.refuse_former_name(tx, mapping)
    asked: list[TicketRow] = []
    for word in _list(arguments, "tickets"):
        row = tickets.find(tx, connection, external_id=TicketId(str(word)))
        if row is None:
            raise CommandRefused(f"{word} is not known on {connection}")
        if any(link.mapping == mapping for link in links.links_of(tx, row)):
            continue
        asked.append(row)
        line = Line(at=now, event=mappings.ASKED, ticket=row, mapping=mapping, actor=actor)
        journal.append(tx, line)
    tickets.decide_by(tx, asked, now)
    return {"asked": len(asked)}


def _list(arguments: Mapping[str, object], name: str) -> list[object]:
    given = arguments.get(name)
    if not isinstance(given, list) or len(given) > PAIRS_MAX:
        raise CommandRefused(f"{name} is a list of at most {PAIRS_MAX}")
    return given
