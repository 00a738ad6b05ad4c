"""RT's REST2 as it is on 5.0.3, oddities included; the facts are those of the provider's notes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from syncd.sandbox import RtSandbox, RtSandboxSettings, SandboxClock
from tests.sandbox.conftest import Caller

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICKET = {
    "Queue": "Support",
    "Subject": "Link down",
    "Content": "Dark",
    "ContentType": "text/plain",
}


@pytest.fixture
async def rt(
    session: aiohttp.ClientSession, clock: SandboxClock
) -> AsyncIterator[tuple[RtSandbox, Caller]]:
    async with RtSandbox(RtSandboxSettings(clock=clock)) as sandbox:
        ask = Caller(session, sandbox, "/REST/2.0")
        ask.headers = {"Authorization": "token 1-33-sandbox"}
        yield sandbox, ask


async def test_a_refused_update_is_200_with_the_reason_and_changes_nothing(
    rt: tuple[RtSandbox, Caller],
) -> None:
    sandbox, ask = rt
    ticket = sandbox.person_creates({"Subject": "A"})
    got = await ask(
        "PUT", f"/ticket/{ticket}", json={"Status": "weird"}, headers=await tag(ask, ticket)
    )
    assert (got.status, got.json) == (
        200,
        [f"Ticket {ticket}: Status 'weird' isn't a valid status for this ticket."],
    )
    assert sandbox.tickets()[0]["status"] == "new"


async def tag(ask: Caller, ticket: str) -> dict[str, str]:
    return {"If-Match": (await ask("GET", f"/ticket/{ticket}")).headers["ETag"]}


async def test_a_stale_update_is_412(rt: tuple[RtSandbox, Caller]) -> None:
    sandbox, ask = rt
    ticket = sandbox.person_creates({"Subject": "A"})
    stale = await tag(ask, ticket)
    sandbox.person_updates(ticket, {"Subject": "B"})
    assert (
        await ask("PUT", f"/ticket/{ticket}", json={"Subject": "C"}, headers=stale)
    ).status == 412


async def test_a_merged_ticket_answers_as_the_other_and_no_search_finds_it(
    rt: tuple[RtSandbox, Caller],
) -> None:
    sandbox, ask = rt
    one, other = sandbox.person_creates({"Subject": "A"}), sandbox.person_creates({"Subject": "B"})
    sandbox.person_merges(one, other)
    assert (await ask("GET", f"/ticket/{one}")).json["id"] == int(other)
    assert (await search(ask, f"id = {one}"))["count"] == 0


async def search(ask: Caller, query: str, **more: str) -> Any:
    got = await ask("GET", "/tickets", params={"query": query, **more})
    assert got.status == 200, got.json
    return got.json


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("LastUpdated >= '2026-03-01 12:00:00'", True),
        ("LastUpdated > '2026-03-01 12:00:00'", False),
        ("LastUpdated > '2026-03-01T12:00:00Z'", True),
        ("LastUpdated = '2026-03-01'", True),
        ("Queue = 'Network'", False),
        ("(Queue = 'Network' OR Queue = 'Support') AND id > 0", True),
        ("Creator = 'anna' AND Status != 'new'", False),
    ],
)
async def test_searches_read_dates_as_rt_does(
    session: aiohttp.ClientSession, query: str, found: bool
) -> None:
    clock = SandboxClock()
    clock.freeze(AT)
    async with RtSandbox(RtSandboxSettings(clock=clock)) as sandbox:
        ask = Caller(session, sandbox, "/REST/2.0")
        ask.headers = {"Authorization": "token 1-33-sandbox"}
        sandbox.person_creates({"Subject": "A"})
        assert bool((await search(ask, query))["count"]) is found


async def test_what_is_left_out_silently_is_noted_as_a_violation(
    rt: tuple[RtSandbox, Caller],
) -> None:
    sandbox, ask = rt
    body = TICKET | {"Owner": "nobody-here", "CustomFields": {"Nope": "x"}, "Colour": "red"}
    assert (await ask("POST", "/ticket", json=body)).status == 201
    assert [one["rule"] for one in sandbox.violations] == ["bodies", "create", "custom fields"]


async def test_a_message_tells_its_id_in_the_location_alone(rt: tuple[RtSandbox, Caller]) -> None:
    sandbox, ask = rt
    ticket = sandbox.person_creates({"Subject": "A"})
    body = {"Content": "Hi", "ContentType": "text/plain", "TxnCustomFields": {"Nope": "x"}}
    got = await ask("POST", f"/ticket/{ticket}/comment", json=body)
    assert got.status == 201
    assert got.json == ["Comments added", "Unable to load transaction custom field: Nope"]
    number = sandbox.tickets()[0]["comments"][0]["id"]
    assert got.headers["Location"] == f"/REST/2.0/transaction/{number}"


async def test_a_bad_token_is_401_but_a_page_to_log_in_where_files_are(
    rt: tuple[RtSandbox, Caller], session: aiohttp.ClientSession
) -> None:
    sandbox, ask = rt
    ask.headers = {"Authorization": "token nope"}
    assert (await ask("GET", "/rt")).status == 401
    async with session.get(
        f"{sandbox.base_url}/Ticket/Attachment/1/1/x", headers=ask.headers
    ) as got:
        assert (got.status, got.content_type) == (200, "text/html")


async def test_totals_are_for_searches_and_a_page_has_a_hundred_at_most(
    rt: tuple[RtSandbox, Caller],
) -> None:
    sandbox, ask = rt
    ticket = sandbox.person_creates({"Subject": "A"})
    got = await ask("GET", f"/ticket/{ticket}/history", params={"per_page": "500"})
    assert (got.json["total"], got.json["pages"], got.json["per_page"]) == (None, None, 100)
    assert (await search(ask, "id > 0"))["total"] == 1
    assert (
        await ask("GET", "/tickets", params={"query": "id > 0", "fields": "Nope"})
    ).status == 500
    assert (await ask("GET", "/tickets", params={"query": "Nope = 1"})).status == 400
