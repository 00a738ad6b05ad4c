"""From a change read to the first byte of its delivery, with intake and delivery running.

People at the desk change or comment linked tickets, at random moments but not all at once; the
desk's webhook names the ticket; intake reads it, decides and plans; delivery sends. Timed is from
the moment the read has given the ticket to the moment the write for its partner may leave.
Floor: two commits, one after the other, in a SQLite file of its own on the same disk: the least
that storing an operation, and the fact that it is being sent, costs (DESIGN R2).
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.intake.service import Intake, IntakePorts
from syncd.model.ticket import Ticket
from syncd.ports.adapter import Adapter, TicketRef
from syncd.store import inbox, links
from syncd.store.spool import Spool
from syncd.store.tx import Tx
from syncd.transport.wirelog import Exchange
from tests.bench import world
from tests.bench.adapter import new_metrics
from tests.bench.delivery import quiet_log
from tests.bench.harness import Bench, Goal, Round, Row, Setting, judged

ROW = "seen-to-first-byte-p99"
CHANGES = 300
QUICK_CHANGES = 100
PER_S = 5.0
"""Changes a second, on average."""
OPENING_S = 120.0
ROUND_S = 60.0
PERCENTILE = 0.99


class Reading:
    """An adapter that notes when each read has given its ticket."""

    def __init__(self, adapter: Adapter, read_s: dict[str, float]) -> None:
        self._adapter = adapter
        self._read_s = read_s

    async def read(self, ref: TicketRef) -> Ticket:
        ticket = await self._adapter.read(ref)
        self._read_s[ticket.number] = time.monotonic()
        return ticket

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


@dataclass(slots=True)
class Stopwatch:
    """Joins reads with the first write to the partner.

    Attributes:
        partners: vendor's ticket id -> number of the desk's ticket.
        read_s: number -> when its newest read was done.
        waiting: numbers whose change is under way.
        taken_ms: measured.
    """

    partners: dict[str, str] = field(default_factory=dict)
    read_s: dict[str, float] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    taken_ms: list[float] = field(default_factory=list)
    all_there: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, numbers: Sequence[str]) -> None:
        self.waiting = set(numbers)
        self.taken_ms = []
        self.all_there.clear()

    def exchanged(self, exchange: Exchange) -> None:
        if not exchange.is_write or exchange.connection != world.CARRIER:
            return
        began_s = time.monotonic() - exchange.duration_s
        number = next(
            (self.partners[part] for part in exchange.path.split("/") if part in self.partners), ""
        )
        if number not in self.waiting:
            return
        self.waiting.discard(number)
        self.taken_ms.append((began_s - self.read_s[number]) * 1e3)
        if not self.waiting:
            self.all_there.set()


@dataclass(slots=True, kw_only=True)
class Stage:
    """What plays, built once."""

    here: world.World
    desk: world.People
    watch: Stopwatch
    wake: asyncio.Event
    rng: random.Random
    numbers: list[str] = field(default_factory=list)

    async def notify(self, *numbers: str) -> None:
        """Do what the gateway does with a webhook's call."""
        await self.here.db.write(
            inbox.put,
            world.DESK,
            "notify",
            orjson.dumps({"numbers": numbers}).decode(),
            received_at=self.here.clock.now(),
            received_from="bench",
        )
        self.wake.set()

    async def open(self, count: int) -> None:
        """Open tickets at the desk and wait until each has its partner."""
        for number in range(count):
            fields = {
                "shortDescription": f"Link down at site {number}",
                "longDescription": "Both routers are dark since 02:50. " * 8,
                "assignedGroup": world.GROUP,
                "ticketPriority": "2",
                "ticketStatus": "New",
            }
            await self.desk.act("create", fields=fields, by="Kari")
        self.numbers = [ticket["number"] for ticket in await self.desk.tickets()]
        await self.notify(*self.numbers)
        async with asyncio.timeout(OPENING_S):
            while len(self.watch.partners) < count:
                await asyncio.sleep(0.2)
                self.watch.partners = await self.here.db.read(_partners)
        await asyncio.sleep(2.0)  # the reads that follow the writes

    async def play(self, turn: int) -> list[float]:
        """Change every ticket once; gives the milliseconds of each."""
        order = list(self.numbers)
        self.rng.shuffle(order)
        self.watch.expect(order)
        async with asyncio.timeout(ROUND_S + len(order) / PER_S):
            for place, number in enumerate(order):
                if place % 2:
                    await self.desk.act(
                        "comment", ticket=number, text=f"Any news, {turn}?", by="Kari"
                    )
                else:
                    fields = {"shortDescription": f"Link down, {turn}"}
                    await self.desk.act("update", ticket=number, fields=fields, by="Kari")
                await self.notify(number)
                await asyncio.sleep(self.rng.expovariate(PER_S))
            await self.watch.all_there.wait()
        return self.watch.taken_ms


