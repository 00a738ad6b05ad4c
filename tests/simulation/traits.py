"""What sorts of system there are, their clocks, what may befall a call, what a write really did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from syncd.model.features import Reading
from syncd.model.ids import OperationKey, TicketId
from syncd.model.operation import WriteKind
from syncd.model.ticket import Value
from tests.support.clock import FakeClock


class Fate(StrEnum):
    """What happens to one call.

    LOST: it has its effect, the answer does not arrive. CUT: no effect, and nobody can tell. LATE:
    no answer, and the effect comes later. LAG: the read shows an earlier state. UNCLEAR: the probe
    cannot tell.
    """

    OK = "ok"
    LOST = "lost"
    CUT = "cut"
    LATE = "late"
    LAG = "lag"
    UNCLEAR = "unclear"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    TOKEN = "token"
    CREDENTIALS = "credentials"
    REFUSED = "refused"
    ODD = "odd"
    MISSING = "missing"


WITHOUT_EFFECT = frozenset(
    {Fate.UNREACHABLE, Fate.RATE_LIMITED, Fate.TOKEN, Fate.CREDENTIALS, Fate.REFUSED}
)
"""Answers after which the vendor has done nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What sort of system it is.

    Attributes:
        reading: FEED or WATCH.
        finds_creates: a lost create can be looked for.
        comment_ids: comments have ids; else they are known by their content.
        takes_files: attachments can be written and read.
        settle_s: reads may lag so long behind.
        write_settle_s: effects may come so long after the answer was lost.
        tells_updates: tickets carry the time of their last change.
        page: tickets a poll tells at most.
        overlap: activities of the last poll that are told again.
    """

    reading: Reading = Reading.FEED
    finds_creates: bool = True
    comment_ids: bool = True
    takes_files: bool = True
    settle_s: float = 4.0
    write_settle_s: float = 20.0
    tells_updates: bool = True
    page: int = 5
    overlap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something that one of our writes really did, and when, in the world's own seconds."""

    key: OperationKey
    kind: WriteKind
    ticket_id: TicketId
    made: str = ""
    at_s: float = 0.0
    fields: Mapping[str, Value] = field(default_factory=dict)


class OwnClock:
    """The vendor's: setting ours does not move it.

    Attributes:
        off_s: what it shows is wrong by so much.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.off_s = 0.0
        self._clock = clock
        self._began = clock.now() - timedelta(seconds=clock.monotonic_s())

    def now(self) -> datetime:
        """What it shows."""
        return self.true() + timedelta(seconds=self.off_s)

    def world_s(self) -> float:
        """Seconds nobody can set."""
        return self._clock.monotonic_s()

    def true(self) -> datetime:
        """What it would show if nobody ever set it."""
        return self._began + timedelta(seconds=self._clock.monotonic_s())


FATES: dict[str, tuple[Fate, ...]] = {
    "poll": (Fate.UNREACHABLE, Fate.RATE_LIMITED, Fate.ODD),
    "read": (Fate.LAG, Fate.LAG, Fate.UNREACHABLE, Fate.RATE_LIMITED, Fate.ODD, Fate.MISSING),
    "write": (
        *(Fate.LOST, Fate.LOST, Fate.CUT, Fate.CUT, Fate.LATE, Fate.LATE),
        *(Fate.UNREACHABLE, Fate.RATE_LIMITED, Fate.TOKEN, Fate.CREDENTIALS, Fate.REFUSED),
    ),
    "probe": (Fate.UNREACHABLE, Fate.UNCLEAR, Fate.RATE_LIMITED, Fate.ODD),
    "download": (Fate.UNREACHABLE, Fate.RATE_LIMITED),
}
"""Call -> what may befall it."""
