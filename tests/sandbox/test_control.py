"""The control interface, and starting a sandbox by name."""

import base64

import aiohttp
import pytest

from syncd.sandbox import SANDBOXES, SmartOpsSandbox, TelenorSandbox, serve
from tests.sandbox.conftest import Caller


async def act(call: Caller, **body: object) -> object:
    answer = await call.raw("POST", "/_control/act", json=body)
    assert answer.status == 200, answer.body
    return answer.json["result"]


async def test_people_can_be_played_over_http(call: Caller, telenor: TelenorSandbox) -> None:
    ticket = await act(call, do="create", fields={"subject": "x"}, by="Kari")
    await act(call, do="update", ticket=ticket, fields={"rootCause": "Restart"}, by="Kari")
    await act(call, do="comment", ticket=ticket, text="hei", by="Kari", internal=False)
    await act(call, do="attach", ticket=ticket, name="a.bin", size=1000, by="Kari")
    content = base64.b64encode(b"abc").decode()
    await act(call, do="attach", ticket=ticket, name="b.bin", content_base64=content)
    await act(call, do="status", ticket=ticket, status="Solved", by="Kari", text="done")

    dumped = (await call.raw("GET", "/_control/tickets")).json

    assert dumped == telenor.tickets()
    assert dumped[0]["status"] == "Solved"
    assert dumped[0]["fields"] == {"subject": "x", "rootCause": "Restart"}
    assert [each["text"] for each in dumped[0]["comments"]] == ["hei"]
    assert [each["size"] for each in dumped[0]["attachments"]] == [1000, 3]


async def test_the_record_is_read_from_where_one_left_off(
    call: Caller, telenor: TelenorSandbox
) -> None:
    ticket = telenor.person_creates({"subject": "x"}, "Kari")
    telenor.person_comments(ticket, "hei", "Kari")

    everything = (await call.raw("GET", "/_control/record")).json
    rest = (await call.raw("GET", "/_control/record?since=1")).json

    assert [each["what"] for each in everything] == ["ticket_created", "comment_added"]
    assert rest == everything[1:]
    assert (rest[0]["actor"], rest[0]["by"], rest[0]["text"]) == ("person", "Kari", "hei")
    assert rest[0]["at"] == "2026-03-01T10:00:00.250000Z"


async def test_faults_and_the_clock_are_set_over_http(
    call: Caller, telenor: TelenorSandbox
) -> None:
    rule = {"kind": "error_before", "operation": "count_incidents", "status": 503}
    pending = (await call.raw("POST", "/_control/faults", json={"next": [rule]})).json["pending"]
    failed = await call("GET", "/incidents/count")
    rates = {"rates": {"rate_limited": 1.0}, "options": {"retry_after_s": 3}}
    await call.raw("POST", "/_control/faults", json=rates)
    limited = await call("GET", "/incidents/count")
    await call.raw("POST", "/_control/faults", json={"clear": True})
    fine = await call("GET", "/incidents/count")
    moved = (await call.raw("POST", "/_control/clock", json={"advance": 60})).json

    assert [each["left"] for each in pending] == [1]
    assert [failed.status, limited.status, fine.status] == [503, 429, 200]
    assert limited.headers["Retry-After"] == "3"
    assert moved == {"now": "2026-03-01T10:01:00.250000Z", "frozen": True}
    assert (await call.raw("POST", "/_control/clock", json={"resume": True})).json[
        "frozen"
    ] is False
    assert not telenor.clock.is_frozen


async def test_a_wrong_control_call_says_what_there_is(call: Caller) -> None:
    answers = [
        await call.raw("POST", "/_control/act", json={"do": "dance"}),
        await call.raw("POST", "/_control/act", json={"do": "comment", "ticket": "x", "text": "y"}),
        await call.raw("POST", "/_control/act", json={"do": "create"}),
        await call.raw("POST", "/_control/faults", json={"rates": {"flood": 1}}),
        await call.raw("GET", "/_control/secrets"),
    ]

    assert [each.status for each in answers] == [404, 404, 400, 400, 404]
    assert "create, update, comment" in answers[0].json["error"]


async def test_control_calls_are_not_part_of_the_record(
    call: Caller, telenor: TelenorSandbox
) -> None:
    await call.raw("GET", "/_control/violations")

    assert len(telenor.record) == 0


@pytest.mark.parametrize("name", sorted(SANDBOXES))
async def test_every_sandbox_starts_by_name(name: str, session: aiohttp.ClientSession) -> None:
    sandbox = await serve(name, seed=5)
    async with session.get(f"{sandbox.base_url}/_control/tickets") as answer:
        tickets = await answer.json()
    await sandbox.stop()

    assert tickets == []


async def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(LookupError, match="no sandbox acme; there is: "):
        await serve("acme")


async def test_the_same_seed_makes_the_same_ids() -> None:
    pairs = [SmartOpsSandbox().person_creates({"shortDescription": "x"}) for _ in range(2)]

    assert pairs[0] == pairs[1]
