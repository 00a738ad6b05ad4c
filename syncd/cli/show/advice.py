"""Why an operation waits, what happens by itself, and what a person can do. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from syncd.cli.facts.operations import WholeOperation
from syncd.cli.text import ahead
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.store.records import OperationRecord

_REPLACED = {
    WriteKind.CREATE: "; a change of the ticket replaces it",
    WriteKind.UPDATE: "; a change of the same field replaces it",
    WriteKind.STATUS: "; a change of the same field replaces it",
}
"""Writes of values, of which a newer one takes the place of one that was refused."""

BY_ITSELF = "by itself"
"""Ends what a running daemon will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One thing a person can do: when it is right, and the command."""

    when: str
    command: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is said about an operation.

    Attributes:
        why: it is not done.
        next: what happens by itself.
        ways: what a person can do; empty when nothing is needed.
        support: whom to call; empty when nobody need be.
    """

    why: str
    next: str
    ways: tuple[Way, ...] = ()
    support: str = ""


def advise(whole: WholeOperation, now: datetime) -> Advice | None:
    """Say why an operation waits; None when it is settled."""
    state = whole.detail.record.state
    if state is OperationState.PARKED:
        return _parked(whole)
    if state is OperationState.UNKNOWN:
        return _unknown(whole, now)
    if state in (OperationState.CLAIMED, OperationState.SENDING):
        return Advice(why="It is being sent.", next="its outcome, by itself")
    if state is OperationState.READY:
        return _ready(whole.detail.record, now)
    if state is OperationState.WAITING:
        return _waiting(whole.detail.record)
    return None


def _waiting(record: OperationRecord) -> Advice:
    if record.waits_for is None:
        return Advice(why="It waits for its turn.", next="it is sent, by itself")
    return Advice(
        why=f"It waits for operation {record.waits_for} on the same ticket.",
        next=f"it is sent when {record.waits_for} is settled",
    )


def _ready(record: OperationRecord, now: datetime) -> Advice:
    if record.attempts == 0 and not record.detail:
        return Advice(why="It was not sent yet.", next=f"sent {ahead(record.not_before, now)}")
    tried = f"tried {record.attempts} times" if record.attempts != 1 else "tried once"
    last = f"; last: {record.detail}" if record.detail else ""
    return Advice(
        why=f"{_called(record)} could not take it yet ({tried}{last}).",
        next=f"sent again {ahead(record.not_before, now)}, by itself",
        ways=(
            Way(when="sooner", command=f"syncd ops retry {record.id}"),
            Way(when="not wanted", command=f"syncd ops discard {record.id}"),
        ),
    )


def _unknown(whole: WholeOperation, now: datetime) -> Advice:
    record = whole.detail.record
    return Advice(
        why=f"{_called(record)} may have it; not sent again before a probe succeeds.",
        next=f"probe {ahead(record.not_before, now)}, by itself",
        ways=_doubt_ways(whole)[:2],
    )


def _doubt_ways(whole: WholeOperation) -> tuple[Way, ...]:
    record = whole.detail.record
    flag = "" if whole.can_probe else " --i-know"
    skips = "; at once with --i-know" if record.state is OperationState.PARKED else ""
    note = f"probes first{skips}" if whole.can_probe else "sends it again, nothing can be asked"
    return (
        Way(when="they have it", command=f"syncd ops adopt {record.id} {_example(record)}"),
        Way(when="surely not", command=f"syncd ops retry {record.id}{flag}", note=note),
        Way(when="not wanted", command=f"syncd ops discard {record.id}"),
    )


def _example(record: OperationRecord) -> str:
    return {
        WriteKind.CREATE: "NUMBER",
        WriteKind.COMMENT: "COMMENT-ID",
        WriteKind.ATTACHMENT: "ATTACHMENT-ID",
    }.get(record.kind, "")


def _parked(whole: WholeOperation) -> Advice:
    record = whole.detail.record
    reason = record.park_reason or ParkReason.REFUSED
    return _PARKED[reason](whole)


def _refused(whole: WholeOperation) -> Advice:
    record = whole.detail.record
    return Advice(
        why=f"{_called(record)} refused it: {record.detail or 'no reason given'}",
        next=f"nothing by itself{_REPLACED.get(record.kind, '')}",
        ways=_again(record, "what it refused is put right"),
        support=whole.support,
    )


def _in_doubt(whole: WholeOperation) -> Advice:
    record = whole.detail.record
    return Advice(
        why=f"Nobody can tell whether {_called(record)} has it: {record.detail or 'no answer'}",
        next="nothing by itself: sending it twice would double it",
        ways=_doubt_ways(whole),
        support=whole.support,
    )


def _exhausted(whole: WholeOperation) -> Advice:
    record = whole.detail.record
    return Advice(
        why=f"It was tried {record.attempts} times; last: {record.detail or 'no answer'}",
        next="nothing by itself",
        ways=_again(record, "the cause is gone"),
        support=whole.support,
    )


def _too_late(whole: WholeOperation) -> Advice:
    record = whole.detail.record
    return Advice(
        why=f"A person is to say whether it is still wanted: {record.detail}",
        next="nothing by itself",
        ways=_again(record, "still wanted"),
    )


def _invalid(whole: WholeOperation) -> Advice:
    record = whole.detail.record
    return Advice(
        why=f"It cannot be sent as it is: {record.detail}",
        next="nothing by itself",
        ways=_again(record, "what is wrong is put right"),
    )


def _again(record: OperationRecord, when: str) -> tuple[Way, ...]:
    return (
        Way(when=when, command=f"syncd ops retry {record.id}"),
        Way(when="not wanted", command=f"syncd ops discard {record.id}"),
    )


_PARKED: dict[ParkReason, Callable[[WholeOperation], Advice]] = {
    ParkReason.REFUSED: _refused,
    ParkReason.IN_DOUBT: _in_doubt,
    ParkReason.EXHAUSTED: _exhausted,
    ParkReason.TOO_LATE: _too_late,
    ParkReason.INVALID: _invalid,
}


def _called(record: OperationRecord) -> str:
    return str(record.connection)
