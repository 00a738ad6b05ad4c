"""Joins scan, reader, writer, prober and calls; decides nothing about syncing."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from syncd.model.features import Absence, Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, ConnectionName
from syncd.model.operation import ProbeResult, Receipt, Write, WriteKind
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
from syncd.ports.errors import Unsupported
from syncd.providers.digital_realty import mapping, sending
from syncd.providers.digital_realty.calls import TicketCalls
from syncd.providers.digital_realty.categories import Categories
from syncd.providers.digital_realty.client import DigitalRealtyClient
from syncd.providers.digital_realty.errors import read_error
from syncd.providers.digital_realty.mapping import KIND
from syncd.providers.digital_realty.probing import TicketProber
from syncd.providers.digital_realty.reading import TicketReader
from syncd.providers.digital_realty.scan import ListScan
from syncd.providers.digital_realty.settings import DigitalRealtySettings
from syncd.providers.digital_realty.writing import TicketWriter
from syncd.transport.auth import TokenSource
from syncd.transport.interface import ErrorReader, Transport
from syncd.transport.login import Login
from syncd.transport.oauth import ClientAuth, GrantKind, OAuthOptions

TOKEN_PATH = "/v2/auth/token"
"""Spec: Customer Support Tickets API, section 8, Access Token API v2."""


class DigitalRealtyAdapter:
    """One account at Digital Realty; implements `syncd.ports.adapter.Adapter`."""

    def __init__(
        self,
        name: ConnectionName,
        settings: DigitalRealtySettings,
        transport: Transport,
        clock: Clock,
    ) -> None:
        self._name = name
        self._clock = clock
        self._bounds = bounds_of(settings)
        self._features = declare(settings)
        client = DigitalRealtyClient(transport, settings, clock)
        categories = Categories(client, clock, settings.categories)
        self._scan = ListScan(client, settings.scan)
        self._reader = TicketReader(client, settings.unknown_author)
        self._writer = TicketWriter(
            client, self._reader, categories, self._bounds, sends_both=settings.put_sends_both
        )
        self._prober = TicketProber(client, self._reader, self._writer, settings)
        self._calls = TicketCalls(client, categories, settings)

    @property
    def features(self) -> Features:
        """What Digital Realty can do, limits from the settings applied."""
        return self._features

    def normalise(self, name: str, value: Value) -> Value:
        """Give the form in which two spellings of one value are equal (N of DESIGN R5)."""
        return mapping.normalise(name, value)

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        """List a ticket's fields. Spec: Customer Support Tickets API, section 3."""
        self._ensure_kind(kind)
        return sending.field_infos(self._bounds)

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        """Read the lists. Spec: Customer Support Tickets API, section 5.2."""
        self._ensure_kind(kind)
        return await self._scan.poll(cursor, self._clock.now())

    async def read(self, ref: TicketRef) -> Ticket:
        """Read a ticket whole. Spec: Customer Support Tickets API, section 5.1."""
        self._ensure_kind(ref.kind)
        return await self._reader.ticket(ref)

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        """Send one write, once. Spec: sections 5.3 to 5.5, 8 and 9."""
        self._ensure_kind(write.ticket_kind)
        if write.kind not in self._features.writes:
            raise Unsupported(f"{self._name}: Digital Realty cannot do {write.kind.value}")
        return await self._writer.write(write, file)

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look whether a write happened. Spec: Customer Support Tickets API, section 9."""
        self._ensure_kind(write.ticket_kind)
        return await self._prober.probe(write, sent_at)

    def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Digital Realty offers no download. Spec: section 8, Attachments API v1."""
        raise Unsupported(f"{self._name}: Digital Realty shows no attachments to customers")

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask the live system whether login, account and values hold. Spec: sections 2 and 5.6."""
        return await self._calls.check(expectation)

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        """Make a named call that syncing does not need. Spec: sections 5 and 8."""
        return await self._calls.call(name, arguments)

    def calls(self) -> Mapping[str, str]:
        """Give name -> one line, of what `call` offers."""
        return self._calls.described()

    def _ensure_kind(self, kind: str) -> None:
        if kind != KIND:
            raise Unsupported(f"{self._name}: Digital Realty here has {KIND}s, no {kind!r}")


def build(
    name: ConnectionName, settings: DigitalRealtySettings, transport: Transport, clock: Clock
) -> Adapter:
    """Build the adapter of a connection.

    Args:
        name: of the connection, for messages.
        settings: its own keys in syncd.yaml.
        transport: its way to Digital Realty, with login, pacing and `read_error` set.
        clock: for the slow rounds of the scan and the age of the categories.
    """
    return DigitalRealtyAdapter(name, settings, transport, clock)


def bounds_of(settings: DigitalRealtySettings) -> sending.Bounds:
    """Give the sizes and choices sending keeps to."""
    limits = settings.limits
    return sending.Bounds(
        title_chars=limits.title_chars,
        site_chars=limits.site_chars,
        location_chars=limits.location_chars,
        reference_chars=limits.reference_chars,
        text_chars=limits.text_chars,
        comment_chars=limits.comment_chars,
        attachment_bytes=limits.attachment_bytes,
        file_name_chars=limits.file_name_chars,
        cancel_reason=settings.cancel_reason,
        updates_texts=settings.put_title_description,
    )


def login(settings: DigitalRealtySettings, login: Login) -> TokenSource:
    """Build what a connection's transport gets its tokens from.

    Spec: Customer Support Tickets API, section 8, Access Token API v2.
    """
    auth = settings.auth
    oauth = OAuthOptions(
        token_url=auth.token_url or login.base_url.rstrip("/") + TOKEN_PATH,
        kind=GrantKind.CLIENT_CREDENTIALS,
        client_id=auth.client_id,
        client_secret=auth.client_secret,
        client_auth=ClientAuth.FORM,
    )
    return login.tokens(oauth)


def describe(settings: DigitalRealtySettings, kind: str) -> Sequence[FieldInfo]:
    """List the fields of a kind of ticket; none for a kind Digital Realty here does not have."""
    return sending.field_infos(bounds_of(settings)) if kind == KIND else ()


def error_reader(settings: DigitalRealtySettings) -> ErrorReader:
    """Give what turns error answers into errors; the settings have no part in it."""
    del settings
    return read_error


def normaliser(settings: DigitalRealtySettings) -> Callable[[str, Value], Value]:
    """Give N of DESIGN R5 for a connection; the settings have no part in it."""
    del settings
    return mapping.normalise


def declare(settings: DigitalRealtySettings) -> Features:
    """Say what a connection with these settings can do.

    Spec: Customer Support Tickets API, sections 1, 8 and 9.
    """
    settle, looks = settings.settle, settings.probe.looks
    return Features(
        reading=Reading.SCAN,
        kinds=frozenset({KIND}),
        writes={
            WriteKind.CREATE: WriteFeature(settle_s=settle.create_s, looks=looks, marker=True),
            WriteKind.UPDATE: WriteFeature(settle_s=settle.update_s, looks=1, returns_id=False),
            WriteKind.STATUS: WriteFeature(settle_s=settle.cancel_s, looks=1, returns_id=False),
            WriteKind.COMMENT: WriteFeature(
                settle_s=settle.comment_s, looks=looks, returns_id=False, marker=True
            ),
            WriteKind.ATTACHMENT: WriteFeature(
                can_probe=False, absence=Absence.PARK, returns_id=False
            ),
        },
        comment_kinds=frozenset({CommentKind.COMMENT}),
        attachments=False,
        settle_s=settle.read_s,
        limits=Limits(
            requests_per_s=settings.pace.requests_per_s,
            concurrency=settings.pace.concurrency,
            page_size=settings.scan.page_size,
            pages_max=settings.scan.pages_max,
            attachment_bytes=settings.limits.attachment_bytes,
            attachment_bytes_min=1,
            comment_bytes=settings.limits.comment_chars,
        ),
        statuses=mapping.STATUSES,
        cancelled_status=mapping.CANCELLED,
        cancel_reasons=mapping.CANCEL_REASONS,
    )
