"""The calls of the Tickets Microservice, as sipsynergy.md sections 2 to 6 describe them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from syncd.sandbox import SandboxClock, SipSynergySandbox, SipSynergySandboxSettings
from tests.sandbox.conftest import Caller, Got

BODY: dict[str, Any] = {
    "organisationHumanId": "ORG-1000000000",
    "contractHumanId": "CON-123562",
    "tenantHumanId": "123",
    "title": "No calls out",
    "description": "Since 08:00\nboth trunks",
    "reporterHumanId": "USR-1000000000",
    "attributes": {
        "preferredContactMethod": "email",
        "mainEmail": "noc@acme.example",
        "additionalEmails": ["a@acme.example", "b@acme.example"],
    },
}
FIELDS = {name: value for name, value in BODY.items() if name != "attributes"}


@asynccontextmanager
async def another(session: aiohttp.ClientSession, **options: Any) -> AsyncIterator[Caller]:
    """Serve one more sandbox with other settings."""
    settings = SipSynergySandboxSettings(**({"oddities": False} | options))
    async with SipSynergySandbox(settings) as sandbox:
        caller = Caller(session, sandbox, "/api")
        caller.headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}"}
        yield caller


async def created(tell: Caller, **fields: Any) -> str:
    answer = await tell("POST", "/tickets", json=BODY | fields)
    assert answer.status == 201, answer.body
    return str(answer.headers["Location"])


async def commented(tell: Caller, ticket: str, text: str, path: str = "", **fields: Any) -> Got:
    body = {"ticketId": ticket, "description": text, "userHumanId": "USR-1000000000"} | fields
    return await tell("POST", f"/tickets/{ticket}{path}", json=body)


async def test_a_created_ticket_is_read_back_in_an_array_and_in_the_list(tell: Caller) -> None:
    ticket = await created(tell)

    one = (await tell("GET", f"/tickets/{ticket}")).json["data"]
    listed = (await tell("GET", "/tickets")).json["data"]

    assert re.fullmatch(r"INC-\d{10}", ticket)
    assert one == listed
    assert {name: one[0][name] for name in FIELDS} == FIELDS
    assert one[0]["dateCreated"] == one[0]["dateUpdated"] == "2026-03-01T10:00:00+0000"
    assert one[0]["links"]["comments"] == f"/tickets/{ticket}/comments"
    assert not {"status", "priority", "attributes"} & set(one[0])


async def test_attributes_given_with_a_create_are_read_by_their_own_call(tell: Caller) -> None:
    ticket = await created(tell)

    told = (await tell("GET", f"/tickets/{ticket}/attributes")).json["data"]

    assert {one["key"]: one["value"] for one in told} == {
        "preferredContactMethod": "email",
        "mainEmail": "noc@acme.example",
        "additionalEmails": "a@acme.example, b@acme.example",
    }
    assert {one["type"] for one in told} == {"Contact"}


@pytest.mark.parametrize(
    "change",
    [
        {"description": ""},
        {"tenantHumanId": 123},
        {"reporterHumanId": None},
        {"status": "New"},
        {"attributes": {"mainEmail": "noc@acme.example"}},
        {"attributes": {"preferredContactMethod": "email", "additionalEmails": "a@b"}},
        {"attributes": {"preferredContactMethod": "email", "fax": "1"}},
    ],
)
async def test_a_create_that_breaks_the_document_is_refused_and_noted(
    tell: Caller, sip: SipSynergySandbox, change: dict[str, Any]
) -> None:
    refused = await tell("POST", "/tickets", json=BODY | change)

    assert refused.status == 422
    assert refused.json["title"] == "Unprocessable Entity"
    assert len(sip.violations) == 1
    assert sip.tickets() == []


async def test_an_update_takes_the_whole_create_set_and_no_attributes(
    tell: Caller, sip: SipSynergySandbox, clock: SandboxClock
) -> None:
    ticket = await created(tell)
    clock.advance(60)

    part = await tell("PATCH", f"/tickets/{ticket}", json={"title": "Other"})
    more = await tell("PATCH", f"/tickets/{ticket}", json=BODY)
    whole = await tell("PATCH", f"/tickets/{ticket}", json=FIELDS | {"title": "Other"})

    assert (part.status, more.status, whole.status) == (422, 422, 204)
    assert whole.headers["Location"] == ticket
    now = (await tell("GET", f"/tickets/{ticket}")).json["data"][0]
    assert now["title"] == "Other"
    assert now["dateUpdated"] == "2026-03-01T10:01:00+0000"
    assert [each["field"] for each in sip.record.of("field_changed")] == ["title"]


async def test_a_deleted_ticket_is_not_found_by_any_call(tell: Caller) -> None:
    ticket = await created(tell)

    assert (await tell("DELETE", f"/tickets/{ticket}")).status == 202

    assert (await tell("DELETE", f"/tickets/{ticket}")).status == 404
    assert (await commented(tell, ticket, "hello")).status == 404
    for path in ("", "/comments", "/attributes"):
        assert (await tell("GET", f"/tickets/{ticket}{path}")).status == 404
    assert (await tell("GET", "/tickets")).json == {"data": []}


async def test_a_comment_is_made_at_the_tickets_own_path(
    tell: Caller, sip: SipSynergySandbox
) -> None:
    ticket = await created(tell)

    below = await commented(tell, ticket, "hello", "/comments")
    made = await commented(tell, ticket, "hello")
    sip.person_comments(ticket, "hei", "Sam")

    assert (below.status, made.status) == (405, 201)
    told = (await tell("GET", f"/tickets/{ticket}/comments")).json["data"]
    assert [one["description"] for one in told] == ["hello", "hei"]
    assert (str(told[0]["id"]), told[0]["ticketId"]) == (made.headers["Location"], ticket)
    assert told[0]["userHumanId"] == "USR-1000000000"
    agents = (await tell("GET", "/users/agents")).json["data"]
    assert [(one["humanId"], one["name"]) for one in agents] == [(told[1]["userHumanId"], "Sam")]
    assert sip.violations == []
    updated = (await tell("GET", f"/tickets/{ticket}")).json["data"][0]
    assert updated["dateUpdated"] == updated["dateCreated"]


@pytest.mark.parametrize(
    ("change", "is_noted"),
    [
        ({"ticketId": "INC-1"}, True),
        ({"description": " "}, True),
        ({"private": True}, True),
        ({"userHumanId": "USR-9"}, False),
    ],
)
async def test_a_comment_that_does_not_fit_is_refused(
    tell: Caller, sip: SipSynergySandbox, change: dict[str, Any], is_noted: bool
) -> None:
    ticket = await created(tell)

    assert (await commented(tell, ticket, "hello", **change)).status == 422
    assert bool(sip.violations) is is_noted


async def test_the_status_shows_in_the_report_alone(
    tell: Caller, sip: SipSynergySandbox, clock: SandboxClock
) -> None:
    ticket = await created(tell)
    clock.advance(90)
    sip.person_updates(ticket, {"priority": "P2 - Priority 2", "assigned": "Sam"}, "Sam")
    sip.person_sets_status(ticket, "Resolved", "Sam")
    before = (await tell("GET", f"/tickets/{ticket}")).json["data"][0]

    row = (await tell("GET", "/reporting/tickets?period=weekly")).json["data"][0]
    download = await tell("GET", "/reporting/tickets/download?period=weekly")

    assert before["dateUpdated"] == before["dateCreated"]
    assert (row["ticketNumber"], row["status"]) == (ticket, "Resolved")
    assert (row["priority"], row["assigned"], row["customer"]) == ("P2 - Priority 2", "Sam", "NA")
    assert row["createdAt"] == "2026-03-01 10:00:00"
    assert row["resolutionDate"] == "2026-03-01 10:01:30"
    assert row["ticketRunTime"] == "00:01:30"
    assert all(isinstance(value, str) for value in row.values())
    assert download.headers["Content-Type"].startswith("application/json")
    assert download.body.decode().splitlines()[0].startswith("ticketNumber,")


async def test_a_report_covers_its_period_and_needs_one(
    tell: Caller, sip: SipSynergySandbox, clock: SandboxClock
) -> None:
    sip.person_creates({"title": "x"})
    clock.advance(8 * 86400)
    tell.headers["Authorization"] = f"Bearer {sip.tokens.issue()}"

    week = await tell("GET", "/reporting/tickets?period=weekly")
    month = await tell("GET", "/reporting/tickets?period=monthly")
    without = await tell("GET", "/reporting/tickets")

    assert [len(each.json["data"]) for each in (week, month)] == [0, 1]
    assert without.status == 422
    assert sip.violations[-1]["rule"] == "section 2.7"


async def test_states_are_filtered_by_a_word_with_or_without_the_slash(
    tell: Caller, session: aiohttp.ClientSession
) -> None:
    every = (await tell("GET", "/states")).json["data"]
    plain = (await tell("GET", "/states?type=priority")).json["data"]
    slash = (await tell("GET", "/states/?type=priority")).json["data"]
    odd = await tell("GET", "/states?type=colour")

    assert plain == slash
    assert 0 < len(plain) < len(every)
    assert {type(one["type"]) for one in every} == {int}
    assert odd.status == 422
    async with another(session, slash="redirect") as strict:
        moved = await strict("GET", "/states?type=stage", allow_redirects=False)
        assert (moved.status, moved.headers["Location"]) == (301, "/api/states/?type=stage")
    async with another(session, slash="not_found") as strict:
        assert (await strict("GET", "/states?type=stage")).status == 404
        assert (await strict("GET", "/states/?type=stage")).status == 200


async def test_users_and_groups_are_told_and_users_can_be_written(
    tell: Caller, sip: SipSynergySandbox
) -> None:
    own = (await tell("GET", "/users")).json["data"]
    given = {"email": "kari@acme.example", "name": "Kari", "agent": True, "phoneNumber": "0123"}
    made = await tell("POST", "/users", json=given | {"humanId": "USR-7"})
    number = made.headers["Location"]
    agents = (await tell("GET", "/users/agents")).json["data"]
    changed = await tell("PATCH", f"/users/{number}", json=given | {"name": "Kari N"})
    odd = await tell("PATCH", f"/users/{number}", json=given | {"humanId": "USR-8"})
    gone = await tell("DELETE", f"/users/{number}")
    groups = (await tell("GET", "/groups")).json["data"]
    one = (await tell("GET", "/groups/2")).json["data"]

    assert (own["humanId"], own["name"]) == ("USR-1000000000", "syncd")
    assert (made.status, changed.status, odd.status, gone.status) == (201, 202, 422, 202)
    assert [(each["humanId"], each["phoneNumber"]) for each in agents] == [("USR-7", "0123")]
    assert one == groups[1]
    assert (await tell("GET", "/groups/9")).status == 404
    assert (await tell("DELETE", f"/users/{number}")).status == 404
    assert [each["what"] for each in sip.record if each["what"].startswith("user_")] == [
        "user_created",
        "user_updated",
        "user_removed",
    ]


async def test_confirming_contacts_mails_them_each_time(
    tell: Caller, sip: SipSynergySandbox
) -> None:
    path = f"/events/confirm-contacts/{sip.person_creates({'title': 'x'})}"

    before = await tell("GET", path)
    sent = [(await tell("POST", path)).status for _ in range(2)]
    after = (await tell("GET", path)).json["data"]

    assert before.status == 404
    assert sent == [201, 201]
    assert after["id"] == 2
    assert len(sip.record.of("mail_sent")) == 2


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("path", r"/tickets/INC-\d+"),
        ("url", r"http://127.*/api/tickets/INC-\d+\?v=1"),
        ("none", ""),
    ],
)
async def test_location_comes_in_the_forms_a_client_must_bear(
    session: aiohttp.ClientSession, location: str, expected: str
) -> None:
    async with another(session, location=location, body_id=True) as tell:
        answer = await tell("POST", "/tickets", json=BODY)
        ticket = answer.json["data"]["id"]
        assert re.fullmatch(expected, answer.headers.get("Location", ""))
        assert (await tell("GET", f"/tickets/{ticket}")).status == 200


async def test_oddities_show_dates_with_plus_signs_and_numbers_for_texts(
    session: aiohttp.ClientSession,
) -> None:
    async with another(session, oddities=True, clock=SandboxClock()) as tell:
        for _ in range(4):
            await created(tell)
        listed = (await tell("GET", "/tickets")).json["data"]

    dates = [re.sub(r"\d", "0", one["dateCreated"]) for one in listed]
    assert set(dates) == {"0000-00-00T00:00:00+0000", "0000+00+00T00:00:00+0000"}
    assert {type(one["tenantHumanId"]) for one in listed} == {str, int}


async def test_other_ways_of_logging_in_open_too(session: aiohttp.ClientSession) -> None:
    async with another(session, auth="api_key") as tell:
        assert (await tell("GET", "/tickets")).status == 401
        for key, status in (("wrong", 401), ("sip-api-key", 200)):
            assert (await tell("GET", "/tickets", headers={"X-API-KEY": key})).status == status
        assert tell.sandbox.record.requests()[-1]["headers"]["X-API-KEY"] == "***"
    async with another(session, auth="none") as tell:
        tell.headers.clear()
        assert (await tell("GET", "/tickets")).status == 200


async def test_a_token_is_given_to_the_client_until_its_login_is_locked(
    tell: Caller, sip: SipSynergySandbox
) -> None:
    form = {"grant_type": "client_credentials", "client_id": "acme", "client_secret": "sip-secret"}
    given = await tell.raw("POST", "/oauth2/token", data=form)
    tell.headers["Authorization"] = f"Bearer {given.json['access_token']}"
    assert (await tell("GET", "/users")).status == 200
    sip.person_locks_login()

    refused = await tell("GET", "/users")
    locked = await tell.raw("POST", "/oauth2/token", data=form)

    assert (refused.status, refused.json) == (401, {"message": "Not Authorized"})
    assert locked.status == 401


async def test_unknown_paths_and_parameters_are_refused_and_noted(
    tell: Caller, sip: SipSynergySandbox
) -> None:
    for method, path, status in (
        ("GET", "/comments/1", 404),
        ("GET", "/tickets?updatedSince=x", 422),
        ("GET", "/groups/MAC", 422),
    ):
        assert (await tell(method, path)).status == status

    assert len(sip.violations) == 3


async def test_a_lost_answer_leaves_its_ticket_and_a_stale_list_hides_it(
    tell: Caller, sip: SipSynergySandbox
) -> None:
    sip.faults.next("lost_answer", operation="create_ticket")
    sip.faults.next("search_lag", operation="list_tickets", lag_s=5.0)
    with pytest.raises(aiohttp.ClientError):
        await tell("POST", "/tickets", json=BODY)

    stale = (await tell("GET", "/tickets")).json["data"]
    fresh = (await tell("GET", "/tickets")).json["data"]

    assert stale == []
    assert [one["id"] for one in fresh] == [sip.tickets()[0]["id"]]
    sip.faults.next("page_drift", operation="list_tickets")
    assert len((await tell("GET", "/tickets")).json["data"]) == 1
    assert len((await tell("GET", "/tickets")).json["data"]) == 2


async def test_a_file_is_recorded_and_never_seen(sip: SipSynergySandbox) -> None:
    ticket = sip.person_creates({"title": "x"}, "Sam")

    sip.person_attaches(ticket, "a.txt", b"abc", by="Sam")

    assert sip.record.of("attachment_added")[0]["is_visible"] is False
    assert sip.tickets()[0]["attachments"] == []
