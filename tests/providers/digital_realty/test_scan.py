"""What a poll of the lists tells, over real HTTP (sections 5.2 and 7, D11 to D14 and D20)."""

from typing import Any

import orjson
import pytest

from syncd.ports.adapter import PollResult
from syncd.ports.errors import OddAnswer, RemoteContext
from syncd.providers.digital_realty.client import DigitalRealtyClient
from syncd.providers.digital_realty.scan import ListScan
from syncd.sandbox import DigitalRealtySandbox, DigitalRealtySandboxSettings, SandboxClock
from syncd.transport.request import Answer, Request
from tests.providers.digital_realty.desk import Connecting, Desk, settings
from tests.support.clock import FakeClock

SMALL = {"page_size": 4, "pages_max": 3, "reread_every": 0, "closed_every": 0}


def ids(result: PollResult) -> set[str]:
    return {str(one.ref.id) for one in result.sightings}


def seen(result: PollResult, ticket: str) -> str:
    (found,) = (one.seen for one in result.sightings if one.ref.id == ticket)
    return found


@pytest.fixture
async def small(sandbox: DigitalRealtySandbox, connecting: Connecting) -> Desk:
    return Desk(sandbox, connecting, scan=SMALL)


async def test_a_quiet_poll_costs_one_page_of_each_open_list(desk: Desk) -> None:
    for place in range(30):
        desk.sandbox.person_creates({"title": f"{place}"})
    first = await desk.poll()
    second = await desk.poll()

    assert (len(first.sightings), first.requests) == (30, 2)
    assert second.requests == 2
    assert {one.ref.id: one.digest for one in first.sightings} == {
        one.ref.id: one.digest for one in second.sightings
    }


async def test_whatever_a_row_tells_moves_its_digest(desk: Desk) -> None:
    ticket = desk.sandbox.person_creates({"title": "x", "location": "Room 01"})
    digests = [(await desk.poll()).sightings[0].digest]
    desk.advance(5)
    desk.sandbox.person_updates(ticket, {"location": "Room 02"})
    digests.append((await desk.poll()).sightings[0].digest)
    desk.sandbox.person_sets_status(ticket, "In Progress")
    digests.append((await desk.poll()).sightings[0].digest)

    assert None not in digests
    assert len(set(digests)) == 3


@pytest.mark.parametrize("status", ["Completed", "Cancelled", "On Hold"])
async def test_a_ticket_that_leaves_the_open_lists_is_read_once(desk: Desk, status: str) -> None:
    ticket = desk.sandbox.person_creates({"title": "x"})
    await desk.poll()
    desk.sandbox.person_sets_status(ticket, status)

    left = await desk.poll()
    after = await desk.poll()

    assert [(one.ref.id, one.digest) for one in left.sightings] == [(ticket, None)]
    assert seen(left, ticket) == "it left the open lists"
    assert after.sightings == ()


async def test_a_page_limit_leaves_a_gap_and_nothing_is_taken_for_gone(small: Desk) -> None:
    made = [small.sandbox.person_creates({"title": f"{place}"}) for place in range(30)]
    found: set[str] = set()
    gaps = []
    while not gaps or gaps[-1]:
        result = await small.poll()
        assert result.requests <= 4
        assert not any("left" in one.seen for one in result.sightings)
        found |= ids(result)
        gaps.append(result.gap)
        assert len(gaps) < 20

    assert len(gaps) > 2
    assert found == set(made)
    small.sandbox.person_sets_status(made[0], "Completed")
    told = [one.seen for _ in range(6) for one in (await small.poll()).sightings
            if one.ref.id == made[0]]  # fmt: skip
    assert "it left the open lists" in told


