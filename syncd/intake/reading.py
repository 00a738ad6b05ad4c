"""Reading one ticket: what its answer, or the lack of one, means (DESIGN R1, R8)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syncd.core.evaluate import phase_of
from syncd.core.slots import STATUS
from syncd.core.state import SideTraits
from syncd.intake.config import IntakeOptions
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
    ticket: Ticket | None = None
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


def is_outage(results: list[ReadResult]) -> bool:
    """Whether so many tickets are missing at once that none of them is believed gone (R8)."""
    missing = sum(result.reading is Reading.NOT_FOUND for result in results)
    return len(results) >= OUTAGE_READS_MIN and missing > OUTAGE_SHARE * len(results)


def retry_at(result: ReadResult, now: datetime, options: IntakeOptions) -> datetime:
    """Say when a failed read is tried again: the pause doubles with each failure in a row."""
    doublings = min(result.due.failures, BACKOFF_DOUBLINGS_MAX)
    pause_s = min(options.retry_s * 2**doublings, options.retry_max_s)
    return now + timedelta(seconds=max(pause_s, result.retry_after_s or 0.0))


def next_poll_at(
    ticket: Ticket, traits: SideTraits, now: datetime, *, every_s: float, options: IntakeOptions
) -> datetime:
    """Say when a watched ticket is read again; a closed one more rarely."""
    is_closed = phase_of(ticket.get(STATUS), traits) == "closed"
    return now + timedelta(seconds=every_s * (options.closed_factor if is_closed else 1))
