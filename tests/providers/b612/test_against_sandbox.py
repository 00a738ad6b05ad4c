"""Over real HTTP, against the webhook as the sandbox plays it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from syncd.model.ids import AttachmentId, ConnectionName, TicketId
from syncd.model.operation import Finding, WriteKind
from syncd.model.secret import Secret
from syncd.ports.adapter import Adapter, Expectation, TicketRef
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteContext,
    RemoteError,
    Unreachable,
    Unsupported,
)
from syncd.providers.b612.adapter import build
from syncd.sandbox.b612 import B612Sandbox, B612SandboxSettings
from syncd.sandbox.b612.settings import WRITABLE
from syncd.transport.request import Answer, Request, StreamedAnswer
from tests.providers.b612.desk import (
    KEY,
    OTHER_KEY,
    WORK,
    Connecting,
    change,
    create,
    ref_to,
    say,
    settings_of,
)


@pytest.fixture
async def hands() -> AsyncIterator[B612Sandbox]:
    async with B612Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def adapter(hands: B612Sandbox, connecting: Connecting) -> Adapter:
    return connecting.adapter(hands.webhook_url)


def sent(hands: B612Sandbox) -> list[str]:
    return [request["method"] for request in hands.record.requests()]


async def test_a_ticket_is_created_and_read_back(hands: B612Sandbox, adapter: Adapter) -> None:
    receipt = await adapter.write(create())
    ticket = await adapter.read(TicketRef(kind="ticket", id=receipt.ticket_id))

    for name, value in {**WORK, **receipt.fields}.items():
        assert adapter.normalise(name, ticket.fields[name]) == adapter.normalise(name, value)
    assert (ticket.number, ticket.keys, ticket.comments) == ("B-612-R45176", (KEY,), ())
    assert ticket.fields["status"] == "Open"
    assert hands.tickets()[0]["reference"] == "INC0012399"
    assert "[ref:" not in str(ticket.fields)
    assert (sent(hands), hands.violations) == (["POST", "GET"], [])


async def test_a_ticket_nothing_happens_to_reads_the_same_an_hour_later(
    hands: B612Sandbox, adapter: Adapter
) -> None:
    await adapter.write(create())
    before = await adapter.read(ref_to("B-612-R45176"))
    hands.clock.advance(3600)
    assert await adapter.read(ref_to("b-612-r45176")) == before


async def test_what_they_agreed_and_worked_is_read_as_decimals_and_wall_time(
    hands: B612Sandbox, adapter: Adapter
) -> None:
    number = hands.person_creates({"todo": "Swap disk"})
    hands.person_suggests(number, "12/15/2026", "13:00:00", "Amiram Bukowsky")
    hands.person_logs_hours(number, business="1.50", expenses="40.10")
    hands.person_sets_status(number, "closed")

    ticket = await adapter.read(ref_to(number))

    shown = {name: adapter.normalise(name, value) for name, value in ticket.fields.items()}
    assert shown["suggested_at"] == "2026-12-15T13:00:00"
    assert (shown["suggested_date"], shown["suggested_time"]) == ("2026-12-15", "13:00:00")
    assert (shown["business_hours"], shown["expenses"]) == ("1.5", "40.1")
    assert (shown["non_business_hours"], shown["status"]) == ("0", "Closed")
    assert (ticket.fields["expenses"], shown["assigned_to"]) == ("40.10", "Amiram Bukowsky")


async def test_an_update_sends_all_thirteen_and_keeps_what_others_wrote(
    hands: B612Sandbox, adapter: Adapter
) -> None:
    await adapter.write(create())
    number = "B-612-R45176"
    hands.person_updates(number, {"shipment_courier": "UPS", "postcode": "E14 2AA"})
    before = hands.tickets()[0]["fields"]

    receipt = await adapter.write(change(number, OTHER_KEY, rack="R09", description="Swap disk"))

    after = hands.tickets()[0]["fields"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"rack", "todo"}
    assert after["todo"].startswith("Swap disk")
    assert str(KEY) in after["todo"]
    written = hands.record.of("field_changed", "field_unchanged")[2:]
    assert {event["field"] for event in written} == set(WRITABLE)
    assert sent(hands) == ["POST", "GET", "PUT"]
    assert adapter.normalise("description", receipt.fields["description"]) == "Swap disk"
    assert hands.violations == []


async def test_a_field_is_emptied_only_when_that_is_meant(
    hands: B612Sandbox, adapter: Adapter
) -> None:
    await adapter.write(create())
    await adapter.write(change("B-612-R45176", OTHER_KEY, rack=None))
    fields = hands.tickets()[0]["fields"]
    assert (fields["rack"], fields["name"]) == ("", "LHR1")


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "garbage"])
async def test_a_create_whose_answer_is_lost_is_unknown_and_carries_its_key(
    hands: B612Sandbox, adapter: Adapter, fault: str
) -> None:
    hands.faults.next(fault, operation="create_ticket", status=502)
    with pytest.raises(OutcomeUnknown) as caught:
        await adapter.write(create())
    assert caught.value.closed_at is not None
    assert not adapter.features.writes[WriteKind.CREATE].can_probe
    result = await adapter.probe(create(), caught.value.closed_at)
    assert result.finding is Finding.UNCLEAR
    assert (await adapter.read(ref_to("B-612-R45176"))).keys == (KEY,)
    assert sent(hands) == ["POST", "GET"]


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "garbage"])
async def test_an_update_whose_answer_is_lost_is_found_by_reading(
    hands: B612Sandbox, adapter: Adapter, connecting: Connecting, fault: str
) -> None:
    await adapter.write(create())
    hands.faults.next(fault, operation="update_ticket", status=502)
    write = change("B-612-R45176", OTHER_KEY, rack="R09")
    with pytest.raises(OutcomeUnknown):
        await adapter.write(write)
    found = await adapter.probe(write, connecting.clock.now())
    assert (found.finding, found.receipt and found.receipt.fields) == (
        Finding.FOUND,
        {"rack": "R09"},
    )
    hands.person_updates("B-612-R45176", {"rack": "R10"})
    absent = await adapter.probe(write, connecting.clock.now())
    assert absent.finding is Finding.ABSENT
    assert sent(hands).count("PUT") == 1


async def test_a_flow_that_only_says_ok_proves_nothing(connecting: Connecting) -> None:
    async with B612Sandbox(B612SandboxSettings(answers="ok")) as hands:
        adapter = connecting.adapter(hands.webhook_url)
        with pytest.raises(OutcomeUnknown, match="not JSON"):
            await adapter.write(create())
        write = change("B-612-R45176", OTHER_KEY, rack="R09")
        with pytest.raises(OutcomeUnknown):
            await adapter.write(write)
        assert (await adapter.probe(write, connecting.clock.now())).finding is Finding.FOUND
    async with B612Sandbox(B612SandboxSettings(answers="number")) as hands:
        adapter = connecting.adapter(hands.webhook_url)
        receipt = await adapter.write(create())
        assert (receipt.ticket_id, receipt.fields) == ("B-612-R45176", {})


@pytest.mark.parametrize(
    "options",
    [
        {"is_wrapped": True, "number_key": "ticket_number"},
        {"numeric_amounts": True, "keeps_lines": True},
        {"put_number_keys": ("ticket_number",), "put_replaces": False},
        {"put_number_keys": ("b612_ticket_number",)},
    ],
)
async def test_other_dialects_are_read_and_written_alike(
    connecting: Connecting, options: dict[str, object]
) -> None:
    async with B612Sandbox(B612SandboxSettings(**options)) as hands:  # type: ignore[arg-type]
        adapter = connecting.adapter(hands.webhook_url)
        await adapter.write(create())
        await adapter.write(change("B-612-R45176", OTHER_KEY, city="London"))
        hands.person_logs_hours("B-612-R45176", business="0.10")
        ticket = await adapter.read(ref_to("B-612-R45176"))
        assert ticket.fields["city"] == "London"
        assert adapter.normalise("business_hours", ticket.fields["business_hours"]) == "0.1"
        assert adapter.normalise("description", ticket.fields["description"]) == (
            adapter.normalise("description", WORK["description"])
        )
        assert hands.violations == []


async def test_remarks_stand_below_the_work_when_asked_for(
    hands: B612Sandbox, connecting: Connecting
) -> None:
    adapter = connecting.adapter(hands.webhook_url, comments_in="todo")
    await adapter.write(create())
    number = "B-612-R45176"
    receipt = await adapter.write(say(number, "Any news?\n\n-- Kari", OTHER_KEY))
    hands.person_comments(number, "on my way", "Amiram")

    ticket = await adapter.read(ref_to(number))

    (remark,) = ticket.comments
    assert (remark.id, remark.keys) == (receipt.comment_id, (OTHER_KEY,))
    assert remark.body.split() == ["Any", "news?", "--", "Kari"]
    expected = f"{WORK['description']} Amiram: on my way"
    assert adapter.normalise("description", ticket.fields["description"]) == (
        adapter.normalise("description", expected)
    )
    await adapter.write(change(number, OTHER_KEY, description="Swap disk"))
    again = await adapter.read(ref_to(number))
    assert (again.comments, again.keys) == (ticket.comments, (KEY,))
    assert again.fields["description"] == "Swap disk"


async def test_a_lost_remark_is_found_by_its_marker_alone(
    hands: B612Sandbox, connecting: Connecting
) -> None:
    adapter = connecting.adapter(hands.webhook_url, comments_in="todo")
    await adapter.write(create())
    write = say("B-612-R45176", "Any news?", OTHER_KEY)
    assert (await adapter.probe(write, connecting.clock.now())).finding is Finding.ABSENT
    hands.faults.next("lost_answer", operation="update_ticket")
    with pytest.raises(OutcomeUnknown):
        await adapter.write(write)
    assert (await adapter.probe(write, connecting.clock.now())).finding is Finding.FOUND


async def test_comments_go_nowhere_by_default(adapter: Adapter, hands: B612Sandbox) -> None:
    assert WriteKind.COMMENT not in adapter.features.writes
    assert not adapter.features.comment_kinds
    with pytest.raises(Unsupported):
        await adapter.write(say("B-612-R45176", "hello"))
    assert sent(hands) == []


@pytest.mark.parametrize(
    ("unknown", "error"), [("404", NotFound), ("empty", NotFound), ("ok", OddAnswer)]
)
async def test_an_unknown_ticket_is_never_taken_for_a_closed_one(
    connecting: Connecting, unknown: str, error: type[RemoteError]
) -> None:
    async with B612Sandbox(B612SandboxSettings(unknown_ticket=unknown)) as hands:
        adapter = connecting.adapter(hands.webhook_url)
        with pytest.raises(error):
            await adapter.read(ref_to("B-612-R1"))
        expected = NotFound if error is NotFound else Unreachable
        with pytest.raises(expected):
            await adapter.write(change("B-612-R1", rack="R1"))
        assert "PUT" not in sent(hands)


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("rate_limited", 429, RateLimited),
        ("error_before", 400, Refused),
        ("error_before", 403, Refused),
        ("error_before", 404, Refused),
        ("error_before", 405, Refused),
        ("error_before", 409, OutcomeUnknown),
        ("error_before", 503, OutcomeUnknown),
        ("error_before", 401, CredentialsRejected),
    ],
)
async def test_each_answer_to_a_create_means_one_thing(
    hands: B612Sandbox, adapter: Adapter, fault: str, status: int, error: type[RemoteError]
) -> None:
    hands.faults.next(fault, operation="create_ticket", status=status)
    with pytest.raises(error):
        await adapter.write(create())
    assert len(hands.record.requests("create_ticket")) == 1


@pytest.mark.parametrize("send", ["basic", "user_header", "both"])
async def test_the_login_is_shown_as_the_settings_say_and_a_wrong_one_pauses(
    hands: B612Sandbox, connecting: Connecting, send: str
) -> None:
    auth = {"api_id": "d0v6as", "api_key": Secret("b612-api-key"), "send": send}
    await connecting.adapter(hands.webhook_url, auth=auth).write(create())
    shown = hands.record.requests("create_ticket")[0]["headers"]
    assert ("Authorization" in shown, "user" in shown) == (send != "user_header", send != "basic")
    hands.person_locks_login()
    with pytest.raises(CredentialsRejected) as caught:
        await connecting.adapter(hands.webhook_url, auth=auth).read(ref_to("B-612-R45176"))
    assert "b612-api-key" not in f"{caught.value} {caught.value.context}"


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({**WORK, "site": ""}, "site or data_center"),
        ({**WORK, "owner_email": None}, "owner_email"),
        ({**WORK, "priority": "Urgent"}, "'Urgent'; accepted: Low, Medium"),
        ({**WORK, "status": "Closed"}, "status"),
    ],
)
async def test_what_cannot_be_worked_on_is_not_sent(
    hands: B612Sandbox, adapter: Adapter, fields: dict[str, str], missing: str
) -> None:
    with pytest.raises(Refused, match=missing):
        await adapter.write(create(fields))
    assert sent(hands) == []


async def test_another_tickets_answer_is_never_applied(
    hands: B612Sandbox, adapter: Adapter, connecting: Connecting
) -> None:
    await adapter.write(create())
    wrong = TicketRef(kind="ticket", id=TicketId("B-612-R45177"), number="B-612-R45176")
    with pytest.raises(NotFound):
        await adapter.read(wrong)
    cut = connecting.adapter(hands.webhook_url)
    hands.faults.next("garbage", operation="get_ticket", body="cut", count=4)
    with pytest.raises(Unreachable, match="read before the write"):
        await cut.write(change("B-612-R45176", OTHER_KEY, rack="R1"))
    assert "PUT" not in sent(hands)


async def test_the_live_check_tells_what_works_and_what_does_not(
    hands: B612Sandbox, connecting: Connecting
) -> None:
    adapter = connecting.adapter(hands.webhook_url, check_number="B-612-R45176")
    expected = Expectation(
        values={"priority": frozenset({"high", "Urgent"}), "colour": frozenset()},
        statuses=frozenset({"Open", "Done"}),
    )
    missing = await adapter.check(expected)
    await adapter.write(create())
    found = await adapter.check(expected)
    told = {finding.what for finding in found if not finding.ok}
    assert told == {
        "no such field: colour",
        "priority Urgent is not one of Low, Medium, High, Critical",
        "status Done is not one of Open, Closed",
    }
    assert any("login and webhook work" in finding.what for finding in found if finding.ok)
    assert any("first label" in finding.what for finding in found if finding.ok)
    assert len([finding for finding in missing if not finding.ok]) == 4


async def test_every_call_is_offered_or_used_and_nothing_else(
    hands: B612Sandbox, adapter: Adapter
) -> None:
    await adapter.write(create())
    assert set(adapter.calls()) == {"ticket"}
    told = await adapter.call("ticket", {"number": "B-612-R45176"})
    assert isinstance(told, dict)
    assert told["hours_log.total_expenses"] == "0"
    for name, arguments in (("list", {}), ("ticket", {}), ("ticket", {"number": "1", "x": "2"})):
        with pytest.raises(Refused):
            await adapter.call(name, arguments)
    with pytest.raises(Unsupported):
        await adapter.poll("ticket", None)
    with pytest.raises(Unsupported):
        adapter.download(ref_to("B-612-R45176"), AttachmentId("1"))
    with pytest.raises(Unsupported):
        await adapter.read(TicketRef(kind="order", number="1"))
    assert {info.name for info in adapter.fields("ticket")} >= {"number", *WORK, "suggested_at"}


class Answering:
    """A transport whose every answer is the same."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def read(self, request: Request) -> Answer:
        return Answer(status=200, headers={}, body=self.body, context=RemoteContext())

    write = read

    def stream(self, request: Request) -> AbstractAsyncContextManager[StreamedAnswer]:
        raise NotImplementedError


async def test_the_answer_of_another_number_is_never_applied(connecting: Connecting) -> None:
    body = (
        b'{"b612_details": {"b612_ticket_number": "B-612-R2"},'
        b' "client_details": {"rack": "x"}, "location": {"city": ""}}'
    )
    settings = settings_of("https://d0v6as.example/hook")
    adapter = build(ConnectionName("b612"), settings, Answering(body), connecting.clock)
    with pytest.raises(OddAnswer, match="asked for B-612-R1, answered B-612-R2"):
        await adapter.read(ref_to("B-612-R1"))
    with pytest.raises(Unreachable):
        await adapter.write(change("B-612-R1", rack="R1"))
    receipt = await adapter.write(change("b-612-r2", rack="R1"))
    assert receipt.ticket_id == "b-612-r2"
    partial = Answering(b'{"b612_details": {"b612_ticket_number": "B-612-R2"}}')
    adapter = build(ConnectionName("b612"), settings, partial, connecting.clock)
    with pytest.raises(Unreachable, match="lacks client_details"):
        await adapter.write(change("B-612-R2", rack="R1"))
