"""Reading the lists: what may have changed since the last poll (DESIGN section 6, *scan*).

Every poll reads the lists of open tickets whole and says of each ticket what its row tells, as a
digest; one whose digest moved is read. One that left these lists is read too, so that its end is
seen. Beside that, slowly: open tickets are read again whatever their row says, for a comment may
move no date (D12), and a page of closed ones at a time, for one that came and went between two
polls.

Pages shift while they are read (D11). A ticket that moves back is met twice, which ids absorb; one
that moves forward would be missed at the border of two pages, so where the total shrank the page
before is read again. Whatever slips through is met by the next poll: nothing is concluded from
absence but that the ticket is read.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from syncd.model.ids import TicketId
from syncd.ports.adapter import PollResult, Sighting, TicketRef
from syncd.providers.digital_realty.client import DigitalRealtyClient, paging
from syncd.providers.digital_realty.cursor import Cursor, Pass, read_cursor
from syncd.providers.digital_realty.mapping import (
    CANCELLED,
    COMPLETED,
    KIND,
    OPEN_STATUSES,
    row_digest,
)
from syncd.providers.digital_realty.settings import DigitalRealtyScan
from syncd.providers.digital_realty.wire import Order, Page, parse_date

CLOSED_STATUSES = (COMPLETED, CANCELLED)
_SLOTS = 2**32
_See = Callable[[Order], None]


class ListScan:
    """The scan of one connection; keeps nothing between polls but the cursor."""

    def __init__(self, client: DigitalRealtyClient, settings: DigitalRealtyScan) -> None:
        self._client = client
        self._settings = settings

    async def poll(self, cursor: str | None, now: datetime) -> PollResult:
        """Read what may have changed.

        Args:
            cursor: where the last poll stood; None for the first.
            now: aware UTC instant, for the slow rounds.

        Raises:
            OddAnswer: an answer as a whole cannot be read; the cursor stays.

        Spec: Customer Support Tickets API, section 5.2; section 7, D11 to D14 and D20.
        """
        before = self._begun(now) if cursor is None else read_cursor(cursor)
        round_ = _Round(self._client, self._settings, before, now)
        after = await round_.run()
        return PollResult(
            sightings=tuple(round_.sightings.values()),
            cursor=after.to_json(),
            gap=after.going is not None,
            requests=round_.requests,
            notes=tuple(dict.fromkeys(round_.notes)),
            listed=round_.listed,
        )

    def _begun(self, now: datetime) -> Cursor:
        history = now - timedelta(seconds=self._settings.closed_history)
        at = now.timestamp()
        return Cursor(reread_to=at, closed_at=at, history=history.replace(microsecond=0))


@dataclass(slots=True)
class _Reach:
    """How far a reading of lists came: where to go on, None at the end; and the ids met."""

    left: Pass | None
    met: list[str] = field(default_factory=list)


class _Round:
    """One poll."""

    def __init__(
        self,
        client: DigitalRealtyClient,
        settings: DigitalRealtyScan,
        before: Cursor,
        now: datetime,
    ) -> None:
        self._client = client
        self._settings = settings
        self._before = before
        self._now_s = now.timestamp()
        self.sightings: dict[str, Sighting] = {}
        self.notes: list[str] = []
        self.requests = 0
        self.listed: int | None = None

    async def run(self) -> Cursor:
        """Read what is due and give the cursor that covers it."""
        after = await self._read_open()
        after = self._read_again(after)
        return await self._read_closed(after)

    # --- open ------------------------------------------------------------------------------------

    async def _read_open(self) -> Cursor:
        """Read the open lists, or go on where a page limit cut the last reading short."""
        before, start = self._before, self._before.going or Pass()
        reach = await self._walk(OPEN_STATUSES, start, self._settings.pages_max, self._see_open)
        met = dict.fromkeys((*start.met, *reach.met))
        if reach.left is not None:
            # What is missing so far may stand on the pages still to be read.
            return replace(before, going=replace(reach.left, met=tuple(met)))
        if not self.notes:  # What could not be read is listed as well.
            self.listed = len(met)
        for one in before.open:
            if one not in met:
                self._see(one, None, "it left the open lists")
        kept = sorted(met)
        if len(kept) > self._settings.open_max:
            # The youngest numbers are the ones most likely to move.
            self.notes.append(
                f"{len(kept)} open tickets, {self._settings.open_max} are kept in mind: the end of "
                "others is only seen by the pass through closed ones"
            )
            kept = kept[-self._settings.open_max :]
        return replace(before, open=tuple(kept), going=None)

    def _see_open(self, row: Order) -> None:
        digest = row_digest(row)
        self._see(row.id, digest, f"listed as {row.told.get('status', '')}, updated "
                  f"{row.dates.get('updatedOn', '')}")  # fmt: skip

    # --- again -----------------------------------------------------------------------------------

    def _read_again(self, cursor: Cursor) -> Cursor:
        """Have open tickets read whose turn in the round has come since the last poll.

        Each ticket's turn is at the same point of every round, by its id, so the reads are spread.
        """
        every_s = self._settings.reread_every
        if every_s <= 0:
            return cursor
        since = self._now_s if cursor.reread_to is None else min(cursor.reread_to, self._now_s)
        since = max(since, self._now_s - every_s)
        turns = sorted(
            (turn, one)
            for one in set(cursor.open).intersection(self._before.open)
            if (turn := _turn_after(one, since, every_s)) <= self._now_s
        )
        due = turns[: self._settings.reread_most]
        for _, one in due:
            if one not in self.sightings or self.sightings[one].digest is not None:
                self._again(one)
        # Where there were more than one poll asks for, the next one goes on from here.
        to = due[-1][0] if len(turns) > len(due) else self._now_s
        return replace(cursor, reread_to=to)

    def _again(self, ticket_id: str) -> None:
        self.sightings.pop(ticket_id, None)
        self._see(ticket_id, None, "its turn: a comment may move no date")

    # --- closed ----------------------------------------------------------------------------------

    async def _read_closed(self, cursor: Cursor) -> Cursor:
        """Go on in the pass through the closed tickets, or begin one when it is time."""
        every_s, at = self._settings.closed_every, cursor.closed_at
        if every_s <= 0 or cursor.going is not None:
            return cursor
        going = cursor.closed
        if going is None:
            if at is not None and at <= self._now_s < at + every_s:
                return cursor
            going, cursor = Pass(), replace(cursor, closed_at=self._now_s)
        pages_max = self._settings.closed_pages
        reach = await self._walk(CLOSED_STATUSES, going, pages_max, self._see_closed)
        return replace(cursor, closed=reach.left)

    def _see_closed(self, row: Order) -> None:
        history = self._before.history
        dates = [parse_date(row.dates.get(name, "")) for name in ("updatedOn", "createdOn")]
        known = [at for at in dates if at is not None]
        if history is not None and known and max(known) < history:
            return
        self._see(row.id, row_digest(row), f"listed as {row.told.get('status', '')}")

    # --- pages -----------------------------------------------------------------------------------

    async def _walk(
        self, statuses: tuple[str, ...], start: Pass, pages_max: int, see: _See
    ) -> _Reach:
        """Read lists one after another from a place, at most so many pages."""
        reach = _Reach(left=None)
        place, number = start.place, max(0, start.page - 1)
        budget = pages_max + (start.page - number)
        while place < len(statuses):
            total: int | None = None
            while True:
                if budget <= 0:
                    reach.left = Pass(place=place, page=number)
                    return reach
                page = await self._page(statuses[place], number)
                budget -= 1
                self._take(page, reach, see)
                if number > 0 and _shrank(total, page.total):
                    self._take(await self._page(statuses[place], number - 1), reach, see)
                    budget -= 1
                total = page.total
                if page.is_last or page.length == 0:
                    break
                number += 1
            place, number = place + 1, 0
        return reach

    async def _page(self, status: str, number: int) -> Page:
        query = [("status", status), *paging(number, self._settings.page_size)]
        page = await self._client.list_tickets(query)
        self.requests += 1
        self.notes += [f"a ticket listed as {status} was stepped over: {why}" for why in page.odd]
        return page

    def _take(self, page: Page, reach: _Reach, see: _See) -> None:
        for row in page.items:
            reach.met.append(row.id)
            see(row)

    def _see(self, ticket_id: str, digest: bytes | None, seen: str) -> None:
        ref = TicketRef(kind=KIND, id=TicketId(ticket_id), number=ticket_id)
        self.sightings[ticket_id] = Sighting(ref=ref, digest=digest, seen=seen)


def _shrank(before: int | None, total: int | None) -> bool:
    return before is not None and total is not None and total < before


def _turn_after(ticket_id: str, since_s: float, every_s: float) -> float:
    """Give a ticket's first turn after an instant; turns are `every_s` apart."""
    offset_s = zlib.crc32(ticket_id.encode()) / _SLOTS * every_s
    rounds = (since_s - offset_s) // every_s + 1
    return rounds * every_s + offset_s
