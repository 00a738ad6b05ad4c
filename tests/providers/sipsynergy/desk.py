"""A SIP Synergy connection ready made, over HTTP, for these tests."""

from dataclasses import dataclass, field
from typing import Any

from syncd.model.ids import ConnectionName, OperationKey, TicketId
from syncd.model.operation import CommentDraft, Write, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import Value
from syncd.ports.adapter import TicketRef
from syncd.providers.sipsynergy import (
    SipSynergyAdapter,
    SipSynergySettings,
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
from tests.support.clock import FakeClock

KEY = OperationKey("acme-0123456789abcdef")
OTHER_KEY = OperationKey("acme-fedcba9876543210")
BASE = "https://support.sip.example/api"
USER = "USR-1000000000"
ID = "INC-1234567890"
ONE = f"{BASE}/tickets/{ID}"
TICKET: dict[str, Any] = {
    "id": ID,
    "organisationHumanId": "ORG-1",
    "contractHumanId": "CON-1",
    "tenantHumanId": "123",
    "title": f"No calls out [ref:{OTHER_KEY}]",
    "description": "Since 08:00",
    "reporterHumanId": USER,
    "links": {"self": "/tickets/INC-9", "comments": "/tickets/INC-9/comments"},
    "dateCreated": "2026+03+01T12:00:01+0000",
    "dateUpdated": "2026-03-01T12:00:05+0000",
    "buyer": {"type": "organisations", "id": "ORG-2", "attributes": {"name": "Acme"}},
}
QUICK = Timeouts(connect_s=5, read_s=1, total_s=5)
"""Real seconds: a socket knows no fake clock."""
OWN = {
    "organisation_human_id": "ORG-1",
    "contract_human_id": "CON-1",
    "tenant_human_id": "123",
    "statuses": ("New", "Open", "Resolved", "Closed"),
}


def settings(**keys: object) -> SipSynergySettings:
    auth = {"kind": "bearer", "token": Secret("sip-token")}
    return SipSynergySettings.model_validate({"user_human_id": USER, "auth": auth, **OWN, **keys})


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

    def adapter(self, base_url: str, **keys: object) -> SipSynergyAdapter:
        own = settings(**keys)
        transport = HttpTransport(
            TransportOptions(connection="sip", base_url=base_url, timeouts=QUICK),
            pool=self.pool,
            budget=Budget(clock=self.clock, pace=Pace()),
            clock=self.clock,
            ids=FixedIds(),
            auth=login(own, Login(name=ConnectionName("sip"), pool=self.pool, clock=self.clock)),
            errors=read_error,
        )
        made = build(ConnectionName("sip"), own, transport, self.clock)
        assert isinstance(made, SipSynergyAdapter)
        assert made.features == declare(own)
        return made


def create(key: OperationKey = KEY, **fields: Value) -> Write:
    given: dict[str, Value] = {"title": "No calls out", "description": "Since 08:00", **fields}
    return Write(kind=WriteKind.CREATE, key=key, ticket_kind="ticket", fields=given)


def change(ref: TicketRef, key: OperationKey = KEY, **fields: Value) -> Write:
    return _to(ref, WriteKind.UPDATE, key, fields=fields)


def say(ref: TicketRef, body: str, key: OperationKey = KEY) -> Write:
    return _to(ref, WriteKind.COMMENT, key, comment=CommentDraft(body=body, author="Kari"))


def delete(ref: TicketRef, key: OperationKey = KEY) -> Write:
    return _to(ref, WriteKind.DELETE, key)


def ref_to(ticket_id: str = ID) -> TicketRef:
    return TicketRef(kind="ticket", id=TicketId(ticket_id), number=ticket_id)


def _to(ref: TicketRef, kind: WriteKind, key: OperationKey, **parts: Any) -> Write:
    return Write(
        kind=kind,
        key=key,
        ticket_kind="ticket",
        ticket_id=ref.id,
        ticket_number=ref.number,
        **parts,
    )
