"""Looking whether a write whose answer was lost has happened (DESIGN R3).

A create is looked for in two ways: `search` for its key, which may lag, and the newest cases down
to the time of sending, which may not. Only the second can say that it is absent.

Spec: Service Ticket API, section 8, T30; section 10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from syncd.core import marker
from syncd.core.normal import comment_form, one_line
from syncd.model.ids import AttachmentId, CommentId, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import MISSING, Value
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, Refused
from syncd.providers.telenor import mapping
from syncd.providers.telenor.client import TelenorClient, paging
from syncd.providers.telenor.reading import CaseReader
from syncd.providers.telenor.sending import STATUS_TEXT
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.trees import FIELD_KINDS
from syncd.providers.telenor.wire import Activity, Case, CasePage, Stamp

NEWEST_FIRST = ("caseNumber", "DESC")
"""Spec: Service Ticket API, section 10, POST incident and POST order."""
_OVERLAP_ITEMS = 5
_CHANGED = frozenset({"UPDATED", "STATUS_CHANGED"})
_WEIGHTS = (Finding.ABSENT, Finding.UNCLEAR, Finding.FOUND)
"""Weakest first: of activities of one instant the one that speaks for the write counts."""
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
    candidates: tuple[Case, ...]
    why_not: str = ""


class CaseProber:
    """Probes of one tree of a connection."""

    def __init__(
        self, client: TelenorClient, reader: CaseReader, settings: TelenorSettings
    ) -> None:
        self._tree = client.tree
        self._client = client
        self._reader = reader
        self._settings = settings

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look for the effect of a write sent at `sent_at` (aware, UTC)."""
        since = sent_at - timedelta(seconds=self._settings.probe.skew_s)
        if write.kind is WriteKind.CREATE:
            return await self._create(write, since)
        target = write.target
        try:
            if write.kind is WriteKind.COMMENT:
                return await self._comment(write, target)
            if write.kind is WriteKind.ATTACHMENT:
                return await self._attachment(write, target, since)
            return await self._state(write, target, since)
        except NotFound as err:
            return ProbeResult(
                finding=Finding.UNCLEAR, looked_at=f"{self._tree.kind} {target} is not there: {err}"
            )

    # --- create ----------------------------------------------------------------------------------

    async def _create(self, write: Write, since: datetime) -> ProbeResult:
        """Spec: Service Ticket API, section 8, T30; section 10, POST incident and POST order."""
        hits, searched = await self._search(write, since)
        newest = await self._newest(write, since)
        candidates = {one.id: one for one in (*hits, *newest.candidates)}
        found, why_not = await self._confirmed(tuple(candidates.values()), write, since)
        looked_at = f"search {searched}, newest {newest.cases} cases {len(newest.candidates)}"
        if found:
            return _found(looked_at, [_created(one) for one in found])
        why_not = why_not or newest.why_not
        if why_not:
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=f"{looked_at}; {why_not}")
        return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)

    async def _search(self, write: Write, since: datetime) -> tuple[tuple[Case, ...], str]:
        """Search for the key; gives the cases that may carry it and what to tell of it."""
        query = [("search", str(write.key)), *paging(0, self._settings.feed.page_size)]
        try:
            page = await self._client.list_cases(query)
        except Refused as err:
            return (), f"refused ({err})"
        # What was made since is read whole: the text shown may be a later one than was searched.
        hits = tuple(
            one
            for one in page.items
            if self._may_carry(one, write) or not _is_before(one.created, since)
        )
        return hits, str(len(hits))

    async def _newest(self, write: Write, since: datetime) -> _Newest:
        """Read the newest cases until one is older than the time of sending."""
        size = self._settings.feed.page_size
        seen: dict[str, Case] = {}
        skip = 0
        is_sorted, is_whole = True, True
        for _ in range(self._settings.probe.search_pages):
            try:
                page = await self._client.list_cases(paging(skip, size, NEWEST_FIRST))
            except Refused as err:
                return self._so_far(seen, write, since, f"newest first refused ({err})")
            is_whole = is_whole and not page.odd
            fresh = [one for one in page.items if one.id not in seen]
            is_sorted = is_sorted and _is_falling([*list(seen.values())[-1:], *fresh])
            seen |= {one.id: one for one in fresh}
            if not is_whole:
                return self._so_far(seen, write, since, f"a case cannot be read ({page.odd[0]})")
            if _is_end(page, skip, size):
                return self._so_far(seen, write, since, "")
            if is_sorted and any(_is_before(one.created, since) for one in page.items):
                return self._so_far(seen, write, since, "")
            skip += max(1, page.length - _OVERLAP_ITEMS)
        order = "" if is_sorted else ", which are not newest first"
        return self._so_far(
            seen, write, since, f"they do not reach back to the time of sending{order}"
        )

    def _so_far(self, seen: Mapping[str, Case], write: Write, since: datetime, why: str) -> _Newest:
        candidates = tuple(
            one
            for one in seen.values()
            if mapping.carries(one, self._tree, write.key)
            or (
                not _is_before(one.created, since)
                and (self._may_carry(one, write) or self._is_rewritten_of_ours(one, write))
            )
        )
        return _Newest(cases=len(seen), candidates=candidates, why_not=why)

    async def _confirmed(
        self, candidates: Sequence[Case], write: Write, since: datetime
    ) -> tuple[list[Case], str]:
        """Read candidates whole; the key must stand, or have stood, in its place.

        Returns:
            Those that carry it, oldest first; and why others cannot be told, empty when all can.
        """
        found: list[Case] = []
        details_max = self._settings.probe.details_max
        why_not = ""
        if len(candidates) > details_max:
            why_not = f"{len(candidates)} candidates, {details_max} read"
        for listed in candidates[:details_max]:
            name = listed.case_number or listed.id
            try:
                ref = TicketRef(kind=self._tree.kind, id=TicketId(listed.id))
                case = await self._reader.case(ref)
            except NotFound:
                why_not = f"{name} is listed but cannot be read"
                continue
            shown = (case, listed)
            if any(mapping.carries(one, self._tree, write.key) for one in shown):
                found.append(case)
            elif (
                not any(mapping.is_marked(one, self._tree) for one in shown)
                and not _is_before(case.created, since)
                and self._is_unmarked_of_ours(case, write)
                and _had_title(case, write)
            ):
                why_not = f"{name} is by our name and of this title, its marker is not to be seen"
        found.sort(key=lambda one: (_instant(one.created), one.case_number))
        return found, why_not

    def _may_carry(self, case: Case, write: Write) -> bool:
        """Say whether a list item is worth reading whole: a list may leave out or cut texts."""
        if mapping.key_place(self._tree) not in case.told:
            return True
        if mapping.carries(case, self._tree, write.key):
            return True
        return mapping.same_value("title", case.told.get("subject"), write.fields.get("title"))

    def _is_unmarked_of_ours(self, case: Case, write: Write) -> bool:
        """Say whether it was made under a name we send and shows no marker, ours or another's."""
        return not mapping.is_marked(case, self._tree) and self._is_by_us(case, write)

    def _is_rewritten_of_ours(self, case: Case, write: Write) -> bool:
        """Say whether it may be ours with another text in the key's place: read whole, it tells."""
        return not mapping.own_keys(case, self._tree) and self._is_by_us(case, write)

    def _is_by_us(self, case: Case, write: Write) -> bool:
        caller = write.fields.get("caller")
        names = [self._settings.user_name, *([caller] if isinstance(caller, str) else [])]
        return any(mapping.is_same_user(case.created_by, name) for name in names if name)

    # --- the others ------------------------------------------------------------------------------

    async def _comment(self, write: Write, target: TicketId) -> ProbeResult:
        """Look for marker and text: a marker with another text is a person quoting (R5).

        Spec: Service Ticket API, section 10, POST comment.
        """
        items = await self._client.list_comments(target)
        marked = [one for one in items if write.key in mapping.comment_keys(one)]
        sent = comment_form(write.comment.body if write.comment else "")
        ours = [one for one in marked if comment_form(one.body) == sent]
        if marked and not ours:
            # Whoever quotes it has seen it: not absent, and nothing of ours to adopt.
            looked_at = f"comments of {len(items)}: marker {len(marked)}, with another text"
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=looked_at)
        ours.sort(key=lambda one: _instant(one.created))
        receipts = [_receipt(write, target, comment_id=CommentId(one.id)) for one in ours]
        return _found(f"comments {len(ours)} of {len(items)}", receipts)

    async def _attachment(self, write: Write, target: TicketId, since: datetime) -> ProbeResult:
        """Spec: Service Ticket API, section 10, POST attachment."""
        draft = write.attachment
        if draft is None:
            return ProbeResult(finding=Finding.UNCLEAR, looked_at="no file to look for")
        items = await self._reader.files(target)
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

    async def _state(self, write: Write, target: TicketId, since: datetime) -> ProbeResult:
        """Compare what an update or a status change set; a value changed later is no absence.

        Spec: Service Ticket API, section 4.4, Activity; section 10, PUT.
        """
        case = await self._reader.case(TicketRef(kind=self._tree.kind, id=target))
        told = mapping.fields_of(case, self._tree)
        differing = [
            name
            for name, wanted in write.fields.items()
            if not (write.kind is WriteKind.STATUS and name == STATUS_TEXT)
            and not mapping.same_value(name, told.get(name, MISSING), wanted)
        ]
        if not differing:
            return _found(f"{self._tree.kind} read: as sent", [_receipt(write, target)])
        looked_at = f"{self._tree.kind} read: {', '.join(differing)} not as sent"
        calls = {_call_of(name) for name in differing}
        noted = [self._noted(case, write, call, since) for call in sorted(calls)]
        if Finding.ABSENT in noted:
            return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)
        if Finding.UNCLEAR in noted:
            why = "activities of ours do not tell their values"
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=f"{looked_at}; {why}")
        return _found(f"{looked_at}; by its activities changed later", [_receipt(write, target)])

    def _noted(self, case: Case, write: Write, call: str, since: datetime) -> Finding:
        """Say whether the activities tell that one call of a write has happened.

        A field's youngest activity of ours decides, writes to a ticket being one at a time (R6).
        One field of a call is enough: a value that stood there already makes no activity.
        """
        findings = [
            finding
            for name, wanted in write.fields.items()
            if _call_of(name) == call
            and (finding := self._noted_field(case, write, name, wanted, since))
        ]
        for finding in (Finding.FOUND, Finding.UNCLEAR):
            if finding in findings:
                return finding
        return Finding.ABSENT

    def _noted_field(
        self, case: Case, write: Write, name: str, wanted: Value, since: datetime
    ) -> Finding | None:
        row = self._tree.fields.get(name)
        if row is None:
            return None
        ours = [
            one
            for one in case.activities or ()
            if one.action.strip().upper() in _CHANGED
            and one.field_name.strip().casefold() == row.wire.casefold()
            and not _is_before(one.date, since)
            and mapping.is_same_user(one.user, self._settings.user_name)
        ]
        if any(write.key in marker.split(one.content)[1] for one in ours):
            return Finding.FOUND
        if not ours:
            return None
        youngest = max(_instant(one.date) for one in ours)
        return max(
            (_told_value(one, name, wanted) for one in ours if _instant(one.date) == youngest),
            key=_WEIGHTS.index,
        )


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


