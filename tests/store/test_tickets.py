"""Tickets become known, due and read, without a write for what did not change (R1)."""

import hashlib

import pytest
import sqlalchemy as sa

from syncd.model.errors import BrokenInvariant
from syncd.model.ids import TicketId
from syncd.model.operation import ParkReason
from syncd.ports.adapter import Sighting, TicketRef
from syncd.store import counting, journal, links, tickets, watching
from syncd.store.database import Tx
from syncd.store.records import LinkPhase, SaveResult
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
    sighting,
    ticket,
)


def digest_of(n: int) -> bytes:
    return hashlib.blake2b(str(n).encode(), digest_size=16).digest()


def rows_written(tx: Tx) -> int:
    if tx.is_postgres:
        query = (
            "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables "
            "WHERE relname = 'ticket'"
        )
        return int(tx.scalar(sa.text(query)))
    return int(tx.scalar(sa.text("SELECT total_changes()")))


async def test_ten_thousand_unchanged_sightings_write_nothing(scene: Scene) -> None:
    seen = [sighting(f"case{n}", digest_of(n)) for n in range(10_000)]

    def sight_and_count(tx: Tx, sightings: list[Sighting]) -> tuple[int, int]:
        before = rows_written(tx)
        due = tickets.sight(tx, CARRIER, KIND, sightings, now=NOW)
        return due, rows_written(tx) - before

    assert await scene.db.write(sight_and_count, seen) == (10_000, 10_000)
    assert await scene.db.write(sight_and_count, seen) == (0, 0)
    seen[7] = sighting("case7", digest_of(-1))
    assert await scene.db.write(sight_and_count, seen) == (1, 1)


async def test_ids_of_any_letters_are_known_again_and_what_has_no_digest_is_always_due(
    scene: Scene,
) -> None:
    odd = ['"', "\\u00e6", "æ\n", "'; --", "🎫"]
    told = [sighting(one, digest_of(n)) for n, one in enumerate(odd)]
    untold = [sighting(one) for one in odd]
    made_due = [
        await scene.db.write(tickets.sight, CARRIER, KIND, seen, now=NOW)
        for seen in (untold, untold, told, told, untold, told)
    ]
    assert made_due == [5, 5, 5, 0, 5, 0]


async def test_a_ticket_read_again_as_it_was_is_written_at_most_once(scene: Scene) -> None:
    snapshot = ticket("inc1", title="a")
    row = await scene.read(snapshot)
    await scene.db.write(tickets.set_decide_due, row, None)
    before = await scene.stored(row)

    await scene.db.write(tickets.hasten, [row], later(5))
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=later(5), limit=5)
    assert await scene.db.write(tickets.save_read, due, snapshot, now=later(6)) is (
        SaveResult.UNCHANGED
    )
    after = await scene.stored(row)
    assert after == before
    assert after.decide_due_at is None


async def test_a_changed_ticket_is_stored_and_due_for_a_decision(scene: Scene) -> None:
    row = await scene.read(ticket("inc1", title="a"))
    await scene.db.write(tickets.set_decide_due, row, None)
    assert await scene.read(ticket("inc1", title="b"), now=later(5)) == row
    stored = await scene.stored(row)
    assert stored.snapshot == ticket("inc1", title="b")
    assert stored.number == "INC1"
    assert stored.decide_due_at == later(5)
    assert stored.read_due_at is None
    assert await scene.db.read(tickets.decide_due, now=later(5), limit=9) == [row]
    assert await scene.db.read(tickets.decide_due, now=later(4), limit=9) == []


async def test_what_was_seen_comes_before_what_has_its_turn(scene: Scene) -> None:
    watched = await scene.db.write(
        tickets.ensure_ticket, DESK, KIND, number="INC9", now=later(-100), watched=True
    )
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=NOW, limit=9)
    await scene.db.write(tickets.save_read, due, ticket("inc9"), now=NOW, next_poll_at=later(60))
    assert await scene.db.read(tickets.due_reads, DESK, now=later(59), limit=9) == []
    assert await scene.db.read(tickets.next_due, DESK) == later(60)
    await scene.db.write(tickets.sight, DESK, KIND, [sighting("inc1")], now=later(61))
    due_now = await scene.db.read(tickets.due_reads, DESK, now=later(61), limit=9)
    assert [each.ref.number for each in due_now] == ["", "INC9"]
    assert [each.cause for each in due_now] == ["", "its turn"] or due_now[1].row == watched
    assert len(await scene.db.read(tickets.due_reads, DESK, now=later(61), limit=1)) == 1


