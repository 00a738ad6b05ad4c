"""What syncd asks of a provider: reads, writes, probes (DESIGN sections 2, 6 and 7).

An adapter decides nothing about syncing. It is built by `syncd.registry` from settings, a
transport and a clock, belongs to one connection, and is used by many tasks at once.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from syncd.model.features import Features
from syncd.model.ids import AttachmentId, TicketId
from syncd.model.operation import AttachmentDraft, ProbeResult, Receipt, Write
from syncd.model.ticket import FieldInfo, Ticket, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketRef:
    """A ticket to be read: by technical id, by number, or both; at least one is not empty."""

    kind: str
    id: TicketId | None = None
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A feed's or scan's word that a ticket may have changed.

    Attributes:
        ref: which ticket.
        digest: 16 bytes over what the list tells of it (scan); None for a feed: always read.
        seen: one line for the journal, such as `activity COMMENTED`.
    """

    ref: TicketRef
    digest: bytes | None = None
    seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """One round of reading a feed or a scan.

    Attributes:
        sightings: tickets to look at; may repeat what was known.
        cursor: the adapter's opaque place (JSON text) that covers all sightings, overlap and
            known ids and gap included; stored in the same transaction as the sightings (R1).
        gap: the page limit was reached: the rest is read in the next round.
        requests: requests it took.
        notes: odd items kept for the operator: each was stepped over without moving past others.
        listed: tickets a scan's whole list held; None where there is no list, or not all of it
            was read. A list that is empty all at once stops the connection (R8).
    """

    sightings: tuple[Sighting, ...]
    cursor: str
    gap: bool = False
    requests: int = 0
    notes: tuple[str, ...] = ()
    listed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """One finding of `syncd check --live`."""

    ok: bool
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What mappings will send or expect of a connection, for `check --live`.

    Attributes:
        values: neutral field name -> every constant or table value a mapping may send there.
        statuses: status labels the mappings name.
        kinds: kinds of ticket the mappings use; empty: not told.
    """

    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    statuses: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()


class FileSource(Protocol):
    """The bytes of an attachment lying in the spool."""

    def open(self) -> AsyncIterator[bytes]:
        """Start reading from the first byte; may be called again for another reading."""
        ...


class Adapter(Protocol):
    """One connection of one provider.

    All methods raise members of `syncd.ports.errors`; nothing else may leave them, save
    cancellation. A write that may have had an effect raises OutcomeUnknown (R3). No method
    repeats a write.
    """

    @property
    def features(self) -> Features:
        """What this provider can do, limits from the settings applied."""
        ...

    def normalise(self, name: str, value: Value) -> Value:
        """Give the form in which two spellings of one value are equal (N of DESIGN R5). Pure."""
        ...

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        """List the fields of a kind of ticket, the provider's own and the configured ones."""
        ...

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        """Read what may have changed since the cursor (reading FEED or SCAN).

        Raises:
            Unsupported: the provider is read ticket by ticket (WATCH).
            OddAnswer: the answer as a whole cannot be understood; the cursor stays.
        """
        ...

    async def read(self, ref: TicketRef) -> Ticket:
        """Read one ticket whole: fields, comments, attachments' metadata.

        Raises:
            NotFound: it is not there.
            OddAnswer: the answer cannot be understood, or is another ticket's (R8).
        """
        ...

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        """Send one write, once.

        Args:
            write: what to do.
            file: the bytes, for an attachment.

        Raises:
            OutcomeUnknown: it may have happened.
            Refused, NotFound, RateLimited, TokenRejected, CredentialsRejected, Unreachable:
                it surely did not.
            Unsupported: not declared in Features.
        """
        ...

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look whether an unknown write happened, by the most consistent reads there are.

        Args:
            write: the write as it was sent.
            sent_at: aware UTC instant before its first byte left.
        """
        ...

    def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream an attachment's bytes; never the whole in memory."""
        ...

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask the live system whether login, rights and the mappings' values hold. Reads only."""
        ...

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        """Make a named vendor call that syncing does not need; the answer is JSON-like.

        Raises:
            Unsupported: no such name.
        """
        ...

    def calls(self) -> Mapping[str, str]:
        """Name -> one-line description with arguments, of what `call` offers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTicket:
    """A ticket that is still being worked on, found by `FindsActive`.

    Attributes:
        ref: id, number and kind.
        matched: what it was found by, for people: `order_reference PO-7712`.
    """

    ref: TicketRef
    matched: str


@runtime_checkable
class FindsActive(Protocol):
    """An adapter whose Features declare `active_first`."""

    async def find_active(self, kind: str, terms: Mapping[str, str]) -> ActiveTicket | None:
        """Find the active ticket of a kind that these terms concern; None: there is none.

        Args:
            kind: the kind that is looked for.
            terms: names of `ActiveFirst.match` -> value, none empty.

        Raises:
            RemoteError: it could not be found out; nothing may be created meanwhile.
        """
        ...


__all__ = [
    "ActiveTicket",
    "Adapter",
    "AttachmentDraft",
    "CheckFinding",
    "Expectation",
    "FileSource",
    "FindsActive",
    "PollResult",
    "Sighting",
    "TicketRef",
]
