"""Storing what came of an attempt, in one transaction (DESIGN R2).

Receipt, ids produced, provisional baselines and the journal line are committed together, fenced on
(lease owner, attempt). An answer that comes too late is always appended; it settles an operation
that nobody has settled, and shows a second effect where somebody has.
"""

from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Executable

from syncd.core.state import BaselineState, ItemPair, PairState, SlotMove
from syncd.model.errors import BrokenInvariant
from syncd.model.ids import ConnectionName, LinkRow, OperationId, OperationKey, Side, TicketRow
from syncd.model.operation import OperationState, ParkReason, Receipt, WriteKind
from syncd.model.outbox import ClaimedOperation, Outcome, OutcomeKind
from syncd.model.ticket import Missing, Value
from syncd.store import codec, journal, lanes
from syncd.store import tables as t
from syncd.store.records import Line, LinkPhase
from syncd.store.tickets import ensure_ticket
from syncd.store.tx import Row, Tx, insert_into
from syncd.store.types import Instant, sooner

DETAIL_CHARS_MAX = 2_000

_o, _k = t.operation.c, t.ticket.c
_P = sa.bindparam
_COLUMNS = (
    _o.id, _o.link, _o.mapping, _o.connection, _o.target, _o.target_row, _o.source_row, _o.lane,
    _o.rank, _o.kind, _o.key, _o.ticket_kind, _o.payload, _o.slots, _o.item_kind, _o.item_origin,
    _o.item_source_id, _o.state, _o.claimed_from, _o.lease_owner, _o.attempt, _o.attempts, _o.sends,
    _o.looks, _o.park_reason, _o.sent_at, _o.closed_at, _o.receipt, _o.correlation_id, _o.revision,
    _o.source_connection,
)  # fmt: skip
# Built once: putting a statement together costs several times as much as carrying it out.
_BY_ID = sa.select(*_COLUMNS).where(_o.id == _P("operation"))
_UPDATE = sa.update(t.operation).where(_o.id == _P("operation"))
_INSERT_ATTEMPT = sa.insert(t.attempt)
_NOW = _P("now", type_=Instant())
_EPOCH = (
    sa.update(t.ticket)
    .where(_k.id == _P("row"))
    .values(write_epoch=_k.write_epoch + sa.literal_column("1"))
)
_WROTE = _EPOCH.values(
    read_due_at=sooner(_k.read_due_at, _NOW),
    sight_epoch=_k.sight_epoch + sa.literal_column("1"),
    decide_due_at=sooner(_k.decide_due_at, _NOW),
    cause=sa.literal_column("'after our write'"),
)
_DECIDE = (
    sa.update(t.ticket)
    .where(_k.id == _P("row"))
    .values(decide_due_at=sooner(_k.decide_due_at, _NOW))
)
_OLD_BASELINES = sa.select(t.baseline.c.side, t.baseline.c.slot, t.baseline.c.value).where(
    t.baseline.c.link == _P("link")
)
_PAIR = sa.update(t.item_pair).where(
    t.item_pair.c.link == _P("of_link"),
    t.item_pair.c.kind == _P("of_kind"),
    t.item_pair.c.origin == _P("of_origin"),
    t.item_pair.c.source_id == _P("of_source"),
)
_RELEASED: dict[str, Any] = {"lease_owner": None, "lease_until": None, "claimed_from": None}
_SETTLED = (OperationState.APPLIED, OperationState.SUPERSEDED, OperationState.DISCARDED)


def settle(tx: Tx, op: ClaimedOperation, outcome: Outcome, *, now: datetime) -> bool:
    """Store the outcome of an attempt.

    Args:
        tx: the transaction.
        op: as it was claimed.
        outcome: what came of it; the values of `receipt.fields` have passed through N.
        now: when it is stored.

    Returns:
        False when somebody else had taken the operation over: then the answer is kept as a late
        one, and settles the operation only if it was applied and nobody has settled it.
    """
    lock_around(tx, op.target_row, op.source_row, op.link_id)
    row = load_for_settling(tx, op.id)
    in_time = row.lease_owner == op.owner and row.attempt == op.attempt and row.state in t.IN_FLIGHT
    _record_attempt(tx, op, outcome, late=not in_time)
    if in_time:
        _settle_in_time(tx, row, outcome, now)
    elif outcome.kind is OutcomeKind.APPLIED and outcome.receipt is not None:
        _settle_late(tx, row, outcome, outcome.receipt, now)
    return in_time


