"""A link is unique, ends as a tombstone, and comes back without an ancestor (R13)."""

import pytest

from syncd.core.state import BaselineMove, PairState
from syncd.model.errors import BrokenInvariant, CommandRefused
from syncd.model.ids import LinkRow, Side
from syncd.store import journal, links, tickets
from syncd.store.records import LinkPhase
from tests.store.scene import (
    CARRIER,
    DESK,
    KIND,
    MAPPING,
    NOW,
    Scene,
    comment,
    later,
    receipt,
    ticket,
)


async def test_a_mapping_links_a_ticket_once(scene: Scene) -> None:
    await scene.opening()
    with pytest.raises(BrokenInvariant, match="forbids"):
        await scene.opening()


async def test_a_ticket_that_has_a_partner_is_not_paired_again(scene: Scene) -> None:
    link = await scene.linked()
    rows = (await scene.parts(link)).link.rows
    other = await scene.read(ticket("inc2"))
    for itsm_row in (rows[Side.ITSM], other):
        with pytest.raises(CommandRefused, match=f"link remove {link}"):
            await scene.db.write(
                links.add_link,
                mapping=MAPPING,
                itsm_row=itsm_row,
                vendor_row=rows[Side.VENDOR],
                by="kari",
                now=NOW,
            )


async def test_pairing_existing_tickets_has_no_ancestor(scene: Scene) -> None:
    link = await scene.linked()
    parts = await scene.parts(link)
    assert (parts.link.phase, parts.link.added_by, parts.baselines) == (
        LinkPhase.OPEN,
        "test",
        {},
    )
    for row in parts.link.rows.values():
        assert (await scene.stored(row)).decide_due_at == NOW


async def test_a_removed_link_is_a_tombstone_that_keeps_what_it_knows(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    await scene.deliver(receipt(comment_id="v1"))
    await scene.db.write(links.tombstone, link, by="kari", now=later(5))
    record = await scene.db.read(links.get, link)
    assert (record.phase, record.tombstone_at) == (LinkPhase.REMOVED, later(5))
    assert await scene.states(link) == ["comment applied", "comment discarded"]
    assert await scene.db.read(links.links_of, record.rows[Side.ITSM]) == [record]
    assert await scene.db.read(links.overview) == []
    assert len((await scene.parts(link)).pairs) == 2
    with pytest.raises(CommandRefused, match="was removed"):
        await scene.db.write(links.tombstone, link, by="kari", now=later(6))


async def test_a_link_is_not_removed_while_it_is_written_for(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    await scene.send()
    with pytest.raises(CommandRefused, match="try again"):
        await scene.db.write(links.tombstone, link, by="kari", now=NOW)


async def test_adding_again_revives_with_pairs_and_without_baselines(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    await scene.deliver(receipt(comment_id="v1"))
    move = BaselineMove(side=Side.ITSM, slot="s", value="1")
    await scene.plan(link, baselines=(move,))
    await scene.db.write(links.tombstone, link, by="kari", now=NOW)
    again = await scene.linked()
    parts = await scene.parts(link)
    assert again == link
    assert (parts.link.phase, parts.link.tombstone_at) == (LinkPhase.OPEN, None)
    assert [pair.state for pair in parts.pairs] == [PairState.PAIRED]
    assert parts.baselines == {}
    with pytest.raises(CommandRefused, match="not removed"):
        await scene.db.write(links.revive, link, by="kari", now=NOW)


async def test_a_removed_tickets_place_is_free_for_another_link(scene: Scene) -> None:
    link = await scene.linked()
    await scene.db.write(links.tombstone, link, by="kari", now=NOW)
    other = await scene.linked(itsm="inc2", vendor="case1")
    assert other != link
    with pytest.raises(CommandRefused, match=f"belongs to link {other}"):
        await scene.db.write(links.revive, link, by="kari", now=NOW)


async def test_a_phase_is_journalled_when_it_changes(scene: Scene) -> None:
    link = await scene.linked()
    for _ in range(2):
        await scene.db.write(links.set_phase, link, LinkPhase.CLOSED, now=NOW, why="both closed")
    events = [each.line.event for each in await scene.db.read(journal.tail)]
    assert events.count("link.closed") == 1


async def test_only_partners_a_mapping_opened_count_as_opened(scene: Scene) -> None:
    await scene.linked(itsm="inc9", vendor="case9")
    opened = await scene.opening(source="inc1")
    await scene.opening(source="inc2")
    told_of_a_problem = await scene.read(ticket("inc3"))
    await scene.db.write(
        links.create_link,
        mapping=MAPPING,
        origin=Side.ITSM,
        source_row=told_of_a_problem,
        partner=(CARRIER, KIND),
        now=NOW,
    )
    assert await scene.db.read(links.count_opened_since, MAPPING, later(-1)) == 2
    assert await scene.db.read(links.count_opened_since, MAPPING, NOW) == 0
    await scene.db.write(links.note_opened, opened, later(50))
    assert await scene.db.read(links.count_opened_since, MAPPING, later(10)) == 1


async def test_the_overview_counts_what_is_open(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    await scene.opening(source="inc2")
    first, second = await scene.db.read(links.overview, mapping=MAPPING)
    assert (first.link.id, first.open_operations, first.parked) == (link, 2, 0)
    assert first.numbers == {Side.ITSM: "INC1", Side.VENDOR: "CASE1"}
    assert first.connections == {Side.ITSM: DESK, Side.VENDOR: CARRIER}
    assert second.numbers == {Side.ITSM: "INC2", Side.VENDOR: ""}
    assert await scene.db.read(links.overview, limit=1) == [second]
    assert await scene.db.read(links.overview, mapping="other") == []


async def test_a_link_that_is_not_there_is_refused(scene: Scene) -> None:
    with pytest.raises(CommandRefused, match="no link 99"):
        await scene.db.read(links.get, LinkRow(99))


async def test_a_ticket_may_have_links_of_several_mappings(scene: Scene) -> None:
    link = await scene.linked()
    row = (await scene.parts(link)).link.rows[Side.ITSM]
    other = await scene.db.write(tickets.ensure_ticket, CARRIER, KIND, external_id="case2", now=NOW)
    second = await scene.db.write(
        links.add_link, mapping="another", itsm_row=row, vendor_row=other, by="k", now=NOW
    )
    assert [each.id for each in await scene.db.read(links.links_of, row)] == [link, second]
