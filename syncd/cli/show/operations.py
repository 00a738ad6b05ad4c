"""Operations as lines: one each, or one whole."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from rich.text import Text

from syncd.cli.facts.operations import WholeOperation
from syncd.cli.show.advice import Advice, advise
from syncd.cli.show.lines import Part, columns, heading, line
from syncd.cli.text import ago, cut, span, stamp, value
from syncd.model.operation import OperationState
from syncd.store.records import AttemptRecord, OperationRecord

DETAIL_CHARS_MAX = 100
STYLES = {
    OperationState.PARKED: "bold red",
    OperationState.UNKNOWN: "yellow",
    OperationState.APPLIED: "green",
}


def listed(found: Sequence[OperationRecord], now: datetime) -> list[Text]:
    """List operations, one a line."""
    if not found:
        return [line("no operations are open")]
    rows: list[list[Part]] = [
        [
            str(each.id),
            f"{each.kind} {each.target_number or each.connection}",
            f"from {each.source_number}",
            (state_of(each), STYLES.get(each.state, "")),
            span((now - each.planned_at).total_seconds()),
            cut(each.detail, DETAIL_CHARS_MAX),
        ]
        for each in found
    ]
    return columns(rows, head=("OP", "WRITE", "FROM", "STATE", "AGE", "LAST WORD"))


def state_of(record: OperationRecord) -> str:
    """Give an operation's state in words: `parked: refused`, `waiting for 12`."""
    if record.state is OperationState.PARKED and record.park_reason is not None:
        return f"parked: {record.park_reason.replace('_', ' ')}"
    if record.state is OperationState.WAITING and record.waits_for is not None:
        return f"waiting for {record.waits_for}"
    return str(record.state)


def document(found: WholeOperation, now: datetime) -> dict[str, object]:
    """Give an operation for programs, flat, with what can be done."""
    detail = found.detail
    record = {each.name: getattr(detail.record, each.name) for each in fields(detail.record)}
    return record | {
        "fields": detail.fields,
        "comment": detail.comment,
        "attachment": detail.attachment,
        "receipt": detail.receipt,
        "attempts": detail.attempts,
        "can_probe": found.can_probe,
        "advice": advise(found, now),
    }


def whole(found: WholeOperation, now: datetime) -> list[Text]:
    """Show everything about one operation."""
    detail, record = found.detail, found.detail.record
    head = line(
        (f"operation {record.id}", "bold"),
        f"  {record.kind} on {record.connection}  ",
        (state_of(record), STYLES.get(record.state, "")),
    )
    target = record.target_number or "not there yet"
    facts: list[Sequence[Part]] = [
        ("ticket", f"{target}, from {record.source_number}"),
        ("mapping", f"{record.mapping}  {record.place}"),
        ("because", record.reason.replace("_", " ")),
        ("planned", f"{stamp(record.planned_at)} UTC, {ago(record.planned_at, now)}"),
        ("key", f"{record.key}   follows {record.correlation_id}"),
    ]
    made = [head, line(), *columns(facts, indent=2), line(), heading("writes")]
    made += columns([(name, value(each, 200)) for name, each in detail.fields.items()], indent=2)
    if detail.comment:
        made.append(line("comment: ", cut(detail.comment, 500), indent=2))
    if detail.attachment:
        made.append(line("attachment: ", detail.attachment, indent=2))
    if detail.receipt:
        made += [line(), heading("answered"), *columns(_receipt(detail.receipt), indent=2)]
    made += [line(), heading("tries" if detail.attempts else "not tried yet")]
    made += columns([_attempt(each, now) for each in detail.attempts], indent=2)
    advice = advise(found, now)
    return made if advice is None else [*made, line(), *advised(advice)]


def all_whole(found: Sequence[WholeOperation], now: datetime) -> list[Text]:
    """Show everything about each operation, one after the other."""
    if not found:
        return listed([], now)
    made: list[Text] = []
    for each in found:
        made += [line(), *whole(each, now)] if made else whole(each, now)
    return made


def _receipt(receipt: Mapping[str, object]) -> list[Sequence[Part]]:
    return [
        (name, value(each, 200)) for name, each in receipt.items() if each not in (None, "", {})
    ]


def _attempt(each: AttemptRecord, now: datetime) -> Sequence[Part]:
    took_s = (each.ended_at - each.started_at).total_seconds()
    status = f" {each.status}" if each.status is not None else ""
    late = " (came too late)" if each.late else ""
    return (
        stamp(each.started_at)
        if each.started_at.date() != now.date()
        else f"{each.started_at:%H:%M:%S}",
        each.what,
        f"{each.outcome}{status}{late}",
        f"{took_s:.1f}s",
        cut(f"{each.request}  {each.detail}".strip(), 300),
    )


def advised(advice: Advice) -> list[Text]:
    """Say why, what comes next, and what a person can do."""
    made = [
        line(("WHY   ", "bold"), advice.why),
        line(("NEXT  ", "bold"), advice.next),
    ]
    ways: list[Sequence[Part]] = [
        (f"{way.when}:", (way.command, "cyan"), f"({way.note})" if way.note else "")
        for way in advice.ways
    ]
    if advice.support:
        ways.append(("call:", advice.support, ""))
    for at, row in enumerate(columns(ways)):
        made.append(line((("YOU   " if at == 0 else " " * 6), "bold"), row))
    return made
