"""Tickets that live in our own store, offered to callers of the gateway, and secrets kept there.

A provider that is served (SmartOps, mode `serve`) has no system behind it: its tickets are kept by
the store. The gateway changes them for its callers, the provider's adapter for the engine; both
meet them through `ServedTickets`. Fields carry the names of the provider's contract.
"""

from collections.abc import AsyncIterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from syncd.model.errors import SyncdError
from syncd.model.ids import AttachmentId, CommentId, ConnectionName, OperationKey, TicketId
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind
from syncd.ports.adapter import FileSource

SERVED_KIND = "ticket"
"""The one kind of served ticket."""


class KeyReused(SyncdError):
    """An idempotency key came again with another request; nothing was changed."""


class NoServedTicket(SyncdError):
    """There is no such served ticket; nothing was changed."""


class FileRefused(SyncdError):
    """A file is not taken: too large, or there is no room; nothing of it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedNote:
    """One remark on a served ticket.

    Attributes:
        key: of the operation that wrote it; None: a caller did.
    """

    id: CommentId
    kind: CommentKind
    author: str
    body: str
    at: datetime
    key: OperationKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedFile:
    """One file of a served ticket; its bytes lie in the spool under `digest` (SHA-256 in hex).

    Attributes:
        key: of the operation that wrote it; None: a caller did.
    """

    id: AttachmentId
    name: str
    content_type: str
    size_bytes: int
    digest: str
    author: str
    at: datetime
    key: OperationKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedTicket:
    """A served ticket, whole.

    Attributes:
        connection: on which it is served.
        sys_id: stable for its life.
        number: ours, stable too.
        shown_number: what callers are told: `number`, or the vendor's where the connection is
            bound to one and its number came in time.
        fields: name in the contract -> text; never the two ids, times or lists.
        notes, files: oldest first.
        version: grows with every change.
    """

    connection: ConnectionName
    sys_id: TicketId
    number: str
    shown_number: str
    fields: Mapping[str, str]
    notes: tuple[ServedNote, ...] = ()
    files: tuple[ServedFile, ...] = ()
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    resolved_at: datetime | None = None
    resolved_by: str = ""
    closed_by: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRules:
    """What a connection's settings say about its tickets.

    Attributes:
        first_status: of a ticket whose creator names none.
        resolved, closed: status labels of these phases.
        number_prefix: what our numbers begin with.
    """

    first_status: str = "New"
    resolved: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    number_prefix: str = "SYN"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDraft:
    """A remark to be added."""

    kind: CommentKind
    author: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDraft:
    """A file to be added; its bytes are kept already."""

    name: str
    content_type: str
    size_bytes: int
    digest: str
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedChange:
    """What a request or an operation does to a served ticket.

    Attributes:
        by: who does it, for people.
        fields: name in the contract -> text; an empty text empties.
        notes, files: added.
        extra: keys nobody mapped, kept for the record and used for nothing.
    """

    by: str
    fields: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[NoteDraft] = ()
    files: Sequence[FileDraft] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRequest:
    """Who asks, and by what a repetition is known.

    Attributes:
        caller: authenticated, so that two callers' keys never meet.
        fingerprint: digest of what is asked for.
        key: digest of the Idempotency-Key; empty: none came.
        window_s: without a key, the same fingerprint within so many seconds is a repetition; 0:
            never.
        source: where it came from, for the journal.
    """

    connection: ConnectionName
    caller: str
    fingerprint: str
    key: str = ""
    window_s: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a request came to.

    Attributes:
        is_repeat: it had been carried out before, and nothing was changed now.
        file_id: of the file it added.
    """

    ticket: ServedTicket
    is_repeat: bool = False
    file_id: AttachmentId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an operation of ours came to, now or before."""

    ticket: ServedTicket
    note_id: CommentId | None = None
    file_id: AttachmentId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSeen:
    """One line of the list of changes."""

    row: int
    sys_id: TicketId
    number: str
    version: int
    changed_at: datetime


class ServedTickets(Protocol):
    """The served tickets of all connections. Whatever changes one returns after the commit."""

    async def create(self, request: ServedRequest, change: ServedChange) -> Applied:
        """Make a ticket, known to the engine and due to be read in the same transaction.

        Raises:
            KeyReused: the key belongs to another request.
        """
        ...

    async def update(
        self, request: ServedRequest, sys_id: TicketId, change: ServedChange
    ) -> Applied:
        """Change a ticket, due to be read in the same transaction.

        Raises:
            KeyReused: the key belongs to another request.
            NoServedTicket: there is none.
        """
        ...

    async def find(
        self, connection: ConnectionName, *, sys_id: str = "", number: str = ""
    ) -> ServedTicket | None:
        """Find a ticket by what is named; else by that text as the other, if that is one ticket."""
        ...

    async def show_as(
        self, connection: ConnectionName, sys_id: TicketId, number: str
    ) -> ServedTicket:
        """Tell callers this number from now on; a ticket that has another than ours keeps it.

        Raises:
            NoServedTicket: there is none.
        """
        ...

    async def write(
        self,
        connection: ConnectionName,
        sys_id: TicketId,
        change: ServedChange,
        *,
        key: OperationKey,
    ) -> Written:
        """Carry out an operation of ours; with a key that was carried out before, change nothing.

        Raises:
            NoServedTicket: there is none.
        """
        ...

    async def written(self, connection: ConnectionName, key: OperationKey) -> Written | None:
        """Say what an operation came to; None when it was never carried out."""
        ...

    async def changed(
        self, connection: ConnectionName, *, since: datetime | None, after_row: int, limit: int
    ) -> Sequence[ServedSeen]:
        """List tickets changed at or after an instant, oldest change first.

        Args:
            connection: whose.
            since: None: from the first on.
            after_row: of those changed exactly then, only later rows.
            limit: most of them.
        """
        ...

    async def keep_file(self, chunks: AsyncIterable[bytes], *, max_bytes: int) -> tuple[str, int]:
        """Keep a body; give its digest and size.

        Raises:
            FileRefused: it is too large, or there is no room.
        """
        ...

    async def has_file(self, digest: str) -> bool:
        """Whether a body is kept here."""
        ...

    def open_file(self, digest: str) -> FileSource:
        """Give a kept body."""
        ...


class CredentialStore(Protocol):
    """Secrets obtained at run time, kept encrypted."""

    async def load(self, name: str) -> Secret | None:
        """Return a secret; None when there is none of that name."""
        ...

    async def save(self, name: str, secret: Secret, *, expires_at: datetime | None = None) -> None:
        """Commit a secret."""
        ...

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        """Let one at a time, of all processes on the store, work on what is kept under a name."""
        ...
