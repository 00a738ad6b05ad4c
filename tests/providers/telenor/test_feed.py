"""The activities feed: nothing slips through, and one request suffices when nothing happened."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.ports.adapter import PollResult
from syncd.ports.errors import OddAnswer, Refused, RemoteContext
from syncd.transport.request import Request
from tests.providers.telenor.desk import scripted

START = datetime(2026, 3, 1, 10, tzinfo=UTC)


@dataclass
class Vendor:
    """A feed in memory: activities in the order of their arrival, shown as the settings say."""

    tells_total: bool = True
    takes_sort: bool = True
    deepest: int | None = None
    now_s: float = 0.0
    rows: list[dict[str, object]] = field(default_factory=list)
    before_page: Callable[[int], None] = lambda _skip: None
    default_order: str = "ascending"

    def add(self, date_s: float | None = None, **overrides: object) -> str:
        number = len(self.rows)
        at = START + timedelta(seconds=self.now_s if date_s is None else date_s)
        row: dict[str, object] = {
            "id": f"a{number:05}",
            "date": at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
            "action": "UPDATED",
            "ticket": {"id": f"t{number:05}", "caseNumber": f"Case-{number:08}"},
        }
        self.rows.append({**row, **overrides})
        return f"t{number:05}"

    def __call__(self, request: Request) -> object:
        query = dict(request.query)
        skip, count = int(query["skip"]), int(query["count"])
        self.before_page(skip)
        if "sortField" in query and not self.takes_sort:
            raise Refused("no such field", RemoteContext(status=400, code="400002"))
        if self.deepest is not None and skip > self.deepest:
            raise Refused("offset", RemoteContext(status=400, code="400002"))
        rows = self._ordered(is_sorted="sortField" in query)
        page = rows[skip : skip + count]
        told: dict[str, object] = {"count": len(page), "activities": page}
        return told | ({"totalSize": len(rows)} if self.tells_total else {})

    def _ordered(self, *, is_sorted: bool) -> list[dict[str, object]]:
        if is_sorted or self.default_order == "descending":
            return sorted(self.rows, key=lambda row: str(row.get("date")), reverse=True)
        if self.default_order == "shuffled":
            return sorted(self.rows, key=lambda row: hash_of(str(row["id"])))
        return list(self.rows)


def hash_of(text: str) -> float:
    return random.Random(text).random()


class Reader:
    """Polls one after the other, as intake does, and keeps what was sighted."""

    def __init__(self, vendor: Vendor, **feed: object) -> None:
        self.vendor = vendor
        self.cursor: str | None = None
        self.sighted: list[str] = []
        self.adapter, self.transport = scripted(vendor, feed=feed)

    async def poll(self) -> PollResult:
        result = await self.adapter.poll("incident", self.cursor)
        self.cursor = result.cursor
        self.sighted += [str(one.ref.id) for one in result.sightings]
        return result

    async def until_caught_up(self, rounds_max: int = 400) -> None:
        for _ in range(rounds_max):
            if not (await self.poll()).gap:
                return
        raise AssertionError("the gap never closes")


async def test_the_first_poll_reads_one_page_and_sights_its_tickets() -> None:
    vendor = Vendor()
    for second in range(250):
        vendor.add(second * 60)
    reader = Reader(vendor, page_size=100)
    result = await reader.poll()
    assert result.requests == 1
    assert reader.sighted == [f"t{number:05}" for number in range(150, 250)]
    assert not result.gap


@pytest.mark.parametrize("tells_total", [True, False])
async def test_a_quiet_poll_is_one_request_and_leaves_the_cursor_as_it_was(
    tells_total: bool,
) -> None:
    vendor = Vendor(tells_total=tells_total)
    for second in range(300):
        vendor.add(second * 60)
    reader = Reader(vendor)
    await reader.poll()
    before = reader.cursor
    for _ in range(3):
        result = await reader.poll()
        assert (result.requests, result.sightings, result.cursor) == (1, (), before)


async def test_after_a_burst_within_the_overlap_a_quiet_poll_is_still_one_request() -> None:
    vendor = Vendor()
    vendor.add(0)
    reader = Reader(vendor, page_size=10)
    await reader.poll()
    for _ in range(95):
        vendor.add(10)
    await reader.until_caught_up()
    assert set(reader.sighted) == {f"t{number:05}" for number in range(96)}
    assert (await reader.poll()).requests == 1


async def test_activities_with_one_timestamp_are_all_seen_though_they_come_one_by_one() -> None:
    vendor = Vendor()
    reader = Reader(vendor, page_size=10)
    await reader.poll()
    for count in range(1, 30):
        vendor.add(5)
        await reader.poll()
        assert len(reader.sighted) == count
    assert len(set(reader.sighted)) == 29


async def test_an_activity_noted_late_with_a_date_in_the_overlap_is_seen() -> None:
    vendor = Vendor()
    for second in range(0, 1000, 10):
        vendor.add(second)
    reader = Reader(vendor, page_size=10)
    await reader.poll()
    late = vendor.add(990 - 100)
    await reader.poll()
    assert late in reader.sighted


async def test_activities_that_arrive_between_two_pages_are_not_missed() -> None:
    vendor = Vendor()
    reader = Reader(vendor, page_size=10)
    vendor.add(0)
    await reader.poll()
    expected = [vendor.add(1000 + second) for second in range(50)]

    def shift(skip: int) -> None:
        if skip and len(vendor.rows) < 90:
            expected.extend(vendor.add(1100 + skip) for _ in range(3))

    vendor.before_page = shift
    await reader.until_caught_up()
    vendor.before_page = lambda _skip: None
    await reader.until_caught_up()
    assert set(expected) <= set(reader.sighted)


async def test_what_the_page_limit_leaves_is_read_by_the_next_polls_while_news_come_in() -> None:
    vendor = Vendor()
    vendor.add(0)
    reader = Reader(vendor, page_size=10, pages_max=4, overlap_items=2)
    await reader.poll()
    expected = [vendor.add(1000 + second) for second in range(200)]
    first = await reader.poll()
    assert first.gap
    assert first.requests <= 4
    for round_ in range(5):
        expected.append(vendor.add(2000 + round_ * 200))
        await reader.poll()
        assert expected[-1] in reader.sighted, "a gap must not delay what is new"
    await reader.until_caught_up()
    assert set(expected) <= set(reader.sighted)
    assert await comes_to_rest(reader)


async def test_sorting_that_is_refused_is_asked_once_and_remembered() -> None:
    vendor = Vendor(takes_sort=False, default_order="descending")
    for second in range(50):
        vendor.add(second * 60)
    reader = Reader(vendor, page_size=20)
    assert (await reader.poll()).requests == 2
    assert (await reader.poll()).requests == 1
    new = vendor.add(50 * 60)
    await reader.poll()
    assert new in reader.sighted


@pytest.mark.parametrize("order", ["ascending", "shuffled"])
async def test_a_feed_in_another_order_is_read_whole(order: str) -> None:
    vendor = Vendor(takes_sort=False, default_order=order)
    for second in range(100):
        vendor.add(second * 60)
    reader = Reader(vendor, page_size=20, pages_max=3)
    await reader.poll()
    for number in range(100, 130):
        new = vendor.add(number * 60)
        await reader.until_caught_up()
        assert new in reader.sighted
    assert (await reader.poll()).requests == 1


async def test_an_activity_that_cannot_be_read_is_stepped_over_once_and_hides_nothing() -> None:
    vendor = Vendor()
    vendor.add(0)
    reader = Reader(vendor)
    await reader.poll()
    expected = [vendor.add(10), vendor.add(20, ticket=None), vendor.add(30, date="yesterday")]
    expected.append(vendor.add(40))
    vendor.rows.insert(2, "garbage")  # type: ignore[arg-type]
    vendor._ordered = lambda *, is_sorted: list(vendor.rows)[::-1]  # type: ignore[method-assign]
    result = await reader.poll()
    assert {expected[0], expected[2], expected[3]} <= set(reader.sighted)
    assert len(result.notes) == 3
    assert (await reader.poll()).notes == ()


async def test_a_date_far_ahead_does_not_hide_what_follows() -> None:
    vendor = Vendor()
    vendor.add(0)
    reader = Reader(vendor)
    await reader.poll()
    odd = vendor.add(0, date="2999-01-01T00:00:00.000+0000")
    await reader.poll()
    assert odd in reader.sighted
    new = vendor.add(60)
    result = await reader.poll()
    assert new in reader.sighted
    assert "2999" not in str(result.cursor.partition("known")[0])


async def test_positions_that_are_refused_do_not_stop_the_reading_of_news() -> None:
    vendor = Vendor(deepest=30)
    vendor.add(0)
    reader = Reader(vendor, page_size=10)
    await reader.poll()
    for second in range(100):
        vendor.add(1000 + second)
    assert (await reader.poll()).notes
    new = vendor.add(5000)
    await reader.poll()
    assert new in reader.sighted


async def test_a_stored_cursor_that_is_none_of_ours_is_not_taken_for_a_fresh_start() -> None:
    reader = Reader(Vendor())
    for text in ("", "{}", '{"v": 99}', "[]"):
        reader.cursor = text
        with pytest.raises(OddAnswer, match="resync"):
            await reader.poll()


async def test_one_ticket_with_many_activities_is_sighted_once_naming_them() -> None:
    vendor = Vendor()
    vendor.add(0)
    reader = Reader(vendor)
    await reader.poll()
    ticket = {"id": "t1", "caseNumber": "Case-1"}
    vendor.add(10, ticket=ticket, action="NEW")
    vendor.add(11, ticket=ticket, action="COMMENTED")
    vendor.add(12, ticket=ticket, action="COMMENTED")
    (one,) = (await reader.poll()).sightings
    assert one.seen == "activity NEW, COMMENTED"
    assert one.ref.number == "Case-1"


@st.composite
def histories(draw: st.DrawFn) -> dict[str, object]:
    order = draw(st.sampled_from(["descending", "ascending", "shuffled"]))
    return {
        "takes_sort": draw(st.booleans()),
        "order": order,
        "tells_total": draw(st.booleans()),
        # Three items in disorder look sorted by chance; ten do not.
        "page_size": draw(st.integers(10 if order == "shuffled" else 3, 12)),
        "pages_max": draw(st.integers(2, 5)),
        "overlap_items": draw(st.integers(1, 4)),
        "seed": draw(st.integers(0, 2**32)),
        "old": draw(st.integers(0, 40)),
        "bursts": draw(st.lists(st.integers(0, 40), max_size=6)),
    }


@given(histories())
# Additions above and below a gap between two activities of one date.
@example(
    {
        "takes_sort": False,
        "order": "descending",
        "tells_total": True,
        "page_size": 7,
        "pages_max": 5,
        "overlap_items": 1,
        "seed": 493,
        "old": 5,
        "bursts": [9, 32],
    }
)
def test_every_activity_is_sighted_whatever_comes_when_in_which_order(
    history: dict[str, object],
) -> None:
    asyncio.run(_run(history))


async def _run(history: dict[str, object]) -> None:
    chance = random.Random(str(history["seed"]))
    vendor = Vendor(
        takes_sort=bool(history["takes_sort"]),
        tells_total=bool(history["tells_total"]),
        default_order=str(history["order"]),
    )
    for _ in range(int(str(history["old"]))):
        vendor.now_s += chance.choice([0, 1, 50, 500])
        vendor.add()
    reader = Reader(
        vendor,
        page_size=history["page_size"],
        pages_max=history["pages_max"],
        overlap_items=history["overlap_items"],
    )
    await reader.poll()
    expected: list[str] = []

    def arrive(_skip: int) -> None:
        if chance.random() < 0.2 and len(expected) < 300:
            vendor.now_s += chance.choice([0, 0, 1, 30])
            late_s = chance.choice([0, 0, 0, 3, 60, 119])
            expected.append(vendor.add(vendor.now_s - late_s))

    vendor.before_page = arrive
    for burst in history["bursts"]:  # type: ignore[attr-defined]
        vendor.now_s += chance.choice([0, 1, 200, 5000])
        for _ in range(burst):
            vendor.now_s += chance.choice([0, 0, 1, 20])
            expected.append(vendor.add())
        await reader.poll()
    vendor.before_page = lambda _skip: None
    # More than one whole reading: an unsorted feed finds in the second what came behind the first.
    for _ in range(3):
        await reader.until_caught_up()
    assert set(expected) <= set(reader.sighted)
    if history["tells_total"]:
        assert await comes_to_rest(reader)


async def comes_to_rest(reader: Reader) -> bool:
    """Say whether polls become single requests that leave the cursor as it was."""
    for _ in range(400):
        before = reader.cursor
        if (await reader.poll()).requests == 1 and reader.cursor == before:
            return True
    return False
