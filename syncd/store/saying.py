"""What is stored when a create gives way to a comment on a ticket that is active already.

All of it in the transaction that supersedes the create: one comment operation (or its parts) to the
active ticket, one to tell the source ticket's desk, the link at rest. So a crash leaves either
the create as it was, to be asked about again, or everything. The keys of the comments follow from
the create's, and keys are unique: the database itself refuses to store them twice.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from syncd.core.state import PairState, Rank, Reason
from syncd.model.ids import ConnectionName, OperationKey, Side, TicketRow
from syncd.model.operation import CommentDraft, OperationState, WriteKind
from syncd.model.outbox import SaidInstead
from syncd.store import codec, lanes
from syncd.store import tables as t
from syncd.store.effects import Effects, Told, note
from syncd.store.records import LinkPhase
from syncd.store.tickets import ensure_ticket
from syncd.store.tx import Row, Tx

_o, _k, _i = t.operation.c, t.ticket.c, t.item_pair.c


def say_instead(effects: Effects, row: Row, instead: SaidInstead, now: datetime) -> None:
    """Store what is written instead of a create.

    Args:
        effects: where the queues and the journal lines are gathered.
        row: the create, as `effects.load_rows` gave it; its own end is stored by the caller.
        instead: the active ticket and the comments.
        now: when.
    """
    tx = effects.tx
    active = ensure_ticket(
        tx,
        ConnectionName(row.connection),
        instead.ticket_kind,
        external_id=instead.ticket_id,
        number=instead.ticket_number,
        now=now,
    )
    name = instead.ticket_number or instead.ticket_id
    where = f"{instead.ticket_kind} {name}"
    _rest(tx, row, f"said on {where}: nothing more is carried", now)
    common = _common(tx, row, now) | {"place": instead.place}
    there = {
        "connection": row.connection,
        "target": row.target,
        "target_row": active,
        "ticket_kind": instead.ticket_kind,
        "source_connection": row.source_connection,
    }
    for key, draft in instead.comments:
        _add(effects, common | there, key, draft)
    if instead.told is not None:
        here = {
            "connection": row.source_connection,
            "target": Side(row.target).other,
            "target_row": row.source_row,
            "ticket_kind": tx.scalar(sa.select(_k.kind).where(_k.id == row.source_row)),
            "source_connection": row.source_connection,
        }
        _add(effects, common | here, *instead.told)
    told = Told(now=now, detail=f"{where} is active: nothing is created, it is said there")
    note(effects, row, "operation.said_instead", told, target_row=active)


def _rest(tx: Tx, row: Row, why: str, now: datetime) -> None:
    """Let the link rest, and give up what waited for the ticket that is not created."""
    c = t.link.c
    tx.run(sa.update(t.link).where(c.id == row.link).values(phase=LinkPhase.SAID))
    tx.run(
        sa.update(t.operation)
        .where(
            _o.link == row.link,
            _o.lane == lanes.of_link(row.link, Side(row.target)),
            _o.state.in_((OperationState.WAITING, OperationState.PARKED)),
            _o.id != row.id,
        )
        .values(state=OperationState.SUPERSEDED, settled_at=now, park_reason=None, detail=why)
    )
    tx.run(
        sa.update(t.item_pair)
        .where(_i.link == row.link, _i.state == PairState.PLANNED)
        .values(state=PairState.NOT_CARRIED, reason=why)
    )


def _common(tx: Tx, row: Row, now: datetime) -> dict[str, Any]:
    """Give what the new operations have of the create."""
    create = tx.first(sa.select(_o.seen_at, _o.revision).where(_o.id == row.id))
    return {
        "link": row.link,
        "mapping": row.mapping,
        "source_row": row.source_row,
        "rank": lanes.RANKS[Rank.NORMAL],
        "blocks": 0,
        "kind": WriteKind.COMMENT,
        "slots": codec.dump_slots({}),
        "item_kind": None,
        "item_origin": None,
        "item_source_id": None,
        "only_from": None,
        "reason": Reason.SAID_INSTEAD,
        "revision": row.revision,
        "correlation_id": row.correlation_id,
        "seen_at": now if create is None else create.seen_at,
        "planned_at": now,
        "ask_after_at": None,
        "state": OperationState.WAITING,
        "not_before": now,
        "attempt": 0,
        "attempts": 0,
        "sends": 0,
        "looks": 0,
        "detail": "",
    }


def _add(effects: Effects, values: dict[str, Any], key: OperationKey, draft: CommentDraft) -> None:
    lane = lanes.of_ticket(TicketRow(values["target_row"]))
    effects.tx.insert_id(
        t.operation,
        values | {"key": key, "lane": lane, "payload": codec.dump_payload({}, draft, None)},
    )
    effects.lanes.add(lane)
