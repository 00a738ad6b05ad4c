"""Reports tell what is stored, and cost nothing to ask."""

import pytest

from syncd.core.state import FoundConflict
from syncd.model.errors import CommandRefused
from syncd.model.ids import Side, TicketRow
from syncd.model.operation import ParkReason
from syncd.ports.adapter import PollResult
from syncd.store import connections, feeds, inbox, links, reports
from tests.store.scene import (
    CARRIER,
    DESK,
    KIND,
    MAPPING,
    NOW,
    Scene,
    comment,
    later,
    parked,
    receipt,
    update,
)


async def eventful(scene: Scene) -> None:
    link = await scene.linked(update("a"), comment("c1"), comment("c2"))
    await scene.settle(await scene.send(), parked(ParkReason.REFUSED))
    await scene.deliver(receipt(comment_id="v1"), now=later(2))
    found = FoundConflict(slot="both.priority", itsm_value="1", vendor_value="Low")
    await scene.plan(link, conflicts=(found,))
    await scene.db.write(links.pause, link, "by hand", by="kari", now=NOW)
    await scene.db.write(inbox.put, DESK, "notify", "{}", received_at=NOW)
    await scene.db.write(connections.pause, DESK, "maintenance", by="kari", now=NOW)
    result = PollResult(sightings=(), cursor="c1")
    await scene.db.write(feeds.save_poll, CARRIER, KIND, result, now=NOW)


async def test_figures_count_what_is_open(scene: Scene) -> None:
    empty = await scene.db.read(reports.metrics, NOW)
    assert (empty.operations, empty.oldest_undelivered_at, empty.inbox) == ({}, None, 0)
    await eventful(scene)
    found = await scene.db.read(reports.metrics, NOW)
    assert found.operations == {(CARRIER, "parked"): 1, (CARRIER, "ready"): 1}
    assert found.parked == {(CARRIER, "refused"): 1}
    assert (found.conflicts, found.inbox, found.oldest_undelivered_at) == (1, 1, later(-1))
    assert found.links == {(MAPPING, "open"): 1}
    assert found.tickets[DESK].known == 1


async def test_status_gathers_what_needs_a_person_and_how_each_part_stands(scene: Scene) -> None:
    await eventful(scene)
    found = await scene.db.read(reports.status, later(3_600))
    assert [each.park_reason for each in found.parked] == [ParkReason.REFUSED]
    assert (found.parked_count, len(found.conflicts), len(found.paused_links)) == (1, 1, 1)
    assert [each.kind for each in found.late] == ["comment"]
    assert (found.in_flight, found.inbox) == (0, 1)
    assert (found.latency.count, found.latency.p50_s) == (1, 3.0)
    desk, carrier = found.connections
    assert desk.record.pause is not None
    assert desk.record.pause.reason == "maintenance"
    assert carrier.states == {"parked": 1, "ready": 1}
    assert carrier.oldest_at == later(-1)
    assert [feed.cursor for feed in carrier.feeds] == ["c1"]
    (mapping,) = found.mappings
    assert (mapping.links_open, mapping.links_all) == (1, 1)
    assert (mapping.waiting, mapping.parked, mapping.oldest_at) == (1, 1, later(-1))


async def test_an_explanation_tells_a_tickets_whole_story(scene: Scene) -> None:
    await eventful(scene)
    (overview,) = await scene.db.read(links.overview)
    row = overview.link.rows[Side.ITSM]
    found = await scene.db.read(reports.explain, row)
    assert found.ticket.number == "INC1"
    (facts,) = found.links
    assert facts.partner is not None
    assert facts.partner.number == "CASE1"
    assert [each.state for each in facts.operations] == ["parked", "applied", "ready"]
    assert [each.slot for each in facts.conflicts] == ["both.priority"]
    assert [pair.source_id for pair in facts.pairs] == ["c1", "c2"]
    events = [each.line.event for each in found.lines]
    assert "link.added" in events
    assert "operation.applied" in events
    partner = await scene.db.read(reports.explain, facts.partner.row)
    assert {each.id for each in partner.lines} == {each.id for each in found.lines}
    with pytest.raises(CommandRefused):
        await scene.db.read(reports.explain, TicketRow(999))
