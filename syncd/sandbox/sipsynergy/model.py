"""Tickets and users as the sandbox keeps them (section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from syncd.sandbox.record import Who

BASE_FIELDS = ("organisationHumanId", "contractHumanId", "tenantHumanId", "title", "description")
CREATE_FIELDS = (*BASE_FIELDS, "reporterHumanId")
"""Ticket Create (section 3)."""
REQUIRED_FIELDS = tuple(name for name in CREATE_FIELDS if name != "title")

REPORT_FIELDS = (
    "customer",
    "buyer",
    "priority",
    "category",
    "serviceImpact",
    "outcome",
    "primaryContactName",
    "primaryContactEmail",
    "assigned",
)
"""What only people write and only the report tells (section 3, Ticket Report Json)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment (section 3, Comment Full)."""

    id: int
    at: datetime
    text: str
    user: str
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A ticket's attribute (section 3, Ticket Attribute Full)."""

    id: int
    key: str
    value: str
    type: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One ticket at one moment."""

    serial: int
    id: str
    created_at: datetime
    updated_at: datetime
    changed_at: datetime
    status: str
    resolved_at: datetime | None
    fields: Mapping[str, str]
    report: Mapping[str, str]
    created_by: Who
    comments: tuple[Comment, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    confirmed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user (section 3, User Full)."""

    id: int
    human_id: str
    organisation_id: str
    name: str
    email: str
    phone: str
    is_admin: bool
    is_agent: bool


def stamp(at: datetime, *, plus: bool = False) -> str:
    """Write a date-time as section 5 shows it; `plus` as in its odd sample (S2)."""
    text = at.strftime("%Y-%m-%dT%H:%M:%S+0000")
    return text.replace("-", "+", 2) if plus else text
