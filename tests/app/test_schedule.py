"""Polls are due in time, also after a standstill."""

import asyncio
import time
from datetime import UTC, datetime

from syncd.app.schedule import Schedule
from syncd.settings.values import PollSettings


async def test_a_poll_is_due_at_once_and_then_again_and_again() -> None:
    schedule = Schedule()
    bell = schedule.every("desk", PollSettings(every_s=0.05, jitter_s=0), first_at=_now())
    schedule.start()
    async with asyncio.timeout(5):
        for _ in range(3):
            await bell.wait()
            bell.clear()
    schedule.stop()


async def test_a_standstill_delays_polls_and_drops_none() -> None:
    schedule = Schedule()
    bell = schedule.every("desk", PollSettings(every_s=60, jitter_s=0), first_at=_now())
    schedule.start()
    time.sleep(1.5)  # noqa: ASYNC251 - the event loop stands still, as under load
    async with asyncio.timeout(5):
        await bell.wait()
    schedule.stop()


async def test_a_reload_changes_the_times_of_the_same_bell() -> None:
    schedule = Schedule()
    schedule.start()
    slow, fast = PollSettings(every_s=3600, jitter_s=0), PollSettings(every_s=0.05, jitter_s=0)
    bell = schedule.every("desk", slow, first_at=datetime(2100, 1, 1, tzinfo=UTC))
    assert schedule.every("desk", fast, first_at=_now()) is bell
    async with asyncio.timeout(5):
        await bell.wait()
    schedule.forget("desk")
    schedule.forget("desk")
    schedule.stop()
    schedule.stop()


def _now() -> datetime:
    return datetime.now(UTC)
