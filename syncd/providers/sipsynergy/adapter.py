"""Joins scan, reader, writer, prober and calls; decides nothing about syncing."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from syncd.model.features import Absence, Features, Limits, Reading, WriteFeature
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
from syncd.ports.errors import OddAnswer, Unsupported
from syncd.providers.sipsynergy import mapping, sending
from syncd.providers.sipsynergy.calls import ServiceCalls
from syncd.providers.sipsynergy.client import SipSynergyClient
from syncd.providers.sipsynergy.cursor import read_cursor
from syncd.providers.sipsynergy.errors import read_error
from syncd.providers.sipsynergy.feed import TicketScan
from syncd.providers.sipsynergy.mapping import KIND
from syncd.providers.sipsynergy.probing import TicketProber
from syncd.providers.sipsynergy.reading import TicketReader
from syncd.providers.sipsynergy.report import StatusBook
from syncd.providers.sipsynergy.settings import SipSynergySettings
from syncd.providers.sipsynergy.writing import TicketWriter
from syncd.transport.auth import FixedAuth, MoreHeaders, StaticToken, TokenSource
from syncd.transport.interface import ErrorReader, Transport
from syncd.transport.login import Login
from syncd.transport.oauth import ClientAuth, GrantKind, OAuthOptions

ALL_TICKETS = 1_000_000
"""Tickets in one answer, as far as anybody knows."""


class SipSynergyAdapter:
    """One SIP Synergy connection; implements `syncd.ports.adapter.Adapter`."""

    def __init__(
        self, name: ConnectionName, settings: SipSynergySettings, transport: Transport, clock: Clock
    ) -> None:
        self._name = name
        self._features = declare(settings)
        self._bounds = bounds_of(settings)
        client = SipSynergyClient(transport, settings, clock)
        book = StatusBook(client, settings.report, clock)
        self._scan = TicketScan(client, book, settings.sweep, clock)
        self._reader = TicketReader(client, book, settings)
        self._writer = TicketWriter(client, self._reader, self._bounds, settings.user_human_id)
        self._prober = TicketProber(client, self._reader, settings)
        self._calls = ServiceCalls(client, settings)

    @property
    def features(self) -> Features:
        """What SIP Synergy can do, limits from the settings applied."""
        return self._features

    def normalise(self, name: str, value: Value) -> Value:
        """Give the form in which two spellings of one value are equal (N of DESIGN R5)."""
        return mapping.normalise(name, value)

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        """List a ticket's fields. Spec: Tickets Microservice, section 3."""
        self._ensure_kind(kind)
        return sending.field_infos(self._bounds)

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        """Read the whole list, and the reports that are due. Spec: sections 2.2 and 2.7."""
        self._ensure_kind(kind)
        return await self._scan.poll(cursor)

    async def read(self, ref: TicketRef) -> Ticket:
        """Read a ticket whole; its status is what the report last told. Spec: section 2.2."""
        self._ensure_kind(ref.kind)
        return await self._reader.ticket(ref)

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        """Send one write, once. Spec: sections 2.2 and 7."""
        self._ensure_kind(write.ticket_kind)
        return await self._writer.write(write)

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look whether a write happened. Spec: section 7."""
        self._ensure_kind(write.ticket_kind)
        return await self._prober.probe(write, sent_at)

    def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Refuse: there are no attachments. Spec: section 1."""
        raise Unsupported(f"{self._name}: SIP Synergy's tickets have no attachments")

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask the live system whether login, rights and values hold, and what statuses rest on."""
        return await self._calls.check(expectation)

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        """Make a named call that syncing does not need. Spec: section 2."""
        return await self._calls.call(name, arguments)

    def calls(self) -> Mapping[str, str]:
        """Give name -> one line, of what `call` offers."""
        return self._calls.described()

    def _ensure_kind(self, kind: str) -> None:
        if kind != KIND:
            raise Unsupported(f"{self._name}: SIP Synergy has {KIND}s, no {kind!r}")


def build(
    name: ConnectionName, settings: SipSynergySettings, transport: Transport, clock: Clock
) -> Adapter:
    """Build the adapter of a connection.

    Args:
        name: of the connection, for messages.
        settings: its own keys in syncd.yaml.
        transport: its way to SIP Synergy, with login, pacing and `read_error` set.
        clock: for the pace of reports and sweeps.
    """
    return SipSynergyAdapter(name, settings, transport, clock)


def bounds_of(settings: SipSynergySettings) -> sending.Bounds:
    """Give the sizes, lists and defaults sending keeps to."""
    limits = settings.limits
    defaults = {
        "organisation_human_id": settings.organisation_human_id,
        "contract_human_id": settings.contract_human_id,
        "tenant_human_id": settings.tenant_human_id,
        "reporter_human_id": settings.user_human_id,
    }
    return sending.Bounds(
        title_chars=limits.title_chars,
        description_chars=limits.description_chars,
        comment_chars=limits.comment_chars,
        text_chars=limits.text_chars,
        statuses=settings.statuses,
        priorities=settings.priorities,
        marker_in=settings.marker,
        defaults={name: text for name, text in defaults.items() if text},
        contacts=settings.contacts.send,
        contact_method=settings.contacts.preferred_contact_method,
    )


def login(settings: SipSynergySettings, login: Login) -> TokenSource:
    """Build what a connection's transport gets its login from; secret headers go with it.

    Spec: Tickets Microservice, introduction (nothing said); section 8, row 1.
    """
    auth = settings.auth
    secret = {name: v for name, v in settings.headers.items() if isinstance(v, Secret)}
    if auth.kind == "client_credentials":
        source: TokenSource = login.tokens(
            OAuthOptions(
                token_url=auth.token_url,
                kind=GrantKind.CLIENT_CREDENTIALS,
                client_id=auth.client_id,
                client_secret=auth.client_secret,
                client_auth=ClientAuth(auth.client_auth),
                scope=auth.scope,
            )
        )
    elif auth.kind == "bearer" and auth.token is not None:
        source = StaticToken(auth.token)
    elif auth.kind == "api_key" and auth.key is not None:
        source = FixedAuth({auth.key_header: auth.key})
    else:
        source = FixedAuth({})
    return MoreHeaders(source, secret) if secret else source


def basis(cursor: str) -> tuple[str, datetime] | None:
    """Say what the statuses that are known rest on, and when it was read; None: nothing yet.

    Spec: Tickets Microservice, section 2.7; section 6, S13.
    """
    try:
        at = read_cursor(cursor).known.latest
    except OddAnswer:
        return None
    return None if at is None else ("statuses from the report", at)


def describe(settings: SipSynergySettings, kind: str) -> Sequence[FieldInfo]:
    """List the fields of a kind of ticket; none for a kind there is not."""
    return sending.field_infos(bounds_of(settings)) if kind == KIND else ()


def error_reader(settings: SipSynergySettings) -> ErrorReader:
    """Give what turns error answers into errors; it repeats no secret of the settings."""
    del settings
    return read_error


def normaliser(settings: SipSynergySettings) -> Callable[[str, Value], Value]:
    """Give N of DESIGN R5 for a connection; the settings have no part in it."""
    del settings
    return mapping.normalise


def declare(settings: SipSynergySettings) -> Features:
    """Say what a connection with these settings can do: no status, no attachments.

    Spec: Tickets Microservice, sections 1 and 7.
    """
    settle, looks = settings.settle, settings.probe.looks
    return Features(
        reading=Reading.SCAN,
        kinds=frozenset({KIND}),
        writes={
            WriteKind.CREATE: WriteFeature(
                settle_s=settle.create_s, looks=looks, absence=Absence.RESEND, marker=True
            ),
            WriteKind.UPDATE: WriteFeature(settle_s=settle.update_s, looks=1, returns_id=False),
            WriteKind.COMMENT: WriteFeature(settle_s=settle.comment_s, looks=looks, marker=True),
            WriteKind.DELETE: WriteFeature(settle_s=settle.delete_s, looks=1, returns_id=False),
        },
        comment_kinds=frozenset({CommentKind.COMMENT}),
        settle_s=settle.read_s,
        limits=Limits(
            requests_per_s=settings.pace.requests_per_s,
            concurrency=settings.pace.concurrency,
            # There are no pages: everything comes in one answer.
            page_size=ALL_TICKETS,
            pages_max=1,
            body_bytes=settings.limits.list_bytes,
            # One character may take four bytes; counted so, no comment is too long.
            comment_bytes=settings.limits.comment_chars,
        ),
        statuses=settings.statuses,
    )
