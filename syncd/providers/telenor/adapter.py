"""Joins feed, reader, writer, prober and calls; decides nothing about syncing."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from syncd.model.features import Absence, ActiveFirst, Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, ConnectionName
from syncd.model.operation import ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import CommentKind, FieldInfo, Ticket, Value
from syncd.ports.adapter import (
    ActiveTicket,
    Adapter,
    CheckFinding,
    Expectation,
    FileSource,
    PollResult,
    TicketRef,
)
from syncd.ports.clock import Clock
from syncd.ports.errors import Unsupported
from syncd.providers.telenor import mapping, sending
from syncd.providers.telenor.active import MATCH, ActiveOrders
from syncd.providers.telenor.calls import Calls
from syncd.providers.telenor.client import TelenorClient
from syncd.providers.telenor.errors import read_error
from syncd.providers.telenor.feed import ActivityFeed
from syncd.providers.telenor.probing import CaseProber
from syncd.providers.telenor.reading import CaseReader
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.trees import INCIDENT, ORDER, TREES, Tree
from syncd.providers.telenor.writing import CaseWriter
from syncd.transport.auth import TokenSource
from syncd.transport.interface import ErrorReader, Transport
from syncd.transport.login import Login
from syncd.transport.oauth import ClientAuth, GrantKind, OAuthOptions


class _Parts:
    """What one tree of a connection is read and written with."""

    def __init__(
        self, tree: Tree, settings: TelenorSettings, transport: Transport, clock: Clock
    ) -> None:
        self.tree = tree
        self.client = TelenorClient(transport, settings, clock, tree)
        self.feed = ActivityFeed(self.client, settings.feed)
        self.reader = CaseReader(self.client, settings)
        self.writer = CaseWriter(self.client, self.reader, settings, bounds_of(settings))
        self.prober = CaseProber(self.client, self.reader, settings)


class TelenorAdapter:
    """One Telenor connection; implements `syncd.ports.adapter.Adapter`."""

    def __init__(
        self, name: ConnectionName, settings: TelenorSettings, transport: Transport, clock: Clock
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._features = declare(settings)
        self._parts = {
            kind: _Parts(tree, settings, transport, clock) for kind, tree in TREES.items()
        }
        self._active = ActiveOrders(self._parts[ORDER.kind].client, settings)
        self._calls = Calls([one.reader for one in self._parts.values()], settings)

    @property
    def features(self) -> Features:
        """What Telenor can do, limits from the settings applied."""
        return self._features

    def normalise(self, name: str, value: Value) -> Value:
        """Give the form in which two spellings of one value are equal (N of DESIGN R5)."""
        return mapping.normalise(name, value)

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        """List the fields of incidents or orders. Spec: Service Ticket API, sections 5 and 7."""
        return sending.field_infos(bounds_of(self._settings), self._of(kind).tree)

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        """Read a tree's activities feed. Spec: Service Ticket API, I3 and O3."""
        return await self._of(kind).feed.poll(cursor, self._clock.now())

    async def read(self, ref: TicketRef) -> Ticket:
        """Read a ticket whole. Spec: Service Ticket API, I6, I10, I14; O6, O10, O14."""
        return await self._of(ref.kind).reader.ticket(ref)

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        """Send one write, once. Spec: Service Ticket API, sections 6, 7 and 10."""
        return await self._of(write.ticket_kind).writer.write(write, file)

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look whether a write happened. Spec: Service Ticket API, section 10."""
        return await self._of(write.ticket_kind).prober.probe(write, sent_at)

    async def find_active(self, kind: str, terms: Mapping[str, str]) -> ActiveTicket | None:
        """Find the active order a problem belongs to. Spec: Service Ticket API, introduction."""
        if kind != ORDER.kind:
            raise Unsupported(f"{self._name}: a problem is said on an {ORDER.kind}, not a {kind}")
        return await self._active.find(terms)

    @asynccontextmanager
    async def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream an attachment as opaque bytes; the caller compares length with its metadata.

        Spec: Service Ticket API, section 6, I12; section 7, O12; section 8, T20.
        """
        parts = self._of(ref.kind)
        case_id = ref.id or (await parts.reader.case(ref)).id
        async with parts.client.download(case_id, attachment_id) as answer:
            yield answer.chunks

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        """Ask the live system whether login, rights and values hold. Spec: I4, I5, O4, O5."""
        return await self._calls.check(expectation)

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        """Make a named call that syncing does not need. Spec: Service Ticket API, sections 6, 7."""
        return await self._calls.call(name, arguments)

    def calls(self) -> Mapping[str, str]:
        """Give name -> one line, of what `call` offers."""
        return self._calls.described()

    def _of(self, kind: str) -> _Parts:
        if kind not in self._parts:
            raise Unsupported(f"{self._name}: Telenor has {' and '.join(TREES)}, no {kind!r}")
        return self._parts[kind]


