"""What both listeners share: sockets, limits on slow and many clients, JSON errors, headers."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from syncd.model.errors import needed

HEAD_S = 10.0
"""Seconds a client has for a whole request head, and a kept connection may stand idle."""
BODY_S = 10.0
"""Seconds a client has for a body."""
LINGER_S = 2.0
"""Seconds a body nobody wants is still read, so that the answer arrives."""
STOP_S = 2.0
"""Seconds requests under way have when the listener stops."""
CONNECTIONS_MAX = 256
"""Open connections of one listener; further ones are closed at once."""
LINE_BYTES_MAX = 4096
"""Longest request line."""
FIELD_BYTES_MAX = 16 * 1024
"""Longest header: an access token that names many roles takes a few KiB."""
HEADERS_MAX = 64
"""Most headers of one request."""
PATH_BYTES_MAX = 104
"""Longest path of a unix socket, with room to spare on every system."""

_log = structlog.get_logger()


class TooLarge(Exception):
    """The body is larger than it may be."""


class TooSlow(Exception):
    """The body did not come in time."""


def answer(status: int, content: object, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        status=status, body=orjson.dumps(content), content_type="application/json", headers=headers
    )


def refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with a status and the reason for it."""
    return answer(status, {"error": reason}, headers)


async def read_body(request: web.Request, limit_bytes: int) -> bytes:
    """Read a body, within a size and a time.

    Raises:
        TooLarge, TooSlow: and the connection is given up.
    """
    if (request.content_length or 0) > limit_bytes:
        raise TooLarge
    parts: list[bytes] = []
    received = 0
    try:
        async with asyncio.timeout(BODY_S):
            while part := await request.content.readany():
                received += len(part)
                if received > limit_bytes:
                    raise TooLarge
                parts.append(part)
    except TimeoutError:
        raise TooSlow from None
    return b"".join(parts)


class Listener:
    """Serves an application on one socket."""

    def __init__(self, application: web.Application) -> None:
        """Take the application; nothing is opened yet."""
        application.middlewares.append(_json_errors)
        application.on_response_prepare.append(_add_headers)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=HEAD_S,  # counts from the accept on, heads that trickle in included
            lingering_time=LINGER_S,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=FIELD_BYTES_MAX,
            max_headers=HEADERS_MAX,
            auto_decompress=False,
            shutdown_timeout=STOP_S,
        )
        self._server: asyncio.Server | None = None

    async def start(self, bound: socket.socket) -> None:
        """Accept connections on a bound socket."""
        await self._runner.setup()
        make_handler = needed(self._runner.server, "a runner that is set up has a server")

        def accept() -> asyncio.Protocol:
            if len(make_handler.connections) >= CONNECTIONS_MAX:
                return _TurnedAway()
            return make_handler()

        loop = asyncio.get_running_loop()
        if bound.family == socket.AF_UNIX:
            self._server = await loop.create_unix_server(accept, sock=bound)
        else:
            self._server = await loop.create_server(accept, sock=bound)

    async def stop(self) -> None:
        """Accept no more, let requests under way end, close everything."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()


class _TurnedAway(asyncio.Protocol):
    """What a client meets when there are too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def tcp_socket(host: str, port: int) -> socket.socket:
    """Bind `host:port`; port 0 takes any.

    Raises:
        OSError: it cannot be bound, naming the address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as err:
        raise OSError(err.errno, f"http.listen {host}:{port}: {err.strerror}") from err
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
        bound.setblocking(False)
    except OSError as err:
        bound.close()
        raise OSError(err.errno, f"http.listen {host}:{port}: {err.strerror}") from err
    return bound


def unix_socket(path: Path) -> socket.socket:
    """Bind a socket only its owner can reach, in place of one a dead process left.

    It is made in a folder nobody else can enter and moved into place when its mode is right.

    Raises:
        OSError: it cannot be made there.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with tempfile.TemporaryDirectory(prefix=".syncd-", dir=path.parent) as folder:
            made = Path(folder) / "s"
            with short_path(made) as name:
                bound.bind(name)
            made.chmod(0o600)
            bound.listen(32)
            bound.setblocking(False)
            made.replace(path)
    except OSError:
        bound.close()
        raise
    return bound


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """Give a name for a socket's path that is short enough for the system."""
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@contextlib.asynccontextmanager
async def serving(application: web.Application, bound: socket.socket) -> AsyncIterator[None]:
    """Serve for as long as the block lasts."""
    listener = Listener(application)
    try:
        await listener.start(bound)
        yield
    finally:
        await listener.stop()
        bound.close()


@web.middleware
async def _json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as err:
        allow = {"Allow": err.headers["Allow"]} if "Allow" in err.headers else None
        return refusal(err.status, err.reason.lower(), allow)
    except Exception:  # noqa: BLE001 - said to the log with its trace, answered 500
        _log.exception("gateway.request_failed", method=request.method, path=request.path)
        return refusal(500, "internal error; the log has it")


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Server"] = "syncd"


def peer_uid(request: web.Request) -> int | None:
    """Say who called over a unix socket; None where the system does not tell."""
    option: Any = getattr(socket, "SO_PEERCRED", None)
    peer = request.transport and request.transport.get_extra_info("socket")
    if option is None or not peer:
        return None
    # struct ucred: pid, uid, gid
    credentials = peer.getsockopt(socket.SOL_SOCKET, option, 12)
    return int.from_bytes(credentials[4:8], "little" if _LITTLE else "big")


_LITTLE = socket.htons(1) != 1
