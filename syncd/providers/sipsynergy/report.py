"""What the report last told of every ticket: the only place that knows a status (S13).

The report is read at its own pace. What it told is kept between reads, here and in the scan's
cursor: a ticket that has dropped out of the report keeps its last known status.

Spec: Tickets Microservice, section 2.7; section 6, S13 and S16 to S19.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from syncd.ports.clock import Clock
from syncd.ports.errors import OddAnswer, RemoteError
from syncd.providers.sipsynergy.client import SipSynergyClient
from syncd.providers.sipsynergy.mapping import Facts, facts_of
from syncd.providers.sipsynergy.settings import SipSynergyReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known at one time.

    Attributes:
        facts: ticket -> what the report last told of it.
        read_at: period -> when its report was last read.
    """

    facts: Mapping[str, Facts] = field(default_factory=dict)
    read_at: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def latest(self) -> datetime | None:
        """When any report was read last."""
        return max(self.read_at.values(), default=None)


class StatusBook:
    """The reports of one connection."""

    def __init__(self, client: SipSynergyClient, settings: SipSynergyReport, clock: Clock) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._zone = ZoneInfo(settings.zone)
        self._known = Known()
        self._lock = asyncio.Lock()
        self._was_failing = False

    @property
    def known(self) -> Known:
        """What is known now."""
        return self._known

    def facts(self, ticket_id: str) -> Facts | None:
        """Give what the report last told of a ticket; None when it never told of it."""
        return self._known.facts.get(ticket_id)

    def take_over(self, stored: Known) -> None:
        """Take in what a poll before, perhaps another process's, has stored.

        Of a ticket both know, the one whose report is younger counts.
        """
        ours, theirs = self._known.latest, stored.latest
        if theirs is None or ours == theirs:
            return
        if ours is None or theirs > ours:
            facts = {**self._known.facts, **stored.facts}
        else:
            facts = {**stored.facts, **self._known.facts}
        read_at = dict(self._known.read_at)
        for period, at in stored.read_at.items():
            read_at[period] = max(at, read_at.get(period, at))
        self._known = Known(facts=facts, read_at=read_at)

    def forget_all_but(self, listed: Collection[str]) -> None:
        """Drop what is known of tickets that are not listed any more."""
        kept = {name: facts for name, facts in self._known.facts.items() if name in listed}
        if len(kept) != len(self._known.facts):
            self._known = Known(facts=kept, read_at=self._known.read_at)

    async def refresh(self) -> tuple[int, tuple[str, ...]]:
        """Read the reports that are due; one that cannot be read leaves what is known.

        Returns:
            The requests it took, and notes for the operator: the first failure of a row.
        """
        requests, notes = 0, []
        async with self._lock:
            for period in self._due():
                requests += 1
                try:
                    await self._read(period)
                except RemoteError as err:
                    if not self._was_failing:
                        notes.append(f"the {period} report cannot be read: {err}")
                    self._was_failing = True
                    break
                self._was_failing = False
        return requests, tuple(notes)

    async def ensure_read(self) -> None:
        """Read every report once where this process knows none.

        Raises:
            RemoteError: it cannot be read; without it nobody can tell a status.
        """
        async with self._lock:
            if not self._known.read_at:
                for period, _ in self._settings.periods:
                    await self._read(period)

    def _due(self) -> list[str]:
        now = self._clock.now()
        return [
            period
            for period, every_s in self._settings.periods
            if (at := self._known.read_at.get(period)) is None
            or now - at >= timedelta(seconds=every_s)
            or at > now + timedelta(seconds=every_s)  # our clock was set back
        ]

    async def _read(self, period: str) -> None:
        try:
            rows = await self._client.report(period)
        except OddAnswer as err:
            raise OddAnswer(f"the {period} report is not the JSON one: {err}", err.context) from err
        facts = dict(self._known.facts)
        for row in rows:
            facts[row.number] = facts_of(row, self._zone)
        read_at = {**self._known.read_at, period: self._clock.now()}
        self._known = Known(facts=facts, read_at=read_at)