class Shifting:
    """A vendor whose open list loses its first tickets after a page was answered."""

    def __init__(self, rows: int, leaves: dict[int, int]) -> None:
        self.rows = [{"id": f"WO{place}", "status": "New"} for place in range(rows)]
        self.leaves = leaves
        self.answered = 0

    async def read(self, request: Request) -> Answer:
        query = dict(request.query)
        size, number = int(query["size"]), int(query["page"])
        rows = self.rows if query["status"] == "New" else []
        cut = rows[number * size : (number + 1) * size]
        total = len(rows)
        told = {"totalElements": total, "last": (number + 1) * size >= total}
        self.answered += 1
        del self.rows[: self.leaves.get(self.answered, 0)]
        body = orjson.dumps({"content": cut, "pageable": told})
        return Answer(status=200, headers={}, body=body, context=RemoteContext())

    write = read

    def stream(self, request: Request) -> Any:
        raise NotImplementedError


async def test_a_ticket_closed_while_pages_are_read_hides_no_other() -> None:
    # What leaves a page already read moves the rest forward, past the edge of the next page.
    vendor = Shifting(rows=11, leaves={1: 2, 2: 1})
    made = {str(one["id"]) for one in vendor.rows}
    own = settings(scan={"page_size": 4})
    clock = FakeClock()
    scan = ListScan(DigitalRealtyClient(vendor, own, clock), own.scan)

    result = await scan.poll(None, clock.now())

    assert ids(result) == made


async def test_open_tickets_are_read_again_in_turns_for_comments(
    sandbox: DigitalRealtySandbox, connecting: Connecting
) -> None:
    scan = {"reread_every": "10m", "reread_most": 5, "closed_every": 0}
    desk = Desk(sandbox, connecting, scan=scan)
    made = {desk.sandbox.person_creates({"title": f"{place}"}) for place in range(12)}
    await desk.poll()
    turns: list[str] = []
    for _ in range(10):
        desk.advance(60)
        result = await desk.poll()
        again = [one for one in result.sightings if one.digest is None]
        assert len(again) <= 5
        assert ids(result) == made
        turns += [str(one.ref.id) for one in again]

    assert sorted(turns) == sorted(made), "each once in a round"
    desk.advance(86400)
    assert len([one for one in (await desk.poll()).sightings if one.digest is None]) == 5


async def test_a_ticket_that_came_and_went_between_two_polls_is_met_among_the_closed(
    sandbox: DigitalRealtySandbox, connecting: Connecting
) -> None:
    scan = {"page_size": 3, "reread_every": 0, "closed_every": "1h", "closed_history": "1d"}
    desk = Desk(sandbox, connecting, scan=scan)
    for place in range(5):
        ticket = desk.sandbox.person_creates({"title": f"old {place}"})
        desk.sandbox.person_sets_status(ticket, "Completed")
    desk.advance(10 * 86400)
    assert (await desk.poll()).sightings == ()
    desk.advance(60)
    unseen = {desk.sandbox.person_creates({"title": f"new {place}"}) for place in range(7)}
    for ticket in sorted(unseen):
        desk.sandbox.person_sets_status(
            ticket, "Cancelled" if ticket[-1] in "02468" else "Completed"
        )
    found: set[str] = set()
    assert ids(await desk.poll()) == set(), "not yet time"
    desk.advance(3600)
    for _ in range(12):
        result = await desk.poll()
        assert result.requests <= 4
        assert all(one.digest is not None for one in result.sightings)
        found |= ids(result)

    assert found == unseen, "what was history stays unread"


@pytest.mark.parametrize(
    "options",
    [
        {"pageable_at_top": True},
        {"page_size_max": 2},
        {"list_order": "oldest"},
        {"list_order": "updated"},
    ],
)
async def test_the_end_is_found_however_pages_are_told(
    connecting: Connecting, options: dict[str, Any]
) -> None:
    clock = SandboxClock(connecting.clock.now())
    settings = DigitalRealtySandboxSettings(clock=clock, **options)
    async with DigitalRealtySandbox(settings) as sandbox:
        desk = Desk(sandbox, connecting, scan={"page_size": 4})
        made = {sandbox.person_creates({"title": f"{place}"}) for place in range(9)}
        assert ids(await desk.poll()) == made


async def test_a_cursor_that_cannot_be_read_is_no_fresh_start(desk: Desk) -> None:
    for odd in ("", "7", "{}", '{"v": 2}', '{"v": 1, "open": 3}'):
        with pytest.raises(OddAnswer, match="resync"):
            await desk.adapter.poll("ticket", odd)
