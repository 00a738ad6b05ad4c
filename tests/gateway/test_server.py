"""The HTTP port, over real connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import structlog.testing

from syncd.gateway import serving
from syncd.gateway.metrics import StoreSample
from syncd.gateway.server import Gateway
from syncd.model.secret import Secret
from syncd.transport.wirelog import Exchange
from tests.gateway.fakes import OTHER_TOKEN, TOKEN, Desk

HOLDER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def gateway(desk: Desk, tmp_path: Path) -> AsyncIterator[Gateway]:
    gateway = desk.gateway(port_file=tmp_path / "port")
    async with gateway.serve():
        yield gateway


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{gateway.port}") as session:
        yield session


async def test_a_notification_is_stored_before_it_is_answered(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    body = {"numbers": ["INC1", "INC2", "INC1"], "sent_by": "a rule"}
    async with http.post("/notify/desk", json=body, headers=HOLDER) as answer:
        assert answer.status == 202
        assert await answer.json() == {"accepted": 2}
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "syncd"
    assert desk.inbox.stored == [("desk", ("INC1", "INC2"))]
    assert desk.rings == [1]


async def test_one_number_will_do(desk: Desk, http: aiohttp.ClientSession) -> None:
    async with http.post("/notify/desk", json={"number": 4711}, headers=HOLDER) as answer:
        assert answer.status == 202
    assert desk.inbox.stored == [("desk", ("4711",))]


@pytest.mark.parametrize(
    ("connection", "authorization", "status"),
    [
        ("desk", None, 401),
        ("nowhere", None, 401),
        ("desk", "Basic dXNlcjpwYXNz", 401),
        ("desk", "Bearer ", 401),
        ("desk", "Bearer wrong", 403),
        ("desk", "Bearer \xe9", 403),
        ("nowhere", "Bearer wrong", 403),
        ("desk", f"Bearer {OTHER_TOKEN}", 403),
        ("b612", f"Bearer {TOKEN}", 403),
        ("nowhere", f"Bearer {TOKEN}", 404),
        ("desk", f"bearer  {TOKEN} ", 202),
    ],
)
async def test_only_the_connections_own_token_opens_it(
    desk: Desk,
    http: aiohttp.ClientSession,
    connection: str,
    authorization: str | None,
    status: int,
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with structlog.testing.capture_logs() as logs:
        url = f"/notify/{connection}"
        async with http.post(url, json={"number": "INC1"}, headers=headers) as answer:
            assert answer.status == status
            told = await answer.json()
            assert ("error" in told) == (status != 202)
            assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert bool(desk.inbox.stored) == (status == 202)
    assert TOKEN not in str(logs)
    assert "wrong" not in str(logs)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"1", b"{}", b'{"numbers": []}', b'{"numbers": "INC1"}',
        b'{"number": "INC1", "numbers": ["INC2"]}', b'{"number": ""}', b'{"number": null}',
        b'{"number": true}', b'{"number": 1.5}', b'{"number": {"a": 1}}',
        b'{"number": "INC 1"}', b'{"number": "INC\\n1"}', b'{"number": "<INC1>"}',
        b'{"number": "\\u202e1"}', b'{"numbers": ["INC1", ""]}',
        b'{"number": "' + b"1" * 65 + b'"}', b"\xff\xfe", b"[" * 20000,
        b'{"numbers": [' + b",".join([b'"1"'] * 501) + b"]}",
    ],
)  # fmt: skip
async def test_what_is_not_a_list_of_ticket_numbers_is_refused_whole(
    desk: Desk, http: aiohttp.ClientSession, body: bytes
) -> None:
    headers = {**HOLDER, "Content-Type": "application/json"}
    async with http.post("/notify/desk", data=body, headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]
    assert not desk.inbox.stored


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    desk: Desk, http: aiohttp.ClientSession, chunked: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    headers = {**HOLDER, "Content-Type": "application/json"}
    data = chunks() if chunked else b" " * 70_000
    async with http.post("/notify/desk", data=data, headers=headers) as answer:
        assert answer.status == 413
    assert not desk.inbox.stored


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_only_plain_json_is_read(
    http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with http.post(
        "/notify/desk", data=b"x", headers={**HOLDER, **headers}, skip_auto_headers=["User-Agent"]
    ) as answer:
        assert answer.status == 415


async def test_too_many_notifications_are_asked_to_wait(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    for _ in range(60):
        async with http.post("/notify/desk", json={"number": "1"}, headers=HOLDER) as answer:
            assert answer.status == 202
    async with http.post("/notify/desk", json={"number": "1"}, headers=HOLDER) as answer:
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "1"
    other = {"Authorization": f"Bearer {OTHER_TOKEN}"}
    async with http.post("/notify/telenor", json={"number": "1"}, headers=other) as answer:
        assert answer.status == 202
    desk.clock.seconds += 0.2
    async with http.post("/notify/desk", json={"number": "1"}, headers=HOLDER) as answer:
        assert answer.status == 202


async def test_what_could_not_be_stored_is_not_accepted(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    desk.inbox.broken = True
    async with http.post("/notify/desk", json={"number": "1"}, headers=HOLDER) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "30"
        assert "disk" not in await answer.text()
    assert not desk.rings


async def test_strangers_fill_neither_the_log_nor_the_metrics(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    with structlog.testing.capture_logs() as logs:
        for index in range(20):
            async with http.post(f"/notify/x{index}", json={"number": "1"}) as answer:
                assert answer.status == 401
    assert len([line for line in logs if line["event"] == "gateway.notification_rejected"]) == 1
    page = desk.metrics.render(None).decode()
    assert 'syncd_notifications_total{connection="unknown",status="401"} 20.0' in page
    assert "x7" not in page


async def test_other_paths_and_methods_are_answered_in_json(http: aiohttp.ClientSession) -> None:
    async with http.get("/") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "not found"})
    async with http.get("/notify/desk") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"


async def test_new_tokens_count_from_the_reload_on(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    gateway.reload({"desk": Secret("another")}, frozenset({"desk"}))
    async with http.post("/notify/desk", json={"number": "1"}, headers=HOLDER) as answer:
        assert answer.status == 403
    new = {"Authorization": "Bearer another"}
    async with http.post("/notify/desk", json={"number": "1"}, headers=new) as answer:
        assert answer.status == 202


async def test_it_is_ready_when_all_has_been_tried_and_says_why_it_is_not(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    async def store_down() -> str | None:
        raise OSError("no such file")

    async def schema_fine() -> str | None:
        return None

    desk.health.expect_polls(frozenset({"desk"}))
    desk.health.add_check("store", store_down)
    desk.health.add_check("schema", schema_fine)
    desk.health.failed("intake", "BrokenInvariant: x")
    async with http.get("/-/ready") as answer:
        assert answer.status == 503
        assert await answer.json() == {
            "ready": False,
            "reasons": [
                "syncd: starting", "intake: BrokenInvariant: x", "store: OSError: no such file",
                "desk: not polled yet",
            ],
        }  # fmt: skip
    desk.health.entered("running")
    desk.health.polled("desk")
    desk.health.recovered("intake")
    desk.health.add_check("store", schema_fine)
    async with http.get("/-/ready") as answer:
        assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})


async def test_a_heart_that_stops_beating_is_noticed(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    desk.health.beat("loop")
    desk.clock.seconds = 19
    async with http.get("/-/healthy") as answer:
        assert answer.status == 200
    desk.clock.seconds = 21
    async with http.get("/-/healthy") as answer:
        assert answer.status == 503
        assert (await answer.json())["reasons"] == ["loop: no heartbeat for 21 s"]
    desk.health.ended("loop")
    async with http.get("/-/healthy") as answer:
        assert answer.status == 200


async def test_the_metrics_show_what_happened_and_what_the_store_says(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    desk.sample = StoreSample(
        operations={("telenor", "ready"): 3},
        oldest_undelivered_at=desk.clock.now() - timedelta(seconds=90),
        parked={("telenor", "refused"): 1},
        paused=frozenset({"desk"}),
        breakers={"telenor": "open"},
    )
    desk.metrics.exchanged(
        Exchange(
            connection="telenor",
            operation="list",
            method="GET",
            path="/",
            is_write=False,
            attempt=1,
            status=503,
            outcome="Unreachable",
            detail="",
            duration_s=0.2,
            wait_s=0,
            sent_bytes=0,
            received_bytes=0,
            reused=False,
            request_id="",
        )
    )
    desk.metrics.polled("telenor", complete=True, at=desk.clock.now())
    desk.metrics.delivered("telenor", 0.3)
    desk.clock.seconds += 7
    async with http.get("/metrics") as answer:
        page = await answer.text()
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in (
        'syncd_requests_total{class="5xx",connection="telenor",operation="list"} 1.0',
        'syncd_last_complete_poll_age_seconds{connection="telenor"} 7.0',
        'syncd_last_complete_poll_age_seconds{connection="desk"} 7.0',
        'syncd_operations{connection="telenor",state="ready"} 3.0',
        "syncd_oldest_undelivered_seconds 97.0",
        'syncd_parked{connection="telenor",reason="refused"} 1.0',
        'syncd_connection_paused{connection="desk"} 1.0',
        'syncd_connection_paused{connection="telenor"} 0.0',
        'syncd_breaker_state{connection="telenor",state="open"} 1.0',
        'syncd_breaker_state{connection="telenor",state="closed"} 0.0',
        'syncd_seen_to_delivered_seconds_bucket{connection="telenor",le="0.5"} 1.0',
        "syncd_store_up 1.0",
    ):
        assert line in page.splitlines()
    assert 'version="1.2.3"' in page


async def test_a_scrape_survives_a_store_that_does_not_answer(
    desk: Desk, http: aiohttp.ClientSession
) -> None:
    desk.sample = OSError("gone")
    async with http.get("/metrics") as answer:
        assert answer.status == 200
        assert "syncd_store_up 0.0" in await answer.text()


def test_a_connection_that_is_gone_is_no_longer_shown(desk: Desk) -> None:
    desk.sample = StoreSample(breakers={"telenor": "open"}, paused=frozenset({"telenor"}))
    assert isinstance(desk.sample, StoreSample)
    desk.metrics.polled("telenor", complete=True, at=desk.clock.now())
    desk.metrics.news_overdue("telenor", overdue=True)
    desk.metrics.render(desk.sample)
    desk.metrics.know(["desk"])
    page = desk.metrics.render(StoreSample()).decode()
    assert 'syncd_last_complete_poll_age_seconds{connection="telenor"}' not in page
    assert 'syncd_breaker_state{connection="telenor"' not in page


async def test_the_port_that_was_taken_is_written_down(gateway: Gateway, tmp_path: Path) -> None:
    assert gateway.port > 0
    assert (tmp_path / "port").read_text() == f"{gateway.port}\n"


async def test_an_address_in_use_is_named(gateway: Gateway) -> None:
    with pytest.raises(OSError, match=rf"http.listen 127.0.0.1:{gateway.port}: "):
        serving.tcp_socket("127.0.0.1", gateway.port)


async def test_a_client_that_sends_its_head_slowly_is_cut_off(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_S", 0.2)
    gateway = desk.gateway()
    async with gateway.serve():
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)

        async def trickle() -> None:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
            while True:
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(trickle())
        async with asyncio.timeout(5):
            # What arrives after the end may be answered with a reset.
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        task.cancel()
        writer.close()


async def test_a_client_that_sends_its_body_slowly_is_cut_off(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "BODY_S", 0.1)
    monkeypatch.setattr(serving, "LINGER_S", 0.1)
    gateway = desk.gateway()
    async with gateway.serve():
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(
            b"POST /notify/desk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer " + TOKEN.encode() + b"\r\nContent-Length: 50\r\n\r\n{"
        )
        async with asyncio.timeout(5):
            told = await reader.read()
        assert told.startswith(b"HTTP/1.1 408 ")
        writer.close()
    assert not desk.inbox.stored


async def test_only_so_many_clients_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CONNECTIONS_MAX", 2)
    gateway = desk.gateway()
    async with gateway.serve():
        kept = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        for _, other in [*kept, (reader, writer)]:
            other.close()


async def test_garbage_is_answered_without_a_trace_in_the_log(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.0 400 ")
    writer.close()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_where_tickets_are_watched_each_read_counts_as_a_poll(desk: Desk) -> None:
    desk.metrics.know(["desk", "telenor"], watched=["desk"])
    age = 'syncd_last_complete_poll_age_seconds{connection="desk"}'
    desk.clock.seconds = 100
    assert f"{age} 0.0" in desk.metrics.render(StoreSample()).decode()
    desk.clock.seconds = 150
    watched = StoreSample(tickets={("desk", "watched"): 2})
    assert f"{age} 50.0" in desk.metrics.render(watched).decode()
    desk.metrics.read("desk", "failed")
    assert f"{age} 50.0" in desk.metrics.render(watched).decode()
    desk.metrics.read("desk", "unchanged")
    desk.clock.seconds = 160
    assert f"{age} 10.0" in desk.metrics.render(watched).decode()
    assert f"{age} 10.0" in desk.metrics.render(None).decode()
