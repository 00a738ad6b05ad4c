"""A ticket system whose lists are read in pages, while people move tickets from page to page.

The pages are read by the adapters' own code: Request Tracker's search, Telenor's activities, the
lists by status of Digital Realty, and the look through these for a create whose answer was lost.
In the place of the vendor's HTTP stands the story's system, which shows each page as things are
when it is asked for.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

from syncd.core import marker
from syncd.model.features import Reading
from syncd.model.ids import TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import Ticket
from syncd.ports.adapter import PollResult, TicketRef
from syncd.ports.errors import NotFound
from syncd.providers.digital_realty.probing import TicketProber
from syncd.providers.digital_realty.scan import ListScan
from syncd.providers.digital_realty.settings import DigitalRealtyProbe, DigitalRealtyScan
from syncd.providers.digital_realty.wire import Order
from syncd.providers.digital_realty.wire import Page as OrderPage
from syncd.providers.rt.client import Search
from syncd.providers.rt.feed import ChangeFeed
from syncd.providers.rt.settings import RtFeed
from syncd.providers.rt.wire import Page as RowPage
from syncd.providers.rt.wire import Row
from syncd.providers.telenor.feed import ActivityFeed
from syncd.providers.telenor.settings import TelenorFeed
from syncd.providers.telenor.wire import Activity, ActivityPage, ActivityTicket, Stamp
from tests.simulation.habits import Habits, HabitualVendor
from tests.simulation.traits import Fate, Profile
from tests.simulation.vendor import KIND
from tests.support.clock import FakeClock

OVERLAP_S = 2.0
"""So far behind what is newest the readers look again."""
CLOCKS_OVERLAP_S = 60.0
"""The same where the vendor's clock is set: by less than this."""
EVERY_S = 20.0
"""Within this every open ticket is read, and closed ones are looked through."""
CLOSED = {"Closed": "Completed"}
WORKED_ON = {"In Progress": "In Progress", "Solved": "In Progress"}
LISTED_AS = {"New": "New", **WORKED_ON, **CLOSED}
"""Status -> the list by status in which a ticket stands."""


class Pages(StrEnum):
    """What is read in pages: a search, newest first; activities; or lists by status."""

    SEARCH = "search"
    ACTIVITIES = "activities"
    LISTS = "lists"


class Listed(NamedTuple):
    """A ticket of a list, with the dates that only the list need tell."""

    ticket: Ticket
    updated_at: datetime
    created_at: datetime


class _Reader(Protocol):
    async def poll(self, cursor: str | None, now: datetime) -> PollResult: ...


def read_by(profile: Profile, pages: Pages) -> Profile:
    """Give a profile with the way of reading that such pages have."""
    return replace(profile, reading=Reading.SCAN if pages is Pages.LISTS else Reading.FEED)


class ListedVendor(HabitualVendor):
    """A ticket system that tells what changed in pages.

    Attributes:
        drift: called before each page: people may move tickets across its border.
    """

    def __init__(
        self, clock: FakeClock, name: str, profile: Profile, habits: Habits, luck: Random
    ) -> None:
        # What settles at once, within a second, cannot be told from what was before it.
        habits = replace(habits, shows_at_once=False, feeds_late=False)
        super().__init__(clock, name, profile, habits, luck)
        self.drift: Callable[[], None] = lambda: None
        self._dates: list[datetime] = []
        self._reader: _Reader
        self._ours = clock

    def tell_by(self, pages: Pages, *, overlap_s: float) -> None:
        """Have it read as such pages are."""
        desk: Any = _Desk(self)
        match pages:
            case Pages.SEARCH:
                search = RtFeed(page_size=2, pages_max=2, overlap=overlap_s, settle=1.0)
                self._reader = ChangeFeed(desk, search, ())
            case Pages.ACTIVITIES:
                feed = TelenorFeed(
                    page_size=3,
                    pages_max=3,
                    overlap_s=overlap_s,
                    overlap_items=1,
                    sort_tolerance_s=overlap_s / 2.0,
                )
                self._reader = ActivityFeed(desk, feed)
            case Pages.LISTS:
                self._reader = ListScan(desk, SCAN)
        self._prober = TicketProber(desk, desk, desk, desk) if pages is Pages.LISTS else None

    async def poll(self, kind: str, cursor: str | None) -> PollResult:
        told = await self._reader.poll(cursor, self._ours.now())
        sightings = [
            replace(one, ref=TicketRef(kind=KIND, id=one.ref.id, number=self.number(one.ref.id)))
            for one in told.sightings
            if one.ref.id is not None
        ]
        return replace(told, sightings=tuple(sightings))

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        if write.kind is not WriteKind.CREATE or self._prober is None:
            return await super().probe(write, sent_at)
        await self.step("probe")
        fate = self.fate("probe")
        self._fail(fate)
        if fate is Fate.UNCLEAR:
            return ProbeResult(finding=Finding.UNCLEAR, looked_at="an odd page")
        if not self._is_listed(write.key):
            return ProbeResult(finding=Finding.ABSENT, looked_at="lists that lag")
        found = await self._prober.probe(write, sent_at)
        await self.step("probed")
        others = tuple(self._numbered(one) for one in found.others)
        receipt = self._numbered(found.receipt) if found.receipt else None
        return replace(found, receipt=receipt, others=others)

    async def turn(self) -> None:
        """Have a page asked for: time for others, for people, and for what may go wrong."""
        await self.step("page")
        self._fail(self.fate("poll"))
        self.drift()
        self.do_late()

    def newest_first(self) -> list[Listed]:
        """Give what a list shows, in its order."""
        listed = [
            Listed(ticket, self._cases[ticket.id].updated_at, self._cases[ticket.id].created_at)
            for ticket in self.tickets()
        ]
        return sorted(listed, key=lambda one: (one.updated_at, one.ticket.id), reverse=True)

    def activities(self) -> list[Activity]:
        """Give what happened, newest first."""
        told = zip(self._dates, self._activities, count(), strict=False)
        newest_first = sorted(told, key=lambda one: (one[0], one[2]), reverse=True)
        return [
            Activity(
                id=f"a{place}",
                date=Stamp(raw=date.isoformat(), at=date),
                action=what,
                content="",
                field_name="",
                old_value="",
                new_value="",
                user=None,
                ticket=ActivityTicket(id=ticket_id, case_number=self.number(ticket_id)),
            )
            for date, (ticket_id, what), place in newest_first
        ]

    def _numbered(self, receipt: Receipt) -> Receipt:
        return replace(receipt, ticket_number=self.number(receipt.ticket_id))

    def _touch(self, ticket_id: TicketId, what: str) -> None:
        self._dates.append(self.clock.now().replace(microsecond=0))
        super()._touch(ticket_id, what)


