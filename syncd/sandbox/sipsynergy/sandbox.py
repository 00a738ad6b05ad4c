"""The SIP Synergy sandbox itself: its calls put together, and what people there can do."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiohttp import web

from syncd.sandbox.calls import Answer, Call, Handler, Operation
from syncd.sandbox.chance import Chance
from syncd.sandbox.clock import iso
from syncd.sandbox.record import person
from syncd.sandbox.server import Sandbox
from syncd.sandbox.sipsynergy.catalogue import CatalogueCalls
from syncd.sandbox.sipsynergy.errors import Refusal, error
from syncd.sandbox.sipsynergy.model import Ticket
from syncd.sandbox.sipsynergy.oauth import TokenCalls
from syncd.sandbox.sipsynergy.settings import SipSynergySandboxSettings
from syncd.sandbox.sipsynergy.state import ORGANISATION, Tickets, Users
from syncd.sandbox.sipsynergy.tickets import TicketCalls
from syncd.sandbox.sipsynergy.views import Views
from syncd.sandbox.tokens import TokenState

AGENT = "Sam Synergy"
"""Who acts here when nobody is named."""
KEY_HEADER = "X-API-KEY"
DEFAULTS = {
    "organisationHumanId": ORGANISATION,
    "contractHumanId": "CON-1000000000",
    "tenantHumanId": "123",
    "description": "No description",
}
"""What a person's ticket has where they say nothing."""


class SipSynergySandbox(Sandbox):
    """The Tickets Microservice as sipsynergy.md describes it.

    A person may do what a client may not: set a status, a priority, an outcome (seen in the report
    alone). A ticket has one name, its human id.
    """

    def __init__(self, settings: SipSynergySandboxSettings | None = None) -> None:
        self.settings = settings or SipSynergySandboxSettings()
        super().__init__(self.settings)

    def build(self) -> list[Operation]:
        settings = self.settings
        self.store = Tickets(settings, self.clock, self.record, Chance(settings.seed, "ids"))
        self.users = Users(settings, self.record)
        views = Views(settings, self.users)
        self.logins = TokenCalls(settings, self.tokens)
        calls = [
            *TicketCalls(settings, self.store, self.users, views).table(),
            *CatalogueCalls(settings, self.store, self.users, views, self.clock).table(),
        ]
        is_open = settings.auth == "none"
        return [
            Operation(
                name="token",
                method="POST",
                path="/oauth2/token",
                handler=self.logins.token,
                is_open=True,
            ),
            *(replace(one, handler=self._guarded(one.handler), is_open=is_open) for one in calls),
        ]

    # --- people ----------------------------------------------------------------------------------

    def person_creates(self, fields: Mapping[str, Any], by: str = AGENT) -> str:
        """Open a ticket with the document's names, the report's included; return its id."""
        reporter = {"reporterHumanId": self.users.named(by).human_id}
        return self.store.create(DEFAULTS | reporter | dict(fields), person(by)).id

    def person_updates(self, ticket: str, fields: Mapping[str, str], by: str = AGENT) -> None:
        """Change fields; those of the report (`priority`, `assigned`, …) show only there."""
        self.store.update(self.store.need(ticket), fields, person(by))

    def person_comments(
        self, ticket: str, text: str, by: str = AGENT, *, internal: bool = False
    ) -> int:
        """Add a comment and return its id; nothing here is internal."""
        del internal
        user = self.users.named(by).human_id
        return self.store.comment(self.store.need(ticket), text, user, person(by)).id

    def person_sets_status(
        self, ticket: str, status: str, by: str = AGENT, text: str | None = None
    ) -> None:
        """Set any status; `text` becomes a comment."""
        if text:
            self.person_comments(ticket, text, by)
        self.store.set_status(self.store.need(ticket), status, person(by))

    def person_attaches(
        self,
        ticket: str,
        name: str,
        content: bytes,
        content_type: str = "application/octet-stream",
        by: str = AGENT,
    ) -> None:
        """Keep a file somewhere else: recorded, and never to be seen through the API."""
        self.store.attached(
            self.store.need(ticket),
            person(by),
            name=name,
            content_type=content_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def person_removes(self, ticket: str, by: str = AGENT) -> None:
        """Delete a ticket."""
        self.store.remove(self.store.need(ticket), person(by))

    @property
    def acts(self) -> dict[str, Callable[..., Any]]:
        return {
            "create": self.person_creates,
            "update": self.person_updates,
            "comment": self.person_comments,
            "attach": self.person_attaches,
            "status": self.person_sets_status,
            "remove": self.person_removes,
            "lock_login": self.person_locks_login,
        }

    def tickets(self) -> list[dict[str, Any]]:
        return [_dump(ticket) for ticket in self.store.all()]

    # --- answers ---------------------------------------------------------------------------------

    def credential(self, request: web.Request) -> str | None:
        if self.settings.auth == "api_key":
            return request.headers.get(KEY_HEADER, "").strip() or None
        return super().credential(request)

    def credential_state(self, credential: str) -> TokenState:
        if self.settings.auth == "api_key" and not self.tokens.is_locked:
            is_ours = credential == self.settings.api_key
            return TokenState.VALID if is_ours else TokenState.UNKNOWN
        return super().credential_state(credential)

    def refuse_path(self, call: Call) -> Answer:
        return self._error(call, 404, "no such path")

    def refuse_token(self, call: Call, state: TokenState | None) -> Answer:
        del state
        answer = error(401, "Not Authorized", 1)
        if self.settings.auth == "bearer":
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    def refuse_rate(self, call: Call) -> Answer:
        return self._error(call, 429)

    def refuse_size(self, call: Call) -> Answer:
        return self._error(call, 413)

    def fail(self, call: Call, status: int) -> Answer:
        return self._error(call, status)

    def drift(self, call: Call) -> None:
        """Open a ticket right after the list was made: there are no pages, it is in the next."""
        self.person_creates({"title": f"Drift {call.number}"}, "Dag Drift")

    def settled_at(self, call: Call) -> datetime | None:
        lags_s = {
            "list_tickets": self.settings.list_lag_s,
            "report": self.settings.report_lag_s,
            "report_csv": self.settings.report_lag_s,
        }
        lag_s = lags_s.get(call.name or "", self.settings.read_lag_s)
        return call.look_back(self.clock.now(), lag_s)

    def _guarded(self, handler: Handler) -> Handler:
        return self.guarded(handler, _check_query, self._shape)

    def _shape(self, call: Call) -> int:
        return call.number if self.settings.oddities else 0

    def _error(self, call: Call, status: int, detail: str = "") -> Answer:
        return error(status, detail, self._shape(call))


def _check_query(call: Call) -> None:
    """Refuse query parameters that the call does not have, and those given twice."""
    known = call.operation.query if call.operation else frozenset()
    query = call.request.query
    for name in query:
        if name not in known or len(query.getall(name)) > 1:
            raise Refusal(422, f"query parameter {name}", "section 2")


def _dump(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "number": ticket.id,
        "created_at": iso(ticket.created_at),
        "created_by": ticket.created_by.by,
        "actor": ticket.created_by.actor,
        "status": ticket.status,
        "fields": {**ticket.report, **ticket.fields},
        "contacts": {each.key: each.value for each in ticket.attributes},
        "comments": [
            {
                "id": each.id,
                "at": iso(each.at),
                "kind": "comment",
                "text": each.text,
                "by": each.who.by,
                "user": each.user,
                "actor": each.who.actor,
            }
            for each in ticket.comments
        ],
        "attachments": [],
    }
