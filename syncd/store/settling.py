"""Storing what came of an attempt, in one transaction (DESIGN R2).

Receipt, ids produced, provisional baselines and the journal line are committed together, fenced on
(lease owner, attempt). An answer that comes too late is always appended; it settles an operation
that nobody has settled, and shows a second effect where somebody has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from syncd.model.errors import BrokenInvariant
from syncd.model.ids import OperationId, OperationKey
from syncd.model.operation import OperationState, ParkReason, Receipt, WriteKind
from syncd.model.outbox import ClaimedOperation, Outcome, OutcomeKind
from syncd.store import codec
from syncd.store import tables as t
from syncd.store.database import Call, together
from syncd.store.effects import (
    DETAIL_CHARS_MAX,
    INSERT_ATTEMPT,
    RELEASED,
    UPDATE,
    Effects,
    Told,
    apply_receipt,
    decide_about_source,
    effects_of,
    forget_pair,
    load_rows,
    lock_around,
    note,
    record_others,
    touch_target,
)
from syncd.store.saying import say_instead
from syncd.store.tx import Row, Tx

_o = t.operation.c
_SETTLED = (OperationState.APPLIED, OperationState.SUPERSEDED, OperationState.DISCARDED)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One outcome to be stored."""

    op: ClaimedOperation
    outcome: Outcome
    now: datetime
    blocks: bool = False


def settle_many(tx: Tx, calls: Sequence[Call]) -> list[bool]:
    """Store the outcomes of many attempts with as few statements as one needs; see `settle`."""
    answers = [_Answer(*args, **kwargs) for args, kwargs in calls]
    if len({answer.op.id for answer in answers}) < len(answers):
        # Two answers for one operation: the second must see what the first did.
        return [_store(tx, [answer])[0] for answer in answers]
    return _store(tx, answers)


@together(settle_many)
def settle(
    tx: Tx, op: ClaimedOperation, outcome: Outcome, *, now: datetime, blocks: bool = False
) -> bool:
    """Store the outcome of an attempt.

    Args:
        tx: the transaction.
        op: as it was claimed.
        outcome: what came of it; the values of `receipt.fields` have passed through N.
        now: when it is stored.
        blocks: nothing else may be written to the ticket while it is parked: it is in doubt, and
            without a marker its effect could not be told from a later one's (R6).

    Returns:
        False when somebody else had taken the operation over: then the answer is kept as a late
        one, and settles the operation only if it was applied and nobody has settled it.
    """
    return _store(tx, [_Answer(op, outcome, now, blocks)])[0]


def _store(tx: Tx, answers: Sequence[_Answer]) -> list[bool]:
    tickets = {answer.op.source_row for answer in answers}
    tickets |= {each.op.target_row for each in answers if each.op.target_row is not None}
    lock_around(tx, tickets, {answer.op.link_id for answer in answers})
    rows = load_rows(tx, [answer.op.id for answer in answers])
    effects = effects_of(tx, rows.values())
    in_time = [_settle(effects, rows[answer.op.id], answer) for answer in answers]
    effects.write()
    return in_time


def _settle(effects: Effects, row: Row, answer: _Answer) -> bool:
    op, outcome = answer.op, answer.outcome
    in_time = row.lease_owner == op.owner and row.attempt == op.attempt and row.state in t.IN_FLIGHT
    effects.writes.add(INSERT_ATTEMPT, _attempt(answer, late=not in_time))
    if in_time:
        _settle_in_time(effects, row, answer)
    elif outcome.kind is OutcomeKind.APPLIED and outcome.receipt is not None:
        _settle_late(effects, row, outcome, outcome.receipt, answer.now)
    return in_time


def settle_seen(tx: Tx, key: OperationKey, receipt: Receipt, *, now: datetime, detail: str) -> bool:
    """Settle an operation whose effect was met in a snapshot, a list or a notification.

    Returns:
        False when there is no such operation or it is settled already.
    """
    found = tx.scalar(sa.select(_o.id).where(_o.key == key))
    if found is None:
        return False
    row = load_rows(tx, [OperationId(found)])[found]
    if row.state in _SETTLED:
        return False
    effects = effects_of(tx, [row])
    apply_receipt(effects, row, receipt, Told(now=now, detail=detail))
    effects.write()
    return True


def _attempt(answer: _Answer, *, late: bool) -> dict[str, Any]:
    op, outcome = answer.op, answer.outcome
    return {
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
    }


def _settle_in_time(effects: Effects, row: Row, answer: _Answer) -> None:
    outcome, now = answer.outcome, answer.now
    if outcome.kind is OutcomeKind.APPLIED:
        if outcome.receipt is None:
            raise BrokenInvariant("what was applied has a receipt")
        columns = {
            "attempts": row.attempts + (1 if outcome.costs_attempt else 0),
            "recheck_at": outcome.recheck_at,
        }
        told = Told(now=now, detail=outcome.detail, columns=columns)
        apply_receipt(effects, row, outcome.receipt, told)
        record_others(effects, row, outcome.others, now)
        return
    values = _after(row, outcome, now)
    values["blocks"] = 1 if answer.blocks or row.kind == WriteKind.CREATE else 0
    effects.writes.add(UPDATE, {"operation": row.id} | values)
    note(effects, row, f"operation.{outcome.kind}", Told(now=now, detail=outcome.detail))
    touch_target(effects, row, now, wrote=row.state == OperationState.SENDING)
    if values["state"] == OperationState.SUPERSEDED:
        forget_pair(effects, row)
        if outcome.instead is not None:
            say_instead(effects, row, outcome.instead, now)
    if values["state"] in (OperationState.PARKED, OperationState.SUPERSEDED):
        decide_about_source(effects, row, now)
        effects.lanes.add(row.lane)


def _after(row: Row, outcome: Outcome, now: datetime) -> dict[str, Any]:
    # Every column in every case, so that there is one statement.
    was_sent = row.state == OperationState.SENDING
    values: dict[str, Any] = {
        **RELEASED,
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


def _settle_late(
    effects: Effects, row: Row, outcome: Outcome, receipt: Receipt, now: datetime
) -> None:
    if row.state not in _SETTLED:
        told = Told(now=now, detail=f"late answer: {outcome.detail}")
        apply_receipt(effects, row, receipt, told)
        record_others(effects, row, outcome.others, now)
        return
    note(effects, row, "operation.answered_late", Told(now=now, detail=outcome.detail))
    if row.state != OperationState.APPLIED or not _same_effect(effects.tx, row, receipt):
        record_others(effects, row, (receipt, *outcome.others), now)


def _same_effect(tx: Tx, row: Row, receipt: Receipt) -> bool:
    stored = codec.load(row.receipt) if row.receipt else {}
    if row.kind == WriteKind.CREATE and not stored.get("ticket_id"):
        # Adopted by its number: the reading since has told the id, or none is known to differ.
        query = sa.select(t.ticket.c.external_id).where(t.ticket.c.id == row.target_row)
        return tx.scalar(query) in (None, receipt.ticket_id)
    effect = {
        WriteKind.CREATE: ("ticket_id", receipt.ticket_id),
        WriteKind.COMMENT: ("comment_id", receipt.comment_id),
        WriteKind.ATTACHMENT: ("attachment_id", receipt.attachment_id),
    }.get(WriteKind(row.kind))
    return effect is None or effect[1] is None or stored.get(effect[0]) in (None, effect[1])
