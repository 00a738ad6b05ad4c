"""A note on changed fields, from the vendor's ticket to the desk's, whatever becomes of answers."""

import pytest

from syncd.core.rules import NoteRule
from syncd.core.template import compile_template
from syncd.model.ids import Side
from syncd.model.ticket import CommentKind
from tests.intake.world import World, rules
from tests.simulation.traits import Fate

HOURS = NoteRule(
    slot="notes.to_itsm.assigned_group",
    target_side=Side.ITSM,
    when_changed=("assigned_group",),
    kind=CommentKind.WORK_NOTE,
    text=compile_template("now with {{ assigned_group }}"),
)


@pytest.mark.parametrize("fate", [Fate.OK, Fate.LOST, Fate.CUT, Fate.LATE])
async def test_a_changed_field_is_said_exactly_once_also_after_closing(
    world: World, fate: Fate
) -> None:
    await world.configure(rules(notes=(HOURS,)))
    itsm, vendor = await world.linked()
    world.desk.set(itsm, status="Closed")
    world.carrier.set(vendor, status="Closed")
    await world.notify(itsm)
    await world.settle()
    fates = [fate]
    world.desk.fate = lambda call: fates.pop() if call == "write" and fates else Fate.OK
    world.carrier.set(vendor, assigned_group="Field")
    await world.settle(rounds=12)
    world.build()
    world.carrier.set(vendor, title="unrelated")
    await world.settle()
    said = [text for _, text in world.desk.said(itsm) if text.startswith("now with")]
    assert said == ["now with Field"]
