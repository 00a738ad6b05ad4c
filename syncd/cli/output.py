"""Where results go: one JSON document, or lines for people; complaints go to standard error."""

import os
import sys
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncd.cli.text import safe, safe_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPE_COLUMNS = 200
"""Width where nobody looks at a terminal."""


class Output:
    """Prints what a command has to say.

    Attributes:
        json: for programs: one JSON document on standard output and nothing else there.
    """

    def __init__(self, *, json: bool) -> None:
        """Print nothing yet."""
        self.json = json
        self._console: Console | None = None

    def show(self, document: object, lines: "Iterable[Text]", *, cut: bool = False) -> None:
        """Give a command's result, in one form or the other.

        Args:
            document: for programs.
            lines: for people.
            cut: shorten lines to the terminal's width instead of letting them wrap.
        """
        if self.json:
            self.document(document)
        else:
            self.lines(lines, cut=cut)

    def document(self, document: object) -> None:
        """Write one JSON document, indented."""
        sys.stdout.write(encode(document, indent=True) + "\n")
        sys.stdout.flush()

    def document_line(self, document: object) -> None:
        """Write one JSON document on one line; for what goes on as it happens."""
        sys.stdout.write(encode(document) + "\n")
        sys.stdout.flush()

    def lines(self, lines: "Iterable[Text]", *, cut: bool = False) -> None:
        """Print lines for people.

        Args:
            lines: to be printed.
            cut: shorten each to the terminal's width instead of letting it wrap.
        """
        from rich.text import Text

        console = self._made_console()
        for given in lines:
            text = given if given.plain.isprintable() else Text(safe(given.plain))
            if cut and console.is_terminal:
                text.truncate(console.width, overflow="ellipsis")
            console.print(text, soft_wrap=True)
        console.file.flush()

    def say(self, text: str) -> None:
        """Tell people something beside the result, on standard error."""
        sys.stderr.write(safe(text) + "\n")

    def failed(self, problems: Iterable[str], **more: object) -> None:
        """Say why a command could not run: each problem on its own line of standard error."""
        listed = list(problems)
        for problem in listed:
            for part in problem.splitlines():
                self.say(part)
        if self.json:
            self.document({"ok": False, "problems": listed, **more})

    def _made_console(self) -> "Console":
        if self._console is None:
            from rich.console import Console

            is_terminal = sys.stdout.isatty()
            width = None if is_terminal else int(os.environ.get("COLUMNS") or PIPE_COLUMNS)
            self._console = Console(markup=False, highlight=False, emoji=False, width=width)
        return self._console


def encode(document: object, *, indent: bool = False) -> str:
    """Give a document as JSON: dataclasses, enums and instants are known."""
    import orjson

    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
    if indent:
        options |= orjson.OPT_INDENT_2
    return safe_json(orjson.dumps(plain(document), option=options).decode())


def plain(given: object) -> Any:
    """Give a value as JSON has it: objects, lists, texts, numbers."""
    import dataclasses

    if isinstance(given, Enum):
        return given.value
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        fields = dataclasses.fields(given)
        return {each.name: plain(getattr(given, each.name)) for each in fields}
    if isinstance(given, Mapping):
        return {_key(key): plain(one) for key, one in given.items()}
    if isinstance(given, AbstractSet):
        return sorted(plain(one) for one in given)
    if isinstance(given, list | tuple):
        return [plain(one) for one in given]
    if isinstance(given, bytes):
        return given.hex()
    if isinstance(given, str):
        return str(given).encode("utf-8", "backslashreplace").decode()
    return str(given) if isinstance(given, Path) else given


def _key(key: object) -> str:
    if isinstance(key, tuple):
        return ".".join(_key(part) for part in key)
    return str(key.value) if isinstance(key, Enum) else str(key)
