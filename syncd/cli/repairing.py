"""Making drift count as a change, so that the next decision carries it (a unit of the store).

It writes no operation itself: the daemon decides anew, by its own rules, on what is there then.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syncd.cli.facts.drift import LOST, Drifted, DriftedField
from syncd.core.slots import STATUS
from syncd.core.state import BaselineMove, Note, Plan
from syncd.model.errors import BrokenInvariant
from syncd.model.ids import CorrelationId, LinkRow, OperationKey, Side
from syncd.model.ticket import Missing
from syncd.store import links, plans, tickets
from syncd.store.database import Tx
from syncd.store.records import PlanContext

COMMAND = "reconcile.repair"
"""Its name on a daemon's socket."""


def arguments(drifted: Drifted, *, with_status: bool) -> dict[str, object]:
    """Say what is to count as changed, JSON-like; `moves` is empty when there is nothing."""
    moves: list[dict[str, object]] = []
    for each in drifted.fields:
        if each.slot != STATUS or with_status:
            moves += _moves(each)
    for conflict in drifted.conflicts:
        if conflict.slot != STATUS or with_status:
            moves += [{"side": str(side), "slot": conflict.slot, "value": LOST} for side in Side]
    return {"link": int(drifted.link_id), "moves": moves}


def _moves(each: DriftedField) -> list[dict[str, object]]:
    lost: object = LOST
    if isinstance(each.source_value, Mapping):
        lost = dict.fromkeys(each.source_value, LOST)
    moves = [{"side": str(each.side.other), "slot": each.slot, "value": lost}]
    if not isinstance(each.source_value, Mapping) and not isinstance(each.found, Missing):
        # What stands there is no news, so that the other side's value wins.
        moves.append({"side": str(each.side), "slot": each.slot, "value": each.found})
    return moves


def repair(tx: Tx, given: Mapping[str, Any], actor: str, now: datetime) -> object:
    """`reconcile.repair`: link, moves (side, slot, value each)."""
    link_id = LinkRow(int(given["link"]))
    links.lock_links(tx, [link_id])
    moves = tuple(
        BaselineMove(side=Side(each["side"]), slot=str(each["slot"]), value=each["value"])
        for each in given["moves"]
    )
    slots = ", ".join(sorted({move.slot for move in moves}))
    note = Note(event="reconcile.repaired", detail=f"{slots} decided anew, by {actor}")
    context = PlanContext(new_key=_no_key, correlation_id=CorrelationId(""), seen_at=now, now=now)
    plans.apply_plan(tx, link_id, Plan(baselines=moves, notes=(note,)), context)
    for row in links.get(tx, link_id).rows.values():
        tickets.set_decide_due(tx, row, now)
    return {"link": link_id, "slots": sorted({move.slot for move in moves})}


def _no_key() -> OperationKey:
    raise BrokenInvariant("a repair writes no operation")
