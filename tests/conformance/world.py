"""One test's world: a sandbox over real HTTP, an adapter built as the daemon builds it, clocks."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from syncd.app.secrets import secrets_in
from syncd.model.features import Features
from syncd.model.ids import AttachmentId, ConnectionName, OperationKey, TicketId
from syncd.model.operation import AttachmentDraft, CommentDraft, Receipt, Write, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, FieldInfo, Ticket, Value
from syncd.ports.adapter import Adapter, TicketRef
from syncd.ports.errors import OutcomeUnknown, RemoteError
from syncd.registry import PROVIDERS, Provider
from syncd.sandbox import SANDBOXES, Sandbox, SandboxClock
from syncd.sandbox.record import CLIENT, Event
from syncd.transport.auth import Grant, TokenSource
from syncd.transport.budget import Budget
from syncd.transport.client import HttpTransport
from syncd.transport.interface import Transport
from syncd.transport.login import Login
from syncd.transport.options import Pace, Timeouts, TransportOptions
from syncd.transport.pool import ClientPool
from syncd.transport.request import Answer, Request
from syncd.transport.wirelog import Exchange
from tests.conformance.fixture import Fixture, own_keys
from tests.conformance.stand import Port, ServedStand, served_stand
from tests.support.clock import FakeClock

KEY = OperationKey("acme-0123456789abcdef")
OTHER_KEY = OperationKey("acme-fedcba9876543210")
THIRD_KEY = OperationKey("acme-0f1e2d3c4b5a6978")
QUICK = Timeouts(connect_s=5, read_s=5, total_s=10)
"""Real seconds: a socket knows no fake clock."""
TOKEN_OPERATIONS = frozenset({"token", "logout"})
EFFECTS = frozenset(
    {
        "ticket_created",
        "ticket_removed",
        "field_changed",
        "status_changed",
        "comment_added",
        "attachment_added",
        "attachment_deleted",
    }
)

Wrap = Callable[[Adapter], Adapter]
Rewrite = Callable[[Request, Answer], Answer]


class FixedIds:
    """Ids without randomness."""

    def token(self, chars: int) -> str:
        return "0" * chars

    def jitter(self) -> float:
        return 0.5


class Wire:
    """A connection's transport, in which a test may change answers on their way."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.stream = getattr(inner, "stream", None)
        self.rewrite: Rewrite | None = None
        self.requests: list[Request] = []

    async def read(self, request: Request) -> Answer:
        return self._told(request, await self._inner.read(request))

    async def write(self, request: Request) -> Answer:
        return self._told(request, await self._inner.write(request))

    def _told(self, request: Request, answer: Answer) -> Answer:
        self.requests.append(request)
        return self.rewrite(request, answer) if self.rewrite is not None else answer


class Tokens:
    """A token source that remembers every token it gave out."""

    def __init__(self, inner: TokenSource) -> None:
        self._inner = inner
        self.seen: set[str] = set()

    @property
    def renewable(self) -> bool:
        return self._inner.renewable

    @property
    def serial(self) -> int:
        return self._inner.serial

    async def grant(self) -> Grant:
        granted = await self._inner.grant()
        self.seen |= {secret.reveal() for secret in granted.secrets}
        return granted

    def reject(self, grant: Grant) -> None:
        self._inner.reject(grant)


@dataclass
class Exchanges:
    """The wire log: every exchange, token calls included."""

    seen: list[Exchange] = field(default_factory=list)

    def request(self, exchange: Exchange) -> None:
        self.seen.append(exchange)


@dataclass
class Bytes:
    """A file in memory; `opened` counts its readings."""

    content: bytes
    opened: int = 0

    def open(self) -> AsyncIterator[bytes]:
        self.opened += 1
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), 64 * 1024):
            yield self.content[start : start + 64 * 1024]


