"""The incident calls, as telenor.md sections 4 to 6 describe them."""

from typing import Any

import pytest

from syncd.sandbox import SandboxClock, TelenorSandbox
from tests.sandbox.conftest import Caller

BODY: dict[str, Any] = {
    "subject": "Oslo - Treghet",
    "description": "Slow since 08:00\n[ref:op-77]",
    "priority": "High",
    "productCategoryName": "Nordic Connect",
    "incidentType": "Treghet",
    "createdBy": {"internalUser": False, "userName": "syncd"},
    "localContact": {"name": "Ola Nordman", "email": "ola@nordman.no", "phone": "4712345678"},
}


async def created(call: Caller, **fields: Any) -> str:
    answer = await call("POST", "/incidents", json=BODY | fields)
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


async def test_a_created_incident_is_read_back_as_written(call: Caller) -> None:
    ticket = await created(call)

    got = (await call("GET", f"/incidents/{ticket}")).json

    assert len(ticket) == 18
    assert ticket.startswith("500")
    assert got["caseNumber"] == "Case-00000001"
    assert got["createdDate"] == "2026-03-01T10:00:00.000+0000"
    assert got["status"] == "New"
    for name in ("subject", "description", "priority", "localContact"):
        assert got[name] == BODY[name]
    assert got["createdBy"] == {"internalUser": False, "userName": "syncd"}
    assert "owner" not in got
    assert "lastActivity" not in got


async def test_a_create_needs_no_user_name_header_but_one_in_the_body(call: Caller) -> None:
    call.headers.pop("X-User-Name")
    await created(call)

    refused = await call("POST", "/incidents", json={"subject": "x"})

    assert (refused.status, refused.json["code"]) == (400, "400001")


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("PUT", "", {"json": {"subject": "x"}}),
        ("POST", "/comments", {"json": {"text": "x", "userName": "x"}}),
        ("PUT", "/status", {"json": {"status": "Solved"}}),
        ("PUT", "/contact", {"json": {"name": "x"}}),
        ("PUT", "/localcontact", {"json": {"name": "x"}}),
        ("DELETE", "/localcontact", {}),
        ("POST", "/attachments", {"data": b"x"}),
        ("DELETE", "/attachments/1", {"params": {"fileName": "x"}}),
    ],
)
async def test_a_write_without_user_name_is_refused_and_noted(
    call: Caller, telenor: TelenorSandbox, method: str, path: str, options: dict[str, Any]
) -> None:
    ticket = telenor.person_creates({"subject": "x"})
    call.headers.pop("X-User-Name")

    refused = await call(method, f"/incidents/{ticket}{path}", **options)

    assert (refused.status, refused.json["code"]) == (400, "400001")
    assert telenor.violations[-1]["rule"] == "section 2"


async def test_an_update_changes_what_it_names_with_an_activity_per_field(call: Caller) -> None:
    ticket = await created(call)

    answer = await call(
        "PUT", f"/incidents/{ticket}", json={"subject": "New", "priority": "High", "location": "X"}
    )
    got = (await call("GET", f"/incidents/{ticket}")).json

    assert (answer.status, answer.body) == (204, b"")
    assert (got["subject"], got["location"], got["description"]) == (
        "New",
        "X",
        BODY["description"],
    )
    updated = [each for each in got["activities"] if each["action"] == "UPDATED"]
    assert [(each["fieldName"], each["oldValue"], each["newValue"]) for each in updated] == [
        ("subject", "Oslo - Treghet", "New"),
        ("location", None, "X"),
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"subject": "x" * 256}, "400002"),
        ({"description": "x" * 32_001}, "400002"),
        ({"subject": None}, "400002"),
        ({"status": "Solved"}, "400002"),
        ({"productCategoryName": "Unheard of"}, "400002"),
        ({"productCategoryName": "Mobil", "incidentType": "Treghet"}, "400002"),
        ({"localContact": {"nick": "x"}}, "400002"),
        ({"createdBy": {"internalUser": "no"}}, "400002"),
        ({}, "400001"),
        ([], "400002"),
    ],
)
async def test_a_body_beyond_the_document_is_refused_and_noted(
    call: Caller, telenor: TelenorSandbox, body: Any, code: str
) -> None:
    ticket = telenor.person_creates({"subject": "x"})

    refused = await call("PUT", f"/incidents/{ticket}", json=body)

    assert (refused.status, refused.json["code"]) == (400, code)
    assert len(telenor.violations) == 1
    assert telenor.tickets()[0]["fields"] == {"subject": "x"}


async def test_status_moves_along_the_table_and_no_other_way(call: Caller) -> None:
    path = f"/incidents/{await created(call)}"

    skipped = await call("PUT", f"{path}/status", json={"status": "Customer Accepted"})
    unknown = await call("PUT", f"{path}/status", json={"status": "Resolved"})
    solved = await call("PUT", f"{path}/status", json={"status": "Solved", "text": "Restarted"})
    again = await call("PUT", f"{path}/status", json={"status": "Solved"})
    accepted = await call("PUT", f"{path}/status", json={"status": "Customer Accepted"})
    got = (await call("GET", path)).json

    assert (skipped.status, skipped.json["code"]) == (403, "403001")
    assert (unknown.status, unknown.json["code"]) == (400, "400002")
    assert [each.status for each in (solved, again, accepted)] == [200, 200, 200]
    assert got["closedDate"] == "2026-03-01T10:00:00.000+0000"
    assert [each["action"] for each in got["activities"]] == [
        "CREATED", "STATUS_CHANGED", "STATUS_CHANGED", "STATUS_CHANGED", "CLOSED",
    ]  # fmt: skip
    assert got["activities"][1]["content"] == "Restarted"


