"""Each kind of fault over real HTTP, and how rules and rates choose (issue 2, item 10)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from syncd.sandbox import SandboxClock, SmartOpsSandbox, TelenorSandbox, TelenorSandboxSettings
from syncd.sandbox.faults import EVERYWHERE, Fault, FaultKind, Faults, Target
from tests.sandbox.conftest import Caller, Got

CREATE = {"subject": "x", "createdBy": {"internalUser": False, "userName": "syncd"}}
NEWEST = {"sortField": "lastActivity", "order": "DESC"}

Create = Callable[[], Awaitable[Got]]


@pytest.fixture
def create(call: Caller) -> Create:
    return lambda: call("POST", "/incidents", json=CREATE)


def target(
    operation: str = "create_incident", *, reads: bool = False, lists: bool = False
) -> Target:
    return Target(
        operation=operation, method="POST", path=f"/{operation}", reads=reads, lists=lists
    )


@pytest.mark.parametrize(
    ("kind", "status", "happened"),
    [
        ("error_before", 500, 0),
        ("error_after", 500, 1),
        ("rate_limited", 429, 0),
        ("expired_token", 401, 0),
        ("garbage", 200, 1),
    ],
)
async def test_a_fault_is_answered_and_has_its_effect_or_none(
    create: Create, telenor: TelenorSandbox, kind: str, status: int, happened: int
) -> None:
    telenor.faults.next(kind, operation="create_incident")

    answer = await create()

    assert (answer.status, answer.json and answer.json.get("id")) == (status, None)
    assert len(telenor.tickets()) == happened
    assert telenor.record.requests("create_incident")[0]["fault"] == kind


@pytest.mark.parametrize(("kind", "happened"), [("lost_answer", 1), ("reset_before", 0)])
async def test_a_dropped_connection_has_its_effect_or_none(
    create: Create, telenor: TelenorSandbox, kind: str, happened: int
) -> None:
    telenor.faults.next(kind, operation="create_incident")

    with pytest.raises(aiohttp.ClientConnectionError):
        await create()

    assert len(telenor.tickets()) == happened
    request = telenor.record.requests("create_incident")[0]
    assert (request["status"], request["fault"]) == (None, kind)


async def test_an_effect_names_the_request_that_had_it(
    create: Create, telenor: TelenorSandbox
) -> None:
    telenor.faults.next("lost_answer", operation="create_incident")
    with pytest.raises(aiohttp.ClientConnectionError):
        await create()
    await create()

    requests = telenor.record.requests("create_incident")
    effects = telenor.record.of("ticket_created")

    assert [each["request"] for each in effects] == [each["request"] for each in requests]
    assert [each["actor"] for each in effects] == ["client", "client"]


async def test_the_status_of_an_error_can_be_chosen(
    create: Create, telenor: TelenorSandbox
) -> None:
    telenor.faults.next("error_before", status=503)
    telenor.faults.next("error_after", status=504)

    first, second = await create(), await create()

    assert (first.status, first.json["code"]) == (503, "503001")
    assert second.status == 504
    assert len(telenor.tickets()) == 1


async def test_rate_limiting_says_how_long_to_wait(create: Create, telenor: TelenorSandbox) -> None:
    telenor.faults.next("rate_limited", retry_after_s=7)
    telenor.faults.next("rate_limited", retry_after_s=None)

    first, second = await create(), await create()

    assert first.headers["Retry-After"] == "7"
    assert "Retry-After" not in second.headers


async def test_an_expired_token_stays_expired(create: Create, telenor: TelenorSandbox) -> None:
    telenor.faults.next("expired_token")

    first, second = await create(), await create()

    assert [first.json["code"], second.json["code"]] == ["401003", "401003"]


async def test_a_slow_answer_takes_its_time(create: Create, telenor: TelenorSandbox) -> None:
    telenor.faults.next("slow", delay_s=0.02)
    telenor.faults.next("slow", delay_s=0.02, before_effect=True)

    assert [(await create()).status, (await create()).status] == [201, 201]
    effects, answered = telenor.record.of("ticket_created"), telenor.record.requests()
    assert len(effects) == len(answered) == 2


@pytest.mark.parametrize(("unless_gone", "happened"), [(True, 0), (False, 1)])
async def test_what_is_held_is_done_for_a_client_that_went_away_unless_told_otherwise(
    create: Create, telenor: TelenorSandbox, unless_gone: bool, happened: int
) -> None:
    telenor.faults.next("slow", delay_s=0.2, before_effect=True, unless_gone=unless_gone)
    asking = asyncio.ensure_future(create())
    while telenor.faults.pending:  # noqa: ASYNC110 - a sandbox rings no bell
        await asyncio.sleep(0)

    asking.cancel()
    while not telenor.record.requests("create_incident"):  # noqa: ASYNC110 - nor here
        await asyncio.sleep(0)

    assert len(telenor.tickets()) == happened


async def test_garbage_can_be_a_cut_answer(call: Caller, telenor: TelenorSandbox) -> None:
    ticket = telenor.person_creates({"subject": "x"})
    telenor.faults.next("garbage", operation="get_incident", body="cut")

    cut = await call("GET", f"/incidents/{ticket}")
    whole = await call("GET", f"/incidents/{ticket}")

    assert (cut.status, cut.json) == (200, None)
    assert whole.body.startswith(cut.body)


async def test_a_stale_read_shows_the_past_and_the_next_one_the_present(
    call: Caller, telenor: TelenorSandbox, clock: SandboxClock
) -> None:
    ticket = telenor.person_creates({"subject": "before"})
    clock.advance(10)
    telenor.person_updates(ticket, {"subject": "after"})
    telenor.person_comments(ticket, "hello")

    async def shown() -> tuple[Any, int, int]:
        subject = (await call("GET", f"/incidents/{ticket}")).json["subject"]
        comments = (await call("GET", f"/incidents/{ticket}/comments")).json
        feed = (await call("GET", "/incidents/activities")).json
        return subject, len(comments), feed["totalSize"]

    telenor.faults.next("stale_read", count=3, lag_s=5)

    assert await shown() == ("before", 0, 1)
    assert await shown() == ("after", 1, 3)


async def test_a_stale_read_older_than_the_ticket_does_not_find_it(
    call: Caller, telenor: TelenorSandbox
) -> None:
    ticket = telenor.person_creates({"subject": "x"})
    telenor.faults.next("stale_read", lag_s=1)

    assert (await call("GET", f"/incidents/{ticket}")).status == 404
    assert (await call("GET", f"/incidents/{ticket}")).status == 200


async def test_search_lag_hides_what_is_new_from_lists_only(
    call: Caller, telenor: TelenorSandbox
) -> None:
    telenor.person_creates({"subject": "needle"})
    telenor.faults.next("search_lag", lag_s=5)

    assert (await call("GET", "/incidents?search=needle")).json["totalSize"] == 0
    assert (await call("GET", "/incidents?search=needle")).json["totalSize"] == 1


@pytest.mark.parametrize("operation", ["list_activities", "list_incidents"])
async def test_page_drift_pushes_an_item_from_one_page_to_the_next(
    call: Caller, telenor: TelenorSandbox, operation: str
) -> None:
    for number in range(4):
        telenor.person_creates({"subject": f"{number}"})
        telenor.clock.advance(1)
    telenor.faults.next("page_drift", operation=operation)
    path, key = {
        "list_activities": ("/incidents/activities", "activities"),
        "list_incidents": ("/incidents", "incidents"),
    }[operation]

    pages = [
        (await call("GET", path, params={**NEWEST, "skip": skip, "count": 2})).json[key]
        for skip in (0, 2)
    ]

    assert pages[0][1]["id"] == pages[1][0]["id"]
    assert telenor.record[-3]["by"] == "Dag Drift"


async def test_faults_meet_uploads_and_downloads_too(call: Caller, telenor: TelenorSandbox) -> None:
    ticket = telenor.person_creates({"subject": "x"})
    kept = telenor.person_attaches(ticket, "a.txt", b"abcdef")
    path = f"/incidents/{ticket}/attachments"

    async def upload() -> Got:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", "x" * 500_000, filename="b.txt")
        return await call("POST", path, data=form)

    telenor.faults.next("error_before", operation="add_attachment")
    assert (await upload()).status == 500
    telenor.faults.next("lost_answer", operation="add_attachment")
    with pytest.raises(aiohttp.ClientConnectionError):
        await upload()
    telenor.faults.next("garbage", operation="get_attachment", body="cut")
    cut = await call("GET", f"{path}/{kept}")

    assert [each["name"] for each in telenor.tickets()[0]["attachments"]] == ["a.txt", "b.txt"]
    assert cut.body == b"abc"


async def test_the_token_call_fails_only_when_named(call: Caller, telenor: TelenorSandbox) -> None:
    async def login() -> Got:
        headers = {"Authorization": aiohttp.encode_basic_auth("acme", "telenor-secret")}
        form = {"grant_type": "client_credentials"}
        return await call.raw("POST", "/oauth/v2/token", data=form, headers=headers)

    telenor.set_faults({"error_before": 1.0})
    unnamed = await login()
    telenor.set_faults({"error_before": 1.0}, only=["token"])
    named = await login()

    assert (unnamed.status, named.status) == (200, 500)


async def test_smartops_can_fail_inside_a_good_answer(
    ask: Caller, smartops: SmartOpsSandbox
) -> None:
    body = {"ticketJSON": {"shortDescription": "x"}, "ticketFields": ["sysId"]}
    smartops.faults.next("envelope_before", status=502)
    smartops.faults.next("envelope_after", status=504)

    answers = [await ask("POST", "/itsm/tickets/create", json=body) for _ in range(2)]

    assert [each.status for each in answers] == [200, 200]
    assert [each.json["statusCode"] for each in answers] == ["502", "504"]
    assert [each.json["ticketDetails"] for each in answers] == [{}, {}]
    assert len(smartops.tickets()) == 1


def test_rules_go_first_in_their_order_and_are_used_up() -> None:
    faults = Faults(1, EVERYWHERE, ["create_incident", "get_incident"])
    faults.next("slow", operation="create_incident", skip=1)
    faults.next("error_after", count=2)

    met = [faults.choose(target()) for _ in range(4)]

    assert [each.kind.value if each else None for each in met] == [
        "error_after", "slow", "error_after", None,
    ]  # fmt: skip
    assert faults.pending == []


def test_rules_match_by_method_path_and_what_suits() -> None:
    faults = Faults(1, EVERYWHERE, ["a", "b"])
    faults.add(Fault(kind=FaultKind.SLOW, path="/b$", method="POST", count=1))
    faults.next("stale_read")

    assert faults.choose(target("a")) is None
    assert faults.choose(target("b")) is not None
    assert faults.choose(target("b")) is None
    assert faults.choose(target("b", reads=True)) is not None


def test_rates_are_the_same_for_the_same_seed_whatever_runs_between() -> None:
    def drawn(interleaved: bool) -> list[str | None]:
        faults = Faults(7, EVERYWHERE, ["a", "b"])
        faults.rates({"lost_answer": 0.2, "error_before": 0.2}, delay_s=0.1)
        met = []
        for _ in range(200):
            if interleaved:
                faults.choose(target("b"))
            fault = faults.choose(target("a"))
            met.append(fault.kind.value if fault else None)
        return met

    assert drawn(True) == drawn(False)
    assert 20 < drawn(True).count("lost_answer") < 60


def test_what_a_sandbox_cannot_show_is_refused() -> None:
    faults = Faults(1, EVERYWHERE, ["a"])

    with pytest.raises(ValueError, match="envelope_before"):
        faults.next("envelope_before")
    with pytest.raises(ValueError, match="no operation b"):
        faults.next("slow", operation="b")
    with pytest.raises(ValueError, match="at most 1"):
        faults.rates({"slow": 0.7, "error_after": 0.7})
    with pytest.raises(ValueError, match="meltdown"):
        faults.next("meltdown")


async def test_a_storm_of_faults_is_repeatable(session: aiohttp.ClientSession) -> None:
    async def outcome() -> list[Any]:
        settings = TelenorSandboxSettings(clock=SandboxClock(), seed=11)
        async with TelenorSandbox(settings) as sandbox:
            call = Caller(session, sandbox, "/service-tickets/v2")
            call.headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}"}
            sandbox.set_faults({"error_before": 0.2, "error_after": 0.2, "lost_answer": 0.2})
            for _ in range(30):
                try:
                    await call("POST", "/incidents", json=CREATE)
                except aiohttp.ClientConnectionError:
                    continue
            return [(each["fault"], each["status"]) for each in sandbox.record.requests()]

    assert await outcome() == await outcome()
