"""A provider that lives in memory: a vendor with faults, and a record of every effect it had."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from syncd.model.features import Features, Limits, Reading, WriteFeature
from syncd.model.ids import AttachmentId, CommentId, OperationKey, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import Attachment, Comment, FieldInfo, Ticket, Value
from syncd.ports.adapter import (
    CheckFinding,
    Expectation,
    FileSource,
    PollResult,
    TicketRef,
)
from syncd.ports.clock import Clock
from syncd.ports.errors import NotFound, OutcomeUnknown, Unsupported

KIND = "incident"


class Fault(StrEnum):
    """What happens to one write.

    LOST: it has its effect, the answer does not arrive. CUT: no effect, and nobody can tell. LATE:
    no answer, and the effect comes `late_s` later. HANG: has its effect, then never answers.
    """

    NONE = "none"
    LOST = "lost"
    CUT = "cut"
    LATE = "late"
    HANG = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Something that really happened at the vendor."""

    key: OperationKey
    kind: WriteKind
    receipt: Receipt
    at: datetime
    fields: Mapping[str, Value]


@dataclass(slots=True, kw_only=True)
class _Case:
    fields: dict[str, Value] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    files: dict[AttachmentId, tuple[str, bytes]] = field(default_factory=dict)
    keys: tuple[OperationKey, ...] = ()


def probeable(settle_s: float = 30.0, looks: int = 2) -> dict[WriteKind, WriteFeature]:
    return {kind: WriteFeature(settle_s=settle_s, looks=looks) for kind in WriteKind}


async def _no_step(_name: str) -> None:
    return


