"""Servers to talk to and a transport ready made, for the tests of this folder."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from aiohttp import web

from syncd.ports.errors import RemoteError
from syncd.transport.auth import TokenSource
from syncd.transport.budget import Budget
from syncd.transport.client import HttpTransport
from syncd.transport.options import Pace, Timeouts, TransportOptions
from syncd.transport.pool import ClientPool
from syncd.transport.wirelog import Exchange
from tests.support.clock import FakeClock

QUICK = Timeouts(connect_s=5, read_s=0.2, total_s=5)
"""Real seconds: a socket knows no fake clock."""
GUARD_S = 10
"""A test that waits longer for a server hangs."""


class Then(Enum):
    """What a raw server does after its answer."""

    KEEP = "keeps the connection"
    CLOSE = "closes it"
    RESET = "resets it"
    HANG = "says nothing more"


@dataclass(frozen=True)
class Sent:
    """A request as it arrived, byte for byte."""

    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer as it is put on the wire."""

    data: bytes
    then: Then = Then.KEEP


def http(status: int = 200, body: bytes = b"{}", *headers: str, then: Then = Then.KEEP) -> Reply:
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers]
    return Reply("\r\n".join(lines).encode() + b"\r\n\r\n" + body, then)


SILENCE = Reply(b"", Then.CLOSE)


@dataclass
class RawServer:
    """A server that counts what reaches it and misbehaves to order."""

    script: Callable[[Sent], Reply]
    sent: list[Sent] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        try:
            while (one := await _received(reader, connection)) is not None:
                self.sent.append(one)
                self.arrived.set()
                reply = self.script(one)
                writer.write(reply.data)
                await writer.drain()
                if reply.then is Then.RESET:
                    writer.transport.abort()
                if reply.then is Then.HANG:
                    await reader.read()
                if reply.then is not Then.KEEP:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.hung_up.set()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def _received(reader: asyncio.StreamReader, connection: int) -> Sent | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Sent(connection, method, target, headers, body)


@contextlib.asynccontextmanager
async def raw_server(script: Callable[[Sent], Reply]) -> AsyncIterator[RawServer]:
    raw = RawServer(script)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    raw.url = f"http://127.0.0.1:{port}"
    try:
        yield raw
    finally:
        server.close()
        await server.wait_closed()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def web_server(
    handler: Handler, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """An aiohttp server that hands every request to one handler."""
    app = web.Application(client_max_size=1 << 40)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context).start()
    scheme = "https" if ssl_context else "http"
    try:
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class FixedIds:
    """Ids without randomness; jitter is what the test says."""

    def __init__(self, jitter: float = 0.5) -> None:
        self.value = jitter

    def token(self, chars: int) -> str:
        return "0" * chars

    def jitter(self) -> float:
        return self.value


class Recorded:
    """A WireLog that keeps everything."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def request(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)


Reader = Callable[..., RemoteError | None]


@dataclass
class Rig:
    """Makes transports that share a pool, a clock and a wire log."""

    pool: ClientPool
    clock: FakeClock
    log: Recorded

    def transport(
        self,
        url: str,
        *,
        auth: TokenSource | None = None,
        errors: Reader | None = None,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        budget: Budget | None = None,
        **options: object,
    ) -> HttpTransport:
        options.setdefault("timeouts", QUICK)
        return HttpTransport(
            TransportOptions(connection="acme", base_url=url, **options),  # type: ignore[arg-type]
            pool=self.pool,
            budget=budget or Budget(clock=self.clock, pace=pace),
            clock=self.clock,
            ids=FixedIds(),
            auth=auth,
            errors=errors,
            log=self.log,
        )
