"""What a large attachment adds to the daemon's memory on its way between two Telenor connections.

It is downloaded into the spool, uploaded from there, and read back to be compared; run by itself
this module does that in a fresh process: first with a small file, so that all code is there, then
with the large one, whose peak counts.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import structlog
import uvloop

from syncd.core.state import ItemKind, ItemPair, Plan, PlannedOperation, Reason
from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.model.ids import (
    AttachmentId,
    ConnectionName,
    CorrelationId,
    LinkRow,
    MappingName,
    OperationKey,
    Side,
    TicketId,
)
from syncd.model.operation import AttachmentDraft, WriteKind
from syncd.model.outbox import OutcomeKind
from syncd.model.ticket import Ticket
from syncd.ports.adapter import TicketRef
from syncd.store import links, mappings, plans, tickets
from syncd.store.records import PlanContext
from syncd.store.spool import Spool
from syncd.store.tx import Tx
from tests.bench import process, world
from tests.bench.delivery import quiet_log
from tests.bench.harness import Bench, Goal, Round, Row, Setting, judged

KIND = "incident"
SOURCE, TARGET = ConnectionName("from"), ConnectionName("to")
MAPPING = MappingName("files")
SIZES = {"attachment-500MB": 500_000_000, "attachment-1GB": 1_000_000_000}
QUICK_SHARE = 10
"""Files are so much smaller with --quick."""
GOAL_MB = 8
ROUND_S = 600.0


# --- in the child --------------------------------------------------------------------------------


async def _carry(here: world.World, told: dict[str, Any], folder: Path) -> dict[str, Any]:
    refs = {
        Side.ITSM: (SOURCE, TicketRef(kind=KIND, id=TicketId(told["source"]["tickets"][0]))),
        Side.VENDOR: (TARGET, TicketRef(kind=KIND, id=TicketId(told["target"]["tickets"][0]))),
    }
    read = {side: await here.plant.adapters[name].read(ref) for side, (name, ref) in refs.items()}
    link = await here.db.write(_link, read, here.clock.now())
    delivery = Delivery(
        here.db,
        here.plant.adapters,
        Spool(folder / "spool"),
        clock=here.clock,
        ids=here.ids,
        options=Options(owner="bench"),
        hooks=Hooks(live_mappings=lambda: frozenset({MAPPING}), log=structlog.get_logger()),
    )
    await delivery.recover()
    await _send(here, delivery, link, told["source"]["small"])
    process.forget_peak()
    held_mb, began_s = process.resident_mb(), time.perf_counter()
    await _send(here, delivery, link, told["source"]["attachment"])
    return {
        "grown_mb": max(0.0, process.peak_mb() - held_mb),
        "held_mb": held_mb,
        "seconds": time.perf_counter() - began_s,
    }


def _link(tx: Tx, read: dict[Side, Ticket], now: Any) -> LinkRow:
    mappings.sync(tx, MAPPING, mode="live", revision="r1", now=now)
    rows = {}
    for side, name in ((Side.ITSM, SOURCE), (Side.VENDOR, TARGET)):
        rows[side] = tickets.ensure_ticket(tx, name, KIND, external_id=read[side].id, now=now)
        due = tickets.due_read(tx, rows[side])
        assert due is not None
        tickets.save_read(tx, due, read[side], now=now)
    return links.add_link(
        tx,
        mapping=MAPPING,
        itsm_row=rows[Side.ITSM],
        vendor_row=rows[Side.VENDOR],
        by="bench",
        now=now,
    )


async def _send(here: world.World, delivery: Delivery, link: LinkRow, attachment: str) -> None:
    draft = AttachmentDraft(
        source_id=AttachmentId(attachment), name="disk.img", content_type="application/octet-stream"
    )
    operation = PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.ATTACHMENT,
        reason=Reason.ATTACHED,
        attachment=draft,
        item=(ItemKind.ATTACHMENT, Side.ITSM, attachment),
    )
    pair = ItemPair(kind=ItemKind.ATTACHMENT, origin=Side.ITSM, source_id=attachment)

    def unit(tx: Tx) -> None:
        now = here.clock.now()
        context = PlanContext(
            new_key=lambda: OperationKey(f"bench-{here.ids.token(12)}"),
            correlation_id=CorrelationId("c1"),
            seen_at=now,
            now=now,
        )
        plans.apply_plan(tx, link, Plan(operations=(operation,), pairs=(pair,)), context)

    await here.db.write(unit)
    result = await delivery.run_round()
    if result.count(OutcomeKind.APPLIED) != 1:
        raise AssertionError(f"the attachment did not arrive: {result}")


async def _child(path: Path, told: dict[str, Any]) -> dict[str, Any]:
    async with world.alive(path) as here:
        return await _carry(here, told, path.parent)


def main() -> None:
    path, told = Path(sys.argv[1]), orjson.loads(sys.argv[2])
    with quiet_log():
        process.tell(uvloop.run(_child(path, told)))


# --- in the parent -------------------------------------------------------------------------------


async def _round(setting: Setting, size_bytes: int, name: str) -> dict[str, Any]:
    options = {"attachment_max_bytes": 4_000_000_000}
    shared = {"provider": "telenor", "incidents": 1, "options": options}
    specs = {"source": {**shared, "file_bytes": size_bytes}, "target": shared}
    folder = setting.inside(name).folder
    async with world.sandboxes(folder, **specs) as told:
        path = world.configure_two_carriers(
            folder / "config", source=told["source"]["url"], target=told["target"]["url"]
        )
        async with process.child("attachments", str(path), orjson.dumps(told).decode()) as child:
            found: dict[str, Any] = await child.hears(ROUND_S)
        for file in (path.parent / "spool").iterdir():
            await asyncio.to_thread(file.unlink)
    return found


async def run(setting: Setting) -> list[Row]:
    """Carry each size, every round in a fresh process and to fresh sandboxes."""
    rows = []
    for name, full_bytes in SIZES.items():
        if not setting.wants(name):
            continue
        size_bytes = full_bytes // QUICK_SHARE if setting.quick else full_bytes
        rounds = []
        for number in range(1, setting.rounds + 1):
            found = await _round(setting, size_bytes, f"{name}-{number}")
            rounds.append(Round(value=found["grown_mb"]))
            setting.say(
                f"{name} {number}/{setting.rounds}: {found['grown_mb']:.1f} MB more than "
                f"{found['held_mb']:.0f}, {found['seconds']:.1f} s"
            )
        note = f"{size_bytes / 1e6:.0f} MB down, up and read back, between two Telenor connections"
        rows.append(judged(name, rounds, unit="MB", goal=Goal(bound=GOAL_MB), note=note))
    return rows


def benches() -> Sequence[Bench]:
    return [Bench(rows=tuple(SIZES), run=run)]


if __name__ == "__main__":
    main()
