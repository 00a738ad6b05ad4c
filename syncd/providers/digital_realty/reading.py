"""Reading one ticket whole (sections 5.1 and 7, D20)."""

from syncd.model.ticket import Ticket
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, OddAnswer, RemoteContext, RemoteError, Unreachable
from syncd.providers.digital_realty import mapping
from syncd.providers.digital_realty.client import DigitalRealtyClient
from syncd.providers.digital_realty.wire import Order


class TicketReader:
    """Reads of one connection."""

    def __init__(self, client: DigitalRealtyClient, unknown_author: str) -> None:
        self._client = client
        self._unknown_author = unknown_author

    async def ticket(self, ref: TicketRef) -> Ticket:
        """Read a ticket with its comments; its number is its id.

        Raises:
            NotFound: it is not there. OddAnswer: unreadable, or another ticket's (DESIGN R8).

        Spec: Customer Support Tickets API, section 5.1.
        """
        return mapping.ticket(await self.order(ref.id or ref.number), self._unknown_author)

    async def order(self, ticket_id: str) -> Order:
        """Read a ticket as told.

        Raises:
            NotFound: it is not there. OddAnswer: unreadable, or another ticket's (DESIGN R8).
        """
        asked = ticket_id.strip()
        if not asked:
            raise NotFound("neither an id nor a number to read by", RemoteContext())
        order = await self._client.get_ticket(asked)
        if order.id.casefold() != asked.casefold():
            raise OddAnswer(f"asked for {asked}, answered with {order.id}")
        return order

    async def before(self, ticket_id: str) -> Order:
        """Read right before a write (R14); whatever goes wrong here, nothing has been written."""
        try:
            return await self.order(ticket_id)
        except OddAnswer as err:
            raise Unreachable(f"the read before the write: {err}", err.context) from err

    async def status(self, ticket_id: str) -> str:
        """Read what status a ticket has now; empty when it cannot be read."""
        try:
            return (await self.order(ticket_id)).told.get("status", "").strip()
        except RemoteError:
            return ""
