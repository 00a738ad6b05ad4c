"""Reads, writes and redirects over real HTTP."""

import asyncio
import gzip
import socket

import pytest
from aiohttp import web

from syncd.model.secret import Secret
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
from syncd.ports.leaving import MAY_LEAVE
from syncd.transport.auth import StaticToken
from syncd.transport.budget import Budget
from syncd.transport.options import Pace, Timeouts
from syncd.transport.request import Request
from tests.transport.rig import GUARD_S, Reply, Rig, Sent, Then, http, raw_server, web_server

GET = Request(operation="get_ticket", method="GET", path="/tickets/1")
POST = Request(operation="create", method="POST", path="/tickets", json={"title": "Ærlig talt"})


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# --- what is sent --------------------------------------------------------------------------------


async def test_a_request_arrives_as_it_was_asked_for(rig: Rig) -> None:
    async with raw_server(lambda _: http(201, b'{"id": 7}', "X-Request-Id: r1")) as server:
        transport = rig.transport(f"{server.url}/v2", headers={"X-Account": "A1"})
        answer = await transport.write(
            Request(
                operation="create",
                method="POST",
                path="/tickets/a%2Fb",
                query=[("q", "a b&c"), ("q", "ø")],
                headers={"X-User-Name": "Ola"},
                json={"title": "Ærlig"},
            )
        )
    sent = server.sent[0]
    assert sent.target == "/v2/tickets/a%2Fb?q=a%20b%26c&q=%C3%B8"
    assert sent.body == '{"title":"Ærlig"}'.encode()
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["x-account"] == "A1"
    assert sent.headers["x-user-name"] == "Ola"
    assert sent.headers["user-agent"] == "syncd"
    assert answer.json() == {"id": 7}
    assert answer.status == 201
    assert answer.context == RemoteContext(
        connection="acme", endpoint="POST /v2/tickets/a%2Fb", status=201, request_id="r1"
    )


async def test_what_may_not_leave_any_more_is_not_sent_and_says_nothing_of_the_vendor(
    rig: Rig,
) -> None:
    asked: list[int] = []

    def stood_still() -> bool:
        asked.append(len(server.sent))
        return False

    async with raw_server(lambda _: http(201, b"{}")) as server:
        transport = rig.transport(server.url)
        token = MAY_LEAVE.set(stood_still)
        for _ in range(20):
            with pytest.raises(Unreachable, match="stood still"):
                await transport.write(POST)
        assert (asked, server.sent) == ([0] * 20, [])
        await transport.read(GET)
        MAY_LEAVE.reset(token)
        await transport.write(POST)
    assert [each.method for each in server.sent] == ["GET", "POST"]


async def test_a_form_is_sent_url_encoded(rig: Rig) -> None:
    async with raw_server(lambda _: http()) as server:
        request = Request(operation="op", method="POST", path="/f", form={"a": "1 & 2"})
        await rig.transport(server.url).write(request)
    assert server.sent[0].body == b"a=1+%26+2"
    assert server.sent[0].headers["content-type"] == "application/x-www-form-urlencoded"


async def test_an_answer_that_is_not_json_is_odd(rig: Rig) -> None:
    async with raw_server(lambda _: http(200, b"<html>")) as server:
        answer = await rig.transport(server.url).read(GET)
    with pytest.raises(OddAnswer):
        answer.json()


# --- writes --------------------------------------------------------------------------------------


async def test_a_write_to_a_refused_port_provably_never_left(rig: Rig) -> None:
    with pytest.raises(Unreachable) as caught:
        await rig.transport(f"http://127.0.0.1:{unused_port()}").write(POST)
    assert "could not connect" in str(caught.value)


async def test_a_write_to_an_unknown_name_provably_never_left(rig: Rig) -> None:
    with pytest.raises(Unreachable):
        await rig.transport("http://vendor.invalid").write(POST)


async def test_a_write_that_cannot_connect_in_time_provably_never_left(rig: Rig) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:  # fills the backlog, so that the next handshake hangs
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            transport = rig.transport(
                f"http://127.0.0.1:{full.getsockname()[1]}",
                timeouts=Timeouts(connect_s=0.2, read_s=5, total_s=5),
            )
            with pytest.raises(Unreachable):
                await transport.write(POST)
        finally:
            for one in waiting:
                one.close()