async def test_a_sighting_during_a_read_keeps_the_ticket_due(scene: Scene) -> None:
    await scene.db.write(tickets.sight, DESK, KIND, [sighting("inc1")], now=NOW)
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=NOW, limit=9)
    await scene.db.write(tickets.sight, DESK, KIND, [sighting("inc1")], now=later(1))
    await scene.db.write(tickets.save_read, due, ticket("inc1"), now=later(2))
    assert len(await scene.db.read(tickets.due_reads, DESK, now=later(2), limit=9)) == 1


async def test_a_read_that_a_claim_overlapped_is_thrown_away(scene: Scene) -> None:
    await scene.linked()
    link = (await scene.db.read(links.overview))[0].link.id
    await scene.read(ticket("case1", title="x"), CARRIER)
    await scene.db.write(tickets.sight, CARRIER, KIND, [sighting("case1")], now=NOW)
    (due,) = await scene.db.read(tickets.due_reads, CARRIER, now=NOW, limit=9)
    await scene.plan(link, comment("c1"))
    op = await scene.claim_one()
    snapshot = ticket("case1", title="stale")
    save = (tickets.save_read, due, snapshot)
    assert await scene.db.write(*save, now=later(1)) is SaveResult.DISCARDED
    # While the write is under way the ticket is not even offered for reading.
    assert await scene.db.read(tickets.due_reads, CARRIER, now=later(1), limit=9) == []
    await scene.settle(op, parked(ParkReason.REFUSED))
    assert await scene.db.write(*save, now=later(2)) is SaveResult.DISCARDED
    assert len(await scene.db.read(tickets.due_reads, CARRIER, now=later(2), limit=9)) == 1


async def test_a_read_that_started_before_a_commit_is_thrown_away(scene: Scene) -> None:
    link = await scene.linked()
    await scene.plan(link, comment("c1"))
    op = await scene.send()
    # Offered again only when the write is settled; a stale offer is refused by the epoch.
    row = op.target_row
    assert row is not None
    due = await scene.db.read(tickets.due_read, row)
    assert due is not None
    assert await scene.db.write(tickets.save_read, due, ticket("case1"), now=NOW) is (
        SaveResult.DISCARDED
    )
    await scene.db.write(watching.set_watched, row, False)
    await scene.settle(op, parked(ParkReason.REFUSED))
    assert await scene.db.write(tickets.save_read, due, ticket("case1"), now=NOW) is (
        SaveResult.DISCARDED
    )
    fresh = await scene.db.read(tickets.due_read, row)
    assert fresh is not None
    assert await scene.db.write(
        tickets.save_read, fresh, ticket("case1", title="new"), now=NOW
    ) is (SaveResult.CHANGED)


async def test_a_ticket_known_by_number_learns_its_id(scene: Scene) -> None:
    row = await scene.db.write(
        tickets.ensure_ticket, DESK, KIND, number="INC1", now=NOW, watched=True
    )
    assert await scene.db.write(
        tickets.ensure_ticket, DESK, KIND, number="INC1", now=NOW, watched=True
    ) == (row)
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=NOW, limit=9)
    assert due.ref == TicketRef(kind=KIND, number="INC1")
    await scene.db.write(tickets.save_read, due, ticket("inc1"), now=NOW)
    assert await scene.db.read(tickets.find, DESK, external_id=TicketId("inc1")) == row
    assert await scene.db.read(tickets.find, DESK, number="INC1", kind=KIND) == row
    assert await scene.db.read(tickets.find_anywhere, "INC1") == [row]
    assert await scene.db.read(tickets.find, CARRIER, number="INC1") is None


async def test_two_rows_that_are_one_ticket_become_one(scene: Scene) -> None:
    by_id = await scene.read(ticket("case1"), CARRIER)
    desk = await scene.read(ticket("inc1"))
    by_number = await scene.db.write(
        tickets.ensure_ticket, CARRIER, KIND, number="OLD-1", now=NOW, watched=True
    )
    link = await scene.db.write(
        links.add_link, mapping=MAPPING, itsm_row=desk, vendor_row=by_number, by="kari", now=NOW
    )
    await scene.plan(link, comment("c1"), comment("c2"))
    due = next(
        each
        for each in await scene.db.read(tickets.due_reads, CARRIER, now=NOW, limit=9)
        if each.row == by_number
    )
    assert await scene.db.write(tickets.save_read, due, ticket("case1"), now=NOW) is (
        SaveResult.DISCARDED
    )
    assert by_number not in await scene.db.read(tickets.load_tickets, [by_number])
    (record,) = await scene.db.read(links.links_of, by_id)
    assert record.id == link
    assert (await scene.stored(by_id)).watched
    assert await scene.states(link) == ["comment ready", "comment waiting"]
    op = await scene.claim_one()
    assert op.target_row == by_id
    await scene.settle(op, parked(ParkReason.REFUSED))
    assert await scene.states(link) == ["comment parked", "comment ready"]


