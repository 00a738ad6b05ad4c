"""The Telenor sandbox itself: its calls put together, and what people at Telenor can do."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from syncd.sandbox.calls import Answer, Call, Handler, Operation
from syncd.sandbox.clock import iso
from syncd.sandbox.record import person
from syncd.sandbox.server import Sandbox
from syncd.sandbox.telenor.cases import CaseCalls, check_query
from syncd.sandbox.telenor.errors import gateway_error, service_error
from syncd.sandbox.telenor.model import Case
from syncd.sandbox.telenor.oauth import TokenCalls
from syncd.sandbox.telenor.settings import TelenorSandboxSettings
from syncd.sandbox.telenor.state import Cases
from syncd.sandbox.telenor.trees import INCIDENTS, ORDERS
from syncd.sandbox.tokens import TokenState

AGENT = "Tone Telenor"
"""Who acts here when nobody is named."""


class TelenorSandbox(Sandbox):
    """Telenor's Service Ticket API v2, incidents and orders, as telenor.md describes it.

    A person may do what a client may not: set any status, write root causes, close and reopen.
    Tickets are named by technical id or case number.
    """

    def __init__(self, settings: TelenorSandboxSettings | None = None) -> None:
        self.settings = settings or TelenorSandboxSettings()
        super().__init__(self.settings)

    def build(self) -> list[Operation]:
        serials: dict[str, int] = {}
        self.incidents = Cases(INCIDENTS, self.settings, self.clock, self.record, serials)
        self.orders = Cases(ORDERS, self.settings, self.clock, self.record, serials)
        self._trees = (self.incidents, self.orders)
        self.logins = TokenCalls(self.settings, self.tokens)
        return [
            Operation(
                name="token",
                method="POST",
                path="/oauth/v2/token",
                handler=self.logins.token,
                is_open=True,
            ),
            Operation(
                name="logout",
                method="GET",
                path="/oauth/v2/logout",
                handler=self.logins.logout,
                reads=True,
            ),
            *(
                operation
                for tree in self._trees
                for operation in CaseCalls(self.settings, tree, self.bodies).table(self._guarded)
            ),
        ]

    # --- people ----------------------------------------------------------------------------------

    def person_creates(
        self,
        fields: Mapping[str, Any],
        by: str = AGENT,
        *,
        internal: bool = True,
        kind: str = INCIDENTS.name,
    ) -> str:
        """Open an incident, or an order, with the document's field names; return its technical id.

        `contact`, `localContact` and `installationAddress` are objects. `internal` False makes the
        author a customer.
        """
        trees = {tree.tree.name: tree for tree in self._trees}
        return trees[kind].create(fields, person(by, internal=internal)).id

    def person_updates(
        self, ticket: str, fields: Mapping[str, Any], by: str = AGENT, *, internal: bool = True
    ) -> None:
        """Change fields, root cause and assignment included."""
        tree, case = self._need(ticket)
        tree.update(case, fields, person(by, internal=internal))

    def person_comments(
        self, ticket: str, text: str, by: str = AGENT, *, internal: bool = True
    ) -> str:
        """Add a remark, as an agent (`internal`) or a customer; return its id."""
        tree, case = self._need(ticket)
        return tree.comment(case, text, person(by, internal=internal)).id

    def person_attaches(
        self,
        ticket: str,
        name: str,
        content: bytes | Path,
        content_type: str = "application/octet-stream",
        by: str = AGENT,
        *,
        internal: bool = True,
    ) -> str:
        """Add a file; a Path is served from where it lies, not copied. Return its id."""
        body = self.bodies.keep(content)
        tree, case = self._need(ticket)
        return tree.attach(case, name, content_type, body, person(by, internal=internal)).id

    def person_deletes_attachment(self, ticket: str, attachment: str, by: str = AGENT) -> None:
        """Delete a file by its id."""
        tree, case = self._need(ticket)
        found = [each for each in case.attachments if each.id == attachment]
        if not found:
            raise LookupError(f"no attachment {attachment}")
        tree.detach(case, found[0], person(by, internal=True))

    def person_sets_status(
        self,
        ticket: str,
        status: str,
        by: str = AGENT,
        text: str | None = None,
        *,
        internal: bool = True,
    ) -> None:
        """Set any status, known to clients or not."""
        tree, case = self._need(ticket)
        tree.set_status(case, status, person(by, internal=internal), text)

    def person_removes(self, ticket: str, by: str = AGENT) -> None:
        """Make a ticket vanish."""
        tree, case = self._need(ticket)
        tree.remove(case, person(by, internal=True))

    @property
    def acts(self) -> dict[str, Callable[..., Any]]:
        return {
            "create": self.person_creates,
            "update": self.person_updates,
            "comment": self.person_comments,
            "attach": self.person_attaches,
            "delete_attachment": self.person_deletes_attachment,
            "status": self.person_sets_status,
            "remove": self.person_removes,
            "lock_login": self.person_locks_login,
        }

    def tickets(self) -> list[dict[str, Any]]:
        return [_dump(case, tree.tree.name) for tree in self._trees for case in tree.all()]

    # --- answers ---------------------------------------------------------------------------------

    def refuse_path(self, call: Call) -> Answer:
        return self._error(call, "404001", call.request.path)

    def refuse_token(self, call: Call, state: TokenState | None) -> Answer:
        # The gateway misses the header before the service sees the call (section 9).
        return gateway_error("40102") if state is None else self._error(call, "401003")

    def refuse_rate(self, call: Call) -> Answer:
        return gateway_error("42902" if call.number % 2 else "42901")

    def refuse_size(self, call: Call) -> Answer:
        return self._error(call, "400002", "the body is too large")

    def fail(self, call: Call, status: int) -> Answer:
        code = {500: "500001", 503: "503001"}.get(status)
        if code is not None:
            return self._error(call, code)
        answer = gateway_error("50001")
        answer.set_status(status)
        return answer

    def drift(self, call: Call) -> None:
        """Add a remark to the oldest ticket, or open one where new ones are listed."""
        tree = self.orders if "order" in (call.name or "") else self.incidents
        cases = tree.all()
        if call.name in ("list_incidents", "list_orders") or not cases:
            fields = {"subject": f"Drift {call.number}"}
            self.person_creates(fields, "Dag Drift", kind=tree.tree.name)
        else:
            self.person_comments(cases[0].id, f"Drift {call.number}", "Dag Drift")

    def settled_at(self, call: Call) -> datetime | None:
        settings = self.settings
        lags_s = {
            tree.tree.operation(name): lag_s
            for tree in self._trees
            for name, lag_s in (
                ("list_incidents", settings.list_lag_s),
                ("count_incidents", settings.list_lag_s),
                ("list_activities", settings.feed_lag_s),
                ("list_incident_activities", settings.feed_lag_s),
            )
        }
        lag_s = lags_s.get(call.name or "", settings.read_lag_s)
        if call.name in ("list_incidents", "list_orders") and call.request.query.get("search"):
            lag_s = settings.search_lag_s
        return call.look_back(self.clock.now(), lag_s)

    def _need(self, ticket: str) -> tuple[Cases, Case]:
        """Find a ticket in either tree, for people: ids and numbers are unique over both."""
        for tree in self._trees:
            case = tree.find(ticket)
            if case is not None:
                return tree, case
        raise LookupError(f"no ticket {ticket}")

    def _guarded(self, handler: Handler) -> Handler:
        return self.guarded(handler, check_query, self._shape)

    def _shape(self, call: Call) -> int:
        return call.number if self.settings.oddities else 0

    def _error(self, call: Call, code: str, detail: str = "") -> Answer:
        return service_error(code, detail, self._shape(call))


def _dump(case: Case, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": case.id,
        "number": case.number,
        "created_at": iso(case.created_at),
        "created_by": case.created_by.by,
        "actor": case.created_by.actor,
        "status": case.status,
        "status_reason": case.status_reason,
        "closed_at": iso(case.closed_at) if case.closed_at else None,
        "fields": dict(case.fields),
        "contact": case.contact,
        "local_contact": case.local_contact,
        "comments": [
            {
                "id": each.id,
                "at": iso(each.at),
                "kind": "comment",
                "text": each.text,
                "by": each.who.by,
                "actor": each.who.actor,
            }
            for each in case.comments
        ],
        "attachments": [
            {
                "id": each.id,
                "at": iso(each.at),
                "name": each.name,
                "content_type": each.content_type,
                "size": each.body.size_bytes,
                "sha256": each.body.sha256,
                "by": each.who.by,
                "actor": each.who.actor,
            }
            for each in case.attachments
        ],
    }
