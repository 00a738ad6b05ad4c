"""An intended write, what it answered, and the states it passes through (DESIGN section 7)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from syncd.model.errors import needed
from syncd.model.ids import AttachmentId, CommentId, OperationKey, TicketId
from syncd.model.ticket import CommentKind, Value


class WriteKind(StrEnum):
    """What a write does; a provider declares which of these it can.

    STATUS also cancels: `status` is then the provider's `cancelled_status`, `cancel_reason` says
    why. DELETE removes the whole ticket; only a mapping's `do: delete` plans it.
    """

    CREATE = "create"
    UPDATE = "update"
    STATUS = "status"
    COMMENT = "comment"
    ATTACHMENT = "attachment"
    DELETE = "delete"


MAKING = (WriteKind.CREATE, WriteKind.COMMENT, WriteKind.ATTACHMENT)
"""Writes that happen twice when they are sent twice."""


class OperationState(StrEnum):
    """States of an operation in the outbox (DESIGN section 7)."""

    WAITING = "waiting"
    READY = "ready"
    CLAIMED = "claimed"
    SENDING = "sending"
    UNKNOWN = "unknown"
    APPLIED = "applied"
    PARKED = "parked"
    SUPERSEDED = "superseded"
    DISCARDED = "discarded"


OPEN_STATES = frozenset(
    {
        OperationState.WAITING,
        OperationState.READY,
        OperationState.CLAIMED,
        OperationState.SENDING,
        OperationState.UNKNOWN,
    }
)
"""States in which an operation still goes on by itself."""

HEAD_STATES = frozenset(OPEN_STATES - {OperationState.WAITING})
"""States of the one operation in flight per target ticket (DESIGN R6)."""

UNSENT_STATES = frozenset({OperationState.WAITING, OperationState.READY})
"""States in which no byte has been sent since the last settled outcome."""


class ParkReason(StrEnum):
    """Why an operation waits for a person."""

    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    EXHAUSTED = "exhausted"
    TOO_LATE = "too_late"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentDraft:
    """A comment to be written; the adapter adds the marker where its Features say so."""

    body: str
    author: str
    kind: CommentKind = CommentKind.COMMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentDraft:
    """A file to be uploaded, its bytes lying in the spool.

    Attributes:
        source_id: the attachment's id on the side it comes from.
        name: cleaned file name.
        content_type: MIME type.
        size_bytes: exact length; None until the spool has it.
        digest: SHA-256 in hex; empty until the spool has it.
    """

    source_id: AttachmentId
    name: str
    content_type: str
    size_bytes: int | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write to one ticket, as an adapter carries it out: exactly one effect at the vendor.

    Attributes:
        kind: what is written.
        key: idempotency key; travels in the write wherever the provider has a place (R4).
        ticket_kind: the provider's kind of ticket (`incident`).
        ticket_id: the target; None for a create.
        ticket_number: the target's number for people; empty when unknown.
        fields: neutral name -> value for create, update and status (with what goes with it).
        comment: for kind COMMENT.
        attachment: for kind ATTACHMENT.
    """

    kind: WriteKind
    key: OperationKey
    ticket_kind: str
    ticket_id: TicketId | None = None
    ticket_number: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)
    comment: CommentDraft | None = None
    attachment: AttachmentDraft | None = None

    @property
    def target(self) -> TicketId:
        """The ticket that is written.

        Raises:
            BrokenInvariant: it is a create, or names no id.
        """
        return needed(self.ticket_id, "a write to an existing ticket names its id")

    @property
    def said(self) -> CommentDraft:
        """The comment that is written.

        Raises:
            BrokenInvariant: it carries none.
        """
        return needed(self.comment, "a comment operation carries a comment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the provider answered to a write that was applied, or what a probe found.

    Attributes:
        ticket_id: the ticket written; for a create the new one; empty when a person named it by
            its number alone.
        ticket_number: its number for people; empty when the answer does not tell it.
        comment_id: id of the comment made, where the provider gives one.
        attachment_id: id of the attachment made.
        fields: field values as the write's own answer told them (become the baseline, R5).
        request_id: the provider's id of the request, for the operator.
    """

    ticket_id: TicketId
    ticket_number: str = ""
    comment_id: CommentId | None = None
    attachment_id: AttachmentId | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    request_id: str = ""


class Finding(StrEnum):
    """What a probe saw."""

    FOUND = "found"
    ABSENT = "absent"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a probe of an unknown write saw (DESIGN R3).

    Attributes:
        finding: FOUND, ABSENT (the reads cover the time of sending without it) or UNCLEAR.
        receipt: the effect, oldest first when there are several; None unless FOUND.
        others: further effects of the same write, to be known and never given a partner.
        looked_at: for the operator: what was read, such as `search 0, newest 100 cases 0`.
    """

    finding: Finding
    receipt: Receipt | None = None
    others: tuple[Receipt, ...] = ()
    looked_at: str = ""
