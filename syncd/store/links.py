"""Links: the pairing of two tickets, what a decision about it needs, making and ending it."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.core.state import Baseline, BaselineState, ItemKind, ItemPair, OpenOperation, PairState
from syncd.model.errors import CommandRefused, ensure
from syncd.model.ids import (
    ConnectionName,
    LinkRow,
    MappingName,
    OperationId,
    OperationKey,
    Side,
    TicketRow,
)
from syncd.model.operation import OperationState, WriteKind
from syncd.store import codec, journal, lanes, meta, sharing
from syncd.store import tables as t
from syncd.store.plans import apply_plan
from syncd.store.records import (
    KeyOwner,
    Line,
    LinkOverview,
    LinkParts,
    LinkPhase,
    LinkRecord,
    Pause,
)
from syncd.store.sharing import open_operation
from syncd.store.sides import load_sides
from syncd.store.tx import Row, Tx, among, locking
from syncd.store.types import Instant, sooner

__all__ = ["apply_plan"]

_c = t.link.c
_COLUMN = {Side.ITSM: _c.itsm_ticket, Side.VENDOR: _c.vendor_ticket}

# Built once: putting a statement together costs several times as much as carrying it out.
_P = sa.bindparam
_t = t.ticket.c
# The connection of the vendor's ticket, or of the one to be made.
_VENDOR = sa.func.coalesce(
    sa.select(_t.connection).where(_t.id == _c.vendor_ticket).scalar_subquery(),
    _c.partner_connection,
).label("vendor_name")
_LINK = sa.select(t.link, _VENDOR).where(_c.id == _P("link"))
_LINKS_OF = (
    sa.select(t.link, _VENDOR)
    .where(sa.or_(_c.itsm_ticket == _P("row"), _c.vendor_ticket == _P("row")))
    .order_by(_c.id)
)
_BASELINES = sa.select(t.baseline).where(t.baseline.c.link == _P("link"))
_PAIRS = sa.select(t.item_pair).where(t.item_pair.c.link == _P("link")).order_by(t.item_pair.c.id)
_OPERATIONS = (
    sa.select(t.operation)
    .where(t.operation.c.link == _P("link"), t.state_in(*t.UNSETTLED))
    .order_by(t.operation.c.id)
)
_FROZEN = sa.select(t.conflict.c.slot).where(
    t.conflict.c.link == _P("link"), t.conflict.c.resolved_at.is_(None)
)


# --- finding and locking ---------------------------------------------------------------------


def get(tx: Tx, link_id: LinkRow) -> LinkRecord:
    """Return a link.

    Raises:
        CommandRefused: there is no such link.
    """
    found = tx.first(_LINK, {"link": link_id})
    if found is None:
        raise CommandRefused(f"there is no link {link_id}; `syncd link list` shows them")
    return _record(found)


def links_of(tx: Tx, row: TicketRow) -> list[LinkRecord]:
    """Return the links of a ticket on either side, tombstones too, oldest first."""
    return [_record(found) for found in tx.rows(_LINKS_OF, {"row": row})]


def _record(found: Row) -> LinkRecord:
    rows = {
        side: TicketRow(row)
        for side, row in ((Side.ITSM, found.itsm_ticket), (Side.VENDOR, found.vendor_ticket))
        if row is not None
    }
    return LinkRecord(
        id=LinkRow(found.id),
        mapping=MappingName(found.mapping),
        rows=rows,
        origin=Side(found.origin),
        phase=LinkPhase(found.phase),
        created_at=found.created_at,
        vendor=ConnectionName(found.vendor_name),
        added_by=found.added_by,
        pause=pause_of(found),
        tombstone_at=found.tombstone_at,
    )


def pause_of(found: Row) -> Pause | None:
    """Read the three columns that say who paused a row."""
    if found.paused_at is None:
        return None
    return Pause(by=found.paused_by or "", reason=found.paused_reason or "", at=found.paused_at)


def lock_with_partners(tx: Tx, row: TicketRow) -> None:
    """Keep others off a ticket and its partners, in id order, before any link is locked.

    On SQLite there is one writer anyway.
    """
    if tx.is_postgres:
        around = {each for link in links_of(tx, row) for each in link.rows.values()}
        lock_tickets(tx, {row} | around)


def lock_links(tx: Tx, link_ids: Collection[LinkRow]) -> None:
    """Keep others off these links, their tickets and their queues until the transaction ends.

    To be called before their state is loaded for a decision. On SQLite there is one writer anyway.
    """
    if not tx.is_postgres or not link_ids:
        return
    given = {"ids": tx.many(link_ids)}
    sides = tx.rows(_sides_of(tx.is_postgres), given)
    lock_tickets(tx, {TicketRow(row) for pair in sides for row in pair if row is not None})
    tx.rows(locking(t.link), given)


@cache
def _sides_of(is_postgres: bool) -> sa.Select[Any]:
    wanted = among(_c.id, "ids", is_postgres=is_postgres)
    return sa.select(_c.itsm_ticket, _c.vendor_ticket).where(wanted)


def lock_tickets(tx: Tx, rows: Collection[TicketRow]) -> None:
    """Keep others off these tickets until the transaction ends; in id order, before any link."""
    if tx.is_postgres and rows:
        tx.rows(locking(t.ticket), {"ids": tx.many(rows)})


# --- what a decision needs -------------------------------------------------------------------


def load_link(tx: Tx, link_id: LinkRow, *, lookup_keys: Iterable[OperationKey] = ()) -> LinkParts:
    """Load everything the decision about a link is made from, rules, traits and now apart.

    Args:
        tx: the transaction.
        link_id: the link.
        lookup_keys: keys to be looked up beside those met in the snapshots.
    """
    record = get(tx, link_id)
    sides = load_sides(tx, record)
    tickets = sides.tickets
    keys = set(lookup_keys)
    for ticket in tickets.values():
        keys.update(ticket.keys)
        for comment in ticket.comments:
            keys.update(comment.keys)
    owners = own_keys(tx, keys)
    shared = sharing.around(tx, record)
    return LinkParts(
        link=record,
        tickets=tickets,
        numbers=sides.numbers,
        read_at=sides.read_at,
        gone=frozenset(sides.gone),
        unread=frozenset(sides.unread),
        baselines=_load_baselines(tx, link_id),
        pairs=pairs_of(tx, link_id),
        operations=operations_of(tx, link_id),
        conflicts=frozenset(tx.scalars(_FROZEN, {"link": link_id})),
        own_keys={key: (owner.link_id, owner.target) for key, owner in owners.items()},
        quoted=_quoted(tx, record, owners),
        others=shared.others,
        siblings=shared.siblings,
        restored_at=meta.restored_at(tx),
    )


def _quoted(
    tx: Tx, record: LinkRecord, owners: Mapping[OperationKey, KeyOwner]
) -> frozenset[OperationKey]:
    """Name the keys that stand here because somebody quotes another ticket."""
    others = {owner.link_id for owner in owners.values()} - {record.id}
    if not others:
        return frozenset()
    rows = list(record.rows.values())
    # What a link without a partner said on one of these tickets is its word, not a quote.
    said_here = {owner.link_id for owner in owners.values() if owner.target_row in rows}
    shares = sa.or_(_c.itsm_ticket.in_(rows), _c.vendor_ticket.in_(rows))
    related = set(tx.scalars(sa.select(_c.id).where(tx.among(_c.id, others), shares)))
    return frozenset(
        key for key, owner in owners.items() if owner.link_id in others - related - said_here
    )


def _load_baselines(tx: Tx, link_id: LinkRow) -> dict[tuple[Side, str], Baseline]:
    return {
        (Side(row.side), row.slot): Baseline(
            value=codec.load(row.value),
            previous=codec.load_optional(row.previous),
            written_at=row.written_at,
            state=BaselineState(row.state),
        )
        for row in tx.rows(_BASELINES, {"link": link_id})
    }


def pairs_of(tx: Tx, link_id: LinkRow) -> tuple[ItemPair, ...]:
    """Return the comments and attachments known to a link, in the order they became known."""
    return tuple(
        ItemPair(
            kind=ItemKind(row.kind),
            origin=Side(row.origin),
            source_id=row.source_id,
            target_id=row.target_id,
            state=PairState(row.state),
            reason=row.reason,
            key=row.key,
        )
        for row in tx.rows(_PAIRS, {"link": link_id})
    )


def operations_of(tx: Tx, link_id: LinkRow) -> tuple[OpenOperation, ...]:
    """Return a link's operations that are not settled, in the order they were planned."""
    return tuple(open_operation(row) for row in tx.rows(_OPERATIONS, {"link": link_id}))