SCAN = DigitalRealtyScan(
    page_size=1, pages_max=2, reread_every=EVERY_S, closed_every=EVERY_S, closed_pages=1
)


class _Desk:
    """Stands in for the clients of three vendors, as far as their readers ask."""

    def __init__(self, vendor: ListedVendor) -> None:
        self._vendor = vendor
        self.tree = SimpleNamespace(kind=KIND)
        self.own_name = ""
        self.scan = SCAN
        self.probe = DigitalRealtyProbe(skew_s=CLOCKS_OVERLAP_S, looks=2)

    async def search_tickets(self, _sql: str, query: Iterable[tuple[str, str]], _: Any) -> Search:
        """Give a page of Request Tracker's search."""
        await self._vendor.turn()
        asked = dict(query)
        number, size = int(asked["page"]), int(asked["per_page"])
        found = self._vendor.newest_first()
        page = found[(number - 1) * size : number * size]
        return Search(
            page=RowPage(
                items=tuple(_row(one) for one in page),
                odd=(),
                length=len(page),
                pages=-(-len(found) // size),
                total=len(found),
            ),
            at=self._vendor.clock.now(),
        )

    async def list_activities(self, query: Iterable[tuple[str, str]]) -> ActivityPage:
        """Give a page of Telenor's activities."""
        await self._vendor.turn()
        asked = dict(query)
        skip = int(asked["skip"])
        found = self._vendor.activities()
        page = found[skip : skip + int(asked["count"])]
        return ActivityPage(total=len(found), length=len(page), items=tuple(page), unreadable=())

    async def list_tickets(self, query: Iterable[tuple[str, str]]) -> OrderPage:
        """Give a page of one of Digital Realty's lists."""
        await self._vendor.turn()
        asked = dict(query)
        number, size = int(asked["page"]), int(asked["size"])
        found = [
            one
            for one in self._vendor.newest_first()
            if asked.get("status") in (None, LISTED_AS[str(one.ticket.get("status"))])
        ]
        page = found[number * size : (number + 1) * size]
        return OrderPage(
            items=tuple(_order(one) for one in page),
            odd=(),
            length=len(page),
            is_last=(number + 1) * size >= len(found),
            total=len(found),
        )

    async def order(self, ticket_id: str) -> Order:
        """Give one of Digital Realty's tickets whole."""
        await self._vendor.step("page")
        found = [one for one in self._vendor.newest_first() if one.ticket.id == ticket_id]
        if not found:
            raise NotFound("no such order")
        return _order(found[0])


def _row(one: Listed) -> Row:
    return Row(
        id=one.ticket.id,
        status="",
        queue="",
        created=one.created_at,
        updated=one.updated_at,
        custom={},
        transitions=(),
    )


def _order(one: Listed) -> Order:
    ticket = one.ticket
    told = {name: str(ticket.get(name) or "") for name in ("title", "description", "status")}
    told["customerReference"] = " ".join(marker.append("", key) for key in ticket.keys)
    dates = {"updatedOn": one.updated_at, "createdOn": one.created_at}
    shown = {name: f"{at:%Y-%m-%dT%H:%M:%S}Z" for name, at in dates.items()}
    row = {"id": ticket.id, "status": told["status"], **shown}
    return Order(id=ticket.id, told=told, dates=shown, comments=None, row=row)
