"""A write whose answer was lost is found, absent, or honestly unclear."""

from datetime import UTC, datetime
from typing import Any

import pytest
from aioresponses import aioresponses

from syncd.model.operation import Finding
from syncd.providers.telenor import TelenorAdapter
from tests.providers.telenor.desk import (
    BASE,
    DETAIL,
    INCIDENTS,
    KEY,
    ONE,
    OTHER_KEY,
    REF,
    Connecting,
    attach,
    change,
    create,
    say,
    set_status,
)

SENT_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEWEST = f"{INCIDENTS}?skip=0&count=2&sortField=caseNumber&order=DESC"
SEARCH = f"{INCIDENTS}?search={KEY}&skip=0&count=2"


def listed(number: int, minute: int, **told: object) -> dict[str, object]:
    return {
        "id": f"5004E00000{number:08}",
        "caseNumber": f"Case-{number:08}",
        "createdDate": f"2026-03-01T{12 + minute // 60}:{minute % 60:02}:00.000+0000",
        "description": "another",
        **told,
    }


EARLY = listed(1, 0, createdDate="2026-03-01T11:00:00.000+0000")


@pytest.fixture
async def prober(connecting: Connecting, http: aioresponses) -> TelenorAdapter:
    return connecting.adapter(BASE, feed={"page_size": 2}, probe={"search_pages": 2})


async def test_a_create_is_absent_only_when_the_newest_cases_reach_back_to_its_sending(
    prober: TelenorAdapter, http: aioresponses
) -> None:
    http.get(SEARCH, payload={"totalSize": 0, "incidents": []})
    http.get(NEWEST, payload={"totalSize": 900, "incidents": [listed(2, 1), EARLY]})
    found = await prober.probe(create(title="Down"), SENT_AT)
    assert found.finding is Finding.ABSENT
    assert found.looked_at == "search 0, newest 2 cases 0"


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([listed(9, 9), listed(8, 8)], "do not reach back"),
        ([listed(2, 1), listed(3, 2)], "not newest first"),
        ([listed(2, 1), EARLY | {"id": None}], "cannot be read"),
        ([listed(2, 1, caseNumber=""), EARLY], "not newest first"),
    ],
)
async def test_a_create_is_unclear_when_the_newest_cases_tell_too_little(
    prober: TelenorAdapter, http: aioresponses, items: list[object], why: str
) -> None:
    http.get(SEARCH, payload={"totalSize": 0, "incidents": []})
    http.get(NEWEST, payload={"totalSize": 900, "incidents": items})
    http.get(
        f"{INCIDENTS}?skip=1&count=2&sortField=caseNumber&order=DESC",
        payload={"totalSize": 900, "incidents": items},
    )
    found = await prober.probe(create(title="Down"), SENT_AT)
    assert found.finding is Finding.UNCLEAR
    assert why in found.looked_at


async def test_a_create_is_unclear_when_sorting_is_refused(
    prober: TelenorAdapter, http: aioresponses
) -> None:
    http.get(SEARCH, status=400, payload={"code": "400002"})
    http.get(NEWEST, status=400, payload={"code": "400002"})
    found = await prober.probe(create(title="Down"), SENT_AT)
    assert found.finding is Finding.UNCLEAR
    assert "search refused" in found.looked_at


async def test_a_list_that_cuts_descriptions_does_not_hide_our_create(
    prober: TelenorAdapter, http: aioresponses
) -> None:
    http.get(SEARCH, payload={"totalSize": 0, "incidents": []})
    cut = listed(2, 1, subject="down", description="Link do…")
    cut["subject"] = "Down"
    http.get(NEWEST, payload={"totalSize": 900, "incidents": [cut, EARLY]})
    whole = {**cut, "description": f"Link down\n[ref:{KEY}]"}
    http.get(f"{INCIDENTS}/{cut['id']}", payload=whole)
    found = await prober.probe(create(title="Down"), SENT_AT)
    assert found.finding is Finding.FOUND
    assert found.receipt is not None
    assert (found.receipt.ticket_id, found.receipt.ticket_number) == (cut["id"], "Case-00000002")


