"""What happened to a ticket, in order: the journal, and every send and probe."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby

from rich.text import Text

from syncd.cli.facts.explain import Explained, Matching
from syncd.cli.facts.operations import WholeOperation
from syncd.cli.show.lines import Part, columns, line
from syncd.cli.text import cut, span, value
from syncd.intake.candidates import DECLINED
from syncd.model.ids import MappingName
from syncd.model.operation import WriteKind
from syncd.store.records import AttemptRecord, JournalLine, Line

LINES_MAX = 40
"""Newest lines shown unless all are asked for."""
DETAIL_CHARS_MAX = 140
DECISION_CHARS_MAX = 300
"""A decision's conditions are what `explain` is asked for."""
FIELDS_MAX = 6
"""Fields of a write shown on its line."""
VERBS = {
    "link.opening": "decided",
    DECLINED: "decided",
    "operation.answered_late": "answered",
    "feed.odd_item": "odd",
}
"""Events whose last word does not say enough."""


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
    return made + _set(moments[left_out:])


def _set(moments: Iterable[Moment]) -> list[Text]:
    """Set moments in columns; a day is named where it begins."""
    made: list[Text] = []
    rows: list[Sequence[Part]] = []
    day: date | None = None
    for each in _joined(moments):
        if each.at.date() != day:
            day = each.at.date()
            made += columns(rows)
            rows = []
            made.append(line((f"{day} (UTC)", "dim")))
        is_decision = each.verb == VERBS["link.opening"]
        text = cut(each.text, DECISION_CHARS_MAX if is_decision else DETAIL_CHARS_MAX)
        told = line(text, (f"  {each.place}" if each.place else "", "dim"))
        rows.append(((f"{each.at:%H:%M:%S}", "dim"), each.verb, told))
    return made + columns(rows)


def _joined(moments: Iterable[Moment]) -> Iterator[Moment]:
    """Say once, with how often, what came several times in a row."""
    for _, group in groupby(moments, key=lambda each: (each.at.date(), each.verb, each.text)):
        same = list(group)
        times = f" ({len(same)} times)" if len(same) > 1 else ""
        yield replace(same[-1], text=same[-1].text + times)


def _moments(explained: Explained) -> Iterator[Moment]:
    for each in explained.story.lines:
        if not _is_told_by_a_try(each, explained):
            yield _told(each, explained)
    for whole in explained.operations.values():
        for attempt in whole.detail.attempts:
            yield _tried(whole, attempt)


def _is_told_by_a_try(each: JournalLine, explained: Explained) -> bool:
    """Whether the line of a send or a probe says the same: its outcome, and nobody else's word."""
    whole = None if each.line.operation is None else explained.operations.get(each.line.operation)
    if whole is None or each.line.actor:
        return False
    kind, _, outcome = each.line.event.partition(".")
    tried = any(attempt.outcome == outcome for attempt in whole.detail.attempts)
    return kind == "operation" and tried


def _told(each: JournalLine, explained: Explained) -> Moment:
    told = each.line
    verb = VERBS.get(told.event) or told.event.rpartition(".")[2].replace("_", " ")
    text = told.detail
    place = told.place
    if told.event == "link.opening":
        text, place = _opening(told, explained)
    if told.event == DECLINED:
        text = f"no partner by {told.mapping}: {text}"
    if told.operation is not None:
        whole = explained.operations.get(told.operation)
        text = f"op {told.operation} {text}"
        if told.event == "operation.applied" and whole is not None:
            text += _made(whole)
        if told.event == "operation.planned" and whole is not None:
            text += _fields(whole)
    if told.actor:
        text = f"{text} by {told.actor}".strip()
    return Moment(at=told.at, verb=verb, text=text, place=place, order=2 * each.id)


def _opening(told: Line, explained: Explained) -> tuple[str, str]:
    """Say where a partner is opened and which conditions led to it: as they were found then.

    A line of an older store tells nothing; then the conditions are shown as they hold now.
    """
    matching = explained.matches.get(MappingName(told.mapping))
    if told.detail:
        return f"open {told.detail}{_since(matching)}", told.place
    if matching is None:
        return f"open a partner by {told.mapping}", ""
    tests = "  ".join(f"{each.asked} {'✓' if each.holds else '✗'}" for each in matching.tests)
    now = "" if all(each.holds for each in matching.tests) else "now "
    return f"open at {matching.target}: {now}{tests}", matching.place


def _since(matching: Matching | None) -> str:
    """Name the conditions that hold no more: ` (now: phase=open ✗ (closed))`."""
    over = [str(each) for each in (matching.tests if matching else ()) if not each.holds]
    return f"  (now: {'  '.join(over)})" if over else ""


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


def _made(whole: WholeOperation) -> str:
    """Name the ticket a create made: ` → Case-00000002`."""
    receipt = whole.detail.receipt or {}
    made = receipt.get("ticket_number") or receipt.get("ticket_id") or ""
    return f" → {made}" if made and whole.detail.record.kind is WriteKind.CREATE else ""


def _tried(whole: WholeOperation, attempt: AttemptRecord) -> Moment:
    verb = {"send": "sent", "probe": "probed"}.get(attempt.what, attempt.what)
    took_s = (attempt.ended_at - attempt.started_at).total_seconds()
    took = f" after {span(took_s)}" if took_s >= 1 else ""
    status = f" {attempt.status}" if attempt.status is not None else ""
    late = ", too late" if attempt.late else ""
    said = f"{',' if attempt.request else ':'} {attempt.detail}" if attempt.detail else ""
    what = f"op {whole.detail.record.id} {attempt.request}{status}".rstrip() + said
    made = _made(whole) if attempt.outcome == "applied" else ""
    text = f"{what} ({attempt.outcome}{late}{took}){made}"
    # A try stands before the line of the journal that its outcome made at the same instant.
    return Moment(at=attempt.ended_at, verb=verb, text=" ".join(text.split()), order=-1)
