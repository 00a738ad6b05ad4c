"""When silence is an alarm: `expect_news` of a connection. Pure."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from syncd.settings.values import ExpectNews


def overdue_since(
    expect: ExpectNews, *, last_news_at: datetime | None, listening_since: datetime, now: datetime
) -> datetime | None:
    """Say since when news is overdue; None when it is not, or nobody expects it now.

    Silence counts within the watched part of the day only, and only while we could hear: neither
    the night nor our own standstill is held against the sender.

    Args:
        expect: what is expected.
        last_news_at: when the last news came; None: never.
        listening_since: since when this process listens.
        now: aware UTC instant, as all of them.
    """
    opened_at = _opened_at(expect, now)
    if opened_at is None:
        return None
    heard_at = max(at for at in (last_news_at, listening_since, opened_at) if at is not None)
    due_at = heard_at + timedelta(seconds=expect.every_s)
    return due_at if now > due_at else None


def _opened_at(expect: ExpectNews, now: datetime) -> datetime | None:
    """Say when the part of the day that now lies in began; None when now lies outside."""
    if expect.between is None:
        return now - timedelta(days=3650)
    zone = ZoneInfo(expect.zone)
    local = now.astimezone(zone)
    starts, ends = expect.between
    if starts <= ends:
        if not starts <= local.time() < ends:
            return None
        day = local.date()
    elif local.time() >= starts:
        day = local.date()
    elif local.time() < ends:
        day = local.date() - timedelta(days=1)
    else:
        return None
    return datetime.combine(day, _plain(starts), zone)


def _plain(at: time) -> time:
    return at.replace(tzinfo=None)
