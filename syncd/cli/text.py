"""Texts that are safe on a terminal, and how times, spans and values read. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime

from syncd.model.ticket import MISSING, Missing

UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, what turns the direction of writing, line separators, lone surrogates."""
_UNSAFE_IN_JSON = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
VALUE_CHARS_MAX = 60
"""Longest value shown within a line; the rest is left out."""


def safe(text: object) -> str:
    """Make what cannot be seen visible, so that no text can command the terminal."""
    plain = str(text)
    return plain if plain.isprintable() else UNSAFE.sub(_escaped, plain)


def _escaped(found: re.Match[str]) -> str:
    char = found.group()
    return _SHORT.get(char) or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")


def safe_json(text: str) -> str:
    """Escape in JSON what its encoder leaves as it is and a terminal might obey."""
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def cut(text: str, chars: int = VALUE_CHARS_MAX) -> str:
    """Shorten a text to so many characters, saying so by `…`."""
    return text if len(text) <= chars else text[: chars - 1] + "…"


def value(given: object, chars: int = VALUE_CHARS_MAX) -> str:
    """Show a field's value within a line: short, visible, empty and missing told apart."""
    if given is MISSING or isinstance(given, Missing):
        return "(not told)"
    if given is None or given == "":
        return "(empty)"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, Mapping):
        return cut(safe(", ".join(f"{name}: {part}" for name, part in given.items())), chars)
    return cut(safe(given), chars)


def span(seconds: float) -> str:
    """Say how long: `4s`, `12m`, `3h 20m`, `5d`."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    if whole < 7200:
        return f"{whole // 60}m"
    if whole < 172_800:
        minutes = whole % 3600 // 60
        return f"{whole // 3600}h {minutes}m" if minutes else f"{whole // 3600}h"
    return f"{whole // 86_400}d"


def ago(at: datetime | None, now: datetime) -> str:
    """Say how long ago: `12m ago`; `never` for None."""
    return "never" if at is None else f"{span((now - at).total_seconds())} ago"


def ahead(at: datetime, now: datetime) -> str:
    """Say when something is due: `now`, or a time with how far off it is."""
    left_s = (at - now).total_seconds()
    return "now" if left_s <= 0 else f"{time_of(at, now)} (in {span(left_s)})"


def time_of(at: datetime, now: datetime) -> str:
    """Show an instant: the time alone when it is of the same UTC day, else with its date."""
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S}"


def stamp(at: datetime) -> str:
    """Show an instant whole: `2026-03-01 02:55:58`."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


def count(number: int, one: str, many: str = "") -> str:
    """Say how many of something: `1 comment`, `3 comments`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
