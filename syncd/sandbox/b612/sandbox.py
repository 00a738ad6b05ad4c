"""The B-612 sandbox itself: the three methods, and what people there can do."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from syncd.sandbox.b612 import wire
from syncd.sandbox.b612.settings import HOURS_LOG, WRITABLE, B612SandboxSettings
from syncd.sandbox.b612.state import CHANGEABLE, Ticket, Tickets
from syncd.sandbox.calls import Answer, Call, Handler, Operation, Refused, json_answer
from syncd.sandbox.clock import iso
from syncd.sandbox.faults import FaultKind
from syncd.sandbox.record import person
from syncd.sandbox.server import Sandbox
from syncd.sandbox.tokens import TokenState

ENGINEER = "Amiram Bukowsky"
"""Who acts here when nobody is named."""

CLIENT_NAME = "webhook"
"""Who the record names for what came through the webhook."""

_LISTS = {FaultKind.SEARCH_LAG, FaultKind.PAGE_DRIFT}
_ENVELOPES = {FaultKind.ENVELOPE_BEFORE, FaultKind.ENVELOPE_AFTER}
KINDS = frozenset(FaultKind) - _LISTS - _ENVELOPES - {FaultKind.EXPIRED_TOKEN}
"""There is no list that could lag or drift, no envelope, and no token that could expire."""


class B612Sandbox(Sandbox):
    """One customer's webhook at B-612, as b612.md describes it.

    Tickets are named by number; fields by the document's last names (`rack`, `todo`, `status`,
    `total_expenses`), `ticket_number` being the customer's own.
    """

    def __init__(self, settings: B612SandboxSettings | None = None) -> None:
        self.settings = settings or B612SandboxSettings()
        super().__init__(self.settings, KINDS)

    def build(self) -> list[Operation]:
        self.store = Tickets(self.settings, self.clock, self.record)
        rows: list[tuple[str, str, Handler, bool]] = [
            ("get_ticket", "GET", self._get, True),
            ("create_ticket", "POST", self._create, False),
            ("update_ticket", "PUT", self._update, False),
        ]
        return [
            # The login is no bearer token: the guard looks at it.
            Operation(
                name=name,
                method=method,
                path=self.settings.webhook_path,
                handler=self._guarded(handler),
                reads=reads,
                is_open=True,
                query=frozenset({"ID"}) if reads else frozenset(),
            )
            for name, method, handler, reads in rows
        ]

    @property
    def webhook_url(self) -> str:
        """The customer's complete webhook URL."""
        return self.base_url + self.settings.webhook_path

    # --- people ----------------------------------------------------------------------------------

    def person_creates(self, fields: Mapping[str, str], by: str = ENGINEER) -> str:
        """Open a ticket, as after a telephone call; return its number."""
        _check(fields, frozenset(WRITABLE))
        return self.store.create(fields, person(by)).number

    def person_updates(self, ticket: str, fields: Mapping[str, str], by: str = ENGINEER) -> None:
        """Change anything but the number: engineer, dates, type, hours, the customer's texts."""
        _check(fields, CHANGEABLE)
        self.store.change(self.store.need(ticket), fields, person(by))

    def person_comments(self, ticket: str, text: str, by: str = ENGINEER) -> None:
        """Write below what is to be done: there is no other place for a remark."""
        found = self.store.need(ticket)
        written = f"{found.fields['todo']}\n{by}: {text}"
        self.store.change(found, {"todo": written}, person(by))

    def person_sets_status(self, ticket: str, status: str, by: str = ENGINEER) -> None:
        """Set any status, known to the document or not."""
        self.store.change(self.store.need(ticket), {"status": status}, person(by))

    def person_suggests(self, ticket: str, date: str, time: str, by: str = ENGINEER) -> None:
        """Agree on `MM/DD/YYYY` and `HH:MM:SS`, wall time of the site; names the engineer too."""
        fields = {"date_suggested": date, "time_suggested": time, "b612_engineer": by}
        self.store.change(self.store.need(ticket), fields, person(by))

    def person_logs_hours(
        self,
        ticket: str,
        business: str = "",
        non_business: str = "",
        expenses: str = "",
        by: str = ENGINEER,
    ) -> None:
        """Set the totals that are given, as decimal texts."""
        given = dict(zip(HOURS_LOG, (business, non_business, expenses), strict=True))
        fields = {name: text for name, text in given.items() if text}
        self.store.change(self.store.need(ticket), fields, person(by))

    def person_removes(self, ticket: str, by: str = ENGINEER) -> None:
        """Make a ticket vanish."""
        self.store.remove(self.store.need(ticket), person(by))

    @property
    def acts(self) -> dict[str, Callable[..., Any]]:
        return {
            "create": self.person_creates,
            "update": self.person_updates,
            "comment": self.person_comments,
            "status": self.person_sets_status,
            "suggest": self.person_suggests,
            "log_hours": self.person_logs_hours,
            "remove": self.person_removes,
            "lock_login": self.person_locks_login,
        }

    def tickets(self) -> list[dict[str, Any]]:
        return [_dump(ticket) for ticket in self.store.all()]

    # --- the three calls -------------------------------------------------------------------------

    async def _get(self, call: Call) -> Answer:
        ticket = self.store.get(wire.asked_number(call), call.seen_at)
        if ticket is not None:
            return self._shown(ticket, call)
        if self.settings.unknown_ticket == "empty":
            return json_answer(wire.view(None, "GET", self.settings))
        if self.settings.unknown_ticket == "ok":
            return _ok()
        raise wire.Failure(404, "no such ticket")

    async def _create(self, call: Call) -> Answer:
        sent = self._sent(call, needs_number=False)
        ticket = self.store.create(sent.fields, call.client(CLIENT_NAME))
        return self._written(ticket, call)

    async def _update(self, call: Call) -> Answer:
        sent = self._sent(call, needs_number=True)
        ticket = self.store.get(sent.number)
        if ticket is None:
            raise wire.Failure(404, f"no ticket {sent.number}")
        fields = sent.fields
        if self.settings.put_replaces:
            fields = {name: fields.get(name, "") for name in WRITABLE}
        return self._written(self.store.change(ticket, fields, call.client(CLIENT_NAME)), call)

    # --- answers ---------------------------------------------------------------------------------

    def refuse_path(self, call: Call) -> Answer:
        return json_answer({"error": "no such webhook"}, 404)

    def refuse_token(self, call: Call, state: TokenState | None) -> Answer:
        return json_answer({"error": "the login is not known"}, 401)

    def refuse_rate(self, call: Call) -> Answer:
        return json_answer({"error": "too many requests"}, 429)

    def refuse_size(self, call: Call) -> Answer:
        return json_answer({"error": "the body is too large"}, 413)

    def fail(self, call: Call, status: int) -> Answer:
        return json_answer({"error": "the flow failed"}, status)

    def drift(self, call: Call) -> None:
        """Nothing is listed here."""

    def _guarded(self, handler: Handler) -> Handler:
        async def answered(call: Call) -> Answer:
            try:
                wire.login(call, self.settings)
                if self.tokens.is_locked:
                    raise wire.Failure(401, "the login is not known")
                return await handler(call)
            except wire.Failure as failure:
                if failure.rule is not None:
                    self.violation(call, failure.rule, failure.message)
                answer = json_answer({"error": failure.message}, failure.status)
                raise Refused(answer) from failure

        return answered

    def _sent(self, call: Call, *, needs_number: bool) -> wire.Sent:
        sent = wire.sent(call, self.settings, needs_number=needs_number)
        for notice in sent.notices:
            self.violation(call, "section 5" if needs_number else "section 4", f"{notice}: ignored")
        return sent

    def _written(self, ticket: Ticket, call: Call) -> Answer:
        answers = self.settings.answers
        if answers == "ok":
            return _ok()
        if answers == "number":
            return json_answer({self.settings.number_key: ticket.number})
        return self._shown(ticket, call)

    def _shown(self, ticket: Ticket, call: Call) -> Answer:
        return json_answer(wire.view(ticket, call.request.method, self.settings))


def _ok() -> Answer:
    """What a flow without a synchronous answer says, whatever becomes of it (section 9)."""
    return web.Response(text="OK")


def _check(fields: Mapping[str, str], known: frozenset[str]) -> None:
    strange = sorted(set(fields) - known)
    if strange:
        raise LookupError(f"no field {', '.join(strange)}; there is: {', '.join(sorted(known))}")


def _dump(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.number,
        "number": ticket.number,
        "created_at": iso(ticket.created_at),
        "created_by": ticket.created_by.by,
        "actor": ticket.created_by.actor,
        "status": ticket.status,
        "fields": dict(ticket.fields),
        "reference": ticket.fields["ticket_number"],
        "comments": [],
        "attachments": [],
    }
