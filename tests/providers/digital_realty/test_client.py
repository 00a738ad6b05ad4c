"""Single calls and payloads: what is sent, and what odd answers come to."""

from typing import Any

import pytest
from aioresponses import aioresponses
from hypothesis import given
from hypothesis import strategies as st

from syncd.core import marker
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import (
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteError,
)
from syncd.providers.digital_realty import mapping, normalise, read_error, sending, wire
from syncd.providers.digital_realty.adapter import bounds_of
from syncd.providers.digital_realty.errors import ROWS, Meaning, error_text
from tests.providers.digital_realty.desk import (
    FIELDS,
    KEY,
    OTHER_KEY,
    TICKETS,
    Connecting,
    change,
    create,
    ref_to,
    say,
    settings,
)

BASE = TICKETS.partition("/v1")[0]
DETAIL: dict[str, Any] = {
    "id": "WO9334196",
    "title": "title sample1",
    "status": "New",
    "site": "PHX015",
    "location": "",
    "requestType": "Facilities Request",
    "category": "Fire/Safety",
    "description": "Customer support description",
    "customerReference": f"Testing [ref:{OTHER_KEY}]",
    "createdOn": "2023-08-08 17:24:37",
    "updatedOn": "2023-08-09T14:34:31.5Z",
    "closedOn": "",
    "createdBy": "Michael test",
    "ticketType": "Customer Support",
    "notificationRecipients": "fsl_test Testing",
    "comments": [],
}
REF = ref_to("WO9334196")


async def read(connecting: Connecting, http: aioresponses, **changes: Any) -> Any:
    http.get(f"{TICKETS}/WO9334196", payload=DETAIL | changes)
    return await connecting.adapter(BASE).read(REF)


# --- reading -------------------------------------------------------------------------------------


async def test_the_vendors_sample_is_read_and_every_call_carries_the_account(
    connecting: Connecting, http: aioresponses
) -> None:
    ticket = await read(connecting, http)

    assert ticket.number == "WO9334196"
    assert ticket.fields["location"] is None
    assert ticket.fields["closed_at"] is None
    assert ticket.fields["customer_reference"] == "Testing"
    assert ticket.keys == (OTHER_KEY,)
    assert ticket.created_at.isoformat() == "2023-08-08T17:24:37+00:00"
    assert ticket.updated_at.isoformat() == "2023-08-09T14:34:31.500000+00:00"
    (call,) = (calls[0] for (method, _), calls in http.requests.items() if method == "GET")
    headers = {name.lower(): value for name, value in call.kwargs["headers"].items()}
    assert headers["master-account-id"] == "100123"
    assert headers["account-id"] == "A1"
    assert headers["authorization"] == "Bearer t1"


@pytest.mark.parametrize(
    ("comments", "bodies"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("Call me", ["Call me"]),
        (["one", "two"], ["one", "two"]),
        ([{"comment": "a", "commentedBy": "Dana", "commentedOn": "2022-08-30 12:30:00"}], ["a"]),
        ([{"text": "b"}, {"body": "c"}, {"value": "d"}, {"x": "e"}, 7, None], ["b", "c", "d"]),
        (
            [
                {"comment": "late", "commentedOn": "2022-08-30 12:31:00"},
                {"comment": "early", "commentedOn": "2022-08-30 12:30:00"},
            ],
            ["early", "late"],
        ),
    ],
)
async def test_comments_are_read_in_every_shape_the_document_hints_at(
    connecting: Connecting, http: aioresponses, comments: object, bodies: list[str]
) -> None:
    ticket = await read(connecting, http, comments=comments)

    assert [one.body for one in ticket.comments] == bodies
    assert all(one.author in ("Dana", "Digital Realty") for one in ticket.comments)


async def test_comments_that_are_not_told_are_no_absence(
    connecting: Connecting, http: aioresponses
) -> None:
    http.get(f"{TICKETS}/WO9334196", payload={**DETAIL, "comments": None})
    adapter = connecting.adapter(BASE)

    probe = await adapter.probe(say(REF, "x"), connecting.clock.now())

    assert probe.finding.value == "unclear"


