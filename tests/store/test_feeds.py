"""A cursor moves only with what it covers (R1)."""

import pytest
import sqlalchemy as sa

from syncd.ports.adapter import PollResult
from syncd.store import feeds, journal, tickets
from syncd.store import tables as t
from syncd.store.database import Tx
from tests.store.scene import CARRIER, KIND, NOW, Scene, later, sighting


def poll(
    *ids: str, cursor: str = "c1", gap: bool = False, notes: tuple[str, ...] = ()
) -> PollResult:
    seen = tuple(sighting(each) for each in ids)
    return PollResult(sightings=seen, cursor=cursor, gap=gap, notes=notes)


async def test_a_poll_is_stored_whole(scene: Scene) -> None:
    assert await scene.db.read(feeds.load_cursor, CARRIER, KIND) is None
    result = poll("case1", "case2", notes=("an activity without a case",))
    assert await scene.db.write(feeds.save_poll, CARRIER, KIND, result, now=NOW) == 2
    assert await scene.db.read(feeds.load_cursor, CARRIER, KIND) == "c1"
    assert len(await scene.db.read(tickets.due_reads, CARRIER, now=NOW, limit=9)) == 2
    assert await scene.db.read(feeds.known_ids, CARRIER, KIND) == {"case1", "case2"}
    (line,) = [
        each.line
        for each in await scene.db.read(journal.tail)
        if each.line.event == "feed.odd_item"
    ]
    assert line.detail == "an activity without a case"


async def test_a_poll_that_cannot_be_stored_leaves_the_cursor(scene: Scene) -> None:
    await scene.db.write(feeds.save_poll, CARRIER, KIND, poll(), now=NOW)

    def save_then_fail(tx: Tx) -> None:
        feeds.save_poll(tx, CARRIER, KIND, poll("case1", cursor="c2"), now=NOW)
        raise OSError

    with pytest.raises(Exception):  # noqa: B017 - how it is told differs by database
        await scene.db.write(save_then_fail)
    assert await scene.db.read(feeds.load_cursor, CARRIER, KIND) == "c1"
    assert await scene.db.read(feeds.known_ids, CARRIER, KIND) == frozenset()


async def test_a_gap_is_not_a_complete_poll(scene: Scene) -> None:
    await scene.db.write(feeds.save_poll, CARRIER, KIND, poll(), now=NOW)
    await scene.db.write(feeds.save_poll, CARRIER, KIND, poll(gap=True), now=later(30))
    (record,) = await scene.db.read(feeds.overview)
    assert (record.last_complete_at, record.last_poll_at, record.gap) == (NOW, later(30), True)


async def test_failures_are_counted_until_a_poll_goes_well(scene: Scene) -> None:
    fail = (feeds.poll_failed, CARRIER, KIND)
    assert [await scene.db.write(*fail, error="503", now=later(n)) for n in range(3)] == [1, 2, 3]
    (record,) = await scene.db.read(feeds.overview)
    assert (record.error, record.error_at, record.cursor) == ("503", later(2), None)
    await scene.db.write(feeds.save_poll, CARRIER, KIND, poll(), now=later(9))
    (record,) = await scene.db.read(feeds.overview)
    assert (record.failures, record.error, record.last_complete_at) == (0, "", later(9))


async def test_a_feed_can_be_put_back(scene: Scene) -> None:
    await scene.db.write(feeds.save_poll, CARRIER, KIND, poll(), now=NOW)
    await scene.db.write(feeds.rewind, CARRIER, KIND)
    assert await scene.db.read(feeds.load_cursor, CARRIER, KIND) is None


async def test_an_empty_poll_touches_one_row(scene: Scene) -> None:
    await scene.db.write(feeds.save_poll, CARRIER, KIND, poll("case1"), now=NOW)

    def count(tx: Tx) -> int:
        return int(tx.scalar(sa.select(sa.func.count()).select_from(t.journal)) or 0)

    before = await scene.db.read(count)
    await scene.db.write(feeds.save_poll, CARRIER, KIND, poll(cursor="c2"), now=later(1))
    assert await scene.db.read(count) == before