class World:
    """What a promise's tests work with.

    Attributes:
        fixture: of the provider under test.
        sandbox: the vendor.
        clock: ours; `advance` moves both.
        adapter: the connection under test.
        wire: its transport.
        exchanges: its wire log.
        secrets: texts that nobody may see.
        timeouts: of every adapter that is told no others.
    """

    def __init__(
        self,
        fixture: Fixture,
        sandbox: Sandbox,
        pool: ClientPool,
        wrap: Wrap,
        *,
        clock: FakeClock | None = None,
        timeouts: Timeouts = QUICK,
    ) -> None:
        self.timeouts = timeouts
        self.fixture = fixture
        self.sandbox = sandbox
        self.clock = clock or FakeClock(at=sandbox.clock.now(), auto_advance=True)
        self.provider: Provider = PROVIDERS[fixture.provider]
        self.exchanges = Exchanges()
        self._pool = pool
        self.wrap = wrap
        self._tokens: list[Tokens] = []
        self._keys = 0
        self.own = self.provider.settings_model.model_validate(own_keys(fixture, sandbox.base_url))
        self.adapter = self.another()

    def another(
        self, timeouts: Timeouts | None = None, wire: Callable[[Transport], Wire] = Wire
    ) -> Adapter:
        """Build a further adapter of the same connection, as after a restart."""
        name = ConnectionName(self.fixture.name)
        if isinstance(self.sandbox, ServedStand):
            return self._served(name, self.sandbox)
        features = self.provider.features(self.own)
        login = Login(
            name=name,
            pool=self._pool,
            clock=self.clock,
            on_rotated=self._keep,
            log=self.exchanges,
        )
        tokens = Tokens(self.provider.login(self.own, login))
        self._tokens.append(tokens)
        transport = HttpTransport(
            TransportOptions(
                connection=name,
                base_url=self.sandbox.base_url,
                timeouts=timeouts or self.timeouts,
                body_bytes=features.limits.body_bytes,
                secrets=tuple(secrets_in(self.own)),
            ),
            pool=self._pool,
            budget=Budget(clock=self.clock, pace=Pace(concurrency=8)),
            clock=self.clock,
            ids=FixedIds(),
            auth=tokens,
            errors=self.provider.error_reader(self.own),
            log=self.exchanges,
        )
        self.wire = wire(transport)
        return self.wrap(self.provider.build(self.own, name, self.wire, self.clock))

    def _served(self, name: ConnectionName, stand: ServedStand) -> Adapter:
        """Build the adapter of a connection that callers call; what it asks for is kept."""
        build = self.provider.build_served
        assert build is not None
        stand.told = lambda operation, is_write: self.exchanges.request(
            asked_for(name, operation, is_write)
        )
        port: Any = Port(stand)
        self.wire = Wire(port)
        return self.wrap(build(self.own, name, port, self.clock))

    async def _keep(self, token: Secret) -> None:
        self._tokens[-1].seen.add(token.reveal())

    # --- what is known of the provider -----------------------------------------------------------

    @property
    def features(self) -> Features:
        return self.adapter.features.of(self.fixture.kind)

    @property
    def secrets(self) -> set[str]:
        given = {secret.reveal() for secret in secrets_in(self.own)}
        return given.union(*(tokens.seen for tokens in self._tokens))

    def can(self, kind: WriteKind) -> bool:
        return kind in self.features.writes

    def field(self, name: str) -> FieldInfo:
        found = {info.name: info for info in self.adapter.fields(self.fixture.kind)}
        return found[name]

    def is_read(self, operation: str | None) -> bool:
        """Say whether the sandbox's call has no effect on tickets."""
        if operation in TOKEN_OPERATIONS:
            return True
        return any(one.reads for one in self.sandbox.table.operations if one.name == operation)

    # --- time and people -------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.sandbox.clock.advance(seconds)

    def person(self, does: str, *arguments: object, **options: object) -> object:
        """Let a person act through the sandbox's uniform methods."""
        return getattr(self.sandbox, f"person_{does}")(*arguments, **options)

    def person_opens(self, **fields: object) -> TicketRef:
        opened = self.fixture.opens(self.sandbox, {**self.fixture.person, **fields})
        return self.ref(opened)

    def ref(self, ticket: str, number: str = "") -> TicketRef:
        """Name a ticket by its id and by the number the sandbox gave it."""
        for one in self.sandbox.tickets():
            if ticket in (one["id"], one["number"]):
                number = str(one["number"])
        return TicketRef(kind=self.fixture.kind, id=TicketId(ticket), number=number)

    def absent(self) -> TicketRef:
        ticket, number = self.fixture.absent
        return TicketRef(kind=self.fixture.kind, id=TicketId(ticket), number=number)

    # --- writes ----------------------------------------------------------------------------------

    def key(self) -> OperationKey:
        self._keys += 1
        # As long as the keys the daemon makes.
        return OperationKey(f"acme12-{self._keys:012x}")

    def write_of(
        self,
        kind: WriteKind,
        ref: TicketRef | None = None,
        *,
        key: OperationKey | None = None,
        fields: Mapping[str, Value] | None = None,
        **parts: object,
    ) -> Write:
        """Give a write of a kind, with the fixture's sample values unless told."""
        samples = {
            WriteKind.CREATE: self.fixture.create,
            WriteKind.UPDATE: self.fixture.change,
            WriteKind.STATUS: self.fixture.status,
        }
        if kind is WriteKind.COMMENT:
            parts = {"comment": self.comment("Any news? Æøå"), **parts}
        if kind is WriteKind.ATTACHMENT:
            parts = {"attachment": draft_of("status.txt", HELLO), **parts}
        return Write(
            kind=kind,
            key=key or self.key(),
            ticket_kind=self.fixture.kind,
            ticket_id=ref.id if ref else None,
            ticket_number=ref.number if ref else "",
            fields=dict(samples.get(kind, {}) if fields is None else fields),
            **parts,  # type: ignore[arg-type]
        )

    def comment(self, body: str, kind: CommentKind | None = None) -> CommentDraft:
        if kind is None:
            kinds = self.features.comment_kinds
            is_usual = CommentKind.COMMENT in kinds or not kinds
            kind = CommentKind.COMMENT if is_usual else min(kinds)
        return CommentDraft(body=body, author="Kari Kunde", kind=kind)

    async def send(self, write: Write, content: bytes = b"") -> Receipt:
        """Carry a write out; an attachment's bytes are `content`, or the sample's."""
        file = Bytes(content or HELLO) if write.kind is WriteKind.ATTACHMENT else None
        return await self.adapter.write(write, file)

    async def opened(self, **fields: Value) -> TicketRef:
        """Have a ticket of our own where the provider can create, else a person's."""
        if not self.can(WriteKind.CREATE):
            return self.person_opens()
        write = self.write_of(WriteKind.CREATE, fields={**self.fixture.create, **fields})
        receipt = await self.send(write)
        return self.ref(receipt.ticket_id, receipt.ticket_number)

    async def read(self, ref: TicketRef) -> Ticket:
        return await self.adapter.read(ref)

    async def lost(self, write: Write, fault: str, **options: object) -> datetime:
        """Send a write that meets a fault and ends unknown; give when it was sent."""
        operation = await operation_of(self.fixture, write.kind)
        self.sandbox.faults.next(fault, operation=operation, **options)
        sent_at = self.clock.now()
        error = await error_of(self.send(write))
        assert isinstance(error, OutcomeUnknown), f"{write.kind} met {fault} and told {error!r}"
        assert error.closed_at is not None, "an unknown outcome tells when its socket was closed"
        return sent_at

    # --- what the sandbox saw --------------------------------------------------------------------

    @property
    def mark(self) -> int:
        """Where the record stands now."""
        return len(self.sandbox.record)

    def effects(self, since: int) -> list[Event]:
        """Give what the client did to tickets since a mark."""
        return [
            event
            for event in self.sandbox.record.since(since)
            if event["what"] in EFFECTS and event.get("actor") == CLIENT
        ]

    def done(self, since: int) -> int:
        """Count requests of the client that had an effect since a mark."""
        return len({event["request"] for event in self.effects(since)})

    def requests(self, since: int) -> list[Event]:
        return [one for one in self.sandbox.record.since(since) if one["what"] == "request"]

    def sends(self, since: int) -> list[Event]:
        """Give the requests since a mark that may have an effect."""
        return [one for one in self.requests(since) if not self.is_read(one["operation"])]

    # --- comparing -------------------------------------------------------------------------------

    def assert_same(self, name: str, told: object, sent: Value) -> None:
        """Assert that a value read equals the one sent, under N."""
        normalise = self.adapter.normalise
        found = normalise(name, told)  # type: ignore[arg-type]
        assert found == normalise(name, sent), f"{name}: sent {sent!r:.200}, read {told!r:.200}"

    def assert_told(self, ticket: Ticket, sent: Mapping[str, Value]) -> None:
        """Assert that every readable field came back as it was sent, under N."""
        infos = {info.name: info for info in self.adapter.fields(self.fixture.kind)}
        for name, value in sent.items():
            if name in infos and infos[name].readable:
                self.assert_same(name, ticket.fields.get(name), value)


