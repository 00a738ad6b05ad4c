"""A configured syncd beside sandboxes: the files, the adapters, the store, people's hands."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import aiohttp
import orjson

from syncd.app import assembly
from syncd.app.assembly import Plant, TokenStore, Workshop
from syncd.model.ids import ConnectionName, MappingName
from syncd.model.secret import Secret
from syncd.ports.clock import SystemClock, SystemIds
from syncd.settings.load import load
from syncd.store import connections, mappings, meta
from syncd.store.database import Database
from syncd.store.records import ConnectionPin
from syncd.store.tx import Tx
from syncd.transport.pool import ClientPool
from syncd.transport.wirelog import Exchange
from tests.bench import process

DESK = ConnectionName("servicedesk")
CARRIER = ConnectionName("telenor-no")
MAPPING = MappingName("bench")
GROUP = "Telenor NOC"

DAEMON = """\
environment: bench
store: {url: "sqlite:///$folder/syncd.db", key: {file: "$folder/key"}, spool: "$folder/spool"}
http: {listen: "127.0.0.1:0"}
log: {level: info, format: json}
connections:
  servicedesk:
    provider: smartops
    mode: call
    base_url: $desk
    auth:
      token_url: $desk/realms/acme/protocol/openid-connect/token
      client_id: syncd
      client_secret: {file: "$folder/desk"}
    pace: {requests_per_s: 1000, concurrency: 32}
    poll: {every: 10m}
    notify: {token: {file: "$folder/key"}}
    fields: {vendor_ref: {key: u_vendor_ref, access: read_write, max: 40}}
    visibility: {comments: public, workNotes: private, closureNotes: private}
    phases: {open: [New, In Progress, On Hold], resolved: [Resolved], closed: [Closed, Cancelled]}
"""

CARRIER_BLOCK = """\
  telenor-no:
    provider: telenor
    base_url: $carrier
    user_name: syncd
    auth:
      token_url: $carrier/oauth/v2/token
      client_id: acme
      client_secret: {file: "$folder/carrier"}
      username: acme-system
      password: {file: "$folder/password"}
    pace: {requests_per_s: 1000, concurrency: $flights}
    poll: {every: 2s}
    phases: {open: [New], resolved: [Solved], closed: [Customer Accepted]}
