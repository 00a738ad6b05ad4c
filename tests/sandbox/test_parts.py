"""Clock, history, ids: the small parts."""

import asyncio
from datetime import UTC, datetime, timedelta

from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.history import VERSIONS_MAX, Versions
from syncd.sandbox.telenor.model import vendor_date, vendor_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_frozen_clock_moves_only_when_told() -> None:
    clock = SandboxClock(NOON)

    assert clock.now() == clock.now() == NOON
    clock.advance(90)
    assert clock.now() == NOON + timedelta(seconds=90)
    clock.advance(-30)
    clock.resume()
    assert NOON + timedelta(seconds=60) <= clock.now() < NOON + timedelta(seconds=120)
    assert clock.freeze() == clock.now()


def test_a_running_clock_can_be_moved() -> None:
    clock = SandboxClock()
    before = clock.now()

    assert clock.advance(3600) - before >= timedelta(hours=1)


def test_history_shows_the_state_of_any_kept_instant() -> None:
    versions: Versions[str] = Versions(NOON, "a")
    versions.put(NOON + timedelta(seconds=10), "b")
    versions.put(NOON + timedelta(seconds=20), None)

    shown = [versions.as_of(NOON + timedelta(seconds=at)) for at in (-1, 0, 9, 10, 20)]

    assert shown == [None, "a", "a", "b", None]
    assert versions.latest is None


def test_history_is_bounded_and_then_shows_its_oldest() -> None:
    versions: Versions[int] = Versions(NOON, 0)
    for number in range(1, 2 * VERSIONS_MAX):
        versions.put(NOON + timedelta(seconds=number), number)

    assert versions.as_of(NOON) == VERSIONS_MAX


def test_ids_are_eighteen_characters_that_rise_and_carry_their_case() -> None:
    ids = [vendor_id("5004E0", serial) for serial in (1, 9, 10, 35, 36, 61, 62, 5000)]

    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {18}
    # A sample id of section 4.1.
    assert vendor_id("5004E000003uH0Y", 0) == "5004E000003uH0YQAU"


def test_dates_are_written_as_in_the_samples() -> None:
    at = datetime(2017, 10, 9, 19, 21, 47, 123_999, tzinfo=UTC)

    assert vendor_date(at) == "2017-10-09T19:21:47.123+0000"
    assert vendor_date(at, cut=True) == "2017-10-09T19:21:47.123+000"


async def test_a_sandbox_never_keeps_the_loop_waiting_for_its_clock() -> None:
    clock = SandboxClock(NOON)
    from syncd.sandbox.clock import pause

    await asyncio.wait_for(pause(0), 1)

    assert clock.now() == NOON
