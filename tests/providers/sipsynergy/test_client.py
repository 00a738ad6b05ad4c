"""Each call sends what the document says and makes the right thing of each answer."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from aioresponses import aioresponses
from yarl import URL

from syncd.model.operation import Receipt
from syncd.model.secret import Secret
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    Refused,
    RemoteError,
)
from syncd.providers.sipsynergy import SipSynergyAdapter
from tests.providers.sipsynergy.desk import (
    BASE,
    ID,
    KEY,
    ONE,
    OTHER_KEY,
    TICKET,
    USER,
    Connecting,
    change,
    create,
    delete,
    ref_to,
    say,
)


def call_of(mocked: aioresponses, method: str, url: str) -> Mapping[str, Any]:
    (call,) = mocked.requests[(method, URL(url, encoded=True))]
    kwargs: Mapping[str, Any] = call.kwargs
    return kwargs


def body_of(mocked: aioresponses, method: str, url: str) -> Any:
    return orjson.loads(call_of(mocked, method, url)["data"])


def sent(mocked: aioresponses) -> list[tuple[str, str]]:
    return [(method, str(url)) for (method, url), calls in mocked.requests.items() for _ in calls]


async def test_a_create_sends_the_whole_set_with_its_marker_in_the_title(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    http.post(f"{BASE}/tickets", status=201, headers={"Location": ID})
    made = await adapter.write(create(additional_emails="a@b.example; c@d.example"))
    assert made == Receipt(ticket_id=ref_to().id or made.ticket_id, ticket_number=ID)
    assert body_of(http, "POST", f"{BASE}/tickets") == {
        "organisationHumanId": "ORG-1",
        "contractHumanId": "CON-1",
        "tenantHumanId": "123",
        "title": f"No calls out [ref:{KEY}]",
        "description": "Since 08:00",
        "reporterHumanId": USER,
        "attributes": {
            "preferredContactMethod": "email",
            "additionalEmails": ["a@b.example", "c@d.example"],
        },
    }
    assert (
        call_of(http, "POST", f"{BASE}/tickets")["headers"]["Authorization"] == "Bearer sip-token"
    )


async def test_a_create_says_its_title_from_the_description_and_no_contacts_where_told(
    connecting: Connecting, http: aioresponses
) -> None:
    adapter = connecting.adapter(BASE, contacts={"send": False}, marker="description")
    http.post(f"{BASE}/tickets", status=201, headers={"Location": ID})
    await adapter.write(create(title="", description="Dead trunk\nsince 08:00"))
    body = body_of(http, "POST", f"{BASE}/tickets")
    assert body["title"] == "Dead trunk"
    assert body["description"] == f"Dead trunk\nsince 08:00\n[ref:{KEY}]"
    assert "attributes" not in body
    with pytest.raises(Refused, match=r"contacts\.send"):
        await adapter.write(create(main_email="a@b.example"))


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ({"Location": "/tickets/INC-7"}, b"", "INC-7"),
        ({"Location": "https://else.where/api/tickets/INC-7/?v=1#x"}, b"", "INC-7"),
        ({}, b'{"data": {"id": "INC-7"}}', "INC-7"),
        ({"Location": " "}, b'{"id": "INC-7"}', "INC-7"),
        ({}, b'{"data": {}}', None),
        ({}, b"<html>Welcome</html>", None),
        ({}, b"", None),
    ],
)
async def test_the_new_id_is_found_wherever_it_stands_and_without_it_nothing_is_known(
    adapter: SipSynergyAdapter,
    http: aioresponses,
    headers: dict[str, str],
    body: bytes,
    found: str | None,
) -> None:
    http.post(f"{BASE}/tickets", status=201, headers=headers, body=body)
    if found is None:
        with pytest.raises(OutcomeUnknown):
            await adapter.write(create())
    else:
        assert (await adapter.write(create())).ticket_id == found


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"title": "x" * 210}, "title: 210 characters"),
        ({"description": "x" * 32_000}, "description: 32000 characters"),
        ({"status": "Closed"}, "status cannot be set by create"),
        ({"colour": "red"}, "no field colour"),
        ({"title": "", "description": ""}, "a ticket needs title, description"),
        ({"main_email": {"name": "x"}}, "main_email is a text"),
    ],
)
async def test_what_would_be_refused_is_not_sent(
    adapter: SipSynergyAdapter, http: aioresponses, fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        await adapter.write(create(**fields))
    assert sent(http) == []


async def test_an_update_lays_its_fields_over_what_stands_there_and_keeps_markers(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    http.get(ONE, payload={"data": [TICKET | {"tenantHumanId": 123}]})
    http.patch(ONE, status=204, headers={"Location": ID})
    await adapter.write(change(ref_to(), title="Calls again"))
    assert body_of(http, "PATCH", ONE) == {
        "organisationHumanId": "ORG-1",
        "contractHumanId": "CON-1",
        "tenantHumanId": "123",
        "title": f"Calls again [ref:{OTHER_KEY}]",
        "description": "Since 08:00",
        "reporterHumanId": USER,
    }


async def test_an_update_of_a_ticket_without_what_must_be_repeated_is_not_sent(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    http.get(ONE, payload={"data": [TICKET | {"contractHumanId": None}]})
    with pytest.raises(Refused, match="no contractHumanId"):
        await adapter.write(change(ref_to(), title="x"))
    http.get(ONE, payload={"data": [TICKET]})
    with pytest.raises(Refused, match="emptied"):
        await adapter.write(change(ref_to(), description=""))
    assert {method for method, _ in sent(http)} == {"GET"}


async def test_a_comment_repeats_the_ticket_and_says_who_we_are(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    http.post(ONE, status=201, headers={"Location": "123"})
    made = await adapter.write(say(ref_to(), "Any news?"))
    assert made.comment_id == "123"
    assert body_of(http, "POST", ONE) == {
        "ticketId": ID,
        "description": f"Any news?\n[ref:{KEY}]",
        "userHumanId": USER,
    }


@pytest.mark.parametrize("status", [404, 405])
async def test_a_comment_goes_to_the_other_path_after_a_sure_no_and_stays_there(
    adapter: SipSynergyAdapter, http: aioresponses, status: int
) -> None:
    http.post(ONE, status=status)
    http.post(f"{ONE}/comments", status=201, headers={"Location": "1"})
    http.post(f"{ONE}/comments", status=201, headers={"Location": "2"})
    assert (await adapter.write(say(ref_to(), "one"))).comment_id == "1"
    assert (await adapter.write(say(ref_to(), "two"))).comment_id == "2"
    assert sent(http) == [("POST", ONE), *[("POST", f"{ONE}/comments")] * 2]


@pytest.mark.parametrize("status", [500, 502, 408, 409])
async def test_a_comment_of_unknown_outcome_is_never_sent_to_the_other_path(
    adapter: SipSynergyAdapter, http: aioresponses, status: int
) -> None:
    http.post(ONE, status=status)
    with pytest.raises(OutcomeUnknown):
        await adapter.write(say(ref_to(), "one"))
    assert sent(http) == [("POST", ONE)]


async def test_a_comment_neither_path_takes_keeps_the_first_answer(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    http.post(ONE, status=404, payload={"title": "Not Found", "message": "no ticket"})
    http.post(f"{ONE}/comments", status=405)
    with pytest.raises(NotFound, match=r"404: not found \(Not Found: no ticket\)"):
        await adapter.write(say(ref_to(), "one"))


@pytest.mark.parametrize(
    ("listed", "error"), [([], NotFound), ([TICKET], Refused), ("no list", RemoteError)]
)
async def test_a_404_on_a_delete_is_believed_only_where_the_list_agrees(
    adapter: SipSynergyAdapter, http: aioresponses, listed: object, error: type[RemoteError]
) -> None:
    http.delete(ONE, status=404)
    http.get(f"{BASE}/tickets", payload={"data": listed})
    with pytest.raises(error):
        await adapter.write(delete(ref_to()))


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_any_success_without_a_body_accepts_a_delete(
    adapter: SipSynergyAdapter, http: aioresponses, status: int
) -> None:
    http.delete(ONE, status=status)
    assert (await adapter.write(delete(ref_to()))).ticket_id == ID


@pytest.mark.parametrize(
    "told",
    [
        {"data": [TICKET]},
        {"data": TICKET},
        TICKET,
        {"data": [TICKET | {"id": "INC-9"}, TICKET]},
    ],
)
async def test_one_ticket_is_read_from_every_wrapping(
    connecting: Connecting, http: aioresponses, told: object
) -> None:
    adapter = connecting.adapter(BASE, report={"weekly": 0, "monthly": 0})
    http.get(ONE, payload=told)
    http.get(f"{ONE}/comments", payload={"data": []})
    http.get(f"{ONE}/attributes", payload={"data": [{"key": "Fax", "value": 1}]})
    ticket = await adapter.read(ref_to())
    assert (ticket.id, ticket.keys) == (ID, (OTHER_KEY,))
    assert ticket.created_at is not None
    assert ticket.created_at.isoformat() == "2026-03-01T12:00:01+00:00"
    assert ticket.fields["title"] == "No calls out"
    assert ticket.fields["attributes"] == "Fax: 1"
    assert "status" not in ticket.fields


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"data": []}, NotFound),
        ({"data": [TICKET | {"id": "INC-9"}]}, OddAnswer),
        ({"data": [TICKET | {"id": "INC-8"}, TICKET | {"id": "INC-9"}]}, OddAnswer),
        ({"data": None}, OddAnswer),
    ],
)
async def test_another_ticket_or_none_is_never_taken_for_it(
    adapter: SipSynergyAdapter, http: aioresponses, told: object, error: type[RemoteError]
) -> None:
    http.get(ONE, payload=told)
    with pytest.raises(error):
        await adapter.read(ref_to())


async def test_states_are_asked_with_a_slash_where_without_is_not_found(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    told = {"data": [{"id": 1, "description": "OPEN", "type": 1}]}
    http.get(f"{BASE}/states?type=state", status=404)
    http.get(f"{BASE}/states/?type=state", payload=told)
    http.get(f"{BASE}/states/?type=stage", payload=told)
    for kind in ("state", "stage"):
        assert await adapter.call("states", {"type": kind}) == [
            {"id": "1", "description": "OPEN", "type": "1"}
        ]
    assert len(sent(http)) == 3


async def test_a_report_that_is_csv_is_an_error_that_says_so(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    http.get(f"{BASE}/reporting/tickets?period=weekly", body=b"ticketNumber,status\nINC-1,New\n")
    with pytest.raises(OddAnswer):
        await adapter.call("report", {"period": "weekly"})


async def test_contacts_are_mailed_once_unless_told_again(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    url = f"{BASE}/events/confirm-contacts/{ID}"
    http.get(url, payload={"data": {"id": 5, "key": "k", "value": "v", "target": ID}})
    http.post(url, status=201)
    told = await adapter.call("confirm_contacts", {"id": ID})
    assert told == {"mailed": False, "why": "they were asked before", "event": "5"}
    assert await adapter.call("confirm_contacts", {"id": ID, "again": "true"}) == {"mailed": True}


async def test_names_in_paths_are_encoded_and_wrong_arguments_told(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    http.get(f"{BASE}/tickets/INC%2F..%20%C3%A5", payload={"data": []})
    with pytest.raises(NotFound):
        await adapter.call("ticket", {"id": "INC/.. å"})
    for name, given in (
        ("ticket", {}),
        ("ticket", {"id": "1", "x": "y"}),
        ("report", {"period": "d"}),
    ):
        with pytest.raises(Refused):
            await adapter.call(name, given)


LOGINS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"kind": "bearer", "token": Secret("t")}, {"Authorization": "Bearer t"}),
    ({"kind": "api_key", "key": Secret("k")}, {"X-API-KEY": "k"}),
    ({"kind": "api_key", "key": Secret("k"), "key_header": "X-Tyk"}, {"X-Tyk": "k"}),
    ({"kind": "none"}, {}),
]


@pytest.mark.parametrize(("auth", "expected"), LOGINS)
async def test_each_way_of_logging_in_sends_its_header_and_the_configured_ones(
    connecting: Connecting, http: aioresponses, auth: dict[str, Any], expected: dict[str, str]
) -> None:
    headers = {"X-Tenant": "acme", "X-Secret": Secret("hush")}
    adapter = connecting.adapter(BASE, auth=auth, headers=headers)
    http.get(f"{BASE}/groups", payload={"data": []})
    await adapter.call("groups", {})
    got = call_of(http, "GET", f"{BASE}/groups")["headers"]
    assert expected | {"X-Tenant": "acme", "X-Secret": "hush"} == {
        name: got[name] for name in (*expected, "X-Tenant", "X-Secret")
    }
    assert ("Authorization" in got) == ("Authorization" in expected)


async def test_a_refused_fixed_login_pauses_the_connection(
    adapter: SipSynergyAdapter, http: aioresponses
) -> None:
    http.get(f"{BASE}/groups", status=401, payload={"message": "Not Authorized"}, repeat=True)
    with pytest.raises(CredentialsRejected):
        await adapter.call("groups", {})


@pytest.mark.parametrize(
    "body",
    [
        {"title": "Unprocessable Entity", "message": "tenant sip-token"},
        {"message": "tenant sip-token"},
        {"id": "x", "code": 422, "detail": "tenant sip-token", "status": "y"},
        {"errors": [{"message": "tenant sip-token"}]},
    ],
)
async def test_a_refusal_says_the_services_words_and_no_secret(
    adapter: SipSynergyAdapter, http: aioresponses, body: object
) -> None:
    http.post(f"{BASE}/tickets", status=422, payload=body)
    with pytest.raises(Refused, match="invalid arguments") as caught:
        await adapter.write(create())
    assert "tenant" in str(caught.value)
    assert "sip-token" not in str(caught.value)