def settle_seen(tx: Tx, key: OperationKey, receipt: Receipt, *, now: datetime, detail: str) -> bool:
    """Settle an operation whose effect was met in a snapshot, a list or a notification.

    Returns:
        False when there is no such operation or it is settled already.
    """
    found = tx.scalar(sa.select(_o.id).where(_o.key == key))
    if found is None:
        return False
    row = load_for_settling(tx, OperationId(found))
    if row.state in _SETTLED:
        return False
    apply_receipt(tx, row, receipt, now=now, detail=detail)
    return True


def lock_around(
    tx: Tx, target_row: TicketRow | None, source_row: TicketRow, link_id: LinkRow
) -> None:
    """Lock what settling an operation touches: both tickets in id order, then the link."""
    if not tx.is_postgres:
        return
    rows = {row for row in (target_row, source_row) if row is not None}
    c = t.ticket.c
    tx.rows(
        sa.select(c.id).where(tx.among(c.id, rows)).order_by(c.id).with_for_update(key_share=True)
    )
    tx.rows(sa.select(t.link.c.id).where(t.link.c.id == link_id).with_for_update(key_share=True))


def load_for_settling(tx: Tx, operation_id: OperationId) -> Row:
    """Load (and on PostgreSQL lock) the row of an operation about to be settled."""
    query = _BY_ID.with_for_update() if tx.is_postgres else _BY_ID
    row = tx.first(query, {"operation": operation_id})
    if row is None:
        raise BrokenInvariant(f"operation {operation_id} is not there")
    return row


def _record_attempt(tx: Tx, op: ClaimedOperation, outcome: Outcome, *, late: bool) -> None:
    tx.run(
        _INSERT_ATTEMPT,
        {
            "operation": op.id,
            "number": op.attempt,
            "what": outcome.what,
            "owner": op.owner,
            "started_at": outcome.started_at,
            "ended_at": outcome.ended_at,
            "outcome": outcome.kind,
            "status": outcome.status,
            "request": outcome.request[:DETAIL_CHARS_MAX],
            "detail": outcome.detail[:DETAIL_CHARS_MAX],
            "late": late,
        },
    )


def _settle_in_time(tx: Tx, row: Row, outcome: Outcome, now: datetime) -> None:
    if outcome.kind is OutcomeKind.APPLIED:
        if outcome.receipt is None:
            raise BrokenInvariant("what was applied has a receipt")
        counted = {"attempts": row.attempts + 1} if outcome.costs_attempt else {}
        apply_receipt(
            tx,
            row,
            outcome.receipt,
            now=now,
            detail=outcome.detail,
            more=counted | {"recheck_at": outcome.recheck_at},
        )
        record_others(tx, row, outcome.others, now)
        return
    values = _after(row, outcome, now)
    tx.run(_UPDATE, {"operation": row.id} | values)
    _journal(tx, row, now, f"operation.{outcome.kind}", outcome.detail)
    if row.target_row is not None:
        _touch_target(tx, row, now, wrote=row.state == OperationState.SENDING)
    if values["state"] in (OperationState.PARKED, OperationState.SUPERSEDED):
        if values["state"] == OperationState.SUPERSEDED:
            _forget_pair(tx, row)
        _decide_about(tx, row.source_row, now)
        lanes.promote(tx, row.lane)


