"""B-612's webhook as b612.md describes it: three methods on one URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from syncd.sandbox import B612Sandbox, B612SandboxSettings, SandboxClock, serve
from syncd.sandbox.b612.settings import CLIENT_DETAILS, DETAILS, HOURS_LOG, LOCATION
from tests.sandbox.conftest import Caller, Got

URL = "/api/webhook/v1/ticket/catch"
USER = {"user": "d0v6as:b612-api-key"}
BASIC = {"Authorization": aiohttp.encode_basic_auth("d0v6as", "b612-api-key")}
PLACE = {"address": "Coriander Avenue", "city": "London", "data_center": "Telehouse Europe"}
CLIENT = {"ticket_number": "INC1", "todo": "Please reboot server", "priority": "Medium"}
BOTH = {"b612_ticket_number": "B-612-R45176", "ticket_number": "B-612-R45176"}


@asynccontextmanager
async def running(
    session: aiohttp.ClientSession, clock: SandboxClock, **options: Any
) -> AsyncIterator[tuple[B612Sandbox, Caller]]:
    sandbox = B612Sandbox(B612SandboxSettings(clock=clock, **options))
    await sandbox.start()
    ask = Caller(session, sandbox, URL)
    ask.headers = dict(USER)
    yield sandbox, ask
    await sandbox.stop()


@pytest.fixture
async def webhook(
    session: aiohttp.ClientSession, clock: SandboxClock
) -> AsyncIterator[tuple[B612Sandbox, Caller]]:
    async with running(session, clock) as both:
        yield both


async def post(ask: Caller, **ticket: Any) -> Got:
    body = {"ticket": ticket or {"client_details": CLIENT, "location": PLACE}}
    return await ask("POST", "", json=body)


async def put(ask: Caller, details: dict[str, str], **parts: Any) -> Got:
    return await ask("PUT", "", json={"ticket": {"b612_details": details, **parts}})


async def test_a_created_ticket_is_answered_and_read_as_the_document_shows_it(
    webhook: tuple[B612Sandbox, Caller],
) -> None:
    sandbox, ask = webhook

    made = await post(ask)
    read = await ask("GET", "?ID=B-612-R45176")

    assert made.status == read.status == 200
    assert made.json == read.json | {"Method": "POST"}
    assert list(read.json) == ["Method", "location", "b612_details", "client_details", "hours_log"]
    assert set(read.json["location"]) == set(LOCATION)
    assert set(read.json["b612_details"]) == set(DETAILS)
    assert set(read.json["client_details"]) == set(CLIENT_DETAILS)
    assert read.json["hours_log"] == dict.fromkeys(HOURS_LOG, "0")
    assert read.json["location"] == PLACE | {"name": "", "postcode": ""}
    assert read.json["client_details"]["ticket_number"] == "INC1"
    told = {name: text for name, text in read.json["b612_details"].items() if text}
    assert told == {
        "b612_ticket_number": "B-612-R45176",
        "date_created": "03/01/2026",
        "type": "Deployment",
        "status": "Open",
    }
    assert sandbox.violations == []


async def test_the_login_is_basic_or_a_header_and_never_shown(
    webhook: tuple[B612Sandbox, Caller],
) -> None:
    sandbox, ask = webhook
    ask.headers.clear()
    wrong = {"user": "d0v6as:guess"}
    answers = [
        await ask("POST", "", json={"ticket": {}}, headers=headers)
        for headers in (BASIC, USER, BASIC | USER, {}, wrong, BASIC | wrong)
    ]
    sandbox.person_locks_login()
    locked = await ask("POST", "", json={"ticket": {}}, headers=USER)

    assert [each.status for each in answers] == [200, 200, 200, 401, 401, 401]
    assert locked.status == 401
    assert len(sandbox.tickets()) == 3
    assert [each["detail"] for each in sandbox.violations] == ["no login"]
    shown = str(list(sandbox.record))
    assert "b612-api-key" not in shown
    assert BASIC["Authorization"].removeprefix("Basic ") not in shown


async def test_an_update_replaces_all_thirteen_and_finds_the_ticket_by_either_name(
    webhook: tuple[B612Sandbox, Caller],
) -> None:
    sandbox, ask = webhook
    await post(ask)

    both = await put(ask, BOTH, client_details=CLIENT | {"rack": "R02"}, location=PLACE)
    text = await put(ask, {"b612_ticket_number": "b-612-r45176"}, client_details=CLIENT)
    example = await put(ask, {"ticket_number": "B-612-R45176"}, location=PLACE)

    assert [each.status for each in (both, text, example)] == [200] * 3
    assert both.json["Method"] == "PUT"
    assert both.json["client_details"]["rack"] == "R02"
    assert text.json["location"] == dict.fromkeys(LOCATION, "")
    assert example.json["client_details"] == dict.fromkeys(CLIENT_DETAILS, "")
    assert sandbox.violations == []


async def test_what_breaks_the_document_is_refused_without_effect(
    webhook: tuple[B612Sandbox, Caller],
) -> None:
    sandbox, ask = webhook
    await post(ask)
    two = {"b612_ticket_number": "B-612-R45176", "ticket_number": "B-612-R1"}
    answers = [
        await ask("GET", ""),
        await ask("GET", "?id=B-612-R45176"),
        await ask("GET", "?ID=B-612-R45176&full=1"),
        await ask("POST", "", json={"client_details": CLIENT}),
        await ask("POST", "", data={"ticket": "x"}),
        await post(ask, client_details={"rack": 7}),
        await put(ask, {}, client_details=CLIENT),
        await put(ask, two, client_details=CLIENT),
        await ask("DELETE", "?ID=B-612-R45176"),
        await ask.raw("GET", "/api/webhook/v1?ID=B-612-R45176"),
    ]

    assert [each.status for each in answers] == [400] * 4 + [415] + [400] * 3 + [404] * 2
    assert len(sandbox.violations) == len(answers)
    assert [each["what"] for each in sandbox.record.of("ticket_created", "field_changed")] == [
        "ticket_created"
    ]


async def test_unlisted_elements_are_ignored_and_noted(
    webhook: tuple[B612Sandbox, Caller],
) -> None:
    sandbox, ask = webhook
    made = await post(ask, client_details={"colour": "red"}, b612_details={"status": "Closed"})
    await put(ask, BOTH | {"status": "Closed"}, hours_log={})

    assert made.json["b612_details"]["status"] == "Open"
    assert sandbox.tickets()[0]["status"] == "Open"
    assert [each["detail"] for each in sandbox.violations] == [
        "client_details.colour is unknown: ignored",
        "b612_details.status cannot be written: ignored",
        "ticket.hours_log is unknown: ignored",
        "b612_details.status cannot be written: ignored",
    ]


async def test_line_breaks_become_the_run_of_white_space_of_the_example(
    session: aiohttp.ClientSession, clock: SandboxClock, webhook: tuple[B612Sandbox, Caller]
) -> None:
    _, ask = webhook
    made = await post(ask, client_details={"todo": "one\r\ntwo\nthree"})
    assert (
        made.json["client_details"]["todo"] == "one \N{NO-BREAK SPACE} two \N{NO-BREAK SPACE} three"
    )

    async with running(session, clock, keeps_lines=True) as (_, kind):
        kept = await post(kind, client_details={"todo": "one\r\ntwo"})
    assert kept.json["client_details"]["todo"] == "one\r\ntwo"


async def test_people_there_change_what_a_client_may_not(
    webhook: tuple[B612Sandbox, Caller],
) -> None:
    sandbox, ask = webhook
    number = sandbox.person_creates({"todo": "Swap disk"}, "Zoe")
    sandbox.person_suggests(number, "12/15/2026", "13:00:00", "Amiram")
    sandbox.person_logs_hours(number, business="1.5", expenses="40.10")
    sandbox.person_comments(number, "done", "Amiram")
    sandbox.person_sets_status(number, "Closed")

    read = (await ask("GET", f"?ID={number}")).json

    details = read["b612_details"]
    assert (details["date_suggested"], details["time_suggested"]) == ("12/15/2026", "13:00:00")
    assert (details["b612_engineer"], details["status"]) == ("Amiram", "Closed")
    assert list(read["hours_log"].values()) == ["1.5", "0", "40.10"]
    assert read["client_details"]["todo"].endswith("Amiram: done")
    assert {each["actor"] for each in sandbox.record.of("field_changed")} == {"person"}
    assert sandbox.record.of("status_changed")[0]["new"] == "Closed"
    with pytest.raises(LookupError, match="no field total"):
        sandbox.person_updates(number, {"total": "1"})


@pytest.mark.parametrize(
    ("unknown", "status", "body"),
    [("404", 404, b"no such"), ("empty", 200, b""), ("ok", 200, b"OK")],
)
async def test_an_unknown_number_is_answered_as_set(
    session: aiohttp.ClientSession, clock: SandboxClock, unknown: str, status: int, body: bytes
) -> None:
    async with running(session, clock, unknown_ticket=unknown) as (_, ask):
        answer = await ask("GET", "?ID=B-612-R1")
    assert answer.status == status
    assert body in answer.body


async def test_settings_change_the_dialect(
    session: aiohttp.ClientSession, clock: SandboxClock
) -> None:
    options = {"is_wrapped": True, "numeric_amounts": True, "number_key": "ticket_number"}
    async with running(session, clock, **options) as (sandbox, ask):
        made = (await post(ask)).json["ticket"]
        sandbox.person_logs_hours("B-612-R45176", business="1.5")
        read = (await ask("GET", "?ID=B-612-R45176")).json["ticket"]
    assert made["b612_details"]["ticket_number"] == "B-612-R45176"
    assert list(read["hours_log"].values()) == [1.5, 0, 0]

    async with running(session, clock, answers="ok", put_replaces=False) as (sandbox, ask):
        assert (await post(ask)).body == b"OK"
        assert (await put(ask, BOTH, client_details={"rack": "R1"})).body == b"OK"
        assert sandbox.tickets()[0]["fields"]["todo"] == CLIENT["todo"]

    async with running(session, clock, answers="number") as (sandbox, ask):
        assert (await post(ask)).json == {"b612_ticket_number": "B-612-R45176"}


async def test_a_lost_answer_has_its_effect_and_a_stale_read_looks_back(
    session: aiohttp.ClientSession, clock: SandboxClock, webhook: tuple[B612Sandbox, Caller]
) -> None:
    sandbox, ask = webhook
    sandbox.faults.next("lost_answer", operation="create_ticket")
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(ask)
    assert len(sandbox.tickets()) == 1

    clock.advance(10)
    sandbox.person_sets_status("B-612-R45176", "Closed")
    sandbox.faults.next("stale_read", lag_s=5)
    old, new = [(await ask("GET", "?ID=B-612-R45176")).json for _ in range(2)]
    assert [each["b612_details"]["status"] for each in (old, new)] == ["Open", "Closed"]
    with pytest.raises(ValueError, match="cannot show page_drift"):
        sandbox.faults.next("page_drift")


async def test_it_is_served_by_name_and_played_over_http(session: aiohttp.ClientSession) -> None:
    sandbox = await serve("b612", seed=3)
    try:
        ask = Caller(session, sandbox)
        made = await ask(
            "POST", "/_control/act", json={"do": "create", "fields": {"todo": "x"}, "by": "Zoe"}
        )
        number = made.json["result"]
        await ask(
            "POST", "/_control/act", json={"do": "log_hours", "ticket": number, "business": "2"}
        )
        dumped = (await ask("GET", "/_control/tickets")).json
        assert dumped == sandbox.tickets()
        assert dumped[0]["fields"]["total_business_hours"] == "2"
    finally:
        await sandbox.stop()