mappings: mappings/*.yaml
"""

RULES = """\
mapping: bench
mode: live
itsm: {connection: servicedesk}
vendor: {connection: telenor-no, kind: incident}
open:
  to_vendor: {when: {assigned_group: Telenor NOC, phase: open}}
  since: first_live
  at_most: 100000/h
references:
  on_vendor: {marker: description}
fields:
  to_vendor:
    title: {from: title}
    description: {from: description, changes: ignore}
    organization_number: {value: "912345678"}
    product_category_name: {value: Ethernet Connect}
    incident_type: {value: Annen type feil}
  both:
    priority: {map: {"1": Critical, "2": High, "3": Medium, "4": Low}, conflict: itsm}
status:
  to_itsm: {New: nothing, Solved: nothing, Customer Accepted: nothing, unknown: nothing}
  to_vendor:
    {New: nothing, In Progress: nothing, On Hold: nothing, Resolved: nothing, Closed: nothing,
     Cancelled: nothing}
comments:
  to_vendor: {share: [{kind: comment}], text: "{{ author }}: {{ body }}"}
  to_itsm: {as: work_note, text: "{{ author }}: {{ body }}"}
"""

TWO_CARRIERS = """\
environment: bench
store: {url: "sqlite:///$folder/syncd.db", key: {file: "$folder/key"}, spool: "$folder/spool"}
connections:
  from:
    provider: telenor
    base_url: $source
    user_name: syncd
    auth:
      token_url: $source/oauth/v2/token
      client_id: acme
      client_secret: {file: "$folder/carrier"}
      username: acme-system
      password: {file: "$folder/password"}
    pace: {requests_per_s: 1000, concurrency: 4}
    limits: {attachment_bytes: 4GB}
  to:
    provider: telenor
    base_url: $target
    user_name: syncd
    auth:
      token_url: $target/oauth/v2/token
      client_id: acme
      client_secret: {file: "$folder/carrier"}
      username: acme-system
      password: {file: "$folder/password"}
    pace: {requests_per_s: 1000, concurrency: 4}
    limits: {attachment_bytes: 4GB}
"""

SECRETS = {
    "key": "bench-key-0123456789abcdef0123456789abcdef",
    "desk": "smartops-secret",
    "carrier": "telenor-secret",
    "password": "telenor-password",
}


def configure(folder: Path, *, desk: str, carrier: str) -> Path:
    """Write the configuration of a desk and a carrier; gives the path of its syncd.yaml."""
    return configure_carrier(folder, DAEMON, RULES, flights=32, desk=desk, carrier=carrier)


def configure_carrier(folder: Path, daemon: str, rules: str, *, flights: int, **urls: str) -> Path:
    """Write a configuration whose mapping's vendor is a carrier.

    Args:
        folder: made for it.
        daemon: syncd.yaml up to its last connection, the carrier.
        rules: the mapping.
        flights: calls to the carrier at once.
        urls: what stands in the texts as `$name`, the carrier's among them.
    """
    path = _write(folder, daemon + CARRIER_BLOCK, flights=str(flights), **urls)
    (folder / "mappings").mkdir()
    (folder / "mappings" / "bench.yaml").write_text(rules, encoding="utf-8")
    return path


def configure_two_carriers(folder: Path, *, source: str, target: str) -> Path:
    """Write the configuration of two Telenor connections without a mapping."""
    return _write(folder, TWO_CARRIERS, source=source, target=target)


def _write(folder: Path, daemon: str, **urls: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in SECRETS.items():
        (folder / name).write_text(text, encoding="utf-8")
    path = folder / "syncd.yaml"
    path.write_text(Template(daemon).substitute(folder=folder, **urls), encoding="utf-8")
    return path


@contextlib.asynccontextmanager
async def sandboxes(folder: Path, **specs: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Run sandboxes; gives what each tells of itself."""
    async with process.child("sandboxes", orjson.dumps(specs).decode(), str(folder)) as child:
        yield await child.hears()


@dataclass(slots=True)
class Wire:
    """A WireLog that hands every exchange on."""

    told: list[Callable[[Exchange], None]] = field(default_factory=list)

    def request(self, exchange: Exchange) -> None:
        for listener in self.told:
            listener(exchange)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A configuration brought to life in this process, without the daemon around it."""

    db: Database
    plant: Plant
    wire: Wire
    clock: SystemClock
    ids: SystemIds


@contextlib.asynccontextmanager
async def alive(path: Path) -> AsyncIterator[World]:
    """Open the store of a configuration and build its connections."""
    settings = load(path)
    clock, ids, wire = SystemClock(), SystemIds(), Wire()

    def prepare(tx: Tx) -> None:
        meta.initialise(tx, environment=settings.environment, prefix="bench")
        for name, connection in settings.connections.items():
            pin = ConnectionPin(name=name, provider=connection.provider, base_host="bench")
            connections.pin(tx, pin)
        for rules in settings.mappings.values():
            mappings.sync(tx, rules.name, mode=rules.mode, revision=rules.revision, now=clock.now())

    async with (
        await Database.open(settings.store.url, upgrade=True) as db,
        ClientPool() as pool,
    ):
        await db.write(prepare)
        workshop = Workshop(
            pool=pool, clock=clock, ids=ids, tokens=TokenStore(_no_token, _forgotten),
            log=wire, changed=lambda: None,
        )  # fmt: skip
        plant = await assembly.build(settings, workshop)
        yield World(db=db, plant=plant, wire=wire, clock=clock, ids=ids)


async def _no_token(name: str) -> Secret | None:
    return None


async def _forgotten(name: str, token: Secret) -> None:
    return None


class People:
    """Acts at a sandbox through its control interface."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def act(self, what: str, **arguments: Any) -> Any:
        body = {"do": what, **arguments}
        async with self._session.post(f"{self._url}/_control/act", json=body) as answer:
            answer.raise_for_status()
            return (await answer.json())["result"]

    async def requests(self) -> list[dict[str, Any]]:
        """Give the requests received so far."""
        async with self._session.get(f"{self._url}/_control/record") as answer:
            answer.raise_for_status()
            return [event for event in await answer.json() if event["what"] == "request"]

    async def tickets(self) -> list[dict[str, Any]]:
        async with self._session.get(f"{self._url}/_control/tickets") as answer:
            answer.raise_for_status()
            return list(await answer.json())
