"""Tickets as the sandbox keeps them, and the vendor's way of making ids and dates."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from syncd.sandbox.bodies import StoredBody
from syncd.sandbox.record import Who

CONTACT_FIELDS = ("contact", "localContact")

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

Contact = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A remark (section 4.4)."""

    id: str
    at: datetime
    text: str
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file with its bytes (section 4.4)."""

    id: str
    at: datetime
    name: str
    content_type: str
    body: StoredBody
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One line of the activities feed (section 4.4)."""

    serial: int
    id: str
    at: datetime
    case_id: str
    action: str
    who: Who
    content: str | None = None
    field: str | None = None
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One incident or order at one moment (sections 5 and 7)."""

    serial: int
    id: str
    number: str
    created_at: datetime
    modified_at: datetime
    last_activity: Activity
    closed_at: datetime | None
    status: str
    status_reason: str | None
    fields: dict[str, Any]
    contact: Contact | None
    local_contact: Contact | None
    created_by: Who
    comments: tuple[Comment, ...] = ()
    attachments: tuple[Attachment, ...] = ()


def vendor_id(prefix: str, serial: int) -> str:
    """Make an 18-character id: 15 case-sensitive ones and the 3 that check their case.

    Rising serials give ids that rise as plain text.
    """
    digits, left = "", serial
    for _ in range(15 - len(prefix)):
        left, digit = divmod(left, 62)
        digits = _BASE62[digit] + digits
    short = prefix + digits
    suffix = ""
    for start in (0, 5, 10):
        piece = short[start : start + 5]
        suffix += _CHECK[sum(1 << place for place, char in enumerate(piece) if char.isupper())]
    return short + suffix


def vendor_date(at: datetime, *, cut: bool = False) -> str:
    """Write a date as in section 4.1; `cut` loses the offset's last digit (T2)."""
    at = at.astimezone(UTC)
    offset = "+000" if cut else "+0000"
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}{offset}"