async def test_a_write_that_gets_no_answer_in_time_is_unknown(rig: Rig) -> None:
    async with raw_server(lambda _: Reply(b"", Then.HANG)) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            await rig.transport(server.url).write(POST)
        await asyncio.wait_for(server.hung_up.wait(), GUARD_S)
    assert caught.value.closed_at == rig.clock.now()
    assert caught.value.context.endpoint == "POST /tickets"


async def test_a_write_whose_answer_breaks_off_is_unknown(rig: Rig) -> None:
    cut = Reply(b"HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{", Then.CLOSE)
    async with raw_server(lambda _: cut) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            await rig.transport(server.url).write(POST)
    assert caught.value.context.status == 201


async def test_a_write_whose_answer_is_no_http_is_unknown(rig: Rig) -> None:
    async with raw_server(lambda _: Reply(b"what?\r\n\r\n", Then.CLOSE)) as server:
        with pytest.raises(OutcomeUnknown):
            await rig.transport(server.url).write(POST)


async def test_a_write_refused_with_a_broken_body_is_still_refused(rig: Rig) -> None:
    cut = Reply(b"HTTP/1.1 400 No\r\nContent-Length: 50\r\n\r\n{", Then.CLOSE)
    async with raw_server(lambda _: cut) as server:
        with pytest.raises(Refused):
            await rig.transport(server.url).write(POST)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_writes_redirect_is_not_followed_and_unknown(rig: Rig, status: int) -> None:
    async with raw_server(lambda _: http(status, b"", "Location: /elsewhere")) as server:
        with pytest.raises(OutcomeUnknown):
            await rig.transport(server.url).write(POST)
    assert len(server.sent) == 1


async def test_a_write_whose_success_is_too_large_is_unknown(rig: Rig) -> None:
    async with raw_server(lambda _: http(200, b"x" * 101)) as server:
        with pytest.raises(OutcomeUnknown):
            await rig.transport(server.url, body_bytes=100).write(POST)


async def test_a_write_that_is_told_to_wait_had_no_effect(rig: Rig) -> None:
    async with raw_server(lambda _: http(429, b"", "Retry-After: 7")) as server:
        with pytest.raises(RateLimited) as caught:
            await rig.transport(server.url).write(POST)
    assert caught.value.retry_after_s == 7
    assert len(server.sent) == 1


async def test_a_cancelled_write_closes_its_connection_and_says_so(rig: Rig) -> None:
    async with raw_server(lambda _: Reply(b"", Then.HANG)) as server:
        transport = rig.transport(server.url, timeouts=Timeouts())
        write = asyncio.create_task(transport.write(POST))
        await asyncio.wait_for(server.arrived.wait(), GUARD_S)
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
        await asyncio.wait_for(server.hung_up.wait(), GUARD_S)
    assert [note.outcome for note in rig.log.exchanges] == ["Cancelled"]


async def test_a_cancelled_write_gives_its_place_back(rig: Rig) -> None:
    replies = iter([Reply(b"", Then.HANG), http()])
    async with raw_server(lambda _: next(replies)) as server:
        transport = rig.transport(server.url, timeouts=Timeouts(), pace=Pace(concurrency=1))
        write = asyncio.create_task(transport.write(POST))
        await asyncio.wait_for(server.arrived.wait(), GUARD_S)
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)
        await asyncio.wait_for(transport.write(POST), GUARD_S)


# --- reads ---------------------------------------------------------------------------------------


async def test_a_read_is_repeated_until_it_works(rig: Rig) -> None:
    replies = iter([http(500), Reply(b"", Then.RESET), http(408), http(200, b"[]")])
    async with raw_server(lambda _: next(replies)) as server:
        answer = await rig.transport(server.url).read(GET)
    assert answer.body == b"[]"
    assert [note.attempt for note in rig.log.exchanges] == [1, 2, 3, 4]
    # Full jitter, at half of each bound.
    assert rig.clock.slept_s == [0.25, 0.5, 1.0]


