"""What the command `reconcile.repair` is given, so that drift counts as a change."""

from collections.abc import Mapping

from syncd.cli.facts.drift import LOST, Drifted, DriftedField
from syncd.core.slots import STATUS
from syncd.model.ids import Side
from syncd.model.ticket import Missing

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
