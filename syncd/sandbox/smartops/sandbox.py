"""The SmartOps sandbox itself: the three calls, the realm, and what people in the ITSM can do."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from syncd.sandbox.calls import Answer, Call, Handler, Operation, Refused, json_answer
from syncd.sandbox.clock import iso
from syncd.sandbox.faults import FaultKind
from syncd.sandbox.record import PERSON, Who, person
from syncd.sandbox.server import Sandbox
from syncd.sandbox.smartops import wire
from syncd.sandbox.smartops.keycloak import KeycloakCalls
from syncd.sandbox.smartops.notify import Webhook
from syncd.sandbox.smartops.settings import (
    LISTS,
    READ_ONLY,
    WRITABLE,
    SmartOpsSandboxSettings,
)
from syncd.sandbox.smartops.state import Ticket, Tickets, details
from syncd.sandbox.tokens import TokenState

DESK = "Dina Desk"
"""Who acts here when nobody is named."""

KINDS = frozenset(FaultKind) - {FaultKind.SEARCH_LAG, FaultKind.PAGE_DRIFT}
"""The contract has no list, so nothing can lag or drift there."""


class SmartOpsSandbox(Sandbox):
    """Somebody's implementation of the SmartOps ITSM contract, as smartops.md describes it.

    Tickets are named by `sysId` or number; fields by the contract's names and template keys.
    """

    def __init__(self, settings: SmartOpsSandboxSettings | None = None) -> None:
        self.settings = settings or SmartOpsSandboxSettings()
        super().__init__(self.settings, KINDS)

    def build(self) -> list[Operation]:
        settings = self.settings
        self.webhook = Webhook(settings, self.record)
        self.store = Tickets(settings, self.clock, self.record, self._changed)
        self.logins = KeycloakCalls(settings, self.tokens)
        self._created: dict[str, str] = {}
        rows: list[tuple[str, str, str, Handler, bool]] = [
            ("create_ticket", "POST", settings.create_path, self._create, False),
            ("update_ticket", "POST", settings.update_path, self._update, False),
        ]
        if settings.takes_get:
            rows.append(("get_ticket", "GET", settings.details_path, self._details, True))
        if settings.takes_post:
            rows.append(("get_ticket", "POST", settings.details_path, self._details, True))
        token = Operation(
            name="token",
            method="POST",
            path="/realms/{realm}/protocol/openid-connect/token",
            handler=self.logins.token,
            is_open=True,
        )
        return [
            token,
            *(
                Operation(
                    name=name, method=method, path=path, handler=self._guarded(handler), reads=reads
                )
                for name, method, path, handler, reads in rows
            ),
        ]

    async def stop(self) -> None:
        await self.webhook.close()
        await super().stop()

    # --- people ----------------------------------------------------------------------------------

    def person_creates(self, fields: Mapping[str, str], by: str = DESK) -> str:
        """Open a ticket with the contract's names and template keys; return its `sysId`."""
        return self.store.create(fields, person(by)).sys_id

    def person_updates(self, ticket: str, fields: Mapping[str, str], by: str = DESK) -> None:
        """Change fields, template keys and status; "" clears."""
        self.store.change(self.store.need(ticket), fields, person(by))

    def person_comments(
        self,
        ticket: str,
        text: str,
        by: str = DESK,
        *,
        internal: bool = False,
        kind: str | None = None,
    ) -> int:
        """Add to `comments`, `workNotes` (`internal`) or the list `kind`; return its serial."""
        kind = kind or ("workNotes" if internal else "comments")
        changed = self.store.change(self.store.need(ticket), {}, person(by), {kind: text})
        return changed.notes[-1].serial

    def person_sets_status(
        self, ticket: str, status: str, by: str = DESK, text: str | None = None
    ) -> None:
        """Set any status, listed or not; `text` becomes a closure note."""
        notes = {"closureNotes": text} if text else {}
        self.store.change(self.store.need(ticket), {"ticketStatus": status}, person(by), notes)

    def person_attaches(
        self,
        ticket: str,
        name: str,
        content: bytes,
        content_type: str = "application/octet-stream",
        by: str = DESK,
    ) -> None:
        """Attach a file in the ITSM: recorded, and never to be seen through the contract."""
        found = self.store.need(ticket)
        self.record.add(
            "attachment_added",
            person(by),
            ticket=found.sys_id,
            number=found.number,
            name=name,
            content_type=content_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            is_visible=False,
        )

    def person_removes(self, ticket: str, by: str = DESK) -> None:
        """Make a ticket vanish."""
        self.store.remove(self.store.need(ticket), person(by))

    def person_notifies(self, ticket: str) -> None:
        """Ring the webhook for a ticket once more."""
        self.webhook.ring(self.store.need(ticket).number)

    def person_revokes_token(self) -> None:
        """Revoke every offline token and end every access token."""
        self.logins.offline_tokens.clear()
        self.tokens.expire_all()

    def notify_to(self, url: str, token: str, loss: float | None = None) -> None:
        """Ring this address from now on; "" nobody. `loss` is the fraction of rings lost."""
        self.webhook.url, self.webhook.token = url, token
        if loss is not None:
            self.webhook.loss = loss

    @property
    def unheard(self) -> dict[str, str]:
        """Ticket numbers whose last ring was lost or failed, and why."""
        return self.webhook.unheard

    async def settle_notifies(self) -> None:
        """Wait until no ring of the webhook is under way."""
        await self.webhook.settle()

    @property
    def acts(self) -> dict[str, Callable[..., Any]]:
        return {
            "create": self.person_creates,
            "update": self.person_updates,
            "comment": self.person_comments,
            "attach": self.person_attaches,
            "status": self.person_sets_status,
            "remove": self.person_removes,
            "notify": self.person_notifies,
            "notify_to": self.notify_to,
            "revoke_token": self.person_revokes_token,
            "lock_login": self.person_locks_login,
        }

    def tickets(self) -> list[dict[str, Any]]:
        return [_dump(ticket) for ticket in self.store.all()]

    # --- the three calls -------------------------------------------------------------------------

    async def _create(self, call: Call) -> Answer:
        asked = self._asked(call, "create")
        key = self._repeat_key(call, asked)
        known = self.store.by_sys_id(self._created.get(key, ""))
        if known is not None and self._is_repeat(call, known):
            return self._success(known, asked.names)
        fields, notes = self._split(call, asked.ticket_json)
        for name in self.settings.required_on_create:
            if not fields.get(name):
                raise wire.Failure("400", f"{name} is required")
        ticket = self.store.create(fields, call.client(self.settings.api_user), notes)
        self._created[key] = ticket.sys_id
        return self._success(ticket, asked.names)

    async def _update(self, call: Call) -> Answer:
        asked = self._asked(call, "update")
        ticket = self.store.by_sys_id(asked.key) or self.store.by_number(asked.key)
        if ticket is None:
            raise wire.Failure("404", f"no ticket {asked.key}")
        fields, notes = self._split(call, asked.ticket_json)
        if fields and ticket.status in self.settings.final_statuses:
            raise wire.Failure("400", f"{ticket.number} is {ticket.status}")
        notes = {kind: text for kind, text in notes.items() if not self._said(ticket, kind, text)}
        changed = self.store.change(ticket, fields, call.client(self.settings.api_user), notes)
        return self._success(changed, asked.names)

    async def _details(self, call: Call) -> Answer:
        asked = self._asked(call, "details")
        ticket = self.store.by_number(asked.key, call.seen_at)
        ticket = ticket or self.store.by_sys_id(asked.key, call.seen_at)
        if ticket is None:
            raise wire.Failure("404", f"no ticket {asked.key}")
        return self._success(ticket, asked.names)

    # --- answers ---------------------------------------------------------------------------------

    def refuse_path(self, call: Call) -> Answer:
        return self._envelope("404", "no such path", http=404)

    def refuse_token(self, call: Call, state: TokenState | None) -> Answer:
        # O3: a real 401 with the challenge, and the envelope.
        answer = self._envelope("401", "the token is missing, unknown or expired", http=401)
        error = "" if state is None else ' error="invalid_token"'
        answer.headers["WWW-Authenticate"] = f'Bearer realm="{self.settings.realm}"{error}'
        return answer

    def refuse_rate(self, call: Call) -> Answer:
        return self._envelope("429", "too many requests", http=429)

    def refuse_size(self, call: Call) -> Answer:
        return self._envelope("413", "the body is too large", http=413)

    def fail(self, call: Call, status: int) -> Answer:
        return self._envelope(str(status), "the ITSM failed", http=status)

    def fail_inside(self, call: Call, status: int) -> Answer:
        return self._envelope(str(status), "the ITSM failed")

    def drift(self, call: Call) -> None:
        """Nothing is listed here."""

    def _guarded(self, handler: Handler) -> Handler:
        async def answered(call: Call) -> Answer:
            try:
                return await handler(call)
            except wire.Failure as failure:
                if failure.rule is not None:
                    self.violation(call, failure.rule, failure.message)
                mirrored = int(failure.code) if self.settings.mirror_status else failure.http
                answer = self._envelope(failure.code, failure.message, http=mirrored)
                raise Refused(answer) from failure

        return answered

    def _success(self, ticket: Ticket, names: list[str]) -> Answer:
        contents = details(ticket, names, self.settings, self.clock.now())
        return self._envelope("200", "Success", contents=contents)

    def _envelope(
        self,
        code: str,
        message: str,
        *,
        contents: dict[str, Any] | None = None,
        http: int = 200,
    ) -> Answer:
        body = {
            "statusCode": int(code) if self.settings.numeric_status_code else code,
            "statusMessage": message,
            self.settings.details_key: contents or {},
        }
        return json_answer(body, http, headers={"Cache-Control": "no-store"})

    # --- below -----------------------------------------------------------------------------------

    def _asked(self, call: Call, kind: str) -> wire.Asked:
        asked = wire.read(call, kind)
        for notice in asked.notices:
            self.violation(call, "section 1", notice)
        return asked

    def _split(
        self, call: Call, ticket_json: dict[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Part `ticketJSON` into fields and notes, checked (O8, O16)."""
        fields: dict[str, str] = {}
        notes: dict[str, str] = {}
        for name, value in ticket_json.items():
            if name in self.settings.note_keys:
                if value:
                    notes[self.settings.note_keys[name]] = value
            elif name in WRITABLE or "write" in self.settings.template_keys.get(name, ""):
                if value or name in self.settings.clearable:
                    fields[name] = self._checked(name, value)
            else:
                self._ignore(call, name)
        return fields, notes

    def _ignore(self, call: Call, name: str) -> None:
        if self.settings.reject_unknown_keys:
            raise wire.Failure("400", f"ticketJSON.{name} cannot be written", rule="O8")
        is_known = name in READ_ONLY or name in LISTS or name in self.settings.template_keys
        self.violation(call, "O8", f"{name} is {'read-only' if is_known else 'unknown'}: ignored")

    def _checked(self, name: str, value: str) -> str:
        settings = self.settings
        longest = settings.max_lengths.get(name)
        if longest is not None and len(value) > longest:
            raise wire.Failure("400", f"{name} exceeds {longest} characters")
        if name == "ticketStatus" and value not in settings.statuses:
            raise wire.Failure("400", f"ticketStatus {value}")
        if name == "ticketPriority" and settings.priorities:
            for short, long in settings.priorities.items():
                if value in (short, long):
                    return short
            raise wire.Failure("400", f"ticketPriority {value}")
        return value

    def _repeat_key(self, call: Call, asked: wire.Asked) -> str:
        if self.settings.idempotency_keys and "Idempotency-Key" in call.request.headers:
            return f"key:{call.request.headers['Idempotency-Key']}"
        canonical = orjson.dumps(asked.ticket_json, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(canonical).hexdigest()

    def _is_repeat(self, call: Call, known: Ticket) -> bool:
        if self.settings.idempotency_keys and "Idempotency-Key" in call.request.headers:
            return True
        return self._is_recent(known.created_at)

    def _said(self, ticket: Ticket, kind: str, text: str) -> bool:
        mine = self.settings.api_user
        return any(
            (note.kind, note.text, note.who.by) == (kind, text, mine) and self._is_recent(note.at)
            for note in ticket.notes
        )

    def _is_recent(self, at: datetime) -> bool:
        return self.clock.now() - at < timedelta(seconds=self.settings.duplicate_window_s)

    def _changed(self, ticket: Ticket, who: Who) -> None:
        if who.actor == PERSON or self.settings.notify_own:
            self.webhook.ring(ticket.number)


def _dump(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.sys_id,
        "number": ticket.number,
        "created_at": iso(ticket.created_at),
        "created_by": ticket.created_by.by,
        "actor": ticket.created_by.actor,
        "status": ticket.status,
        "fields": dict(ticket.fields),
        "comments": [
            {
                "id": note.serial,
                "at": iso(note.at),
                "kind": note.kind,
                "text": note.text,
                "by": note.who.by,
                "actor": note.who.actor,
            }
            for note in ticket.notes
        ],
        "attachments": [],
    }