async def test_the_oldest_of_several_is_the_receipt_and_quotes_in_comments_are_none(
    prober: TelenorAdapter, http: aioresponses
) -> None:
    ours = {"description": f"Link down\n[ref:{KEY}]"}
    old, new = listed(2, 1, **ours), listed(3, 2, **ours)
    http.get(SEARCH, payload={"totalSize": 3, "incidents": [new, old]})
    http.get(NEWEST, payload={"totalSize": 900, "incidents": [new, EARLY]})
    for one in (old, new):
        http.get(f"{INCIDENTS}/{one['id']}", payload=one)
    found = await prober.probe(create(title="Down"), SENT_AT)
    assert found.receipt is not None
    assert found.receipt.ticket_id == old["id"]
    assert [one.ticket_id for one in found.others] == [new["id"]]


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
async def test_a_comment_is_found_by_its_marker(
    adapter: TelenorAdapter, http: aioresponses, key: str
) -> None:
    comments = [
        {
            "id": "c2",
            "createdDate": "2026-03-01T12:02:00.000+0000",
            "commentBody": f"x [ref:{KEY}]",
        },
        {
            "id": "c1",
            "createdDate": "2026-03-01T12:01:00.000+0000",
            "commentBody": f"x\n[ref:{KEY}]",
        },
        {"id": "c0", "createdDate": "2026-03-01T12:01:00.000+0000", "commentBody": "x"},
    ]
    http.get(f"{ONE}/comments", payload=comments)
    found = await adapter.probe(say(REF, "x", key=key), SENT_AT)  # type: ignore[arg-type]
    if key == OTHER_KEY:
        assert found.finding is Finding.ABSENT
        return
    assert found.receipt is not None
    assert found.receipt.comment_id == "c1"
    assert [one.comment_id for one in found.others] == ["c2"]