async def test_a_read_gives_up_after_four_tries(rig: Rig) -> None:
    async with raw_server(lambda _: http(503)) as server:
        with pytest.raises(Unreachable) as caught:
            await rig.transport(server.url).read(GET)
    assert len(server.sent) == 4
    assert caught.value.context.status == 503


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (400, Refused), (403, Refused)])
async def test_a_read_that_was_refused_is_not_repeated(
    rig: Rig, status: int, kind: type[RemoteError]
) -> None:
    async with raw_server(lambda _: http(status, b'{"message": "no"}')) as server:
        with pytest.raises(kind) as caught:
            await rig.transport(server.url).read(GET)
    assert len(server.sent) == 1
    assert caught.value.context.detail == '{"message": "no"}'


async def test_a_read_sits_out_a_short_retry_after(rig: Rig) -> None:
    replies = iter([http(429, b"", "Retry-After: 20"), http()])
    async with raw_server(lambda _: next(replies)) as server:
        await rig.transport(server.url).read(GET)
    assert rig.clock.slept_s == [20.25]


async def test_a_read_leaves_a_long_retry_after_to_its_caller(rig: Rig) -> None:
    async with raw_server(lambda _: http(429, b"", "Retry-After: 600")) as server:
        with pytest.raises(RateLimited) as caught:
            await rig.transport(server.url).read(GET)
    assert caught.value.retry_after_s == 600
    assert len(server.sent) == 1


async def test_a_429_stops_everyone_who_shares_the_budget(rig: Rig) -> None:
    budget = Budget(clock=rig.clock, pace=Pace())
    async with (
        raw_server(lambda _: http(429, b"", "Retry-After: 40")) as tired,
        raw_server(lambda _: http()) as other,
    ):
        with pytest.raises(RateLimited):
            await rig.transport(tired.url, budget=budget).write(POST)
        assert budget.state().paused_s == 40
        await rig.transport(other.url, budget=budget).write(POST)
    assert rig.clock.slept_s == [40]