def _partners(tx: Tx) -> dict[str, str]:
    known = {}
    for overview in links.overview(tx):
        link = links.load_link(tx, overview.link.id)
        if len(link.tickets) == 2:
            itsm, vendor = (link.tickets[side] for side in sorted(link.tickets))
            known[str(vendor.id)] = itsm.number
    return known


def percentile(values: Sequence[float], share: float = PERCENTILE) -> float:
    """Give the smallest value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 1).__int__() - 1)]


def two_commits(folder: Path, times: int) -> float:
    """Give p99 milliseconds of two durable commits in a row."""
    path = folder / "floor.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, text TEXT)")
    taken_ms = []
    for _ in range(times):
        began = time.monotonic()
        for _ in range(2):
            connection.execute("INSERT INTO line (text) VALUES (?)", ("x" * 500,))
        taken_ms.append((time.monotonic() - began) * 1e3)
    connection.close()
    return percentile(taken_ms)


async def run(setting: Setting) -> list[Row]:
    """Open linked tickets, then measure rounds of changes."""
    count = QUICK_CHANGES if setting.quick else CHANGES
    specs: dict[str, dict[str, Any]] = {
        "desk": {"provider": "smartops"},
        "carrier": {"provider": "telenor"},
    }
    async with (
        world.sandboxes(setting.folder, **specs) as told,
        aiohttp.ClientSession() as session,
    ):
        path = world.configure(
            setting.folder / "config", desk=told["desk"]["url"], carrier=told["carrier"]["url"]
        )
        with quiet_log():
            async with world.alive(path) as here:
                desk = world.People(session, told["desk"]["url"])
                rounds = await _measure(setting, here, desk, count)
    note = f"SQLite, {count} changes at {PER_S:.0f} a second; floor: p99 of two commits"
    return [judged(ROW, rounds, unit="ms", goal=Goal(bound=50), note=note)]


async def _measure(
    setting: Setting, here: world.World, desk: world.People, count: int
) -> list[Round]:
    watch = Stopwatch()
    here.wire.told.append(watch.exchanged)
    adapters = dict(here.plant.adapters)
    adapters[world.DESK] = Reading(adapters[world.DESK], watch.read_s)
    wake, ring = asyncio.Event(), asyncio.Event()
    stage = Stage(here=here, desk=desk, watch=watch, wake=wake, rng=random.Random(7))
    intake = Intake(
        IntakePorts(db=here.db, clock=here.clock, ids=here.ids, prefix="bench"),
        replace(here.plant.intake_config(), adapters=adapters),
        wake=wake,
        delivery_wake=ring,
    )
    delivery = _delivery(setting, here, ring)
    await delivery.recover()
    stop = asyncio.Event()
    running = [asyncio.create_task(service.run(stop)) for service in (intake, delivery)]
    try:
        setting.say(f"{ROW}: opening {count} tickets")
        await stage.open(count)
        rounds = []
        for turn in range(1, setting.rounds + 1):
            least = two_commits(setting.folder, count)
            taken_ms = await stage.play(turn)
            p99 = percentile(taken_ms)
            setting.say(
                f"{ROW} {turn}/{setting.rounds}: p50 {percentile(taken_ms, 0.5):.1f} ms, "
                f"p99 {p99:.1f} ms, two commits p99 {least:.1f} ms"
            )
            rounds.append(Round(value=p99, floor=least))
        return rounds
    finally:
        stop.set()
        wake.set()
        ring.set()
        await asyncio.gather(*running)


def _delivery(setting: Setting, here: world.World, ring: asyncio.Event) -> Delivery:
    live: Callable[[], frozenset[Any]] = lambda: frozenset({world.MAPPING})  # noqa: E731
    return Delivery(
        here.db,
        here.plant.adapters,
        Spool(setting.folder / "spool"),
        clock=here.clock,
        ids=here.ids,
        options=Options(owner="bench", concurrency=32),
        hooks=Hooks(live_mappings=live, doorbell=ring, metrics=new_metrics()),
    )


def benches() -> Sequence[Bench]:
    return [Bench(rows=(ROW,), run=run)]
