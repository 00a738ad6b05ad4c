"""The SmartOps contract as smartops.md describes it, answered by a small ITSM."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from syncd.sandbox import SandboxClock, SmartOpsSandbox, SmartOpsSandboxSettings
from syncd.sandbox.smartops.settings import LISTS, READ_ONLY, WRITABLE
from tests.sandbox.conftest import Caller, Got

EVERY_NAME = [*WRITABLE, *READ_ONLY, *LISTS]


async def create(ask: Caller, *names: str, **fields: Any) -> Got:
    body = {
        "connectionDetails": {},
        "ticketJSON": {"shortDescription": "Link down"} | fields,
        "ticketFields": list(names),
        "itsmTimeZoneOffset": "+00:00",
    }
    return await ask("POST", "/itsm/tickets/create", json=body)


async def update(ask: Caller, sys_id: str, *names: str, **fields: Any) -> Got:
    body = {"sysId": sys_id, "ticketJSON": fields, "ticketFields": list(names)}
    return await ask("POST", "/itsm/tickets/update", json=body)


async def fetch(ask: Caller, number: str, *names: str, method: str = "GET") -> Got:
    body = {"ticketNumber": number, "ticketFields": list(names), "connectionDetails": {}}
    return await ask(method, "/itsm/tickets/details", json=body)


@asynccontextmanager
async def running(
    session: aiohttp.ClientSession, **options: Any
) -> AsyncIterator[tuple[SmartOpsSandbox, Caller]]:
    sandbox = SmartOpsSandbox(SmartOpsSandboxSettings(**options))
    await sandbox.start()
    ask = Caller(session, sandbox)
    ask.headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}"}
    yield sandbox, ask
    await sandbox.stop()


def test_the_contract_has_twenty_five_fields() -> None:
    assert len(set(EVERY_NAME)) == 25


async def test_a_created_ticket_answers_every_name_asked_for(ask: Caller) -> None:
    answer = await create(ask, *EVERY_NAME, "u_site", "nonsense", "sysId", ticketPriority=2)

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json) == {"statusCode", "statusMessage", "ticketDetails"}
    assert answer.json["statusCode"] == "200"
    details = answer.json["ticketDetails"]
    assert set(details) == {*EVERY_NAME, "u_site", "nonsense"}
    assert len(details["sysId"]) == 32
    assert details["ticketNumber"] == "INC0012399"
    assert (details["ticketStatus"], details["ticketPriority"]) == ("New", "2")
    assert details["createdTime"] == "2026-03-01T10:00:00.250000"
    assert (details["comments"], details["nonsense"], details["resolvedTime"]) == ([], "", "")


async def test_without_names_the_two_ids_are_answered(ask: Caller) -> None:
    assert set((await create(ask)).json["ticketDetails"]) == {"sysId", "ticketNumber"}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_ticket_is_fetched_by_get_with_a_body_or_by_post(
    ask: Caller, smartops: SmartOpsSandbox, method: str
) -> None:
    smartops.person_creates({"shortDescription": "x", "u_site": "Fornebu"})

    answer = await fetch(ask, "INC0012399", "shortDescription", "u_site", method=method)

    assert answer.json["ticketDetails"] == {"shortDescription": "x", "u_site": "Fornebu"}
    assert smartops.violations == []


async def test_a_fetch_may_ask_in_the_query_but_not_disagree(
    ask: Caller, smartops: SmartOpsSandbox
) -> None:
    smartops.person_creates({"shortDescription": "x"})
    path = "/itsm/tickets/details"

    asked = await ask("GET", f"{path}?ticketNumber=INC0012399&ticketFields=sysId,category")
    disagreed = await ask("GET", f"{path}?ticketNumber=INC1", json={"ticketNumber": "INC2"})
    secret = await ask("GET", f"{path}?ticketNumber=INC0012399&connectionDetails=x")

    assert set(asked.json["ticketDetails"]) == {"sysId", "category"}
    assert [disagreed.json["statusCode"], secret.json["statusCode"]] == ["400", "400"]
    assert [each["rule"] for each in smartops.violations] == ["O1", "O1"]


async def test_an_update_changes_what_it_names_and_adds_notes(
    ask: Caller, smartops: SmartOpsSandbox, clock: SandboxClock
) -> None:
    sys_id = smartops.person_creates({"shortDescription": "x", "category": "net"}, "Dina")
    smartops.person_comments(sys_id, "please help", "Dina")
    clock.advance(1.000_001)

    answer = await update(
        ask, sys_id, "comments", "workNotes", "closureNotes", "shortDescription", "category",
        "updatedBy", "u_vendor_ref",
        shortDescription="y", category="", comments="hello", workNotes="hidden",
        closeNotes="done", u_vendor_ref="Case-1",
    )  # fmt: skip

    by, at = "SmartOps Integration", "2026-03-01T10:00:01.250001"
    assert answer.json["ticketDetails"] == {
        "comments": [
            {
                "commentBy": "Dina",
                "commentTime": "2026-03-01T10:00:00.250000",
                "comment": "please help",
            },
            {"commentBy": by, "commentTime": at, "comment": "hello"},
        ],
        "workNotes": [{"workNoteBy": by, "workNoteTime": at, "workNote": "hidden"}],
        "closureNotes": [{"closureNoteBy": by, "closureNoteTime": at, "closureNote": "done"}],
        "shortDescription": "y",
        "category": "net",
        "updatedBy": by,
        "u_vendor_ref": "Case-1",
    }
    assert [each["kind"] for each in smartops.record.of("comment_added")] == [
        "comments", "comments", "workNotes", "closureNotes",
    ]  # fmt: skip


async def test_resolving_and_closing_leave_who_and_when(
    ask: Caller, smartops: SmartOpsSandbox, clock: SandboxClock
) -> None:
    sys_id = smartops.person_creates({"shortDescription": "x"})
    names = ("resolvedTime", "resolvedBy", "closedBy", "ticketBusinessDuration")
    clock.advance(60)

    resolved = await update(ask, sys_id, *names, ticketStatus="Resolved")
    clock.advance(60)
    smartops.person_sets_status(sys_id, "Closed", "Dina")
    closed = await fetch(ask, "INC0012399", *names)
    smartops.person_sets_status(sys_id, "In Progress", "Dina")
    reopened = await fetch(ask, "INC0012399", *names)

    at, by = "2026-03-01T10:01:00.250000", "SmartOps Integration"
    assert list(resolved.json["ticketDetails"].values()) == [at, by, "", "60"]
    assert list(closed.json["ticketDetails"].values()) == [at, by, "Dina", "60"]
    assert list(reopened.json["ticketDetails"].values()) == ["", "", "", "120"]


async def test_business_failures_are_strings_in_a_good_answer(
    ask: Caller, smartops: SmartOpsSandbox
) -> None:
    sys_id = smartops.person_creates({"shortDescription": "x"})

    answers = [
        await fetch(ask, "INC0000001"),
        await update(ask, "f" * 32, shortDescription="y"),
        await update(ask, sys_id, ticketStatus="Frozen"),
        await update(ask, sys_id, ticketPriority="Highest"),
        await update(ask, sys_id, u_vendor_ref="x" * 41),
        await update(ask, sys_id, category=["x"]),
        await ask("POST", "/itsm/tickets/update", json={"ticketJSON": {}}),
        await ask("POST", "/itsm/tickets/create", json={"ticketFields": []}),
        await ask("POST", "/itsm/tickets/create", json={"ticketJSON": {}, "ticketFields": "x"}),
    ]

    assert [each.status for each in answers] == [200] * 9
    assert [each.json["statusCode"] for each in answers] == ["404", "404"] + ["400"] * 7
    assert all(each.json["ticketDetails"] == {} for each in answers)
    assert len(smartops.tickets()) == 1


async def test_what_is_no_json_is_refused_outright(ask: Caller, smartops: SmartOpsSandbox) -> None:
    headers = {"Content-Type": "application/json"}

    broken = await ask("POST", "/itsm/tickets/create", data=b"{", headers=headers)
    form = await ask("POST", "/itsm/tickets/create", data={"a": "b"})
    no_path = await ask("POST", "/itsm/tickets/delete", json={})

    assert [each.status for each in (broken, form, no_path)] == [400, 400, 404]
    assert [each.json["statusCode"] for each in (broken, form, no_path)] == ["400", "400", "404"]
    assert len(smartops.violations) == 3


async def test_unknown_and_read_only_keys_are_ignored_and_noted(
    ask: Caller, smartops: SmartOpsSandbox
) -> None:
    answer = await create(ask, "createdBy", "u_site", createdBy="me", u_site="x", colour="red")

    assert answer.json["ticketDetails"] == {"createdBy": "SmartOps Integration", "u_site": ""}
    assert [each["detail"] for each in smartops.violations] == [
        "createdBy is read-only: ignored",
        "u_site is read-only: ignored",
        "colour is unknown: ignored",
    ]


async def test_odd_connection_details_and_offsets_are_noted_only(
    ask: Caller, smartops: SmartOpsSandbox
) -> None:
    body = {
        "ticketJSON": {"shortDescription": "x"},
        "connectionDetails": {"itsmVersion": "7!", "url": "aHR0cHM6Ly94", "user": "not coded!"},
        "itsmTimeZoneOffset": "Oslo",
        "extra": 1,
    }

    answer = await ask("POST", "/itsm/tickets/create", json=body)

    assert answer.json["statusCode"] == "200"
    assert [each["detail"].split()[0] for each in smartops.violations] == [
        "unknown", "connectionDetails.user", "itsmTimeZoneOffset",
    ]  # fmt: skip


async def test_settings_change_the_dialect(session: aiohttp.ClientSession) -> None:
    options = {
        "numeric_status_code": True,
        "mirror_status": True,
        "details_key": "results",
        "spelled_priority": True,
        "create_path": "/acme/create",
        "takes_get": False,
    }
    async with running(session, **options) as (sandbox, ask):
        body = {
            "ticketJSON": {"ticketPriority": "1 - Critical"},
            "ticketFields": ["ticketPriority"],
        }
        made = await ask("POST", "/acme/create", json=body)
        missing = await fetch(ask, "INC1", method="POST")
        not_taken = await fetch(ask, "INC1")

        assert made.json["statusCode"] == 200
        assert made.json["results"] == {"ticketPriority": "1 - Critical"}
        assert sandbox.tickets()[0]["fields"]["ticketPriority"] == "1"
        assert (missing.status, missing.json["statusCode"]) == (404, 404)
        assert not_taken.status == 404


async def test_repeats_are_taken_once_where_set(session: aiohttp.ClientSession) -> None:
    options = {"duplicate_window_s": 60.0, "clock": SandboxClock(), "idempotency_keys": True}
    async with running(session, **options) as (sandbox, ask):
        first, second = await create(ask, comments="x"), await create(ask, comments="x")
        sys_id = first.json["ticketDetails"]["sysId"]
        await update(ask, sys_id, comments="x")
        sandbox.clock.advance(61)
        await update(ask, sys_id, comments="x")
        await create(ask, comments="x")
        ask.headers["Idempotency-Key"] = "k1"
        third, fourth = await create(ask), await create(ask)

        assert second.json["ticketDetails"]["sysId"] == sys_id
        assert len(sandbox.tickets()[0]["comments"]) == 2
        assert third.json == fourth.json
        assert len(sandbox.tickets()) == 3


async def test_two_equal_comments_of_a_person_are_two(
    ask: Caller, smartops: SmartOpsSandbox
) -> None:
    sys_id = smartops.person_creates({"shortDescription": "x"})
    smartops.person_comments(sys_id, "up?", "Dina")
    smartops.person_comments(sys_id, "up?", "Dina", internal=True)
    smartops.person_comments(sys_id, "up?", "Dina")

    details = (await fetch(ask, "INC0012399", "comments", "workNotes")).json["ticketDetails"]

    assert (len(details["comments"]), len(details["workNotes"])) == (2, 1)


async def test_an_attachment_is_recorded_and_not_shown(smartops: SmartOpsSandbox) -> None:
    sys_id = smartops.person_creates({"shortDescription": "x"})
    smartops.person_attaches(sys_id, "a.txt", b"abc", "text/plain")

    added = smartops.record.of("attachment_added")[0]

    assert (added["name"], added["size"], added["is_visible"]) == ("a.txt", 3, False)
    assert smartops.tickets()[0]["attachments"] == []


async def test_a_missing_token_is_challenged(ask: Caller, smartops: SmartOpsSandbox) -> None:
    ask.headers.clear()

    refused = await create(ask)

    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert (refused.json["statusCode"], refused.json["ticketDetails"]) == ("401", {})
    assert smartops.tickets() == []
