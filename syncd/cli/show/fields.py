"""A connection's fields as lines."""

from collections.abc import Sequence

from rich.text import Text

from syncd.cli.facts.fields import KnownField
from syncd.cli.show.lines import Part, columns, heading, line
from syncd.cli.text import cut

VALUES_CHARS_MAX = 120


def lines(name: str, found: Sequence[KnownField]) -> list[Text]:
    """List fields, kind of ticket by kind of ticket."""
    if not found:
        return [line(f"{name} tells of no fields")]
    made: list[Text] = []
    for kind in dict.fromkeys(each.ticket_kind for each in found):
        mine = [each for each in found if each.ticket_kind == kind]
        made += [line(), heading(f"{name}: {kind}")]
        head = ("FIELD", "TYPE", "LIMIT", "WRITTEN", "VALUES")
        made += columns([_row(each) for each in mine], indent=2, head=head)
    return made[1:]


def _row(each: KnownField) -> Sequence[Part]:
    info = each.info
    written = ", ".join(sorted(info.writable)) if info.writable else "never"
    if not info.readable:
        written += " (never read back)" if info.writable else " (not read, as set up)"
    known = ""
    if info.values:
        known = f"accepts {', '.join(info.values)}"
    elif each.seen:
        known = f"seen {', '.join(each.seen)}"
    limit = "" if info.max_chars is None else str(info.max_chars)
    return (info.name, info.kind, limit, written, (cut(known, VALUES_CHARS_MAX), "dim"))