@pytest.mark.parametrize("answer", [{}, [], {"id": ""}, {"id": "WO1"}, "x"])
async def test_an_answer_that_is_not_this_ticket_is_odd(
    connecting: Connecting, http: aioresponses, answer: object
) -> None:
    http.get(f"{TICKETS}/WO9334196", payload=answer)
    with pytest.raises(OddAnswer):
        await connecting.adapter(BASE).read(REF)


async def test_a_ticket_without_a_name_is_not_looked_for(
    connecting: Connecting, http: aioresponses
) -> None:
    with pytest.raises(NotFound):
        await connecting.adapter(BASE).read(TicketRef(kind="ticket", number=" "))


async def test_filters_are_spelt_as_documented_and_percent_encoded(
    connecting: Connecting, http: aioresponses
) -> None:
    empty = {"content": [], "pageable": {"last": True}}
    http.get(f"{TICKETS}?page=0&size=100&status=New", payload=empty)
    http.get(f"{TICKETS}?page=0&size=100&status=In%20Progress", payload=empty)
    result = await connecting.adapter(BASE).poll("ticket", None)

    assert result.requests == 2
    urls = [str(url) for method, url in http.requests if method == "GET"]
    assert any("status=In+Progress" in url or "status=In%20Progress" in url for url in urls)


@pytest.mark.parametrize("page", [{}, {"content": {}}, {"content": None}, []])
async def test_a_list_without_content_is_odd_and_moves_nothing(
    connecting: Connecting, http: aioresponses, page: object
) -> None:
    http.get(f"{TICKETS}?page=0&size=100&status=New", payload=page)
    with pytest.raises(OddAnswer):
        await connecting.adapter(BASE).poll("ticket", None)


def test_an_item_without_an_id_is_stepped_over_and_named() -> None:
    page = wire.parse_page({"content": [{"title": "x"}, {"id": "WO1"}, 7]})

    assert [one.id for one in page.items] == ["WO1"]
    assert (len(page.odd), page.length, page.is_last) == (2, 3, None)


async def test_one_call_for_all_categories_falls_back_to_one_for_each_type(
    connecting: Connecting, http: aioresponses
) -> None:
    path = f"{TICKETS}/categories"
    http.get(path, status=400, payload={"message": "requestType is mandatory"})
    types = ("Account Management", "Accounts Receivable", "Facilities Request", "Amenities",
             "Cross Connect")  # fmt: skip
    for name in types:
        kind = {"name": name, "categories": [{"name": f"Only {name}"}]}
        query = name.replace(" ", "%20")
        http.get(f"{path}?requestType={query}", payload={"result": [{"requestType": kind}]})
    with pytest.raises(Refused, match="accepted: Only Facilities Request"):
        await connecting.adapter(BASE).write(create(**FIELDS))


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [{}, {"id": None}, {"message": "done"}, [], "WO1"])
async def test_a_create_without_an_id_in_its_answer_is_of_unknown_outcome(
    connecting: Connecting, http: aioresponses, answer: object
) -> None:
    http.get(f"{TICKETS}/categories", status=403)
    http.post(TICKETS, payload=answer)
    with pytest.raises(OutcomeUnknown):
        await connecting.adapter(BASE).write(create(**FIELDS))


async def test_an_update_answered_with_another_ticket_is_of_unknown_outcome(
    connecting: Connecting, http: aioresponses
) -> None:
    http.get(f"{TICKETS}/WO9334196", payload=DETAIL)
    http.put(f"{TICKETS}/WO9334196", payload={**DETAIL, "id": "WO1"})
    with pytest.raises(OutcomeUnknown, match="of WO1"):
        await connecting.adapter(BASE).write(change(REF, customer_reference="x"))


