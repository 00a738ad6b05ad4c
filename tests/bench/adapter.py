"""The smallest adapter there can be: one POST a write, over the daemon's own transport."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from syncd import __version__
from syncd.gateway.metrics import Metrics
from syncd.log import ExchangeLog
from syncd.model.features import Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, CommentId, TicketId
from syncd.model.operation import ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import FieldInfo, Ticket, Value
from syncd.ports.adapter import CheckFinding, Expectation, FileSource, PollResult, TicketRef
from syncd.ports.clock import SystemClock, SystemIds
from syncd.ports.errors import Unsupported
from syncd.transport.budget import Budget
from syncd.transport.client import HttpTransport
from syncd.transport.interface import Transport
from syncd.transport.options import Pace, TransportOptions
from syncd.transport.pool import ClientPool
from syncd.transport.request import Request

KIND = "incident"


class PostAdapter:
    """Implements `syncd.ports.adapter.Adapter` for one latency of `vendor`."""

    def __init__(self, transport: Transport, *, latency_ms: int, concurrency: int) -> None:
        self._transport = transport
        self._prefix = f"/{latency_ms}/incidents"
        self._features = Features(
            reading=Reading.WATCH,
            kinds=frozenset({KIND}),
            writes={kind: WriteFeature() for kind in WriteKind},
            limits=Limits(concurrency=concurrency),
        )

    @property
    def features(self) -> Features:
        return self._features

    def normalise(self, name: str, value: Value) -> Value:
        return value

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        return ()

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        body: dict[str, object] = {"key": write.key, "fields": dict(write.fields)}
        if write.comment is not None:
            body["comment"] = write.comment.body
        answer = await self._transport.write(
            Request(
                operation=f"{write.kind}_incident",
                method="POST",
                path=f"{self._prefix}/{write.ticket_id}",
                json=body,
            )
        )
        made = answer.json()
        assert isinstance(made, Mapping)
        is_comment = write.kind is WriteKind.COMMENT
        return Receipt(
            ticket_id=write.ticket_id or TicketId(made["id"]),
            ticket_number=write.ticket_number,
            comment_id=CommentId(made["id"]) if is_comment else None,
        )

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        raise Unsupported("polling")

    async def read(self, ref: TicketRef) -> Ticket:
        raise Unsupported("reading")

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        raise Unsupported("probing")

    @contextlib.asynccontextmanager
    async def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        raise Unsupported("downloading")
        yield  # type: ignore[unreachable]

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        return ()

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        raise Unsupported(name)

    def calls(self) -> Mapping[str, str]:
        return {}


def new_metrics() -> Metrics:
    """Make the daemon's own metrics."""
    return Metrics(clock=SystemClock(), version=__version__)


def post_adapter(url: str, pool: ClientPool, *, latency_ms: int, concurrency: int) -> PostAdapter:
    """Build an adapter on a transport of its own, without pacing, told about as in the daemon."""
    clock = SystemClock()
    transport = HttpTransport(
        TransportOptions(connection="vendor", base_url=url),
        pool=pool,
        budget=Budget(clock=clock, pace=Pace(concurrency=concurrency)),
        clock=clock,
        ids=SystemIds(),
        log=ExchangeLog([new_metrics().exchanged]),
    )
    return PostAdapter(transport, latency_ms=latency_ms, concurrency=concurrency)
