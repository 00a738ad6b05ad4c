"""Systems with habits of their own: they rewrite titles, keep no marker in comments, feed late.

What a story's two systems are like comes from luck of its own, so that seeds played before systems
had habits still tell the same otherwise.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from random import Random

from syncd.core import marker
from syncd.model.features import Features, Reading
from syncd.model.ids import TicketId
from syncd.model.operation import Receipt, Write, WriteKind
from syncd.model.ticket import Ticket, Value
from syncd.ports.adapter import PollResult, Sighting, TicketRef
from tests.simulation.traits import Profile
from tests.simulation.vendor import KIND, SKEW, US, Vendor, features_of
from tests.support.clock import FakeClock

LATE_MAX_S = 20.0
"""So much later than the others a feed's item may show."""
AT_ONCE_S = 0.001
"""What settles at once settles within this: more than the no time that passes within a story's
round, in which a read could not be told to have begun before a write ended."""
SLOW_MAX = 20
"""So often others get their turn at most, while the answer to a read is on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What a system does that others do not.

    Attributes:
        rewrites: titles written through the interface are put into capitals, which only a later
            read shows.
        keeps_no_marker: comments written through the interface are known by their ids alone.
        shows_at_once: a read shows the present, always: nothing is to settle.
        feeds_late: some of a feed's items show later than newer ones.
        answers_slowly: much may happen between what a read saw and its answer.
    """

    rewrites: bool = False
    keeps_no_marker: bool = False
    shows_at_once: bool = False
    feeds_late: bool = False
    answers_slowly: bool = False


_NAME = "kind103265"
"""Chosen so that what was there before systems had habits plays as it did."""
ODD = 0.5
"""Part of the stories in which systems have habits, workers a twin, and troubles a hard end."""
PLAIN = range(1_000_000, 1_000_000_000_000)
"""Stories that have nothing odd: some of them failed before others had, and are played as then."""
EACH = 0.2
"""Part of these in which a system has one of the habits."""


def is_odd(seed: int) -> bool:
    """Whether a story has anything of this."""
    return seed not in PLAIN and Random(f"{_NAME} {seed}").random() < ODD


def habits_of(name: str, profile: Profile, seed: int) -> tuple[Habits, Random]:
    """Choose the habits of one of a story's systems, and give the luck they have."""
    luck = Random(f"habits {name} {seed}")
    if not is_odd(seed):
        return Habits(), luck
    rewrites, unmarked, at_once, late, slow = (luck.random() < EACH for _ in range(5))
    habits = Habits(
        rewrites=rewrites,
        keeps_no_marker=unmarked and profile.comment_ids,
        shows_at_once=at_once,
        feeds_late=late and profile.reading is Reading.FEED,
        answers_slowly=slow,
    )
    return habits, luck


@cache
def _unmarked(profile: Profile) -> Features:
    made = features_of(profile)
    comment = replace(made.writes[WriteKind.COMMENT], marker=False)
    return replace(made, writes={**made.writes, WriteKind.COMMENT: comment})


