"""Reading one ticket whole, and making sure that it is the one that was asked for."""

from collections.abc import Sequence

from syncd.model.ticket import Comment, Ticket
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, OddAnswer, RemoteContext
from syncd.providers.sipsynergy import mapping
from syncd.providers.sipsynergy.client import SipSynergyClient
from syncd.providers.sipsynergy.report import StatusBook
from syncd.providers.sipsynergy.settings import SipSynergySettings
from syncd.providers.sipsynergy.wire import CommentItem, TicketItem


class TicketReader:
    """Reads tickets by their human id, which is their number too."""

    def __init__(
        self, client: SipSynergyClient, book: StatusBook, settings: SipSynergySettings
    ) -> None:
        self._client = client
        self._book = book
        self._settings = settings

    async def ticket(self, ref: TicketRef) -> Ticket:
        """Read a ticket with its comments and attributes; its status is the report's.

        Raises:
            NotFound: it is not there. OddAnswer: the answer is unreadable or another ticket's.

        Spec: Tickets Microservice, section 2.2; section 6, S1, S13.
        """
        item = await self.item(ref)
        comments = await self._client.list_comments(item.id)
        attributes = None
        if self._settings.contacts.read:
            attributes = await self._client.list_attributes(item.id)
        await self._book.ensure_read()
        return mapping.ticket(item, self._book.facts(item.id), self.shown(comments), attributes)

    async def item(self, ref: TicketRef) -> TicketItem:
        """Read the ticket itself.

        Raises:
            NotFound: it is not there. OddAnswer: the answer is another ticket's (DESIGN R8).
        """
        asked = (ref.id or ref.number).strip()
        if not asked:
            raise NotFound("no id to read by", RemoteContext())
        item = await self._client.get_ticket(asked)
        if item.id != asked:
            raise OddAnswer(f"asked for ticket {asked}, answered with {item.id}")
        return item

    def shown(self, comments: Sequence[CommentItem]) -> tuple[Comment, ...]:
        """Give comments as the rest of syncd sees them."""
        return mapping.comments_of(comments, self._settings.authors, self._settings.unknown_author)
