"""How often a ticket is read that no feed tells of: hot, cooling, cold, closed. Pure.

A ticket to which something happened lately is read every `every_s`. Each time its quiet has
doubled, the pause doubles too, up to `cold_s`: what is missed at most stays a small part of how
long nothing happened. A closed one cools alike for `closed_for_s`, is read every `closed_every_s`
from then on, and after `closed_stop_s` not at all: something must tell of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import floor, log2

from syncd.model.errors import ensure

COOLED_MAX = 2.0**63
"""How many times `hot_s` a quiet counts for at most; every pause has reached `cold_s` by then."""


class Warmth(StrEnum):
    """How closely a ticket is watched."""

    HOT = "hot"
    COOLING = "cooling"
    COLD = "cold"
    CLOSED = "closed"
    AT_REST = "at rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPace:
    """How a connection's tickets are watched; all in seconds.

    Attributes:
        every_s: pause between two reads of a hot ticket; none is shorter.
        hot_s: how long after its last change a ticket is hot.
        cold_s: longest pause of an open ticket.
        closed_for_s: how long after its last change a closed ticket is watched like an open one.
        closed_every_s: pause of a closed one from then on.
        closed_stop_s: after so long without a change a closed one is not read any more.
        spread: random part added to each pause, as a share of it: tickets do not march in step.
    """

    every_s: float = 60.0
    hot_s: float = 1_800.0
    cold_s: float = 3_600.0
    closed_for_s: float = 2 * 86_400.0
    closed_every_s: float = 43_200.0
    closed_stop_s: float = 30 * 86_400.0
    spread: float = 0.1


def warmth(pace: WatchPace, quiet_s: float, *, is_closed: bool) -> Warmth:
    """Say how closely a ticket is watched that was quiet for so many seconds."""
    if is_closed and quiet_s >= pace.closed_stop_s:
        return Warmth.AT_REST
    if is_closed and quiet_s >= pace.closed_for_s:
        return Warmth.CLOSED
    if quiet_s < pace.hot_s:
        return Warmth.HOT
    return Warmth.COOLING if _open_pause_s(pace, quiet_s) < pace.cold_s else Warmth.COLD


def pause_s(pace: WatchPace, quiet_s: float, *, is_closed: bool) -> float | None:
    """Give the pause until the next read, without its random part; None: no read."""
    if is_closed and quiet_s >= pace.closed_stop_s:
        return None
    if is_closed and quiet_s >= pace.closed_for_s:
        return max(pace.every_s, pace.closed_every_s)
    return _open_pause_s(pace, quiet_s)


def _open_pause_s(pace: WatchPace, quiet_s: float) -> float:
    coldest_s = max(pace.every_s, pace.cold_s)
    if quiet_s < pace.hot_s:
        return pace.every_s
    if pace.hot_s <= 0:
        return coldest_s
    # The quotient of a long quiet and next to nothing is infinite.
    times = min(quiet_s / pace.hot_s, COOLED_MAX)
    return min(coldest_s, pace.every_s * 2.0 ** (1 + floor(log2(times))))


def next_read_at(
    pace: WatchPace, *, active_at: datetime, now: datetime, is_closed: bool, jitter: float
) -> datetime | None:
    """Say when a watched ticket is read again.

    Args:
        pace: the connection's.
        active_at: when something last happened to it or to its partner.
        now: when it was read.
        is_closed: whether it shows a closed status.
        jitter: a random number in [0, 1).

    Returns:
        An aware UTC instant; None when only something that tells of it has it read again.
    """
    ensure(0 <= jitter < 1, "a jitter is a number in [0, 1)")
    quiet_s = max(0.0, (now - active_at).total_seconds())
    pause = pause_s(pace, quiet_s, is_closed=is_closed)
    if pause is None:
        return None
    return now + timedelta(seconds=pause * (1.0 + pace.spread * jitter))
