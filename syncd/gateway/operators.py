"""The operators' socket: commands that write, carried to the one process that may write."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
import orjson
import structlog
from aiohttp import web

from syncd.gateway.serving import (
    TooLarge,
    TooSlow,
    answer,
    peer_uid,
    read_body,
    serving,
    short_path,
    unix_socket,
)
from syncd.model.errors import CommandRefused

COMMAND_BYTES_MAX = 1024 * 1024
"""Largest command."""
COMMAND_S = 60.0
"""Seconds a command may take."""

_log = structlog.get_logger()


class UnknownCommand(Exception):
    """There is no command of that name."""


class Commands(Protocol):
    """What carries commands out."""

    async def run(self, name: str, args: Mapping[str, object], actor: str) -> object:
        """Carry one out and give its JSON-like result, committed.

        Raises:
            UnknownCommand: there is none of that name.
            CommandRefused: it does not apply.
            TypeError, ValueError: its arguments are wrong.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorParts:
    """What the socket works with.

    Attributes:
        commands: carries them out.
        info: what `GET /info` answers: pid, started_at, whether a restart is safe now.
        ring: wakes intake and delivery after a command.
    """

    commands: Commands
    info: Callable[[], Awaitable[Mapping[str, object]]]
    ring: Callable[[], None]


class OperatorsSocket:
    """The socket beside the SQLite file."""

    def __init__(self, path: Path, parts: OperatorParts) -> None:
        """Open nothing yet."""
        self._path = path
        self._parts = parts

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Listen for as long as the block lasts; the path is gone afterwards.

        Raises:
            OSError: the socket cannot be made there.
        """
        bound = unix_socket(self._path)
        mine = self._path.stat().st_ino
        try:
            async with serving(self._application(), bound):
                yield
        finally:
            _remove(self._path, mine)

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/command", self._command)
        application.router.add_get("/info", self._info)
        return application

    async def _info(self, _request: web.Request) -> web.Response:
        return answer(200, {"ok": True, "result": dict(await self._parts.info())})

    async def _command(self, request: web.Request) -> web.Response:
        uid = peer_uid(request)
        if uid is not None and uid not in {0, os.getuid()}:
            return _failed(403, "refused", "only the daemon's own user and root give commands")
        try:
            name, args, actor = _parsed(await read_body(request, COMMAND_BYTES_MAX))
        except TooLarge:
            return _failed(413, "invalid", f"a command has at most {COMMAND_BYTES_MAX} bytes")
        except TooSlow:
            return _failed(408, "invalid", "the command did not come in time")
        except ValueError as err:
            return _failed(400, "invalid", str(err))
        response = await self._carried_out(name, args, actor)
        self._parts.ring()
        return response

    async def _carried_out(self, name: str, args: Mapping[str, object], actor: str) -> web.Response:
        try:
            async with asyncio.timeout(COMMAND_S):
                result = await self._parts.commands.run(name, args, actor)
        except UnknownCommand:
            return _failed(404, "unknown", f"there is no command {name!r}")
        except CommandRefused as err:
            return _failed(409, "refused", str(err))
        except (TypeError, ValueError) as err:
            return _failed(400, "invalid", f"{name}: {err}")
        except TimeoutError:
            text = f"no answer within {COMMAND_S:.0f} s; it may still be carried out"
            return _failed(504, "unknown_outcome", text)
        _log.info("gateway.command_done", command=name, actor=actor)
        return answer(200, {"ok": True, "result": result})


def _parsed(body: bytes) -> tuple[str, Mapping[str, object], str]:
    told = orjson.loads(body)  # its error is a ValueError
    if not isinstance(told, dict):
        raise ValueError('a command is {"name": ..., "args": {...}, "actor": ...}')
    name, args, actor = told.get("name"), told.get("args", {}), told.get("actor")
    if not isinstance(name, str) or not isinstance(args, dict):
        raise ValueError("name is a text and args an object")
    if not isinstance(actor, str) or not actor.strip():
        raise ValueError("actor is a text: who gives the command")
    return name, args, actor


def _failed(status: int, kind: str, error: str) -> web.Response:
    return answer(status, {"ok": False, "kind": kind, "error": error})


def _remove(path: Path, inode: int) -> None:
    # Another daemon may have put its own there meanwhile.
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()


async def ask(path: Path, what: str, body: Mapping[str, object] | None = None) -> object:
    """Ask a running daemon over its socket: the other end, for the command line.

    Args:
        path: the socket.
        what: `info` or `command`.
        body: for a command: name, args and actor.

    Returns:
        The result.

    Raises:
        ConnectionError, FileNotFoundError: nobody is there.
        CommandRefused: it answered that the command does not apply, or is unknown or wrong.
    """
    timeout = aiohttp.ClientTimeout(total=COMMAND_S + 10)
    with short_path(path) as name:
        connector = aiohttp.UnixConnector(name)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            method = "GET" if body is None else "POST"
            try:
                async with session.request(method, f"http://syncd/{what}", json=body) as response:
                    told = orjson.loads(await response.read())
            except aiohttp.ClientConnectorError as err:
                raise ConnectionRefusedError(f"no daemon answers at {path}") from err
    if told.get("ok") is not True:
        raise CommandRefused(str(told.get("error", "no reason given")))
    return told.get("result")
