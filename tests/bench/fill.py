"""Stores with many links at rest: rows as they are long after the tickets were opened."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from syncd.core.state import MET, BaselineState
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.store import codec
from syncd.store import tables as t
from syncd.store.database import Database
from syncd.store.records import LinkPhase
from syncd.store.tx import Tx
from tests.bench import outbox

AT = datetime(2026, 2, 1, 12, tzinfo=UTC)
CHUNK = 5_000
SLOTS = ("to_vendor.title", "to_vendor.description", "both.priority", "status", MET)


async def fill(
    db: Database,
    vendor_ids: Sequence[str],
    *,
    mapping: MappingName,
    sides: dict[Side, tuple[ConnectionName, str]],
) -> None:
    """Add a link for each vendor ticket, with its partner, snapshots and baselines."""
    for start in range(0, len(vendor_ids), CHUNK):
        await db.write(_add, vendor_ids[start : start + CHUNK], start + 1, mapping, sides)


def _add(
    tx: Tx,
    vendor_ids: Sequence[str],
    first: int,
    mapping: MappingName,
    sides: dict[Side, tuple[ConnectionName, str]],
) -> None:
    tickets: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    baselines: list[dict[str, Any]] = []
    for number, vendor_id in enumerate(vendor_ids, start=first):
        ids = {Side.ITSM: f"sys{number:029x}", Side.VENDOR: vendor_id}
        rows = {Side.ITSM: 2 * number, Side.VENDOR: 2 * number + 1}
        tickets += [_ticket(rows[side], side, sides[side], ids[side], number) for side in Side]
        links.append(_link(number, rows, mapping))
        baselines += [_baseline(number, side, slot) for side in Side for slot in SLOTS]
    for table, values in ((t.ticket, tickets), (t.link, links), (t.baseline, baselines)):
        tx.run(sa.insert(table), values)


def _ticket(
    row: int, side: Side, home: tuple[ConnectionName, str], external_id: str, number: int
) -> dict[str, Any]:
    text, digest = codec.encode_ticket(outbox.ticket(side, number))
    return {
        "id": row, "connection": home[0], "kind": home[1], "external_id": external_id,
        "number": f"{side[0].upper()}{number:07}", "snapshot": text, "digest": digest,
        "provider_created_at": AT, "write_epoch": 2, "sight_epoch": 1, "cause": "", "read_at": AT,
        "read_failures": 0, "read_error": "", "watched": False, "stray": False,
        "first_seen_at": AT,
    }  # fmt: skip


def _link(number: int, rows: dict[Side, int], mapping: MappingName) -> dict[str, Any]:
    return {
        "id": number, "mapping": mapping, "itsm_ticket": rows[Side.ITSM],
        "vendor_ticket": rows[Side.VENDOR], "origin": Side.ITSM, "partner_connection": "",
        "partner_kind": "", "phase": LinkPhase.OPEN, "added_by": "", "created_at": AT,
    }  # fmt: skip


def _baseline(number: int, side: Side, slot: str) -> dict[str, Any]:
    return {
        "link": number, "side": side, "slot": slot, "value": codec.dump(f"value of {number}"),
        "state": BaselineState.AGREED,
    }  # fmt: skip
