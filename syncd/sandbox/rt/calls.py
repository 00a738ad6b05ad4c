"""The calls of REST2 that clients use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from aiohttp import BodyPartReader, web

from syncd.sandbox import calls
from syncd.sandbox.bodies import Bodies, StoredBody
from syncd.sandbox.calls import Answer, Call, Handler, Operation, json_answer
from syncd.sandbox.rt.model import NOBODY, Part, Ticket
from syncd.sandbox.rt.settings import PAGE_MAX, ROOT, Queue, RtSandboxSettings
from syncd.sandbox.rt.sql import Query, SqlError
from syncd.sandbox.rt.state import SUBJECT_MAX, Tickets
from syncd.sandbox.rt.views import Json, UnknownField, Views

T = TypeVar("T")
PIECE_BYTES = 256 * 1024
JSON_MAX_BYTES = 1024 * 1024
TICKET_KEYS = frozenset(
    ("Queue", "Subject", "Status", "Priority", "Owner", "Requestor", "CustomFields")
)
MESSAGE_KEYS = frozenset(
    ("Content", "ContentType", "Subject", "TxnCustomFields", "Status", "TimeTaken", "CustomFields")
)
COLLECTION = frozenset({"page", "per_page", "orderby", "order", "fields", "query"})
Note = Callable[[Call, str, str], None]
"""Says that a call did what RT answers well and does not do: rule and detail."""


ERROR_PAGE = b"<!DOCTYPE html><html><head><title>RT Error</title></head><body>?</body></html>"


class Refusal(calls.Refusal):
    """A call is refused with an HTTP status; a page for people where `is_page`."""

    def __init__(
        self, status: int, message: str, rule: str | None = None, *, is_page: bool = False
    ) -> None:
        super().__init__(f"{status}", message, rule)
        self.status = status
        self.is_page = is_page

    def answer(self, shape: int) -> Answer:
        del shape
        if self.is_page:
            return web.Response(body=ERROR_PAGE, status=self.status, content_type="text/html")
        return json_answer({"message": self.detail}, self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    name: str
    content_type: str
    body: StoredBody


class RtCalls:
    """Carry out calls on the tickets kept."""

    def __init__(
        self,
        settings: RtSandboxSettings,
        tickets: Tickets,
        bodies: Bodies,
        views: Views,
        note: Note,
    ) -> None:
        self._settings = settings
        self._tickets = tickets
        self._bodies = bodies
        self._views = views
        self._note = note
        self._queues = {one.name.casefold(): one for one in settings.queues}
        self._custom = {one.name.casefold(): one for one in settings.custom_fields}

    def table(self, guard: Callable[[Handler], Handler]) -> list[Operation]:
        """Return the calls in look-up order; `guard` turns refusals into answers."""
        one = f"{ROOT}/ticket/{{ticket}}"
        rows: list[tuple[str, str, str, Handler, dict[str, Any]]] = [
            ("version", "GET", f"{ROOT}/rt", self.version, {"reads": True}),
            ("list_queues", "GET", f"{ROOT}/queues/all", self.list_queues, {"reads": True}),
            ("get_queue", "GET", f"{ROOT}/queue/{{queue}}", self.queue, {"reads": True}),
            ("list_tickets", "GET", f"{ROOT}/tickets", self.search, {"reads": True, "lists": True}),
            ("create_ticket", "POST", f"{ROOT}/ticket", self.create, {}),
            ("get_ticket", "GET", one, self.get, {"reads": True}),
            ("update_ticket", "PUT", one, self.update, {}),
            ("history", "GET", f"{one}/history", self.history, {"reads": True}),
            ("attachments", "GET", f"{one}/attachments", self.attachments, {"reads": True}),
            ("add_correspond", "POST", f"{one}/correspond", self.say, {"streams": True}),
            ("add_comment", "POST", f"{one}/comment", self.say, {"streams": True}),
            ("download", "GET", "/Ticket/Attachment/{entry}/{part}/{name}", self.download,
             {"reads": True}),
            ("lifecycles", "GET", "/Search/Build.html", self.search_form, {"reads": True}),
        ]  # fmt: skip
        return [
            Operation(name=name, method=method, path=path, handler=guard(handler), **options)
            for name, method, path, handler, options in rows
        ]

    # --- reads -----------------------------------------------------------------------------------

    async def version(self, call: Call) -> Answer:
        del call
        return json_answer({"Version": "5.0.3+sandbox"})

    async def list_queues(self, call: Call) -> Answer:
        return self._page(call, self._settings.queues, self._views.queue_item, totals=False)

    async def queue(self, call: Call) -> Answer:
        return json_answer(self._views.queue(self._queue(call.params["queue"])))

    async def search_form(self, call: Call) -> Answer:
        del call
        return web.Response(text=self._views.search_form(), content_type="text/html")

    async def search(self, call: Call) -> Answer:
        asked = call.request.query.get("query", "")
        try:
            query = Query(asked, self._settings.client_zone_h)
        except (SqlError, ValueError) as err:
            raise Refusal(400, str(err), "TicketSQL") from err
        if query.bad_dates:
            self._note(call, "TicketSQL dates", f"{query.bad_dates} become 1970")
        found = [
            one
            for one in self._tickets.all(call.seen_at)
            if one.status != "deleted" and one.merged_into is None and query.test(one)
        ]
        fields = _fields(call)
        return self._page(
            call, self._ordered(call, found), lambda one: self._views.ticket_item(one, fields),
            totals=True,
        )  # fmt: skip

    def _ordered(self, call: Call, found: list[Ticket]) -> list[Ticket]:
        names = call.request.query.getall("orderby", [])
        orders = [one.upper() for one in call.request.query.getall("order", [])]
        members = {"id": "id", "LastUpdated": "updated", "Created": "created"}
        for place in reversed(range(len(names))):
            if names[place] not in members:
                self._note(call, "orderby", f"{names[place]}: no items")
                return []
            member = members[names[place]]
            is_down = place < len(orders) and orders[place] == "DESC"
            found.sort(key=lambda one: getattr(one, member), reverse=is_down)
        return found

    async def get(self, call: Call) -> Answer:
        ticket = self._ticket(call)
        more = call.request.query.get("fields[Queue]", "").split(",")
        return json_answer(self._views.ticket(ticket, more), headers={"ETag": _etag(ticket)})

    async def history(self, call: Call) -> Answer:
        ticket = self._tickets.get(_number(call.params["ticket"]), call.seen_at)
        entries = ticket.entries if ticket else ()
        fields, names = _fields(call), "fields[Creator]" in call.request.query
        return self._page(
            call, entries, lambda one: self._views.entry_item(one, fields, names=names),
            totals=self._settings.tells_totals,
        )  # fmt: skip

    async def attachments(self, call: Call) -> Answer:
        ticket = self._tickets.get(_number(call.params["ticket"]), call.seen_at)
        parts = [part for one in (ticket.entries if ticket else ()) for part in one.parts]
        terms = orjson.loads(call.request.query.get("query", "[]"))
        if terms:
            parts = [part for part in parts if any(_fits(part, term) for term in terms)]
        fields = _fields(call)
        return self._page(
            call, parts, lambda one: self._views.part_item(one, fields),
            totals=self._settings.tells_totals,
        )  # fmt: skip

    async def download(self, call: Call) -> Answer:
        entry, number = _number(call.params["entry"]), _number(call.params["part"])
        for ticket in self._tickets.all(call.seen_at):
            for one, part in ticket.files():
                if (one.id, part.id) == (entry, number) and part.body is not None:
                    return await _streamed(call, part, part.body)
        raise Refusal(404, "there is no such file", is_page=True)

    # --- writes ----------------------------------------------------------------------------------

    async def create(self, call: Call) -> Answer:
        body = self._json(call, call.body, TICKET_KEYS | {"Content", "ContentType"})
        if not body.get("Queue"):
            raise Refusal(400, "Could not create ticket. Queue not set", "create")
        name = str(body["Queue"])
        queue = self._queue(name, f"No permission to create tickets in the queue '{name}'")
        status = body.get("Status")
        if status is not None and status not in self._settings.lifecycle:
            raise Refusal(400, f"Status '{status}' isn't a valid status for tickets in this queue.")
        owner = str(body.get("Owner") or "")
        if owner and owner not in (*self._settings.owners, NOBODY):
            self._note(call, "create", f"owner {owner} is left out")
            owner = ""
        custom = {
            name: value
            for name, value in self._customs(call, body).items()
            if value and self._takes(call, name, value)
        }
        self._check_text(call, body)
        made = self._tickets.create(
            {
                "queue": queue.name,
                "subject": str(body.get("Subject", "")),
                "status": str(status or ""),
                "priority": _priority(body.get("Priority")),
                "owner": owner,
            },
            call.client(self._settings.client_user),
            requestors=_people(body.get("Requestor")),
            custom=custom,
            text=_said(body),
        )
        answer = json_answer(self._views.made(made), 201)
        answer.headers["Location"] = f"{ROOT}/ticket/{made.id}"
        return answer

    async def update(self, call: Call) -> Answer:
        ticket = self._tickets.get(_number(call.params["ticket"]))
        if ticket is None:
            raise Refusal(404, "Resource does not exist; use POST to create")
        wanted = call.request.headers.get("If-Match")
        if wanted is None:
            self._note(call, "If-Match", "an update that is not conditional")
        elif wanted != _etag(ticket):
            raise Refusal(412, "Precondition Failed")
        body = self._json(call, call.body, TICKET_KEYS)
        return json_answer(list(self._updated(call, ticket.id, body)))

    def _updated(self, call: Call, number: int, body: Json) -> list[str]:
        who, said = call.client(self._settings.client_user), []
        for member in ("Priority", "Queue", "Subject", "Owner"):
            if member in body:
                ticket = self._tickets.need(str(number))
                said += self._set(call, ticket, member, body[member])
        if "Requestor" in body:
            people = _people(body["Requestor"])
            self._tickets.set_requestors(self._tickets.need(str(number)), people, who)
            said.append("Requestors changed")
        for name, value in self._customs(call, body).items():
            if not value or self._takes(call, name, value):
                ticket = self._tickets.need(str(number))
                self._tickets.set_custom(ticket, name, value, who)
                said += _custom_said(name, ticket.custom.get(name, ""), value)
            else:
                said.append("Invalid value for custom field")
        if "Status" in body:
            ticket, status = self._tickets.need(str(number)), str(body["Status"])
            if status not in self._settings.lifecycle.get(ticket.status, ()):
                if status != ticket.status:
                    said.append(
                        f"Ticket {number}: Status '{status}' isn't a valid status for this ticket."
                    )
            else:
                self._tickets.set_status(ticket, status, who)
                said.append(f"Ticket {number}: Status changed from '{ticket.status}' to '{status}'")
        return said

    def _set(self, call: Call, ticket: Ticket, member: str, value: Any) -> list[str]:
        who, text, named = call.client(self._settings.client_user), str(value), member.lower()
        prefix = f"Ticket {ticket.id}:"
        if member == "Queue":
            queue = self._queues.get(text.casefold())
            if queue is None:
                return [f"{prefix} Queue {text} does not exist"]
            text = queue.name
        if member == "Owner" and text not in (*self._settings.owners, NOBODY):
            return [f"{prefix} That user does not exist"]
        if member == "Priority":
            if not text.isdecimal():
                self._note(call, "Priority", f"{text!r} becomes 0")
            text = _priority(text)
        if member == "Subject" and (len(text) > SUBJECT_MAX or "\n" in text):
            self._note(call, "Subject", "it is cut")
        after = self._tickets.set_field(ticket, named, text, who)
        if getattr(after, named) == getattr(ticket, named):
            return []
        old = getattr(ticket, named)
        if member == "Owner":
            return [f"{prefix} Owner changed from {old} to {text}"]
        if member == "Priority":
            old, text = _priority_word(old), _priority_word(text)
        return [f"{prefix} {member} changed from '{old}' to '{text}'"]

    async def say(self, call: Call) -> Answer:
        way = (call.name or "").removeprefix("add_")
        if call.request.content_type == "multipart/form-data":
            body, files = await self._form(call)
        else:
            call.body = await call.request.read()
            body, files = self._json(call, call.body, MESSAGE_KEYS), []
        ticket = self._tickets.get(_number(call.params["ticket"]))
        if ticket is None:
            raise Refusal(400, "Permission Denied")
        text = _said(body)
        if text is not None and not body.get("ContentType"):
            raise Refusal(400, "ContentType is a required field for application/json", "messages")
        if text is None and not files:
            self._note(call, "messages", "a message without text")
        self._check_text(call, body)
        said = ["Correspondence added" if way == "correspond" else "Comments added"]
        key, more = self._key(call, body)
        who = call.client(self._settings.client_user)
        kept = [self._kept(call, one) for one in files]
        entry = self._tickets.say(
            ticket, way, text, who, files=kept, key=key,
            content_type=str(body.get("ContentType") or "text/plain"),
        )  # fmt: skip
        for one, (_, _, stored, _) in zip(files, kept, strict=True):
            if stored.sha256 != one.body.sha256 and len(files) == 1:
                kind = self._settings.long_attachments.capitalize()
                self._tickets.told_cut(ticket, f"Attachment{kind}", who)
        answer = json_answer([*said, *more], 201)
        answer.headers["Location"] = f"{ROOT}/transaction/{entry.id}"
        return answer

    def _key(self, call: Call, body: Json) -> tuple[str, list[str]]:
        key, said = "", []
        for name, value in (body.get("TxnCustomFields") or {}).items():
            if name == self._settings.transaction_field:
                key = str(value)
                said.append("Custom fields updated")
            else:
                self._note(call, "TxnCustomFields", f"{name} is left out")
                said.append(f"Unable to load transaction custom field: {name}")
        return key, said

    async def _form(self, call: Call) -> tuple[Json, list[_File]]:
        body: Json | None = None
        files: list[_File] = []
        reader = await call.request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "JSON":
                told = bytes(await part.read(decode=False))[:JSON_MAX_BYTES]
                body = self._json(call, told, MESSAGE_KEYS)
            elif part.name == "Attachments":
                files.append(await self._received(part))
        if body is None:
            raise Refusal(400, "JSON is a required field for multipart/form-data", "messages")
        for one in files:
            if one.body.size_bytes == 0:
                why = "FileContent is a required field for each attachment in Attachments"
                raise Refusal(400, why, "files")
            if not one.name or '"' in one.name:
                raise Refusal(500, "Internal Server Error", "file names")
        return body, files

    async def _received(self, part: BodyPartReader) -> _File:
        writer = self._bodies.writer()
        while piece := await part.read_chunk(PIECE_BYTES):
            await writer.write(piece)
        body = await writer.finish()
        kind = part.headers.get("Content-Type", "application/octet-stream")
        return _File(name=part.filename or "", content_type=kind, body=body)

    def _kept(self, call: Call, file: _File) -> tuple[str, str, StoredBody, int]:
        """Keep a file as RT does: it may recode a text, and cut or drop what is too long."""
        body, limit = file.body, self._settings.attachment_max_bytes
        size = body.size_bytes
        if file.content_type.startswith("text/") and body.content is not None:
            try:
                body.content.decode()
            except UnicodeDecodeError:
                self._note(call, "files", f"{file.name} is recoded")
                body = self._bodies.keep(body.content.decode("latin-1").encode())
        if size > limit and self._settings.long_attachments != "keep" and body.content is not None:
            is_cut = self._settings.long_attachments == "truncate"
            body = self._bodies.keep(
                body.content[:limit] if is_cut else b"Large attachment dropped"
            )
        return file.name, file.content_type, body, size

    # --- pieces ----------------------------------------------------------------------------------

    def _json(self, call: Call, raw: bytes, known: frozenset[str]) -> Json:
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as err:
            raise Refusal(500, "Internal Server Error", "bodies") from err
        if not isinstance(body, dict):
            raise Refusal(400, "JSON object must be a HASH", "bodies")
        if strangers := set(body) - known:
            self._note(call, "bodies", f"left out: {sorted(strangers)}")
        return body

    def _customs(self, call: Call, body: Json) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in (body.get("CustomFields") or {}).items():
            known = self._custom.get(str(name).casefold())
            if known is None:
                self._note(call, "custom fields", f"{name} is left out")
            else:
                found[known.name] = str(value)
        return found

    def _takes(self, call: Call, name: str, value: str) -> bool:
        values = self._custom[name.casefold()].values
        if values and value not in values:
            self._note(call, "custom fields", f"{name} does not take {value}")
            return False
        return True

    def _check_text(self, call: Call, body: Json) -> None:
        if str(body.get("Content", "")) == "0":
            self._note(call, "messages", "the text 0 is stored empty")

    def _queue(self, name: str, said: str = "Forbidden") -> Queue:
        """Find a queue; one that is not there is like one we may not see."""
        for one in self._settings.queues:
            if name.casefold() == one.name.casefold() or name == str(one.id):
                return one
        raise Refusal(403, said)

    def _ticket(self, call: Call) -> Ticket:
        found = self._tickets.get(_number(call.params["ticket"]), call.seen_at)
        if found is None:
            raise Refusal(404, "Not Found")
        return found

    def _page(
        self, call: Call, items: Sequence[T], view: Callable[[T], Json], *, totals: bool
    ) -> Answer:
        query = call.request.query
        strangers = {name for name in query if not name.startswith("fields[")} - COLLECTION
        if strangers:
            self._note(call, "query", f"unknown: {sorted(strangers)}")
        size = min(PAGE_MAX, _number(query.get("per_page", "20")) or 20)
        number = _number(query.get("page", "1")) or 1
        try:
            shown = [view(one) for one in items[(number - 1) * size : number * size]]
        except UnknownField as err:
            raise Refusal(500, "", "fields") from err
        pages = -(-len(items) // size)
        told: Json = {
            "items": shown,
            "count": len(shown),
            "page": number,
            "per_page": size,
            "total": len(items) if totals else None,
            "pages": pages if totals else None,
        }
        if totals and number < pages:
            told["next_page"] = f"{call.request.path}?page={number + 1}"
        return json_answer(told)


def _etag(ticket: Ticket) -> str:
    return f'"{max(one.id for one in ticket.entries)}"'


def _custom_said(name: str, old: str, new: str) -> list[str]:
    if old == new:
        return []
    if not old:
        return [f"{name} {new} added"]
    return [f"{name} {old} changed to {new}" if new else f"{name} {old} deleted"]


def _priority_word(priority: str) -> str:
    """RT says priorities in words, and takes only numbers for sure."""
    number = int(priority)
    return "High" if number >= 100 else "Medium" if number >= 50 else "Low"


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 18 else 0


def _fields(call: Call) -> list[str]:
    return [one for one in call.request.query.get("fields", "").split(",") if one]


def _fits(part: Part, term: Json) -> bool:
    read = {"id": str(part.id), "TransactionId": str(part.transaction), "Filename": part.name}
    return read.get(str(term.get("field"))) == str(term.get("value"))


def _said(body: Json) -> str | None:
    """RT takes an empty text, and `0`, for none."""
    text = str(body.get("Content") or "")
    return None if text in ("", "0") else text


def _people(raw: Any) -> list[str]:
    if raw is None:
        return []
    return [str(one) for one in (raw if isinstance(raw, list) else [raw]) if one]


def _priority(raw: Any) -> str:
    text = str(raw or "0")
    return text if text.isdecimal() else "0"


async def _streamed(call: Call, part: Part, body: StoredBody) -> Answer:
    """Send a file as it is; large ones from where they lie."""
    if body.content is not None:
        return web.Response(body=body.content, headers={"Content-Type": part.content_type})
    answer = web.StreamResponse(headers={"Content-Type": part.content_type})
    answer.content_length = body.size_bytes
    await answer.prepare(call.request)
    if body.path is not None:
        with body.path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                await answer.write(piece)
    await answer.write_eof()
    return answer