def _after(row: Row, outcome: Outcome, now: datetime) -> dict[str, Any]:
    # Every column in every case, so that there is one statement.
    was_sent = row.state == OperationState.SENDING
    values: dict[str, Any] = {
        **_RELEASED,
        "state": OperationState.READY,
        "park_reason": None,
        "attempts": row.attempts + (1 if outcome.costs_attempt else 0),
        "sends": row.sends,
        "looks": row.looks + (1 if outcome.saw_nothing else 0),
        "sent_at": row.sent_at,
        "closed_at": outcome.closed_at or row.closed_at,
        "not_before": outcome.not_before or now,
        "settled_at": None,
        "detail": outcome.detail[:DETAIL_CHARS_MAX],
    }
    if outcome.kind is OutcomeKind.UNKNOWN:
        values |= {"state": OperationState.UNKNOWN, "looks": 0 if was_sent else values["looks"]}
    elif outcome.kind is OutcomeKind.PARKED:
        values |= {
            "state": OperationState.PARKED,
            "park_reason": outcome.park_reason,
            "settled_at": now,
        }
    elif outcome.kind is OutcomeKind.SUPERSEDED:
        values |= {"state": OperationState.SUPERSEDED, "settled_at": now}
    elif outcome.resend:
        values["looks"] = 0
    elif row.claimed_from == OperationState.UNKNOWN and not was_sent:
        values["state"] = OperationState.UNKNOWN
    if was_sent and _had_no_effect(outcome):
        values["sends"] = max(row.sends - 1, 0)
        values["sent_at"] = row.sent_at if values["sends"] else None
    return values


def _had_no_effect(outcome: Outcome) -> bool:
    if outcome.kind is OutcomeKind.PARKED:
        return outcome.park_reason in (ParkReason.REFUSED, ParkReason.INVALID, ParkReason.TOO_LATE)
    return outcome.kind in (OutcomeKind.LATER, OutcomeKind.SUPERSEDED)


def _settle_late(tx: Tx, row: Row, outcome: Outcome, receipt: Receipt, now: datetime) -> None:
    if row.state not in _SETTLED:
        apply_receipt(tx, row, receipt, now=now, detail=f"late answer: {outcome.detail}")
        record_others(tx, row, outcome.others, now)
        return
    _journal(tx, row, now, "operation.answered_late", outcome.detail)
    if row.state != OperationState.APPLIED or not _same_effect(row, receipt):
        record_others(tx, row, (receipt, *outcome.others), now)


def _same_effect(row: Row, receipt: Receipt) -> bool:
    stored = codec.load(row.receipt) if row.receipt else {}
    effect = {
        WriteKind.CREATE: ("ticket_id", receipt.ticket_id),
        WriteKind.COMMENT: ("comment_id", receipt.comment_id),
        WriteKind.ATTACHMENT: ("attachment_id", receipt.attachment_id),
    }.get(WriteKind(row.kind))
    return effect is None or effect[1] is None or stored.get(effect[0]) in (None, effect[1])


# --- an applied write ------------------------------------------------------------------------


def apply_receipt(
    tx: Tx,
    row: Row,
    receipt: Receipt,
    *,
    now: datetime,
    detail: str,
    more: dict[str, Any] | None = None,
    actor: str = "",
) -> None:
    """Settle an operation as applied, with all that follows from it.

    Args:
        tx: the transaction.
        row: the operation, as `load_for_settling` gave it.
        receipt: the effect.
        now: when it is stored.
        detail: for the operator.
        more: further columns of the operation.
        actor: the operator who said so; empty when the provider did.
    """
    target_row = row.target_row
    if row.kind == WriteKind.CREATE:
        created = _adopt_ticket(tx, row, receipt, now)
        if created is None:
            _park_taken(tx, row, receipt, now)
            return
        target_row = created
    tx.run(
        _UPDATE,
        {
            "operation": row.id,
            **_RELEASED,
            "state": OperationState.APPLIED,
            "park_reason": None,
            "target_row": target_row,
            "settled_at": now,
            "receipt": codec.dump_receipt(receipt),
            "detail": detail[:DETAIL_CHARS_MAX],
            **(more or {}),
        },
    )
    _move_baselines(tx, row, receipt, now)
    _complete_pair(tx, row, receipt)
    _touch_target(tx, replaced(row, target_row), now, wrote=True)
    _decide_about(tx, row.source_row, now)
    _journal(tx, replaced(row, target_row), now, "operation.applied", detail, actor)
    lanes.promote(tx, row.lane)
    if target_row != row.target_row:
        lanes.promote(tx, lanes.of_ticket(target_row))


