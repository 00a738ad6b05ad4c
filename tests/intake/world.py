"""Intake and delivery between two ticket systems in memory, one step at a time."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import orjson

from syncd.core.pacing import WatchPace
from syncd.core.retry import RetryPolicy
from syncd.core.rules import ConflictPolicy, MappingMode, MappingRules
from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.intake.config import IntakeConfig, IntakeOptions
from syncd.intake.service import Intake, IntakePorts
from syncd.model.features import Reading
from syncd.model.ids import ConnectionName, MappingName, Side, TicketId, TicketRow
from syncd.model.operation import Write, WriteKind
from syncd.store import connections, inbox, journal, links, mappings, operations, tickets
from syncd.store.database import Database
from syncd.store.records import (
    ConnectionPin,
    LinkOverview,
    LinkRecord,
    OperationRecord,
    StoredTicket,
)
from syncd.store.spool import Spool
from syncd.store.tx import Tx
from tests.simulation.traits import Profile
from tests.simulation.vendor import KIND, Vendor
from tests.support.clock import FakeClock
from tests.support.mappings import mapping

DESK, CARRIER = ConnectionName("desk"), ConnectionName("carrier")
MAPPING_NAME = MappingName("test")
ROUNDS_MAX = 30

T = TypeVar("T")


class CountingIds:
    """Half of every jitter, and tokens that count."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def token(self, chars: int) -> str:
        return f"{next(self._count):0{chars}x}"

    def jitter(self) -> float:
        return 0.5


