"""Wall times and instants: what a clock on a site's wall shows, in the zone the mapping names.

A wall time has no zone of its own, an instant has. The zones are handed in, read when the mapping
was loaded, so that nothing is looked up here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

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
    try:
        at = datetime.fromisoformat(text.strip())
        if len(text.strip()) <= _DATE_CHARS:
            return None
        if at.tzinfo is None:
            return at.replace(tzinfo=zone).astimezone(UTC).isoformat()
        return at.astimezone(zone).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return None


def zone_of(name: str, known: Mapping[str, tzinfo]) -> tzinfo | None:
    """Give a zone by the name a mapping or table has for it; None for none."""
    return known.get(name.strip())