async def test_merging_ends_a_link_whose_place_is_taken(scene: Scene) -> None:
    link = await scene.linked()
    other = await scene.read(ticket("inc2"))
    by_number = await scene.db.write(tickets.ensure_ticket, CARRIER, KIND, number="OLD-1", now=NOW)
    second = await scene.db.write(
        links.add_link, mapping=MAPPING, itsm_row=other, vendor_row=by_number, by="k", now=NOW
    )
    due = next(
        each
        for each in await scene.db.read(tickets.due_reads, CARRIER, now=NOW, limit=9)
        if each.row == by_number
    )
    await scene.db.write(tickets.save_read, due, ticket("case1"), now=NOW)
    assert (await scene.db.read(links.get, second)).phase is LinkPhase.REMOVED
    assert (await scene.db.read(links.get, link)).phase is LinkPhase.OPEN


async def test_another_tickets_answer_is_never_stored(scene: Scene) -> None:
    await scene.db.write(tickets.sight, DESK, KIND, [sighting("inc1")], now=NOW)
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=NOW, limit=9)
    with pytest.raises(BrokenInvariant):
        await scene.db.write(tickets.save_read, due, ticket("inc2"), now=NOW)


async def test_a_failed_read_is_tried_again_when_told(scene: Scene) -> None:
    row = await scene.read(ticket("inc1"))
    failed = (tickets.read_failed, row)
    more = {"now": NOW, "retry_at": later(30), "error": "500"}
    assert await scene.db.write(*failed, **more) == 1
    assert await scene.db.write(*failed, **more) == 2
    assert await scene.db.read(tickets.due_reads, DESK, now=later(29), limit=9) == []
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=later(30), limit=9)
    assert due.failures == 2
    assert (await scene.stored(row)).read_error == "500"
    await scene.db.write(tickets.save_read, due, ticket("inc1"), now=later(31))
    assert (await scene.stored(row)).read_failures == 0


async def test_a_gone_ticket_is_left_alone_until_it_is_seen_again(scene: Scene) -> None:
    row = await scene.read(ticket("inc1"))
    await scene.db.write(
        tickets.read_failed, row, now=NOW, retry_at=later(1), error="404", gone=True
    )
    assert await scene.db.read(tickets.due_reads, DESK, now=later(99), limit=9) == []
    assert (await scene.db.read(counting.counts))[DESK].gone == 1
    assert list(await scene.db.read(tickets.known_rows, DESK)) == []
    await scene.db.write(tickets.sight, DESK, KIND, [sighting("inc1")], now=later(100))
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=later(100), limit=9)
    await scene.db.write(tickets.save_read, due, ticket("inc1"), now=later(100))
    stored = await scene.stored(row)
    assert stored.gone_at is None
    assert stored.decide_due_at == later(100)


async def test_a_stray_ticket_is_marked_and_journalled_once(scene: Scene) -> None:
    row = await scene.read(ticket("case1"), CARRIER)
    for _ in range(2):
        await scene.db.write(tickets.mark_stray, row, "a marker of staging", NOW)
    assert (await scene.stored(row)).stray
    lines = await scene.db.read(journal.of_ticket, row)
    assert [each.line.event for each in lines].count("ticket.stray") == 1


async def test_sightings_by_number_make_the_ticket_known_and_due(scene: Scene) -> None:
    seen = Sighting(ref=TicketRef(kind=KIND, number="INC5"), seen="notified")
    assert await scene.db.write(tickets.sight, DESK, KIND, [seen, seen], now=NOW) == 2
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=NOW, limit=9)
    assert due.cause == "notified"


async def test_the_receipts_id_and_a_sighting_are_one_ticket(scene: Scene) -> None:
    await scene.opening()
    await scene.deliver(receipt("case1"))
    await scene.db.write(tickets.sight, CARRIER, KIND, [sighting("case1")], now=NOW)
    assert (await scene.db.read(counting.counts))[CARRIER].known == 1


async def test_tickets_are_counted_by_what_is_the_matter_with_them(scene: Scene) -> None:
    rows = [await scene.read(ticket(f"inc{n}", title="t")) for n in range(5)]
    gone, failing, _, due, _ = rows
    failed = {"now": NOW, "retry_at": later(9), "error": "no"}
    await scene.db.write(tickets.read_failed, gone, **failed, gone=True)
    await scene.db.write(tickets.read_failed, failing, **failed)
    await scene.db.write(tickets.mark_stray, due, "a second effect", NOW)
    await scene.db.write(tickets.hasten, [due], NOW)
    found = (await scene.db.read(counting.counts))[DESK]
    assert (found.known, found.due, found.failing, found.gone, found.stray) == (5, 2, 1, 1, 1)
