"""The journal as lines: time, what happened, to which tickets, in whose words."""

from collections.abc import Sequence

from rich.text import Text

from syncd.cli.facts.journal import ToldLine
from syncd.cli.show.lines import columns, line
from syncd.cli.text import cut

DETAIL_CHARS_MAX = 300
BAD = ("parked", "unknown", "doubled", "gone", "stray", "paused", "failed", "found", "contested")
"""Last words of events that somebody should see."""


def lines(found: Sequence[ToldLine], day: str = "") -> tuple[list[Text], str]:
    """Show lines of the journal; a day is named when it begins.

    Args:
        found: oldest first.
        day: the day of the line shown before these; empty for none.

    Returns:
        The lines, and the day of the last one.
    """
    made: list[Text] = []
    rows: list[list[Text]] = []
    for each in found:
        today = f"{each.at:%Y-%m-%d}"
        if today != day:
            made += columns(rows)
            rows, day = [], today
            made.append(line((f"{today} (UTC)", "bold")))
        rows.append(_row(each))
    return [*made, *columns(rows)], day


def _row(each: ToldLine) -> list[Text]:
    style = "yellow" if each.event.rpartition(".")[2].startswith(BAD) else ""
    who = f" by {each.actor}" if each.actor else ""
    operation = f"op {each.operation} " if each.operation is not None else ""
    where = each.mapping or each.connection
    place = f"  {each.place}" if each.place else ""
    return [
        line((f"{each.at:%H:%M:%S}", "dim")),
        line((each.event, style)),
        line(" ⇄ ".join(number or "?" for number in each.tickets) or where),
        line(operation, cut(each.detail, DETAIL_CHARS_MAX), who, (place, "dim")),
    ]
