"""A Telenor connection ready made, over real HTTP or over a script, for these tests."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import orjson

from syncd.model.ids import AttachmentId, ConnectionName, OperationKey, TicketId
from syncd.model.operation import AttachmentDraft, CommentDraft, Write, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, Value
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import RemoteContext
from syncd.providers.telenor import (
    TelenorAdapter,
    TelenorSettings,
    build,
    declare,
    login,
    read_error,
)
from syncd.transport.budget import Budget
from syncd.transport.client import HttpTransport
from syncd.transport.login import Login
from syncd.transport.options import Pace, Timeouts, TransportOptions
from syncd.transport.pool import ClientPool
from syncd.transport.request import Answer, Request, StreamedAnswer
from tests.support.clock import FakeClock

KEY = OperationKey("acme-0123456789abcdef")
OTHER_KEY = OperationKey("acme-fedcba9876543210")
BASE = "https://api.telenor.example"
INCIDENTS = f"{BASE}/service-tickets/v2/incidents"
ID = "5004E000003uH0YQAU"
ONE = f"{INCIDENTS}/{ID}"
REF = TicketRef(kind="incident", id=TicketId(ID), number="Case-00001234")
DETAIL = {
    "id": ID,
    "caseNumber": "Case-00001234",
    "status": "New",
    "subject": "Down",
    "description": f"Link down\n[ref:{OTHER_KEY}]",
    "createdDate": "2026-03-01T12:00:01.000+0000",
    "attachments": [],
    "activities": [],
}
QUICK = Timeouts(connect_s=5, read_s=1, total_s=5)
"""Real seconds: a socket knows no fake clock."""


def settings(base_url: str = "https://api.telenor.example", **keys: object) -> TelenorSettings:
    auth = {
        "token_url": f"{base_url}/oauth/v2/token",
        "client_id": "acme",
        "client_secret": Secret("telenor-secret"),
        "username": "acme-system",
        "password": Secret("telenor-password"),
    }
    return TelenorSettings.model_validate({"user_name": "syncd", "auth": auth, **keys})


class FixedIds:
    """Ids without randomness."""

    def token(self, chars: int) -> str:
        return "0" * chars

    def jitter(self) -> float:
        return 0.5


@dataclass
class Connecting:
    """Makes adapters that share a pool and a clock."""

    pool: ClientPool
    clock: FakeClock = field(default_factory=lambda: FakeClock(auto_advance=True))

    def adapter(self, base_url: str, **keys: object) -> TelenorAdapter:
        own = settings(base_url, **keys)
        transport = HttpTransport(
            TransportOptions(connection="telenor-no", base_url=base_url, timeouts=QUICK),
            pool=self.pool,
            budget=Budget(clock=self.clock, pace=Pace()),
            clock=self.clock,
            ids=FixedIds(),
            auth=login(
                own,
                Login(name=ConnectionName("telenor-no"), pool=self.pool, clock=self.clock),
            ),
            errors=read_error,
        )
        made = build(ConnectionName("telenor-no"), own, transport, self.clock)
        assert isinstance(made, TelenorAdapter)
        assert made.features == declare(own)
        return made


Handler = Callable[[Request], object]


@dataclass
class ScriptedTransport:
    """A Transport whose vendor is a function; it notes every request."""

    handler: Handler
    requests: list[Request] = field(default_factory=list)

    async def read(self, request: Request) -> Answer:
        return self._answer(request)

    async def write(self, request: Request) -> Answer:
        return self._answer(request)

    def stream(self, request: Request) -> AbstractAsyncContextManager[StreamedAnswer]:
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: Request) -> AsyncIterator[StreamedAnswer]:
        answer = self._answer(request)

        async def chunks() -> AsyncIterator[bytes]:
            yield answer.body

        yield StreamedAnswer(status=200, headers={}, chunks=chunks())

    def _answer(self, request: Request) -> Answer:
        self.requests.append(request)
        told = self.handler(request)
        if isinstance(told, Answer):
            return told
        return answer(told)


def answer(told: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    body = told if isinstance(told, bytes) else orjson.dumps(told)
    return Answer(status=status, headers=headers or {}, body=body, context=RemoteContext())


def scripted(handler: Handler, **keys: object) -> tuple[TelenorAdapter, ScriptedTransport]:
    transport = ScriptedTransport(handler)
    made = TelenorAdapter(
        ConnectionName("telenor-no"), settings(**keys), transport, FakeClock(auto_advance=True)
    )
    return made, transport


@dataclass
class Bytes:
    """A file in memory."""

    content: bytes
    opened: int = 0

    def open(self) -> AsyncIterator[bytes]:
        self.opened += 1
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]


def create(key: OperationKey = KEY, kind: str = "incident", **fields: Value) -> Write:
    return Write(kind=WriteKind.CREATE, key=key, ticket_kind=kind, fields=fields)


def change(ref: TicketRef, key: OperationKey = KEY, **fields: Value) -> Write:
    return _to(ref, WriteKind.UPDATE, key, fields=fields)


def set_status(ref: TicketRef, key: OperationKey = KEY, **fields: Value) -> Write:
    return _to(ref, WriteKind.STATUS, key, fields=fields)


def say(
    ref: TicketRef, body: str, key: OperationKey = KEY, kind: CommentKind = CommentKind.COMMENT
) -> Write:
    draft = CommentDraft(body=body, author="Kari Kunde", kind=kind)
    return _to(ref, WriteKind.COMMENT, key, comment=draft)


def attach(
    ref: TicketRef, name: str, size: int | None, key: OperationKey = KEY, type_: str = "image/jpg"
) -> Write:
    draft = AttachmentDraft(
        source_id=AttachmentId("s1"), name=name, content_type=type_, size_bytes=size
    )
    return _to(ref, WriteKind.ATTACHMENT, key, attachment=draft)


def _to(ref: TicketRef, kind: WriteKind, key: OperationKey, **parts: object) -> Write:
    return Write(  # type: ignore[arg-type]
        kind=kind,
        key=key,
        ticket_kind=ref.kind,
        ticket_id=ref.id,
        ticket_number=ref.number,
        **parts,
    )


def ref_to(ticket_id: str | None, number: str = "", kind: str = "incident") -> TicketRef:
    return TicketRef(kind=kind, id=TicketId(ticket_id) if ticket_id else None, number=number)