def own_keys(tx: Tx, keys: Collection[OperationKey]) -> dict[OperationKey, KeyOwner]:
    """Say of keys met as markers which are this store's, and whose; a stranger's is left out."""
    if not keys:
        return {}
    found = _owners(tx, t.operation, keys)
    forgotten = set(keys) - set(found)
    if forgotten:
        found |= _owners(tx, t.own_key, forgotten)
    return found


def _owners(
    tx: Tx, table: sa.Table, keys: Collection[OperationKey]
) -> dict[OperationKey, KeyOwner]:
    owners = tx.rows(_owners_of(table, tx.is_postgres), {"keys": tx.many(sorted(keys))})
    return {
        OperationKey(row.key): KeyOwner(
            link_id=LinkRow(row.link),
            target=Side(row.target),
            operation_id=OperationId(row.number),
            kind=WriteKind(row.kind),
            state=OperationState(row.state),
            target_row=None if row.target_row is None else TicketRow(row.target_row),
        )
        for row in owners
    }


@cache
def _owners_of(table: sa.Table, is_postgres: bool) -> sa.Select[Any]:
    o = table.c
    number = (o.id if table is t.operation else o.operation).label("number")
    met = among(o.key, "keys", is_postgres=is_postgres)
    return sa.select(o.key, o.link, o.target, number, o.kind, o.state, o.target_row).where(met)


