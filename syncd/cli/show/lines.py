"""Lines of styled text, and columns of them. Every text that enters is made safe here."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.text import Text

from syncd.cli.text import safe

Part = str | tuple[str, str] | Text
"""A text, a text with its style, or what is made already."""

GAP = 2
"""Spaces between two columns."""


def line(*parts: Part, indent: int = 0) -> Text:
    """Join parts to one line."""
    made = Text(" " * indent, no_wrap=False)
    for part in parts:
        if isinstance(part, Text):
            made.append_text(part)
        elif isinstance(part, tuple):
            made.append(safe(part[0]), style=part[1])
        else:
            made.append(safe(part))
    return made


def heading(text: str) -> Text:
    """A line that begins a part."""
    return line((text, "bold"))


def columns(
    rows: Iterable[Sequence[Part]], *, indent: int = 0, head: Sequence[str] = ()
) -> list[Text]:
    """Set rows in columns as wide as their widest cell; the last one is left ragged."""
    cells = [[line(part) for part in row] for row in rows]
    if head and cells:
        cells.insert(0, [line((name, "dim")) for name in head])
    widths: list[int] = []
    for row in cells:
        for at, cell in enumerate(row):
            width = cell_len(cell.plain)
            if at == len(widths):
                widths.append(width)
            widths[at] = max(widths[at], width)
    return [_joined(row, widths, indent) for row in cells]


def _joined(row: Sequence[Text], widths: Sequence[int], indent: int) -> Text:
    made = Text(" " * indent)
    for at, cell in enumerate(row):
        made.append_text(cell)
        if at < len(row) - 1:
            made.append(" " * (widths[at] - cell_len(cell.plain) + GAP))
    made.rstrip()
    return made
