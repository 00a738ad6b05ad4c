"""Looking whether a write whose answer was lost has happened (DESIGN R3).

A create is looked for among our newest tickets, ordered by id, so that no date is compared in the
query; messages and files in the ticket's history, which shows them at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from syncd.core.normal import comment_form
from syncd.model.ids import CommentId, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import MISSING
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, OutcomeUnknown
from syncd.providers.rt import mapping
from syncd.providers.rt.client import RtClient
from syncd.providers.rt.feed import quoted
from syncd.providers.rt.reading import TicketReader
from syncd.providers.rt.sending import WAYS
from syncd.providers.rt.settings import RtSettings
from syncd.providers.rt.wire import Entry, Part, Row
from syncd.providers.rt.writing import TicketWriter, draft_of, target_of

PROBE_PAGE = 50


class TicketProber:
    """Probes of one connection."""

    def __init__(
        self, client: RtClient, reader: TicketReader, writer: TicketWriter, settings: RtSettings
    ) -> None:
        self._client = client
        self._reader = reader
        self._writer = writer
        self._settings = settings

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look for the effect of a write sent at `sent_at` (aware, UTC)."""
        since = sent_at - timedelta(seconds=self._settings.probe.skew)
        if write.kind is WriteKind.CREATE:
            return await self._create(write, since)
        target = target_of(write)
        try:
            if write.kind is WriteKind.COMMENT:
                return await self._comment(write, target, since)
            if write.kind is WriteKind.ATTACHMENT:
                return await self._file(write, target, since)
            return await self._state(write, target)
        except NotFound as err:
            return _unclear(f"ticket {target} is not there: {err}")

    # --- create ----------------------------------------------------------------------------------

    async def _create(self, write: Write, since: datetime) -> ProbeResult:
        """Read our tickets newest first until one is older than the write."""
        found: list[str] = []
        seen = 0
        sql = f"Creator = {quoted(self._settings.user)}"
        for number in range(1, self._settings.probe.pages_max + 1):
            query = [
                ("orderby", "id"),
                ("order", "DESC"),
                ("per_page", str(PROBE_PAGE)),
                ("page", str(number)),
                ("fields", "Created,CustomFields"),
            ]
            page = (await self._client.search_tickets(sql, query)).page
            if page.odd:
                return _unclear(f"a ticket of the list cannot be read ({page.odd[0]})")
            recent = [row for row in page.items if row.created is None or row.created >= since]
            seen += len(recent)
            for row in recent:
                if row.id not in found and await self._is_ours(write, row):
                    found.append(row.id)
            is_last = page.length == 0 if page.pages is None else number >= page.pages
            if len(recent) < len(page.items) or is_last:
                break
        else:
            if not found:
                return _unclear(f"{seen} tickets of ours since, and there are more")
        receipts = [
            Receipt(ticket_id=TicketId(one), ticket_number=one) for one in sorted(found, key=int)
        ]
        return _found(f"{seen} tickets of ours since", receipts)

    async def _is_ours(self, write: Write, row: Row) -> bool:
        """Say whether a ticket carries the key: in its custom field, else its description."""
        if self._settings.ticket_field:
            return write.key in mapping.ticket_keys(row.custom, self._reader.names)
        ref = TicketRef(kind=mapping.KIND, id=TicketId(row.id), number=row.id)
        try:
            return write.key in (await self._reader.ticket(ref)).keys
        except NotFound:
            return False

    # --- messages and files ----------------------------------------------------------------------

    async def _comment(self, write: Write, target: TicketId, since: datetime) -> ProbeResult:
        """Look for our key, else for our words by our name."""
        draft = draft_of(write)
        kind = {"correspond": "Correspond", "comment": "Comment"}[WAYS[draft.kind]]
        entries, parts = await self._recent(target, since)
        sent = comment_form(draft.body)
        ours = [
            one
            for one in entries
            if one.type == kind
            and (
                write.key in mapping.entry_keys(one, self._reader.names)
                if self._settings.transaction_field
                else comment_form(mapping.message_of(parts.get(one.id, ()))) == sent
            )
        ]
        receipts = [
            Receipt(ticket_id=target, ticket_number=target, comment_id=CommentId(one.id))
            for one in ours
        ]
        return _found(f"{len(entries)} entries of ours since", receipts)

    async def _file(self, write: Write, target: TicketId, since: datetime) -> ProbeResult:
        """Look for our key, else for a file of that name; its bytes must be those sent."""
        if write.attachment is None:
            return _unclear("an attachment without a file")
        entries, parts = await self._recent(target, since)
        receipts: list[Receipt] = []
        why_not = ""
        for one in entries:
            files = [part for part in parts.get(one.id, ()) if part.name]
            if not files or not self._may_hold(write, one, files):
                continue
            try:
                found = await self._writer.file_of(target, one.id, write.attachment)
            except OutcomeUnknown as err:
                why_not = str(err)
                continue
            receipts.append(Receipt(ticket_id=target, ticket_number=target, attachment_id=found))
        looked_at = f"{len(entries)} entries of ours since"
        if not receipts and why_not:
            return _unclear(f"{looked_at}; {why_not}")
        return _found(looked_at, receipts)

    def _may_hold(self, write: Write, entry: Entry, files: Sequence[Part]) -> bool:
        if self._settings.transaction_field:
            return write.key in mapping.entry_keys(entry, self._reader.names)
        name = write.attachment.name.strip() if write.attachment else ""
        return any(part.name == name for part in files)

    async def _recent(
        self, target: TicketId, since: datetime
    ) -> tuple[list[Entry], dict[str, tuple[Part, ...]]]:
        """Give what we said on a ticket since an instant, with its parts."""
        await self._reader.current(target)
        own = self._settings.user.casefold()
        entries = [
            one
            for one in await self._reader.entries(target)
            if one.type in mapping.KINDS
            and one.creator.name.casefold() == own
            and (one.created is None or one.created >= since)
        ]
        spoken = [one for one in entries if one.parts]
        return entries, await self._reader.parts_of(target, spoken)

    async def _state(self, write: Write, target: TicketId) -> ProbeResult:
        """Compare what an update set."""
        told = mapping.fields_of((await self._reader.current(target)).doc, self._reader.names)
        differing = [
            name
            for name, wanted in write.fields.items()
            if not mapping.same_value(name, told.get(name, MISSING), wanted)
        ]
        if differing:
            looked_at = f"ticket read: {', '.join(differing)} not as sent"
            return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)
        return _found("ticket read: as sent", [Receipt(ticket_id=target, ticket_number=target)])


def _unclear(why: str) -> ProbeResult:
    return ProbeResult(finding=Finding.UNCLEAR, looked_at=why)


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