async def error_of(doing: Awaitable[object]) -> BaseException | object:
    """Give the error that something raised, or what it returned when it raised none."""
    try:
        return await doing
    except RemoteError as err:
        return err


HELLO = b"hello\x00\xff"


def draft_of(
    name: str, content: bytes, content_type: str = "text/plain", size_bytes: int | None = None
) -> AttachmentDraft:
    """Describe a file that lies in the spool."""
    return AttachmentDraft(
        source_id=AttachmentId("s1"),
        name=name,
        content_type=content_type,
        size_bytes=len(content) if size_bytes is None else size_bytes,
        digest=hashlib.sha256(content).hexdigest(),
    )


def as_it_is(adapter: Adapter) -> Adapter:
    """Wrap nothing."""
    return adapter


@contextlib.asynccontextmanager
async def world_of(
    fixture: Fixture, wrap: Wrap = as_it_is, sandbox: Mapping[str, Any] | None = None
) -> AsyncIterator[World]:
    """Open a world; its clocks stand still until they are advanced."""
    start = FakeClock().now()
    if fixture.is_served:
        async with ClientPool() as pool, served_stand(fixture.name, SandboxClock(start)) as stand:
            yield World(fixture, stand, pool, wrap)  # type: ignore[arg-type]
        return
    options = {**fixture.sandbox, **(sandbox or {}), "clock": SandboxClock(start)}
    async with ClientPool() as pool, SANDBOXES[fixture.provider](**options) as vendor:
        yield World(fixture, vendor, pool, wrap)


