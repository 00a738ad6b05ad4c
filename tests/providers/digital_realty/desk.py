"""A Digital Realty connection ready made, over real HTTP or mocked, for these tests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from syncd.model.ids import AttachmentId, ConnectionName, OperationKey, TicketId
from syncd.model.operation import AttachmentDraft, CommentDraft, Write, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import Value
from syncd.ports.adapter import PollResult, TicketRef
from syncd.ports.errors import OutcomeUnknown
from syncd.providers.digital_realty import (
    DigitalRealtyAdapter,
    DigitalRealtySettings,
    build,
    login,
    read_error,
)
from syncd.sandbox import DigitalRealtySandbox
from syncd.transport.budget import Budget
from syncd.transport.client import HttpTransport
from syncd.transport.login import Login
from syncd.transport.options import Pace, Timeouts, TransportOptions
from syncd.transport.pool import ClientPool
from tests.support.clock import FakeClock

KEY = OperationKey("acme12-0123456789ab")
OTHER_KEY = OperationKey("acme12-ba9876543210")
BASE = "https://api.dlr.example"
TICKETS = f"{BASE}/v1/customer-support-tickets"
QUICK = Timeouts(connect_s=5, read_s=2, total_s=5)
"""Real seconds: a socket knows no fake clock."""
FIELDS: dict[str, Value] = {
    "title": "Room 01 is too warm",
    "description": "31 degrees since 02:50.\r\nTwo racks throttle. Æøå",
    "site": "AMS011",
    "location": "Room 01",
    "request_type": "Facilities Request",
    "category": "Cooling - Datacenter",
    "customer_reference": "INC0012399",
    "notification_recipients": "noc@acme.example; kari@acme.example",
}


def settings(**keys: Any) -> DigitalRealtySettings:
    auth = {"client_id": "acme", "client_secret": Secret("dlr-secret")}
    whole = {"master_account_id": "100123", "account_id": "A1", "auth": auth, **keys}
    return DigitalRealtySettings.model_validate(whole)


class FixedIds:
    """Ids without randomness."""

    def token(self, chars: int) -> str:
        return "0" * chars

    def jitter(self) -> float:
        return 0.5


@dataclass
class Connecting:
    """Makes adapters that share a pool, a clock, a login and a budget."""

    pool: ClientPool
    clock: FakeClock = field(default_factory=lambda: FakeClock(auto_advance=True))

    def adapter(self, base_url: str, **keys: Any) -> DigitalRealtyAdapter:
        own = settings(**keys)
        transport = HttpTransport(
            TransportOptions(connection="dlr-ams", base_url=base_url, timeouts=QUICK),
            pool=self.pool,
            budget=Budget(clock=self.clock, pace=Pace()),
            clock=self.clock,
            ids=FixedIds(),
            auth=login(
                own,
                Login(
                    name=ConnectionName("dlr-ams"),
                    base_url=base_url,
                    pool=self.pool,
                    clock=self.clock,
                ),
            ),
            errors=read_error,
        )
        made = build(ConnectionName("dlr-ams"), own, transport, self.clock)
        assert isinstance(made, DigitalRealtyAdapter)
        return made


@dataclass
class Bytes:
    """A file in memory."""

    content: bytes

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield self.content

    def open(self) -> AsyncIterator[bytes]:
        return self._pieces()


class Desk:
    """The sandbox, our adapter, and clocks that go together."""

    def __init__(self, sandbox: DigitalRealtySandbox, connecting: Connecting, **keys: Any) -> None:
        self.sandbox = sandbox
        self.clock = connecting.clock
        self.adapter = connecting.adapter(sandbox.base_url, **keys)
        self.cursor: str | None = None

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.sandbox.clock.advance(seconds)

    async def opened(self, **fields: Value) -> TicketRef:
        receipt = await self.adapter.write(create(**{**FIELDS, **fields}))
        return ref_to(receipt.ticket_id)

    async def lost(self, write: Write, fault: str = "lost_answer") -> datetime:
        """Send a write whose answer does not come; give when it was sent."""
        self.sandbox.faults.next(fault, operation=OPERATIONS[write.kind])
        sent_at = self.clock.now()
        with pytest.raises(OutcomeUnknown):
            await self.adapter.write(write)
        return sent_at

    async def poll(self) -> PollResult:
        result = await self.adapter.poll("ticket", self.cursor)
        self.cursor = result.cursor
        return result

    def requests(self, operation: str) -> int:
        return len(self.sandbox.record.requests(operation))


OPERATIONS = {
    WriteKind.CREATE: "create_ticket",
    WriteKind.UPDATE: "update_ticket",
    WriteKind.STATUS: "cancel_ticket",
    WriteKind.COMMENT: "add_comment",
    WriteKind.ATTACHMENT: "add_attachment",
}


def create(key: OperationKey = KEY, /, **fields: Value) -> Write:
    return Write(kind=WriteKind.CREATE, key=key, ticket_kind="ticket", fields=fields)


def change(ref: TicketRef, **fields: Value) -> Write:
    return _to(ref, WriteKind.UPDATE, OTHER_KEY, fields=fields)


def cancel(ref: TicketRef, **fields: Value) -> Write:
    return _to(ref, WriteKind.STATUS, OTHER_KEY, fields={"status": "Cancelled", **fields})


def say(ref: TicketRef, body: str, key: OperationKey = KEY) -> Write:
    return _to(ref, WriteKind.COMMENT, key, comment=CommentDraft(body=body, author="Kari"))


def attach(ref: TicketRef, name: str, size: int | None) -> Write:
    draft = AttachmentDraft(
        source_id=AttachmentId("s1"), name=name, content_type="image/png", size_bytes=size
    )
    return _to(ref, WriteKind.ATTACHMENT, KEY, attachment=draft)


def _to(ref: TicketRef, kind: WriteKind, key: OperationKey, **parts: Any) -> Write:
    return Write(
        kind=kind,
        key=key,
        ticket_kind="ticket",
        ticket_id=ref.id,
        ticket_number=ref.number,
        **parts,
    )


def ref_to(ticket_id: str) -> TicketRef:
    return TicketRef(kind="ticket", id=TicketId(ticket_id), number=ticket_id)
