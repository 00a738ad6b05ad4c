"""Fuses in intake: much that comes at once is decided about only when all of it is known (R8).

Where few tickets are due, each is decided about in the transaction that stores it. Where many are,
their snapshots are stored first; once all are read, what the decisions would do is judged as a
whole, and only then are they made. A fuse that trips pauses the mapping: the decisions are made and
their operations wait, so nothing is lost, and what is undone meanwhile takes them back by itself.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from syncd.core.fuses import Sign, Source, Trip, act_of, emptied, judge, smallest, source_of
from syncd.core.rules import MappingMode, MappingRules
from syncd.intake.config import IntakeConfig
from syncd.intake.decide import preview_link
from syncd.intake.open import FUSE
from syncd.model.ids import ConnectionName, LinkRow, MappingName
from syncd.store import feeds, fuses, mappings
from syncd.store.database import Database
from syncd.store.records import MappingRecord
from syncd.store.tx import Tx

TOGETHER_MIN = 20
"""So many tickets due at once on a connection are judged together."""
GATHER_MAX_S = 60.0
"""Longest time that decisions wait for the rest of what is due."""
PREVIEWS_PER_READ = 100
"""Links looked at in one transaction while judging."""
SIGNS_MAX = 200_000
"""Signs remembered of one mapping; older ones are forgotten first."""
LATE_MAX = 1_000
"""So many numbers of operations behind the newest, one may be committed that was not yet seen."""


@dataclass(slots=True)
class _Lately:
    """What one mapping did lately, and how much it may before it is judged again."""

    signs: deque[Sign]
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blown:
    """A fuse that tripped just now."""

    mapping: MappingName
    trip: Trip


class Fusebox:
    """Remembers what was decided lately; judges what is to be decided.

    What was decided before this process started, or by another one, is what the store shows as
    planned.
    """

    def __init__(self, db: Database) -> None:
        """Remember nothing yet."""
        self._db = db
        self._lately: dict[MappingName, _Lately] = {}
        self._gathering: dict[ConnectionName, datetime] = {}
        self._gaps: set[ConnectionName] = set()
        self._after: int | None = None
        self._counted: frozenset[int] = frozenset()
        self._judged_until: datetime | None = None
        self._log = structlog.get_logger("syncd.intake")

    # --- gathering ---------------------------------------------------------------------------

    def polled(self, connection: ConnectionName, due: int, *, gap: bool, now: datetime) -> None:
        """Take note of a poll: a long one that reached its limit shows only a part of what came."""
        if gap and (due >= TOGETHER_MIN or connection in self._gathering):
            self._gaps.add(connection)
            self._gathering.setdefault(connection, now)
        else:
            self._gaps.discard(connection)

    async def emptied(self, connection: ConnectionName, kind: str, now: datetime) -> bool:
        """Stop a connection whose list is empty all at once; once: who resumes it has looked."""
        before = await self._db.read(feeds.last_listed, connection, kind)
        told = emptied(kind, before, 0)
        if not told:
            return False
        if await self._db.write(feeds.list_emptied, connection, kind, told, by=FUSE, now=now):
            self._log.error("connection.paused", connection=connection, reason=told)
        return True

    def gathers(
        self, config: IntakeConfig, connection: ConnectionName, due: int, now: datetime
    ) -> bool:
        """Say whether the reads of a round are decided about later, all together."""
        if connection in self._gathering:
            return True
        if due < TOGETHER_MIN and self._is_calm(config, connection, now):
            return False
        self._gathering[connection] = now
        return True

    def _is_calm(self, config: IntakeConfig, connection: ConnectionName, now: datetime) -> bool:
        """Whether a few decisions more cannot bring a fuse near its limit."""
        for rules in config.mappings.values():
            if connection not in (rules.itsm, rules.vendor):
                continue
            lately = self._lately_of(rules, now)
            if len(lately.signs) + 2 * TOGETHER_MIN > lately.allowed:
                return False
        return True

    def _lately_of(self, rules: MappingRules, now: datetime) -> _Lately:
        limits = rules.fuses
        lately = self._lately.setdefault(
            rules.name, _Lately(deque(maxlen=SIGNS_MAX), smallest(limits, 0))
        )
        since = now - timedelta(seconds=limits.within_s)
        while lately.signs and lately.signs[0].noted_at < since:
            lately.signs.popleft()
        return lately

    def gathered(self, connection: ConnectionName, *, more: bool, now: datetime) -> None:
        """Take note that what was due is read; `more`: there was no room for all of it."""
        began = self._gathering.get(connection)
        if began is None:
            return
        is_whole = not more and connection not in self._gaps
        if is_whole or now - began > timedelta(seconds=GATHER_MAX_S):
            del self._gathering[connection]

    def waiting(self) -> frozenset[ConnectionName]:
        """Name the connections whose tickets are still being gathered."""
        return frozenset(self._gathering)

    async def recall(self, config: IntakeConfig, now: datetime) -> None:
        """Learn what was decided by others than this process: before it started, or beside it."""
        if self._after is not None and not self._db.is_shared:
            return
        window_s = max((each.fuses.within_s for each in config.mappings.values()), default=0.0)
        since = now - timedelta(seconds=window_s)
        newest, changes = await self._db.read(_changes, since, self._after, self._counted)
        self._after = max(0, newest - LATE_MAX)
        for change in changes:
            rules = config.mappings.get(change.mapping)
            if rules is not None and change.operation not in self._counted:
                self._lately_of(rules, now).signs.append(_sign_of(config, rules, change))
        counted = self._counted.union(change.operation for change in changes)
        self._counted = frozenset(each for each in counted if each > self._after)

    def note(self, signs: Iterable[Sign]) -> None:
        """Remember what was decided; where others decide too, all of it is recalled instead."""
        if self._db.is_shared:
            return
        for sign in signs:
            if sign.mapping in self._lately:
                self._lately[sign.mapping].signs.append(sign)

    # --- judging -----------------------------------------------------------------------------

    async def judge(self, config: IntakeConfig, now: datetime) -> list[Blown]:
        """Judge what is due to be decided, before it is; pause the mappings whose fuse trips."""
        await self.recall(config, now)
        after = self._judged_until
        if not self._gathering:
            # What is judged now and still waits for the rest of it counts again with that rest.
            self._judged_until = now
        pending = await self._db.read(fuses.awaiting_decision, now=now, after=after)
        blown: list[Blown] = []
        for name, waiting in pending.items():
            rules = config.mappings.get(name)
            if rules is None or rules.mode is not MappingMode.LIVE:
                continue
            trip = await self._judge_one(config, rules, waiting, now)
            if trip is not None and await self._db.write(_blow, name, trip, now=now):
                blown.append(Blown(mapping=name, trip=trip))
        return blown

    async def _judge_one(
        self, config: IntakeConfig, rules: MappingRules, waiting: Sequence[LinkRow], now: datetime
    ) -> Trip | None:
        lately = self._lately_of(rules, now)
        if len(lately.signs) + len(waiting) <= lately.allowed:
            return None
        record, count = await self._db.read(_standing, rules.name)
        lately.allowed = smallest(rules.fuses, count)
        if record.pause is not None:
            return None
        # A person who resumed it has looked at what was there.
        signs = [
            sign
            for sign in lately.signs
            if record.resumed_at is None or sign.noted_at > record.resumed_at
        ]
        if len(signs) + len(waiting) <= lately.allowed:
            return None
        for start in range(0, len(waiting), PREVIEWS_PER_READ):
            chunk = waiting[start : start + PREVIEWS_PER_READ]
            signs += await self._db.read(_previews, chunk, config, now)
        return judge(signs, count, rules.fuses)


def _changes(
    tx: Tx, since: datetime, after: int | None, known: frozenset[int]
) -> tuple[int, list[fuses.PlannedChange]]:
    newest = fuses.newest_operation(tx)
    if after is None:
        after = max(0, newest - SIGNS_MAX)
    return newest, fuses.changes_since(tx, since, after=after, known=known)


def _sign_of(config: IntakeConfig, rules: MappingRules, change: fuses.PlannedChange) -> Sign:
    """Give what was planned as it was noted when it was decided."""
    source = Source()
    if change.source is not None:
        source = source_of(change.source, config.traits_of(rules)[change.target.other])
    return Sign(
        mapping=change.mapping,
        link=change.link,
        act=act_of(change.kind, source, is_closing=change.is_closing),
        at=min(change.planned_at, source.changed_at or change.planned_at),
        noted_at=change.planned_at,
    )


def _standing(tx: Tx, name: MappingName) -> tuple[MappingRecord, int]:
    return mappings.get(tx, name), fuses.count_links(tx, name)


def _previews(tx: Tx, chunk: Sequence[LinkRow], config: IntakeConfig, now: datetime) -> list[Sign]:
    signs: list[Sign] = []
    for link_id in chunk:
        preview = preview_link(tx, link_id, config, now)
        if preview is not None:
            signs.extend(preview.signs)
    return signs


def _blow(tx: Tx, name: MappingName, trip: Trip, *, now: datetime) -> bool:
    """Pause a mapping (a unit of the store); False: somebody was quicker."""
    if mappings.get(tx, name, lock=True).pause is not None:
        return False
    mappings.pause(tx, name, str(trip), by=FUSE, now=now)
    return True
