"""Tickets, transactions and attachments as the RT sandbox keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from syncd.sandbox.bodies import StoredBody
from syncd.sandbox.record import Who

NOBODY = "Nobody"
SYSTEM = "RT_System"
UNSET = "1970-01-01T00:00:00Z"
"""How RT writes a date that is not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An attachment in RT's sense: a container, a message's text, or a file."""

    id: int
    transaction: int
    parent: int
    name: str
    content_type: str
    created: datetime
    text: str | None = None
    body: StoredBody | None = None
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transaction."""

    id: int
    type: str
    created: datetime
    creator: str
    who: Who
    field: str = ""
    old: str = ""
    new: str = ""
    data: str = ""
    key: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One ticket at one moment."""

    id: int
    queue: str
    subject: str
    status: str
    priority: str
    owner: str
    requestors: tuple[str, ...]
    creator: str
    created: datetime
    updated: datetime
    updated_by: str
    who: Who
    custom: Mapping[str, str] = field(default_factory=dict)
    started: datetime | None = None
    resolved: datetime | None = None
    entries: tuple[Entry, ...] = ()
    merged_into: int | None = None

    def files(self) -> list[tuple[Entry, Part]]:
        """Give the files with the transactions they came with."""
        return [(one, part) for one in self.entries for part in one.parts if part.name]


def rt_date(at: datetime | None) -> str:
    """Write a date as REST2 does."""
    return UNSET if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def text_of(entry: Entry) -> str:
    """Give what a transaction says."""
    return next((part.text for part in entry.parts if part.text and not part.name), "")
