"""Looking whether a write whose answer was lost has happened (DESIGN R3).

A create is looked for in two ways: `search` for its key, which may lag, and the newest cases down
to the time of sending, which may not. Only the second can say that it is absent.

Spec: Service Ticket API, section 8, T30; section 10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from syncd.model.errors import ensure
from syncd.model.ids import AttachmentId, CommentId, OperationKey, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import MISSING
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, Refused
from syncd.providers.telenor import mapping
from syncd.providers.telenor.client import TelenorClient, paging
from syncd.providers.telenor.reading import IncidentReader
from syncd.providers.telenor.sending import STATUS_TEXT
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.wire import Incident, IncidentPage, Stamp

NEWEST_FIRST = ("caseNumber", "DESC")
"""Spec: Service Ticket API, section 10, POST incident."""
_OVERLAP_ITEMS = 5
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Newest:
    """The newest cases as far as they were read.

    Attributes:
        cases: how many were looked at.
        candidates: those that may carry the key.
        why_not: why they do not reach back to the time of sending; empty when they do.
    """

    cases: int
    candidates: tuple[Incident, ...]
    why_not: str = ""


class IncidentProber:
    """Probes of one connection."""

    def __init__(
        self, client: TelenorClient, reader: IncidentReader, settings: TelenorSettings
    ) -> None:
        self._client = client
        self._reader = reader
        self._settings = settings

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look for the effect of a write sent at `sent_at` (aware, UTC)."""
        since = sent_at - timedelta(seconds=self._settings.probe.skew_s)
        if write.kind is WriteKind.CREATE:
            return await self._create(write, since)
        ensure(write.ticket_id is not None, "a write to an existing ticket names its id")
        target = TicketId(write.ticket_id or "")
        try:
            if write.kind is WriteKind.COMMENT:
                return await self._comment(write, target)
            if write.kind is WriteKind.ATTACHMENT:
                return await self._attachment(write, target, since)
            return await self._state(write, target)
        except NotFound as err:
            return ProbeResult(
                finding=Finding.UNCLEAR, looked_at=f"incident {target} is not there: {err}"
            )

    # --- create ----------------------------------------------------------------------------------

    async def _create(self, write: Write, since: datetime) -> ProbeResult:
        """Spec: Service Ticket API, section 8, T30; section 10, POST incident."""
        hits, searched = await self._search(write)
        newest = await self._newest(write, since)
        candidates = {one.id: one for one in (*hits, *newest.candidates)}
        found, why_not = await self._confirmed(tuple(candidates.values()), write.key)
        looked_at = f"search {searched}, newest {newest.cases} cases {len(newest.candidates)}"
        if found:
            return _found(looked_at, [_created(one) for one in found])
        why_not = why_not or newest.why_not
        if why_not:
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=f"{looked_at}; {why_not}")
        return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)

    async def _search(self, write: Write) -> tuple[tuple[Incident, ...], str]:
        """Search for the key; gives the cases that may carry it and what to tell of it."""
        query = [("search", str(write.key)), *paging(0, self._settings.feed.page_size)]
        try:
            page = await self._client.list_incidents(query)
        except Refused as err:
            return (), f"refused ({err})"
        hits = tuple(one for one in page.items if _may_carry(one, write))
        return hits, str(len(hits))

    async def _newest(self, write: Write, since: datetime) -> _Newest:
        """Read the newest cases until one is older than the time of sending."""
        size = self._settings.feed.page_size
        seen: dict[str, Incident] = {}
        skip = 0
        is_sorted, is_whole = True, True
        for _ in range(self._settings.probe.search_pages):
            try:
                page = await self._client.list_incidents(paging(skip, size, NEWEST_FIRST))
            except Refused as err:
                return _newest(seen, write, since, f"newest first refused ({err})")
            is_whole = is_whole and not page.odd
            fresh = [one for one in page.items if one.id not in seen]
            is_sorted = is_sorted and _is_falling([*list(seen.values())[-1:], *fresh])
            seen |= {one.id: one for one in fresh}
            if not is_whole:
                return _newest(seen, write, since, f"a case cannot be read ({page.odd[0]})")
            if _is_end(page, skip, size):
                return _newest(seen, write, since, "")
            if is_sorted and any(_is_before(one.created, since) for one in page.items):
                return _newest(seen, write, since, "")
            skip += max(1, page.length - _OVERLAP_ITEMS)
        order = "" if is_sorted else ", which are not newest first"
        return _newest(seen, write, since, f"they do not reach back to the time of sending{order}")

    async def _confirmed(
        self, candidates: Sequence[Incident], key: OperationKey
    ) -> tuple[list[Incident], str]:
        """Read candidates whole; the marker must stand in the description.

        Returns:
            Those that carry it, oldest first; and why others cannot be told, empty when all can.
        """
        found: list[Incident] = []
        details_max = self._settings.probe.details_max
        why_not = ""
        if len(candidates) > details_max:
            why_not = f"{len(candidates)} candidates, {details_max} read"
        for listed in candidates[:details_max]:
            try:
                ref = TicketRef(kind=mapping.KIND, id=TicketId(listed.id))
                incident = await self._reader.incident(ref)
            except NotFound:
                why_not = f"{listed.case_number or listed.id} is listed but cannot be read"
                continue
            if key in mapping.description_keys(incident):
                found.append(incident)
            elif key in mapping.description_keys(listed):
                why_not = f"{listed.case_number or listed.id} carries the key in the list only"
        found.sort(key=lambda one: (_instant(one.created), one.case_number))
        return found, why_not

    # --- the others ------------------------------------------------------------------------------

    async def _comment(self, write: Write, target: TicketId) -> ProbeResult:
        """Spec: Service Ticket API, section 10, POST comment."""
        items = await self._client.list_comments(target)
        ours = [one for one in items if write.key in mapping.comment_keys(one)]
        ours.sort(key=lambda one: _instant(one.created))
        receipts = [_receipt(write, target, comment_id=CommentId(one.id)) for one in ours]
        return _found(f"comments {len(ours)} of {len(items)}", receipts)

    async def _attachment(self, write: Write, target: TicketId, since: datetime) -> ProbeResult:
        """Spec: Service Ticket API, section 10, POST attachment."""
        draft = write.attachment
        if draft is None:
            return ProbeResult(finding=Finding.UNCLEAR, looked_at="no file to look for")
        items = await self._client.list_attachments(target)
        ours = [
            one
            for one in items
            if mapping.same_value("title", one.name, draft.name)
            and (one.size is None or draft.size_bytes is None or one.size == draft.size_bytes)
            and not _is_before(one.created, since)
        ]
        ours.sort(key=lambda one: _instant(one.created))
        receipts = [_receipt(write, target, attachment_id=AttachmentId(one.id)) for one in ours]
        return _found(f"attachments {len(ours)} of {len(items)}", receipts)

    async def _state(self, write: Write, target: TicketId) -> ProbeResult:
        """Compare what an update or a status change set. Spec: section 10, PUT."""
        incident = await self._reader.incident(TicketRef(kind=mapping.KIND, id=target))
        told = mapping.fields_of(incident)
        differing = [
            name
            for name, wanted in write.fields.items()
            if not (write.kind is WriteKind.STATUS and name == STATUS_TEXT)
            and not mapping.same_value(name, told.get(name, MISSING), wanted)
        ]
        if differing:
            looked_at = f"incident read: {', '.join(differing)} not as sent"
            return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)
        return _found("incident read: as sent", [_receipt(write, target)])


