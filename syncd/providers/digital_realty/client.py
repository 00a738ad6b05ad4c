"""The calls of the Customer Support Tickets API and its sisters, one method each.

They decide nothing. Reads come back parsed (`OddAnswer` when they cannot be); writes are sent
exactly once. A success that is not the vendor's, or does not tell the id of what it made, is
`OutcomeUnknown`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote

from syncd.core import loose_json
from syncd.ports.clock import Clock
from syncd.ports.errors import OddAnswer, OutcomeUnknown
from syncd.providers.digital_realty import wire
from syncd.providers.digital_realty.settings import DigitalRealtySettings
from syncd.providers.digital_realty.wire import JsonObject, Order, Page
from syncd.transport.interface import Transport
from syncd.transport.request import Answer, FilePart, Request

_Parsed = TypeVar("_Parsed")
Query = Sequence[tuple[str, str]]


def paging(page: int, size: int) -> Query:
    """Give the paging parameters; both are always sent. Spec: section 5.2."""
    return [("size", str(size)), ("page", str(page))]


class DigitalRealtyClient:
    """One connection's calls, all with the headers of its account (section 2)."""

    def __init__(self, transport: Transport, settings: DigitalRealtySettings, clock: Clock) -> None:
        self._transport = transport
        self._paths = settings.paths
        self._clock = clock
        self._account = {
            "Master-Account-Id": settings.master_account_id,
            "Account-Id": settings.account_id,
        }

    # --- reads -----------------------------------------------------------------------------------

    async def list_tickets(self, query: Query) -> Page:
        """List tickets. Spec: Customer Support Tickets API, section 5.2."""
        return await self._read("list_tickets", self._paths.tickets, wire.parse_page, query)

    async def get_ticket(self, ticket_id: str) -> Order:
        """Read one ticket. Spec: Customer Support Tickets API, section 5.1."""
        return await self._read("get_ticket", self._one(ticket_id), wire.parse_order)

    async def categories(self, request_type: str = "") -> Mapping[str, tuple[str, ...]]:
        """List categories, of one request type or of all. Spec: section 5.6; section 7, D3."""
        query = [("requestType", request_type)] if request_type else []
        path = f"{self._paths.tickets}/categories"
        return await self._read("categories", path, wire.parse_categories, query)

    async def accounts(self, query: Query) -> object:
        """List accounts; needs no account headers. Spec: section 8, Accounts API v1."""
        request = Request(
            operation="accounts", method="GET", path=self._paths.accounts, query=query
        )
        return (await self._transport.read(request)).json()

    async def sites(self) -> object:
        """List facilities. Spec: section 8, Sites API v1."""
        return await self._read("sites", self._paths.sites, wire.parse_plain)

    async def locations(self, site: str) -> object:
        """List the premises in a facility. Spec: section 8, Locations API v1."""
        query = [("site", site)]
        return await self._read("locations", self._paths.locations, wire.parse_plain, query)

    async def notifications(self, query: Query) -> object:
        """List notifications. Spec: section 8, Notifications API v1."""
        path = self._paths.notifications
        return await self._read("notifications", path, wire.parse_plain, query)

    # --- writes ----------------------------------------------------------------------------------

    async def create_ticket(self, body: JsonObject) -> tuple[Order, Answer]:
        """Create a ticket; gives it as answered. Spec: section 5.3; section 7, D17."""
        answer = await self._write("create_ticket", "POST", self._paths.tickets, body)
        return self._order(answer, "the answer does not tell the id of what was made"), answer

    async def update_ticket(self, ticket_id: str, body: JsonObject) -> tuple[Order, Answer]:
        """Change reference and recipients; gives the ticket as answered. Spec: section 5.4."""
        answer = await self._write("update_ticket", "PUT", self._one(ticket_id), body)
        order = self._order(answer, "the answer is no ticket")
        if order.id.casefold() != ticket_id.casefold():
            raise self._unknown(f"success, but the answer is of {order.id}", answer)
        return order, answer

    async def cancel_ticket(self, ticket_id: str, body: JsonObject) -> Answer:
        """Cancel; what the answer says is not looked at. Spec: section 5.5; section 7, D4, D16."""
        path = f"{self._one(ticket_id)}/cancel"
        return self._success(await self._write("cancel_ticket", "PUT", path, body))

    async def add_comment(self, body: JsonObject) -> Answer:
        """Add a comment; there is no id. Spec: section 8, Comments API v1."""
        return self._success(await self._write("add_comment", "POST", self._paths.comments, body))

    async def add_attachment(self, query: Query, file: FilePart) -> Answer:
        """Upload a file. Spec: section 8, Attachments API v1."""
        request = Request(
            operation="add_attachment",
            method="POST",
            path=self._paths.attachments,
            query=query,
            headers=self._account,
            file=file,
        )
        return self._success(await self._transport.write(request))

    # --- plumbing --------------------------------------------------------------------------------

    async def _read(
        self, operation: str, path: str, parse: Callable[[object], _Parsed], query: Query = ()
    ) -> _Parsed:
        answer = await self._transport.read(
            Request(
                operation=operation, method="GET", path=path, query=query, headers=self._account
            )
        )
        try:
            return parse(answer.json())
        except wire.Malformed as err:
            raise OddAnswer(f"{operation}: {err}", answer.context) from err

    async def _write(self, operation: str, method: str, path: str, body: JsonObject) -> Answer:
        return await self._transport.write(
            Request(operation=operation, method=method, path=path, headers=self._account, json=body)
        )

    def _order(self, answer: Answer, why: str) -> Order:
        """Read the ticket a write answered (D17: any 2xx, but not without a readable id)."""
        try:
            return wire.parse_order(answer.json())
        except (wire.Malformed, OddAnswer) as err:
            raise self._unknown(f"success, but {why}", answer) from err

    def _success(self, answer: Answer) -> Answer:
        """Believe a success that is empty or JSON; somebody else's page is none (R3)."""
        if not loose_json.is_empty_or_json(answer.body):
            raise self._unknown("success, but the answer is not Digital Realty's", answer)
        return answer

    def _unknown(self, text: str, answer: Answer) -> OutcomeUnknown:
        return OutcomeUnknown(text, answer.context, closed_at=self._clock.now())

    def _one(self, ticket_id: str) -> str:
        return f"{self._paths.tickets}/{quote(ticket_id, safe='')}"
