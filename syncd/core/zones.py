"""Wall times and instants: what a clock on a site's wall shows, in the zone the mapping names.

A wall time has no zone of its own, an instant has. The zones are handed in, read when the mapping
was loaded, so that nothing is looked up here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import TypeGuard

_DATE_CHARS = len("2026-03-01")


def converted(text: str, zone: tzinfo) -> str | None:
    """Turn a wall time of a zone into an instant, and an instant into a wall time.

    Of a wall time that comes twice, when clocks are set back, the first is meant; one that is
    skipped is counted on from before the change.

    Args:
        text: ISO 8601: without an offset a wall time, with one an instant.
        zone: whose clocks.

    Returns:
        The instant in UTC, or the wall time without an offset, both ISO 8601; None when the text is
        no date with a time.
    """
    return wall_time_of(text, zone) if _is_instant(_read(text)) else instant_of(text, zone)


def instant_of(text: str, zone: tzinfo) -> str | None:
    """Give the instant, in UTC, of a wall time of a zone; a time with an offset is one already."""
    at = _read(text)
    try:
        if at is None:
            return None
        return (at if _is_instant(at) else at.replace(tzinfo=zone)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None


def wall_time_of(text: str, zone: tzinfo) -> str | None:
    """Give what a zone's clocks show at an instant; None for a time without an offset."""
    at = _read(text)
    try:
        return at.astimezone(zone).replace(tzinfo=None).isoformat() if _is_instant(at) else None
    except (ValueError, OverflowError):
        return None


def is_same_time(one: str, other: str) -> bool:
    """Whether two texts are one wall time, or one instant, however they are spelled."""
    first, second = _read(one), _read(other)
    return first is not None and first == second


def zone_of(name: str, known: Mapping[str, tzinfo]) -> tzinfo | None:
    """Give a zone by the name a mapping or table has for it; None for none."""
    return known.get(name.strip())


def _read(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return None if len(text.strip()) <= _DATE_CHARS else at


def _is_instant(at: datetime | None) -> TypeGuard[datetime]:
    return at is not None and at.tzinfo is not None
