"""The scan, the report behind it and the sweep, over HTTP against the sandbox."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from syncd.ports.adapter import PollResult
from syncd.ports.errors import NotFound, OddAnswer, RemoteError
from syncd.providers.sipsynergy import SipSynergyAdapter
from syncd.sandbox import SandboxClock, SipSynergySandbox, SipSynergySandboxSettings
from tests.providers.sipsynergy.desk import Connecting, ref_to

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass
class Scan:
    """A connection that is polled as intake does: cursor and digests kept, nothing else."""

    sandbox: SipSynergySandbox
    connecting: Connecting
    keys: dict[str, object] = field(default_factory=dict)
    cursor: str | None = None
    digests: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.adapter: SipSynergyAdapter = self.connecting.adapter(
            f"{self.sandbox.base_url}/api", auth={"kind": "none"}, **self.keys
        )

    def advance(self, seconds: float) -> None:
        self.connecting.clock.advance(seconds)
        self.sandbox.clock.advance(seconds)

    async def poll(self, after_s: float = 0.0) -> dict[str, str]:
        """Poll once; the tickets that would be read, and why."""
        self.advance(after_s)
        self.result: PollResult = await self.adapter.poll("ticket", self.cursor)
        self.cursor = self.result.cursor
        due: dict[str, str] = {}
        for one in self.result.sightings:
            ticket = str(one.ref.id)
            if one.digest is None or self.digests.get(ticket) != one.digest:
                due[ticket] = one.seen
            if one.digest is not None:
                self.digests[ticket] = one.digest
        return due

    async def status(self, ticket: str) -> object:
        return (await self.adapter.read(ref_to(ticket))).get("status")

    def asked(self) -> dict[str, int]:
        """Count the calls received so far, by name."""
        names = [str(one["operation"]) for one in self.sandbox.record.requests()]
        return {name: names.count(name) for name in sorted(set(names))}


@pytest.fixture
async def sandbox(connecting: Connecting) -> AsyncIterator[SipSynergySandbox]:
    clock = SandboxClock(connecting.clock.now())
    settings = SipSynergySandboxSettings(auth="none", clock=clock)
    async with SipSynergySandbox(settings) as running:
        yield running


@pytest.fixture
async def scan(sandbox: SipSynergySandbox, connecting: Connecting) -> Scan:
    return Scan(sandbox, connecting, {"sweep": {"active": "31d", "rest": 0}})


def opened(sandbox: SipSynergySandbox, count: int = 1) -> list[str]:
    return sorted(sandbox.person_creates({"title": f"T{place}"}) for place in range(count))


async def test_a_quiet_poll_is_one_request_and_the_report_keeps_its_own_pace(scan: Scan) -> None:
    opened(scan.sandbox, 5)
    assert len(await scan.poll()) == 5
    for _ in range(60):
        assert await scan.poll(MINUTE) == {}
        assert not scan.result.gap
    assert scan.asked() == {"list_tickets": 61, "report": 2 + 4}


async def test_a_status_is_seen_when_the_report_tells_it_and_only_then(scan: Scan) -> None:
    (ticket,) = opened(scan.sandbox)
    await scan.poll()
    scan.sandbox.person_sets_status(ticket, "Open")

    assert await scan.poll(5 * MINUTE) == {}
    assert await scan.status(ticket) == "New"
    assert await scan.poll(11 * MINUTE) == {ticket: "listed"}
    assert await scan.status(ticket) == "Open"
    assert scan.asked()["report"] == 3


async def test_a_read_before_any_poll_reads_the_report_once(scan: Scan) -> None:
    first, second = opened(scan.sandbox, 2)
    assert [await scan.status(each) for each in (first, second)] == ["New", "New"]
    assert scan.asked()["report"] == 2
    scan.restart()
    scan.sandbox.faults.next("error_before", operation="report", count=50, status=503)
    with pytest.raises(RemoteError):
        await scan.status(first)


async def test_a_ticket_no_report_tells_of_has_no_status_at_all(scan: Scan) -> None:
    (known,) = opened(scan.sandbox)
    await scan.poll()
    (fresh,) = set(opened(scan.sandbox)) - {known}
    assert fresh in await scan.poll(MINUTE)
    told = (await scan.adapter.read(ref_to(fresh))).fields
    assert "status" not in told
    assert "priority" not in told
    assert fresh in await scan.poll(15 * MINUTE)
    assert await scan.status(fresh) == "New"


async def test_a_ticket_that_left_the_report_keeps_its_last_status_also_after_a_restart(
    scan: Scan,
) -> None:
    (ticket,) = opened(scan.sandbox)
    scan.sandbox.person_sets_status(ticket, "Resolved")
    await scan.poll()
    assert await scan.poll(40 * DAY) == {}
    scan.restart()
    assert await scan.poll(MINUTE) == {}
    assert await scan.status(ticket) == "Resolved"


async def test_a_report_that_cannot_be_read_leaves_what_is_known_and_is_told_once(
    scan: Scan,
) -> None:
    (ticket,) = opened(scan.sandbox)
    await scan.poll()
    scan.sandbox.faults.next("garbage", operation="report", count=2)
    for told in (1, 0):
        assert await scan.poll(16 * MINUTE) == {}
        assert len(scan.result.notes) == told
    assert await scan.status(ticket) == "New"
    scan.sandbox.person_sets_status(ticket, "Open")
    assert await scan.poll(MINUTE) == {ticket: "listed"}


async def test_what_the_ticket_itself_says_of_its_status_counts_more(
    connecting: Connecting,
) -> None:
    settings = SipSynergySandboxSettings(
        auth="none", show_status=True, clock=SandboxClock(connecting.clock.now())
    )
    async with SipSynergySandbox(settings) as sandbox:
        scan = Scan(sandbox, connecting)
        (ticket,) = opened(sandbox)
        await scan.poll()
        sandbox.person_sets_status(ticket, "Open")
        assert await scan.poll(1.0) == {ticket: "listed"}
        assert await scan.status(ticket) == "Open"


async def test_comments_are_found_by_a_sweep_that_reads_everything_in_its_time(
    sandbox: SipSynergySandbox, connecting: Connecting
) -> None:
    scan = Scan(sandbox, connecting, {"sweep": {"active": "10m", "rest": "2h", "active_for": "1d"}})
    old = set(opened(sandbox, 24))
    await scan.poll()
    scan.advance(2 * DAY)
    young = set(opened(sandbox, 10))
    await scan.poll()

    swept: list[str] = []
    for _ in range(10):
        swept += await scan.poll(MINUTE)
    assert young <= set(swept)
    assert len(swept) <= 10 + 1 + 2 + 24 / 12, "no more than the pace says"
    for _ in range(110):
        swept += await scan.poll(MINUTE)
    assert old <= set(swept), "the rest comes in its own time"


async def test_a_sweep_after_a_long_silence_is_no_flood(
    sandbox: SipSynergySandbox, connecting: Connecting
) -> None:
    scan = Scan(sandbox, connecting, {"sweep": {"active": "10m", "rest": 0, "per_poll": 3}})
    opened(sandbox, 9)
    await scan.poll()
    met: set[str] = set()
    for _ in range(3):
        due = await scan.poll(DAY)
        assert len(due) == 3
        met |= set(due)
    assert len(met) == 9


async def test_a_ticket_not_listed_any_more_is_read_by_its_id_once(scan: Scan) -> None:
    first, second = opened(scan.sandbox, 2)
    await scan.poll()
    scan.sandbox.person_removes(first)
    assert await scan.poll(MINUTE) == {first: "not listed any more"}
    with pytest.raises(NotFound):
        await scan.adapter.read(ref_to(first))
    assert await scan.poll(MINUTE) == {}
    assert await scan.status(second) == "New"


async def test_odd_rows_are_stepped_over_told_once_and_hide_no_others(
    connecting: Connecting, http: Any
) -> None:
    adapter = connecting.adapter("https://sip.example/api", report={"weekly": 0, "monthly": 0})
    good = {"id": "INC-1", "title": "a", "dateUpdated": "2026-03-01T12:00:00+0000"}
    rows = [{"title": "no id"}, 7, good, good, {"id": "INC-2", "dateCreated": "yesterday"}]
    http.get("https://sip.example/api/tickets", payload={"data": rows}, repeat=True)
    first = await adapter.poll("ticket", None)
    assert {str(one.ref.id) for one in first.sightings} == {"INC-1", "INC-2"}
    assert len(first.notes) == 4
    second = await adapter.poll("ticket", first.cursor)
    assert second.notes == ()
    assert {one.digest for one in second.sightings} == {one.digest for one in first.sightings}


async def test_while_rows_cannot_be_read_nothing_counts_as_missing(
    connecting: Connecting, http: Any
) -> None:
    adapter = connecting.adapter("https://sip.example/api", report={"weekly": 0, "monthly": 0})
    url = "https://sip.example/api/tickets"
    http.get(url, payload={"data": [{"id": "INC-1"}, {"id": "INC-2"}]})
    http.get(url, payload={"data": [{"id": "INC-1"}, {"title": "INC-2 perhaps"}]})
    http.get(url, payload={"data": [{"id": "INC-1"}]})
    cursor, seen = None, []
    for _ in range(3):
        result = await adapter.poll("ticket", cursor)
        cursor = result.cursor
        seen.append([str(one.ref.id) for one in result.sightings if one.digest is None])
    assert seen == [[], [], ["INC-2"]]


@pytest.mark.parametrize("cursor", ["", "7", "{}", '{"v": 2}', '{"v": 1, "texts": []}', "[[["])
async def test_a_cursor_that_cannot_be_read_is_an_error_and_no_fresh_start(
    scan: Scan, cursor: str
) -> None:
    with pytest.raises(OddAnswer, match="cursor"):
        await scan.adapter.poll("ticket", cursor)
    assert scan.asked() == {}


async def test_a_cursor_holds_every_text_once(scan: Scan) -> None:
    opened(scan.sandbox, 40)
    await scan.poll()
    told = orjson.loads(scan.cursor or "")
    assert len(told["rows"]) == 40
    assert len(told["texts"]) == len(set(told["texts"]))
    assert (scan.cursor or "").count("P5 - Priority 5") == 1
