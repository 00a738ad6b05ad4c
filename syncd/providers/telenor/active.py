"""Finding the order a problem belongs to, while the order is still being processed.

Spec: Service Ticket API, introduction: a problem with an order in process is a comment on that
order, only problems with completed orders become incidents; section 4.3 (`search`, `isClosed`).
"""

import re
from collections.abc import Iterator, Mapping

from syncd.core.normal import one_line
from syncd.model.ids import TicketId
from syncd.ports.adapter import ActiveTicket, TicketRef
from syncd.ports.errors import OddAnswer, Refused
from syncd.providers.telenor.client import Query, TelenorClient, paging
from syncd.providers.telenor.mapping import normalise
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.wire import Case, CasePage

ORDER_REFERENCE = "order_reference"
"""A number of the order: the customer's, the source system's, or Telenor's case number."""
IDENTIFICATION_NUMBER = "identification_number"
"""A number of the line; orders have no field for it, it stands in their texts."""
MATCH = (ORDER_REFERENCE, IDENTIFICATION_NUMBER)

_REFERENCES = ("orderReference", "customerReference")
_TEXTS = ("subject", "description", "product", "productName", "location", *_REFERENCES)
_NEWEST = ("caseNumber", "DESC")
_BAD_REQUEST = 400


class ActiveOrders:
    """Finds active orders of one connection."""

    def __init__(self, client: TelenorClient, settings: TelenorSettings) -> None:
        self._client = client
        self._settings = settings
        self._done = {normalise("status", one) for one in settings.order_done}
        self._takes_closed = True

    async def find(self, terms: Mapping[str, str]) -> ActiveTicket | None:
        """Find the youngest active order that a term names; the terms in the order of `MATCH`.

        `search` may lag (section 8, T30), so the newest orders are looked through as well.

        Raises:
            OddAnswer: a list holds what cannot be read: it might be the order.
        """
        wanted = [(name, terms[name]) for name in MATCH if terms.get(name)]
        for name, value in wanted:
            found = _youngest(self._matching(await self._page(("search", value)), name, value))
            if found is not None:
                return _told(found, name, value)
        newest = await self._page(None) if wanted else None
        for name, value in wanted if newest else ():
            found = _youngest(self._matching(newest, name, value))
            if found is not None:
                return _told(found, name, value)
        return None

    def _matching(self, page: CasePage | None, name: str, value: str) -> Iterator[Case]:
        for case in page.items if page else ():
            if self._is_active(case) and is_about(case, name, value):
                yield case

    def _is_active(self, case: Case) -> bool:
        """Judge here: the filter's literals are not documented (section 8, T9)."""
        if case.closed is not None:
            return False
        return normalise("status", case.told.get("status")) not in self._done

    async def _page(self, search: tuple[str, str] | None) -> CasePage:
        query: Query = paging(0, self._settings.feed.page_size, _NEWEST)
        query = [*([search] if search else []), *query]
        page = await self._open_ones(query)
        if page.odd:
            raise OddAnswer(f"an order in the list cannot be read: {page.odd[0]}")
        return page

    async def _open_ones(self, query: Query) -> CasePage:
        if self._takes_closed:
            closed = ("isClosed", self._settings.closed_literals.false)
            try:
                return await self._client.list_cases([closed, *query])
            except Refused as err:
                if err.context.status != _BAD_REQUEST:
                    raise
                self._takes_closed = False
        return await self._client.list_cases(query)


def is_about(case: Case, name: str, value: str) -> bool:
    """Say whether an order is the one a term names: a reference exactly, a number as a word."""
    wanted = one_line(value).casefold()
    if not wanted:
        return False
    if name == ORDER_REFERENCE:
        numbers = [case.case_number, *(case.told.get(field) or "" for field in _REFERENCES)]
        return wanted in (one_line(number).casefold() for number in numbers)
    texts = " ".join(case.told.get(field) or "" for field in _TEXTS)
    word = rf"(?<!\w){re.escape(wanted)}(?!\w)"
    return re.search(word, one_line(texts).casefold()) is not None


def _youngest(cases: Iterator[Case]) -> Case | None:
    return max(cases, key=lambda case: (len(case.case_number), case.case_number), default=None)


def _told(case: Case, name: str, value: str) -> ActiveTicket:
    ref = TicketRef(kind="order", id=TicketId(case.id), number=case.case_number)
    return ActiveTicket(ref=ref, matched=f"{name} {one_line(value)}")
