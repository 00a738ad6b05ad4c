"""Reading the activities feed so that nothing slips through, at one request when nothing happened.

A poll walks from the newest activity down until everything newer than (newest date known − overlap)
has been seen, on pages that are seen to be sorted. What is not finished within the page limit is a
`Gap`, continued by the next poll. Dates are Telenor's, never ours; ids tell what was known.

- sorted feed: new activities first, then the gap below them, from where it was left.
- unsorted feed (T10): the whole is read, over several polls where it is long. What arrived behind
  our back meanwhile is found by the next reading, which begins at the date before the last one.

Spec: Service Ticket API, section 6, I3; section 8, T10-T12; section 10, change detection.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.model.ids import TicketId
from syncd.ports.adapter import PollResult, Sighting, TicketRef
from syncd.ports.errors import Refused
from syncd.providers.telenor.client import TelenorClient, paging
from syncd.providers.telenor.cursor import Cursor, Gap, highest, lower, micros, read_cursor, span
from syncd.providers.telenor.settings import TelenorFeed
from syncd.providers.telenor.wire import Activity, ActivityPage

SORT = ("lastActivity", "DESC")
"""Spec: Service Ticket API, section 8, T10."""
UNSORTED_READS = 200
"""After a refused sorting, pages read without it before it is tried again."""
_NOTES_MAX = 50
_STEPS_BACK_MAX = 4
_EMPTY_PAGES_MAX = 3
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aim:
    """What a walk is for; instants in microseconds, None for no bound.

    Attributes:
        stop_below: a sorted page that reaches below this ends the walk.
        news_from, news_to: unknown activities outside are not news.
        pages_max: pages read at most.
        is_catch_up: a first page that is as it was ends the walk.
    """

    is_catch_up: bool = False
    stop_below: int | None = None
    news_from: int | None = None
    news_to: int | None = None
    pages_max: int

    def is_news(self, date: int | None) -> bool:
        """Say whether an unknown activity of this date is news; an undated one is."""
        if date is None:
            return True
        is_too_old = self.news_from is not None and date < self.news_from
        return not is_too_old and not (self.news_to is not None and date > self.news_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """How far a walk came.

    Attributes:
        skip: where to go on.
        oldest: lowest date met.
        meets_known: the last page held nothing unknown: what lies above an older gap was reached.
        is_sorted: newest first, as far as could be seen.
        is_done: nothing is left to read; `at_end`: of the whole feed.
        is_quiet: the first page is as it was and nothing was added below it.
        is_refused: the feed gives no page that deep.
    """

    skip: int
    oldest: int | None = None
    meets_known: bool = False
    is_sorted: bool = True
    is_done: bool = False
    at_end: bool = False
    is_quiet: bool = False
    is_refused: bool = False


@dataclass(slots=True, kw_only=True)
class _Touched:
    """A ticket met in this poll; `order` is the place of its oldest new activity."""

    ref: TicketRef
    actions: list[str]
    order: tuple[int, int]


class ActivityFeed:
    """The feed of one tree of a connection. Its only memory is that Telenor refuses to sort."""

    def __init__(self, client: TelenorClient, settings: TelenorFeed) -> None:
        self.kind = client.tree.kind
        self._client = client
        self._settings = settings
        self._was_refused = False
        self._unsorted_reads_left = 0

    async def poll(self, cursor: str | None, now: datetime) -> PollResult:
        """Read what happened since the cursor.

        Args:
            cursor: as the last poll gave it; None establishes the place: one page is read.
            now: our clock, only to disbelieve dates that lie far ahead of it.

        Raises:
            OddAnswer: the answer as a whole, or the stored cursor, cannot be understood.
        """
        latest = micros(now + timedelta(seconds=self._settings.future_max_s))
        before = read_cursor(cursor) if cursor is not None else None
        one = _Round(self, self._settings, before or Cursor(), latest)
        if before is None:
            after = await one.begin()
        elif before.gap is not None and before.gap.newest is None:
            after = await one.go_on_scanning(before.gap)
        else:
            after = await one.catch_up()
        return PollResult(
            sightings=one.sightings(),
            cursor=after.to_json(),
            gap=after.gap is not None,
            requests=one.requests,
            notes=tuple(one.notes[:_NOTES_MAX]),
        )

    async def page(self, skip: int) -> tuple[ActivityPage, int]:
        """Read a page; where sorting is refused, once more without it, and remember (T10).

        Returns:
            The page, and the requests it took.
        """
        count = self._settings.page_size
        if self._unsorted_reads_left <= 0 and (skip == 0 or not self._was_refused):
            try:
                page = await self._client.list_activities(paging(skip, count, SORT))
            except Refused as err:
                if err.context.status != _BAD_REQUEST or skip > 0:
                    raise
                page = await self._client.list_activities(paging(skip, count))
                self._was_refused, self._unsorted_reads_left = True, UNSORTED_READS
                return page, 2
            self._was_refused = False
            return page, 1
        self._unsorted_reads_left -= 1
        return await self._client.list_activities(paging(skip, count)), 1


class _Round:
    """One poll's walk through the feed."""

    def __init__(
        self, feed: ActivityFeed, settings: TelenorFeed, before: Cursor, latest: int
    ) -> None:
        self.requests = 0
        self.notes: list[str] = []
        self._feed = feed
        self._settings = settings
        self._before = before
        self._latest = latest
        self._overlap = span(settings.overlap_s)
        self._tolerance = span(settings.sort_tolerance_s)
        self._seen: dict[str, int | None] = {}
        self._touched: dict[str, _Touched] = {}
        self._empty_pages = 0
        # Of the first page, which only a walk from the top reads.
        self._first_ids: frozenset[str] = frozenset()
        self._first_oldest: int | None = None
        self._total = before.total
        self._top = before.top
        # Of the last page read, to which a gap's position belongs.
        self._total_there = before.total

    # --- the three kinds of round ----------------------------------------------------------------

    async def begin(self) -> Cursor:
        """Establish the place: what is older than the first page is not news."""
        reach = await self._walk(0, _Aim(pages_max=1))
        return self._covered(reach, self._newest())

    async def catch_up(self) -> Cursor:
        """Read what is new, then go on in the gap a former poll left."""
        before, gap = self._before, self._before.gap
        stop_below = None if before.watermark is None else before.watermark - self._overlap
        pages_max = self._settings.pages_max
        aim = _Aim(
            is_catch_up=True,
            stop_below=stop_below,
            news_from=before.floor,
            pages_max=pages_max,
        )
        if gap:  # leave pages for it; and should the feed turn out unsorted, its news are met here
            aim = replace(aim, pages_max=pages_max // 2, news_from=lower(before.floor, gap.oldest))
        reach = await self._walk(0, aim)
        if reach.is_quiet:
            return replace(before, gap=await self._fill(gap)) if gap else before
        if not reach.is_sorted:
            return self._scanned(reach, lower(stop_below, gap.oldest) if gap else stop_below)
        if gap and (reach.is_done or reach.meets_known):
            # The gap goes on from its place: starting it anew would keep it open under load. An
            # overlap that was not read to its end is read again from the same date.
            after = self._covered(reach, self._newest() if reach.is_done else before.watermark)
            if not reach.is_done:
                after = replace(after, total=None, top="")
            return replace(after, gap=await self._fill(gap))
        if reach.is_done:
            return self._covered(reach, self._newest())
        left = Gap(
            skip=reach.skip,
            newest=reach.oldest,
            oldest=gap.oldest if gap else stop_below,
            total=self._total_there,
        )
        return replace(self._covered(reach, self._newest()), gap=left)

    async def go_on_scanning(self, gap: Gap) -> Cursor:
        """Go on reading an unsorted feed from the position where the last poll stopped."""
        before = self._before
        aim = _Aim(news_from=gap.oldest, pages_max=self._settings.pages_max)
        reach = await self._walk(gap.skip, aim)
        # Where no deeper page is given, holding on to the position would hide what is new above.
        is_over = reach.is_done or reach.is_refused
        left = None if is_over else replace(gap, skip=reach.skip)
        return replace(
            before,
            known=self._kept(gap.oldest if left else self._window(before.watermark)),
            pending=highest(before.pending, self._newest()),
            gap=left,
        )

    async def _fill(self, gap: Gap) -> Gap | None:
        """Go on in a gap of a sorted feed; what arrived since has pushed it further down."""
        news_to = None if gap.newest is None else gap.newest + self._tolerance
        skip = await self._gap_start(gap)
        pages_max = max(1, self._settings.pages_max - self.requests)
        aim = _Aim(
            stop_below=gap.oldest, news_from=gap.oldest, news_to=news_to, pages_max=pages_max
        )
        reach = await self._walk(skip, aim)
        if reach.is_done:
            return None
        if not reach.is_sorted:
            return replace(gap, newest=None, skip=0, total=self._total_there)
        newest = gap.newest if reach.oldest is None else lower(gap.newest, reach.oldest)
        return replace(gap, skip=reach.skip, newest=newest, total=self._total_there)

    async def _gap_start(self, gap: Gap) -> int:
        """Find a position at or above the gap, which what was added since has pushed down.

        Not all of it may stand above the gap, so a page begins above it only when it begins with
        something younger: others of the gap's own date may stand before it. At its old position
        the gap's date is enough: additions never move it up.
        """
        pushed = 0
        if self._total is not None and gap.total is not None:
            pushed = max(0, self._total - gap.total - self._settings.overlap_items)
        skip, newest = gap.skip + pushed, gap.newest or 0
        for step in range(_STEPS_BACK_MAX):
            if skip <= 0:
                break
            page = await self._page(skip)
            if page is None:
                return skip
            top = max(self._dates(page), default=0)
            if top > newest + self._tolerance or (skip <= gap.skip and top >= newest):
                return skip
            above = skip - self._settings.page_size * 4**step
            if skip > gap.skip:
                above = max(above, gap.skip) if step == 0 else gap.skip
            skip = above
        return 0

    # --- walking ---------------------------------------------------------------------------------

    async def _walk(self, skip: int, aim: _Aim) -> _Reach:
        """Read pages downward from a position, as far as the aim says."""
        reach = _Reach(skip=skip)
        from_top = skip == 0
        for _ in range(aim.pages_max):
            page = await self._page(reach.skip)
            if page is None:
                return replace(reach, is_refused=True)
            if reach.skip == 0:
                self._remember_top(page)
                if aim.is_catch_up and self._is_quiet(page):
                    return replace(reach, is_done=True, is_quiet=True)
            reach = self._look_at(page, reach, aim)
            if reach.is_done:
                break
        if from_top and not reach.is_sorted:
            self._note("the feed is not seen to be sorted by date: all of it is read")
        return reach

    def _look_at(self, page: ActivityPage, reach: _Reach, aim: _Aim) -> _Reach:
        """Take a page's news and say how far that brings us."""
        dates = self._dates(page)
        fresh = self._dates(page, without_seen=True)
        is_sorted = (
            reach.is_sorted
            and self._is_falling(dates, None)
            and self._is_falling(fresh, reach.oldest)
            and (reach.skip > 0 or self._begins_with_newest(dates))
        )
        meets_known = all(one.id in self._before.known for one in page.items)
        self._take(page, aim)
        oldest = min([*dates, *([] if reach.oldest is None else [reach.oldest])], default=None)
        at_end = self._is_end(page, reach.skip)
        is_below = aim.stop_below is not None and oldest is not None and oldest < aim.stop_below
        return _Reach(
            skip=reach.skip + self._step(page.length),
            oldest=oldest,
            meets_known=meets_known,
            is_sorted=is_sorted,
            is_done=at_end or (is_sorted and is_below),
            at_end=at_end,
        )

    async def _page(self, skip: int) -> ActivityPage | None:
        """Read a page; None where the feed takes no position that deep (offsets may be capped)."""
        try:
            page, spent = await self._feed.page(skip)
        except Refused as err:
            self.requests += 1
            if err.context.status != _BAD_REQUEST or skip == 0:
                raise
            self._note(f"the feed cannot be read beyond position {skip}: {err}")
            return None
        self.requests += spent
        self._total_there = page.total
        return page

    # --- one page --------------------------------------------------------------------------------

    def _take(self, page: ActivityPage, aim: _Aim) -> None:
        """Note the tickets of what is news; step over what cannot be read, naming it once."""
        for made_id, why in page.unreadable:
            if self._is_unknown(made_id, None):
                self._note(f"an activity was stepped over: {why}")
        for item in page.items:
            date = self._date(item)
            if not self._is_unknown(item.id, date) or not aim.is_news(date):
                continue
            if date is None:
                told = item.date.raw[:40] if item.date else "none"
                self._note(f"activity {item.id} has no date to go by ({told})")
            if item.ticket is None:
                self._note(f"activity {item.id} was stepped over: it names no ticket")
                continue
            self._touch(item, item.ticket.id, item.ticket.case_number)

    def _is_unknown(self, activity_id: str, date: int | None) -> bool:
        if activity_id in self._seen:
            return False
        self._seen[activity_id] = date
        return activity_id not in self._before.known

    def _touch(self, item: Activity, ticket_id: str, number: str) -> None:
        date = self._date(item)
        order = (self._latest if date is None else date, -len(self._seen))
        found = self._touched.get(ticket_id or number)
        if found is None:
            known_id = TicketId(ticket_id) if ticket_id else None
            ref = TicketRef(kind=self._feed.kind, id=known_id, number=number)
            found = _Touched(ref=ref, actions=[], order=order)
            self._touched[ticket_id or number] = found
        found.actions.append(item.action or "without action")
        found.order = min(found.order, order)

    def _remember_top(self, page: ActivityPage) -> None:
        if page.length == 0 and not page.total and self._before.watermark is not None:
            self._note("the feed shows no activity at all, which it did before")
        ids = [item.id for item in page.items] + [made_id for made_id, _ in page.unreadable]
        self._first_ids = frozenset(ids)
        self._first_oldest = min(self._dates(page), default=None)
        self._total = page.total
        self._top = hashlib.blake2b("\n".join(sorted(ids)).encode(), digest_size=9).hexdigest()

    def _is_quiet(self, page: ActivityPage) -> bool:
        """Say whether the first page is as it was and nothing was added below it."""
        before = self._before
        is_same = page.total == before.total and self._top == before.top
        # Without a total nothing tells of additions below; a gap is read on all the same.
        return is_same and page.length > 0 and (page.total is not None or before.gap is not None)

    def _begins_with_newest(self, dates: Sequence[int]) -> bool:
        """A feed that is newest first falls within a page, or begins at what we knew as newest."""
        watermark = self._before.watermark
        if watermark is None or not dates or dates[0] > dates[-1] + self._tolerance:
            return True
        return dates[0] >= watermark - self._tolerance

    def _is_falling(self, dates: Sequence[int], lowest: int | None) -> bool:
        for date in dates:
            if lowest is not None and date > lowest + self._tolerance:
                return False
            lowest = date if lowest is None else min(lowest, date)
        return True

    def _is_end(self, page: ActivityPage, skip: int) -> bool:
        """Spec: Service Ticket API, section 8, T11.

        A page may be empty before the end: what we may no longer see is counted but not shown.
        """
        if page.length == 0:
            self._empty_pages += 1
            shown_to = skip + self._settings.page_size
            is_over = page.total is None or shown_to >= page.total
            return is_over or self._empty_pages > _EMPTY_PAGES_MAX
        if page.total is not None and page.total > 0:
            return skip + page.length >= page.total
        return page.length < self._settings.page_size

    def _step(self, length: int) -> int:
        overlap = self._settings.overlap_items
        if length == 0:
            return self._settings.page_size
        return length - overlap if length > 2 * overlap else max(1, length // 2)

    def _dates(self, page: ActivityPage, *, without_seen: bool = False) -> list[int]:
        items = [one for one in page.items if not (without_seen and one.id in self._seen)]
        return [date for one in items if (date := self._date(one)) is not None]

    def _date(self, item: Activity) -> int | None:
        """Give an activity's instant; one far ahead of us would hide all that follows it."""
        if item.date is None or item.date.at is None:
            return None
        instant = micros(item.date.at)
        return instant if instant <= self._latest else None

    # --- the cursor after ------------------------------------------------------------------------

    def _covered(self, reach: _Reach, newest: int | None) -> Cursor:
        """Give the cursor of a sorted walk from the top.

        Only a reading to the end may lower the watermark: the newest activity was taken away.
        """
        if newest is None or not reach.at_end:
            newest = highest(newest, self._before.watermark)
        window = self._window(newest)
        is_whole = reach.at_end and len(self._first_ids) == len(self._seen)
        return Cursor(
            watermark=newest,
            floor=None if is_whole else self._floor(window),
            known=self._kept(window),
            total=self._total,
            top=self._top,
        )

    def _scanned(self, reach: _Reach, oldest: int | None) -> Cursor:
        """Give the cursor of an unsorted walk from the top, finished or not.

        What arrives at positions already passed is younger than where this reading began, so the
        watermark moves only to what the reading before had met.
        """
        watermark = highest(self._before.pending, self._before.watermark)
        left = Gap(skip=reach.skip, newest=None, oldest=oldest, total=self._total_there)
        window = self._window(watermark)
        return Cursor(
            watermark=watermark,
            floor=window,
            known=self._kept(window if reach.is_done else oldest),
            total=self._total,
            top=self._top,
            pending=highest(self._before.pending, self._newest()),
            gap=None if reach.is_done else left,
        )

    def _window(self, watermark: int | None) -> int | None:
        return None if watermark is None else watermark - self._overlap

    def _floor(self, window: int | None) -> int | None:
        """Give the date from which `known` is complete; below it an unknown id may be old."""
        if self._first_oldest is None or window is None:
            return window
        return min(window, self._first_oldest + 1)

    def _kept(self, window: int | None) -> Mapping[str, int | None]:
        """Keep the first page's ids, the overlap's and the undated ones, newest first, bounded."""
        met = {**self._before.known, **self._seen}
        kept = [
            (name, date)
            for name, date in met.items()
            if name in self._first_ids or date is None or window is None or date >= window
        ]
        kept.sort(key=lambda one: (one[0] not in self._first_ids, -(one[1] or 0), one[0]))
        return dict(kept[: max(self._settings.known_max, len(self._first_ids))])

    def _newest(self) -> int | None:
        return highest(*self._seen.values())

    def _note(self, text: str) -> None:
        self.notes.append(text)

    def sightings(self) -> tuple[Sighting, ...]:
        """Give the touched tickets, the one that has waited longest first."""
        return tuple(
            Sighting(
                ref=one.ref,
                seen="activity " + ", ".join(dict.fromkeys(reversed(one.actions))),
            )
            for one in sorted(self._touched.values(), key=lambda one: one.order)
        )
