"""Outcomes of attempts, as delivery would report them."""

from datetime import datetime, timedelta
from typing import Any

from syncd.model.ids import AttachmentId, CommentId, TicketId
from syncd.model.operation import ParkReason, Receipt, WriteKind
from syncd.model.outbox import ClaimedOperation, Outcome, OutcomeKind
from tests.cli.office import DESK, Office, ticket

CUT_OFF_S = 30.0


def cut_off(at: datetime) -> Outcome:
    """A send whose answer never came."""
    ended = at + timedelta(seconds=CUT_OFF_S)
    return Outcome(
        kind=OutcomeKind.UNKNOWN, started_at=at, ended_at=ended, closed_at=ended,
        not_before=ended + timedelta(seconds=31), detail="cut off after 30s",
        request="POST /incidents",
    )  # fmt: skip


def too_early(at: datetime) -> Outcome:
    """A probe that saw nothing before the settle time was over."""
    return Outcome(
        kind=OutcomeKind.UNKNOWN, what="probe", started_at=at, ended_at=at, saw_nothing=True,
        not_before=at + timedelta(seconds=250),
        detail="search 0, newest 100 cases 0: too early (settle 5m)",
    )  # fmt: skip


def parked(
    at: datetime, reason: ParkReason = ParkReason.REFUSED, detail: str = "", **more: Any
) -> Outcome:
    """An operation that waits for a person."""
    return Outcome(
        kind=OutcomeKind.PARKED, started_at=at, ended_at=at, park_reason=reason, detail=detail,
        request="PUT /incidents/id", **more,
    )  # fmt: skip


def later(at: datetime, detail: str = "503 Service Unavailable") -> Outcome:
    """An operation that is tried again."""
    return Outcome(
        kind=OutcomeKind.LATER, started_at=at, ended_at=at, not_before=at + timedelta(seconds=40),
        detail=detail, request="PUT /incidents/id", status=503,
    )  # fmt: skip


def applied(at: datetime, operation: ClaimedOperation, number: str = "Case-00000002") -> Outcome:
    """An operation that arrived."""
    write = operation.write
    made = f"made-{operation.id}"
    receipt = Receipt(
        ticket_id=TicketId(f"id-{number}") if write.kind is WriteKind.CREATE else _target(write),
        ticket_number=number if write.kind is WriteKind.CREATE else write.ticket_number,
        comment_id=CommentId(made) if write.kind is WriteKind.COMMENT else None,
        attachment_id=AttachmentId(made) if write.kind is WriteKind.ATTACHMENT else None,
    )
    return Outcome(
        kind=OutcomeKind.APPLIED, started_at=at, ended_at=at, receipt=receipt,
        request=f"{write.kind} {write.ticket_number or 'new'}", status=200,
    )  # fmt: skip


def _target(write: Any) -> TicketId:
    assert write.ticket_id is not None
    return TicketId(write.ticket_id)


def refused(office: Office) -> int:
    """An update the vendor refused; gives its number."""
    office.read(DESK, ticket(title="Link down Fornebu, both"))
    (done,) = office.delivers(lambda _: parked(office.now, detail="403 no"))
    return int(done.split()[0])