class HabitualVendor(Vendor):
    """A ticket system with habits.

    Attributes:
        habits: these.
        luck: what comes late, and how late.
        rewritten: titles that are the system's own, in nobody's words.
    """

    def __init__(
        self, clock: FakeClock, name: str, profile: Profile, habits: Habits, luck: Random
    ) -> None:
        if habits.shows_at_once:
            profile = replace(profile, settle_s=AT_ONCE_S)
        super().__init__(clock, name, profile)
        self.habits, self.luck = habits, luck
        self.rewritten: set[tuple[TicketId, Value]] = set()
        self._happened: list[tuple[datetime, datetime]] = []

    def lagging(self, lag_s: Callable[[], float]) -> None:
        """Have reads that lag show what stood there so many seconds ago, where they do."""
        self.lag_s = (lambda: 0.0) if self.habits.shows_at_once else lag_s

    def is_own(self, ticket_id: TicketId, value: Value) -> bool:
        """Whether a title is the system's own spelling of what it was told."""
        return (ticket_id, value) in self.rewritten

    def looked_older(self, ticket_id: TicketId, title: Value) -> bool:
        """Whether a title that was given told an earlier time than the one it replaced.

        So it is when the system's clock was put back between the two: to whoever reads the other
        one late, that looks like the newer.
        """
        history = self._cases[ticket_id].history
        lag = timedelta(seconds=self.profile.settle_s)
        return any(
            shown.updated_at is not None
            and earlier.updated_at is not None
            and shown.get("title") == title != earlier.get("title")
            and earlier.updated_at > shown.updated_at
            and history[at + 1][0] + lag > since
            for upto, (since, shown) in enumerate(history)
            for at, (_, earlier) in enumerate(history[:upto])
        )

    @property
    def features(self) -> Features:
        return (_unmarked if self.habits.keeps_no_marker else features_of)(self.profile)

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        told = await super().poll(kind, cursor)
        if not self.habits.feeds_late:
            return told
        since, upto = json.loads(cursor) if cursor else 0, json.loads(told.cursor)
        now = self.clock.true()
        shown = [at for at in range(self._begin(since), upto) if self._happened[at][1] <= now]
        upto = max((at + 1 for at in shown), default=since)
        items = self.mix(
            [self._activities[at] for at in shown], self._activities[: self._begin(since)]
        )
        sightings = tuple(self._sighting(*one) for one in items)
        gap = told.gap and upto > since
        return replace(told, sightings=sightings, cursor=json.dumps(max(upto, since)), gap=gap)

    async def read(self, ref: TicketRef) -> Ticket:
        seen = await super().read(ref)
        if self.habits.answers_slowly:
            for _ in range(self.luck.randint(0, SLOW_MAX)):
                await asyncio.sleep(0)
        return seen

    def _begin(self, since: int) -> int:
        """Say where a poll begins: an overlap before what was told, for what shows late."""
        if not since:
            return since
        after = self._happened[since - 1][0] - timedelta(seconds=LATE_MAX_S)
        return next(at for at in range(since) if self._happened[at][0] >= after)

    def _sighting(self, ticket_id: TicketId, what: str) -> Sighting:
        ref = TicketRef(kind=KIND, id=ticket_id, number=self.number(ticket_id))
        return Sighting(ref=ref, seen=what)

    def _touch(self, ticket_id: TicketId, what: str) -> None:
        late_s = self.luck.choice((0.0, LATE_MAX_S * self.luck.random()))
        now = self.clock.true()
        self._happened.append((now, now + timedelta(seconds=late_s)))
        super()._touch(ticket_id, what)

    def _change(self, write: Write, body: bytes) -> Receipt:
        if write.comment is not None and self.habits.keeps_no_marker:
            return self._say_unmarked(write)
        receipt = super()._change(write, body)
        if self.habits.rewrites and isinstance(title := write.fields.get("title"), str):
            case = self._cases[receipt.ticket_id]
            case.fields["title"] = title.upper()
            self.rewritten.add((receipt.ticket_id, title.upper()))
        return receipt

    def _say_unmarked(self, write: Write) -> Receipt:
        assert write.comment is not None
        with_marker = super()._change(write, b"")
        said = self._cases[with_marker.ticket_id].said[-1]
        said.text = write.comment.body
        return with_marker

    def _look(self, write: Write, sent_at: datetime) -> list[Receipt]:
        if write.comment is None or not self.habits.keeps_no_marker:
            return super()._look(write, sent_at)
        bare = replace(write, kind=WriteKind.UPDATE, comment=None, attachment=None, fields={})
        (there,) = super()._look(bare, sent_at)
        words = marker.split(write.comment.body)[0]
        return [
            replace(there, comment_id=one.id)
            for one in self._cases[there.ticket_id].said
            if one.author == US and marker.split(one.text)[0] == words and one.at >= sent_at - SKEW
        ]
