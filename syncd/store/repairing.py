"""Making drift count as a change, so that the next decision carries it.

It writes no operation itself: the daemon decides anew, by its own rules, on what is there then.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syncd.core.state import BaselineMove, Note, Plan
from syncd.model.errors import BrokenInvariant
from syncd.model.ids import CorrelationId, LinkRow, OperationKey, Side
from syncd.store import links, plans, tickets
from syncd.store.records import PlanContext
from syncd.store.tx import Tx


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