class MemoryAdapter:
    """Implements `syncd.ports.adapter.Adapter`.

    Attributes:
        effects: the record, in the order things happened.
        sends: writes that arrived, effect or not.
        script: what happens to the next writes: a fault, or an error raised without effect.
        probe_script: errors or results for the next probes; None: an honest look.
        step: awaited wherever the outside could be interrupted; crash tests put theirs here.
        visible_after_s: reads and probes show an effect so many seconds after it happened.
        in_flight, in_flight_max: writes at once.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "vendor",
        writes: Mapping[WriteKind, WriteFeature] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.clock = clock
        self.name = name
        self.writes = dict(probeable() if writes is None else writes)
        self.limits = limits or Limits()
        self.readable_files = True
        self.effects: list[Effect] = []
        self.sends: list[Write] = []
        self.probes: list[Write] = []
        self.script: deque[Fault | BaseException | Callable[[], Awaitable[None]]] = deque()
        self.probe_script: deque[BaseException | ProbeResult | None] = deque()
        self.download_errors: deque[BaseException] = deque()
        self.step: Callable[[str], Awaitable[None]] = _no_step
        self.visible_after_s = 0.0
        self.late_s = 10.0
        self.in_flight = 0
        self.in_flight_max = 0
        self.mangle: Callable[[bytes], bytes] = bytes
        self._cases: dict[TicketId, _Case] = {}
        self._late: list[tuple[float, Write, bytes]] = []
        self._numbers = 0
        self.big_files: dict[AttachmentId, tuple[int, bytes]] = {}

    # --- what tests ask and arrange

    def put(self, ticket_id: str, **fields: Value) -> TicketId:
        """Have a ticket that was there before."""
        self._cases[TicketId(ticket_id)] = _Case(fields=dict(fields))
        return TicketId(ticket_id)

    def put_file(self, ticket_id: str, attachment_id: str, name: str, body: bytes) -> None:
        self._cases[TicketId(ticket_id)].files[AttachmentId(attachment_id)] = (name, body)

    def file(self, ticket_id: str, attachment_id: str) -> tuple[str, bytes]:
        return self._cases[TicketId(ticket_id)].files[AttachmentId(attachment_id)]

    def counts(self) -> Counter[OperationKey]:
        """How many effects each key had."""
        self._do_late()
        return Counter(effect.key for effect in self.effects)

    # --- Adapter

    @property
    def features(self) -> Features:
        return Features(
            reading=Reading.WATCH,
            kinds=frozenset({KIND}),
            writes=self.writes,
            attachments=self.readable_files,
            limits=self.limits,
        )

    def normalise(self, name: str, value: Value) -> Value:
        return value.strip() if isinstance(value, str) else value

    def fields(self, kind: str) -> Sequence[FieldInfo]:
        return ()

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        raise Unsupported("read ticket by ticket")

    async def read(self, ref: TicketRef) -> Ticket:
        await self.step("read")
        case = self._cases.get(ref.id) if ref.id else None
        if case is None or ref.id is None:
            raise NotFound("no such ticket")
        files = tuple(Attachment(id=key, name=name) for key, (name, _) in case.files.items())
        return Ticket(
            id=ref.id,
            number=f"N-{ref.id}",
            kind=ref.kind,
            fields=dict(case.fields),
            comments=tuple(case.comments),
            attachments=files,
            keys=case.keys,
        )

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        self.sends.append(write)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            return await self._write(write, file)
        finally:
            self.in_flight -= 1

    async def _write(self, write: Write, file: FileSource | None) -> Receipt:
        fault = self.script.popleft() if self.script else Fault.NONE
        await self.step("before effect")
        if isinstance(fault, BaseException):
            raise fault
        body = await self._upload(file)
        if callable(fault) and not isinstance(fault, Fault):
            await fault()
        if fault is Fault.CUT:
            raise OutcomeUnknown("cut off", closed_at=self.clock.now())
        if fault is Fault.LATE:
            self._late.append((self.clock.monotonic_s() + self.late_s, write, body))
            raise OutcomeUnknown("timed out", closed_at=self.clock.now())
        receipt = self._do(write, body)
        await self.step("after effect")
        if fault is Fault.HANG:
            await asyncio.get_running_loop().create_future()
        if fault is Fault.LOST:
            raise OutcomeUnknown("no answer", closed_at=self.clock.now())
        return receipt

    async def _upload(self, file: FileSource | None) -> bytes:
        return b"".join([chunk async for chunk in file.open()]) if file is not None else b""

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        self.probes.append(write)
        await self.step("probe")
        scripted = self.probe_script.popleft() if self.probe_script else None
        if isinstance(scripted, BaseException):
            raise scripted
        if scripted is not None:
            return scripted
        self._do_late()
        now = self.clock.now()
        seen = [
            effect.receipt
            for effect in self.effects
            if effect.key == write.key and (now - effect.at).total_seconds() >= self.visible_after_s
        ]
        looked_at = f"{len(self.effects)} effects"
        if not seen:
            return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)
        return ProbeResult(
            finding=Finding.FOUND, receipt=seen[0], others=tuple(seen[1:]), looked_at=looked_at
        )

    @contextlib.asynccontextmanager
    async def download(
        self, ref: TicketRef, attachment_id: AttachmentId
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        await self.step("download")
        if self.download_errors:
            raise self.download_errors.popleft()
        if attachment_id in self.big_files:
            times, chunk = self.big_files[attachment_id]
            yield _repeat(times, chunk)
            return
        case = self._cases.get(ref.id) if ref.id else None
        if case is None or attachment_id not in case.files:
            raise NotFound("no such attachment")
        yield _chunks(self.mangle(case.files[attachment_id][1]))

    async def check(self, expectation: Expectation) -> Sequence[CheckFinding]:
        return ()

    async def call(self, name: str, arguments: Mapping[str, str]) -> object:
        raise Unsupported(name)

    def calls(self) -> Mapping[str, str]:
        return {}

    # --- effects

    def _do_late(self) -> None:
        due = [item for item in self._late if item[0] <= self.clock.monotonic_s()]
        self._late = [item for item in self._late if item not in due]
        for _, write, body in due:
            self._do(write, body)

    def _do(self, write: Write, body: bytes) -> Receipt:
        self._do_late()
        self._numbers += 1
        receipt = self._change(write, body)
        self.effects.append(
            Effect(
                key=write.key,
                kind=write.kind,
                receipt=receipt,
                at=self.clock.now(),
                fields=dict(write.fields),
            )
        )
        return receipt

    def _change(self, write: Write, body: bytes) -> Receipt:
        if write.kind is WriteKind.CREATE:
            ticket_id = TicketId(f"{self.name}-{self._numbers}")
            self._cases[ticket_id] = _Case(fields=dict(write.fields), keys=(write.key,))
            return Receipt(ticket_id=ticket_id, ticket_number=f"N-{ticket_id}")
        case = self._cases.get(write.ticket_id) if write.ticket_id else None
        if case is None or write.ticket_id is None:
            raise NotFound("no such ticket")
        receipt = Receipt(ticket_id=write.ticket_id, ticket_number=f"N-{write.ticket_id}")
        if write.comment is not None:
            comment_id = CommentId(f"c{self._numbers}")
            case.comments.append(Comment(id=comment_id, body=write.comment.body, keys=(write.key,)))
            return replace(receipt, comment_id=comment_id)
        if write.attachment is not None:
            attachment_id = AttachmentId(f"a{self._numbers}")
            case.files[attachment_id] = (write.attachment.name, body)
            return replace(receipt, attachment_id=attachment_id)
        case.fields.update(write.fields)
        return replace(receipt, fields=dict(write.fields))


async def _chunks(body: bytes, size: int = 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def _repeat(times: int, chunk: bytes) -> AsyncIterator[bytes]:
    for _ in range(times):
        yield chunk
