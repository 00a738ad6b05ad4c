"""When silence is an alarm."""

from datetime import UTC, datetime, time, timedelta

import pytest

from syncd.app.news import overdue_since
from syncd.settings.values import ExpectNews

ALWAYS = ExpectNews(every_s=7200)
OFFICE = ExpectNews(every_s=7200, between=(time(7), time(18)), zone="Europe/Oslo")
NIGHT = ExpectNews(every_s=3600, between=(time(22), time(4)), zone="UTC")
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-15T{text}:00+00:00")


@pytest.mark.parametrize(
    ("expect", "last", "now", "due"),
    [
        (ALWAYS, "10:00", "11:59", None),
        (ALWAYS, "10:00", "12:01", "12:00"),
        # Oslo is an hour ahead: the office opens at 06:00 UTC.
        (OFFICE, "02:00", "05:59", None),
        (OFFICE, "02:00", "07:59", None),
        (OFFICE, "02:00", "08:01", "08:00"),
        (OFFICE, "10:00", "12:01", "12:00"),
        (OFFICE, "10:00", "17:01", None),
        (NIGHT, "12:00", "21:59", None),
        (NIGHT, "12:00", "22:30", None),
        (NIGHT, "12:00", "23:30", "23:00"),
        (NIGHT, "01:00", "02:30", "02:00"),
        (NIGHT, "01:00", "04:30", None),
    ],
)
def test_silence_counts_within_the_watched_part_of_the_day(
    expect: ExpectNews, last: str, now: str, due: str | None
) -> None:
    since = overdue_since(expect, last_news_at=at(last), listening_since=LONG_AGO, now=at(now))
    assert since == (None if due is None else at(due))


def test_our_own_standstill_is_not_held_against_the_sender() -> None:
    now = at("12:00")
    since = overdue_since(
        ALWAYS, last_news_at=LONG_AGO, listening_since=now - timedelta(hours=1), now=now
    )
    assert since is None


def test_news_that_never_came_is_missed_too() -> None:
    now = at("12:00")
    since = overdue_since(ALWAYS, last_news_at=None, listening_since=at("09:00"), now=now)
    assert since == at("11:00")
