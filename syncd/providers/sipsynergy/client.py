"""The calls of the Tickets Microservice, one method each; they decide nothing.

Reads come back parsed (`OddAnswer` when they cannot be); writes are sent exactly once. A create
that succeeds without telling the id of what it made is `OutcomeUnknown`.
"""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import quote

from syncd.core import loose_json
from syncd.ports.clock import Clock
from syncd.ports.errors import NotFound, OddAnswer, OutcomeUnknown, Refused
from syncd.providers.sipsynergy import wire
from syncd.providers.sipsynergy.settings import SipSynergySettings
from syncd.providers.sipsynergy.wire import JsonObject
from syncd.transport.interface import Transport
from syncd.transport.request import Answer, Request

_Parsed = TypeVar("_Parsed")
_OTHER_PATH = frozenset({404, 405})
"""Statuses after which a comment is tried at the other path (S3)."""


class SipSynergyClient:
    """One connection's calls; remembers which of two odd paths the service answers."""

    def __init__(self, transport: Transport, settings: SipSynergySettings, clock: Clock) -> None:
        self._transport = transport
        self._settings = settings
        self._clock = clock
        self._comments_below = settings.comment_path == "comments"
        self._states_slash = False

    # --- reads -----------------------------------------------------------------------------------

    async def list_tickets(self) -> wire.Listing:
        """List all tickets, in one answer. Spec: section 2.2."""
        bytes_max = self._settings.limits.list_bytes
        return await self._read("list_tickets", "/tickets", wire.parse_tickets, bytes_max=bytes_max)

    async def get_ticket(self, ticket_id: str) -> wire.TicketItem:
        """Read one ticket by its human id; NotFound for an empty array (S1). Spec: section 2.2."""
        found = await self._read(
            "get_ticket",
            _below("tickets", ticket_id),
            lambda raw: wire.parse_one_ticket(raw, ticket_id),
        )
        if found is None:
            raise NotFound(f"the answer about {ticket_id} holds no ticket")
        return found

    async def list_comments(self, ticket_id: str) -> tuple[wire.CommentItem, ...]:
        """List a ticket's comments. Spec: section 2.2."""
        path = _below("tickets", ticket_id, "comments")
        return await self._read("list_comments", path, wire.parse_comments)

    async def list_attributes(self, ticket_id: str) -> tuple[wire.AttributeItem, ...]:
        """List a ticket's attributes. Spec: section 2.2."""
        path = _below("tickets", ticket_id, "attributes")
        return await self._read("list_attributes", path, wire.parse_attributes)

    async def own_user(self) -> wire.UserItem:
        """Read the logged-in user. Spec: section 2.1."""
        return await self._read("get_user", "/users", wire.parse_user)

    async def agents(self) -> tuple[wire.UserItem, ...]:
        """List the agents. Spec: section 2.1."""
        return await self._read("list_agents", "/users/agents", wire.parse_users)

    async def groups(self) -> tuple[wire.GroupItem, ...]:
        """List the groups. Spec: section 2.4."""
        return await self._read("list_groups", "/groups", wire.parse_groups)

    async def group(self, number: str) -> wire.GroupItem:
        """Read one group by its database id. Spec: section 2.4."""
        return await self._read("get_group", _below("groups", number), wire.parse_group)

    async def states(self, kind: str = "") -> tuple[wire.StateItem, ...]:
        """List states, of one kind where named; with a slash where it must be (S12)."""
        query = [("type", kind)] if kind else []
        if not (kind and self._states_slash):
            try:
                return await self._read("list_states", "/states", wire.parse_states, query=query)
            except NotFound:
                if not kind:
                    raise
        found = await self._read("list_states", "/states/", wire.parse_states, query=query)
        self._states_slash = True
        return found

    async def confirmation(self, ticket_id: str) -> wire.EventItem:
        """Read whether contacts were asked to confirm; NotFound: not yet. Spec: section 2.6."""
        path = _below("events", "confirm-contacts", ticket_id)
        return await self._read("get_confirmation", path, wire.parse_event)

    async def report(self, period: str) -> tuple[wire.ReportRow, ...]:
        """Read the report as JSON; a CSV body is an error that says so (S18). Spec: section 2.7."""
        bytes_max = self._settings.limits.list_bytes
        return await self._read(
            "report",
            "/reporting/tickets",
            wire.parse_report,
            query=[("period", period)],
            bytes_max=bytes_max,
        )

    async def report_csv(self, period: str) -> str:
        """Read the report as CSV, as it comes. Spec: section 2.7."""
        answer = await self._transport.read(
            Request(
                operation="report_csv",
                method="GET",
                path="/reporting/tickets/download",
                query=[("period", period)],
                headers=self._headers(),
                body_bytes_max=self._settings.limits.list_bytes,
            )
        )
        return answer.body.decode("utf-8-sig", "replace")

    # --- writes ----------------------------------------------------------------------------------

    async def create_ticket(self, body: JsonObject) -> tuple[str, Answer]:
        """Create a ticket; its id and the answer. Spec: section 2.2; section 6, S8."""
        answer = await self._write("create_ticket", "POST", "/tickets", body)
        return self._created(answer), answer

    async def update_ticket(self, ticket_id: str, body: JsonObject) -> Answer:
        """Write all fields of a ticket. Spec: section 2.2; section 6, S6 and S7."""
        return await self._change("update_ticket", "PATCH", _below("tickets", ticket_id), body)

    async def delete_ticket(self, ticket_id: str) -> Answer:
        """Delete a ticket. Spec: section 2.2; section 6, S7."""
        return await self._change("delete_ticket", "DELETE", _below("tickets", ticket_id))

    async def create_comment(self, ticket_id: str, body: JsonObject) -> tuple[str, Answer]:
        """Add a comment; its id and the answer.

        404 and 405 say that nothing happened: then, and only then, the other path is tried.

        Spec: section 2.2; section 6, S3 and S4.
        """
        below = self._comments_below
        try:
            return await self._comment_at(below, ticket_id, body)
        except (NotFound, Refused) as err:
            is_other = err.context.status in _OTHER_PATH and self._settings.comment_fallback
            if not is_other:
                raise
            first = err
        try:
            made = await self._comment_at(not below, ticket_id, body)
        except (NotFound, Refused) as err:
            if err.context.status in _OTHER_PATH:
                raise first from err
            raise
        self._comments_below = not below
        return made

    async def create_user(self, body: JsonObject) -> tuple[str, Answer]:
        """Create a user; its database id and the answer. Spec: section 2.1."""
        answer = await self._write("create_user", "POST", "/users", body)
        return self._created(answer), answer

    async def update_user(self, number: str, body: JsonObject) -> Answer:
        """Write a user's fields. Spec: section 2.1."""
        return await self._change("update_user", "PATCH", _below("users", number), body)

    async def delete_user(self, number: str) -> Answer:
        """Delete a user. Spec: section 2.1."""
        return await self._change("delete_user", "DELETE", _below("users", number))

    async def confirm_contacts(self, ticket_id: str) -> Answer:
        """Ask a ticket's contacts to confirm: every call mails them. Spec: section 2.6."""
        path = _below("events", "confirm-contacts", ticket_id)
        return await self._change("confirm_contacts", "POST", path)

    # --- below -----------------------------------------------------------------------------------

    async def _read(
        self,
        operation: str,
        path: str,
        parse: Callable[[object], _Parsed],
        *,
        query: list[tuple[str, str]] | None = None,
        bytes_max: int | None = None,
    ) -> _Parsed:
        answer = await self._transport.read(
            Request(
                operation=operation,
                method="GET",
                path=path,
                query=query or (),
                headers=self._headers(),
                body_bytes_max=bytes_max,
            )
        )
        try:
            return parse(answer.json())
        except wire.Malformed as err:
            raise OddAnswer(str(err), answer.context) from err

    async def _write(
        self, operation: str, method: str, path: str, body: JsonObject | None = None
    ) -> Answer:
        return await self._transport.write(
            Request(
                operation=operation,
                method=method,
                path=path,
                headers=self._headers(),
                json=body,
            )
        )

    async def _change(
        self, operation: str, method: str, path: str, body: JsonObject | None = None
    ) -> Answer:
        """Make a write whose success tells nothing; a page of somebody else's is no success."""
        answer = await self._write(operation, method, path, body)
        if not loose_json.is_empty_or_json(answer.body):
            raise OutcomeUnknown(
                "success, but the answer is not SIP Synergy's",
                answer.context,
                closed_at=self._clock.now(),
            )
        return answer

    async def _comment_at(
        self, below: bool, ticket_id: str, body: JsonObject
    ) -> tuple[str, Answer]:
        path = _below("tickets", ticket_id, *(["comments"] if below else []))
        answer = await self._write("create_comment", "POST", path, body)
        return self._created(answer), answer

    def _created(self, answer: Answer) -> str:
        made = wire.created_id(answer.body, answer.headers.get("location", ""))
        if made is None:
            raise OutcomeUnknown(
                "success, but the answer does not tell the id of what was made",
                answer.context,
                closed_at=self._clock.now(),
            )
        return made

    def _headers(self) -> dict[str, str]:
        """Give the configured headers that are no secrets; secret ones go with the login."""
        return {name: v for name, v in self._settings.headers.items() if isinstance(v, str)}


def _below(*parts: str) -> str:
    """Give a path, each part percent-encoded (S14)."""
    return "".join("/" + quote(part, safe="") for part in parts)
