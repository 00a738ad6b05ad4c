"""Times as people type them: `15m`, `3h`, `2026-03-01`, `2026-03-01T12:00+01:00`."""

import re
from datetime import UTC, datetime, timedelta

from syncd.model.errors import CommandRefused

HELP = "So long ago (15m, 3h, 2d) or an instant (2026-03-01, 2026-03-01T12:00); UTC unless said."
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def since(text: str | None, now: datetime) -> datetime | None:
    """Read an instant in the past; None for None.

    Raises:
        CommandRefused: it is neither a span nor an instant.
    """
    if text is None:
        return None
    span = _SPAN.fullmatch(text.strip().lower())
    if span is not None:
        return now - timedelta(seconds=float(span[1]) * _UNITS_S[span[2]])
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CommandRefused(
            f"--since {text!r} is no time; accepted: 15m, 3h, 2d, 2026-03-01, 2026-03-01T12:00"
        ) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
