"""Drift as lines."""

from collections.abc import Mapping, Sequence

from rich.text import Text

from syncd.cli.facts.drift import Drifted, DriftedField
from syncd.cli.show.lines import Part, columns, line
from syncd.cli.text import count, value
from syncd.model.ids import ConnectionName, Side
from syncd.settings.values import Settings

LIMITS = (
    "Not compared: comments and attachments as they stand, fields that cannot be read back, fields "
    "that an open operation, a conflict or an alteration by the vendor explains."
)


def document(found: Sequence[Drifted], *, compared: int, live: bool) -> dict[str, object]:
    """Give it for programs."""
    return {"drifted": list(found), "compared": compared, "live": live, "limits": LIMITS}


def lines(found: Sequence[Drifted], settings: Settings, *, compared: int, live: bool) -> list[Text]:
    """Say it to people."""
    made: list[Text] = []
    for each in found:
        itsm = settings.mappings[each.mapping].itsm
        made += _link(each, {Side.ITSM: itsm, Side.VENDOR: each.vendor})
    what = "as they are now" if live else "as last read"
    text = f"{count(compared, 'link')} compared {what}; {len(found)} differ"
    made += [line(text), line((LIMITS, "dim"))]
    if not live:
        hint = "`--live` reads every ticket first; `syncd resync MAPPING` has the daemon do so"
        made.append(line((hint, "dim")))
    return made


def _link(each: Drifted, names: Mapping[Side, ConnectionName]) -> list[Text]:
    numbers = " ⇄ ".join(each.numbers.get(side, "") or "?" for side in Side)
    made = [line((numbers, "bold"), f"   {each.mapping} (link {each.link_id})")]
    made += columns([_field(field, names) for field in each.fields], indent=2)
    for conflict in each.conflicts:
        itsm, vendor = value(conflict.itsm_value), value(conflict.vendor_value)
        text = f" {conflict.slot}: itsm {itsm}, vendor {vendor}"
        made.append(line(("no winner", "bold red"), text, (f"  {conflict.place}", "dim"), indent=2))
    if each.unseen:
        made.append(line(f"not read yet: {count(len(each.unseen), 'write')} will follow", indent=2))
    made += [line(f"{names[side]} says there is no such ticket", indent=2) for side in each.gone]
    return made


def _field(field: DriftedField, names: Mapping[Side, ConnectionName]) -> Sequence[Part]:
    return (
        f"{names[field.side]} {field.name}",
        f"is {value(field.found)}",
        f"should be {value(field.wanted)}",
        (field.place, "dim"),
    )
