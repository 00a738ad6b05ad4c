"""The Digital Realty sandbox itself: its calls put together, and what people there can do."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from syncd.sandbox.calls import Answer, Call, Handler, Operation
from syncd.sandbox.clock import iso
from syncd.sandbox.digital_realty.calls import OrderCalls, check_query
from syncd.sandbox.digital_realty.errors import error_answer
from syncd.sandbox.digital_realty.model import Order
from syncd.sandbox.digital_realty.oauth import TokenCalls
from syncd.sandbox.digital_realty.settings import (
    TOKEN_PATH,
    Account,
    DigitalRealtySandboxSettings,
)
from syncd.sandbox.digital_realty.state import Orders
from syncd.sandbox.record import PERSON, Who, person
from syncd.sandbox.server import Sandbox
from syncd.sandbox.tokens import TokenState

STAFF = "Dana Realty"
"""Who acts here when nobody is named."""


class DigitalRealtySandbox(Sandbox):
    """Customer support tickets, as digital_realty.md describes them.

    A person may do what a client may not: set any status, change any field, reopen.
    """

    def __init__(self, settings: DigitalRealtySandboxSettings | None = None) -> None:
        self.settings = settings or DigitalRealtySandboxSettings()
        super().__init__(self.settings)

    def build(self) -> list[Operation]:
        self.orders = Orders(self.settings, self.clock, self.record)
        self._calls = OrderCalls(self.settings, self.orders, self.bodies)
        self.logins = TokenCalls(self.settings, self.tokens)
        token = Operation(
            name="token",
            method="POST",
            path=TOKEN_PATH,
            handler=self.logins.token,
            is_open=True,
        )
        return [token, *self._calls.table(self._guarded)]

    # --- people ----------------------------------------------------------------------------------

    def person_creates(
        self, fields: Mapping[str, Any], by: str = STAFF, *, account: str | None = None
    ) -> str:
        """Open a work order with the document's field names; return its id.

        `account` is an account id; None takes the first account. What is not given is empty.
        """
        return self.orders.create(self._account(account), fields, person(by, internal=True)).id

    def person_updates(self, ticket: str, fields: Mapping[str, Any], by: str = STAFF) -> None:
        """Change any field."""
        self.orders.update(self.orders.need(ticket), fields, person(by, internal=True))

    def person_comments(
        self, ticket: str, text: str, by: str = STAFF, *, internal: bool = True
    ) -> str:
        """Add a remark, as staff (`internal`) or a customer in the portal; return its id.

        Answers show the name alone, so the two look alike. A closed order takes remarks too.
        """
        who = Who(actor=PERSON, by=by, internal=internal)
        return self.orders.comment(self.orders.need(ticket), text, who).id

    def person_attaches(
        self,
        ticket: str,
        name: str,
        content: bytes | Path,
        content_type: str = "application/octet-stream",
        by: str = STAFF,
    ) -> str:
        """Add a file, which no call shows; return its id in the record."""
        body = self.bodies.keep(content)
        order = self.orders.need(ticket)
        return self.orders.attach(order, name, content_type, body, person(by, internal=True)).id

    def person_sets_status(
        self, ticket: str, status: str, by: str = STAFF, text: str | None = None
    ) -> None:
        """Set any status, known to clients or not."""
        self.orders.set_status(self.orders.need(ticket), status, person(by, internal=True), text)

    def person_removes(self, ticket: str, by: str = STAFF) -> None:
        """Make a work order vanish."""
        self.orders.remove(self.orders.need(ticket), person(by, internal=True))

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
        return [_dump(order) for order in self.orders.all()]

    # --- answers ---------------------------------------------------------------------------------

    def refuse_path(self, call: Call) -> Answer:
        return self._error(call, 404, "no such resource")

    def refuse_token(self, call: Call, state: TokenState | None) -> Answer:
        return self._error(call, 401, "no access token" if state is None else "invalid token")

    def refuse_rate(self, call: Call) -> Answer:
        return self._error(call, 429, "too many requests")

    def refuse_size(self, call: Call) -> Answer:
        return self._error(call, 413, "the body is too large")

    def fail(self, call: Call, status: int) -> Answer:
        return self._error(call, status, "the service failed")

    def drift(self, call: Call) -> None:
        """Let a work order appear that the list asked for shows."""
        query = call.request.query
        wanted = call.request.headers.get("Account-Id")
        names = ("site", "requestType", "category")
        shown = {name: query[name] for name in names if name in query}
        ticket = self.person_creates(
            {"title": f"Drift {call.number}"} | shown, query.get("createdBy", STAFF), account=wanted
        )
        if "status" in query:
            self.person_sets_status(ticket, query["status"])

    def settled_at(self, call: Call) -> datetime | None:
        if call.operation is not None and call.operation.lists:
            return call.look_back(self.clock.now(), self.settings.list_lag_s)
        return call.look_back(self.clock.now(), self.settings.read_lag_s)

    def _guarded(self, handler: Handler) -> Handler:
        return self.guarded(handler, check_query, self._shape)

    def _shape(self, call: Call) -> int:
        return call.number if self.settings.oddities else 0

    def _error(self, call: Call, status: int, detail: str) -> Answer:
        return error_answer(status, detail, self._shape(call))

    def _account(self, account_id: str | None) -> Account:
        for account in self.settings.accounts:
            if account_id in (None, account.account_id):
                return account
        raise LookupError(f"no account {account_id}")


def _dump(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "number": order.id,
        "account": order.account.account_id,
        "created_at": iso(order.created_at),
        "created_by": order.created_by.by,
        "actor": order.created_by.actor,
        "status": order.status,
        "cancel_reason": order.cancel_reason,
        "closed_at": iso(order.closed_at) if order.closed_at else None,
        "fields": {name: value for name, value in order.fields.items() if value},
        "comments": [
            {
                "id": each.id,
                "at": iso(each.at),
                "kind": "comment",
                "text": each.text,
                "by": each.who.by,
                "actor": each.who.actor,
            }
            for each in order.comments
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
            for each in order.attachments
        ],
    }
