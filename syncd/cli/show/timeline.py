"""What happened to a ticket, in order: the journal, and every send and probe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from syncd.cli.facts.explain import Explained
from syncd.cli.facts.operations import WholeOperation
from syncd.cli.show.lines import Part, columns, line
from syncd.cli.text import cut, span, value
from syncd.model.operation import WriteKind
from syncd.store.records import AttemptRecord, JournalLine

LINES_MAX = 40
"""Newest lines shown unless all are asked for."""
DETAIL_CHARS_MAX = 160
FIELDS_MAX = 6
"""Fields of a write shown on its line."""
VERBS = {
    "link.opening": "decided",
    "operation.planned": "mapped",
    "operation.answered_late": "answered",
    "feed.odd_item": "odd",
}
"""Events whose last word does not say enough."""
TOLD_BY_TRIES = ("operation.unknown", "operation.later")
"""Events that the line of the send or probe itself tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline."""

    at: datetime
    verb: str
    text: str
    place: str = ""
    order: int = 0


def lines(explained: Explained, *, everything: bool = False) -> list[Text]:
    """Show what happened, oldest first."""
    moments = sorted(_moments(explained), key=lambda each: (each.at, each.order))
    left_out = 0 if everything else max(0, len(moments) - LINES_MAX)
    made = []
    if left_out:
        number = explained.ticket.number or explained.ticket.external_id
        made.append(line((f"… {left_out} earlier lines: syncd log --ticket {number}", "dim")))
    return made + _set(moments[left_out:], explained.now)


def _set(moments: Sequence[Moment], now: datetime) -> list[Text]:
    """Set moments in columns; a day other than today is named where it begins."""
    made: list[Text] = []
    rows: list[Sequence[Part]] = []
    day = now.date()
    for each in moments:
        if each.at.date() != day:
            day = each.at.date()
            made += columns(rows)
            rows = []
            made.append(line((f"{day} (UTC)", "dim")))
        text = cut(each.text, DETAIL_CHARS_MAX)
        rows.append(((f"{each.at:%H:%M:%S}", "dim"), each.verb, text, (each.place, "dim")))
    return made + columns(rows)


def _moments(explained: Explained) -> Iterator[Moment]:
    tried = {number for number, each in explained.operations.items() if each.detail.attempts}
    for each in explained.story.lines:
        if each.line.event in TOLD_BY_TRIES and each.line.operation in tried:
            continue
        yield _told(each, explained)
    for whole in explained.operations.values():
        for attempt in whole.detail.attempts:
            yield _tried(whole, attempt)


def _told(each: JournalLine, explained: Explained) -> Moment:
    told = each.line
    verb = VERBS.get(told.event) or told.event.rpartition(".")[2].replace("_", " ")
    text = told.detail
    if told.event == "link.opening":
        text = f"open a partner by {told.mapping}"
    if told.operation is not None:
        whole = explained.operations.get(told.operation)
        if told.event == "operation.applied" and whole is not None:
            text = _receipt(whole) or text
        text = f"op {told.operation} {text}"
        if told.event == "operation.planned" and whole is not None:
            text += _fields(whole)
    if told.actor:
        text = f"{text} by {told.actor}".strip()
    return Moment(at=told.at, verb=verb, text=text, place=told.place, order=2 * each.id)


def _fields(whole: WholeOperation) -> str:
    """Show what a write sets: `; priority Critical, title Link down`."""
    fields = whole.detail.fields
    if whole.detail.record.kind is WriteKind.COMMENT:
        return f"; {value(whole.detail.comment)}"
    if whole.detail.record.kind is WriteKind.ATTACHMENT:
        return f"; {value(whole.detail.attachment)}"
    shown = [f"{name} {value(each, 30)}" for name, each in list(fields.items())[:FIELDS_MAX]]
    more = f", {len(fields) - FIELDS_MAX} more" if len(fields) > FIELDS_MAX else ""
    return f"; {', '.join(shown)}{more}" if shown else ""


def _receipt(whole: WholeOperation) -> str:
    receipt = whole.detail.receipt or {}
    made = receipt.get("ticket_number") or receipt.get("ticket_id") or ""
    record = whole.detail.record
    return f"{record.kind}: {made}" if record.kind is WriteKind.CREATE and made else record.detail


def _tried(whole: WholeOperation, attempt: AttemptRecord) -> Moment:
    verb = {"send": "sent", "probe": "probed"}.get(attempt.what, attempt.what)
    took_s = (attempt.ended_at - attempt.started_at).total_seconds()
    took = f" after {span(took_s)}" if took_s >= 1 else ""
    status = f" {attempt.status}" if attempt.status is not None else ""
    late = ", too late" if attempt.late else ""
    said = f": {attempt.detail}" if attempt.detail else ""
    what = f"op {whole.detail.record.id} {attempt.request}{status}{said}"
    text = f"{what} ({attempt.outcome}{late}{took})"
    # A try stands before the line of the journal that its outcome made at the same instant.
    return Moment(at=attempt.ended_at, verb=verb, text=" ".join(text.split()), order=-1)
