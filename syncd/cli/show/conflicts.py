"""Conflicts as lines."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from syncd.cli.show.lines import Part, columns, line
from syncd.cli.text import ago, value
from syncd.model.ids import Side
from syncd.store.records import ConflictRecord


def listed(found: Sequence[ConflictRecord], now: datetime) -> list[Text]:
    """List conflicts, and how one is decided."""
    if not found:
        return [line("no conflicts")]
    rows: list[list[Part]] = [
        [
            str(each.id),
            " ⇄ ".join(each.numbers.get(side, "") or "?" for side in Side),
            each.slot,
            f"itsm {value(each.itsm_value)}",
            f"vendor {value(each.vendor_value)}",
            ago(each.found_at, now),
            (each.place, "dim"),
        ]
        for each in found
    ]
    return [*columns(rows), line(), *how(found[0].id if len(found) == 1 else None)]


def how(conflict: int | None = None) -> list[Text]:
    """Say how a conflict is decided."""
    name = "ID" if conflict is None else str(conflict)
    return [line("decide: ", (f"syncd conflicts resolve {name} --keep itsm|vendor", "cyan"))]
