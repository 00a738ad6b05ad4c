"""Tickets that several links share: what the other links are doing there, and did (R10)."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.core.state import GivenUp, ItemKind, ItemPair, OpenOperation, PairState
from syncd.model.ids import ConnectionName, LinkRow, OperationId, OperationKey, Side, TicketRow
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.store import codec
from syncd.store import tables as t
from syncd.store.records import LinkRecord, Sibling
from syncd.store.tx import Row, Tx, among

_c, _o, _i, _t = t.link.c, t.operation.c, t.item_pair.c, t.ticket.c
_P = sa.bindparam
_AROUND = sa.select(_c.id, _c.vendor_ticket, _c.partner_connection, _c.tombstone_at).where(
    _c.itsm_ticket == _P("itsm"), _c.id != _P("link")
)

_IS_COPY = sa.and_(_i.origin == Side.VENDOR, _i.target_id != "")
# What a link said of its own carries its operation's key, and is nobody's copy.
_IS_OWN = sa.and_(_i.origin == Side.ITSM, _i.state == PairState.SKIPPED, _i.key.is_not(None))
_WRITTEN = (
    sa.select(_i.kind, sa.case((_IS_COPY, _i.target_id), else_=_i.source_id).label("made"))
    .join(t.link, _c.id == _i.link)
    .where(_c.itsm_ticket == _P("row"), sa.or_(_IS_COPY, _IS_OWN))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What goes on around a link's ITSM ticket by its other links."""

    others: tuple[OpenOperation, ...] = ()
    siblings: tuple[Sibling, ...] = ()


def around(tx: Tx, record: LinkRecord) -> Shared:
    """Load what the other links of a link's ITSM ticket are doing."""
    if Side.ITSM not in record.rows:
        return Shared()
    found = tx.rows(_AROUND, {"itsm": record.rows[Side.ITSM], "link": record.id})
    if not found:
        return Shared()
    ids = [row.id for row in found]
    query = sa.select(t.operation).where(tx.among(_o.link, ids), t.state_in(*t.UNSETTLED))
    rows = tx.rows(query.order_by(_o.id))
    creating = {row.link for row in rows if row.kind == WriteKind.CREATE}
    live = [row for row in found if row.tombstone_at is None]
    known = [row.vendor_ticket for row in live if row.vendor_ticket is not None]
    partners = tx.rows(
        sa.select(_t.connection, _t.snapshot).where(tx.among(_t.id, known), _t.gone_at.is_(None))
    )
    unborn = [row for row in live if row.vendor_ticket is None and row.id in creating]
    return Shared(
        others=tuple(open_operation(row) for row in rows),
        siblings=(
            *(_sibling(row) for row in partners),
            *(Sibling(vendor=ConnectionName(row.partner_connection)) for row in unborn),
        ),
    )


def _sibling(row: Row) -> Sibling:
    name = ConnectionName(row.connection)
    if row.snapshot is None:
        return Sibling(vendor=name)
    return Sibling(vendor=name, status=codec.decode_ticket(row.snapshot).get("status"))


def written_there(tx: Tx, row: TicketRow) -> tuple[ItemPair, ...]:
    """List the comments and attachments that links wrote on an ITSM ticket."""
    return tuple(
        ItemPair(
            kind=ItemKind(each.kind),
            origin=Side.ITSM,
            source_id=each.made,
            state=PairState.FOREIGN,
        )
        for each in tx.rows(_WRITTEN, {"row": row})
    )


def given_up(tx: Tx, record: LinkRecord) -> tuple[GivenUp, ...]:
    """List the comments of a link, and of others of its ITSM ticket, that were discarded when sent.

    In the order they were planned; what became of them nobody knew when they were given up.
    """
    ids = [record.id]
    if Side.ITSM in record.rows:
        found = tx.rows(_AROUND, {"itsm": record.rows[Side.ITSM], "link": record.id})
        ids += [LinkRow(row.id) for row in found]
    rows = tx.rows(_GIVEN_UP.where(tx.among(_o.link, ids)))
    return tuple(_given_up(row) for row in rows)


_GIVEN_UP = (
    sa.select(t.operation)
    .where(
        _o.state == OperationState.DISCARDED,
        _o.kind == WriteKind.COMMENT,
        _o.sends > 0,
    )
    .order_by(_o.id)
)


def _given_up(row: Row) -> GivenUp:
    _, comment, _ = codec.load_payload(row.payload)
    return GivenUp(
        key=OperationKey(row.key),
        link_id=LinkRow(row.link),
        target=Side(row.target),
        body="" if comment is None else comment.body,
        planned_at=row.planned_at,
        left_at=row.closed_at or row.settled_at,
    )


def sharers(tx: Tx, tickets: Collection[int]) -> dict[int, list[int]]:
    """Give the live links of ITSM tickets."""
    found: dict[int, list[int]] = {}
    if tickets:
        for row in tx.rows(_sharers_of(tx.is_postgres), {"tickets": tx.many(tickets)}):
            found.setdefault(row.itsm_ticket, []).append(row.id)
    return found


@cache
def _sharers_of(is_postgres: bool) -> sa.Select[Any]:
    shared = among(_c.itsm_ticket, "tickets", is_postgres=is_postgres)
    return sa.select(_c.id, _c.itsm_ticket).where(shared, _c.tombstone_at.is_(None))


def open_operation(row: Row) -> OpenOperation:
    """Read an operation that is open or parked, as a decision sees it."""
    item = None
    if row.item_kind is not None:
        item = (ItemKind(row.item_kind), Side(row.item_origin), str(row.item_source_id))
    fields, comment, attachment = codec.load_payload(row.payload)
    return OpenOperation(
        id=OperationId(row.id),
        key=OperationKey(row.key),
        target=Side(row.target),
        kind=WriteKind(row.kind),
        state=OperationState(row.state),
        park_reason=None if row.park_reason is None else ParkReason(row.park_reason),
        slots=codec.load_slots(row.slots),
        item=item,
        fields=fields,
        comment=comment,
        attachment=attachment,
        sent=row.sends > 0,
        planned_at=row.planned_at,
    )
