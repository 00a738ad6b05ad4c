"""Creates through the gateway at a steady 200 a second, while a tenth of them is synced on.

The daemon runs as a process of its own with a served connection and a mapping that opens every
tenth ticket at a simulated carrier. Each create is due at its own moment and timed from then, so
that one slow answer is not hidden by those that wait behind it. Floor: the same requests to an
empty aiohttp handler that stores the body with one durable commit (commit_server).
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa

from syncd.store import tables
from syncd.store.database import Database
from tests.bench import daemon, process, world
from tests.bench.harness import Bench, Round, Row, Setting, in_turns, judged
from tests.bench.latency import percentile
from tests.support.issuer import Issuer, running

ROW = "served-create-p99"
PER_S = 200
SECONDS = 30
QUICK_SECONDS = 5
SYNCED_EVERY = 10
"""Every so many tickets are the carrier's as well."""
LATE_S = 30.0

CONFIG = """\
environment: bench
store: {url: "sqlite:///$folder/syncd.db", key: {file: "$folder/key"}}
http: {listen: "127.0.0.1:0"}
log: {level: warning, format: json}
connections:
  automation:
    provider: smartops
    mode: serve
    serve: {realms: [{issuer: "$issuer", audience: syncd, role: raise-tickets}]}
    phases: {open: [New], resolved: [Resolved], closed: [Closed]}
"""

RULES = """\
mapping: bench
mode: live
itsm: {connection: automation}
vendor: {connection: telenor-no, kind: incident}
open:
  to_vendor: {when: {assigned_group: Telenor NOC, phase: open}}
  since: first_live
  at_most: 1000000/h
references:
  on_vendor: {marker: description}
fields:
  to_vendor:
    title: title
    description: {from: description, changes: ignore}
    organization_number: {value: "912345678"}
    product_category_name: {value: Ethernet Connect}
    incident_type: {value: Annen type feil}
    identification_number: {value: LU-12345678}
status:
  to_itsm: {New: nothing, Solved: nothing, Customer Accepted: nothing, unknown: nothing}
  to_vendor: {New: nothing, Resolved: nothing, Closed: nothing, unknown: nothing}
"""


class Doubled(Exception):
    """A create failed, is missing, or is there twice."""


@dataclass(slots=True)
class Load:
    """One stretch of creates.

    Attributes:
        taken_ms: from the moment each was due until its answer.
        failed: answers that were none, or not the right one.
    """

    taken_ms: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def body(number: int) -> dict[str, Any]:
    """Give a create of a usual size."""
    group = "Telenor NOC" if number % SYNCED_EVERY == 0 else "Service Desk"
    return {
        "ticketJSON": {
            "shortDescription": f"Link down at site {number}",
            "longDescription": "Both routers are dark since 02:50. " * 8,
            "assignedGroup": group,
            "ticketPriority": "2",
        },
        "ticketFields": ["sysId", "ticketNumber", "ticketStatus"],
        "connectionDetails": {"itsmVersion": "7"},
    }


async def drive(url: str, headers: dict[str, str], *, seconds: float, first: int) -> Load:
    """Send creates, each at its own moment."""
    load = Load()
    connector = aiohttp.TCPConnector(limit=128)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(number: int, due_s: float) -> None:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            try:
                key = {"Idempotency-Key": f"bench-{number}"}
                async with session.post(url, json=body(number), headers=key) as answer:
                    told = await answer.json()
                    if (answer.status, told["statusCode"]) != (200, "200"):
                        load.failed.append(f"{answer.status} {told}")
            except (aiohttp.ClientError, TimeoutError) as err:
                load.failed.append(f"{type(err).__name__}: {err}")
            load.taken_ms.append((time.monotonic() - due_s) * 1e3)

        began_s = time.monotonic() + 0.5
        count = int(PER_S * seconds)
        async with asyncio.timeout(seconds + LATE_S), asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(one(first + number, began_s + number / PER_S))
    return load


async def run(setting: Setting) -> list[Row]:
    """Drive the empty handler and the gateway in turns."""
    seconds = QUICK_SECONDS if setting.quick else SECONDS
    async with (
        running(Issuer(now=lambda: datetime.now(UTC))) as issuer,
        world.sandboxes(setting.folder, carrier={"provider": "telenor"}) as told,
        process.child("commit_server", str(setting.folder / "floor.db")) as floor,
    ):
        floor_url = (await floor.hears())["url"]
        path = world.configure_carrier(
            setting.folder / "served", CONFIG, RULES, flights=8,
            issuer=issuer.iss, carrier=told["carrier"]["url"],
        )  # fmt: skip
        async with daemon.running(path):
            port = path.with_name("port").read_text(encoding="ascii").strip()
            url = f"http://127.0.0.1:{port}/smartops/automation/itsm/tickets/create"
            sent = 0

            async def least() -> float:
                return _judged(await drive(floor_url, {}, seconds=seconds, first=0))

            async def ours() -> float:
                nonlocal sent
                login = {"Authorization": f"Bearer {issuer.token(exp=int(time.time()) + 3600)}"}
                load = await drive(url, login, seconds=seconds, first=sent)
                sent += len(load.taken_ms)
                return _judged(load)

            rounds: list[Round] = await in_turns(setting, ROW, least, ours)
            await _check_stored(path, sent)
    note = (
        f"{sent} creates at {PER_S} a second, none refused, each stored once, every"
        f" {SYNCED_EVERY}th synced on; floor: p99 of one commit behind an empty handler"
    )
    return [judged(ROW, rounds, unit="ms", goal=None, note=note)]


def _judged(load: Load) -> float:
    if load.failed:
        raise Doubled(f"{len(load.failed)} of {len(load.taken_ms)} failed: {load.failed[0]}")
    return percentile(load.taken_ms)


async def _check_stored(path: Path, sent: int) -> None:
    tickets, calls = tables.served_ticket, tables.served_call
    async with await Database.open(f"sqlite:///{path.with_name('syncd.db')}", read_only=True) as db:
        stored = await db.read(
            lambda tx: tx.scalar(sa.select(sa.func.count()).select_from(tickets))
        )
        keys = await db.read(
            lambda tx: tx.scalar(
                sa.select(sa.func.count(calls.c.sys_id.distinct())).where(calls.c.caller != "")
            )
        )
    if not stored == keys == sent:
        raise Doubled(f"{sent} creates were answered, {stored} are stored under {keys} keys")


def benches() -> Sequence[Bench]:
    return [Bench(rows=(ROW,), run=run)]
