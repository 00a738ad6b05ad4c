"""Our place in the lists, as it is stored between two polls.

What is covered is told by ids and by the vendor's dates. Our clock only says when the slow rounds
are due, and once, generously, what was history when reading began.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from syncd.ports.errors import OddAnswer

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A reading of several lists, one after another, that goes on in the next poll.

    Attributes:
        place: which list.
        page: page to go on with; the one before it is read once more (the overlap).
        met: ids met so far; kept only where their absence elsewhere means something.
    """

    place: int = 0
    page: int = 0
    met: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Our place.

    Attributes:
        open: ids in the open lists when these were last read to their end, sorted.
        going: the reading of the open lists that a page limit cut short.
        reread_to: the round of re-reading is done up to this instant of ours.
        closed: the pass through the closed tickets that is under way.
        closed_at: when the last one began, by our clock.
        history: closed tickets last changed before this (vendor's date) are never read.
    """

    open: tuple[str, ...] = ()
    going: Pass | None = None
    reread_to: float | None = None
    closed: Pass | None = None
    closed_at: float | None = None
    history: datetime | None = None

    def to_json(self) -> str:
        """Give the cursor as text; equal cursors give equal texts."""
        whole = {
            "v": _VERSION,
            "open": list(self.open),
            "going": _pass_json(self.going),
            "reread_to": self.reread_to,
            "closed": _pass_json(self.closed),
            "closed_at": self.closed_at,
            "history": self.history.isoformat() if self.history else None,
        }
        return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode()


def read_cursor(text: str) -> Cursor:
    """Read a stored cursor.

    Raises:
        OddAnswer: it is none of ours; taking it for a fresh start would lose what had left the
            lists.
    """
    try:
        raw = orjson.loads(text)
        if raw["v"] != _VERSION:
            raise ValueError(f"version {raw['v']!r}")
        history = raw["history"]
        return Cursor(
            open=tuple(raw["open"]),
            going=_pass(raw["going"]),
            reread_to=raw["reread_to"],
            closed=_pass(raw["closed"]),
            closed_at=raw["closed_at"],
            history=datetime.fromisoformat(history).astimezone(UTC) if history else None,
        )
    except (ValueError, KeyError, TypeError) as err:
        raise OddAnswer(f"the stored cursor cannot be read ({err}); resync the connection") from err


def _pass_json(one: Pass | None) -> Mapping[str, object] | None:
    return None if one is None else {"place": one.place, "page": one.page, "met": list(one.met)}


def _pass(raw: object) -> Pass | None:
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise TypeError("a pass is no object")
    return Pass(place=int(raw["place"]), page=int(raw["page"]), met=tuple(raw["met"]))