class _Replaced:
    """A row with another target ticket."""

    __slots__ = ("_row", "target_row")

    def __init__(self, row: Row, target_row: int | None) -> None:
        self._row = row
        self.target_row = target_row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)


def replaced(row: Row, target_row: int | None) -> Any:
    """Give a row as if its target ticket were another."""
    return row if row.target_row == target_row else _Replaced(row, target_row)


def _adopt_ticket(tx: Tx, row: Row, receipt: Receipt, now: datetime) -> TicketRow | None:
    """Give the link its new ticket; None when that ticket has another partner."""
    created = ensure_ticket(
        tx,
        ConnectionName(row.connection),
        row.ticket_kind,
        external_id=receipt.ticket_id,
        number=receipt.ticket_number,
        now=now,
    )
    c = t.link.c
    column = c[f"{row.target}_ticket"]
    taken = sa.select(c.id).where(column == created, c.tombstone_at.is_(None), c.id != row.link)
    if row.target == Side.ITSM:
        taken = taken.where(c.mapping == row.mapping)
    if tx.scalar(taken.limit(1)) is not None:
        return None
    tx.run(
        sa.update(t.link).where(c.id == row.link).values({column: created, c.phase: LinkPhase.OPEN})
    )
    tx.run(
        sa.update(t.operation)
        .where(
            _o.lane == lanes.of_link(row.link, Side(row.target)),
            _o.state == OperationState.WAITING,
        )
        .values(target_row=created, lane=lanes.of_ticket(created))
    )
    return created


def _park_taken(tx: Tx, row: Row, receipt: Receipt, now: datetime) -> None:
    detail = f"the answer names ticket {receipt.ticket_id}, which belongs to another link"
    tx.run(
        _UPDATE,
        {
            "operation": row.id,
            **_RELEASED,
            "state": OperationState.PARKED,
            "park_reason": ParkReason.INVALID,
            "settled_at": now,
            "receipt": codec.dump_receipt(receipt),
            "detail": detail,
        },
    )
    _journal(tx, row, now, "operation.parked", detail)


def _move_baselines(tx: Tx, row: Row, receipt: Receipt, now: datetime) -> None:
    slots = codec.load_slots(row.slots)
    if not slots:
        return
    old = {
        (found.side, found.slot): found.value
        for found in tx.rows(_OLD_BASELINES, {"link": row.link})
    }
    sent = codec.load_payload(row.payload)[0]
    source: list[dict[str, Any]] = []
    target: list[dict[str, Any]] = []
    for slot, move in slots.items():
        home = {"link": row.link, "slot": slot}
        source.append(
            home
            | {
                "side": move.source,
                "value": codec.dump(move.source_value),
                "state": BaselineState.AGREED,
            }
        )
        if isinstance(move.target_value, Missing):
            continue
        value, state = _target_value(slot, move, sent, receipt)
        side = move.source.other
        target.append(
            home
            | {
                "side": side,
                "value": codec.dump(value),
                "state": state,
                "previous": old.get((side, slot)),
                "written_at": now,
            }
        )
    _upsert_baselines(tx, source, ("value", "state"))
    _upsert_baselines(tx, target, ("value", "state", "previous", "written_at"))


def _target_value(
    slot: str, move: SlotMove, sent: dict[str, Value], receipt: Receipt
) -> tuple[Value, BaselineState]:
    # The slot's last word is the written field's name (`to_vendor.title`); where it is not, what
    # was sent stays the baseline and the next read shows the difference.
    name = slot.rpartition(".")[2]
    value = move.target_value
    if isinstance(value, Missing):
        raise BrokenInvariant("only slots with a target value are written")
    if name in sent and name in receipt.fields and receipt.fields[name] != value:
        return receipt.fields[name], BaselineState.ALTERED
    return value, BaselineState.PROVISIONAL


