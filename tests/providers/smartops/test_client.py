"""Each call sends what the contract says and makes the right thing of each answer."""

from collections.abc import AsyncIterator, Mapping

import orjson
import pytest
from aioresponses import aioresponses
from yarl import URL

from syncd.model.operation import WriteKind
from syncd.model.secret import Secret
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteError,
    Unreachable,
)
from syncd.providers.smartops.adapter import SmartOpsAdapter
from syncd.providers.smartops.wire import FIELD_NAMES
from tests.providers.smartops.desk import (
    KEY,
    OTHER_KEY,
    Connecting,
    change,
    create,
    fixed_token,
    ref_to,
    say,
)

BASE = "https://itsm.example.com/api"
CREATE = f"{BASE}/itsm/tickets/create"
UPDATE = f"{BASE}/itsm/tickets/update"
DETAILS = f"{BASE}/itsm/tickets/details"
REF = ref_to("INC1", "s1")
TICKET = {"sysId": "s1", "ticketNumber": "INC1"}


def success(**details: object) -> dict[str, object]:
    return {"statusCode": "200", "statusMessage": "ok", "ticketDetails": {**TICKET, **details}}


def failure(code: object) -> dict[str, object]:
    return {"statusCode": code, "statusMessage": "because", "ticketDetails": {}}


def sent(mocked: aioresponses, method: str, url: str) -> Mapping[str, object]:
    (call,) = mocked.requests[(method, URL(url))]
    body = call.kwargs["data"]
    parsed = orjson.loads(body)
    assert isinstance(parsed, dict)
    return parsed


@pytest.fixture
async def adapter(connecting: Connecting) -> SmartOpsAdapter:
    return connecting.adapter(
        BASE,
        fixed_token(),
        connection_details={"password": Secret("hunter22"), "itsmVersion": "Tokyo"},
        time_zone_offset="+05:30",
    )


@pytest.fixture
async def http() -> AsyncIterator[aioresponses]:
    with aioresponses() as mocked:
        yield mocked


async def test_a_create_is_sent_as_the_contract_says(adapter: SmartOpsAdapter, http: aioresponses):
    http.post(CREATE, payload=success(shortDescription="down"))
    receipt = await adapter.write(create({"title": "down", "urgency": None}))
    assert sent(http, "POST", CREATE) == {
        "connectionDetails": {"password": "aHVudGVyMjI=", "itsmVersion": "Tokyo"},
        "ticketJSON": {"shortDescription": "down", "longDescription": f"[ref:{KEY}]"},
        "ticketFields": ["sysId", "ticketNumber", "shortDescription", "urgency"],
        "itsmTimeZoneOffset": "+05:30",
    }
    (call,) = http.requests[("POST", URL(CREATE))]
    assert call.kwargs["headers"]["Idempotency-Key"] == KEY
    assert call.kwargs["headers"]["Authorization"] == "Bearer given-token"
    assert (receipt.ticket_id, receipt.ticket_number) == ("s1", "INC1")
    assert receipt.fields == {"title": "down"}


async def test_an_update_is_keyed_by_sys_id(adapter: SmartOpsAdapter, http: aioresponses):
    http.post(UPDATE, payload=success(ticketStatus="Resolved"))
    write = change(REF, WriteKind.STATUS, {"status": "Resolved", "closure_note": "Restart"})
    receipt = await adapter.write(write)
    body = sent(http, "POST", UPDATE)
    assert body["sysId"] == "s1"
    assert body["ticketJSON"] == {
        "ticketStatus": "Resolved",
        "closeNotes": f"Restart\n[ref:{KEY}]",
    }
    assert body["ticketFields"] == ["sysId", "ticketNumber", "ticketStatus", "closureNotes"]
    assert receipt.fields == {"status": "Resolved"}


async def test_a_fetch_is_a_get_with_a_body(adapter: SmartOpsAdapter, http: aioresponses):
    http.get(DETAILS, payload=success())
    await adapter.read(REF)
    body = sent(http, "GET", DETAILS)
    assert body["ticketNumber"] == "INC1"
    assert body["ticketFields"] == [*FIELD_NAMES, "u_site", "u_vendor_ref"]


async def test_a_fetch_may_be_a_post(connecting: Connecting, http: aioresponses):
    adapter = connecting.adapter(BASE, fixed_token(), fetch_method="POST")
    http.post(DETAILS, payload=success())
    assert (await adapter.read(REF)).number == "INC1"


async def test_a_comment_gives_its_made_id_where_the_answer_shows_it(
    adapter: SmartOpsAdapter, http: aioresponses
):
    note = {"commentBy": "api", "commentTime": "2026-03-01T12:00:00.000000"}
    listed = [note | {"comment": "before"}, note | {"comment": f"hello\n[ref:{KEY}]"}]
    http.post(UPDATE, payload=success(comments=listed))
    http.get(DETAILS, payload=success(comments=listed))
    receipt = await adapter.write(say(REF, "hello"))
    assert sent(http, "POST", UPDATE)["ticketJSON"] == {"comments": f"hello\n[ref:{KEY}]"}
    ticket = await adapter.read(REF)
    assert receipt.comment_id == ticket.comments[1].id


async def test_a_rewritten_description_is_read_first_and_keeps_its_marker(
    adapter: SmartOpsAdapter, http: aioresponses
):
    http.get(DETAILS, payload=success(longDescription=f"old\n[ref:{OTHER_KEY}]"))
    http.post(UPDATE, payload=success(longDescription=f"new\n[ref:{OTHER_KEY}]"))
    receipt = await adapter.write(change(REF, WriteKind.UPDATE, {"description": "new"}))
    written = sent(http, "POST", UPDATE)["ticketJSON"]
    assert written == {"longDescription": f"new\n[ref:{OTHER_KEY}]"}
    assert receipt.fields == {"description": "new"}


