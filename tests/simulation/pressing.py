"""An operator who presses something in the middle of a round, in good faith and at a bad moment."""

import contextlib
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from syncd.model.errors import CommandRefused
from syncd.model.ids import Side
from syncd.model.operation import WriteKind
from syncd.store import commands, conflicts, links, operations
from syncd.store.records import OperationRecord
from syncd.store.tx import Tx
from tests.simulation.traits import Effect
from tests.simulation.vendor import Vendor

if TYPE_CHECKING:
    from tests.simulation.world import World

PRESSES = ("retry", "retry", "adopt", "adopt", "resolve", "resync", "pause")
PAUSES_MAX = 40
"""Steps an operator takes to make up their mind at most."""
ACTOR = "op"


async def press(world: "World", by: Random) -> None:
    """Give one command about something that is open, whatever has become of it by then."""
    for _ in range(by.randint(0, PAUSES_MAX)):
        await world.step("an operator thinks")
    what, luck = by.choice(PRESSES), by.random()

    def unit(tx: Tx) -> None:
        if done := _PRESSES[what](world, tx, luck):
            world.played[f"operator presses {done}"] += 1

    try:
        await world.db.write(unit)
    except CommandRefused:
        world.played[f"operator presses {what}: refused"] += 1


def made_by(vendor: Vendor, effect: Effect) -> str:
    """Give what an operator reads off the screen of what a write made."""
    if effect.kind is WriteKind.CREATE:
        return vendor.number(effect.ticket_id)
    if effect.kind is WriteKind.COMMENT and not vendor.profile.comment_ids:
        return ""
    return effect.made or str(effect.ticket_id)


def _one(found: Sequence[OperationRecord], luck: float) -> OperationRecord | None:
    return found[int(luck * len(found))] if found else None


def _retry(world: "World", tx: Tx, luck: float) -> str:
    """Retry, saying that it surely did not happen where that is so."""
    one = _one(operations.list_operations(tx), luck)
    if one is None:
        return ""
    vendor = world.vendors[one.target]
    told = {
        "id": one.id,
        "can_probe": vendor.features.writes[one.kind].can_probe,
        "i_know": vendor.effect_of(one.key) is None and not vendor.is_late(),
    }
    commands.retry(tx, told, ACTOR, world.clock.now())
    return f"retry of what is {one.park_reason or one.state}"


def _adopt(world: "World", tx: Tx, luck: float) -> str:
    """Say that an operation happened, where it did."""
    happened = [
        one
        for one in operations.list_operations(tx)
        if world.vendors[one.target].effect_of(one.key) is not None
    ]
    one = _one(happened, luck)
    if one is None:
        return ""
    vendor = world.vendors[one.target]
    effect = vendor.effect_of(one.key)
    assert effect is not None
    told = {"id": one.id, "external_id": made_by(vendor, effect)}
    commands.adopt(tx, told, ACTOR, world.clock.now())
    return f"adopt of what is {one.park_reason or one.state}"


def _resolve(world: "World", tx: Tx, luck: float) -> str:
    found = conflicts.list_open(tx)
    if not found:
        return ""
    keep = list(Side)[luck < 0.5]
    told = {"id": found[int(luck * len(found))].id, "keep": str(keep)}
    commands.resolve(tx, told, ACTOR, world.clock.now())
    return "resolve"


def _resync(world: "World", tx: Tx, luck: float) -> str:
    found = [ticket.number for each in world.vendors.values() for ticket in each.tickets()]
    if not found:
        return ""
    with contextlib.suppress(CommandRefused):  # Nobody knows of it yet.
        told = {"name": found[int(luck * len(found))]}
        commands.resync(tx, told, ACTOR, world.clock.now())
    return "resync"


def _pause(world: "World", tx: Tx, luck: float) -> str:
    found = [one.link.id for one in links.overview(tx)]
    if not found:
        return ""
    links.pause(tx, found[int(luck * len(found))], "why", by=ACTOR, now=world.clock.now())
    return "pause of a link"


_PRESSES = {
    "retry": _retry,
    "adopt": _adopt,
    "resolve": _resolve,
    "resync": _resync,
    "pause": _pause,
}
