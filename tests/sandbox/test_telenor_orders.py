"""The order calls, as telenor.md section 7 describes them where they differ from incidents'."""

from typing import Any

import aiohttp
import pytest

from syncd.sandbox import SandboxClock, TelenorSandbox, TelenorSandboxSettings
from syncd.sandbox.telenor.settings import PREFIX
from tests.sandbox.conftest import Caller

BODY: dict[str, Any] = {
    "subject": "Fornebu - Nordic Connect Multi VPN",
    "description": "Required at Fornebu",
    "reason": "Nybestilling",
    "type": "Nybestilling",
    "createdBy": {"internalUser": False, "userName": "syncd"},
    "priority": "High",
    "contact": {"name": "Ola Nordman", "email": "ola@nordman.no", "phone": "4712345678"},
    "product": "Mobil",
    "quantity": 1,
    "orderReference": "OrdRef1234",
    "customerReference": "CustRef1234",
    "productCategoryName": "Nordic Connect",
    "productId": "01tb0000002oaMsAAI",
    "installationAddress": {"street": "Fornebu", "zipCode": "1365", "city": "Oslo"},
}
SAML = {"X-Saml-Token": "saml", "X-Application-Id": "acme"}


async def ordered(call: Caller, **fields: Any) -> str:
    answer = await call("POST", "/orders", json=BODY | fields)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


async def test_an_order_is_read_back_as_written_and_is_no_incident(call: Caller) -> None:
    order = await ordered(call)

    got = (await call("GET", f"/orders/{order}")).json
    listed = (await call("GET", "/orders", params={"search": "custref1234"})).json

    for name in set(BODY) - {"createdBy"}:
        assert got[name] == BODY[name], name
    assert (got["status"], got["owner"]) == ("New", "System")
    assert not {"identificationNumber", "incidentType", "statusReason"} & set(got)
    assert [each["id"] for each in listed["orders"]] == [order]
    assert (await call("GET", f"/incidents/{order}")).json["code"] == "404002"
    assert (await call("GET", "/incidents")).json["incidents"] == []


async def test_ids_and_case_numbers_are_unique_over_both_trees(
    call: Caller, telenor: TelenorSandbox
) -> None:
    made = [
        telenor.person_creates({"subject": "one"}),
        await ordered(call),
        telenor.person_creates({"subject": "two"}, kind="order"),
    ]

    tickets = telenor.tickets()

    assert sorted(each["id"] for each in tickets) == sorted(made)
    assert len({each["number"] for each in tickets}) == 3
    assert [each["kind"] for each in tickets] == ["incident", "order", "order"]
    for each in tickets:
        telenor.person_comments(each["number"], "found by its number")
    assert all(each["comments"] for each in telenor.tickets())


async def test_the_trees_have_feeds_and_counts_of_their_own(
    call: Caller, telenor: TelenorSandbox
) -> None:
    incident = telenor.person_creates({"subject": "one"})
    order = await ordered(call)
    telenor.person_sets_status(order, "Solved")

    feeds = [(await call("GET", f"/{tree}/activities")).json for tree in ("incidents", "orders")]
    counts = [(await call("GET", f"/{tree}/count")).json for tree in ("incidents", "orders")]

    assert [{each["ticket"]["id"] for each in feed["activities"]} for feed in feeds] == [
        {incident},
        {order},
    ]
    assert counts == [{"count": 1}, {"count": 1}]
    actions = [each["action"] for each in feeds[1]["activities"]]
    assert actions == ["CREATED", "STATUS_CHANGED"]


async def test_an_order_has_no_call_to_change_its_status(call: Caller) -> None:
    order = await ordered(call)

    answer = await call("PUT", f"/orders/{order}/status", json={"status": "Solved"})

    assert (answer.status, answer.json["code"]) == (404, "404001")


async def test_listing_an_orders_attachments_asks_for_the_two_headers(
    call: Caller, telenor: TelenorSandbox
) -> None:
    order = await ordered(call)
    form = aiohttp.FormData()
    form.add_field("file", b"plan", filename="plan.pdf", content_type="application/pdf")
    form.add_field("contentType", "application/pdf")
    assert (await call("POST", f"/orders/{order}/attachments", data=form)).status == 201

    without = await call("GET", f"/orders/{order}/attachments")
    with_them = await call("GET", f"/orders/{order}/attachments", headers=SAML)

    assert (without.status, without.json["code"]) == (400, "400001")
    assert telenor.violations[-1]["rule"] == "section 2"
    assert [each["name"] for each in with_them.json] == ["plan.pdf"]
    whole = (await call("GET", f"/orders/{order}")).json
    assert whole["attachments"] == with_them.json
    file = with_them.json[0]["id"]
    got = await call("GET", f"/orders/{order}/attachments/{file}")
    assert got.body == b"plan"
    path = f"/orders/{order}/attachments/{file}"
    assert (await call("DELETE", path, params={"fileName": "plan.pdf"})).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {"identificationNumber": "LU-12345678"},
        {"incidentType": "Treghet"},
        {"status": "Solved"},
        {"owner": "x"},
        {"quantity": "one"},
        {"productId": "01tNone"},
        {"installationAddress": {"planet": "x"}},
        {"contact": {"nick": "x"}},
    ],
)
async def test_a_body_with_what_orders_have_not_is_refused(
    call: Caller, body: dict[str, Any]
) -> None:
    refused = await call("POST", "/orders", json=BODY | body)

    assert (refused.status, refused.json["code"]) == (400, "400002")


async def test_a_comment_is_answered_200_and_contacts_are_set_and_removed(call: Caller) -> None:
    order = await ordered(call)

    said = await call("POST", f"/orders/{order}/comments", json={"text": "Hi", "userName": "Ola"})
    answers = [
        await call("PUT", f"/orders/{order}", json={"quantity": 2}),
        await call("PUT", f"/orders/{order}/contact", json={"name": "A"}),
        await call("PUT", f"/orders/{order}/localcontact", json={"name": "B"}),
        await call("DELETE", f"/orders/{order}/localcontact"),
    ]

    assert said.status == 200
    assert [answer.status for answer in answers] == [204] * 4
    whole = (await call("GET", f"/orders/{order}")).json
    assert (whole["contact"], whole["localContact"], whole["quantity"]) == ({"name": "A"}, None, 2)
    comments = (await call("GET", f"/orders/{order}/comments")).json
    assert [each["commentBody"] for each in comments] == ["Hi"]
    categories = (await call("GET", "/orders/productcategories")).json
    assert all("incidentTypes" not in each for each in categories)


async def test_orders_show_numbers_as_texts_where_oddities_are_on(
    session: aiohttp.ClientSession, clock: SandboxClock
) -> None:
    async with TelenorSandbox(TelenorSandboxSettings(clock=clock)) as odd:
        call = Caller(session, odd, PREFIX)
        call.headers = {"Authorization": f"Bearer {odd.tokens.issue()}"}
        for quantity in (3, None):
            fields = {} if quantity is None else {"quantity": quantity}
            odd.person_creates({"subject": "x"} | fields, kind="order")
            odd.person_creates({"subject": "x"} | fields, kind="order")

        seen = [(await call("GET", "/orders")).json for _ in range(2)]

    assert {str(one["totalSize"]) for one in seen} == {"4"}
    assert {type(one["totalSize"]) for one in seen} == {int, str}
    assert [each.get("quantity") for each in seen[0]["orders"]] == [3, "3", None, "N/A"]