async def test_a_probe_on_a_ticket_that_is_not_there_is_unclear(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    http.get(f"{ONE}/comments", status=404, payload={"code": "404002"})
    assert (await adapter.probe(say(REF, "x"), SENT_AT)).finding is Finding.UNCLEAR


async def test_an_attachment_is_found_by_name_size_and_time(
    adapter: TelenorAdapter, http: aioresponses
) -> None:
    def file(file_id: str, name: str, size: int, at: str) -> dict[str, object]:
        return {"id": file_id, "name": name, "size": size, "createdDate": f"2026-03-01T{at}+0000"}

    files = [
        file("early", "a.jpg", 5, "11:00:00.000"),
        file("size", "a.jpg", 6, "12:01:00.000"),
        file("name", "b.jpg", 5, "12:01:00.000"),
    ]
    http.get(f"{ONE}/attachments", payload=files)
    assert (await adapter.probe(attach(REF, "a.jpg", 5), SENT_AT)).finding is Finding.ABSENT
    http.get(f"{ONE}/attachments", payload=[*files, file("ours", "a.jpg", 5, "11:59:00.000")])
    found = await adapter.probe(attach(REF, "a.jpg", 5), SENT_AT)
    assert found.receipt is not None
    assert found.receipt.attachment_id == "ours"


@pytest.mark.parametrize(
    ("write", "finding"),
    [
        (change(REF, title="Down "), Finding.FOUND),
        (change(REF, title="Up"), Finding.ABSENT),
        (change(REF, description="Link down\r\n"), Finding.FOUND),
        (change(REF, local_contact=None), Finding.FOUND),
        (change(REF, local_contact={"name": "Ola"}), Finding.ABSENT),
        (set_status(REF, status="NEW", text="x"), Finding.FOUND),
        (set_status(REF, status="Solved"), Finding.ABSENT),
    ],
    ids=str,
)
async def test_updates_and_statuses_are_compared_with_what_stands_there(
    adapter: TelenorAdapter, http: aioresponses, write: Any, finding: Finding
) -> None:
    http.get(ONE, payload=DETAIL)
    assert (await adapter.probe(write, SENT_AT)).finding is finding


# --- people change what we wrote -----------------------------------------------------------------


def noted(field: str, old: str | None, new: str | None, **told: object) -> dict[str, object]:
    return {
        "id": f"a-{field}-{old}-{new}",
        "date": "2026-03-01T12:01:00.000+0000",
        "action": "UPDATED",
        "fieldName": field,
        "oldValue": old,
        "newValue": new,
        "user": {"userName": "Agent Berg", "internalUser": True},
        **told,
    }


OURS = {"user": {"userName": "syncd", "internalUser": False}}
BY_US = {"createdBy": {"userName": "syncd", "internalUser": False}}
MARKED = f"Link down\n[ref:{KEY}]"


@pytest.mark.parametrize("subject", ["Down", "Fibre cut"])
async def test_a_create_whose_description_was_rewritten_is_found_by_its_activities(
    prober: TelenorAdapter, http: aioresponses, subject: str
) -> None:
    one = listed(2, 1, subject=subject, **BY_US)
    http.get(SEARCH, payload={"totalSize": 0, "incidents": []})
    http.get(NEWEST, payload={"totalSize": 900, "incidents": [one, EARLY]})
    whole = {**one, "activities": [noted("description", MARKED, "another")]}
    http.get(f"{INCIDENTS}/{one['id']}", payload=whole)
    found = await prober.probe(create(title="Down"), SENT_AT)
    assert found.finding is Finding.FOUND, found.looked_at


async def test_a_key_seen_in_the_list_alone_is_found(
    prober: TelenorAdapter, http: aioresponses
) -> None:
    one = listed(2, 1, description=MARKED)
    http.get(SEARCH, payload={"totalSize": 1, "incidents": [one]})
    http.get(NEWEST, payload={"totalSize": 900, "incidents": [EARLY]})
    http.get(f"{INCIDENTS}/{one['id']}", payload={**one, "description": "rewritten"})
    assert (await prober.probe(create(title="Down"), SENT_AT)).finding is Finding.FOUND


@pytest.mark.parametrize(
    ("told", "finding"),
    [
        (BY_US, Finding.UNCLEAR),
        (BY_US | {"subject": " Down"}, Finding.UNCLEAR),
        (BY_US | {"subject": "Up"}, Finding.ABSENT),
        (BY_US | {"description": f"other [ref:{OTHER_KEY}]"}, Finding.ABSENT),
        (BY_US | {"createdDate": "2026-03-01T11:00:00.000+0000"}, Finding.ABSENT),
        ({"createdBy": {"userName": "Agent Berg"}}, Finding.ABSENT),
    ],
    ids=str,
)
async def test_a_case_of_ours_without_marker_leaves_a_create_unclear(
    prober: TelenorAdapter, http: aioresponses, told: dict[str, object], finding: Finding
) -> None:
    one = listed(2, 1) | {"subject": "Down"} | told
    http.get(SEARCH, payload={"totalSize": 0, "incidents": []})
    http.get(NEWEST, payload={"totalSize": 900, "incidents": [one, EARLY]})
    http.get(f"{INCIDENTS}/{one['id']}", payload=one)
    assert (await prober.probe(create(title="Down"), SENT_AT)).finding is finding


@pytest.mark.parametrize("has_original", [True, False])
async def test_a_quote_with_our_marker_is_no_effect_and_no_absence(
    adapter: TelenorAdapter, http: aioresponses, has_original: bool
) -> None:
    def comment(comment_id: str, body: str) -> dict[str, object]:
        stamp = "2026-03-01T12:01:00.000+0000"
        return {"id": comment_id, "createdDate": stamp, "commentBody": body}

    quote = comment("q", f"Who wrote this?\n> x\n> [ref:{KEY}]")
    original = comment("c", f"x \r\n[ref:{KEY}]")
    http.get(f"{ONE}/comments", payload=[quote, *([original] if has_original else [])])
    found = await adapter.probe(say(REF, "x"), SENT_AT)
    assert found.others == ()
    assert found.finding is (Finding.FOUND if has_original else Finding.UNCLEAR)
    if has_original:
        assert found.receipt is not None
        assert found.receipt.comment_id == "c"


STATUS = {"action": "STATUS_CHANGED"}
LATER = {"date": "2026-03-01T12:02:00.000+0000"}
TOO_EARLY = {"date": "2026-03-01T11:00:00.000+0000"}


@pytest.mark.parametrize(
    ("write", "activities", "finding"),
    [
        (
            change(REF, title="Up"),
            [noted("subject", "x", "Up", **OURS), noted("subject", "Up", "Down")],
            Finding.FOUND,
        ),
        (change(REF, title="Up"), [noted("subject", "x", "Down")], Finding.ABSENT),
        (change(REF, title="Up"), [noted("subject", "x", "Up")], Finding.ABSENT),
        (
            change(REF, title="Up"),
            [noted("subject", "x", "Up", **OURS, **TOO_EARLY)],
            Finding.ABSENT,
        ),
        (  # an earlier write of ours
            change(REF, title="Up"),
            [noted("subject", "x", "Up", **OURS), noted("subject", "x", "y", **OURS, **LATER)],
            Finding.ABSENT,
        ),
        (change(REF, title="Up"), [noted("location", "", "Up", **OURS)], Finding.ABSENT),
        (
            change(REF, description="Up"),
            [noted("description", None, None, **OURS)],
            Finding.UNCLEAR,
        ),
        (  # one PUT: the priority was High already, then somebody lowered it
            change(REF, title="Up", priority="High"),
            [noted("subject", "x", "Up", **OURS)],
            Finding.FOUND,
        ),
        (  # another PUT
            change(REF, title="Up", local_contact={"name": "Ola"}),
            [noted("subject", "x", "Up", **OURS)],
            Finding.ABSENT,
        ),
        (
            change(REF, local_contact={"name": "Ola"}),
            [noted("localContact", "", "{'name': 'Ola'}", **OURS)],
            Finding.FOUND,
        ),
        (
            set_status(REF, status="Solved"),
            [noted("status", "New", "Solved", **OURS, **STATUS), noted("status", "Solved", "New")],
            Finding.FOUND,
        ),
        (
            set_status(REF, status="Solved", text="x"),
            [noted("status", "", "", content=f"x\n[ref:{KEY}]", **OURS, **STATUS)],
            Finding.FOUND,
        ),
        (set_status(REF, status="Solved"), [noted("status", "", "New", **STATUS)], Finding.ABSENT),
    ],
    ids=str,
)
async def test_what_a_person_changed_after_our_write_is_not_its_absence(
    adapter: TelenorAdapter,
    http: aioresponses,
    write: Any,
    activities: list[object],
    finding: Finding,
) -> None:
    http.get(ONE, payload={**DETAIL, "activities": activities})
    found = await adapter.probe(write, SENT_AT)
    assert found.finding is finding, found.looked_at
