"""The search for changed tickets: newest first until what is covered is reached (DESIGN section 6).

TicketSQL reads dates in the API user's time zone, which we cannot read. So no date decides
anything in the query: it only keeps old tickets out, with a day and a half to spare, and where to
stop is told by the dates answered, which are always UTC. What `check --live` finds out about the
zone is a word to people.

Pages shift while they are read. A ticket that changes moves to the front, so others move back and
are met twice, which the known ones absorb; a ticket that goes (deleted, merged) moves others
forward, so where the total shrank the page before is read again.

RT's dates are whole seconds: a ticket told of within `settle` of its change is told of once more
when that is over, for a second change in the same second looks like the first.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from syncd.model.ids import TicketId
from syncd.ports.adapter import PollResult, Sighting, TicketRef
from syncd.providers.rt.client import RtClient, Search
from syncd.providers.rt.cursor import Cursor, Seen, Walk, read_cursor, seconds
from syncd.providers.rt.mapping import KIND
from syncd.providers.rt.settings import RtFeed
from syncd.providers.rt.wire import Row, parse_changed_row

ZONE_SPARE_S = 36 * 3600
"""How much earlier than needed the query begins: time zones differ by 26 hours at most."""
HELD_MAX_S = 86_400
"""How long what cannot be read keeps our place from moving on."""


class ChangeFeed:
    """The feed of one connection; keeps nothing between polls but the cursor."""

    def __init__(self, client: RtClient, settings: RtFeed, queues: tuple[str, ...]) -> None:
        self._client = client
        self._settings = settings
        self._queues = queues

    async def poll(self, cursor: str | None, now: datetime) -> PollResult:
        """Read what may have changed.

        Args:
            cursor: where the last poll stood; None for the first.
            now: aware UTC instant; used only to say what is history at the first poll.

        Raises:
            OddAnswer: an answer as a whole cannot be read; the cursor stays.
        """
        if cursor is None:
            before = Cursor(since=seconds(now) - int(self._settings.history))
        else:
            before = read_cursor(cursor)
        round_ = _Round(self._client, self._settings, before, self._queues)
        after = await round_.run()
        return PollResult(
            sightings=tuple(round_.sightings.values()),
            cursor=after.to_json(),
            gap=after.walk is not None,
            requests=round_.requests,
            notes=tuple(dict.fromkeys(round_.notes)),
        )


@dataclass(slots=True)
class _Progress:
    """What a reading has met so far; `since` is None before its first page."""

    number: int
    since: int | None
    met: dict[str, Seen] = field(default_factory=dict)
    is_odd: bool = False
    total: int | None = None


class _Round:
    """One poll."""

    def __init__(
        self, client: RtClient, settings: RtFeed, before: Cursor, queues: tuple[str, ...]
    ) -> None:
        self._client = client
        self._settings = settings
        self._before = before
        self._sql = changed_since(before.since - ZONE_SPARE_S, queues)
        self.sightings: dict[str, Sighting] = {}
        self.notes: list[str] = []
        self.requests = 0

    async def run(self) -> Cursor:
        """Read pages until the covered ones and give the cursor that covers them all."""
        walk = self._before.walk
        if walk is None:
            at = _Progress(number=1, since=None)
        else:
            at = _Progress(
                number=max(1, walk.page - 1),
                since=walk.since,
                met=dict(walk.met),
                is_odd=walk.is_odd,
            )
        for _ in range(self._settings.pages_max + (walk is not None)):
            search = await self._page(at.number)
            if at.total is not None and _total(search) < at.total and at.number > 1:
                at.total, at.number = None, at.number - 1
                continue
            at.total = search.page.total
            if self._take(search, at):
                return self._finished(at)
            at.number += 1
        going = Walk(page=at.number, since=at.since or 0, met=at.met, is_odd=at.is_odd)
        return replace(self._before, walk=going)

    async def _page(self, number: int) -> Search:
        query = [
            ("orderby", "LastUpdated"),
            ("order", "DESC"),
            ("orderby", "id"),
            ("order", "DESC"),
            ("per_page", str(self._settings.page_size)),
            ("page", str(number)),
            ("fields", "LastUpdated"),
        ]
        search = await self._client.search_tickets(self._sql, query, parse_changed_row)
        self.requests += 1
        return search

    def _take(self, search: Search, at: _Progress) -> bool:
        """Take a page; say whether it was the last one to read."""
        page = search.page
        self.notes += [f"a ticket of the list was stepped over: {why}" for why in page.odd]
        at.is_odd = at.is_odd or bool(page.odd)
        newest = max((_updated(row) for row in page.items), default=self._before.since)
        here = seconds(search.at) if search.at is not None else newest
        if at.since is None:
            at.since = max(self._before.since, min(newest, here - int(self._settings.overlap)))
        for row in page.items:
            updated = _updated(row)
            if updated <= self._before.since:
                return True
            settled = here - updated >= self._settings.settle
            self._see(row, Seen(updated=updated, settled=settled), at)
        if page.pages is not None:
            return at.number >= page.pages
        return page.length == 0

    def _see(self, row: Row, now: Seen, at: _Progress) -> None:
        known = at.met.get(row.id) or self._before.known.get(row.id)
        at.met[row.id] = now
        is_known = known is not None and known.updated == now.updated
        if known is not None and is_known and (known.settled or not now.settled):
            return
        ref = TicketRef(kind=KIND, id=TicketId(row.id), number=row.id)
        when = datetime.fromtimestamp(now.updated, UTC)
        self.sightings[row.id] = Sighting(ref=ref, seen=f"changed {when:%Y-%m-%d %H:%M:%S}")

    def _finished(self, at: _Progress) -> Cursor:
        since = self._before.since if at.since is None else at.since
        if at.is_odd and since - self._before.since < HELD_MAX_S:
            # Behind what could not be read nothing is covered: it may be readable next time.
            since = self._before.since
        known = {one: seen for one, seen in at.met.items() if seen.updated > since}
        if len(known) > self._settings.known_max:
            self.notes.append(f"{len(known)} tickets changed at once: some are read again")
            newest = sorted(known.items(), key=lambda one: one[1].updated, reverse=True)
            known = dict(newest[: self._settings.known_max])
        return Cursor(since=since, known=known)


def changed_since(since: int, queues: tuple[str, ...]) -> str:
    """Give the TicketSQL for what changed since an instant, in seconds since the epoch."""
    at = datetime.fromtimestamp(max(0, since), UTC)
    sql = f"LastUpdated >= '{at:%Y-%m-%d %H:%M:%S}'"
    return f"{in_queues(queues)} AND {sql}" if queues else sql


def in_queues(queues: tuple[str, ...]) -> str:
    """Give the TicketSQL for tickets of these queues."""
    return "(" + " OR ".join(f"Queue = {quoted(one)}" for one in queues) + ")"


def quoted(text: str) -> str:
    """Give a text as TicketSQL reads it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _updated(row: Row) -> int:
    return seconds(row.updated) if row.updated is not None else 0


def _total(search: Search) -> int:
    return search.page.total if search.page.total is not None else 0
