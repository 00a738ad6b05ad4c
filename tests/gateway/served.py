"""A gateway that serves a connection, with a real store behind it and a realm beside it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics, StoreSample
from syncd.gateway.server import Gateway, GatewayOptions, GatewayParts, ServedParts
from syncd.model.ids import ConnectionName
from syncd.model.secret import Secret
from syncd.ports.clock import SystemClock, SystemIds
from syncd.ports.offer import Offer, OfflineTokens, Realm
from syncd.registry import PROVIDERS
from syncd.store.database import Database
from syncd.store.serving import StoredCredentials, StoredTickets
from syncd.store.spool import Spool
from syncd.transport.pool import ClientPool
from tests.gateway.fakes import FakeClock, FakeInbox
from tests.support.issuer import CLIENT, SECRET, Issuer, running
from tests.support.stores import sqlite_store

NAME = ConnectionName("automation")
PREFIX = "/smartops/automation"
CREATE, UPDATE, DETAILS = (
    f"{PREFIX}/itsm/tickets/{call}" for call in ("create", "update", "details")
)
FILES = f"{PREFIX}/itsm/attachments"

FIELDS = {
    "site": {"key": "u_site", "access": "read", "max": "20"},
    "vendor_ref": {"key": "u_vendor_ref", "access": "write"},
    "due": {"key": "u_due", "access": "read", "kind": "time", "clearable": "true"},
}
PHASES = {"open": ("New",), "resolved": ("Resolved",), "closed": ("Closed",)}


@dataclass
class Office:
    """Everything there is.

    Attributes:
        rings: how often intake was woken.
    """

    clock: FakeClock
    issuer: Issuer
    database: Database
    tickets: StoredTickets
    gateway: Gateway
    http: aiohttp.ClientSession
    offer: Offer
    rings: list[int] = field(default_factory=list)

    @property
    def login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token()}"}

    async def call(
        self, path: str, body: object = None, *, method: str = "POST", **more: Any
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Make a call; give status, envelope and headers. `headers` are added to the login's."""
        headers = self.login | more.pop("headers", {})
        if body is not None:
            more["json"] = body
        async with self.http.request(method, path, headers=headers, **more) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            told = await answer.json()
            assert {"statusCode", "statusMessage", "ticketDetails"} <= set(told)
            return answer.status, told, answer.headers

    async def raised(
        self, headers: Mapping[str, str] | None = None, **ticket: Any
    ) -> dict[str, Any]:
        """Create a ticket and give its details."""
        body = {"ticketJSON": {"shortDescription": "Link down"} | ticket}
        status, told, _ = await self.call(CREATE, body, headers=headers or {})
        assert (status, told["statusCode"]) == (200, "200"), told
        details: dict[str, Any] = told["ticketDetails"]
        return details

    async def fetched(self, number: str, *names: str) -> dict[str, Any]:
        """Fetch what is named of a ticket."""
        body = {"ticketNumber": number, "ticketFields": list(names)}
        _, told, _ = await self.call(DETAILS, body)
        assert told["statusCode"] == "200", told
        details: dict[str, Any] = told["ticketDetails"]
        return details


def offer_of(*, serve: Mapping[str, Any] | None = None, **keys: Any) -> Offer:
    """What settings offer; the realms are put in when the issuer runs."""
    realm = {"issuer": "https://issuer.example", "audience": "syncd"}
    provider = PROVIDERS["smartops"]
    settings = provider.settings_model.model_validate(
        {"mode": "serve", "fields": FIELDS, "serve": {"realms": [realm], **(serve or {})}, **keys}
    )
    offer = provider.offer(settings, NAME, PHASES)
    assert offer is not None
    return offer


def realm_of(beside: Issuer, **changed: Any) -> Realm:
    below = f"{beside.iss}/protocol/openid-connect"
    realm = Realm(
        issuer=beside.iss,
        keys_url=f"{below}/certs",
        token_url=f"{below}/token",
        introspection_url=f"{below}/token/introspect",
        audience="syncd",
        role="raise-tickets",
        client_id=CLIENT,
        client_secret=Secret(SECRET),
        offline_tokens=OfflineTokens.REDEEM,
    )
    return replace(realm, **changed)


@asynccontextmanager
async def office(
    folder: Path,
    offer: Offer | None = None,
    *,
    database_url: str = "",
    beside: Office | None = None,
    **realm: Any,
) -> AsyncIterator[Office]:
    """Open it; `realm` changes what tokens need, `beside` shares another's realm and time."""
    clock = beside.clock if beside else FakeClock()
    offer = offer or offer_of()
    url = database_url or sqlite_store(folder / "store.db")
    async with AsyncExitStack() as stack:
        if beside is not None:
            issuer = beside.issuer
        else:
            issuer = await stack.enter_async_context(running(Issuer(now=clock.now)))
        database = await stack.enter_async_context(await Database.open(url))
        pool = await stack.enter_async_context(ClientPool())
        offer = replace(offer, realms=(realm_of(issuer, **realm),))
        made = offer
        tickets = StoredTickets(
            database, Spool(folder / "spool"), clock=clock, ids=SystemIds(),
            rules=lambda _: made.rules,
        )  # fmt: skip
        rings: list[int] = []

        async def sampled() -> StoreSample:
            return StoreSample()

        gateway = Gateway(
            GatewayOptions(
                port=0, tokens={}, connections=frozenset({NAME}), offers={NAME: offer}
            ),
            GatewayParts(
                inbox=FakeInbox(), ring=lambda: rings.append(1), sample=sampled,
                health=Health(clock=clock), metrics=Metrics(clock=clock, version="1"), clock=clock,
                served=ServedParts(
                    tickets=tickets,
                    credentials=StoredCredentials(
                        database, Secret("key"), clock=SystemClock(), ids=SystemIds(), owner="me"
                    ),
                    pool=pool,
                ),
            ),
        )  # fmt: skip
        await stack.enter_async_context(gateway.serve())
        http = await stack.enter_async_context(
            aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}")
        )
        yield Office(
            clock=clock, issuer=issuer, database=database, tickets=tickets, gateway=gateway,
            http=http, offer=offer, rings=rings,
        )  # fmt: skip