def _upsert_baselines(tx: Tx, rows: list[dict[str, Any]], moved: tuple[str, ...]) -> None:
    if rows:
        tx.run(upsert_baseline(tx.is_postgres, moved), rows)


@cache
def upsert_baseline(is_postgres: bool, moved: tuple[str, ...]) -> Executable:
    """Build the statement that stores baselines, moving these columns where there is one."""
    insert = insert_into(t.baseline, is_postgres=is_postgres)
    return insert.on_conflict_do_update(
        index_elements=["link", "side", "slot"],
        set_={name: insert.excluded[name] for name in moved},
    )


def _complete_pair(tx: Tx, row: Row, receipt: Receipt) -> None:
    if row.item_kind is None:
        return
    made = receipt.attachment_id if row.item_kind == "attachment" else receipt.comment_id
    made = made or receipt.comment_id or receipt.attachment_id
    values: dict[str, Any] = {"key": row.key}
    if made:
        # Without an id the pair stays PLANNED until the effect is met on the ticket.
        values |= {"target_id": made, "state": PairState.PAIRED}
    tx.run(_PAIR, _pair_of(row) | values)


def _forget_pair(tx: Tx, row: Row) -> None:
    # Its operation is gone without effect: the comment or attachment is to be decided about anew.
    if row.item_kind is not None:
        c = t.item_pair.c
        tx.run(
            sa.delete(t.item_pair).where(
                c.link == row.link,
                c.kind == row.item_kind,
                c.origin == row.item_origin,
                c.source_id == row.item_source_id,
                c.state == PairState.PLANNED,
            )
        )


def _pair_of(row: Row) -> dict[str, Any]:
    return {
        "of_link": row.link,
        "of_kind": row.item_kind,
        "of_origin": row.item_origin,
        "of_source": row.item_source_id,
    }


def record_others(tx: Tx, row: Row, others: tuple[Receipt, ...], now: datetime) -> None:
    """Note further effects of one write: known, and never given a partner (DESIGN R3)."""
    from syncd.store.plans import save_pairs

    for other in others:
        if row.kind == WriteKind.CREATE:
            twin = ensure_ticket(
                tx,
                ConnectionName(row.connection),
                row.ticket_kind,
                external_id=other.ticket_id,
                number=other.ticket_number,
                now=now,
            )
            tx.run(sa.update(t.ticket).where(t.ticket.c.id == twin).values(stray=True))
            what = f"ticket {other.ticket_number or other.ticket_id}"
        else:
            made = other.comment_id or other.attachment_id or ""
            what = f"{row.kind} {made}"
            if row.item_kind is not None and made:
                twin_pair = ItemPair(
                    kind=row.item_kind,
                    origin=Side(row.target),
                    source_id=made,
                    state=PairState.DUPLICATE,
                    key=row.key,
                )
                save_pairs(tx, row.link, [twin_pair])
        _journal(tx, row, now, "operation.doubled", f"a second effect: {what}")


# --- around it -------------------------------------------------------------------------------


def _touch_target(tx: Tx, row: Any, now: datetime, *, wrote: bool) -> None:
    if wrote:
        tx.run(_WROTE, {"row": row.target_row, "now": now})
    else:
        tx.run(_EPOCH, {"row": row.target_row})


def _decide_about(tx: Tx, row: TicketRow, now: datetime) -> None:
    tx.run(_DECIDE, {"row": row, "now": now})


def _journal(tx: Tx, row: Any, now: datetime, event: str, detail: str, actor: str = "") -> None:
    journal.append(
        tx,
        Line(
            at=now,
            event=event,
            detail=detail,
            correlation_id=row.correlation_id,
            connection=row.connection,
            ticket=row.target_row,
            link=row.link,
            operation=row.id,
            mapping=row.mapping,
            actor=actor,
            revision=row.revision,
        ),
    )