# --- making and ending -----------------------------------------------------------------------


def create_link(
    tx: Tx,
    *,
    mapping: MappingName,
    origin: Side,
    source_row: TicketRow,
    partner: tuple[ConnectionName, str],
    now: datetime,
    why: tuple[str, str] = ("", ""),
) -> LinkRow:
    """Make a link whose partner is yet to be opened.

    Args:
        tx: the transaction.
        mapping: the mapping that opens it.
        origin: the side that has a ticket.
        source_row: that ticket.
        partner: connection and kind of the ticket to be made on the other side.
        now: when.
        why: what led to it, as it is now, for the journal; and the place of the rules that asked.

    Raises:
        BrokenInvariant: this mapping has a link for that ticket already.
    """
    values = _new(mapping, origin, now) | {
        "phase": LinkPhase.OPENING,
        "partner_connection": partner[0],
        "partner_kind": partner[1],
        f"{origin}_ticket": source_row,
    }
    link_id = LinkRow(tx.insert_id(t.link, values))
    line = Line(
        at=now, event="link.opening", link=link_id, mapping=mapping, ticket=source_row,
        detail=why[0], place=why[1],
    )  # fmt: skip
    journal.append(tx, line)
    return link_id


def _new(mapping: MappingName, origin: Side, now: datetime, added_by: str = "") -> dict[str, Any]:
    return {
        "mapping": mapping,
        "origin": origin,
        "added_by": added_by,
        "created_at": now,
        "partner_connection": "",
        "partner_kind": "",
    }


def add_link(
    tx: Tx,
    *,
    mapping: MappingName,
    itsm_row: TicketRow,
    vendor_row: TicketRow,
    by: str,
    now: datetime,
) -> LinkRow:
    """Pair two existing tickets: no ancestor, so differences become conflicts (DESIGN R13).

    A tombstone of the same pair is revived with its comments and attachments.

    Raises:
        CommandRefused: one of them has a partner already.
    """
    for side, row in ((Side.ITSM, itsm_row), (Side.VENDOR, vendor_row)):
        _refuse_taken(tx, mapping, side, row)
    same = sa.select(_c.id).where(
        _c.mapping == mapping, _c.itsm_ticket == itsm_row, _c.vendor_ticket == vendor_row
    )
    tombstone_id = tx.scalar(same.order_by(_c.id.desc()).limit(1))
    if tombstone_id is not None:
        revive(tx, LinkRow(tombstone_id), by=by, now=now)
        return LinkRow(tombstone_id)
    values = _new(mapping, Side.ITSM, now, by) | {
        "phase": LinkPhase.OPEN,
        "itsm_ticket": itsm_row,
        "vendor_ticket": vendor_row,
    }
    link_id = LinkRow(tx.insert_id(t.link, values))
    _decide_about(tx, (itsm_row, vendor_row), now)
    line = Line(at=now, event="link.added", link=link_id, mapping=mapping, actor=by)
    journal.append(tx, line)
    return link_id


def _refuse_taken(tx: Tx, mapping: MappingName, side: Side, row: TicketRow) -> None:
    query = sa.select(_c.id, _c.phase).where(_COLUMN[side] == row, _c.tombstone_at.is_(None))
    if side is Side.ITSM:
        query = query.where(_c.mapping == mapping)
    found = tx.first(query)
    if found is not None:
        raise CommandRefused(
            f"the {side} ticket belongs to link {found.id} ({found.phase}); "
            f"`syncd link remove {found.id}` first"
        )


