"""A partner that is cancelled or deleted, from the desk's change to the vendor's ticket."""

from dataclasses import replace

import pytest

from syncd.core.rules import (
    AllOf,
    FieldTest,
    MappingRules,
    NoLonger,
    StatusAction,
    StatusEffect,
    StatusRules,
)
from syncd.model.ids import Side
from syncd.store import links
from syncd.store.records import LinkPhase
from tests.intake.world import World, rules
from tests.simulation.traits import Fate
from tests.support.mappings import NOTHING

CANCEL = StatusAction(effect=StatusEffect.CANCEL, status="Closed")


def _ending(action: StatusAction) -> MappingRules:
    made = rules(
        status=StatusRules(to_vendor={"New": NOTHING, "Closed": action}, to_itsm={"New": NOTHING})
    )
    assert made.open_to_vendor is not None
    group = FieldTest(field="assigned_group", one_of=("NOC",))
    opening = replace(
        made.open_to_vendor, when=AllOf((group,)), no_longer=NoLonger.CANCEL, cancel=CANCEL
    )
    return replace(made, open_to_vendor=opening)


def _fates(*fates: Fate):
    left = list(fates)
    return lambda call: left.pop(0) if call == "write" and left else Fate.OK


@pytest.mark.parametrize("fate", [Fate.OK, Fate.LOST, Fate.CUT, Fate.LATE])
async def test_a_deleted_ticket_ends_its_link_whatever_becomes_of_the_answer(
    world: World, fate: Fate
) -> None:
    await world.configure(_ending(StatusAction(effect=StatusEffect.DELETE)))
    itsm, vendor = await world.linked()
    world.carrier.say(vendor, "before the end")
    world.carrier.fate = _fates(fate)
    world.desk.set(itsm, status="Closed")
    await world.notify(itsm)
    await world.settle(rounds=12)
    assert world.carrier.removed() == [vendor]
    assert ("syncd", "before the end") in world.desk.said(itsm)
    assert await world.links() == []
    assert await world.ops() == []
    row = await world.row(world.desk, itsm)
    (link,) = await world.db.read(links.links_of, row)
    assert link.phase is LinkPhase.REMOVED
    assert set(link.rows) == set(Side)
    # Nothing brings it back.
    world.desk.set(itsm, status="New", title="again")
    await world.notify(itsm)
    await world.settle()
    assert world.carrier.tickets() == []


@pytest.mark.parametrize("fate", [Fate.OK, Fate.LOST, Fate.CUT])
async def test_a_ticket_reassigned_away_cancels_its_partner(world: World, fate: Fate) -> None:
    await world.configure(_ending(NOTHING))
    itsm, vendor = await world.linked()
    world.carrier.fate = _fates(fate)
    world.desk.set(itsm, assigned_group="Printers")
    await world.notify(itsm)
    await world.settle(rounds=12)
    assert world.carrier.ticket(vendor).get("status") == "Closed"
    assert world.desk.ticket(itsm).get("status") == "New"
    assert (await world.link()).phase is LinkPhase.OPEN
