"""Work orders as the sandbox keeps them, and the vendor's way of writing dates."""

from dataclasses import dataclass
from datetime import UTC, datetime

from syncd.sandbox.bodies import StoredBody
from syncd.sandbox.digital_realty.settings import Account
from syncd.sandbox.record import Who

FIELDS = (
    "title",
    "site",
    "location",
    "requestType",
    "category",
    "description",
    "customerReference",
    "notificationRecipients",
)
"""What a create takes (section 5.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A remark; the vendor shows no id, this one is the record's (section 8)."""

    id: str
    at: datetime
    text: str
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that was uploaded; no call shows it again (section 8)."""

    id: str
    at: datetime
    name: str
    content_type: str
    body: StoredBody
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One work order at one moment (section 3)."""

    serial: int
    id: str
    account: Account
    status: str
    fields: dict[str, str]
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    created_by: Who
    cancel_reason: str | None = None
    comments: tuple[Comment, ...] = ()
    attachments: tuple[Attachment, ...] = ()


def vendor_date(at: datetime | None) -> str:
    """Write a date as in section 3: UTC, whole seconds; an absent one is empty."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at is not None else ""
