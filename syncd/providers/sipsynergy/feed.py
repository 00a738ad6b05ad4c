"""The scan: the whole list every time, what the report adds, and a sparse sweep.

A poll reads `GET /tickets` and, at its own pace, the report. Every ticket is sighted with a digest
over what both tell of it; only one whose digest moved is read. Comments move nothing in the list,
so a few tickets are read whole each time, active ones often and the rest rarely. A ticket that was
listed and is not any more is read by its id: whether it is gone, that read tells (DESIGN R8).

Spec: Tickets Microservice, section 2.2; section 6, S13; section 7, polling.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from syncd.model.ids import TicketId
from syncd.ports.adapter import PollResult, Sighting, TicketRef
from syncd.ports.clock import Clock
from syncd.providers.sipsynergy.client import SipSynergyClient
from syncd.providers.sipsynergy.cursor import Cursor, Turn, read_cursor
from syncd.providers.sipsynergy.mapping import KIND, Facts, digest_of
from syncd.providers.sipsynergy.report import StatusBook
from syncd.providers.sipsynergy.settings import SipSynergySweep
from syncd.providers.sipsynergy.wire import Listing, TicketItem

NOTES_MAX = 50
"""Odd items told in one poll."""
TOLD_MAX = 500
"""Odd items remembered, so that each is told once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sweep:
    """What is due to be read though nothing moved, and how far that brings both groups."""

    due: frozenset[str]
    active: Turn
    rest: Turn


class TicketScan:
    """The scan of one connection; all it remembers is in the cursor and the status book."""

    def __init__(
        self, client: SipSynergyClient, book: StatusBook, sweep: SipSynergySweep, clock: Clock
    ) -> None:
        self._client = client
        self._book = book
        self._sweep = sweep
        self._clock = clock

    async def poll(self, text: str | None) -> PollResult:
        """Read the list.

        Args:
            text: the cursor as the last poll gave it; None: every ticket is sighted, none swept.

        Raises:
            OddAnswer: the list, or the stored cursor, cannot be understood.
        """
        before = read_cursor(text) if text is not None else Cursor()
        self._book.take_over(before.known)
        listing = await self._client.list_tickets()
        requests, notes = await self._book.refresh()
        now = self._clock.now()
        items = {item.id: item for item in reversed(listing.items)}
        self._book.forget_all_but({*items, *before.listed})
        moved_at = self._moved(before, items, now)
        sweep = self._swept(before, items, moved_at, now)
        gone = before.listed - items.keys() if not listing.unreadable else frozenset()
        sightings = [
            *(_sighted(item, self._book.facts(item.id)) for item in items.values()),
            *(_unlisted(ticket_id) for ticket_id in sorted(gone)),
        ]
        # Of several sightings of one ticket the last counts: it is read whatever its digest says.
        sightings += [_swept(ticket_id) for ticket_id in sorted(sweep.due)]
        odd = {_mark(note): note for note in _odd(listing)}
        after = Cursor(
            known=self._book.known,
            moved_at=moved_at,
            listed=frozenset(items) | (before.listed if listing.unreadable else frozenset()),
            polled_at=now,
            active=sweep.active,
            rest=sweep.rest,
            told=frozenset(list(odd)[:TOLD_MAX]),
        )
        news = [note for mark, note in odd.items() if mark not in before.told]
        return PollResult(
            sightings=tuple(sightings),
            cursor=after.to_json(),
            requests=1 + requests,
            notes=(*notes, *news)[:NOTES_MAX],
            listed=None if listing.unreadable else len(items),
        )

    def _moved(self, before: Cursor, listed: Collection[str], now: datetime) -> dict[str, datetime]:
        """Note when the report told something new of a ticket, as long as that makes it active."""
        since = now - timedelta(seconds=self._sweep.active_for)
        moved = {
            ticket: at for ticket, at in before.moved_at.items() if at >= since and ticket in listed
        }
        for ticket, facts in self._book.known.facts.items():
            told_before = before.known.facts.get(ticket)
            if told_before is not None and told_before != facts:
                moved[ticket] = now
        return moved

    def _swept(
        self,
        before: Cursor,
        items: dict[str, TicketItem],
        moved_at: Collection[str],
        now: datetime,
    ) -> _Sweep:
        """Choose what is read though nothing moved, by the time since the last poll."""
        if before.polled_at is None:
            return _Sweep(due=frozenset(), active=before.active, rest=before.rest)
        since = now - timedelta(seconds=self._sweep.active_for)
        active = [one.id for one in items.values() if one.id in moved_at or _is_young(one, since)]
        rest = sorted(set(items) - set(active))
        elapsed_s = max(0.0, (now - before.polled_at).total_seconds())
        settings = self._sweep
        first, active_turn = _next(
            sorted(active), before.active, elapsed_s, settings.active, settings.per_poll
        )
        left = settings.per_poll - len(first)
        second, rest_turn = _next(rest, before.rest, elapsed_s, settings.rest, left)
        return _Sweep(due=frozenset([*first, *second]), active=active_turn, rest=rest_turn)


def _next(
    ids: Sequence[str], turn: Turn, elapsed_s: float, every_s: float, most: int
) -> tuple[Sequence[str], Turn]:
    """Give the next ids of a round that takes `every_s` seconds, and how far that brings it.

    Args:
        ids: of the group, sorted: who comes or goes does not disturb the round.
        turn: how far it came.
        elapsed_s: since then.
        every_s: 0 for never.
        most: at most so many now; what is due beyond that is not saved up.
    """
    if not ids or every_s <= 0:
        return (), turn
    owed = turn.carry + len(ids) * elapsed_s / every_s
    count = min(int(owed), len(ids), max(0, most))
    carry = min(1.0, owed - count)
    if not count:
        return (), Turn(after=turn.after, carry=carry)
    start = next((place for place, one in enumerate(ids) if one > turn.after), 0)
    chosen = [ids[(start + step) % len(ids)] for step in range(count)]
    return chosen, Turn(after=chosen[-1], carry=carry)


def _is_young(item: TicketItem, since: datetime) -> bool:
    """Whether a ticket moved since then; one without a readable date may have."""
    stamp = item.updated or item.created
    return stamp is None or stamp.at is None or stamp.at >= since


def _sighted(item: TicketItem, facts: Facts | None) -> Sighting:
    return Sighting(ref=_ref(item.id), digest=digest_of(item, facts), seen="listed")


def _unlisted(ticket_id: str) -> Sighting:
    return Sighting(ref=_ref(ticket_id), seen="not listed any more")


def _swept(ticket_id: str) -> Sighting:
    return Sighting(ref=_ref(ticket_id), seen="its turn")


def _ref(ticket_id: str) -> TicketRef:
    return TicketRef(kind=KIND, id=TicketId(ticket_id), number=ticket_id)


def _mark(note: str) -> str:
    return hashlib.blake2b(note.encode(), digest_size=6).hexdigest()


def _odd(listing: Listing) -> list[str]:
    """Name what could not be read, a repeated ticket included."""
    notes = list(listing.unreadable)
    notes += [f"{item.id}: {what}" for item in listing.items for what in item.odd]
    seen: set[str] = set()
    for item in listing.items:
        if item.id in seen:
            notes.append(f"{item.id} is listed twice; the first counts")
        seen.add(item.id)
    return notes
