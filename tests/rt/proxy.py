"""A real RT in the place of its sandbox: calls go through, people act in it, faults are ours.

It is the sandbox's own frame (record, faults, lost answers) around Request Tracker: what reaches RT
and what it answers is not touched. Its clock is RT's, which stands still until it is turned.
"""

import base64
import hashlib
import mimetypes
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from syncd.sandbox.calls import Answer, Call, Handler, Operation
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.faults import FaultKind
from syncd.sandbox.record import Who, person
from syncd.sandbox.rt.sandbox import KINDS, LOGIN_PAGE, RtSandbox
from syncd.sandbox.rt.settings import RtSandboxSettings
from syncd.sandbox.tokens import TokenState
from tests.rt.server import Rt

CANNOT_LAG = {FaultKind.STALE_READ, FaultKind.SEARCH_LAG}
_PASSED = ("Content-Type", "Content-Length", "If-Match", "Accept", "Authorization")
_TOLD = ("Content-Type", "ETag", "Location", "Date")
_CHUNK_BYTES = 64 * 1024
_CHANGED = ("changed", "added", "deleted", "no longer", "Added")
TIMEOUT = aiohttp.ClientTimeout(total=120)


class HeldClock(SandboxClock):
    """The sandbox's clock, and RT's with it."""

    def __init__(self, rt: Rt, start: datetime) -> None:
        super().__init__(start)
        self._rt = rt
        rt.hold(start)

    def advance(self, seconds: float) -> datetime:
        now = super().advance(seconds)
        self._rt.hold(now)
        return now


