"""The three served calls, over real connections, with a real store behind them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog.testing

from syncd.gateway import serving
from syncd.gateway.served.contract import LISTS, TEXT_NAMES
from syncd.model.ids import ConnectionName, OperationKey
from syncd.model.ticket import CommentKind
from syncd.ports.served import NoteDraft, ServedChange
from syncd.store import tickets
from tests.gateway.served import (
    CREATE,
    DETAILS,
    FILES,
    NAME,
    PREFIX,
    UPDATE,
    Office,
    offer_of,
    office,
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    async with office(tmp_path) as opened:
        yield opened


async def test_a_ticket_is_stored_known_and_rung_for_before_it_is_answered(desk: Office) -> None:
    made = await desk.raised()
    assert set(made) == {"sysId", "ticketNumber"}
    assert made["ticketNumber"] == "SYN0000001"
    due = await desk.database.read(tickets.due_reads, NAME, now=desk.clock.now(), limit=9)
    assert [each.ref.id for each in due] == [made["sysId"]]
    assert desk.rings == [1]


async def test_every_one_of_the_25_names_is_answered_by_its_type(desk: Office) -> None:
    names = [*TEXT_NAMES, *LISTS, "u_site", "nobody_knows_this"]
    made = await desk.raised(longDescription="since 08:12", comments="look", u_site="Fornebu")
    desk.clock.seconds += 90.5
    told = await desk.fetched(made["ticketNumber"], *names)
    assert list(told) == names
    assert {name for name, value in told.items() if isinstance(value, list)} == set(LISTS)
    assert told["ticketStatus"] == "New"
    assert told["createdTime"] == "2026-01-01T00:00:00.000000"
    assert (told["ticketBusinessDuration"], told["ticketBusinessTimeLeft"]) == ("90", "")
    assert told["createdBy"] == "itops"
    assert told["resolvedTime"] == told["assignedTo"] == told["nobody_knows_this"] == ""
    assert told["comments"] == [
        {"commentBy": "itops", "commentTime": "2026-01-01T00:00:00.000000", "comment": "look"}
    ]
    assert told["workNotes"] == told["closureNotes"] == []


async def test_what_the_vendor_did_is_what_a_later_fetch_shows(desk: Office) -> None:
    made = await desk.raised()
    note = NoteDraft(kind=CommentKind.CLOSURE_NOTE, author="Telenor", body="spliced")
    change = ServedChange(by="syncd", fields={"ticketStatus": "Resolved"}, notes=[note])
    desk.clock.seconds += 60
    await desk.tickets.write(NAME, made["sysId"], change, key=OperationKey("a-1"))
    told = await desk.fetched(
        made["ticketNumber"], "ticketStatus", "resolvedTime", "resolvedBy", "closureNotes"
    )
    assert told["ticketStatus"] == "Resolved"
    assert (told["resolvedTime"], told["resolvedBy"]) == ("2026-01-01T00:01:00.000000", "syncd")
    assert [each["closureNoteBy"] for each in told["closureNotes"]] == ["Telenor"]


async def test_an_update_changes_what_it_names_and_adds_its_notes(desk: Office) -> None:
    made = await desk.raised(category="Net", u_due="2026-03-01T10:00:00")
    change: dict[str, Any] = {
        "category": "", "u_due": "", "urgency": 2, "workNotes": ["one", {"workNote": "two"}],
        "closeNotes": {"closureNote": "three", "closureNoteBy": "Åse"}, "comments": " ",
    }  # fmt: skip
    asked = {"sysId": made["sysId"], "ticketJSON": change, "ticketFields": ["category", "u_due"]}
    _, told, _ = await desk.call(UPDATE, asked)
    assert told["ticketDetails"] == {"category": "Net", "u_due": ""}
    now = await desk.fetched(made["ticketNumber"], "urgency", *LISTS)
    assert now["urgency"] == "2"
    assert [each["workNote"] for each in now["workNotes"]] == ["one", "two"]
    assert [each["closureNoteBy"] for each in now["closureNotes"]] == ["Åse"]
    assert now["comments"] == []


@pytest.mark.parametrize("way", ["get body", "post body", "query", "both"])
async def test_a_fetch_may_come_in_every_way_there_is(desk: Office, way: str) -> None:
    made = await desk.raised()
    number = made["ticketNumber"]
    body = {"ticketNumber": number, "ticketFields": ["ticketStatus", "sysId", "sysId"]}
    query = [("ticketNumber", number), ("ticketFields", "ticketStatus,sysId")]
    if way == "query":
        status, told, _ = await desk.call(DETAILS, method="GET", params=query)
    elif way == "both":
        status, told, _ = await desk.call(DETAILS, body, method="GET", params=query[:1])
    else:
        status, told, _ = await desk.call(DETAILS, body, method=way.split(maxsplit=1)[0].upper())
    assert (status, told["ticketDetails"]) == (200, {"ticketStatus": "New", "sysId": made["sysId"]})


async def test_a_number_or_id_is_found_under_the_other_name_too(desk: Office) -> None:
    made = await desk.raised()
    assert await desk.fetched(made["sysId"]) == made
    asked = {"sysId": made["ticketNumber"], "ticketJSON": {"urgency": "1"}}
    _, told, _ = await desk.call(UPDATE, asked)
    assert told["ticketDetails"] == made
    for path, body in (
        (DETAILS, {"ticketNumber": "SYN9"}),
        (UPDATE, {"sysId": "none", "ticketJSON": {"urgency": "1"}}),
    ):
        status, told, _ = await desk.call(path, body)
        assert (status, told["statusCode"], told["ticketDetails"]) == (200, "404", {})


async def test_a_key_makes_one_ticket_also_while_the_first_is_under_way(desk: Office) -> None:
    key = {"Idempotency-Key": "alert-4711"}
    made = await asyncio.gather(*(desk.raised(headers=key) for _ in range(6)))
    assert len({each["sysId"] for each in made}) == 1
    assert len(desk.rings) == 1
    status, told, _ = await desk.call(CREATE, {"ticketJSON": {"urgency": "1"}}, headers=key)
    assert (status, told["statusCode"]) == (200, "409")
    assert (await desk.raised())["sysId"] != (await desk.raised())["sysId"]
    status, told, _ = await desk.call(
        CREATE, {"ticketJSON": {"urgency": "1"}}, headers={"Idempotency-Key": "x" * 256}
    )
    assert status == 400


async def test_a_repeated_note_with_a_key_is_one_note(desk: Office) -> None:
    made = await desk.raised()
    asked = {"sysId": made["sysId"], "ticketJSON": {"comments": "again"}}
    for _ in range(2):
        await desk.call(UPDATE, asked, headers={"Idempotency-Key": "n1"})
    assert len((await desk.fetched(made["ticketNumber"], "comments"))["comments"]) == 1


async def test_two_callers_keys_never_meet(desk: Office) -> None:
    key = {"Idempotency-Key": "1"}
    mine = await desk.raised(headers=key)
    theirs = {"Authorization": f"Bearer {desk.issuer.token(sub='other', azp='other')}"}
    assert (await desk.raised(headers=key | theirs))["sysId"] != mine["sysId"]


async def test_equal_alerts_are_one_only_where_a_window_is_set(tmp_path: Path) -> None:
    async with office(tmp_path, offer_of(serve={"duplicate_window": "5m"})) as desk:
        first, again = await desk.raised(), await desk.raised()
        assert first == again
        desk.clock.seconds += 301
        assert (await desk.raised()) != first


async def test_a_bound_connection_tells_the_vendors_number_when_it_comes_in_time(
    tmp_path: Path,
) -> None:
    bind = {"bind": {"field": "vendor_ref", "wait": "20s"}}
    async with office(tmp_path, offer_of(serve=bind)) as desk:
        late = await desk.raised()
        assert late["ticketNumber"] == "SYN0000001"
        assert desk.clock.seconds >= 20

        async def vendor() -> None:
            found = await desk.tickets.find(NAME, number="SYN0000002")
            assert found is not None
            change = ServedChange(by="syncd", fields={"u_vendor_ref": "Case-7"})
            await desk.tickets.write(NAME, found.sys_id, change, key=OperationKey("a-2"))

        desk.clock.meanwhile = vendor
        made = await desk.raised(headers={"Idempotency-Key": "1"})
        assert made["ticketNumber"] == "Case-7"
        assert await desk.raised(headers={"Idempotency-Key": "1"}) == made
        assert (await desk.fetched("Case-7"))["sysId"] == made["sysId"]
        change = ServedChange(by="syncd", fields={"u_vendor_ref": "Case-6"})
        await desk.tickets.write(NAME, late["sysId"], change, key=OperationKey("a-1"))
        told = await desk.fetched("SYN0000001", "ticketNumber", "u_vendor_ref")
        assert told == {"ticketNumber": "SYN0000001", "u_vendor_ref": "Case-6"}


BAD_REQUESTS: list[tuple[str, str, bytes]] = [
    ("no JSON", CREATE, b"{"),
    ("a list", CREATE, b"[]"),
    ("nothing", CREATE, b""),
    ("no ticket", CREATE, b"{}"),
    ("an empty ticket", CREATE, b'{"ticketJSON": {}}'),
    ("a ticket that is a text", CREATE, b'{"ticketJSON": "x"}'),
    ("details that are a list", CREATE, b'{"ticketJSON": {"urgency": 1}, "connectionDetails": []}'),
    ("fields that are a text", CREATE, b'{"ticketJSON": {"urgency": 1}, "ticketFields": "sysId"}'),
    ("a field that is a number", CREATE, b'{"ticketJSON": {"urgency": 1}, "ticketFields": [1]}'),
    ("an offset that is a number", DETAILS, b'{"ticketNumber": "x", "itsmTimeZoneOffset": 1}'),
    ("too deep", CREATE, b'{"ticketJSON": {"urgency": 1}, "x": ' + b"[" * 30 + b"]" * 30 + b"}"),
    ("bottomless", CREATE, b"[" * 100_000),
    ("too many keys", CREATE, orjson.dumps({"ticketJSON": {f"k{n}": 1 for n in range(201)}})),
    ("no sysId", UPDATE, b'{"ticketJSON": {"urgency": 1}}'),
    ("no number", DETAILS, b"{}"),
    ("a NUL in a number", DETAILS, b'{"ticketNumber": "a\\u0000"}'),
    ("half a character", DETAILS, b'{"ticketNumber": "\\ud800"}'),
]  # fmt: skip


@pytest.mark.parametrize(("what", "path", "body"), BAD_REQUESTS, ids=[r[0] for r in BAD_REQUESTS])
async def test_what_is_no_request_is_refused_with_a_reason_and_changes_nothing(
    desk: Office, what: str, path: str, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    status, told, _ = await desk.call(path, data=body, headers=headers)
    assert (status, told["statusCode"], told["ticketDetails"]) == (400, "400", {})
    assert told["statusMessage"]
    assert desk.rings == []
    assert await desk.tickets.changed(NAME, since=None, after_row=0, limit=1) == []


@pytest.mark.parametrize(
    ("ticket", "message"),
    [
        ({"u_site": "x" * 21}, "more than 20"),
        ({"shortDescription": "x" * 70_000}, "more than 65536"),
        ({"shortDescription": {"a": 1}}, "neither text nor number"),
        ({"longDescription": "a\0b"}, "no text may hold"),
        ({"comments": [{"text": 1}, [2]]}, "neither text nor number"),
        ({"workNotes": ["x"] * 51}, "at most 50 notes"),
        ({"u_due": "tomorrow"}, "YYYY-MM-DD"),
        ({"u_due": "2026-02-30T00:00:00Z"}, "no calendar"),
        ({"k" * 129: 1}, "1 to 128"),
    ],
)
async def test_a_value_that_cannot_be_taken_is_told_in_the_body(
    desk: Office, ticket: dict[str, Any], message: str
) -> None:
    status, told, _ = await desk.call(CREATE, {"ticketJSON": {"urgency": "1"} | ticket})
    assert (status, told["statusCode"]) == (200, "400")
    assert message in told["statusMessage"]
    assert await desk.tickets.changed(NAME, since=None, after_row=0, limit=1) == []


@pytest.mark.parametrize(
    ("time", "offset", "kept"),
    [
        ("2024-03-05T09:07:02", "", "2024-03-05T09:07:02.000000"),
        ("2024-03-05 09:07:02.123456789", "Z", "2024-03-05T09:07:02.123456"),
        ("2024-03-05T09:07:02.9", "+05:30", "2024-03-05T03:37:02.900000"),
        ("2024-03-05T09:07:02", "-0800", "2024-03-05T17:07:02.000000"),
        ("2024-03-05T09:07:02", "UTC+05", "2024-03-05T04:07:02.000000"),
        ("2024-03-05T09:07:02", "gmt", "2024-03-05T09:07:02.000000"),
        ("2024-03-05T09:07:02", "GMT +0530 ", "2024-03-05T03:37:02.000000"),
        ("2024-03-05T09:07:02", " 05:30", "2024-03-05T03:37:02.000000"),
        ("2024-03-05T09:07:02", "\N{MINUS SIGN}8", "2024-03-05T17:07:02.000000"),
        ("2024-03-05T09:07:02Z", "Mars", "2024-03-05T09:07:02.000000"),
        ("2024-03-05T09:07:02+02:00", "+05:30", "2024-03-05T07:07:02.000000"),
    ],
)
async def test_times_are_kept_in_utc_to_the_digit_whatever_the_offset_is_spelled_like(
    desk: Office, time: str, offset: str, kept: str
) -> None:
    body = {"ticketJSON": {"u_due": time}, "itsmTimeZoneOffset": offset, "ticketFields": ["u_due"]}
    _, told, _ = await desk.call(CREATE, body)
    assert told["ticketDetails"] == {"u_due": kept}


async def test_a_time_without_a_zone_needs_an_offset_that_can_be_understood(desk: Office) -> None:
    body = {"ticketJSON": {"u_due": "2024-03-05T09:07:02"}, "itsmTimeZoneOffset": "Mars"}
    _, told, _ = await desk.call(CREATE, body)
    assert told["statusCode"] == "400"
    assert "itsmTimeZoneOffset" in told["statusMessage"]
    body = {"ticketJSON": {"urgency": "1"}, "itsmTimeZoneOffset": "Mars"}
    desk.clock.seconds += 3600
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            _, told, _ = await desk.call(CREATE, body)
            assert told["statusCode"] == "200"
    assert [each["event"] for each in logged].count("gateway.offset_ignored") == 1
    assert "Mars" not in str(logged)


async def test_body_and_query_that_disagree_are_refused(desk: Office) -> None:
    made = await desk.raised()
    body = {"ticketNumber": made["ticketNumber"]}
    for query in ({"ticketNumber": "X"}, {"connectionDetails": "{}"}, {"ticketNumber": "\0"}):
        status, _, _ = await desk.call(DETAILS, body, method="GET", params=query)
        assert status == 400


async def test_connection_details_choose_nothing_and_are_told_to_nobody(desk: Office) -> None:
    details = {"url": "aHR0cDovLzEyNy4wLjAuMS8=", "password": "czNjcjN0LWlu", "itsmVersion": "7"}
    body = {"ticketJSON": {"urgency": "1"}, "connectionDetails": details}
    with structlog.testing.capture_logs() as logs:
        _, told, _ = await desk.call(CREATE, body)
        await desk.call(CREATE, body | {"ticketFields": 1})
        await desk.call(CREATE, body, headers={"Authorization": "Bearer stolen-token-text"})
    assert told["statusCode"] == "200"
    assert "czNjcjN0LWlu" not in f"{logs}{told}"
    assert "stolen-token-text" not in str(logs)
    assert desk.issuer.token()[:20] not in str(logs)
    dumped = await desk.database.read(
        lambda tx: str(tx.connection.exec_driver_sql("SELECT * FROM served_ticket").all())
    )
    assert "czNjcjN0LWlu" not in dumped


async def test_keys_nobody_maps_are_kept_aside_or_refused_as_set(
    desk: Office, tmp_path: Path
) -> None:
    made = await desk.raised(u_colour="red", ticketNumber="mine", u_vendor_ref="theirs")
    told = await desk.fetched(made["ticketNumber"], "u_colour", "ticketNumber", "u_vendor_ref")
    assert told == {"u_colour": "", "ticketNumber": made["ticketNumber"], "u_vendor_ref": ""}
    (tmp_path / "strict").mkdir()
    async with office(tmp_path / "strict", offer_of(serve={"unknown_keys": "reject"})) as strict:
        _, refused, _ = await strict.call(CREATE, {"ticketJSON": {"u_colour": "red"}})
        assert refused["statusCode"] == "400"


async def test_outcomes_may_be_repeated_in_the_http_status(tmp_path: Path) -> None:
    async with office(tmp_path, offer_of(serve={"mirror_status": "true"})) as desk:
        status, told, _ = await desk.call(DETAILS, {"ticketNumber": "none"})
        assert (status, told["statusCode"]) == (404, "404")


async def test_targets_by_priority_say_how_much_time_is_left(tmp_path: Path) -> None:
    async with office(tmp_path, offer_of(serve={"targets": {"1": "1m"}})) as desk:
        made = await desk.raised(ticketPriority="1")
        desk.clock.seconds += 90
        told = await desk.fetched(made["ticketNumber"], "ticketBusinessTimeLeft")
        assert told == {"ticketBusinessTimeLeft": "-30"}


async def test_one_caller_too_eager_waits_and_others_do_not(tmp_path: Path) -> None:
    limits = {"limits": {"requests_per_s": "1", "burst": "3"}}
    async with office(tmp_path, offer_of(serve=limits)) as desk:
        body = {"ticketNumber": "none"}
        codes = [(await desk.call(DETAILS, body))[0] for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        _, told, headers = await desk.call(DETAILS, body)
        assert (told["statusCode"], headers["Retry-After"]) == ("429", "1")
        other = {"Authorization": f"Bearer {desk.issuer.token(sub='other')}"}
        assert (await desk.call(DETAILS, body, headers=other))[0] == 200


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        (
            CREATE,
            {"data": BytesIO(b"x" * 1_100_000), "headers": {"Content-Type": "application/json"}},
            413,
        ),
        (CREATE, {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        (CREATE, {"data": b"{}", "headers": {"Content-Encoding": "gzip"}}, 415),
        (CREATE, {"method": "GET"}, 405),
        (f"{PREFIX}/nothing/here", {}, 404),
        (PREFIX, {}, 404),
        (f"{FILES}/none", {"method": "GET"}, 404),
    ],
)
async def test_what_cannot_be_a_call_is_answered_with_the_envelope(
    desk: Office, path: str, more: dict[str, Any], status: int
) -> None:
    found, told, _ = await desk.call(path, **more)
    assert (found, told["statusCode"]) == (status, str(status))


async def test_a_name_like_the_prefix_is_not_below_it(desk: Office) -> None:
    async with desk.http.post(f"{PREFIX}2/itsm/tickets/create") as answer:
        assert answer.status == 404
        assert await answer.json() == {"error": "not found"}


async def test_a_body_that_does_not_come_is_given_up_and_changes_nothing(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "BODY_S", 0.1)
    never = asyncio.Event()

    async def trickle() -> AsyncIterator[bytes]:
        yield b'{"ticketJSON": {"urgency": 1}'
        await never.wait()

    json = {"Content-Type": "application/json"}
    status, told, headers = await desk.call(CREATE, data=trickle(), headers=json)
    assert (status, told["statusCode"], headers["Connection"]) == (408, "408", "close")
    assert await desk.tickets.changed(NAME, since=None, after_row=0, limit=1) == []


async def test_a_file_goes_up_once_and_comes_down_as_it_was(desk: Office) -> None:
    made = await desk.raised()
    url = f"{FILES}/{made['sysId']}"
    for _ in range(2):
        status, told, _ = await desk.call(
            url, data=b"\x89PNG", params={"name": "../bilde ÅØ.png"},
            headers={"Content-Type": "image/png", "Idempotency-Key": "f1"},
        )  # fmt: skip
        assert status == 200
    status, told, _ = await desk.call(url, method="GET")
    (listed,) = told["attachments"]
    assert (listed["name"], listed["size"], listed["contentType"]) == (
        "bilde ÅØ.png",
        4,
        "image/png",
    )
    async with desk.http.get(f"{url}/{listed['id']}", headers=desk.login) as answer:
        assert await answer.read() == b"\x89PNG"
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    status, _, _ = await desk.call(f"{url}/file-99", method="GET")
    assert status == 404
    assert (await desk.call(url, data=b"x"))[0] == 400


async def test_a_file_too_large_or_one_too_many_is_refused(tmp_path: Path) -> None:
    async with office(
        tmp_path, offer_of(serve={"limits": {"file_bytes": "2048", "files": "1"}})
    ) as desk:
        made = await desk.raised()
        url = f"{FILES}/{made['sysId']}"

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(10):
                yield b"x" * 1024

        for data in (b"x" * 4096, endless()):
            status, _, _ = await desk.call(url, data=data, params={"name": "a"})
            assert status == 413
        assert (await desk.call(url, data=b"x", params={"name": "a"}))[0] == 200
        _, told, _ = await desk.call(url, data=b"y", params={"name": "b"})
        assert told["statusCode"] == "409"


async def test_a_reload_serves_what_is_offered_now(desk: Office) -> None:
    moved = offer_of(serve={"prefix": "/elsewhere"})
    desk.gateway.reload({}, frozenset({NAME}), {NAME: moved})
    async with desk.http.post(CREATE) as answer:
        assert answer.status == 404
    async with desk.http.post("/elsewhere/itsm/tickets/create") as answer:
        assert answer.status == 401


async def test_one_connections_tickets_do_not_exist_on_another(desk: Office) -> None:
    made = await desk.raised()
    url = f"{FILES}/{made['sysId']}"
    await desk.call(url, data=b"x", params={"name": "a"})
    other = replace(desk.offer, prefix="/other")
    desk.gateway.reload({}, frozenset(), {NAME: desk.offer, ConnectionName("other"): other})
    for path, body in (
        ("tickets/details", {"ticketNumber": made["ticketNumber"]}),
        ("tickets/update", {"sysId": made["sysId"], "ticketJSON": {"urgency": "1"}}),
    ):
        _, told, _ = await desk.call(f"/other/itsm/{path}", body)
        assert told["statusCode"] == "404"
    for path in (made["sysId"], f"{made['sysId']}/file-1"):
        assert (await desk.call(f"/other/itsm/attachments/{path}", method="GET"))[0] == 404
    mine = await desk.raised(headers={"Idempotency-Key": "1"})
    body = {"ticketJSON": {"shortDescription": "Link down"}}
    _, told, _ = await desk.call(
        "/other/itsm/tickets/create", body, headers={"Idempotency-Key": "1"}
    )
    assert told["ticketDetails"]["sysId"] != mine["sysId"]


async def test_a_store_that_fails_is_told_as_nothing_stored(desk: Office) -> None:
    await desk.database.close()
    with structlog.testing.capture_logs():
        status, told, headers = await desk.call(CREATE, {"ticketJSON": {"urgency": "1"}})
    assert (status, told["statusCode"]) == (503, "503")
    assert headers["Retry-After"]


@pytest.mark.postgres
async def test_two_replicas_serve_one_connection_as_one(
    postgres_store_url: str, tmp_path: Path
) -> None:
    async with (
        office(tmp_path, database_url=postgres_store_url) as first,
        office(tmp_path, database_url=postgres_store_url, beside=first) as second,
    ):
        both = (first, second) * 4
        made = await asyncio.gather(*(each.raised({"Idempotency-Key": "1"}) for each in both))
        assert len({each["sysId"] for each in made}) == 1
        mine = {each["ticketNumber"] for each in await asyncio.gather(*(e.raised() for e in both))}
        assert len(mine) == 8
        note = {"sysId": made[0]["sysId"], "ticketJSON": {"comments": "once"}}
        key = {"Idempotency-Key": "2"}
        await asyncio.gather(*(each.call(UPDATE, note, headers=key) for each in both))
        told = await second.fetched(made[0]["ticketNumber"], "comments")
        assert [each["comment"] for each in told["comments"]] == ["once"]


@pytest.mark.postgres
async def test_two_replicas_spend_a_rotating_offline_token_once_each_time(
    postgres_store_url: str, tmp_path: Path
) -> None:
    async with (
        office(tmp_path, database_url=postgres_store_url) as first,
        office(tmp_path, database_url=postgres_store_url, beside=first) as second,
    ):
        first.issuer.rotates = True
        login = {"Authorization": f"Bearer {first.issuer.offline_token()}"}
        body = {"ticketNumber": "none"}
        answers = await asyncio.gather(
            *(each.call(DETAILS, body, headers=login) for each in (first, second) * 3)
        )
        assert {status for status, _, _ in answers} == {200}
        used = first.issuer.used_offline
        assert len(used) == len(set(used)) == 2
