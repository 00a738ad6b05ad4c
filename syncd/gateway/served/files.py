"""Attachments of served tickets: an extension of ours, for the contract has none.

`GET  …/itsm/attachments/{sysId}` lists, `POST` with the bytes as body adds one, `GET …/{id}` gives
its bytes. Bodies stream through the spool; memory does not grow with a file.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.parse import quote, unquote

import structlog
from aiohttp import web

from syncd.gateway.served import contract
from syncd.gateway.served.contract import Refused, malformed
from syncd.gateway.served.tokens import Caller
from syncd.gateway.serving import BODY_S, TooLarge, TooSlow, answer
from syncd.model.errors import SyncdError
from syncd.model.ids import ConnectionName
from syncd.ports.offer import Offer
from syncd.ports.served import (
    FileDraft,
    FileRefused,
    ServedChange,
    ServedFile,
    ServedRequest,
    ServedTicket,
    ServedTickets,
)

FILES_PATH = "/itsm/attachments"
"""Where the extension lies, below a connection's prefix."""
TRANSFER_S = 600.0
"""Seconds one file may take on its way."""
NAME_BYTES_MAX = 255
"""Longest file name."""
TYPE_CHARS_MAX = 127
"""Longest content type."""

_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_log = structlog.get_logger()

Run = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


class Files:
    """The attachments of one connection's tickets."""

    def __init__(
        self,
        connection: ConnectionName,
        offer: Offer,
        tickets: ServedTickets,
        ring: Callable[[], None],
    ) -> None:
        """Take what it works with.

        Args:
            connection: under which the tickets stand.
            offer: its limits.
            tickets: where tickets and files live.
            ring: wakes intake after a change was stored.
        """
        self._connection = connection
        self._limits = offer.limits
        self._tickets = tickets
        self._ring = ring

    def find(self, path: str) -> Mapping[str, tuple[str, Run]] | None:
        """Give what a path below the prefix takes: method -> (name, what does it)."""
        if not path.startswith(f"{FILES_PATH}/"):
            return None
        match [unquote(part) for part in path.removeprefix(f"{FILES_PATH}/").split("/")]:
            case [sys_id] if sys_id:
                return {
                    "GET": ("list_files", lambda request, _: self._list(request, sys_id)),
                    "POST": ("add_file", lambda request, by: self._add(request, by, sys_id)),
                }
            case [sys_id, file_id] if sys_id and file_id:
                return {"GET": ("get_file", lambda request, _: self._get(request, sys_id, file_id))}
        return None

    def patience_s(self, call: str) -> float:
        """Say how many seconds a call may take beyond what all may."""
        return TRANSFER_S if call in ("add_file", "get_file") else 0.0

    async def _list(self, _request: web.Request, sys_id: str) -> web.Response:
        return _listing(await self._ticket(sys_id), "found")

    async def _add(self, request: web.Request, caller: Caller, sys_id: str) -> web.Response:
        name, kind = _name(request), _content_type(request)
        ticket = await self._ticket(sys_id)
        if len(ticket.files) >= self._limits.files:
            raise Refused("409", f"a ticket has at most {self._limits.files} attachments")
        if (request.content_length or 0) > self._limits.file_bytes:
            raise TooLarge
        try:
            digest, size = await self._tickets.keep_file(
                _chunks(request), max_bytes=self._limits.file_bytes
            )
        except FileRefused as err:
            raise Refused("413", str(err), http=413) from err
        draft = FileDraft(
            name=name, content_type=kind, size_bytes=size, digest=digest, author=caller.name
        )
        wanted = ServedRequest(
            connection=self._connection,
            caller=caller.id,
            fingerprint=contract.fingerprint("add_file", ticket.sys_id, name, digest),
            key=_key(request),
            source=request.remote or "",
        )
        change = ServedChange(by=caller.name, files=(draft,))
        applied = await self._tickets.update(wanted, ticket.sys_id, change)
        if not applied.is_repeat:
            self._ring()
        _log.info(
            "gateway.file_added", connection=self._connection, ticket=ticket.number,
            size_bytes=size, caller=caller.name, repeated=applied.is_repeat,
        )  # fmt: skip
        return _listing(applied.ticket, "added")

    async def _get(self, request: web.Request, sys_id: str, file_id: str) -> web.StreamResponse:
        ticket = await self._ticket(sys_id)
        file = next((each for each in ticket.files if each.id == file_id), None)
        if file is None:
            raise Refused("404", "there is no such attachment", http=404)
        if not await self._tickets.has_file(file.digest):
            raise Refused("503", "its bytes lie with another process; ask again", http=503)
        response = web.StreamResponse(headers=_file_headers(file))
        response.content_length = file.size_bytes
        await response.prepare(request)
        try:
            async for part in self._tickets.open_file(file.digest).open():
                await response.write(part)
            await response.write_eof()
        except SyncdError:
            # The head has left: only a broken answer can tell that the rest is missing.
            _log.exception("gateway.file_not_sent", connection=self._connection, file=file.id)
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _ticket(self, sys_id: str) -> ServedTicket:
        if len(sys_id) > contract.NAME_CHARS_MAX or not sys_id.isprintable():
            raise Refused("404", "there is no such ticket", http=404)
        found = await self._tickets.find(self._connection, sys_id=sys_id)
        if found is None:
            raise Refused("404", "there is no such ticket", http=404)
        return found


def _listing(ticket: ServedTicket, message: str) -> web.Response:
    told = contract.envelope("200", message)
    told["attachments"] = [
        {
            "id": file.id,
            "name": file.name,
            "contentType": file.content_type,
            "size": file.size_bytes,
            "sha256": file.digest,
            "addedBy": file.author,
            "addedTime": contract.format_time(file.at),
        }
        for file in ticket.files
    ]
    return answer(200, told)


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    """Read a body as long as it keeps coming."""
    while True:
        try:
            async with asyncio.timeout(BODY_S):
                part = await request.content.readany()
        except TimeoutError:
            raise TooSlow from None
        if not part:
            return
        yield part


def _name(request: web.Request) -> str:
    name = request.query.get("name", "").strip()
    # What comes from a path is a path no longer.
    name = name.replace("\\", "/").rpartition("/")[2]
    if not name or name in (".", "..") or not name.isprintable():
        raise malformed("name=… in the query names the file")
    if len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES_MAX:
        raise malformed(f"the name has more than {NAME_BYTES_MAX} bytes")
    return name


def _content_type(request: web.Request) -> str:
    given = request.content_type
    return (
        given
        if len(given) <= TYPE_CHARS_MAX and _TYPE.fullmatch(given)
        else "application/octet-stream"
    )


def _key(request: web.Request) -> str:
    keys = request.headers.getall("Idempotency-Key", [])
    if len(keys) > 1:
        raise malformed("one Idempotency-Key is enough")
    return hashlib.sha256(keys[0].encode("utf-8", "surrogateescape")).hexdigest() if keys else ""


def _file_headers(file: ServedFile) -> dict[str, str]:
    # Always a download: somebody else's page must not run under our name.
    kind = file.content_type if _TYPE.fullmatch(file.content_type) else "application/octet-stream"
    return {
        "Content-Type": kind,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Security-Policy": "sandbox",
    }
