"""Links as lines."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from syncd.cli.show.lines import Part, columns, line
from syncd.cli.text import ago
from syncd.model.ids import Side
from syncd.store.records import LinkOverview


def listed(found: Sequence[LinkOverview], now: datetime) -> list[Text]:
    """List links, one a line."""
    if not found:
        return [line("no links")]
    rows: list[list[Part]] = [
        [
            str(each.link.id),
            each.link.mapping,
            each.numbers.get(Side.ITSM, "") or "?",
            each.numbers.get(Side.VENDOR, "") or "?",
            f"paused by {each.link.pause.by}" if each.link.pause else str(each.link.phase),
            str(each.open_operations),
            (str(each.parked), "bold red" if each.parked else ""),
            (str(each.conflicts), "bold red" if each.conflicts else ""),
            ago(each.link.created_at, now),
        ]
        for each in found
    ]
    head = ("LINK", "MAPPING", "ITSM", "VENDOR", "PHASE", "OPEN", "PARKED", "CONFLICTS", "SINCE")
    return columns(rows, head=head)