def set_phase(tx: Tx, link_id: LinkRow, phase: LinkPhase, *, now: datetime, why: str = "") -> None:
    """Move a link to another phase; nothing happens when it is there."""
    update = sa.update(t.link).where(_c.id == link_id, _c.phase != phase)
    if tx.run(update.values(phase=phase)):
        line = Line(at=now, event=f"link.{phase}", detail=why, link=link_id)
        journal.append(tx, line)


def tombstone(tx: Tx, link_id: LinkRow, *, by: str, now: datetime) -> None:
    """End a link; what it knows stays, and its unsent operations are discarded.

    Raises:
        CommandRefused: it is ended already, or one of its writes is under way.
    """
    record = get(tx, link_id)
    lock_links(tx, [link_id])
    if record.tombstone_at is not None:
        raise CommandRefused(f"link {link_id} was removed at {record.tombstone_at:%Y-%m-%d %H:%M}")
    o = t.operation.c
    mine = o.link == link_id
    busy = tx.scalar(sa.select(o.id).where(mine, t.state_in(*t.IN_FLIGHT)).limit(1))
    if busy is not None:
        raise CommandRefused(
            f"operation {busy} of link {link_id} is being sent; try again in a moment"
        )
    open_here = sa.select(o.lane).where(mine, t.state_in(*t.UNSETTLED)).distinct()
    touched = list(tx.scalars(open_here))
    tx.run(
        sa.update(t.operation)
        .where(mine, t.state_in(*t.UNSETTLED))
        .values(state=OperationState.DISCARDED, settled_at=now, detail=f"link removed by {by}")
    )
    lanes.arrange(tx, touched)
    tx.run(
        sa.update(t.link).where(_c.id == link_id).values(tombstone_at=now, phase=LinkPhase.REMOVED)
    )
    journal.append(tx, Line(at=now, event="link.removed", link=link_id, actor=by))


def revive(tx: Tx, link_id: LinkRow, *, by: str, now: datetime) -> None:
    """Bring a removed link back; its baselines go, so that differences become conflicts.

    Raises:
        CommandRefused: it is not removed, or another link took its place.
    """
    record = get(tx, link_id)
    if record.tombstone_at is None:
        raise CommandRefused(f"link {link_id} is not removed")
    for side, row in record.rows.items():
        _refuse_taken(tx, record.mapping, side, row)
    is_whole = len(record.rows) == len(Side)
    ensure(is_whole, "only a link with both tickets is revived")
    tx.run(sa.delete(t.baseline).where(t.baseline.c.link == link_id))
    tx.run(
        sa.update(t.link)
        .where(_c.id == link_id)
        .values(tombstone_at=None, phase=LinkPhase.OPEN, added_by=by)
    )
    _decide_about(tx, record.rows.values(), now)
    journal.append(tx, Line(at=now, event="link.revived", link=link_id, actor=by))


def _decide_about(tx: Tx, rows: Iterable[TicketRow], now: datetime) -> None:
    tx.run(
        sa.update(t.ticket)
        .where(t.ticket.c.id.in_(list(rows)))
        .values(decide_due_at=now, read_due_at=sooner(t.ticket.c.read_due_at, now))
    )


def pause(tx: Tx, link_id: LinkRow, reason: str, *, by: str, now: datetime) -> None:
    """Stop writing for a link; what is planned waits."""
    values = {"paused_by": by, "paused_reason": reason, "paused_at": now}
    tx.run(sa.update(t.link).where(_c.id == link_id).values(values))
    journal.append(tx, Line(at=now, event="link.paused", detail=reason, link=link_id, actor=by))


def resume(tx: Tx, link_id: LinkRow, *, by: str, now: datetime) -> None:
    """Go on writing for a link, and decide about it again."""
    values = {"paused_by": None, "paused_reason": None, "paused_at": None}
    tx.run(sa.update(t.link).where(_c.id == link_id).values(values))
    _decide_about(tx, get(tx, link_id).rows.values(), now)
    journal.append(tx, Line(at=now, event="link.resumed", link=link_id, actor=by))


# --- looking ---------------------------------------------------------------------------------


def count_opened_since(
    tx: Tx,
    mapping: MappingName,
    since: datetime,
    *,
    unless_told: str = "",
    unless_asked: str = "",
) -> int:
    """Count the partners a mapping opened by itself after an instant.

    A link that only stands for a problem that was told opened nothing.

    Args:
        tx: the transaction.
        mapping: the mapping.
        since: the instant.
        unless_told: tickets about which this was journalled up to then do not count.
        unless_asked: nor do those about which this was journalled ever.
    """
    query = _opened_since(unless_told, unless_asked)
    return int(tx.scalar(query, {"of_mapping": mapping, "since": since}) or 0)


