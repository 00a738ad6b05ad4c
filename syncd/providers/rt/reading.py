"""Reading one ticket whole: the ticket, its history, and what its transactions say.

A transaction never changes, and neither do its parts, so these are kept and only new ones asked
for. Merged tickets answer under their old id with the other ticket: that is not this ticket.
"""

from collections import OrderedDict
from collections.abc import Sequence

from syncd.model.ticket import Ticket
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, OddAnswer, RemoteContext, Unreachable
from syncd.providers.rt import mapping
from syncd.providers.rt.client import PAGE_MAX, RtClient, TicketRead
from syncd.providers.rt.mapping import Names
from syncd.providers.rt.wire import Entry, Part

HISTORY_PAGES_MAX = 200
"""Pages of a ticket's history read at most: 20,000 transactions."""
TERMS_MAX = 40
"""Transactions or texts asked for in one request, so that its URL stays short."""
KEPT_CHARS_MAX = 8_000_000
"""Characters of messages kept of all tickets of a connection together."""
_ROOM_PER_PART = 200


class TicketReader:
    """Reads of one connection."""

    def __init__(self, client: RtClient, names: Names) -> None:
        self._client = client
        self.names = names
        self._kept: OrderedDict[str, tuple[Part, ...]] = OrderedDict()
        self._kept_chars = 0

    async def ticket(self, ref: TicketRef) -> Ticket:
        """Read a ticket with its comments and files; its number is its id.

        Raises:
            NotFound: it is not there, or was merged into another.
            OddAnswer: unreadable, or another ticket's (DESIGN R8).
        """
        told = await self.current(ref.id or ref.number)
        entries = await self.entries(told.doc.id)
        speaking = [one for one in entries if one.type in mapping.SPEAKING and one.parts]
        parts = await self.parts_of(told.doc.id, speaking)
        return mapping.ticket(told.doc, entries, parts, self.names)

    async def current(self, ticket_id: str) -> TicketRead:
        """Read a ticket's fields and version.

        Raises:
            NotFound: it is not there, or was merged. OddAnswer: the answer is another ticket's.
        """
        asked = ticket_id.strip()
        if not asked.isdecimal():
            raise NotFound(f"{asked[:40]!r} is no ticket's number", RemoteContext())
        told = await self._client.get_ticket(asked)
        if told.doc.id == asked.lstrip("0"):
            return told
        if await self._is_hidden(asked):
            raise NotFound(f"ticket {asked} was merged into {told.doc.id}", RemoteContext())
        raise OddAnswer(f"asked for ticket {asked}, answered with {told.doc.id}")

    async def before(self, ticket_id: str) -> TicketRead:
        """Read right before a write (R14); whatever goes wrong here, nothing has been written."""
        try:
            return await self.current(ticket_id)
        except OddAnswer as err:
            raise Unreachable(f"the read before the write: {err}", err.context) from err

    async def _is_hidden(self, ticket_id: str) -> bool:
        """Say whether a search by id finds nothing, as of a merged ticket."""
        found = await self._client.search_tickets(f"id = {ticket_id}", [("per_page", "2")])
        return found.page.length == 0

    async def entries(self, ticket_id: str) -> Sequence[Entry]:
        """Read a ticket's history, oldest first.

        Raises:
            OddAnswer: a transaction cannot be read, or there are too many.
        """
        entries: list[Entry] = []
        for number in range(1, HISTORY_PAGES_MAX + 1):
            page = await self._client.history(ticket_id, number)
            if page.odd:
                raise OddAnswer(f"history of ticket {ticket_id}: {page.odd[0]}")
            entries += page.items
            if page.length < PAGE_MAX:
                return sorted(entries, key=lambda one: int(one.id))
        raise OddAnswer(f"ticket {ticket_id} has more than {len(entries)} transactions")

    async def parts_of(
        self, ticket_id: str, entries: Sequence[Entry]
    ) -> dict[str, tuple[Part, ...]]:
        """Read the parts of transactions, with the texts of those that are messages."""
        missing = [one for one in entries if one.id not in self._kept]
        for start in range(0, len(missing), TERMS_MAX):
            await self._fetch(ticket_id, missing[start : start + TERMS_MAX])
        found = {one.id: self._kept.get(one.id, ()) for one in entries}
        for one in entries:
            if one.id in self._kept:
                self._kept.move_to_end(one.id)
        self._forget(keep=len(entries))
        return found

    async def _fetch(self, ticket_id: str, entries: Sequence[Entry]) -> None:
        terms = [("TransactionId", one.id) for one in entries]
        parts = {part.id: part for part in await self._all(ticket_id, terms, with_text=False)}
        wanted = {name for one in entries for name in one.parts}
        if unseen := wanted - set(parts):
            raise OddAnswer(f"ticket {ticket_id}: parts {sorted(unseen)[:5]} are not listed")
        texts = [part.id for part in parts.values() if mapping.is_message(part)]
        for start in range(0, len(texts), TERMS_MAX):
            asked = [("id", one) for one in texts[start : start + TERMS_MAX]]
            for part in await self._all(ticket_id, asked, with_text=True):
                parts[part.id] = part
        for one in entries:
            own = tuple(part for part in parts.values() if part.transaction == one.id)
            self._kept[one.id] = tuple(sorted(own, key=lambda part: int(part.id)))
            self._kept_chars += _room(own)

    async def _all(
        self, ticket_id: str, terms: Sequence[tuple[str, str]], *, with_text: bool
    ) -> Sequence[Part]:
        parts: list[Part] = []
        for number in range(1, HISTORY_PAGES_MAX + 1):
            page = await self._client.parts(ticket_id, terms, page=number, with_text=with_text)
            if page.odd:
                raise OddAnswer(f"attachments of ticket {ticket_id}: {page.odd[0]}")
            parts += page.items
            if page.length < PAGE_MAX:
                break
        return parts

    def _forget(self, *, keep: int) -> None:
        """Drop what was not read for longest; never what was read just now."""
        while self._kept_chars > KEPT_CHARS_MAX and len(self._kept) > keep:
            _, parts = self._kept.popitem(last=False)
            self._kept_chars -= _room(parts)


def _room(parts: Sequence[Part]) -> int:
    return sum(len(part.content or "") + _ROOM_PER_PART for part in parts)
