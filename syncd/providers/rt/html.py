"""HTML as plain text: what people write in RT's editor, and the mail they send; pure.

And the one page of RT's own that is read: the search form, which lists what REST2 does not.
"""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

_BLOCKS = frozenset(
    ("address", "blockquote", "div", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
     "li", "ol", "p", "pre", "section", "table", "tr", "ul")
)  # fmt: skip
_APART = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "table"))
_SILENT = frozenset(("script", "style", "head", "title"))
_SPACES = re.compile(r"[ \t\r\n\f]+")
_BEFORE_LINES = re.compile(r"[ \t]+\n")
_GAPS = re.compile(r"\n{3,}")


def text_of(source: str) -> str:
    """Give the text of an HTML fragment: paragraphs apart, list items dashed, links in full."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    text = _BEFORE_LINES.sub("\n", "".join(reader.pieces))
    return _GAPS.sub("\n\n", text).strip()


def statuses_in(page: str) -> Mapping[str, tuple[str, ...]]:
    """Read the statuses of each lifecycle from RT's search form, `deleted` always apart.

    Returns:
        Lifecycle -> statuses; under "" where RT does not group them, for all its lifecycles have
        the same. Empty: it is not that form.
    """
    reader = _Statuses()
    reader.feed(page)
    reader.close()
    return {name: tuple(found) for name, found in reader.found.items() if found}


class _Statuses(HTMLParser):
    """Lifecycles with the same statuses share a group: its label names them all."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, list[str]] = {}
        self._is_inside = False
        self._names = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "select":
            self._is_inside = told.get("name") == "ValueOfStatus"
            self._names = [""]
        elif self._is_inside and tag == "optgroup":
            self._names = (told.get("label") or "").split(", ")
        elif self._is_inside and tag == "option":
            value = told.get("value") or ""
            if value and not value.startswith("__"):
                for name in self._names:
                    self.found.setdefault(name, []).append(value)

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "select"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = 0
        self._pre = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        self._pre += tag == "pre"
        if tag == "br":
            self.pieces.append("\n")
        elif tag in _BLOCKS:
            self._break(2 if tag in _APART else 1)
        if tag == "li":
            self.pieces.append("- ")
        if tag in {"td", "th"}:
            self.pieces.append(" ")
        if tag == "a":
            self._links.append((dict(attrs).get("href") or "", len(self.pieces)))

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in _SILENT))
        self._pre = max(0, self._pre - (tag == "pre"))
        if tag == "a" and self._links:
            target, start = self._links.pop()
            shown = "".join(self.pieces[start:]).strip()
            if target and target not in (shown, f"mailto:{shown}"):
                self.pieces.append(f" <{target}>")
        if tag in _BLOCKS:
            self._break(2 if tag in _APART else 1)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if not self._pre:
            data = _SPACES.sub(" ", data)
            starts_line = not self.pieces or self.pieces[-1][-1:] in ("\n", "")
            data = data.lstrip(" ") if starts_line else data
        if data:
            self.pieces.append(data)

    def _break(self, lines: int) -> None:
        """End the line; with two, leave one empty. What is there already counts."""
        tail = "".join(self.pieces[-3:]).rstrip(" ")
        there = len(tail) - len(tail.rstrip("\n"))
        if lines > there:
            self.pieces.append("\n" * (lines - there))
