"""A plan as lines: what is queued, then what the next decisions would add."""

from collections.abc import Mapping

from rich.text import Text

from syncd.cli.facts.plan import Foreseen, Planned
from syncd.cli.show.lines import columns, heading, line
from syncd.cli.show.operations import state_of
from syncd.cli.text import count, value
from syncd.core.rules import MappingMode
from syncd.core.state import PlannedOperation
from syncd.model.ids import ConnectionName, Side
from syncd.settings.values import Settings

QUEUED_MAX = 20
"""Queued operations named each."""


def document(planned: Planned) -> dict[str, object]:
    """Give it for programs."""
    return {
        "queued": planned.queued,
        "foreseen": planned.foreseen,
        "looked_at": planned.looked_at,
        "cut": planned.cut,
    }


def lines(planned: Planned, settings: Settings) -> list[Text]:
    """Say it to people."""
    made: list[Text] = []
    if planned.queued:
        made.append(heading(f"planned already, to be sent ({len(planned.queued)})"))
        made += columns(
            [
                (
                    str(each.id),
                    f"{each.kind} {each.target_number or each.connection}",
                    state_of(each),
                )
                for each in planned.queued[:QUEUED_MAX]
            ],
            indent=2,
        )
        if len(planned.queued) > QUEUED_MAX:
            made.append(line(f"and {len(planned.queued) - QUEUED_MAX} more", indent=2))
        made.append(line())
    for each in planned.foreseen:
        itsm = settings.mappings[each.mapping].itsm
        made += foreseen(each, {Side.ITSM: itsm, Side.VENDOR: each.vendor})
    return [*made, _sum(planned)]


def foreseen(each: Foreseen, names: Mapping[Side, ConnectionName]) -> list[Text]:
    """Show what one ticket or link would bring."""
    numbers = " ⇄ ".join(each.numbers)
    verb = " opens a partner" if each.opens else ""
    mode = "" if each.mode is MappingMode.LIVE else f" ({each.mode}: told, not sent)"
    held = f"  held: {each.held}" if each.held else ""
    made = [line((numbers, "bold"), verb, f"   {each.mapping}{mode}", (held, "yellow"))]
    rows = [
        (f"{one.kind} {names[one.target]}", _content(one), (one.place, "dim"))
        for one in each.operations
    ]
    made += columns(rows, indent=2)
    made += [
        line(
            ("conflict", "bold red"),
            f" {one.slot}: itsm {value(one.itsm_value)}, vendor {value(one.vendor_value)}  ",
            (one.place, "dim"),
            indent=2,
        )
        for one in each.conflicts
    ]
    return [*made, *(line((remark, "dim"), indent=2) for remark in each.remarks)]


def _content(operation: PlannedOperation) -> str:
    parts = [f"{name}={value(each, 40)}" for name, each in operation.fields.items()]
    if operation.comment is not None:
        parts.append(value(operation.comment.body, 80))
    if operation.attachment is not None:
        parts.append(value(operation.attachment.name))
    return ", ".join(parts) or operation.reason.replace("_", " ")


def _sum(planned: Planned) -> Text:
    writes = sum(len(each.operations) for each in planned.foreseen)
    text = f"{count(writes, 'new write')} in {count(len(planned.foreseen), 'place')}"
    text = text if planned.foreseen else "nothing new would be sent"
    more = "; there are more: raise --limit" if planned.cut else ""
    return line(text, (f" ({planned.looked_at:,} links and tickets looked at{more})", "dim"))