async def test_reopening_clears_the_closing(call: Caller, telenor: TelenorSandbox) -> None:
    ticket = await created(call)
    telenor.person_sets_status(ticket, "Customer Accepted")
    telenor.person_sets_status(ticket, "New")

    got = (await call("GET", f"/incidents/{ticket}")).json

    assert (got["status"], got["closedDate"], got["statusReason"]) == ("New", None, None)


async def test_a_comment_holds_four_thousand_bytes_and_shows_no_author(call: Caller) -> None:
    path = f"/incidents/{await created(call)}/comments"

    fits = await call("POST", path, json={"text": "å" * 2000, "userName": "Ola Nordmann"})
    exceeds = await call("POST", path, json={"text": "å" * 2000 + "x", "userName": "Ola"})
    empty = await call("POST", path, json={"text": " ", "userName": "Ola"})
    listed = (await call("GET", path)).json
    feed = (await call("GET", "/incidents/activities")).json["activities"]

    assert fits.status == 201
    assert (exceeds.json["code"], empty.json["code"]) == ("400002", "400001")
    assert listed == [
        {
            "id": fits.json["id"],
            "createdDate": "2026-03-01T10:00:00.000+0000",
            "commentBody": "å" * 2000,
        }
    ]
    assert feed[-1]["action"] == "COMMENTED"
    assert feed[-1]["user"] == {"internalUser": False, "userName": "Ola Nordmann"}


async def test_contacts_have_their_own_calls(call: Caller) -> None:
    path = f"/incidents/{await created(call)}"
    contact = {"name": "Kari", "email": "kari@nordman.no", "phone": "4799999999"}

    statuses = [
        (await call("PUT", f"{path}/contact", json=contact)).status,
        (await call("PUT", f"{path}/localcontact", json=contact)).status,
        (await call("DELETE", f"{path}/localcontact")).status,
    ]
    gone = await call("DELETE", f"{path}/localcontact")
    got = (await call("GET", path)).json

    assert statuses == [204, 204, 204]
    assert (gone.status, gone.json["code"]) == (404, "404002")
    assert (got["contact"], got["localContact"]) == (contact, None)


@pytest.mark.parametrize(
    "path",
    ["/productcategories/incidents", "/incident/productcategories", "/tickets"],
)
async def test_the_misspelt_paths_do_not_exist(
    call: Caller, telenor: TelenorSandbox, path: str
) -> None:
    refused = await call("GET", path)

    assert (refused.status, refused.json["code"]) == (404, "404001")
    assert telenor.violations[-1]["rule"] == "paths"


@pytest.mark.parametrize("path", ["", "/comments", "/attachments", "/activities"])
async def test_an_unknown_incident_is_not_found(call: Caller, path: str) -> None:
    refused = await call("GET", f"/incidents/5004E0000000009QAA{path}")

    assert (refused.status, refused.json["code"]) == (404, "404002")


async def test_what_a_person_removes_is_not_found(call: Caller, telenor: TelenorSandbox) -> None:
    ticket = telenor.person_creates({"subject": "x"})
    telenor.person_removes(ticket)

    assert (await call("GET", f"/incidents/{ticket}")).status == 404
    assert (await call("GET", "/incidents")).json["totalSize"] == 0


async def test_categories_are_listed_and_counted_incidents_filtered(
    call: Caller, telenor: TelenorSandbox
) -> None:
    await created(call)
    telenor.person_creates({"subject": "x", "productCategoryName": "Mobil"})

    categories = (await call("GET", "/incidents/productcategories")).json
    count = (await call("GET", "/incidents/count?productCategoryName=Mobil&isClosed=false")).json

    assert categories[1]["productCatName"] == "Nordic Connect"
    assert "Treghet" in categories[1]["incidentTypes"]
    assert count == {"count": 1}


async def test_other_organizations_are_out_of_reach(
    session: Any, clock: SandboxClock, telenor: TelenorSandbox
) -> None:
    from syncd.sandbox import TelenorSandboxSettings
    from syncd.sandbox.telenor.settings import PREFIX

    settings = TelenorSandboxSettings(clock=clock, organizations=("912345678",), oddities=False)
    sandbox = TelenorSandbox(settings)
    await sandbox.start()
    call = Caller(session, sandbox, PREFIX)
    call.headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}"}
    other = sandbox.person_creates({"subject": "x", "organizationNumber": "900000123"})

    read = await call("GET", f"/incidents/{other}")
    write = await call("POST", "/incidents", json=BODY | {"organizationNumber": "900000123"})
    listed = (await call("GET", "/incidents")).json["incidents"]
    await sandbox.stop()

    assert (read.status, read.json["code"]) == (401, "401002")
    assert (write.status, write.json["code"]) == (401, "401002")
    assert listed == []