async def test_when_the_read_before_a_write_fails_nothing_was_sent(
    adapter: SmartOpsAdapter, http: aioresponses
):
    http.get(DETAILS, payload={"statusCode": "200", "ticketDetails": {}})
    with pytest.raises(Unreachable):
        await adapter.write(change(REF, WriteKind.UPDATE, {"description": "new"}))
    assert ("POST", URL(UPDATE)) not in http.requests


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 200, "payload": failure("400")}, Refused),
        ({"status": 200, "payload": failure(404)}, Refused),
        ({"status": 200, "payload": failure("401")}, CredentialsRejected),
        ({"status": 200, "payload": failure("429")}, RateLimited),
        ({"status": 200, "payload": failure("408")}, OutcomeUnknown),
        ({"status": 200, "payload": failure("409")}, OutcomeUnknown),
        ({"status": 200, "payload": failure("502")}, OutcomeUnknown),
        ({"status": 200, "payload": failure("")}, OutcomeUnknown),
        ({"status": 200, "body": "<html>welcome</html>"}, OutcomeUnknown),
        ({"status": 200, "body": "[]"}, OutcomeUnknown),
        ({"status": 200, "body": ""}, OutcomeUnknown),
        ({"status": 200, "payload": {"statusCode": "200"}}, OutcomeUnknown),
        (
            {"status": 200, "payload": {"statusCode": "200", "ticketDetails": {"sysId": "s1"}}},
            OutcomeUnknown,
        ),
        ({"status": 400, "payload": failure("400")}, Refused),
        ({"status": 404, "payload": failure("404")}, Refused),
        ({"status": 404, "body": "nginx"}, Refused),
        ({"status": 401, "payload": failure("401")}, CredentialsRejected),
        ({"status": 409, "payload": failure("409")}, OutcomeUnknown),
        ({"status": 500, "payload": failure("500")}, OutcomeUnknown),
        ({"status": 503, "body": ""}, OutcomeUnknown),
        ({"status": 302, "headers": {"Location": "/login"}}, OutcomeUnknown),
        ({"status": 429, "headers": {"Retry-After": "7"}}, RateLimited),
    ],
)
async def test_what_became_of_a_create(
    adapter: SmartOpsAdapter,
    http: aioresponses,
    answer: dict[str, object],
    expected: type[RemoteError],
):
    http.post(CREATE, **answer)  # type: ignore[arg-type]
    with pytest.raises(RemoteError) as caught:
        await adapter.write(create({"title": "x"}))
    assert type(caught.value) is expected
    assert caught.value.context.connection == "desk"
    if isinstance(caught.value, OutcomeUnknown):
        assert caught.value.closed_at is not None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"payload": {"statusCode": "200", "ticketDetails": {}}}, None),
        ({"payload": {"statusCode": 201, "results": TICKET}}, None),
        ({"payload": {"statusCode": "200", "ticketDetails": {"sysId": "s2"}}}, OutcomeUnknown),
        ({"payload": failure("404")}, NotFound),
        ({"payload": failure("403")}, Refused),
        ({"payload": failure("504")}, OutcomeUnknown),
    ],
)
async def test_what_became_of_an_update(
    adapter: SmartOpsAdapter,
    http: aioresponses,
    answer: dict[str, object],
    expected: type[RemoteError] | None,
):
    http.post(UPDATE, **answer)  # type: ignore[arg-type]
    write = change(REF, WriteKind.UPDATE, {"title": "x"})
    if expected is None:
        assert (await adapter.write(write)).ticket_id == "s1"
        return
    with pytest.raises(expected):
        await adapter.write(write)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"payload": failure("404")}, NotFound),
        ({"payload": failure("502")}, Unreachable),
        ({"payload": failure("408")}, Unreachable),
        ({"payload": failure("401")}, CredentialsRejected),
        ({"payload": failure("403")}, Refused),
        ({"payload": failure("")}, OddAnswer),
        ({"body": "<html>welcome</html>"}, OddAnswer),
        ({"payload": success(ticketNumber="INC2")}, OddAnswer),
        ({"payload": success(sysId="s2")}, OddAnswer),
        ({"payload": success(sysId="")}, OddAnswer),
        ({"payload": success(comments="one text")}, OddAnswer),
        ({"status": 404, "payload": failure("404")}, NotFound),
        ({"status": 404, "body": "nginx"}, OddAnswer),
        ({"status": 403, "payload": failure("403")}, Refused),
        ({"status": 500, "body": ""}, Unreachable),
    ],
)
async def test_what_became_of_a_read(
    adapter: SmartOpsAdapter,
    http: aioresponses,
    answer: dict[str, object],
    expected: type[RemoteError],
):
    http.get(DETAILS, repeat=True, **answer)  # type: ignore[arg-type]
    with pytest.raises(RemoteError) as caught:
        await adapter.read(REF)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"title": ""}, "leave unchanged"),
        ({"vendor_ref": "x" * 41}, "40"),
        ({"color": "red"}, "no such field"),
        ({"site": "Oslo"}, "access"),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_it_is_sent(
    adapter: SmartOpsAdapter, http: aioresponses, fields: dict[str, str], told: str
):
    with pytest.raises(Refused, match=told):
        await adapter.write(change(REF, WriteKind.UPDATE, fields))
    assert not http.requests
