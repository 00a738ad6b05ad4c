"""The work order calls, as digital_realty.md sections 2 to 6 and 8 describe them."""

from typing import Any

import aiohttp
import pytest

from syncd.sandbox import DigitalRealtySandbox, DigitalRealtySandboxSettings, SandboxClock
from tests.sandbox.conftest import Caller

TICKETS = "/customer-support-tickets"
BODY: dict[str, Any] = {
    "title": "Maintenance request",
    "site": "IAD024",
    "location": "Acme Cage F150-B",
    "requestType": "Facilities Request",
    "category": "Planned Maintenance",
    "description": "Maintenance planned for week 28",
    "customerReference": "REF01234",
    "notificationRecipients": "jane_doe@email.com,jake_doe@email.com",
}


async def created(call: Caller, **fields: Any) -> str:
    answer = await call("POST", TICKETS, json=BODY | fields)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


async def ids(call: Caller, query: str = "") -> list[str]:
    answer = await call("GET", f"{TICKETS}?{query}")
    assert answer.status == 200, answer.body
    return [each["id"] for each in answer.json["content"]]


async def test_a_created_order_shows_each_field_where_the_document_has_it(order: Caller) -> None:
    answer = await order("POST", TICKETS, json=BODY)
    ticket = answer.json["id"]

    got = (await order("GET", f"{TICKETS}/{ticket}")).json
    listed = (await order("GET", TICKETS)).json

    assert {name: got[name] for name in BODY} == BODY
    assert got["createdOn"] == got["updatedOn"] == "2026-03-01 10:00:00"
    assert (got["closedOn"], got["status"], got["comments"]) == ("", "New", [])
    assert "comments" not in answer.json
    assert set(got) - set(listed["content"][0]) == {
        "description", "customerReference", "notificationRecipients", "ticketType", "comments",
    }  # fmt: skip
    assert listed["pageable"] == {
        "last": True, "totalPages": 1, "totalElements": 1, "size": 25, "number": 0,
        "numberOfElements": 1, "first": True, "empty": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x" * 161},
        {"title": " "},
        {"site": "IAD0245"},
        {"location": "x" * 41},
        {"customerReference": "x" * 41},
        {"description": "å" * 16_001},
        {"category": "Elevator"},
        {"requestType": "Elevators"},
        {"status": "New"},
        {"location": None},
    ],
)
async def test_a_create_beyond_the_document_is_refused_and_noted(
    order: Caller, realty: DigitalRealtySandbox, change: dict[str, Any]
) -> None:
    refused = await order("POST", TICKETS, json=BODY | change)

    assert refused.status == 400
    assert len(realty.violations) == 1
    assert realty.tickets() == []


async def test_a_site_that_does_not_exist_is_refused_and_no_violation(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    assert (await order("POST", TICKETS, json=BODY | {"site": "XXX001"})).status == 400
    assert realty.violations == []


async def test_an_update_takes_reference_and_recipients_while_the_order_is_open(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    path = f"{TICKETS}/{await created(order)}"

    done = await order("PUT", path, json={"customerReference": "REF05678"})
    titled = await order("PUT", path, json={"title": "Other"})
    realty.person_sets_status(path.rpartition("/")[2], "Completed")
    late = await order("PUT", path, json={"customerReference": "REF9"})
    got = (await order("GET", path)).json

    assert (done.status, done.json["comments"]) == (200, [])
    assert [titled.status, late.status] == [400, 400]
    assert (got["title"], got["customerReference"]) == (BODY["title"], "REF05678")
    assert got["closedOn"] == "2026-03-01 10:00:00"
    assert [each["rule"] for each in realty.violations] == ["section 5.4"]


async def test_a_cancel_happens_once_with_a_reason_of_the_list(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    path = f"{TICKETS}/{await created(order)}/cancel"

    odd = await order("PUT", path, json={"cancelReason": "Changed my mind"})
    done = await order("PUT", path, json={})
    again = await order("PUT", path, json={"cancelReason": "Duplicate request"})

    assert [odd.status, done.status, again.status] == [400, 200, 400]
    ticket = realty.tickets()[0]
    assert (ticket["status"], ticket["closed_at"]) == ("Cancelled", None)
    assert ticket["cancel_reason"] == "Request no longer needed"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [3, 2, 1, 0]),
        ("status=In%20Progress", [2]),
        ("site=AMS011", [1]),
        ("requestType=Amenities&category=Parking", [3]),
        ("createdBy=portaluser%20Acme%20API", [0]),
        ("size=2&page=1", [1, 0]),
        ("size=3&page=9", []),
    ],
)
async def test_the_list_filters_and_pages(
    order: Caller, realty: DigitalRealtySandbox, query: str, found: list[int]
) -> None:
    made = [await created(order)]
    made.append(realty.person_creates({"site": "AMS011"}))
    made.append(realty.person_creates({}))
    made.append(realty.person_creates({"requestType": "Amenities", "category": "Parking"}))
    realty.person_sets_status(made[2], "In Progress")

    assert await ids(order, query) == [made[place] for place in found]