_OPERATIONS: dict[tuple[str, WriteKind], str] = {}


async def operation_of(fixture: Fixture, kind: WriteKind) -> str:
    """Find out which of the sandbox's calls has the effect of a kind of write."""
    if (fixture.name, kind) not in _OPERATIONS:
        async with world_of(fixture) as world:
            ref = None if kind is WriteKind.CREATE else await world.opened()
            since = world.mark
            await world.send(one_field(world, world.write_of(kind, ref)))
            _OPERATIONS[fixture.name, kind] = str(world.sends(since)[0]["operation"])
    return _OPERATIONS[fixture.name, kind]


def one_field(world: World, write: Write) -> Write:
    """Cut an update down to its title, so that one of the vendor's calls carries it."""
    if write.kind is not WriteKind.UPDATE:
        return write
    name = world.fixture.title if world.fixture.title in write.fields else next(iter(write.fields))
    return replace(write, fields={name: write.fields[name]})


def asked_for(name: str, operation: str, is_write: bool) -> Exchange:
    """Say of a call within the process what the wire log says of one to a vendor."""
    return Exchange(
        connection=name, operation=operation, method="", path="", is_write=is_write, attempt=1,
        status=None, outcome="ok", detail="", duration_s=0.0, wait_s=0.0, sent_bytes=0,
        received_bytes=0, reused=True, request_id="",
    )  # fmt: skip


def needs_remote(world: World) -> None:
    """Skip what is about logins or a vendor's answers where the daemon itself is the system."""
    if world.fixture.is_served:
        pytest.skip(f"{world.fixture.name} is the daemon itself: nobody logs in, nothing answers")


def needs(world: World, *kinds: WriteKind) -> None:
    """Skip what the Features do not declare; that it raises is another promise."""
    for kind in kinds:
        if not world.can(kind):
            pytest.skip(f"{world.fixture.name} declares no {kind}")