async def test_an_update_that_changes_nothing_is_told_and_not_sent_again(
    connecting: Connecting, http: aioresponses
) -> None:
    http.get(f"{TICKETS}/WO9334196", payload=DETAIL, repeat=True)
    http.put(f"{TICKETS}/WO9334196", payload=DETAIL)
    adapter = connecting.adapter(BASE, put_title_description=True)

    receipt = await adapter.write(change(REF, title="Other"))
    with pytest.raises(Refused, match="changed nothing before"):
        await adapter.write(change(REF, title="Third"))

    assert receipt.fields == {"title": "title sample1"}
    (call,) = (calls[0] for (method, _), calls in http.requests.items() if method == "PUT")
    assert call.kwargs["data"] or call.kwargs.get("json")


async def test_a_comment_answered_with_nothing_is_done_without_an_id(
    connecting: Connecting, http: aioresponses
) -> None:
    http.post(f"{BASE}/v1/comments", status=204)
    receipt = await connecting.adapter(BASE).write(say(REF, "hello"))
    assert (receipt.ticket_id, receipt.comment_id) == ("WO9334196", None)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(ROWS))
def test_each_row_of_the_table_means_what_it_says(status: int) -> None:
    body = b'{"errors": [{"code": "7", "message": "site is  wrong"}]}'
    for is_write in (False, True):
        error: RemoteError | None = read_error(status, body, is_write=is_write)
        if ROWS[status].meaning is Meaning.BY_STATUS:
            assert error is None
            continue
        wanted = NotFound if ROWS[status].meaning is Meaning.NOT_FOUND else Refused
        assert type(error) is wanted
        assert str(error) == f"Digital Realty {status}: {ROWS[status].text} (site is wrong)"
    assert not issubclass(RateLimited, Refused)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"message": "a"}', "a"),
        (b'{"error": "invalid_request", "error_description": "b"}', "b; invalid_request"),
        (b'{"fault": {"faultstring": "c", "detail": {"errorcode": "x"}}}', "c"),
        (b'{"detail": "d"}', "d"),
        (b"<html>", ""),
        (b'{"message": {"message": {"message": {"message": {"message": {"message": "e"}}}}}}', ""),
    ],
)
def test_the_text_of_an_error_is_found_where_such_answers_have_it(body: bytes, text: str) -> None:
    assert error_text(body) == text


# --- N -------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=60) | st.just(f"a [ref:{KEY}] b").map(str)


@given(TEXTS, st.sampled_from(sorted(mapping.FIELDS)))
def test_normalising_twice_changes_nothing(text: str, name: str) -> None:
    once = normalise(name, text)
    assert normalise(name, once) == once


# Within every limit, a location's 40 characters: what is longer is refused (test_against_sandbox).
SENDABLE = st.text(max_size=40) | st.just(f"a [ref:{KEY}] b").map(str)


@given(st.dictionaries(st.sampled_from(["title", "description", "location"]), SENDABLE))
def test_what_is_sent_reads_back_equal_under_n(changes: dict[str, str]) -> None:
    fields = {**FIELDS, **changes}
    try:
        body = sending.create_body(fields, KEY, bounds_of(settings()))
    except sending.Unsendable:
        assert any(normalise(name, fields[name]) is None for name in sending.MANDATORY)
        return
    ticket = mapping.ticket(wire.parse_order({"id": "WO1", **body}), "x")
    for name, value in fields.items():
        assert normalise(name, ticket.fields.get(name)) == normalise(name, value), name
    assert ticket.keys == (KEY,)


def test_other_spellings_of_a_status_are_the_same_status() -> None:
    spellings = {
        "closed": "Completed",
        "Canceled": "Cancelled",
        "In-Progress": "In Progress",
        " inprogress ": "In Progress",
    }
    for spelling, status in spellings.items():
        assert normalise("status", spelling) == normalise("status", status)
    assert mapping.is_open("in-progress")
    assert not mapping.is_open("On Hold")
    assert marker.split(sending.referenced("", [KEY], bounds_of(settings())))[1] == (KEY,)


@pytest.mark.parametrize(
    "keys",
    [
        {"account_id": ""},
        {"account_id": "A 1"},
        {"master_account_id": "x\n"},
        {"cancel_reason": "Bored"},
        {"paths": {"comments": "v1/comments"}},
        {"scan": {"page_size": 0}},
        {"put": True},
    ],
)
def test_settings_that_cannot_work_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        settings(**keys)