@cache
def _opened_since(unless_told: str, unless_asked: str) -> sa.Select[Any]:
    o, j = t.operation.c, t.journal.c
    mapping = sa.bindparam("of_mapping", type_=sa.Text())
    since = sa.bindparam("since", type_=Instant())
    source = sa.case((_c.origin == Side.ITSM, _c.itsm_ticket), else_=_c.vendor_ticket)
    told = sa.exists().where(
        j.ticket == source, j.event == unless_told, j.mapping == mapping, j.at <= since
    )
    query = sa.select(sa.func.count()).where(
        _c.mapping == mapping,
        _c.created_at > since,
        _c.added_by == "",
        sa.exists().where(o.link == _c.id, o.kind == WriteKind.CREATE),
    )
    if unless_told:
        query = query.where(~told)
    if unless_asked:
        mine = (j.ticket == source, j.mapping == mapping, j.event == unless_asked)
        query = query.where(~sa.exists().where(*mine))
    return query


def set_partner(tx: Tx, link_id: LinkRow, partner: tuple[ConnectionName, str]) -> None:
    """Say on which connection a link's partner is to be made; nothing is planned there yet."""
    values = {"partner_connection": partner[0], "partner_kind": partner[1]}
    tx.run(sa.update(t.link).where(_c.id == link_id).values(values))


def note_opened(tx: Tx, link_id: LinkRow, now: datetime) -> None:
    """Note that a link that waited for its ticket's correction is being opened now."""
    tx.run(sa.update(t.link).where(_c.id == link_id).values(created_at=now))


def live(tx: Tx, *, mapping: MappingName | None = None) -> list[LinkRecord]:
    """List the links that are not removed, oldest first, without what is open on them."""
    query = sa.select(t.link, _VENDOR).where(_c.tombstone_at.is_(None)).order_by(_c.id)
    if mapping is not None:
        query = query.where(_c.mapping == mapping)
    return [_record(found) for found in tx.each(query)]


def overview(
    tx: Tx, *, mapping: MappingName | None = None, limit: int | None = None
) -> list[LinkOverview]:
    """List the links that are not removed, with their numbers and what is open, oldest first.

    Args:
        tx: the transaction.
        mapping: of this one only.
        limit: the newest so many; None: all.
    """
    itsm, vendor, o, k = t.ticket.alias(), t.ticket.alias(), t.operation.c, t.conflict.c
    parked = sa.func.count(sa.case((o.state == OperationState.PARKED, 1)))
    operations = (
        sa.select(o.link, sa.func.count().label("all"), parked.label("parked"))
        .where(t.state_in(*t.UNSETTLED))
        .group_by(o.link)
        .subquery()
    )
    conflicts = (
        sa.select(k.link, sa.func.count().label("open"))
        .where(k.resolved_at.is_(None))
        .group_by(k.link)
        .subquery()
    )
    query = (
        sa.select(
            t.link,
            _VENDOR,
            itsm.c.number.label("itsm_number"),
            itsm.c.connection.label("itsm_connection"),
            vendor.c.number.label("vendor_number"),
            vendor.c.connection.label("vendor_connection"),
            sa.func.coalesce(operations.c.all, 0).label("operations"),
            sa.func.coalesce(operations.c.parked, 0).label("parked"),
            sa.func.coalesce(conflicts.c.open, 0).label("conflicts"),
        )
        .outerjoin_from(t.link, itsm, itsm.c.id == _c.itsm_ticket)
        .outerjoin(vendor, vendor.c.id == _c.vendor_ticket)
        .outerjoin(operations, operations.c.link == _c.id)
        .outerjoin(conflicts, conflicts.c.link == _c.id)
        .where(_c.tombstone_at.is_(None))
        .order_by(_c.id.desc())
        .limit(limit)
    )
    if mapping is not None:
        query = query.where(_c.mapping == mapping)
    return [_overview(found) for found in tx.each(query)][::-1]


def _overview(found: Row) -> LinkOverview:
    sides: Mapping[Side, tuple[str | None, str | None]] = {
        Side.ITSM: (found.itsm_number, found.itsm_connection),
        Side.VENDOR: (found.vendor_number, found.vendor_connection),
    }
    return LinkOverview(
        link=_record(found),
        numbers={side: number or "" for side, (number, _) in sides.items()},
        connections={
            side: ConnectionName(name) for side, (_, name) in sides.items() if name is not None
        },
        open_operations=found.operations - found.parked,
        parked=found.parked,
        conflicts=found.conflicts,
    )
