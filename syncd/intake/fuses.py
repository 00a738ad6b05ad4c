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

from syncd.core.fuses import Sign, Trip, judge, smallest
from syncd.core.rules import MappingMode, MappingRules
from syncd.intake.config import IntakeConfig
from syncd.intake.decide import preview_link
from syncd.intake.open import FUSE
from syncd.model.ids import ConnectionName, LinkRow, MappingName
from syncd.store import fuses, mappings
from syncd.store.database import Database
from syncd.store.records import MappingRecord
from syncd.store.tx import Tx

TOGETHER_MIN = 20
"""So many tickets due at once on a connection are judged together."""
LISTED_MIN = 10
"""A list of fewer tickets than this may well become empty."""
GATHER_MAX_S = 60.0
"""Longest time that decisions wait for the rest of what is due."""
PREVIEWS_PER_READ = 100
"""Links looked at in one transaction while judging."""
SIGNS_MAX = 200_000
"""Signs remembered of one mapping; older ones are forgotten first."""


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

    Each daemon remembers its own decisions; what waits to be decided is judged for all of them.
    """

    def __init__(self, db: Database) -> None:
        """Remember nothing yet."""
        self._db = db
        self._lately: dict[MappingName, _Lately] = {}
        self._gathering: dict[ConnectionName, datetime] = {}
        self._gaps: set[ConnectionName] = set()
        self._listed: dict[tuple[ConnectionName, str], int] = {}
        self._judged_until: datetime | None = None

    # --- gathering ---------------------------------------------------------------------------

    def polled(self, connection: ConnectionName, due: int, *, gap: bool, now: datetime) -> None:
        """Take note of a poll: a long one that reached its limit shows only a part of what came."""
        if gap and (due >= TOGETHER_MIN or connection in self._gathering):
            self._gaps.add(connection)
            self._gathering.setdefault(connection, now)
        else:
            self._gaps.discard(connection)

    def emptied(self, connection: ConnectionName, kind: str, listed: int | None) -> str:
        """Say why a list cannot be believed; empty when it can.

        An empty one after a full one is told once: who resumes the connection has looked.
        """
        if listed is None:
            return ""
        before = self._listed.get((connection, kind), 0)
        self._listed[connection, kind] = listed
        if listed or before < LISTED_MIN:
            return ""
        return (
            f"its list of {kind}s is empty; a moment ago it held {before}: look before it goes on"
        )

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

    def note(self, signs: Iterable[Sign]) -> None:
        """Remember what was decided."""
        for sign in signs:
            if sign.mapping in self._lately:
                self._lately[sign.mapping].signs.append(sign)

    # --- judging -----------------------------------------------------------------------------

    async def judge(self, config: IntakeConfig, now: datetime) -> list[Blown]:
        """Judge what is due to be decided, before it is; pause the mappings whose fuse trips."""
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
