"""Joins feed, reader, writer, prober and calls; decides nothing about syncing."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from syncd.model.features import Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, ConnectionName
from syncd.model.operation import ProbeResult, Receipt, Write, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, FieldInfo, Ticket, Value
from syncd.ports.adapter import (
    Adapter,
    CheckFinding,
    Expectation,
    FileSource,
    PollResult,
    TicketRef,
)
from syncd.ports.clock import Clock
from syncd.ports.errors import NotFound, OddAnswer, RemoteContext, Unsupported
from syncd.providers.rt import mapping, sending
from syncd.providers.rt.calls import RtCalls
from syncd.providers.rt.client import RtClient
from syncd.providers.rt.errors import read_error
from syncd.providers.rt.feed import ChangeFeed
from syncd.providers.rt.mapping import KIND, Names
from syncd.providers.rt.probing import TicketProber
from syncd.providers.rt.reading import TicketReader
from syncd.providers.rt.sending import Rules
from syncd.providers.rt.settings import RtSettings
from syncd.providers.rt.writing import TicketWriter
from syncd.transport.auth import FixedAuth, TokenSource
from syncd.transport.interface import ErrorReader, Transport
from syncd.transport.login import Login


class RtAdapter:
    """One API user of one RT; implements `syncd.ports.adapter.Adapter`."""

    def __init__(
        self, name: ConnectionName, settings: RtSettings, transport: Transport, clock: Clock
    ) -> None:
        self._name = name
        self._clock = clock
        self._rules = Rules(settings=settings)
        self._features = declare(settings)
        self._client = RtClient(transport, clock)
        self._feed = ChangeFeed(self._client, settings.feed, settings.queues)
        self._reader = TicketReader(self._client, names_of(settings))
        self._writer = TicketWriter(self._client, self._reader, self._rules)
        self._prober = TicketProber(self._client, self._reader, self._writer, settings)
        self._calls = RtCalls(self._client, settings)

    @property
    def features(self) -> Features:
        """What RT can do, limits from the settings applied."""
        return self._features

    def normalise(self, name: str, value: Value) -> Value:
        """Give the form in which two spellings of one value are equal (N of DESIGN R5)."""
        return mapping.normalise(name, value)

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        """List a ticket's fields, the configured custom fields among them."""
        self._ensure_kind(kind)
        return sending.field_infos(self._rules)

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        """Search for tickets changed since the last poll."""
        self._ensure_kind(kind)
        return await self._feed.poll(cursor, self._clock.now())

    async def read(self, ref: TicketRef) -> Ticket:
        """Read a ticket whole, with its history's messages and files."""
        self._ensure_kind(ref.kind)
        return await self._reader.ticket(ref)

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        """Send one write, once, and read what it did."""
        self._ensure_kind(write.ticket_kind)
        if write.kind not in self._features.writes:
            raise Unsupported(f"{self._name}: RT cannot do {write.kind.value}")
        return await self._writer.write(write, file)

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look whether a write happened."""
        self._ensure_kind(write.ticket_kind)
        return await self._prober.probe(write, sent_at)

    def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream a file's bytes."""
        self._ensure_kind(ref.kind)
        return self._download(ref, attachment_id)

    @contextlib.asynccontextmanager
    async def _download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Look the file up first: the page with its bytes answers a bad token with 200 and HTML."""
        transaction, _, part = str(attachment_id).partition("-")
        if not (transaction.isdecimal() and part.isdecimal()):
            raise NotFound(f"{attachment_id} is no file of RT", RemoteContext())
        ticket_id = str(ref.id or ref.number)
        page = await self._client.parts(ticket_id, [("id", part)], page=1, with_text=False)
        known = [one for one in page.items if mapping.attachment_id(one) == attachment_id]
        if not known:
            raise NotFound(f"ticket {ticket_id} has no file {attachment_id}", RemoteContext())
        async with self._client.download(transaction, part) as answer:
            told = answer.headers.get("content-type", "")
            if told.startswith("text/html") and known[0].content_type != "text/html":
                raise OddAnswer(f"file {attachment_id}: a page came instead of it")
            yield answer.chunks

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask the live system whether login, queues, fields, statuses and time zone hold."""
        return await self._calls.check(expectation)

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        """Make a named call that syncing does not need."""
        return await self._calls.call(name, arguments)

    def calls(self) -> Mapping[str, str]:
        """Give name -> one line, of what `call` offers."""
        return self._calls.described()

    def _ensure_kind(self, kind: str) -> None:
        if kind != KIND:
            raise Unsupported(f"{self._name}: RT has {KIND}s, no {kind!r}")


def build(
    name: ConnectionName, settings: RtSettings, transport: Transport, clock: Clock
) -> Adapter:
    """Build the adapter of a connection.

    Args:
        name: of the connection, for messages.
        settings: its own keys in syncd.yaml.
        transport: its way to RT, with login, pacing and `read_error` set.
        clock: for what is history at the first poll, and when unknown writes were answered.
    """
    return RtAdapter(name, settings, transport, clock)


def login(settings: RtSettings, login: Login) -> TokenSource:
    """Build what a connection's transport says who it is with: RT's own scheme `token`."""
    del login
    return FixedAuth({"Authorization": Secret(f"token {settings.auth.token.reveal()}")})


def names_of(settings: RtSettings) -> Names:
    """Give what the connection's fields are called in RT."""
    return Names(
        custom={name: one.name for name, one in settings.custom_fields.items()},
        ticket_key=settings.ticket_field,
        transaction_key=settings.transaction_field,
        user=settings.user,
        private_files=settings.private_files,
    )


def describe(settings: RtSettings, kind: str) -> Sequence[FieldInfo]:
    """List the fields of a kind of ticket; none for a kind RT here does not have."""
    return sending.field_infos(Rules(settings=settings)) if kind == KIND else ()


def error_reader(settings: RtSettings) -> ErrorReader:
    """Give what turns error answers into errors; the settings have no part in it."""
    del settings
    return read_error


def normaliser(settings: RtSettings) -> Callable[[str, Value], Value]:
    """Give N of DESIGN R5 for a connection; the settings have no part in it."""
    del settings
    return mapping.normalise


def declare(settings: RtSettings) -> Features:
    """Say what a connection with these settings can do."""
    settle, looks = settings.settle, settings.probe.looks
    marked = bool(settings.transaction_field)
    return Features(
        reading=Reading.FEED,
        kinds=frozenset({KIND}),
        writes={
            WriteKind.CREATE: WriteFeature(settle_s=settle.write, looks=looks, marker=True),
            WriteKind.UPDATE: WriteFeature(settle_s=settle.write, looks=1, returns_id=False),
            WriteKind.STATUS: WriteFeature(settle_s=settle.write, looks=1, returns_id=False),
            WriteKind.COMMENT: WriteFeature(settle_s=settle.write, looks=looks, marker=marked),
            WriteKind.ATTACHMENT: WriteFeature(
                settle_s=settle.attachment, looks=looks, marker=marked
            ),
        },
        comment_kinds=frozenset({CommentKind.COMMENT, CommentKind.WORK_NOTE}),
        attachments=True,
        settle_s=settle.read,
        limits=Limits(
            requests_per_s=settings.pace.requests_per_s,
            concurrency=settings.pace.concurrency,
            page_size=settings.feed.page_size,
            pages_max=settings.feed.pages_max,
            body_bytes=settings.limits.body_bytes,
            attachment_bytes=settings.limits.attachment_bytes,
            attachment_bytes_min=1,
            comment_bytes=settings.limits.text_bytes,
        ),
        statuses=settings.statuses,
    )