@pytest.mark.parametrize(
    "query", ["status=new", "status=InProgress", "size=0", "page=-1", "sort=id", "size=1&size=2"]
)
async def test_a_query_beyond_the_document_is_refused_and_noted(
    order: Caller, realty: DigitalRealtySandbox, query: str
) -> None:
    assert (await order("GET", f"{TICKETS}?{query}")).status == 400
    assert len(realty.violations) == 1


@pytest.mark.parametrize(
    "headers",
    [{"Account-Id": ""}, {"Master-Account-Id": ""}, {"Account-Id": "A9"}],
)
async def test_calls_need_the_headers_of_an_account_one_may_see(
    order: Caller, headers: dict[str, str]
) -> None:
    assert (await order("GET", TICKETS, headers=headers)).status == 403
    assert (await order("GET", "/accounts", headers=headers)).status == 200


async def test_accounts_are_kept_apart(order: Caller, realty: DigitalRealtySandbox) -> None:
    here = await created(order)
    there = realty.person_creates({"title": "London"}, account="A2")
    other = {"Account-Id": "A2"}
    comment = {"requestId": here, "comment": "x"}

    assert await ids(order) == [here]
    assert (await order("GET", f"{TICKETS}/{there}")).status == 404
    assert (await order("GET", f"{TICKETS}/{there}", headers=other)).status == 200
    assert (await order("POST", "/comments", json=comment, headers=other)).status == 404


