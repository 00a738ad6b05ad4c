"""Each call sends what the document says and makes the right thing of each answer."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from aioresponses import aioresponses
from yarl import URL

from syncd.model.operation import WriteKind
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind
from syncd.ports.adapter import Expectation
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteError,
    TokenRejected,
    Unreachable,
    Unsupported,
)
from syncd.providers.telenor import TelenorAdapter
from tests.providers.telenor.desk import (
    BASE,
    DETAIL,
    ID,
    INCIDENTS,
    KEY,
    ONE,
    OTHER_KEY,
    REF,
    Bytes,
    Connecting,
    attach,
    change,
    create,
    ref_to,
    say,
    set_status,
)


def requests(mocked: aioresponses) -> list[tuple[str, str]]:
    """Everything sent but for tokens, as (method, path and sorted query)."""
    return [
        (method, str(url.relative()).removeprefix("/service-tickets/v2/incidents"))
        for (method, url), calls in mocked.requests.items()
        for _ in calls
        if "oauth" not in url.path
    ]


def call_of(mocked: aioresponses, method: str, url: str) -> Mapping[str, Any]:
    (call,) = mocked.requests[(method, URL(url, encoded=True))]
    kwargs: Mapping[str, Any] = call.kwargs
    return kwargs


def body_of(mocked: aioresponses, method: str, url: str) -> object:
    return orjson.loads(call_of(mocked, method, url)["data"])


async def test_the_token_is_fetched_as_the_portal_asks(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(f"{INCIDENTS}/count", payload={"count": 1})
    assert await adapter.call("count", {}) == 1
    asked = call_of(http, "POST", f"{BASE}/oauth/v2/token")
    assert asked["headers"]["Authorization"] == "Basic YWNtZTp0ZWxlbm9yLXNlY3JldA=="
    assert b"grant_type=password" in asked["data"]
    sent = call_of(http, "GET", f"{INCIDENTS}/count")["headers"]
    assert sent["Authorization"] == "Bearer t1"
    assert not {"X-User-Name", "X-Saml-Token", "X-Application-Id"} & set(sent)


READS = [
    ("list", {"status": "New,Solved", "is_closed": "true"}, {"incidents": []},
     "?count=20&isClosed=true&skip=0&status=New&status=Solved"),
    ("activities", {"count": "5"}, {"activities": []}, "/activities?count=5&skip=0"),
    ("count", {"category": "Mobil"}, {"count": "3"}, "/count?productCategoryName=Mobil"),
    ("product_categories", {}, [], "/productcategories"),
    ("incident", {"id": ID}, DETAIL, f"/{ID}"),
    ("incident_activities", {"id": ID, "sort_field": "status"}, {"activities": []},
     f"/{ID}/activities?count=20&order=DESC&skip=0&sortField=status"),
    ("activity", {"id": ID, "activity": "a0z"}, {"id": "a0z"}, f"/{ID}/activities/a0z"),
    ("attachments", {"id": ID}, [], f"/{ID}/attachments"),
    ("comments", {"id": ID}, [], f"/{ID}/comments"),
]  # fmt: skip


Read = tuple[str, Mapping[str, str], object, str]


@pytest.mark.parametrize("read", READS, ids=lambda read: read[0])
async def test_each_read_asks_the_documented_path(
    adapter: TelenorAdapter, http: aioresponses, read: Read
) -> None:
    name, arguments, told, path = read
    http.get(INCIDENTS + path, payload=told)
    orjson.dumps(await adapter.call(name, arguments))
    assert requests(http) == [("GET", path)]


@pytest.mark.parametrize("read", READS, ids=lambda read: read[0])
@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b'{"inci', b"7"])
async def test_a_read_whose_answer_cannot_be_understood_is_odd(
    adapter: TelenorAdapter, http: aioresponses, read: Read, body: bytes
) -> None:
    name, arguments, _, path = read
    http.get(INCIDENTS + path, body=body)
    with pytest.raises(OddAnswer):
        await adapter.call(name, arguments)


async def test_a_create_sends_the_marker_and_its_author_but_no_user_header(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.post(INCIDENTS, payload={"id": ID}, status=201)
    receipt = await adapter.write(create(title="Down", description="Link down", caller="Bjørn Ås"))
    assert receipt.ticket_id == ID
    assert body_of(http, "POST", INCIDENTS) == {
        "subject": "Down",
        "description": f"Link down\n[ref:{KEY}]",
        "createdBy": {"internalUser": False, "userName": "Bjørn Ås"},
    }
    assert "X-User-Name" not in call_of(http, "POST", INCIDENTS)["headers"]


async def test_settings_add_the_user_header_to_creates_and_the_leftover_headers_to_all(
    connecting: Connecting, http: aioresponses
) -> None:
    adapter = connecting.adapter(
        BASE,
        user_name="Bjørn Ås",
        create_sends_user_name=True,
        saml_on_all_calls=True,
        saml_token=Secret("saml-secret"),
        application_id="app-1",
    )
    http.post(INCIDENTS, payload={"id": ID})
    await adapter.write(create(title="Down"))
    sent = call_of(http, "POST", INCIDENTS)["headers"]
    assert (sent["X-User-Name"], sent["X-Saml-Token"], sent["X-Application-Id"]) == (
        "Bjorn As",
        "saml-secret",
        "app-1",
    )


async def test_an_id_that_is_only_in_the_location_is_taken_from_there(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.post(INCIDENTS, status=201, headers={"Location": ONE})
    assert (await adapter.write(create(title="Down"))).ticket_id == ID


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>Welcome</html>", b'{"id'])
async def test_success_without_an_id_is_of_unknown_outcome(
    adapter: TelenorAdapter, http: aioresponses, body: bytes
) -> None:
    http.post(INCIDENTS, body=body, status=200)
    with pytest.raises(OutcomeUnknown) as caught:
        await adapter.write(create(title="Down"))
    assert caught.value.closed_at is not None
    http.post(f"{ONE}/comments", body=body, status=200)
    with pytest.raises(OutcomeUnknown):
        await adapter.write(say(REF, "hello"))


async def test_an_update_sends_only_what_changed(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.put(ONE, status=204)
    await adapter.write(change(REF, title="Down again", location=None))
    assert body_of(http, "PUT", ONE) == {"subject": "Down again", "location": ""}
    assert call_of(http, "PUT", ONE)["headers"]["X-User-Name"] == "syncd"
    assert requests(http) == [("PUT", f"/{ID}")]


async def test_a_rewritten_description_is_read_first_and_keeps_the_creates_marker(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(ONE, payload=DETAIL)
    http.put(ONE, status=204)
    await adapter.write(change(REF, description="Link still down"))
    assert body_of(http, "PUT", ONE) == {"description": f"Link still down\n[ref:{OTHER_KEY}]"}


async def test_contacts_go_by_their_own_calls(adapter: TelenorAdapter, http: aioresponses) -> None:
    http.put(f"{ONE}/contact", status=204)
    http.put(f"{ONE}/localcontact", status=204)
    await adapter.write(
        change(REF, contact={"name": "Ola", "email": ""}, local_contact={"phone": "47"})
    )
    assert body_of(http, "PUT", f"{ONE}/contact") == {"name": "Ola"}
    assert body_of(http, "PUT", f"{ONE}/localcontact") == {"phone": "47"}
    assert len(requests(http)) == 2


async def test_an_empty_local_contact_is_deleted_and_one_that_is_gone_is_done(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.delete(f"{ONE}/localcontact", status=204)
    await adapter.write(change(REF, local_contact=None))
    http.delete(f"{ONE}/localcontact", status=404, payload={"code": "404002"})
    http.get(ONE, payload=DETAIL)
    await adapter.write(change(REF, local_contact=None))
    http.delete(f"{ONE}/localcontact", status=404, payload={"code": "404002"})
    http.get(ONE, status=404, payload={"code": "404002"})
    with pytest.raises(NotFound):
        await adapter.write(change(REF, local_contact=None))


async def test_a_later_part_that_is_refused_says_what_was_written_before(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.put(ONE, status=204)
    http.put(f"{ONE}/contact", status=400, payload={"code": "400002"})
    with pytest.raises(Refused, match="contact refused, after fields had been written"):
        await adapter.write(change(REF, title="x", contact={"name": "Ola"}))


async def test_a_status_that_is_so_already_is_not_sent(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(ONE, payload={**DETAIL, "status": "solved"})
    receipt = await adapter.write(set_status(REF, status="Solved"))
    assert receipt.fields == {"status": "solved"}
    assert requests(http) == [("GET", f"/{ID}")]


async def test_a_text_that_was_not_said_yet_is_sent_though_the_status_is_so(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(ONE, payload={**DETAIL, "status": "Solved"})
    http.put(f"{ONE}/status", status=200)
    write = set_status(REF, status="Solved", text="restarted")
    await adapter.write(write)
    text = f"restarted\n[ref:{KEY}]"
    assert body_of(http, "PUT", f"{ONE}/status") == {"status": "Solved", "text": text}
    said = {"id": "a1", "action": "STATUS_CHANGED", "content": text}
    http.get(ONE, payload={**DETAIL, "status": "Solved", "activities": [said]})
    await adapter.write(write)
    assert len(http.requests[("PUT", URL(f"{ONE}/status"))]) == 1


@pytest.mark.parametrize(("status", "code"), [(400, "400002"), (403, "403001"), (403, "")])
async def test_a_transition_that_is_refused_says_from_where_to_where(
    adapter: TelenorAdapter, http: aioresponses, status: int, code: str
) -> None:
    http.get(ONE, payload=DETAIL)
    http.put(f"{ONE}/status", status=status, payload={"code": code})
    with pytest.raises(Refused, match="'New' to 'Solved' refused"):
        await adapter.write(set_status(REF, status="Solved"))


async def test_a_read_before_a_write_that_is_odd_leaves_the_write_for_later(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(ONE, payload={**DETAIL, "id": "5004E000003uH0ZQAU"})
    with pytest.raises(Unreachable, match="answered with 5004E000003uH0ZQAU"):
        await adapter.write(set_status(REF, status="Solved"))


async def test_a_comment_carries_marker_and_user_name_twice(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.post(f"{ONE}/comments", payload={"id": "00a4E000000YRpqQAG"}, status=201)
    receipt = await adapter.write(say(REF, "hello\r\n"))
    assert receipt.comment_id == "00a4E000000YRpqQAG"
    assert body_of(http, "POST", f"{ONE}/comments") == {
        "text": f"hello\n[ref:{KEY}]",
        "userName": "syncd",
    }
    assert call_of(http, "POST", f"{ONE}/comments")["headers"]["X-User-Name"] == "syncd"


@pytest.mark.parametrize(
    "write",
    [
        say(REF, " "),
        say(REF, "x" * 4000),
        say(REF, "x", kind=CommentKind.WORK_NOTE),
        create(title="x" * 256),
        create(status="New"),
        change(REF, title=""),
        set_status(REF, status="Reopened"),
        attach(REF, "tool.exe", 5),
        attach(REF, "a.txt", 26_000_000),
    ],
    ids=lambda write: write.kind.value,
)
async def test_what_telenor_would_not_take_is_refused_without_a_request(
    adapter: TelenorAdapter, http: aioresponses, write: Any
) -> None:
    with pytest.raises(Refused, match="not sent"):
        await adapter.write(write, Bytes(b"hello"))
    assert requests(http) == []


async def test_another_kind_of_ticket_is_not_supported(adapter: TelenorAdapter) -> None:
    other = ref_to(ID)
    for call in (
        adapter.poll("change", None),
        adapter.read(type(other)(kind="change", id=other.id)),
        adapter.call("changes", {}),
    ):
        with pytest.raises(Unsupported):
            await call


FAILURES: list[tuple[int, str, type[RemoteError], type[RemoteError]]] = [
    (400, "400001", Refused, Refused),
    (400, "400002", Refused, Refused),
    (401, "401001", Refused, Refused),
    (401, "401002", Refused, Refused),
    (401, "401003", CredentialsRejected, TokenRejected),
    (401, "40106", CredentialsRejected, TokenRejected),
    (401, "", CredentialsRejected, TokenRejected),
    (401, "40103", Refused, Refused),
    (403, "40301", Refused, Refused),
    (404, "404001", Refused, Refused),
    (404, "404002", NotFound, NotFound),
    (404, "4042000", NotFound, NotFound),
    (408, "", Unreachable, OutcomeUnknown),
    (409, "", Refused, OutcomeUnknown),
    (413, "", Refused, Refused),
    (429, "42901", RateLimited, RateLimited),
    (500, "500001", Unreachable, OutcomeUnknown),
    (500, "42902", RateLimited, RateLimited),
    (503, "503001", Unreachable, OutcomeUnknown),
    (302, "", OddAnswer, OutcomeUnknown),
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_each_error_answer_is_the_right_kind_of_failure(
    adapter: TelenorAdapter,
    http: aioresponses,
    failure: tuple[int, str, type[RemoteError], type[RemoteError]],
) -> None:
    status, code, read, write = failure
    told = {"code": code, "message": "because"}
    http.get(f"{INCIDENTS}/count", payload={"count": 1})
    await adapter.call("count", {})  # so that the token is a cached one
    http.get(f"{ONE}/comments", status=status, payload=told, repeat=True)
    http.post(f"{ONE}/comments", status=status, payload=told)
    with pytest.raises(RemoteError) as caught:
        await adapter.write(say(REF, "hello"))
    assert type(caught.value) is write
    if code:
        assert caught.value.context.code == code or status not in (400, 403, 404)
    with pytest.raises(RemoteError) as caught:
        await adapter.call("comments", {"id": ID})
    assert type(caught.value) is read


async def test_a_ticket_is_found_by_its_number_only_when_that_is_exact(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    path = "?caseNumber=Case-00001234&skip=0&count=10"
    other = {"id": "5004E000003uH0ZQAU", "caseNumber": "Case-000012345"}
    http.get(INCIDENTS + path, payload={"incidents": [other, DETAIL]})
    http.get(ONE, payload=DETAIL)
    http.get(f"{ONE}/comments", payload=[])
    one = await adapter.read(ref_to(None, "Case-00001234"))
    assert (one.id, one.keys) == (ID, (OTHER_KEY,))
    http.get(INCIDENTS + path, payload={"incidents": [other]})
    with pytest.raises(NotFound):
        await adapter.read(ref_to(None, "Case-00001234"))


async def test_an_answer_with_another_tickets_id_is_never_applied(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(ONE, payload={**DETAIL, "id": ID.swapcase()})
    with pytest.raises(OddAnswer, match="asked for incident"):
        await adapter.read(REF)


async def test_attachments_are_listed_where_the_incident_does_not_name_them(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    bare = {name: value for name, value in DETAIL.items() if name != "attachments"}
    http.get(ONE, payload=bare)
    http.get(f"{ONE}/comments", status=404, payload={"code": "404002"})
    listed = {"id": "00P", "name": "a.jpg", "size": "7", "contentType": "image/jpg"}
    http.get(f"{ONE}/attachments", payload=[listed])
    one = await adapter.read(REF)
    assert [(file.id, file.size_bytes) for file in one.attachments] == [("00P", 7)]
    assert one.comments == ()


async def test_a_download_streams_what_it_gets_as_opaque_bytes(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(f"{ONE}/attachments/00P", body=b"{}")
    async with adapter.download(REF, "00P") as chunks:  # type: ignore[arg-type]
        assert b"".join([chunk async for chunk in chunks]) == b"{}"


async def test_an_attachment_is_deleted_by_id_and_its_exact_name(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    listed = {"id": "00P", "name": "bilde ø&1.jpg", "size": 7}
    http.get(f"{ONE}/attachments", payload=[listed], repeat=True)
    url = URL(f"{ONE}/attachments/00P").with_query({"fileName": "bilde ø&1.jpg"})
    http.delete(url, status=200)
    http.delete(url, status=404, payload={"code": "404002"})
    given = {"id": ID, "attachment": "00P"}
    assert await adapter.call("delete_attachment", given) == {
        "deleted": True,
        "name": "bilde ø&1.jpg",
    }
    for attachment in ("00P", "00Q"):
        told = await adapter.call("delete_attachment", {"id": ID, "attachment": attachment})
        assert isinstance(told, dict)
        assert told["deleted"] is False


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [("set_contact", "PUT", "contact"), ("set_local_contact", "PUT", "localcontact")],
)
async def test_contacts_can_be_set_by_name(
    adapter: TelenorAdapter, http: aioresponses, name: str, method: str, path: str
) -> None:
    http.put(f"{ONE}/{path}", status=204)
    assert await adapter.call(name, {"id": ID, "name": "Ola"}) == {"status": 204}
    assert body_of(http, method, f"{ONE}/{path}") == {"name": "Ola"}
    with pytest.raises(Refused):
        await adapter.call(name, {"id": ID})
    http.delete(f"{ONE}/localcontact", status=404, payload={"code": "404002"})
    told = await adapter.call("delete_local_contact", {"id": ID})
    assert told == {"deleted": False, "why": "there was none"}


async def test_a_named_call_says_what_is_missing_or_unknown(adapter: TelenorAdapter) -> None:
    for arguments in ({}, {"id": ID, "colour": "red"}):
        with pytest.raises(Refused, match="I6"):
            await adapter.call("incident", arguments)
    assert set(adapter.calls()) >= {"list", "count", "delete_attachment", "incident_activities"}


async def test_the_live_check_compares_mappings_with_telenors_lists(
    connecting: Connecting, http: aioresponses
) -> None:
    adapter = connecting.adapter(BASE, priorities=["High"])
    http.get(f"{INCIDENTS}/count", payload={"count": 12})
    category = {"productCatName": "Mobil", "incidentTypes": "Treghet, Ikke på nett"}
    http.get(f"{INCIDENTS}/productcategories", payload=[category])
    http.get(f"{INCIDENTS}/count?status=New", payload={"count": 3})
    http.get(f"{INCIDENTS}/count?status=Solved", status=400, payload={"code": "400002"})
    findings = await adapter.check(
        Expectation(
            values={
                "product_category_name": frozenset({"Mobil", "Fiber"}),
                "incident_type": frozenset({"Ikke på nett", "treghet"}),
                "priority": frozenset({"high", "Low"}),
            },
            statuses=frozenset({"New", "Solved", "Closed"}),
            kinds=frozenset({"incident"}),
        )
    )
    failed = [one.what for one in findings if not one.ok]
    assert len(findings) == 11
    assert [text.split(" is ")[0].split(":")[0] for text in failed] == [
        "product_category_name 'Fiber'",
        "incident_type 'treghet'",
        "priority 'Low'",
        "status 'Closed'",
        "status 'Solved'",
    ]


async def test_a_login_that_fails_is_a_finding_of_the_live_check(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(f"{INCIDENTS}/count", status=401, payload={"code": "401002"})
    (finding,) = await adapter.check(Expectation(kinds=frozenset({"incident"})))
    assert not finding.ok
    assert "Min Bedrift" in finding.what


async def test_every_kind_of_write_is_declared(adapter: TelenorAdapter) -> None:
    features = adapter.features
    assert set(features.writes) == set(WriteKind) - {WriteKind.DELETE}
    assert features.attachments
