"""Values that travel between the outbox and delivery: what was claimed, what came of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syncd.model.ids import (
    ConnectionName,
    CorrelationId,
    LinkRow,
    MappingName,
    OperationId,
    OperationKey,
    Side,
    TicketId,
    TicketRow,
)
from syncd.model.operation import CommentDraft, OperationState, ParkReason, Receipt, Write
from syncd.model.ticket import Ticket


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedOperation:
    """An operation taken for sending or probing, with all that delivery needs.

    Attributes:
        id: the operation.
        attempt: number of this attempt; with `owner` the fence of its outcome.
        owner: lease owner that claimed it.
        state: as it was when claimed: READY (to be sent) or UNKNOWN (to be probed).
        link_id: its link.
        mapping: its mapping.
        connection: the connection written.
        target: the side written.
        target_row: the target ticket; None for a create.
        source_connection: the connection on the other side.
        source_row: the ticket the change came from.
        source: that ticket's id and kind at its provider, for fetching attachments.
        write: what to send.
        snapshot: newest snapshot of the target, where `only_from` is judged by it; else None, also
            for a create or when never read.
        only_from: the target's status must be one of these; None: any.
        attempts: tries so far that cost an attempt.
        sends: how often bytes may have left.
        looks: probes in a row that saw nothing.
        sent_at: before the first byte of the first send that may have had an effect.
        closed_at: when its socket was closed.
        seen_at: when the change was read.
        planned_at: when the operation was stored.
        correlation_id: follows the change.
    """

    id: OperationId
    attempt: int
    owner: str
    state: OperationState
    link_id: LinkRow
    mapping: MappingName
    connection: ConnectionName
    target: Side
    target_row: TicketRow | None
    source_connection: ConnectionName
    source_row: TicketRow
    source: Ticket | None
    write: Write
    snapshot: Ticket | None
    only_from: tuple[str, ...] | None
    attempts: int
    sends: int
    looks: int
    sent_at: datetime | None
    closed_at: datetime | None
    seen_at: datetime
    planned_at: datetime
    correlation_id: CorrelationId


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidInstead:
    """What is written in place of a create that is superseded, stored with its outcome.

    Attributes:
        ticket_kind, ticket_id, ticket_number: the ticket of the same connection that takes it.
        comments: key and text of each comment there, in order.
        told: key and text of the comment on the source ticket; None: the desk is not told.
        place: the mapping's rule.
    """

    ticket_kind: str
    ticket_id: TicketId
    ticket_number: str
    comments: tuple[tuple[OperationKey, CommentDraft], ...]
    told: tuple[OperationKey, CommentDraft] | None = None
    place: str = ""


class OutcomeKind(StrEnum):
    """What an attempt came to."""

    APPLIED = "applied"
    PARKED = "parked"
    LATER = "later"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one attempt, committed fenced on (owner, attempt) (DESIGN R2, R3).

    Attributes:
        kind: APPLIED (with `receipt`); PARKED (with `park_reason`); LATER: back to READY, or to
            UNKNOWN when it was being probed, at `not_before`; UNKNOWN: probed at `not_before`;
            SUPERSEDED: no longer wanted (the precondition does not hold, or nothing to change).
        receipt: what was applied.
        others: further effects of the same write: recorded as DUPLICATE, never given a partner.
        park_reason: why a person is needed.
        not_before: when to go on.
        costs_attempt: whether it counts against the bounded tries.
        saw_nothing: it was a probe that saw no effect: looks + 1.
        resend: it was a probe whose absence is believed: back to READY for another send.
        closed_at: when the socket of an unknown send was closed.
        detail: one line for the operator: status, code, text (no secrets).
        status: HTTP status; None where there was none.
        started_at, ended_at: of the exchange.
        what: `send` or `probe`.
        request: redacted one-line summary of what was sent or read.
        instead: for SUPERSEDED: what is written in its place.
        recheck_at: look once more then for a second effect (after a resend); None: no need.
    """

    kind: OutcomeKind
    started_at: datetime
    ended_at: datetime
    what: str = "send"
    receipt: Receipt | None = None
    others: tuple[Receipt, ...] = field(default_factory=tuple)
    park_reason: ParkReason | None = None
    not_before: datetime | None = None
    costs_attempt: bool = True
    saw_nothing: bool = False
    resend: bool = False
    closed_at: datetime | None = None
    detail: str = ""
    status: int | None = None
    request: str = ""
    recheck_at: datetime | None = None
    instead: SaidInstead | None = None
