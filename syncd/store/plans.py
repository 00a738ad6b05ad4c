"""Storing a plan: all of it in one transaction, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncd.core.state import (
    BaselineMove,
    FoundConflict,
    Plan,
    PlannedOperation,
    Rank,
)
from syncd.model.errors import BrokenInvariant, ensure
from syncd.model.ids import (
    AttachmentId,
    CommentId,
    ConnectionName,
    LinkRow,
    OperationId,
    OperationKey,
    Side,
    TicketId,
    TicketRow,
)
from syncd.model.operation import MAKING, OperationState, Receipt
from syncd.store import codec, journal, lanes, naming
from syncd.store import tables as t
from syncd.store.bulk import Writes
from syncd.store.effects import ACCOUNT, save_pairs
from syncd.store.records import Line, PlanContext
from syncd.store.settling import settle_seen
from syncd.store.tx import Tx, among


@dataclass(frozen=True, slots=True, kw_only=True)
class _Home:
    """Where a plan's operations go: the link, its mapping, and per side what is known."""

    link_id: LinkRow
    mapping: str
    rows: dict[Side, TicketRow]
    connections: dict[Side, ConnectionName]
    kinds: dict[Side, str]
    tickets: dict[Side, tuple[str | None, datetime | None]]


def apply_plan(tx: Tx, link_id: LinkRow, plan: Plan, context: PlanContext) -> list[OperationId]:
    """Store everything of a plan (DESIGN R2, R6, R7).

    The link was locked before the state was loaded that the plan was made from.

    Args:
        tx: the transaction.
        link_id: the link it is about.
        plan: what was decided.
        context: what is stored beside it.

    Returns:
        The new operations, in the plan's order.

    Raises:
        BrokenInvariant: the plan does not fit what is stored.
    """
    home = _home(tx, link_id)
    touched = _supersede(tx, home, plan.superseded, context)
    writes = Writes(tx)
    _move_baselines(writes, link_id, plan.baselines)
    save_pairs(writes, link_id, plan.pairs)
    writes.flush()
    for key, item_id in plan.applied:
        _settle_applied(tx, home, key, item_id, context)
    added = _add_operations(tx, home, plan.operations, context)
    touched |= {_lane(home, operation.target) for operation in plan.operations}
    lanes.arrange(tx, touched)
    if added:
        tx.ring("delivery")
    for conflict in plan.conflicts:
        _freeze(tx, home, conflict, context)
    journal.append(
        tx,
        *(
            _line(home, context, event=note.event, detail=note.detail, place=note.place)
            for note in plan.notes
        ),
    )
    return added


_itsm, _vendor = t.ticket.alias(), t.ticket.alias()
_HOME = (
    sa.select(
        t.link.c.mapping, t.link.c.itsm_ticket, t.link.c.vendor_ticket,
        t.link.c.partner_connection, t.link.c.partner_kind,
        _itsm.c.connection.label("itsm_connection"), _itsm.c.kind.label("itsm_kind"),
        _vendor.c.connection.label("vendor_connection"), _vendor.c.kind.label("vendor_kind"),
        _itsm.c.external_id.label("itsm_id"), _itsm.c.provider_created_at.label("itsm_made_at"),
        _vendor.c.external_id.label("vendor_id"),
        _vendor.c.provider_created_at.label("vendor_made_at"),
    )
    .outerjoin_from(t.link, _itsm, _itsm.c.id == t.link.c.itsm_ticket)
    .outerjoin(_vendor, _vendor.c.id == t.link.c.vendor_ticket)
    .where(t.link.c.id == sa.bindparam("link"))
)  # fmt: skip


