"""The aiohttp sessions, owned by app: one per set of trusted authorities.

Invariants: TLS is verified, no cookies are kept, no proxy or netrc is taken from the environment,
nothing is sent twice (R11).
"""

import functools
import ssl
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from syncd.model.errors import ensure

CONNECTIONS_MAX = 512
"""Open connections to all vendors together; budgets keep each vendor far below it."""
KEEPALIVE_S = 4.0
"""Seconds a connection is kept unused. Below the 5 s after which Node and Apache hang up by
default: a write on a connection the server is just closing has an unknown outcome."""
HEADER_BYTES_MAX = 16 * 1024
"""Largest header line accepted."""


class Dropped(aiohttp.ClientConnectionError):
    """The connection broke after the request may have left."""


class StoodStill(aiohttp.ClientConnectionError):
    """There is a connection, and it is too late to use it; nothing left."""


@dataclass(slots=True)
class Trip:
    """How far one send got.

    Attributes:
        connected: a connection was found or made; from here on bytes may have left.
        reused: it was a kept one.
        may_leave: asked just before the first byte; None: it may.
    """

    connected: bool = False
    reused: bool = False
    may_leave: Callable[[], bool] | None = None


TRIP: ContextVar[Trip] = ContextVar("trip")
"""The send that runs in this task."""


async def _never_again(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending PUT, DELETE and other idempotent methods a second time (R11).

    aiohttp repeats them by itself when a connection breaks without an answer with one of two
    errors (aiohttp/client.py, `_request`): handing on an error of another class turns that off.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # never connected: aiohttp does not repeat these
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as err:
        raise Dropped(str(err) or type(err).__name__) from err


class _Connector(aiohttp.TCPConnector):
    """Notes in the sender's Trip that a connection was handed out, unless it is too late to send.

    A TraceConfig would tell the same and costs 15 microseconds a request, a fifth of a send.
    """

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        trip = TRIP.get(None)
        if trip is not None:
            # Asked here, since nothing is waited for between this and the first byte.
            if trip.may_leave is not None and not trip.may_leave():
                connection.release()
                raise StoodStill("this process stood still: another may have sent it meanwhile")
            trip.connected = True
            trip.reused = connection.protocol in self._seen
        if connection.protocol is not None:
            self._seen.add(connection.protocol)
        return connection

    @functools.cached_property
    def _seen(self) -> weakref.WeakSet[ResponseHandler]:
        return weakref.WeakSet()


class ClientPool:
    """Hands out sessions; `async with` closes them, after those who still need one are done."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._sessions: dict[Path | None, aiohttp.ClientSession] = {}
        self._before_close: list[Callable[[], Awaitable[None]]] = []
        self._closed = False

    def session(self, ca_file: Path | None = None) -> aiohttp.ClientSession:
        """Give the session that trusts the authorities in a PEM file, or the system's.

        Must be called on the event loop. Reads the file when first asked for it: at start.

        Raises:
            OSError: the file cannot be read, or holds no certificate (ssl.SSLError).
        """
        ensure(not self._closed, "a closed pool opens no session")
        if ca_file not in self._sessions:
            self._sessions[ca_file] = _new_session(ca_file)
        return self._sessions[ca_file]

    def before_close(self, wait: Callable[[], Awaitable[None]]) -> None:
        """Have something finished before the sessions close."""
        self._before_close.append(wait)

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        try:
            for wait in self._before_close:
                await wait()
        finally:
            for session in self._sessions.values():
                await session.close()
            self._sessions.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _err: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.close()


def _new_session(ca_file: Path | None) -> aiohttp.ClientSession:
    verified = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    return aiohttp.ClientSession(
        connector=_Connector(ssl=verified, limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        raise_for_status=False,
        # Decompressed piece by piece; the caps count what comes out.
        auto_decompress=True,
        max_line_size=HEADER_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
        middlewares=(_never_again,),
    )
