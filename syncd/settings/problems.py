"""Problems with their places: `file:line:column: where.in.the.file: what; what is accepted`."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from syncd.model.errors import SettingsError

LISTED_MAX = 30
"""Accepted words named in one problem; more are counted."""

SHOWN_CHARS_MAX = 60
"""Characters of a wrong value that a problem shows."""

Path = tuple[str | int, ...]
"""Where in a file: keys and list positions from the top."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A position in a file; line and column from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """Give it as editors read it."""
        return f"{self.file}:{self.line}:{self.column}"


class Problems:
    """Collects problems, so that all are reported at once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Mark, str], None] = {}

    def add(self, mark: Mark, path: Path, what: str) -> None:
        """Note one; the same one twice is one."""
        at = where(path)
        self._found[mark, f"{at}: {what}" if at else what] = None

    def __len__(self) -> int:
        return len(self._found)

    @property
    def lines(self) -> tuple[str, ...]:
        """All, by file and place."""
        return tuple(f"{mark}: {text}" for mark, text in sorted(self._found))

    def raise_any(self) -> None:
        """Stop when there is any.

        Raises:
            SettingsError: with every problem.
        """
        if self._found:
            raise SettingsError(self.lines)


def where(path: Path) -> str:
    """Give a path as people read it: `comments.to_vendor.share[1].author`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def shown(value: str) -> str:
    """Quote a wrong value, cut where it is long."""
    cut = value if len(value) <= SHOWN_CHARS_MAX else value[: SHOWN_CHARS_MAX - 1] + "…"
    return "'" + cut.replace("\n", "⏎") + "'"


def quoted(values: Iterable[str]) -> str:
    """List labels as they must be written."""
    return _listed([shown(value) for value in values])


def listed(words: Iterable[str]) -> str:
    """List accepted words."""
    return _listed(list(words))


def _listed(words: list[str]) -> str:
    if len(words) > LISTED_MAX:
        return ", ".join(words[:LISTED_MAX]) + f" and {len(words) - LISTED_MAX} more"
    return ", ".join(words) or "none"


def nearest(word: str, accepted: Iterable[str]) -> str:
    """Give `; did you mean 'x'?` for the nearest accepted word, or nothing."""
    by_folded = {one.casefold(): one for one in accepted}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {shown(by_folded[close[0]])}?" if close else ""