class World:
    """What the tests of intake stand on."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        self.clock = FakeClock()
        self.desk = Vendor(self.clock, "d", Profile(reading=Reading.WATCH))
        self.carrier = Vendor(self.clock, "v", Profile())
        self.vendors = {DESK: self.desk, CARRIER: self.carrier}
        self.rules: tuple[MappingRules, ...] = (rules(),)
        self.ids = CountingIds()
        self.options = IntakeOptions()
        self.owner = "test"
        self.spool = Spool(folder / "spool")
        self.build()

    def build(self) -> None:
        """Start intake and delivery anew, as after a restart."""
        self.config = IntakeConfig(
            mappings={each.name: each for each in self.rules},
            adapters=dict(self.vendors),
            traits={name: vendor.traits() for name, vendor in self.vendors.items()},
            paces=dict.fromkeys(self.vendors, WatchPace()),
            revision="r1",
        )
        ports = IntakePorts(db=self.db, clock=self.clock, ids=self.ids, prefix="test")
        self.intake = Intake(ports, self.config, options=self.options)
        live = frozenset(each.name for each in self.rules if each.mode is MappingMode.LIVE)
        self.delivery = Delivery(
            self.db,
            dict(self.vendors),
            self.spool,
            clock=self.clock,
            ids=self.ids,
            options=Options(owner=self.owner, retry=RetryPolicy(attempts_max=5), verify_tries=1),
            hooks=Hooks(live_mappings=lambda: live),
        )

    async def set_up(self) -> None:
        """Make the store know connections and mappings, as app does."""

        def unit(tx: Tx) -> None:
            for name in self.vendors:
                connections.pin(tx, ConnectionPin(name=name, provider="m", base_host="m"))

        await self.db.write(unit)
        await self.configure(*self.rules)

    async def configure(self, *rules: MappingRules) -> None:
        """Work with other mappings from now on."""
        self.rules = rules

        def unit(tx: Tx) -> None:
            for each in rules:
                mappings.sync(
                    tx,
                    each.name,
                    mode=each.mode,
                    revision=each.revision,
                    now=self.clock.now(),
                    sides=[(each.connection(side), each.kind(side)) for side in Side],
                )

        await self.db.write(unit)
        self.build()

    # --- what happens ------------------------------------------------------------------------

    async def notify(self, *ticket_ids: TicketId) -> None:
        """The desk's webhook names tickets."""
        await self.push(orjson.dumps({"numbers": [self.desk.number(x) for x in ticket_ids]}))

    async def push(self, body: bytes, connection: ConnectionName = DESK) -> None:
        """Something is pushed."""
        await self.db.write(
            inbox.put,
            connection,
            "notify",
            body.decode(),
            received_at=self.clock.now(),
            received_from="10.1.4.7",
        )

    async def read(self) -> None:
        """Poll the carrier, read and decide what is due."""
        await self.intake.poll(CARRIER)
        await self.intake.drain()

    async def deliver(self) -> None:
        """Carry out what is due."""
        for _ in range(ROUNDS_MAX):
            if not (await self.delivery.run_round()).claimed:
                return

    async def settle(self, rounds: int = 8, seconds: float = 10.0) -> None:
        """Let everything come to rest."""
        for _ in range(rounds):
            await self.read()
            await self.deliver()
            self.clock.advance(seconds)
        await self.read()

    def noc(self, **fields: str) -> TicketId:
        """A person at the desk opens a ticket that matches."""
        return self.desk.open(
            **{"title": "Link down", "description": "d", "priority": "1", "assigned_group": "NOC"}
            | fields
        )

    async def linked(self, **fields: str) -> tuple[TicketId, TicketId]:
        """Have a ticket of the desk with its partner, at rest."""
        itsm = self.noc(**fields)
        await self.notify(itsm)
        await self.settle()
        return itsm, await self.partner(itsm)

    async def create_by_us(self, **fields: str) -> Write:
        """Have a create that is being sent; give it as it would be sent."""
        itsm = self.noc(**fields)
        await self.notify(itsm)
        await self.read()
        (create,) = await self.ops(WriteKind.CREATE)
        return Write(
            kind=WriteKind.CREATE, key=create.key, ticket_kind=KIND, fields={"title": "Link down"}
        )

    # --- looking -----------------------------------------------------------------------------

    async def ops(self, kind: WriteKind | None = None) -> list[OperationRecord]:
        """What is open or parked."""
        found = await self.db.read(operations.list_operations)
        return [each for each in found if kind in (None, each.kind)]

    async def links(self) -> list[LinkOverview]:
        """All links that are not removed."""
        return await self.db.read(links.overview)

    async def link(self) -> LinkRecord:
        """The only link."""
        (found,) = await self.links()
        return found.link

    async def row(self, vendor: Vendor, ticket_id: TicketId) -> TicketRow:
        """A ticket's row."""
        name = next(name for name, each in self.vendors.items() if each is vendor)
        number = vendor.number(ticket_id)
        found = await self.db.read(lambda tx: tickets.find(tx, name, number=number))
        assert found is not None, f"{number} is not known"
        return found

    async def stored(self, vendor: Vendor, ticket_id: TicketId) -> StoredTicket:
        """A ticket as the store knows it."""
        row = await self.row(vendor, ticket_id)
        return (await self.db.read(tickets.load_tickets, [row]))[row]

    async def partner(self, itsm: TicketId) -> TicketId:
        """The carrier's ticket of a ticket of the desk."""
        row = await self.row(self.desk, itsm)

        def unit(tx: Tx) -> TicketId | None:
            rows = [
                link.rows[Side.VENDOR]
                for link in links.links_of(tx, row)
                if Side.VENDOR in link.rows
            ]
            found = tickets.load_tickets(tx, rows).values()
            return next((each.external_id for each in found), None)

        found = await self.db.read(unit)
        assert found is not None, f"{itsm} has no partner"
        return found

    async def lines(self, event: str) -> list[str]:
        """Details of all journal lines of an event."""
        found = await self.db.read(journal.tail, limit=1_000)
        return [each.line.detail for each in found if each.line.event == event]

    async def events(self) -> list[str]:
        """All events journalled, in order."""
        found = await self.db.read(journal.tail, limit=1_000)
        return [each.line.event for each in found]

    async def run(self, unit: Callable[..., T], *args: object, **more: object) -> T:
        """An operator's command, or another unit, at this moment."""
        return await self.db.write(unit, *args, now=self.clock.now(), **more)

    def now(self) -> datetime:
        return self.clock.now()


def rules(conflict: ConflictPolicy = ConflictPolicy.ITSM, **changes: object) -> MappingRules:
    """The small mapping of the core's tests, between desk and carrier."""
    names = {"itsm": DESK, "vendor": CARRIER, "itsm_kind": KIND, "vendor_kind": KIND}
    made = replace(mapping(conflict), revision="r1")
    return replace(made, **(names | changes))  # type: ignore[arg-type]