def build(
    name: ConnectionName, settings: TelenorSettings, transport: Transport, clock: Clock
) -> Adapter:
    """Build the adapter of a connection.

    Args:
        name: of the connection, for messages.
        settings: its own keys in syncd.yaml.
        transport: its way to Telenor, with login, pacing and `read_error` set.
        clock: for sanity checks of Telenor's dates, never for the cursor.
    """
    return TelenorAdapter(name, settings, transport, clock)


def bounds_of(settings: TelenorSettings) -> sending.Bounds:
    """Give the sizes and lists sending keeps to."""
    limits = settings.limits
    return sending.Bounds(
        comment_bytes=limits.comment_bytes,
        subject_chars=limits.subject_chars,
        description_chars=limits.description_chars,
        text_chars=limits.text_chars,
        file_name_chars=limits.file_name_chars,
        attachment_bytes=limits.attachment_bytes,
        statuses=settings.statuses,
        priorities=settings.priorities,
        denied_extensions=frozenset(one.casefold() for one in settings.denied_extensions),
        contact_in_create=settings.include_contact_in_create,
    )


def login(settings: TelenorSettings, login: Login) -> TokenSource:
    """Build what a connection's transport gets its tokens from.

    Spec: Service Ticket API, section 9 (OAuth 2.0, HTTP Basic, form-encoded body).
    """
    auth = settings.auth
    oauth = OAuthOptions(
        token_url=auth.token_url,
        kind=GrantKind(auth.grant),
        client_id=auth.client_id,
        client_secret=auth.client_secret,
        client_auth=ClientAuth(auth.client_auth),
        username=auth.username or "",
        password=auth.password,
    )
    return login.tokens(oauth)


def describe(settings: TelenorSettings, kind: str) -> Sequence[FieldInfo]:
    """List the fields of a kind of ticket; none for a kind Telenor here does not have."""
    return sending.field_infos(bounds_of(settings), TREES[kind]) if kind in TREES else ()


def error_reader(settings: TelenorSettings) -> ErrorReader:
    """Give what turns error answers into errors; the settings have no part in it."""
    del settings
    return read_error


def normaliser(settings: TelenorSettings) -> Callable[[str, Value], Value]:
    """Give N of DESIGN R5 for a connection; the settings have no part in it."""
    del settings
    return mapping.normalise


def declare(settings: TelenorSettings) -> Features:
    """Say what a connection with these settings can do.

    Spec: Service Ticket API, sections 1, 9 and 10.
    """
    settle, looks = settings.settle, settings.probe.looks
    return Features(
        reading=Reading.FEED,
        kinds=frozenset(TREES),
        writes={
            WriteKind.CREATE: WriteFeature(
                settle_s=settle.create_s, looks=looks, absence=Absence.RESEND, marker=True
            ),
            WriteKind.UPDATE: WriteFeature(settle_s=settle.update_s, looks=1, returns_id=False),
            WriteKind.STATUS: WriteFeature(settle_s=settle.status_s, looks=1, returns_id=False),
            WriteKind.COMMENT: WriteFeature(settle_s=settle.comment_s, looks=looks, marker=True),
            WriteKind.ATTACHMENT: WriteFeature(settle_s=settle.attachment_s, looks=looks),
        },
        comment_kinds=frozenset({CommentKind.COMMENT}),
        attachments=True,
        settle_s=settle.read_s,
        limits=Limits(
            requests_per_s=settings.pace.requests_per_s,
            concurrency=settings.pace.concurrency,
            page_size=settings.feed.page_size,
            pages_max=settings.feed.pages_max,
            attachment_bytes=settings.limits.attachment_bytes,
            attachment_bytes_min=1,
            refused_types=frozenset(one.casefold() for one in settings.denied_extensions),
            comment_bytes=settings.limits.comment_bytes,
        ),
        statuses=settings.statuses,
        active_first={INCIDENT.kind: ActiveFirst(kind=ORDER.kind, match=MATCH)},
        lacks={
            tree.kind: frozenset({WriteKind.STATUS})
            for tree in TREES.values()
            if not tree.sets_status
        },
    )
