"""A SmartOps connection ready made, for the tests of this folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.model.ids import ConnectionName, OperationKey, TicketId
from syncd.model.operation import CommentDraft, Write, WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, Value
from syncd.ports.adapter import TicketRef
from syncd.providers.smartops.adapter import SmartOpsAdapter, build, login
from syncd.providers.smartops.errors import read_error
from syncd.providers.smartops.settings import SmartOpsSettings
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
FIELDS = {
    "site": {"key": "u_site", "access": "read"},
    "vendor_ref": {"key": "u_vendor_ref", "max": 40, "kind": "label", "clearable": True},
}


class FixedIds:
    """Ids without randomness."""

    def token(self, chars: int) -> str:
        return "0" * chars

    def jitter(self) -> float:
        return 0.5


def fixed_token() -> dict[str, object]:
    return {"access_token": Secret("given-token")}


def realm(base_url: str) -> dict[str, object]:
    token_url = f"{base_url}/realms/acme/protocol/openid-connect/token"
    return {"token_url": token_url, "client_id": "syncd"}


def offline(base_url: str) -> dict[str, object]:
    return realm(base_url) | {"offline_token": Secret("smartops-offline-token")}


@dataclass
class Connecting:
    """Makes adapters that share a pool and a clock."""

    pool: ClientPool
    clock: FakeClock = field(default_factory=lambda: FakeClock(auto_advance=True))
    rotated: list[Secret] = field(default_factory=list)

    async def keep(self, token: Secret) -> None:
        self.rotated.append(token)

    def adapter(self, base_url: str, auth: Mapping[str, object], **keys: object) -> SmartOpsAdapter:
        keys.setdefault("fields", FIELDS)
        settings = SmartOpsSettings.model_validate({"auth": auth, **keys})
        tokens = login(
            settings,
            Login(
                name=ConnectionName("desk"),
                pool=self.pool,
                clock=self.clock,
                on_rotated=self.keep,
                stored_token=self.rotated[-1] if self.rotated else None,
            ),
        )
        transport = HttpTransport(
            TransportOptions(connection="desk", base_url=base_url, timeouts=QUICK),
            pool=self.pool,
            budget=Budget(clock=self.clock, pace=Pace()),
            clock=self.clock,
            ids=FixedIds(),
            auth=tokens,
            errors=read_error,
        )
        return build("desk", settings, transport, self.clock)


def create(fields: Mapping[str, Value], key: OperationKey = KEY) -> Write:
    return Write(kind=WriteKind.CREATE, key=key, ticket_kind="ticket", fields=fields)


def change(
    ref: TicketRef, kind: WriteKind, fields: Mapping[str, Value], key: OperationKey = KEY
) -> Write:
    return Write(
        kind=kind,
        key=key,
        ticket_kind="ticket",
        ticket_id=ref.id,
        ticket_number=ref.number,
        fields=fields,
    )


def say(
    ref: TicketRef,
    body: str,
    kind: CommentKind = CommentKind.COMMENT,
    key: OperationKey = KEY,
) -> Write:
    return Write(
        kind=WriteKind.COMMENT,
        key=key,
        ticket_kind="ticket",
        ticket_id=ref.id,
        ticket_number=ref.number,
        comment=CommentDraft(body=body, author="Telenor", kind=kind),
    )


def ref_to(number: str, sys_id: str | None = None) -> TicketRef:
    return TicketRef(kind="ticket", id=TicketId(sys_id) if sys_id else None, number=number)
