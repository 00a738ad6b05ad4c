"""When polls are due: apscheduler says so, the polling itself runs in tasks app owns.

A job only sets an event, as apscheduler's shutdown cancels what a job is still doing. A poll that
takes longer than its interval is followed by one poll, not by all that were missed.
"""

import asyncio
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from syncd.settings.values import PollSettings

EVERY_MIN_S = 0.05
"""Shortest time between polls of a connection; a shorter one would only be a busy loop."""


class Schedule:
    """One bell per connection, rung when its poll is due."""

    def __init__(self) -> None:
        """Ring nothing yet. Must be made on the event loop."""
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={
                # A late run is a run: the default drops what is a second late.
                "misfire_grace_time": None,
                "coalesce": True,
                "max_instances": 1,
            },
        )
        self._bells: dict[str, asyncio.Event] = {}

    def start(self) -> None:
        """Begin to ring."""
        self._scheduler.start()

    def stop(self) -> None:
        """Ring no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def every(self, name: str, poll: PollSettings, *, first_at: datetime) -> asyncio.Event:
        """Ring a connection's bell from `first_at` on; again with other times after a reload.

        Args:
            name: the connection.
            poll: how often, and how much of that is left to chance.
            first_at: aware instant of the first ring.
        """
        bell = self._bells.setdefault(name, asyncio.Event())
        every_s = max(EVERY_MIN_S, poll.every_s)
        # A job's jitter goes both ways: never further than half the way to its neighbours.
        jitter_s = min(poll.jitter_s, every_s / 2)
        self._scheduler.add_job(
            _ring,
            IntervalTrigger(seconds=every_s, jitter=jitter_s or None, timezone=UTC),
            args=(bell,),
            id=name,
            name=f"poll {name}",
            next_run_time=first_at,
            replace_existing=True,
        )
        return bell

    def forget(self, name: str) -> None:
        """Ring a connection's bell no more."""
        if self._bells.pop(name, None) is not None:
            self._scheduler.remove_job(name)


async def _ring(bell: asyncio.Event) -> None:
    bell.set()
