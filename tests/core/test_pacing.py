"""How often a watched ticket is read: hot, cooling, cold, closed, at rest."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.core.pacing import Warmth, WatchPace, next_read_at, pause_s, warmth

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACE = WatchPace(every_s=60, hot_s=1_800, cold_s=3_600)
DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("quiet_s", "pause", "expected"),
    [
        (0, 60, Warmth.HOT),
        (1_799, 60, Warmth.HOT),
        (1_800, 120, Warmth.COOLING),
        (3_600, 240, Warmth.COOLING),
        (28_799, 960, Warmth.COOLING),
        (57_600, 3_600, Warmth.COLD),
        (400 * DAY_S, 3_600, Warmth.COLD),
    ],
)
def test_an_open_ticket_cools_in_steps(quiet_s: float, pause: float, expected: Warmth) -> None:
    assert pause_s(PACE, quiet_s, is_closed=False) == pause
    assert warmth(PACE, quiet_s, is_closed=False) is expected


@pytest.mark.parametrize(
    ("quiet_s", "pause", "expected"),
    [
        (0, 60, Warmth.HOT),
        (2 * DAY_S - 1, 3_600, Warmth.COLD),
        (2 * DAY_S, 43_200, Warmth.CLOSED),
        (30 * DAY_S, None, Warmth.AT_REST),
    ],
)
def test_a_closed_ticket_is_watched_a_while_then_rarely_then_not(
    quiet_s: float, pause: float | None, expected: Warmth
) -> None:
    assert pause_s(PACE, quiet_s, is_closed=True) == pause
    assert warmth(PACE, quiet_s, is_closed=True) is expected


paces = st.builds(
    WatchPace,
    every_s=st.floats(0.1, 86_400),
    hot_s=st.floats(0, 86_400),
    cold_s=st.floats(0.1, 86_400 * 7),
    closed_for_s=st.floats(0, 86_400 * 30),
    closed_every_s=st.floats(0.1, 86_400 * 7),
    closed_stop_s=st.floats(0, 86_400 * 60),
    spread=st.floats(0, 1),
)


@given(paces, st.floats(-1e6, 1e9), st.floats(0, 1e6), st.booleans(), st.floats(0, 0.999))
@example(WatchPace(hot_s=5e-324), 60.0, 0.0, False, 0.0)
def test_no_pause_is_shorter_than_the_pace_allows_and_quiet_never_makes_one_shorter(
    pace: WatchPace, quiet_s: float, more_s: float, is_closed: bool, jitter: float
) -> None:
    now = NOW.replace(year=2100)
    at = next_read_at(
        pace, active_at=now - timedelta(seconds=quiet_s), now=now, is_closed=is_closed,
        jitter=jitter,
    )  # fmt: skip
    if at is None:
        assert is_closed
        return
    longest_s = max(pace.every_s, pace.cold_s, pace.closed_every_s) * (1 + pace.spread)
    assert pace.every_s - 0.001 <= (at - now).total_seconds() <= longest_s + 0.001
    if not is_closed:
        first = pause_s(pace, max(0.0, quiet_s), is_closed=False)
        later = pause_s(pace, max(0.0, quiet_s) + more_s, is_closed=False)
        assert first is not None
        assert later is not None
        assert first <= later
