"""A resolved conflict is a change on the kept side only, so the next decision sends it (R7)."""

import pytest

from syncd.core.state import BaselineMove, FoundConflict
from syncd.model.errors import CommandRefused
from syncd.model.ids import LinkRow, Side
from syncd.model.ticket import Value
from syncd.store import conflicts, journal
from tests.store.scene import MAPPING, NOW, Scene, later

SLOT = "both.priority"


async def conflicted(scene: Scene, baselines: dict[Side, Value]) -> tuple[LinkRow, int]:
    link = await scene.linked()
    moves = tuple(
        BaselineMove(side=side, slot=SLOT, value=value) for side, value in baselines.items()
    )
    found = FoundConflict(slot=SLOT, itsm_value="1", vendor_value="Low", place="m.yaml:9")
    await scene.plan(link, baselines=moves, conflicts=(found,))
    (record,) = await scene.db.read(conflicts.list_open)
    return link, record.id


@pytest.mark.parametrize("keep", list(Side))
@pytest.mark.parametrize(
    "baselines",
    [
        {Side.ITSM: "3", Side.VENDOR: "High"},
        {},
        {Side.ITSM: "1", Side.VENDOR: "Low"},
    ],
)
async def test_only_the_kept_side_is_a_change_afterwards(
    scene: Scene, keep: Side, baselines: dict[Side, Value]
) -> None:
    link, number = await conflicted(scene, baselines)
    await scene.db.write(conflicts.resolve, number, keep, by="kari", now=later(9))
    parts = await scene.parts(link)
    values = {Side.ITSM: "1", Side.VENDOR: "Low"}
    assert parts.conflicts == frozenset()
    assert parts.baselines[keep.other, SLOT].value == values[keep.other]
    assert parts.baselines[keep, SLOT].value != values[keep]
    for row in parts.link.rows.values():
        assert (await scene.stored(row)).decide_due_at == later(9)


async def test_a_conflict_shows_both_values_and_keeps_the_loser_in_the_journal(
    scene: Scene,
) -> None:
    link, number = await conflicted(scene, {})
    (record,) = await scene.db.read(conflicts.list_open, link_id=link)
    assert (record.itsm_value, record.vendor_value, record.mapping) == ("1", "Low", MAPPING)
    assert record.numbers == {Side.ITSM: "INC1", Side.VENDOR: "CASE1"}
    await scene.db.write(conflicts.resolve, number, Side.ITSM, by="kari", now=NOW)
    line = (await scene.db.read(journal.tail))[-1].line
    assert (line.actor, line.detail) == (
        "kari",
        "both.priority: kept itsm '1', gave up 'Low'",
    )
    assert await scene.db.read(conflicts.list_open) == []


async def test_a_conflict_is_resolved_once(scene: Scene) -> None:
    _, number = await conflicted(scene, {})
    await scene.db.write(conflicts.resolve, number, Side.ITSM, by="kari", now=NOW)
    with pytest.raises(CommandRefused, match="resolved by kari"):
        await scene.db.write(conflicts.resolve, number, Side.VENDOR, by="ola", now=NOW)
    with pytest.raises(CommandRefused, match="no conflict 99"):
        await scene.db.write(conflicts.resolve, 99, Side.VENDOR, by="ola", now=NOW)


async def test_a_slot_may_be_in_conflict_again(scene: Scene) -> None:
    link, number = await conflicted(scene, {})
    await scene.db.write(conflicts.resolve, number, Side.ITSM, by="kari", now=NOW)
    again = FoundConflict(slot=SLOT, itsm_value="2", vendor_value="High")
    await scene.plan(link, conflicts=(again,))
    (record,) = await scene.db.read(conflicts.list_open)
    assert record.id != number
