"""Paging, sorting, filters and the activities feed (telenor.md sections 4.2 to 4.4)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from syncd.sandbox import SandboxClock, TelenorSandbox, TelenorSandboxSettings
from syncd.sandbox.telenor.settings import PREFIX
from tests.sandbox.conftest import Caller

NEWEST = {"sortField": "lastActivity", "order": "DESC"}


@pytest.fixture
async def lagging(
    clock: SandboxClock, session: aiohttp.ClientSession
) -> AsyncIterator[tuple[TelenorSandbox, Caller]]:
    settings = TelenorSandboxSettings(clock=clock, search_lag_s=30, feed_lag_s=5)
    sandbox = TelenorSandbox(replace(settings, oddities=True))
    await sandbox.start()
    call = Caller(session, sandbox, PREFIX)
    call.headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}"}
    yield sandbox, call
    await sandbox.stop()


def opened(sandbox: TelenorSandbox, count: int, step_s: float = 1.0) -> list[str]:
    tickets = []
    for number in range(count):
        tickets.append(sandbox.person_creates({"subject": f"Case {number}"}))
        sandbox.clock.advance(step_s)
    return tickets


async def test_pages_newest_first_cover_the_feed_once(
    call: Caller, telenor: TelenorSandbox
) -> None:
    opened(telenor, 7)

    seen: list[str] = []
    for skip in (0, 3, 6):
        page = (
            await call("GET", "/incidents/activities", params={**NEWEST, "skip": skip, "count": 3})
        ).json
        assert (page["totalSize"], page["count"]) == (7, len(page["activities"]))
        seen += [each["ticket"]["subject"] for each in page["activities"]]

    assert seen == [f"Case {number}" for number in reversed(range(7))]


async def test_activities_of_one_second_share_a_date_and_keep_the_order_of_ids(
    call: Caller, telenor: TelenorSandbox
) -> None:
    opened(telenor, 4, step_s=0.1)

    page = (await call("GET", "/incidents/activities", params=NEWEST)).json["activities"]

    assert len({each["date"] for each in page}) == 1
    assert [each["id"] for each in page] == sorted((each["id"] for each in page), reverse=True)


async def test_without_count_everything_is_returned(call: Caller, telenor: TelenorSandbox) -> None:
    opened(telenor, 5)

    assert (await call("GET", "/incidents")).json["count"] == 5
    assert (await call("GET", "/incidents?skip=4")).json["count"] == 1


async def test_the_feed_names_every_kind_of_change(call: Caller, telenor: TelenorSandbox) -> None:
    ticket = telenor.person_creates({"subject": "x"})
    telenor.person_updates(ticket, {"rootCause": "Restart"})
    telenor.person_comments(ticket, "hello", "Kari", internal=False)
    telenor.person_attaches(ticket, "log.txt", b"abc", "text/plain")
    telenor.person_sets_status(ticket, "Customer Accepted", text="done")

    feed = (await call("GET", "/incidents/activities")).json["activities"]
    own = (await call("GET", f"/incidents/{ticket}/activities")).json
    one = (await call("GET", f"/incidents/{ticket}/activities/{feed[2]['id']}")).json

    assert [each["action"] for each in feed] == [
        "CREATED", "UPDATED", "COMMENTED", "ADDED_ATTACHMENT", "STATUS_CHANGED", "CLOSED",
    ]  # fmt: skip
    assert [each["user"]["internalUser"] for each in feed[:3]] == [True, True, False]
    assert feed[2]["ticket"]["caseNumber"] == "Case-00000001"
    assert own["totalSize"] == 6
    assert one["content"] == "hello"
    assert "ticket" not in one


@pytest.mark.parametrize(
    "query",
    [
        "sortField=colour",
        "sortField=lastActivity&order=desc",
        "skip=-1",
        "count=all",
        "updatedSince=2026",
        "isClosed=1",
        "search=a&search=b",
    ],
)
async def test_a_query_beyond_the_document_is_refused_and_noted(
    call: Caller, telenor: TelenorSandbox, query: str
) -> None:
    refused = await call("GET", f"/incidents?{query}")

    assert (refused.status, refused.json["code"]) == (400, "400002")
    assert len(telenor.violations) == 1


async def test_filters_combine_and_repeat(call: Caller, telenor: TelenorSandbox) -> None:
    first, second, third = opened(telenor, 3)
    telenor.person_sets_status(second, "Solved")
    telenor.person_sets_status(third, "Customer Accepted")

    async def found(query: str) -> list[str]:
        return [each["id"] for each in (await call("GET", f"/incidents?{query}")).json["incidents"]]

    assert await found("status=New&status=Solved") == [first, second]
    assert await found("isClosed=true") == [third]
    assert await found("caseNumber=Case-00000002") == [second]
    assert await found("search=case 2") == [third]
    assert await found("loggedBy=nobody") == []


async def test_the_newest_cases_come_first_by_number(call: Caller, telenor: TelenorSandbox) -> None:
    tickets = opened(telenor, 12)

    query = {"sortField": "caseNumber", "order": "DESC", "skip": 0, "count": 2}
    page = (await call("GET", "/incidents", params=query)).json["incidents"]

    assert [each["id"] for each in page] == [tickets[11], tickets[10]]
    assert page[0]["owner"] == "System"
    assert page[0]["lastActivity"]["action"] == "CREATED"


async def test_search_and_feed_lag_as_set_while_reads_by_id_do_not(
    lagging: tuple[TelenorSandbox, Caller],
) -> None:
    sandbox, call = lagging
    ticket = sandbox.person_creates({"subject": "x", "description": "[ref:op-1]"})

    async def sizes() -> tuple[Any, Any, Any]:
        search = (await call("GET", "/incidents?search=op-1")).json["totalSize"]
        feed = (await call("GET", "/incidents/activities")).json["totalSize"]
        listed = (await call("GET", "/incidents")).json["totalSize"]
        return search, feed, listed

    assert (await call("GET", f"/incidents/{ticket}")).status == 200
    assert await sizes() == (0, 0, 1)
    sandbox.clock.advance(5)
    assert await sizes() == (0, 1, 1)
    sandbox.clock.advance(25)
    assert await sizes() == (1, 1, 1)


async def test_reads_by_id_lag_where_set_and_writes_do_not(
    clock: SandboxClock, session: aiohttp.ClientSession
) -> None:
    async with TelenorSandbox(TelenorSandboxSettings(clock=clock, read_lag_s=3)) as sandbox:
        call = Caller(session, sandbox, PREFIX)
        call.headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}", "X-User-Name": "s"}
        ticket = sandbox.acts["create"]({"subject": "x"})
        path = f"/incidents/{ticket}/comments"

        written = await call("POST", path, json={"text": "hei", "userName": "s"})
        early = await call("GET", path)
        clock.advance(3)
        late = await call("GET", path)

        assert (written.status, early.status) == (201, 404)
        assert [each["commentBody"] for each in late.json] == ["hei"]


async def test_oddities_of_the_samples_show_on_some_tickets(
    lagging: tuple[TelenorSandbox, Caller],
) -> None:
    sandbox, call = lagging
    for _ in range(4):
        sandbox.person_creates({"subject": "x"}, "Kari", internal=False)

    items = (await call("GET", "/incidents")).json["incidents"]
    categories = (await call("GET", "/incidents/productcategories")).json

    assert [each["lastModifiedDate"][-5:] for each in items] == [
        "+0000",
        "+0000",
        "0+000",
        "+0000",
    ]
    assert [each["createdBy"]["internalUser"] for each in items] == [False, False, False, "N/A"]
    assert [type(each["incidentTypes"]) for each in categories] == [str, list, str]
    assert "closedDate" not in items[2]
    assert items[0]["closedDate"] is None
