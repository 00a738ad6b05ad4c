"""A quiet pass: 100,000 known tickets are listed again and nothing changed.

Floor: the pages are parsed. Ours: they are parsed, every ticket becomes a sighting with its digest,
and the store compares them all, poll by poll (as many pages as one poll reads). Run by itself
this module makes one round in a fresh process, so that memory is not somebody else's.
"""

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import sqlalchemy as sa
import uvloop

from syncd.model.features import Limits
from syncd.model.ids import ConnectionName, Side, TicketId
from syncd.ports.adapter import Sighting, TicketRef
from syncd.store import codec, connections, tickets
from syncd.store import tables as t
from syncd.store.database import Database
from syncd.store.records import ConnectionPin
from syncd.store.tx import Tx
from tests.bench import outbox, process
from tests.bench.harness import Bench, Goal, Round, Row, Setting, judged

TICKETS = 100_000
QUICK_TICKETS = 10_000
CONNECTION = ConnectionName("vendor")
KIND = "case"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAGE = Limits().page_size
PAGES = Limits().pages_max
DIGEST_BYTES = 16
ROUND_S = 300.0

CPU, MEMORY, WRITES = "quiet-pass-cpu", "quiet-pass-memory", "quiet-pass-writes"


def pages(count: int) -> Iterator[list[bytes]]:
    """Give the pages of each poll, as a vendor's list would come over the wire."""
    for first in range(0, count, PAGE * PAGES):
        last = min(count, first + PAGE * PAGES)
        yield [
            orjson.dumps([_item(number) for number in range(start, min(last, start + PAGE))])
            for start in range(first, last, PAGE)
        ]


def _item(number: int) -> dict[str, Any]:
    return {
        "id": f"5004E00000{number:08}QAE",
        "number": f"Case-{number:08}",
        "subject": f"Link down at site {number}",
        "status": "In Progress",
        "priority": "Critical",
        "category": "Ethernet Connect",
        "account": {"id": "0014E000020", "name": "Acme"},
        "contact": {"name": "Kari Nordmann", "email": "kari@acme.example", "phone": "+4722000000"},
        "site": f"Site {number % 500}",
        "created": "2026-02-27T11:22:33Z",
        "modified": "2026-02-28T12:34:56Z",
    }


def _sighting(item: dict[str, Any]) -> Sighting:
    text = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    return Sighting(
        ref=TicketRef(kind=KIND, id=TicketId(item["id"]), number=item["number"]),
        digest=hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest(),
    )


def parse(polls: Sequence[list[bytes]]) -> None:
    """Do what reading the answers takes, whoever reads them."""
    for poll in polls:
        for page in poll:
            orjson.loads(page)


async def compare(db: Database, polls: Sequence[list[bytes]]) -> tuple[int, float]:
    """Make a pass; returns how many tickets became due, and the store's share of its seconds."""
    due, stored_s = 0, 0.0
    for poll in polls:
        sightings = [_sighting(item) for page in poll for item in orjson.loads(page)]
        began = time.process_time()
        due += await db.write(tickets.sight, CONNECTION, KIND, sightings, now=AT)
        stored_s += time.process_time() - began
    return due, stored_s


async def _fill(url: str, count: int) -> None:
    async with await Database.open(url, upgrade=True) as db:
        pin = ConnectionPin(name=CONNECTION, provider="bench", base_host="bench")
        await db.write(connections.pin, pin)
        due, _ = await compare(db, list(pages(count)))
        if due != count:
            raise AssertionError("a first pass makes every ticket known")
        await db.write(_read_all)


def _read_all(tx: Tx) -> None:
    # As after the first reads: rows are as large as tickets are.
    text, digest = codec.encode_ticket(outbox.ticket(Side.VENDOR, 1))
    tx.run(sa.update(t.ticket).values(snapshot=text, digest=digest, read_due_at=None, read_at=AT))


async def _once(url: str, count: int) -> dict[str, float]:
    """Measure floor and ours once, in this process."""
    polls = list(pages(count))
    async with await Database.open(url) as db:
        await compare(db, [poll[:1] for poll in polls[:1]])
        parse(polls[:1])
        before = await db.write(_changes)
        began = time.process_time()
        parse(polls)
        parsed = time.process_time()
        process.forget_peak()
        held_mb = process.resident_mb()
        parsed_again = time.process_time()
        due, stored_s = await compare(db, polls)
        done = time.process_time()
        grown_mb = process.peak_mb() - held_mb
        written = await db.write(_changes) - before
    if due:
        raise AssertionError(f"{due} tickets became due in a quiet pass")
    return {
        "floor_us": (parsed - began) / count * 1e6,
        "ours_us": (done - parsed_again) / count * 1e6,
        "store_us": stored_s / count * 1e6,
        "grown_mb": max(0.0, grown_mb),
        "writes": written,
    }


def _changes(tx: Tx) -> int:
    raw = tx.connection.connection.driver_connection
    assert raw is not None
    return int(raw.total_changes)


def main() -> None:
    url, count = sys.argv[1:]
    process.tell(uvloop.run(_once(url, int(count))))


# --- in the parent -------------------------------------------------------------------------------


async def run(setting: Setting) -> list[Row]:
    """Measure a pass of the size that was asked for."""
    return await passes(setting, QUICK_TICKETS if setting.quick else TICKETS)


async def passes(setting: Setting, count: int) -> list[Row]:
    """Measure passes over so many tickets, each in a process of its own."""
    url = f"sqlite:///{Path(setting.folder) / 'quiet.db'}"
    setting.say(f"quiet pass: making a store with {count} tickets")
    await _fill(url, count)
    cpu, memory, writes, store_us = [], [], [], []
    for number in range(1, setting.rounds + 1):
        async with process.child("quiet", url, str(count)) as child:
            told = await child.hears(ROUND_S)
        beyond_us = told["ours_us"] - told["floor_us"]
        setting.say(
            f"quiet pass {number}/{setting.rounds}: parsing {told['floor_us']:.2f} µs, beyond it "
            f"{beyond_us:.2f} µs a ticket ({told['store_us']:.2f} the store), "
            f"{told['grown_mb']:.1f} MB, {told['writes']} writes"
        )
        cpu.append(Round(value=beyond_us, floor=told["floor_us"]))
        memory.append(Round(value=told["grown_mb"]))
        writes.append(Round(value=told["writes"]))
        store_us.append(told["store_us"])
    note = f"beyond parsing, {median(store_us):.1f} of it the store; {count} tickets"
    grown = "growth at its peak, filling the page cache included"
    return [
        judged(CPU, cpu, unit="µs/ticket", goal=Goal(bound=5), note=note),
        judged(MEMORY, memory, unit="MB", goal=Goal(bound=20), note=grown),
        judged(WRITES, writes, unit="rows", goal=Goal(bound=0)),
    ]


def benches() -> Sequence[Bench]:
    return [Bench(rows=(CPU, MEMORY, WRITES), run=run)]


if __name__ == "__main__":
    main()