class RtProxy(RtSandbox):
    """RT itself, seen as the conformance kit sees a sandbox."""

    def __init__(self, rt: Rt, clock: SandboxClock) -> None:
        self._rt = rt
        self._http: aiohttp.ClientSession | None = None
        self._made: list[str] = []
        self._is_locked = False
        self._earlier: dict[str, str] = {}
        super().__init__(RtSandboxSettings(clock=clock, token=rt.tokens["syncd"]))

    def build(self) -> list[Operation]:
        return [
            Operation(
                name=one.name, method=one.method, path=one.path, handler=self._passed,
                reads=one.reads, lists=one.lists, streams=one.streams,
            )
            for one in super().build()
        ]  # fmt: skip

    # --- calls -----------------------------------------------------------------------------------

    async def _passed(self, call: Call) -> Answer:
        """Pass a call on and its answer back; note what it did. Files are not held."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False)
        request = call.request
        is_form = request.content_type.startswith("multipart/")
        if not call.body and request.can_read_body and not is_form:
            call.body = await request.read()
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        url = f"{self._rt.base_url}{request.raw_path}"
        async with self._http.request(
            request.method, URL(url, encoded=True), headers=headers, allow_redirects=False,
            data=request.content if is_form else call.body or None,
        ) as got:  # fmt: skip
            told = {name: got.headers[name] for name in _TOLD if name in got.headers}
            if call.name == "download" and call.fault is None:
                return await _streamed(request, got, told)
            body = await got.read()
            if 200 <= got.status < 300 and call.operation is not None and not call.operation.reads:
                self._effect(call, body, told.get("Location", ""))
            return web.Response(status=got.status, body=body, headers=told)

    def _effect(self, call: Call, body: bytes, location: str) -> None:
        who = call.client(self.settings.client_user)
        number = location.rpartition("/")[2]
        match call.name:
            case "create_ticket":
                self._made.append(number)
                self._note_effect("ticket_created", number, who)
            case "update_ticket":
                said = " ".join(orjson.loads(body))
                if any(word in said for word in _CHANGED):
                    is_status = "Status changed" in said
                    what = "status_changed" if is_status else "field_changed"
                    self._note_effect(what, call.params["ticket"], who)
            case _:
                is_file = call.request.content_type.startswith("multipart/")
                what = "attachment_added" if is_file else "comment_added"
                self._note_effect(what, call.params["ticket"], who)

    def _note_effect(self, what: str, ticket: str, who: Who) -> None:
        self.record.add(what, who, ticket=ticket, number=ticket)

    async def stop(self) -> None:
        if self._is_locked:
            self.person_locks_login(False)
        if self._http is not None:
            await self._http.close()
        await super().stop()

    @property
    def app(self) -> web.Application:
        made = super().app
        made._client_max_size = 200 * 1024 * 1024
        return made

    def credential_state(self, credential: str) -> TokenState:
        # RT itself says what it thinks of a token.
        return TokenState.VALID

    # --- people, as REST2 lets them act ----------------------------------------------------------

    def _as(self, by: str, method: str, path: str, body: object, **more: Any) -> tuple[Any, Any]:
        login = by if by in self._rt.tokens else "anna"
        status, told, headers = self._rt.call(method, path, body, login=login, **more)
        assert status in (200, 201), f"{method} {path}: {status} {told!r:.300}"
        return told, headers

    def person_creates(self, fields: Mapping[str, str], by: str = "anna") -> str:
        own = {"External ID", "Severity", "Vendor Ref", "Carrier"}
        body: dict[str, Any] = {"Queue": "Support"}
        body |= {name: value for name, value in fields.items() if name not in own}
        body["CustomFields"] = {name: value for name, value in fields.items() if name in own}
        body |= {"ContentType": "text/plain"} if "Content" in body else {}
        told, _ = self._as(by, "POST", "/ticket", body)
        self._made.append(str(told["id"]))
        return str(told["id"])

    def person_updates(self, ticket: str, fields: Mapping[str, str], by: str = "anna") -> None:
        said, _ = self._as(by, "PUT", f"/ticket/{ticket}", dict(fields))
        assert any(word in " ".join(said) for word in _CHANGED), said

    def person_comments(
        self, ticket: str, text: str, by: str = "anna", *, internal: bool = False,
        html: bool = False,
    ) -> str:  # fmt: skip
        way = "comment" if internal else "correspond"
        body = {"Content": text, "ContentType": "text/html" if html else "text/plain"}
        _, headers = self._as(by, "POST", f"/ticket/{ticket}/{way}", body)
        return str(headers["Location"]).rpartition("/")[2]

    def person_attaches(
        self, ticket: str, name: str, content: bytes | Path,
        content_type: str = "application/octet-stream", by: str = "anna", *,
        internal: bool = False,
    ) -> str:  # fmt: skip
        told = content.read_bytes() if isinstance(content, Path) else content
        kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        head = (
            '--x\r\nContent-Disposition: form-data; name="JSON"\r\n\r\n{}\r\n--x\r\n'
            f'Content-Disposition: form-data; name="Attachments"; filename="{name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        )
        way = "comment" if internal else "correspond"
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        _, headers = self._as(
            by, "POST", f"/ticket/{ticket}/{way}", None,
            raw=head.encode() + told + b"\r\n--x--\r\n", headers=form,
        )  # fmt: skip
        return str(headers["Location"]).rpartition("/")[2]

    def person_sets_status(
        self, ticket: str, status: str, by: str = "anna", text: str | None = None
    ) -> None:
        if text:
            self.person_comments(ticket, text, by)
        self.person_updates(ticket, {"Status": status}, by)

    def person_removes(self, ticket: str, by: str = "anna") -> None:
        """Shred it, as an administrator does on RT's own machine."""
        del by
        self._rt.shred(ticket)
        self._made = [one for one in self._made if one != ticket]

    def person_locks_login(self, is_locked: bool = True) -> None:
        """Disable the API user; or let it in again."""
        user = {"Disabled": int(is_locked)}
        self._as("root", "PUT", "/user/syncd", user)
        self._is_locked = is_locked

    def person_merges(self, ticket: str, target: str, by: str = "anna") -> None:
        self._as(by, "PUT", f"/ticket/{ticket}", {"MergeInto": target})

    def begins(self) -> None:
        """Leave what was done so far out of `whole`."""
        self._earlier = {str(one["id"]): one["LastUpdated"] for one in self._rows()}

    def whole(self) -> list[dict[str, Any]]:
        """Read RT's tickets as they are, by nothing of syncd."""
        return [
            self._ticket(one)
            for one in self._rows()
            if self._earlier.get(str(one["id"])) != one["LastUpdated"]
        ]

    def _rows(self) -> list[dict[str, Any]]:
        path = "/tickets?query=id%3E0&fields=Subject,Status,LastUpdated&per_page=100&page="
        found: list[dict[str, Any]] = []
        for page in range(1, 50):
            told, _ = self._as("root", "GET", f"{path}{page}", None)
            found += told["items"]
            if page >= told["pages"]:
                break
        return found

    def _ticket(self, row: Mapping[str, Any]) -> dict[str, Any]:
        number = str(row["id"])
        path = f"/ticket/{number}/history?fields=Type,Creator,_hyperlinks&per_page=100&page="
        entries: list[dict[str, Any]] = []
        for page in range(1, 50):
            told, _ = self._as("root", "GET", f"{path}{page}", None)
            entries += told["items"]
            if len(told["items"]) < 100:
                break
        made: dict[str, Any] = {"id": number, "status": row["Status"], "title": row["Subject"]}
        made |= {"comments": [], "attachments": []}
        for entry in entries:
            if entry["Type"] in ("Create", "Correspond", "Comment"):
                self._add_parts(made, entry)
        return made

    def _add_parts(self, made: dict[str, Any], entry: Mapping[str, Any]) -> None:
        kind, by = entry["Type"].lower(), entry["Creator"]["id"]
        for link in entry["_hyperlinks"]:
            if link["ref"] != "attachment":
                continue
            part, _ = self._as(
                "root", "GET", "/attachment/" + link["_url"].rpartition("/")[2], None
            )
            content = base64.b64decode(part.get("Content") or "")
            if part.get("Filename"):
                digest = hashlib.sha256(content).hexdigest()
                made["attachments"].append({"sha256": digest, "kind": kind, "by": by})
            elif content and kind != "create":
                text = content.decode()
                made["comments"].append({"text": text, "kind": kind, "by": by})

    def tickets(self) -> list[dict[str, Any]]:
        return [{"id": one, "number": one} for one in dict.fromkeys(self._made)]

    @property
    def acts(self) -> dict[str, Callable[..., Any]]:
        return {"create": self.person_creates}

    def _guarded(self, handler: Handler) -> Handler:
        return handler


async def _streamed(
    request: web.Request, got: aiohttp.ClientResponse, told: Mapping[str, str]
) -> web.StreamResponse:
    answer = web.StreamResponse(status=got.status, headers=told)
    answer.content_length = got.content_length
    await answer.prepare(request)
    async for chunk in got.content.iter_chunked(_CHUNK_BYTES):
        await answer.write(chunk)
    await answer.write_eof()
    return answer


__all__ = ["CANNOT_LAG", "KINDS", "LOGIN_PAGE", "HeldClock", "RtProxy", "person"]
