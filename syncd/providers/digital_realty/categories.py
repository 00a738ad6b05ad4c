"""The table of request types and categories: asked for now and then, never in the way (D3)."""

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.ports.clock import Clock
from syncd.ports.errors import Refused, RemoteError
from syncd.providers.digital_realty.client import DigitalRealtyClient
from syncd.providers.digital_realty.sending import Unsendable
from syncd.providers.digital_realty.settings import DigitalRealtyCategories

Table = Mapping[str, tuple[str, ...]]

DOCUMENTED: Table = {
    "Account Management": ("User Account Inquiry",),
    "Accounts Receivable": ("General Billing Inquiry",),
    "Facilities Request": (
        "Cooling - Datacenter",
        "Cooling - Office",
        "Electrical",
        "Fire/Safety",
        "Planned Maintenance",
    ),
    "Amenities": ("Elevator", "Loading Dock", "Parking", "General Inquiry"),
    "Cross Connect": ("New Install", "Change (Hot Cut)", "Disconnect"),
}
"""Spec: Customer Support Tickets API, section 6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of categories.

    Attributes:
        table: request type to its categories.
        is_live: the vendor told it; else it is the document's and may be older than the vendor's.
    """

    table: Table
    is_live: bool


class Categories:
    """The categories of one connection."""

    def __init__(
        self, client: DigitalRealtyClient, clock: Clock, settings: DigitalRealtyCategories
    ) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings
        self._known = Known(table=DOCUMENTED, is_live=False)
        self._until_s: float | None = None

    async def known(self) -> Known:
        """Give the table: the vendor's where it can be had, else the document's."""
        now_s = self._clock.monotonic_s()
        if self._until_s is not None and now_s < self._until_s:
            return self._known
        keep_s = self._settings.keep
        try:
            self._known = Known(table=await self._asked(), is_live=True)
        except RemoteError:
            keep_s = self._settings.retry  # what was known before, or the document's, goes on
        self._until_s = self._clock.monotonic_s() + keep_s
        return self._known

    async def check(self, request_type: str, category: str) -> None:
        """Make sure a category is part of the request type it is sent with.

        Where only the document's table is known, what it does not list may be new and is let pass.

        Raises:
            Unsendable: it is not; the text names what is accepted.

        Spec: Customer Support Tickets API, sections 5.3, 5.6 and 6.
        """
        known = await self.known()
        listed = known.table.get(request_type)
        owners = [kind for kind, names in known.table.items() if category in names]
        if listed is None and known.is_live:
            accepted = ", ".join(sorted(known.table))
            raise Unsendable(f"request_type {request_type!r}: accepted: {accepted}")
        if category in (listed or ()) or (not owners and not known.is_live):
            return
        if listed is None and not owners:
            return
        belongs = f"; it is part of {owners[0]}" if owners else ""
        accepted = ", ".join(listed or ())
        raise Unsendable(
            f"category {category!r} is not part of {request_type!r}{belongs}; accepted: {accepted}"
        )

    async def _asked(self) -> Table:
        """Ask once for all; where that is refused, once for each type (D3)."""
        try:
            table = await self._client.categories()
        except Refused:
            table = {}
        missing = [kind for kind in DOCUMENTED if kind not in table]
        if len(missing) < len(DOCUMENTED):
            return table
        for kind in missing:
            table = {**table, **await self._client.categories(kind)}
        return table