async def test_comments_are_added_until_the_order_is_closed_and_have_no_id(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    ticket = await created(order)

    added = await order("POST", "/comments", json={"requestId": ticket, "comment": "å" * 2000})
    large = await order("POST", "/comments", json={"requestId": ticket, "comment": "å" * 2001})
    realty.person_comments(ticket, "We are on it", "Dana")
    realty.person_sets_status(ticket, "Cancelled")
    late = await order("POST", "/comments", json={"requestId": ticket, "comment": "x"})
    got = (await order("GET", f"{TICKETS}/{ticket}")).json

    assert [added.status, large.status, late.status] == [201, 400, 400]
    assert added.json == {
        "comment": "å" * 2000,
        "commentedBy": "portaluser Acme API",
        "commentedOn": "2026-03-01 10:00:00",
    }
    assert [each["commentedBy"] for each in got["comments"]] == ["portaluser Acme API", "Dana"]


async def test_a_file_is_taken_and_shown_nowhere(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    ticket = await created(order)
    query = {"requestId": ticket, "file_name": "report æ.pdf"}

    async def upload(field: str) -> int:
        form = aiohttp.FormData()
        form.add_field(field, b"x" * 300_000, filename="report.pdf")
        return (await order("POST", "/attachments", params=query, data=form)).status

    assert [await upload("file"), await upload("document")] == [201, 400]
    realty.person_sets_status(ticket, "Completed")
    assert await upload("file") == 400

    kept = realty.tickets()[0]["attachments"]
    assert [(each["name"], each["size"]) for each in kept] == [("report æ.pdf", 300_000)]
    assert "report" not in str((await order("GET", f"{TICKETS}/{ticket}")).json)


async def test_categories_come_whole_or_for_one_type(order: Caller) -> None:
    whole = (await order("GET", f"{TICKETS}/categories")).json["result"]
    one = (await order("GET", f"{TICKETS}/categories?requestType=Cross%20Connect")).json["result"]

    assert len(whole) == 5
    assert one == [
        {
            "requestType": {
                "name": "Cross Connect",
                "categories": [
                    {"name": "New Install"},
                    {"name": "Change (Hot Cut)"},
                    {"name": "Disconnect"},
                ],
            }
        }
    ]


async def test_places_and_accounts_can_be_looked_up(order: Caller) -> None:
    accounts = (await order("GET", "/accounts")).json
    default = (await order("GET", "/accounts?defaultAccount=true")).json
    sites = (await order("GET", "/sites")).json
    rooms = (await order("GET", "/locations?site=IAD024")).json

    assert [each["accountId"] for each in accounts] == ["A1", "A2"]
    assert default == accounts[:1]
    assert "IAD024" in [each["site"] for each in sites]
    assert rooms[0]["location"] == "Acme Cage F150-B"
    assert len(rooms[0]["id"]) == 32
    assert (await order("GET", "/locations")).status == 400
    assert (await order("GET", "/notifications?type=x&timestamp=y")).status == 403


async def test_the_login_takes_a_form_and_answers_the_lifetime_as_text(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    form = {"client_id": "acme", "client_secret": "dlr-secret", "grant_type": "client_credentials"}

    got = await order.raw("POST", "/v2/auth/token", data=form)
    wrong = await order.raw("POST", "/v2/auth/token", data=form | {"client_secret": "x"})
    as_json = await order.raw("POST", "/v2/auth/token", json=form)
    token = {"Authorization": f"Bearer {got.json['access_token']}"}

    assert (got.json["token_type"], got.json["expires_in"]) == ("BearerToken", "3599")
    assert [wrong.status, as_json.status] == [401, 400]
    assert (await order("GET", TICKETS, headers=token)).status == 200
    realty.person_locks_login()
    assert (await order("GET", TICKETS, headers=token)).status == 401
    assert (await order.raw("POST", "/v2/auth/token", data=form)).status == 401


async def test_a_page_that_drifts_shifts_the_next_one(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    made = [realty.person_creates({"title": f"{place}"}) for place in range(4)]
    for ticket in made:
        realty.person_sets_status(ticket, "In Progress")
    realty.faults.next("page_drift", operation="list_tickets")

    first = await ids(order, "status=In%20Progress&size=2")
    second = await ids(order, "status=In%20Progress&size=2&page=1")

    assert first == [made[3], made[2]]
    assert second == [made[2], made[1]]


async def test_the_list_may_lag_behind_reads_by_id(
    session: aiohttp.ClientSession, clock: SandboxClock, order: Caller
) -> None:
    settings = DigitalRealtySandboxSettings(clock=clock, list_lag_s=30)
    async with DigitalRealtySandbox(settings) as sandbox:
        call = Caller(session, sandbox, "/v1")
        call.headers = order.headers | {"Authorization": f"Bearer {sandbox.tokens.issue()}"}
        ticket = await created(call)

        assert await ids(call) == []
        assert (await call("GET", f"{TICKETS}/{ticket}")).status == 200
        clock.advance(31)
        assert await ids(call) == [ticket]
        sandbox.faults.next("stale_read", operation="get_ticket", lag_s=60)
        assert (await call("GET", f"{TICKETS}/{ticket}")).status == 404


async def test_a_lost_answer_leaves_the_order_behind(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    realty.faults.next("lost_answer", operation="create_ticket")

    with pytest.raises(aiohttp.ClientError):
        await order("POST", TICKETS, json=BODY)

    assert [each["actor"] for each in realty.tickets()] == ["client"]
    assert realty.record.requests("create_ticket")[0]["status"] is None


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"comments_as": "strings"}, ["one", "two"]),
        ({"comments_as": "text"}, "one\ntwo"),
    ],
)
async def test_comments_can_be_shown_in_the_other_ways_the_document_hints_at(
    session: aiohttp.ClientSession, clock: SandboxClock, options: dict[str, Any], shown: object
) -> None:
    settings = DigitalRealtySandboxSettings(clock=clock, **options)
    async with DigitalRealtySandbox(settings) as sandbox:
        call = Caller(session, sandbox, "/v1")
        call.headers = {
            "Authorization": f"Bearer {sandbox.tokens.issue()}",
            "Master-Account-Id": "100123",
            "Account-Id": "A1",
        }
        ticket = sandbox.person_creates({"title": "x"})
        for text in ("one", "two"):
            sandbox.person_comments(ticket, text)

        assert (await call("GET", f"{TICKETS}/{ticket}")).json["comments"] == shown


async def test_people_can_be_played_and_what_they_do_is_recorded(
    order: Caller, realty: DigitalRealtySandbox
) -> None:
    fields = {"title": "Cooling alarm", "site": "AMS011"}
    acts: list[dict[str, Any]] = [{"do": "create", "fields": fields, "account": "A2"}]
    ticket = (await order.raw("POST", "/_control/act", json=acts[0])).json["result"]
    acts = [
        {"do": "update", "ticket": ticket, "fields": {"title": "Cooling"}},
        {"do": "comment", "ticket": ticket, "text": "hello", "internal": False},
        {"do": "attach", "ticket": ticket, "name": "a.bin", "size": 10},
        {"do": "status", "ticket": ticket, "status": "Completed", "by": "Dana"},
    ]
    for act in acts:
        assert (await order.raw("POST", "/_control/act", json=act)).status == 200

    assert [each["what"] for each in realty.record if each["what"] != "request"] == [
        "ticket_created", "field_changed", "comment_added", "attachment_added", "status_changed",
    ]  # fmt: skip
    dumped = (await order.raw("GET", "/_control/tickets")).json[0]
    assert (dumped["status"], dumped["account"]) == ("Completed", "A2")
    assert dumped["fields"] == {"title": "Cooling", "site": "AMS011"}
