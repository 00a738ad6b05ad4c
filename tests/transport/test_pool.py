"""Nothing is sent twice (DESIGN R11): counted on raw sockets."""

from collections.abc import Callable

import aiohttp
import pytest

from syncd.model.errors import BrokenInvariant
from syncd.ports.errors import OutcomeUnknown, Unreachable
from syncd.transport.pool import ClientPool
from syncd.transport.request import Request
from tests.transport.rig import SILENCE, Reply, Rig, Sent, Then, http, raw_server

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
BREAKS = [Then.CLOSE, Then.RESET]


def call(method: str, path: str = "/tickets/1") -> Request:
    return Request(
        operation="op", method=method, path=path, json={"a": 1} if method[0] == "P" else None
    )


def first_well_then(then: Then) -> Callable[[Sent], Reply]:
    def script(sent: Sent) -> Reply:
        return http() if sent.target == "/warm" else Reply(b"", then)

    return script


@pytest.mark.parametrize("then", BREAKS)
@pytest.mark.parametrize("method", METHODS)
async def test_a_write_is_sent_once_when_a_fresh_connection_breaks(
    rig: Rig, method: str, then: Then
) -> None:
    async with raw_server(lambda _: Reply(b"", then)) as server:
        with pytest.raises(OutcomeUnknown):
            await rig.transport(server.url).write(call(method))
    assert [sent.method for sent in server.sent] == [method]


@pytest.mark.parametrize("then", BREAKS)
@pytest.mark.parametrize("method", METHODS)
async def test_a_write_is_sent_once_when_a_kept_connection_breaks(
    rig: Rig, method: str, then: Then
) -> None:
    async with raw_server(first_well_then(then)) as server:
        transport = rig.transport(server.url)
        await transport.write(call("POST", "/warm"))
        with pytest.raises(OutcomeUnknown):
            await transport.write(call(method))
    assert [sent.method for sent in server.sent] == ["POST", method]
    assert {sent.connection for sent in server.sent} == {1}, "the connection was not kept"
    assert rig.log.exchanges[-1].outcome == "OutcomeUnknown"


@pytest.mark.parametrize("method", METHODS)
async def test_a_write_is_sent_once_when_a_time_out_ends_it(rig: Rig, method: str) -> None:
    async with raw_server(lambda _: Reply(b"", Then.HANG)) as server:
        with pytest.raises(OutcomeUnknown):
            await rig.transport(server.url).write(call(method))
    assert len(server.sent) == 1


@pytest.mark.parametrize("kept", [True, False])
async def test_the_counting_server_sees_what_aiohttp_does_by_itself(kept: bool) -> None:
    """The canary: without our middleware a PUT is sent twice, so the tests above can fail."""
    async with raw_server(first_well_then(Then.CLOSE)) as server, aiohttp.ClientSession() as plain:
        if kept:
            await (await plain.put(f"{server.url}/warm", data=b"x")).read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await plain.put(f"{server.url}/tickets/1", data=b"x")
    assert [sent.target for sent in server.sent].count("/tickets/1") == 2


async def test_a_read_is_repeated_by_us_and_by_nobody_else(rig: Rig) -> None:
    async with raw_server(lambda _: SILENCE) as server:
        with pytest.raises(Unreachable):
            await rig.transport(server.url).read(call("GET"))
    assert len(server.sent) == len(rig.log.exchanges) == 4


async def test_no_cookie_is_kept(rig: Rig) -> None:
    async with raw_server(lambda _: http(200, b"{}", "Set-Cookie: sid=1; Path=/")) as server:
        transport = rig.transport(server.url)
        await transport.read(call("GET"))
        await transport.read(call("GET"))
    assert all("cookie" not in sent.headers for sent in server.sent)


async def test_proxies_and_netrc_of_the_environment_are_ignored(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with raw_server(lambda _: http()) as server:
        assert (await rig.transport(server.url).read(call("GET"))).status == 200


async def test_a_closed_pool_opens_no_session() -> None:
    pool = ClientPool()
    await pool.close()
    with pytest.raises(BrokenInvariant):
        pool.session()
