"""A B-612 connection ready made, for the tests of this folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.model.ids import ConnectionName, OperationKey, TicketId
from syncd.model.operation import CommentDraft, Write, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, Value
from syncd.ports.adapter import Adapter, TicketRef
from syncd.providers.b612.adapter import build, login
from syncd.providers.b612.errors import read_error
from syncd.providers.b612.settings import B612Settings
from syncd.transport.budget import Budget
from syncd.transport.client import HttpTransport
from syncd.transport.login import Login
from syncd.transport.options import Pace, Timeouts, TransportOptions
from syncd.transport.pool import ClientPool
from tests.support.clock import FakeClock

KEY = OperationKey("acme-0123456789abcdef")
OTHER_KEY = OperationKey("acme-fedcba9876543210")
QUICK = Timeouts(connect_s=5, read_s=1, total_s=5)
"""Real seconds: a socket knows no fake clock."""
AUTH: Mapping[str, object] = {"api_id": "d0v6as", "api_key": Secret("b612-api-key")}
WORK: Mapping[str, Value] = {
    "customer_reference": "INC0012399",
    "description": "Please reboot server 12\nand wait for the green light",
    "owner_name": "John Smith",
    "owner_email": "jsmith@client.com",
    "priority": "Medium",
    "site": "LHR1",
    "rack": "R02.D02",
}


class FixedIds:
    """Ids without randomness."""

    def token(self, chars: int) -> str:
        return "0" * chars

    def jitter(self) -> float:
        return 0.5


def settings_of(base_url: str, **keys: object) -> B612Settings:
    return B612Settings.model_validate({"base_url": base_url, "auth": AUTH, **keys})


@dataclass
class Connecting:
    """Makes adapters that share a pool and a clock."""

    pool: ClientPool
    clock: FakeClock = field(default_factory=lambda: FakeClock(auto_advance=True))

    def adapter(self, webhook_url: str, **keys: object) -> Adapter:
        settings = settings_of(webhook_url, **keys)
        transport = HttpTransport(
            TransportOptions(connection="b612", base_url=webhook_url, timeouts=QUICK),
            pool=self.pool,
            budget=Budget(clock=self.clock, pace=Pace()),
            clock=self.clock,
            ids=FixedIds(),
            auth=login(
                settings,
                Login(name=ConnectionName("b612"), pool=self.pool, clock=self.clock),
            ),
            errors=read_error,
        )
        return build(ConnectionName("b612"), settings, transport, self.clock)


def create(fields: Mapping[str, Value] = WORK, key: OperationKey = KEY) -> Write:
    return Write(kind=WriteKind.CREATE, key=key, ticket_kind="ticket", fields=fields)


def change(number: str, key: OperationKey = KEY, **fields: Value) -> Write:
    return Write(
        kind=WriteKind.UPDATE,
        key=key,
        ticket_kind="ticket",
        ticket_id=TicketId(number),
        ticket_number=number,
        fields=fields,
    )


def say(number: str, body: str, key: OperationKey = KEY) -> Write:
    return Write(
        kind=WriteKind.COMMENT,
        key=key,
        ticket_kind="ticket",
        ticket_id=TicketId(number),
        ticket_number=number,
        comment=CommentDraft(body=body, author="Kari", kind=CommentKind.COMMENT),
    )


def ref_to(number: str) -> TicketRef:
    return TicketRef(kind="ticket", number=number)