def _found(looked_at: str, receipts: Sequence[Receipt]) -> ProbeResult:
    """Give FOUND with the oldest effect first, or ABSENT when there is none."""
    if not receipts:
        return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)
    return ProbeResult(
        finding=Finding.FOUND,
        receipt=receipts[0],
        others=tuple(receipts[1:]),
        looked_at=looked_at,
    )


def _created(incident: Incident) -> Receipt:
    return Receipt(ticket_id=TicketId(incident.id), ticket_number=incident.case_number)


def _receipt(
    write: Write,
    target: TicketId,
    comment_id: CommentId | None = None,
    attachment_id: AttachmentId | None = None,
) -> Receipt:
    return Receipt(
        ticket_id=target,
        ticket_number=write.ticket_number,
        comment_id=comment_id,
        attachment_id=attachment_id,
    )


def _newest(seen: Mapping[str, Incident], write: Write, since: datetime, why: str) -> _Newest:
    candidates = tuple(
        one
        for one in seen.values()
        if write.key in mapping.description_keys(one)
        or (_may_carry(one, write) and not _is_before(one.created, since))
    )
    return _Newest(cases=len(seen), candidates=candidates, why_not=why)


def _may_carry(incident: Incident, write: Write) -> bool:
    """Say whether a list item is worth reading whole: a list may leave out or cut descriptions."""
    if "description" not in incident.told:
        return True
    if write.key in mapping.description_keys(incident):
        return True
    return mapping.same_value("title", incident.told.get("subject"), write.fields.get("title"))


def _is_falling(items: Sequence[Incident]) -> bool:
    numbers = [one.case_number for one in items]
    if not all(numbers):
        return False
    places = [(len(one), one) for one in numbers]
    return all(before >= after for before, after in pairwise(places))


def _is_end(page: IncidentPage, skip: int, size: int) -> bool:
    """Spec: Service Ticket API, section 8, T11."""
    if page.length == 0:
        return True
    if page.total is not None and page.total > 0:
        return skip + page.length >= page.total
    return page.length < size


def _instant(stamp: Stamp | None) -> datetime:
    return stamp.at if stamp is not None and stamp.at is not None else _LATEST


def _is_before(stamp: Stamp | None, instant: datetime) -> bool:
    return stamp is not None and stamp.at is not None and stamp.at < instant