async def test_a_read_whose_answer_breaks_off_is_repeated(rig: Rig) -> None:
    cut = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", Then.CLOSE)
    replies = iter([cut, http(200, b"[]")])
    async with raw_server(lambda _: next(replies)) as server:
        assert (await rig.transport(server.url).read(GET)).body == b"[]"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_read_too_large_for_its_limit_is_odd(rig: Rig, declared: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 101\r\n" if declared else b"") + b"\r\n"
    async with raw_server(lambda _: Reply(head + b"x" * 101, Then.CLOSE)) as server:
        with pytest.raises(OddAnswer):
            await rig.transport(server.url, body_bytes=100).read(GET)
        request = Request(operation="op", method="GET", path="/", body_bytes_max=101)
        assert len((await rig.transport(server.url, body_bytes=100).read(request)).body) == 101


async def test_the_limit_counts_what_comes_out_of_a_compressed_answer(rig: Rig) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with raw_server(lambda _: http(200, bomb, "Content-Encoding: gzip")) as server:
        with pytest.raises(OddAnswer):
            await rig.transport(server.url, body_bytes=1_000_000).read(GET)
    assert rig.log.exchanges[0].received_bytes < 2_000_000


async def test_a_compressed_answer_is_unpacked(rig: Rig) -> None:
    reply = http(200, gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip")
    async with raw_server(lambda _: reply) as server:
        assert (await rig.transport(server.url).read(GET)).json() == {"a": 1}


# --- redirects -----------------------------------------------------------------------------------


async def test_a_reads_redirect_is_followed_within_its_origin(rig: Rig) -> None:
    def script(sent: Sent) -> Reply:
        return http() if sent.target == "/v3/x?a=1" else http(302, b"", "Location: /v3/x?a=1#f")

    async with raw_server(script) as server:
        transport = rig.transport(server.url, auth=StaticToken(Secret("t0ken")))
        assert (await transport.read(GET)).status == 200
    assert [sent.headers["authorization"] for sent in server.sent] == ["Bearer t0ken"] * 2
    assert [note.path for note in rig.log.exchanges] == ["/tickets/1", "/v3/x"]


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:{port}/x", "//127.0.0.1:{port}/x", "http://u:p@{here}/x", "file:///x", ""],
)
async def test_a_read_is_never_sent_to_another_origin(rig: Rig, location: str) -> None:
    async with raw_server(lambda _: http()) as other:
        port = other.url.rpartition(":")[2]

        def script(sent: Sent) -> Reply:
            here = sent.headers["host"]
            return http(302, b"", f"Location: {location.format(port=port, here=here)}")

        async with raw_server(script) as server:
            with pytest.raises(OddAnswer) as caught:
                await rig.transport(server.url).read(GET)
    assert "redirected away" in str(caught.value)
    assert not other.sent
    assert len(server.sent) == 1


async def test_a_read_redirected_in_circles_ends_after_five_hops(rig: Rig) -> None:
    async with raw_server(lambda _: http(307, b"", "Location: /again")) as server:
        with pytest.raises(OddAnswer):
            await rig.transport(server.url).read(GET)
    assert len(server.sent) == 6


@pytest.mark.parametrize(("status", "method"), [(303, "GET"), (302, "GET"), (307, "POST")])
async def test_a_redirected_search_keeps_its_body_only_where_the_status_says_so(
    rig: Rig, status: int, method: str
) -> None:
    replies = iter([http(status, b"", "Location: /y"), http()])
    async with raw_server(lambda _: next(replies)) as server:
        await rig.transport(server.url).read(POST)
    assert server.sent[1].method == method
    assert bool(server.sent[1].body) is (method == "POST")


# --- a provider's own table ----------------------------------------------------------------------


async def test_a_providers_table_is_asked_before_the_statuses(rig: Rig) -> None:
    def table(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
        assert is_write
        known = b"401001" in body
        return Refused("not your ticket", RemoteContext(code="401001")) if known else None

    replies = iter([http(401, b'{"code":"401001"}'), http(401, b"{}")])
    async with raw_server(lambda _: next(replies)) as server:
        transport = rig.transport(server.url, errors=table)
        with pytest.raises(Refused) as caught:
            await transport.write(POST)
        assert caught.value.context.code == "401001"
        assert caught.value.context.status == 401
        with pytest.raises(CredentialsRejected, match="of the settings"):
            await transport.write(POST)


async def test_a_providers_table_may_say_that_a_read_is_not_offered(rig: Rig) -> None:
    def table(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
        return Unsupported("no such call") if status == 501 else None

    async with raw_server(lambda _: http(501)) as server:
        with pytest.raises(Unsupported):
            await rig.transport(server.url, errors=table).read(GET)
    assert len(server.sent) == 1


async def test_a_rate_limit_that_only_the_table_knows_pauses_everybody_too(rig: Rig) -> None:
    def table(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
        return RateLimited("spike arrest")

    budget = Budget(clock=rig.clock, pace=Pace())
    async with raw_server(lambda _: http(500, b"", "Retry-After: 8")) as server:
        with pytest.raises(RateLimited) as caught:
            await rig.transport(server.url, budget=budget, errors=table).write(POST)
    assert caught.value.retry_after_s == budget.state().paused_s == 8


# --- what is told --------------------------------------------------------------------------------


async def test_each_exchange_is_told_once_without_secrets(rig: Rig) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response(
            {"told": request.headers["Authorization"], "access_token": "abc"}, status=400
        )

    async with web_server(echo) as url:
        transport = rig.transport(url, auth=StaticToken(Secret("s3cr3t-token")))
        with pytest.raises(Refused) as caught:
            await transport.write(
                Request(operation="create", method="POST", path="/t", json={"password": "hunter2"})
            )
    (note,) = rig.log.exchanges
    assert note.operation == "create"
    assert (note.method, note.path, note.status, note.is_write) == ("POST", "/t", 400, True)
    assert note.outcome == "Refused"
    assert note.sent_bytes == len(b'{"password":"hunter2"}')
    assert note.received_bytes > 0
    shown = (
        repr(note) + str(note.request_headers()) + str(note.answer_headers())
        + note.request_text() + note.answer_text()
        + repr(caught.value) + repr(caught.value.context)
    )  # fmt: skip
    for secret in ("s3cr3t", "hunter2", "abc"):
        assert secret not in shown
