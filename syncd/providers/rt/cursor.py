"""Our place in the search for changed tickets, as it is stored between two polls.

All instants are RT's own: dates of tickets, and the Date of its answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from syncd.ports.errors import OddAnswer

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A ticket as last told of.

    Attributes:
        updated: its LastUpdated, in seconds since the epoch.
        settled: it was told of when that was long enough ago.
    """

    updated: int
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A reading that a page limit cut short and the next poll goes on with.

    Attributes:
        page: page to go on with; the one before it is read once more.
        since: where the finished reading begins next time, in seconds since the epoch.
        met: tickets met that are newer than that.
        is_odd: something met could not be read.
    """

    page: int
    since: int
    met: Mapping[str, Seen]
    is_odd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Our place.

    Attributes:
        since: all that was last changed up to this second is covered.
        known: tickets changed after it that were told of.
        walk: the reading under way; None between two.
    """

    since: int
    known: Mapping[str, Seen] = field(default_factory=dict)
    walk: Walk | None = None

    def to_json(self) -> str:
        """Give the cursor as text; equal cursors give equal texts."""
        walk = self.walk
        whole = {
            "v": _VERSION,
            "since": self.since,
            "known": _told(self.known),
            "walk": None
            if walk is None
            else {
                "page": walk.page,
                "since": walk.since,
                "met": _told(walk.met),
                "is_odd": walk.is_odd,
            },
        }
        return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode()


def read_cursor(text: str) -> Cursor:
    """Read a stored cursor.

    Raises:
        OddAnswer: it is none of ours; taking it for a fresh start would lose what changed since.
    """
    try:
        raw = orjson.loads(text)
        if raw["v"] != _VERSION:
            raise ValueError(f"version {raw['v']!r}")
        walk = raw["walk"]
        return Cursor(
            since=int(raw["since"]),
            known=_seen(raw["known"]),
            walk=None
            if walk is None
            else Walk(
                page=int(walk["page"]),
                since=int(walk["since"]),
                met=_seen(walk["met"]),
                is_odd=bool(walk["is_odd"]),
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise OddAnswer(f"the stored cursor cannot be read ({err}); resync the connection") from err


def seconds(at: datetime) -> int:
    """Give an aware instant as RT keeps it: whole seconds."""
    return int(at.timestamp())


def _told(seen: Mapping[str, Seen]) -> dict[str, list[int]]:
    return {one: [each.updated, int(each.settled)] for one, each in seen.items()}


def _seen(raw: Mapping[str, list[int]]) -> dict[str, Seen]:
    return {
        str(one): Seen(updated=int(each[0]), settled=bool(each[1])) for one, each in raw.items()
    }