def _home(tx: Tx, link_id: LinkRow) -> _Home:
    found = tx.first(_HOME, {"link": link_id})
    if found is None:
        raise BrokenInvariant(f"link {link_id} is not there")
    rows: dict[Side, TicketRow] = {}
    connections: dict[Side, ConnectionName] = {}
    kinds: dict[Side, str] = {}
    for side in Side:
        row = getattr(found, f"{side}_ticket")
        if row is not None:
            rows[side] = TicketRow(row)
            connections[side] = ConnectionName(getattr(found, f"{side}_connection"))
            kinds[side] = getattr(found, f"{side}_kind")
        else:
            connections[side] = ConnectionName(found.partner_connection)
            kinds[side] = found.partner_kind
    return _Home(
        link_id=link_id,
        mapping=found.mapping,
        rows=rows,
        connections=connections,
        kinds=kinds,
        tickets={
            side: (getattr(found, f"{side}_id"), getattr(found, f"{side}_made_at")) for side in Side
        },
    )


def _lane(home: _Home, target: Side) -> str:
    row = home.rows.get(target)
    return lanes.of_link(home.link_id, target) if row is None else lanes.of_ticket(row)


def _line(home: _Home, context: PlanContext, **values: Any) -> Line:
    return Line(
        at=context.now,
        correlation_id=context.correlation_id,
        link=home.link_id,
        mapping=home.mapping,
        revision=context.revision,
        **values,
    )


# --- operations ------------------------------------------------------------------------------


@cache
def _superseding(is_postgres: bool) -> tuple[sa.Select[Any], sa.Update]:
    o = t.operation.c
    mine = (o.link == sa.bindparam("of_link"), among(o.id, "ids", is_postgres=is_postgres))
    superseding = (
        sa.update(t.operation)
        .where(*mine)
        .values(
            state=sa.literal_column(f"'{OperationState.SUPERSEDED}'"),
            settled_at=sa.bindparam("now"),
            park_reason=None,
        )
    )
    unsent = sa.select(o.id, o.lane, o.kind).where(*mine, t.state_in(*t.REPLACEABLE))
    return unsent, superseding


def _supersede(
    tx: Tx, home: _Home, superseded: Sequence[OperationId], context: PlanContext
) -> set[str]:
    if not superseded:
        return set()
    given = {"of_link": home.link_id, "ids": tx.many(superseded)}
    unsent, superseding = _superseding(tx.is_postgres)
    found = tx.rows(unsent, given)
    ensure(len(found) == len(set(superseded)), "only unsent operations are replaced")
    tx.run(superseding, given | {"now": context.now})
    journal.append(
        tx,
        *(
            _line(home, context, event="operation.superseded", detail=row.kind, operation=row.id)
            for row in found
        ),
    )
    return {row.lane for row in found}


def _add_operations(
    tx: Tx, home: _Home, planned: Sequence[PlannedOperation], context: PlanContext
) -> list[OperationId]:
    added: list[OperationId] = []
    lines: list[Line] = []
    lasting = None
    if context.root and any(operation.kind in MAKING for operation in planned):
        lasting = naming.lasting(tx, home.mapping, home.connections)
    for operation in planned:
        values = _values(home, operation, context)
        named = naming.name(
            tx,
            operation,
            _origin(home, operation, lasting),
            root=context.root,
            fresh=context.new_key(),
            now=context.now,
        )
        values |= {"key": named.key, **named.columns}
        added.append(OperationId(tx.insert_id(t.operation, values)))
        lines.append(
            _line(
                home,
                context,
                event="operation.planned",
                detail=f"{operation.kind} on {operation.target}: {operation.reason}",
                connection=values["connection"],
                operation=added[-1],
                ticket=values["target_row"],
                place=operation.place,
            )
        )
        if named.columns:
            where = {"connection": values["connection"], "kind": values["ticket_kind"]}
            naming.recognise(tx, named.key, link=home.link_id, now=context.now, **where)
    journal.append(tx, *lines)
    return added


def _origin(
    home: _Home, planned: PlannedOperation, lasting: naming.Lasting | None
) -> naming.Origin | None:
    """Say what tells an operation's link from others; None: its ticket was never read."""
    source, target = planned.target.other, planned.target
    ticket_id, made_at = home.tickets[source]
    if lasting is None or source not in home.rows or ticket_id is None:
        return None
    return naming.Origin(
        lasting=lasting,
        ticket=(home.kinds[source], ticket_id, home.kinds[target]),
        made_at=made_at,
    )


