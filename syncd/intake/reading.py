"""Reading one ticket: what its answer, or the lack of one, means (DESIGN R1, R8)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syncd.core.evaluate import phase_of
from syncd.core.pacing import WatchPace, next_read_at
from syncd.core.slots import STATUS
from syncd.core.state import SideTraits
from syncd.intake.config import IntakeOptions
from syncd.model.ids import ConnectionName, TicketRow
from syncd.model.ticket import Ticket
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    RateLimited,
    RemoteError,
)
from syncd.store.records import DueRead

OUTAGE_SHARE = 0.5
"""With more than this share of a round's reads answered "not found", it is an outage (R8)."""

OUTAGE_READS_MIN = 4
"""Fewer reads than this in a round say nothing about an outage."""

OUTAGE_TICKETS_MIN = 2
"""With so many tickets "not found" and none found since, it is an outage however few a round."""

BACKOFF_DOUBLINGS_MAX = 12
"""Doublings of the pause after failed reads before it only stays at its longest."""


class Reading(StrEnum):
    """What a read came to."""

    READ = "read"
    NOT_FOUND = "not_found"
    ODD = "odd"
    FAILED = "failed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """One ticket's read."""

    due: DueRead
    reading: Reading
    error: str = ""
    retry_after_s: float | None = None


def failed(due: DueRead, error: RemoteError) -> ReadResult:
    """Say what an error means for the ticket that was read."""
    reading = Reading.FAILED
    if isinstance(error, CredentialsRejected):
        reading = Reading.REJECTED
    elif isinstance(error, NotFound):
        reading = Reading.NOT_FOUND
    elif isinstance(error, OddAnswer):
        reading = Reading.ODD
    retry_after_s = error.retry_after_s if isinstance(error, RateLimited) else None
    return ReadResult(due=due, reading=reading, error=str(error), retry_after_s=retry_after_s)


def broken(due: DueRead, error: Exception) -> ReadResult:
    """Say what a bug of ours or of an adapter means for the ticket that was read."""
    # The text of an exception nobody foresaw may hold anything; its type cannot hold a secret.
    text = f"unexpected {type(error).__name__}; the log has more"
    return ReadResult(due=due, reading=Reading.ODD, error=text)


class Missing:
    """Tells a ticket that is gone from a system that finds nothing (R8).

    Kept in memory: after a restart a ticket is only believed gone a little later.
    """

    def __init__(self, gone_after: int) -> None:
        """Start with nothing missing.

        Args:
            gone_after: answers "not found" in a row that make a ticket gone.
        """
        self._gone_after = gone_after
        self._times: dict[TicketRow, int] = {}
        self._since_read: dict[ConnectionName, set[TicketRow]] = {}

    def judge(
        self, connection: ConnectionName, results: Sequence[ReadResult]
    ) -> frozenset[TicketRow]:
        """Take in one round's reads of a connection; name the tickets now believed gone."""
        # That one which was gone is not there still says nothing of the others.
        reads = [each for each in results if each.due.gone_at is None]
        missing = {each.due.row for each in reads if each.reading is Reading.NOT_FOUND}
        found = {each.due.row for each in results if each.reading is Reading.READ}
        if found:
            self._since_read.pop(connection, None)
        for row in found:
            self._times.pop(row, None)
        if not missing or self._is_outage(connection, missing, len(reads), bool(found)):
            return frozenset()
        for row in missing:
            self._times[row] = self._times.get(row, 0) + 1
        gone = frozenset(row for row in missing if self._times[row] >= self._gone_after)
        for row in gone:
            del self._times[row]
        return gone

    def _is_outage(
        self, connection: ConnectionName, missing: set[TicketRow], reads: int, any_found: bool
    ) -> bool:
        """Whether so many tickets are missing that none of them is believed gone."""
        if any_found:
            return reads >= OUTAGE_READS_MIN and len(missing) > OUTAGE_SHARE * reads
        lately = self._since_read.setdefault(connection, set())
        lately |= missing
        return len(lately) >= OUTAGE_TICKETS_MIN


def retry_at(result: ReadResult, now: datetime, options: IntakeOptions) -> datetime:
    """Say when a failed read is tried again: the pause doubles with each failure in a row."""
    doublings = min(result.due.failures, BACKOFF_DOUBLINGS_MAX)
    pause_s = min(options.retry_s * 2**doublings, options.retry_max_s)
    return now + timedelta(seconds=max(pause_s, result.retry_after_s or 0.0))


def look_at(result: ReadResult, now: datetime, options: IntakeOptions) -> datetime | None:
    """Say when a ticket that is gone is looked for again.

    Returns:
        An aware UTC instant; None: not before something names it.
    """
    if result.reading is not Reading.NOT_FOUND:
        return retry_at(result, now, options)
    gone_s = (now - (result.due.gone_at or now)).total_seconds()
    if gone_s > options.gone_for_s:
        return None
    return now + timedelta(seconds=min(max(gone_s, options.gone_first_s), options.gone_most_s))


def next_turn(
    ticket: Ticket, traits: SideTraits, pace: WatchPace, *, now: datetime, jitter: float
) -> Callable[[datetime], datetime | None]:
    """Say when a watched ticket is read again, as soon as it is known when it last changed."""
    is_closed = phase_of(ticket.get(STATUS), traits) == "closed"
    return lambda active_at: next_read_at(
        pace, active_at=active_at, now=now, is_closed=is_closed, jitter=jitter
    )