def _call_of(name: str) -> str:
    """Name the call of an update that carries a field: contacts have their own (I16-I18)."""
    row = FIELD_KINDS.get(name)
    return name if row is not None and row.kind == "contact" else ""


def _told_value(activity: Activity, name: str, wanted: Value) -> Finding:
    """Say whether an activity of ours set what was wanted; UNCLEAR where it tells no values."""
    is_empty = mapping.normalise(name, wanted) is None
    if not activity.new_value and not activity.old_value and not is_empty:
        return Finding.UNCLEAR
    if isinstance(wanted, Mapping) and not is_empty:
        # How a contact is told as one text is not documented.
        told = one_line(activity.new_value)
        is_told = all(one_line(part) in told for part in wanted.values())
    else:
        is_told = mapping.same_value(name, activity.new_value, None if is_empty else wanted)
    return Finding.FOUND if is_told else Finding.ABSENT


def _created(case: Case) -> Receipt:
    return Receipt(ticket_id=TicketId(case.id), ticket_number=case.case_number)


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


def _had_title(case: Case, write: Write) -> bool:
    wanted = write.fields.get("title")
    titles = mapping.subjects(case) or (None,)
    return any(mapping.same_value("title", title, wanted) for title in titles)


def _is_falling(items: Sequence[Case]) -> bool:
    numbers = [one.case_number for one in items]
    if not all(numbers):
        return False
    places = [(len(one), one) for one in numbers]
    return all(before >= after for before, after in pairwise(places))


def _is_end(page: CasePage, skip: int, size: int) -> bool:
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
