"""What nobody waits for: silence told, unused files and old rows dropped, figures summed up."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from syncd.app.assembly import Plant
from syncd.app.news import overdue_since
from syncd.app.stored import sample
from syncd.app.supervision import first
from syncd.gateway.metrics import Metrics
from syncd.intake.candidates import LASTING
from syncd.model.ids import ConnectionName
from syncd.ports.clock import Clock
from syncd.store import connections, forgetting, inbox, journal, served, spool
from syncd.store.database import Database
from syncd.store.forgetting import WINDOW_ROWS, Kept, Window
from syncd.store.records import Line
from syncd.store.spool import Spool
from syncd.store.tx import Tx

ROUND_S = 15.0
"""Seconds between two looks at what is due."""
NEWS_S = 60.0
"""Seconds between looks whether expected news came."""
CLEAR_S = 1800.0
"""Seconds between clearings of spool and inbox."""
SUMMARY_S = 900.0
"""Seconds between summaries in the log."""

INBOX_KEPT = timedelta(days=7)
"""How long notifications that were worked on are kept, for questions."""
CALLS_KEPT = timedelta(days=30)
"""How long a repetition of a caller's request is known as one."""
WINDOWS_MAX = 2_000
"""Windows of old rows looked through in one clearing, per table; the next clearing begins anew."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseParts:
    """What housekeeping works with.

    Attributes:
        db, spool: the store.
        plant: what is built now; another one after a reload.
        metrics: told about overdue news.
        clock: time.
        changed: rung when a connection went down or came back.
    """

    db: Database
    spool: Spool
    plant: Callable[[], Plant]
    metrics: Metrics
    clock: Clock
    changed: asyncio.Event


class Housekeeping:
    """Does each thing in its own time."""

    def __init__(self, parts: HouseParts) -> None:
        """Begin to listen for news now."""
        self._parts = parts
        self._listening_since = parts.clock.now()
        self._due_s: dict[str, float] = {}
        self._overdue: set[ConnectionName] = set()
        self._health: dict[ConnectionName, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until told to stop."""
        while not stop.is_set():
            await self.run_round()
            parts = self._parts
            await first(stop.wait(), parts.changed.wait(), parts.clock.sleep(ROUND_S))

    async def run_round(self) -> None:
        """Do what is due."""
        self._parts.changed.clear()
        await self._note_health()
        await self._if_due("news", NEWS_S, self._look_for_news)
        await self._if_due("clear", CLEAR_S, self._clear)
        await self._if_due("summary", SUMMARY_S, self._sum_up)

    async def _if_due(self, what: str, every_s: float, act: Callable[[], Awaitable[None]]) -> None:
        now_s = self._parts.clock.monotonic_s()
        if now_s >= self._due_s.get(what, now_s):
            self._due_s[what] = now_s + every_s
            await act()

    async def _note_health(self) -> None:
        """Store how connections are, where that changed: `status` shows it."""
        plant = self._parts.plant()
        now = self._parts.clock.now()
        for name in plant.settings.connections:
            breaker = plant.budget(name).breaker
            health = f"down: {breaker.reason}" if breaker.reason else "up"
            if self._health.get(name) != health:
                await self._parts.db.write(connections.set_health, name, health, now=now)
                self._health[name] = health

    async def _look_for_news(self) -> None:
        """Raise an alarm once when expected news stays away, and say once that it came."""
        parts = self._parts
        settings = parts.plant().settings
        expected = {
            name: connection.expect_news
            for name, connection in settings.connections.items()
            if connection.expect_news is not None
        }
        self._overdue &= set(expected)
        if not expected:
            return
        known = await parts.db.read(connections.overview)
        heard = {record.pin.name: record.last_news_at for record in known}
        now = parts.clock.now()
        for name, expect in expected.items():
            since = overdue_since(
                expect,
                last_news_at=heard.get(name),
                listening_since=self._listening_since,
                now=now,
            )
            await self._say_news(name, since, now)

    async def _say_news(self, name: ConnectionName, since: datetime | None, now: datetime) -> None:
        parts = self._parts
        parts.metrics.news_overdue(name, overdue=since is not None)
        if since is not None and name not in self._overdue:
            self._overdue.add(name)
            detail = f"no news, although some was expected by {since:%Y-%m-%d %H:%M} UTC"
            _log.error("app.news_overdue", connection=name, detail=detail)
            line = Line(at=now, event="connection.news_overdue", detail=detail, connection=name)
            await parts.db.write(_note, line)
        elif since is None and name in self._overdue:
            self._overdue.discard(name)
            _log.info("app.news_came", connection=name)
            line = Line(at=now, event="connection.news_came", connection=name)
            await parts.db.write(_note, line)

    async def _clear(self) -> None:
        known = await self._parts.db.read(spool.in_use)
        dropped = await self._parts.spool.drop_unused(known)
        if dropped:
            _log.info("app.spool_cleared", files=dropped)
        now = self._parts.clock.now()
        await self._in_pieces(inbox.forget_before, now - INBOX_KEPT)
        await self._in_pieces(served.forget_calls_before, now - CALLS_KEPT)
        await self._forget(now)

    async def _in_pieces(self, forget: "_Forget", before: datetime) -> None:
        """Let other writers in between; what is left over waits for the next clearing."""
        for _ in range(WINDOWS_MAX):
            if await self._parts.db.write(forget, before, limit=WINDOW_ROWS) < WINDOW_ROWS:
                return

    async def _forget(self, now: datetime) -> None:
        """Remove what is older than the settings keep it."""
        kept = self._parts.plant().settings.retention
        forgotten = {
            Kept.JOURNAL: await self._walk(
                Kept.JOURNAL,
                now - timedelta(seconds=kept.journal_s),
                partial(forgetting.forget_journal, lasting=LASTING),
            ),
            Kept.ATTEMPTS: await self._walk(
                Kept.ATTEMPTS, now - timedelta(seconds=kept.attempts_s), forgetting.forget_attempts
            ),
            Kept.OPERATIONS: await self._walk(
                Kept.OPERATIONS,
                now - timedelta(seconds=kept.operations_s),
                forgetting.forget_operations,
            ),
            Kept.SERVED: await self._walk(
                Kept.SERVED,
                now - timedelta(seconds=kept.served_s),
                partial(forgetting.forget_served, now=now),
            ),
        }
        if any(forgotten.values()):
            _log.info("app.old_forgotten", **forgotten)

    async def _walk(
        self, what: Kept, before: datetime, forget: Callable[[Tx, Window, datetime], int]
    ) -> int:
        db, after_id, forgotten = self._parts.db, 0, 0
        for _ in range(WINDOWS_MAX):
            some = await db.read(
                forgetting.window, what, before, after_id=after_id, lasting=LASTING
            )
            if some is None or not some.is_old:
                return forgotten
            forgotten += await db.write(forget, some, before)
            after_id = some.last_id
        _log.info("app.forgetting_goes_on", what=what, forgotten=forgotten)
        return forgotten

    async def _sum_up(self) -> None:
        now = self._parts.clock.now()
        figures = await sample(self._parts.db, self._parts.plant(), now=now)
        by_state: dict[str, int] = {}
        for (_, state), count in figures.operations.items():
            by_state[state] = by_state.get(state, 0) + count
        oldest_at = figures.oldest_undelivered_at
        _log.info(
            "app.summary",
            operations=by_state,
            oldest_s=None if oldest_at is None else round((now - oldest_at).total_seconds()),
            parked=sum(figures.parked.values()),
            conflicts=figures.conflicts,
            inbox=figures.inbox,
            paused=sorted(figures.paused),
            down=sorted(name for name, state in figures.breakers.items() if state != "closed"),
        )


class _Forget(Protocol):
    """A unit of the store that forgets so many at once."""

    def __call__(self, tx: Tx, before: datetime, /, *, limit: int) -> int: ...


def _note(tx: Tx, line: Line) -> None:
    journal.append(tx, line)