def _values(home: _Home, planned: PlannedOperation, context: PlanContext) -> dict[str, Any]:
    side = planned.target
    # A note about the ticket itself is written before there is a partner: it is its own source.
    source = side.other if side.other in home.rows else side
    ensure(source in home.rows, "a change comes from a ticket")
    ensure(
        (planned.rank is Rank.CREATE) == (planned.kind == "create"),
        "a create, and only it, is first",
    )
    ensure(
        planned.rank is not Rank.CREATE or side not in home.rows, "a side's ticket is created once"
    )
    late = context.ask_after_s if planned.rank is Rank.CREATE else None
    item = planned.item or (None, None, None)
    return {
        "link": home.link_id,
        "mapping": home.mapping,
        "connection": home.connections[side],
        "source_connection": home.connections[source],
        "target": side,
        "target_row": home.rows.get(side),
        "source_row": home.rows[source],
        "lane": _lane(home, side),
        "rank": lanes.RANKS[planned.rank],
        "blocks": 1 if planned.rank is Rank.CREATE else 0,
        "kind": planned.kind,
        "ticket_kind": home.kinds[side],
        "payload": codec.dump_payload(planned.fields, planned.comment, planned.attachment),
        "slots": codec.dump_slots(planned.slots),
        "item_kind": item[0],
        "item_origin": item[1],
        "item_source_id": item[2],
        "only_from": None if planned.only_from is None else codec.dump(list(planned.only_from)),
        "reason": planned.reason,
        "place": planned.place,
        "revision": context.revision,
        "correlation_id": context.correlation_id,
        "seen_at": context.seen_at,
        "planned_at": context.now,
        "ask_after_at": None if late is None else context.now + timedelta(seconds=late),
        "state": OperationState.WAITING,
        "not_before": context.now,
        "attempt": 0,
        "attempts": 0,
        "sends": 0,
        "looks": 0,
        "detail": "",
    }


def _settle_applied(
    tx: Tx, home: _Home, key: OperationKey, item_id: str, context: PlanContext
) -> None:
    o = t.operation.c
    found = tx.first(
        sa.select(o.kind, o.target_row, t.ticket.c.external_id)
        .outerjoin_from(t.operation, t.ticket, t.ticket.c.id == o.target_row)
        .where(o.key == key, o.link == home.link_id)
    )
    ensure(found is not None, "an effect is an effect of this link's own operation")
    if found is None:
        return
    receipt = Receipt(
        ticket_id=TicketId(item_id if found.kind == "create" else found.external_id or ""),
        comment_id=CommentId(item_id) if found.kind == "comment" else None,
        attachment_id=AttachmentId(item_id) if found.kind == "attachment" else None,
    )
    settle_seen(tx, key, receipt, now=context.now, detail="its effect was seen on the ticket")


# --- what is known ---------------------------------------------------------------------------


def _move_baselines(writes: Writes, link_id: LinkRow, moves: Sequence[BaselineMove]) -> None:
    for move in moves:
        writes.add(
            ACCOUNT,
            {
                "link": link_id,
                "side": move.side,
                "slot": move.slot,
                "value": codec.dump(move.value),
                "state": move.state,
            },
        )


def _freeze(tx: Tx, home: _Home, conflict: FoundConflict, context: PlanContext) -> None:
    values = {
        "itsm_value": codec.dump(conflict.itsm_value),
        "vendor_value": codec.dump(conflict.vendor_value),
        "place": conflict.place,
    }
    c = t.conflict.c
    is_open = (c.link == home.link_id, c.slot == conflict.slot, c.resolved_at.is_(None))
    if not tx.run(sa.update(t.conflict).where(*is_open).values(values)):
        tx.insert_id(
            t.conflict,
            values | {"link": home.link_id, "slot": conflict.slot, "found_at": context.now},
        )
    journal.append(
        tx,
        _line(
            home,
            context,
            event="conflict.found",
            detail=f"{conflict.slot}: itsm {conflict.itsm_value!r}, "
            f"vendor {conflict.vendor_value!r}",
            place=conflict.place,
        ),
    )
