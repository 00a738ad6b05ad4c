"""The RT sandbox itself: its calls put together, and what people there can do."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from syncd.sandbox.calls import Answer, Call, Handler, Operation, json_answer
from syncd.sandbox.clock import iso
from syncd.sandbox.faults import ENVELOPE_KINDS, FaultKind
from syncd.sandbox.record import person
from syncd.sandbox.rt.calls import RtCalls
from syncd.sandbox.rt.model import Ticket, rt_date, text_of
from syncd.sandbox.rt.settings import RtSandboxSettings
from syncd.sandbox.rt.state import Tickets
from syncd.sandbox.rt.views import Views
from syncd.sandbox.server import Sandbox
from syncd.sandbox.tokens import TokenState

AGENT = "anna"
"""Who acts here when nobody is named."""
KINDS = frozenset(FaultKind) - ENVELOPE_KINDS - {FaultKind.EXPIRED_TOKEN}
"""RT's tokens do not expire by themselves."""
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Login</title></head><body>Login</body></html>"
_MEMBERS = {"Subject": "subject", "Priority": "priority", "Owner": "owner", "Queue": "queue"}


class RtSandbox(Sandbox):
    """One RT with some queues, an API user and its staff.

    Fields have RT's names (`Subject`, `Queue`, `Priority`, `Owner`, `Requestor`, `Status`) or that
    of a custom field.
    """

    def __init__(self, settings: RtSandboxSettings | None = None) -> None:
        self.settings = settings or RtSandboxSettings()
        super().__init__(self.settings, KINDS)

    def build(self) -> list[Operation]:
        self.store = Tickets(self.settings, self.clock, self.record)
        views = Views(self.settings, lambda: self.base_url)
        calls = RtCalls(self.settings, self.store, self.bodies, views, self.violation)
        return calls.table(self._guarded)

    # --- people ----------------------------------------------------------------------------------

    def person_creates(self, fields: Mapping[str, str], by: str = AGENT) -> str:
        """Open a ticket; `Content` is what it says. Return its id."""
        known = {member: fields[name] for name, member in _MEMBERS.items() if name in fields}
        known.setdefault("queue", self.settings.queues[0].name)
        if "Status" in fields:
            known["status"] = fields["Status"]
        requestors = [fields["Requestor"]] if fields.get("Requestor") else []
        names = {one.name for one in self.settings.custom_fields}
        custom = {name: value for name, value in fields.items() if name in names}
        text = fields.get("Content")
        made = self.store.create(
            known, person(by, internal=True), requestors=requestors, custom=custom, text=text
        )
        return str(made.id)

    def person_updates(self, ticket: str, fields: Mapping[str, str], by: str = AGENT) -> None:
        """Change fields."""
        for name, value in fields.items():
            found = self.store.need(ticket)
            if name in _MEMBERS:
                self.store.set_field(found, _MEMBERS[name], value, person(by, internal=True))
            elif name == "Requestor":
                self.store.set_requestors(
                    found, [value] if value else [], person(by, internal=True)
                )
            else:
                self.store.set_custom(found, name, value, person(by, internal=True))

    def person_comments(
        self, ticket: str, text: str, by: str = AGENT, *, internal: bool = False, html: bool = False
    ) -> str:
        """Reply, or comment when `internal`; return the transaction's id."""
        way, kind = "comment" if internal else "correspond", "text/html" if html else "text/plain"
        entry = self.store.say(
            self.store.need(ticket), way, text, person(by, internal=True), content_type=kind
        )
        return str(entry.id)

    def person_attaches(
        self,
        ticket: str,
        name: str,
        content: bytes | Path,
        content_type: str = "application/octet-stream",
        by: str = AGENT,
        *,
        internal: bool = False,
    ) -> str:
        """Add a file with a reply that says nothing, or a comment; return its id."""
        body = self.bodies.keep(content)
        way = "comment" if internal else "correspond"
        files = [(name, content_type, body, body.size_bytes)]
        entry = self.store.say(
            self.store.need(ticket), way, None, person(by, internal=True), files=files
        )
        return f"{entry.id}-{entry.parts[-1].id}"

    def person_sets_status(
        self, ticket: str, status: str, by: str = AGENT, text: str | None = None
    ) -> None:
        """Set any status; a `text` is a reply that goes before."""
        if text:
            self.person_comments(ticket, text, by)
        self.store.set_status(self.store.need(ticket), status, person(by, internal=True))

    def person_merges(self, ticket: str, target: str, by: str = AGENT) -> None:
        """Merge a ticket into another."""
        self.store.merge(
            self.store.need(ticket), self.store.need(target), person(by, internal=True)
        )

    def person_removes(self, ticket: str, by: str = AGENT) -> None:
        """Make a ticket vanish, as the shredder does."""
        self.store.remove(self.store.need(ticket), person(by, internal=True))

    @property
    def acts(self) -> dict[str, Callable[..., Any]]:
        return {
            "create": self.person_creates,
            "update": self.person_updates,
            "comment": self.person_comments,
            "attach": self.person_attaches,
            "status": self.person_sets_status,
            "merge": self.person_merges,
            "remove": self.person_removes,
            "lock_login": self.person_locks_login,
        }

    def tickets(self) -> list[dict[str, Any]]:
        return [_dump(one) for one in self.store.all() if one.merged_into is None]

    # --- answers ---------------------------------------------------------------------------------

    def credential(self, request: web.Request) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "token" and token.strip() else None

    def credential_state(self, credential: str) -> TokenState:
        is_good = credential == self.settings.token and not self.tokens.is_locked
        return TokenState.VALID if is_good else TokenState.UNKNOWN

    def refuse_path(self, call: Call) -> Answer:
        del call
        return self._error(404, "Not Found")

    def refuse_token(self, call: Call, state: TokenState | None) -> Answer:
        del state
        if call.name == "download":
            return web.Response(body=LOGIN_PAGE, content_type="text/html")
        return self._error(401, "Unauthorized")

    def refuse_rate(self, call: Call) -> Answer:
        del call
        return self._error(429, "Too Many Requests")

    def refuse_size(self, call: Call) -> Answer:
        del call
        return self._error(413, "Request Entity Too Large")

    def fail(self, call: Call, status: int) -> Answer:
        del call
        return self._error(status, "Internal Server Error")

    def drift(self, call: Call) -> None:
        """Let a ticket appear."""
        self.person_creates({"Subject": f"Drift {call.number}"}, "dag")

    def settled_at(self, call: Call) -> datetime | None:
        is_list = call.operation is not None and call.operation.lists
        lag_s = self.settings.list_lag_s if is_list else self.settings.read_lag_s
        return call.look_back(self.clock.now(), lag_s)

    def _guarded(self, handler: Handler) -> Handler:
        async def dated(call: Call) -> Answer:
            return self._dated(await handler(call))

        return self.guarded(dated, lambda _: None, lambda _: 0)

    def _dated(self, answer: Answer) -> Answer:
        """Tell this world's time, as a web server does with every answer."""
        if not answer.prepared:
            at = self.clock.now().astimezone(UTC).replace(microsecond=0)
            answer.headers["Date"] = format_datetime(at, usegmt=True)
        return answer

    def _error(self, status: int, message: str) -> Answer:
        return self._dated(json_answer({"message": message}, status))


def _dump(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": str(ticket.id),
        "number": str(ticket.id),
        "created_at": iso(ticket.created),
        "created_by": ticket.creator,
        "actor": ticket.who.actor,
        "status": ticket.status,
        "queue": ticket.queue,
        "owner": ticket.owner,
        "requestors": list(ticket.requestors),
        "resolved": rt_date(ticket.resolved),
        "fields": {
            "Subject": ticket.subject,
            "Priority": ticket.priority,
            "Content": text_of(ticket.entries[0]),
            **ticket.custom,
        },
        "comments": [
            {
                "id": str(each.id),
                "at": iso(each.created),
                "kind": each.type.lower(),
                "text": text_of(each),
                "by": each.creator,
                "actor": each.who.actor,
            }
            for each in ticket.entries
            if each.type in ("Comment", "Correspond") and text_of(each)
        ],
        "attachments": [
            {
                "id": f"{each.id}-{part.id}",
                "at": iso(each.created),
                "name": part.name,
                "content_type": part.content_type,
                "size": part.body.size_bytes if part.body else 0,
                "sha256": part.body.sha256 if part.body else "",
                "kind": each.type.lower(),
                "by": each.creator,
                "actor": each.who.actor,
            }
            for each, part in ticket.files()
        ],
    }
