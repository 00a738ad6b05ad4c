"""Our place in the activities feed, as it is stored between two polls.

Instants are microseconds since 1970 by Telenor's clock, never ours (DESIGN R1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson

from syncd.ports.errors import OddAnswer

_VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What a poll left unread because of its page limit.

    Attributes:
        skip: position to go on from.
        newest: everything newer has been read; None: the feed is unsorted, positions count.
        oldest: down to here; None: to the end.
        total: `totalSize` when the position was noted; None when not told.
    """

    skip: int
    newest: int | None
    oldest: int | None
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Our place in the feed.

    Attributes:
        watermark: newest date that counts as covered; None: no activity seen yet.
        floor: unknown ids older than this are not news; None: every unknown id is.
        known: activity id -> its date, of the first page and of the overlap.
        total: `totalSize` of the last reading's first page.
        top: digest of that page's ids.
        pending: unsorted feed: newest date the last reading met (becomes the watermark when the
            next one ends: what arrived behind its back is younger than where it began).
        gap: what is still to be read.
    """

    watermark: int | None = None
    floor: int | None = None
    known: Mapping[str, int | None] = field(default_factory=dict)
    total: int | None = None
    top: str = ""
    pending: int | None = None
    gap: Gap | None = None

    def to_json(self) -> str:
        """Give the cursor as text; equal cursors give equal texts."""
        gap = self.gap and {
            "skip": self.gap.skip,
            "newest": self.gap.newest,
            "oldest": self.gap.oldest,
            "total": self.gap.total,
        }
        whole = {
            "v": _VERSION,
            "read_to": _text(self.watermark),
            "watermark": self.watermark,
            "floor": self.floor,
            "known": dict(self.known),
            "total": self.total,
            "top": self.top,
            "pending": self.pending,
            "gap": gap,
        }
        return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode()


def read_cursor(text: str) -> Cursor:
    """Read a stored cursor.

    Raises:
        OddAnswer: it is none of ours; taking it for a fresh start would lose what lies between.
    """
    try:
        raw = orjson.loads(text)
        if raw["v"] != _VERSION:
            raise ValueError(f"version {raw['v']!r}")
        gap = raw["gap"]
        return Cursor(
            watermark=raw["watermark"],
            floor=raw["floor"],
            known=raw["known"],
            total=raw["total"],
            top=raw["top"],
            pending=raw["pending"],
            gap=Gap(**gap) if gap else None,
        )
    except (ValueError, KeyError, TypeError) as err:
        raise OddAnswer(f"the stored cursor cannot be read ({err}); resync the connection") from err


def micros(instant: datetime) -> int:
    """Give an aware instant in microseconds since 1970."""
    return (instant - _EPOCH) // _MICRO


def span(seconds: float) -> int:
    """Give a duration in microseconds."""
    return int(seconds * 1_000_000)


def lower(one: int | None, other: int | None) -> int | None:
    """Give the lower of two lower bounds, None being no bound at all."""
    return None if one is None or other is None else min(one, other)


def highest(*values: int | None) -> int | None:
    """Give the highest of the values there are; None when there is none."""
    return max((value for value in values if value is not None), default=None)


def _text(value: int | None) -> str | None:
    return None if value is None else (_EPOCH + value * _MICRO).isoformat()
