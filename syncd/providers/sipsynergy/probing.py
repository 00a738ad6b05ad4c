"""Looking whether a write whose answer was lost has happened (DESIGN R3).

The whole list is one answer, so a create's marker is either in it or nowhere.

Spec: Tickets Microservice, section 7.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from syncd.core import marker
from syncd.core.normal import comment_form
from syncd.model.ids import CommentId, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import MISSING
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, Unsupported
from syncd.providers.sipsynergy import mapping
from syncd.providers.sipsynergy.client import SipSynergyClient
from syncd.providers.sipsynergy.reading import TicketReader
from syncd.providers.sipsynergy.settings import SipSynergySettings
from syncd.providers.sipsynergy.wire import CommentItem, Stamp, TicketItem

_LATEST = datetime.max.replace(tzinfo=UTC)


class TicketProber:
    """Probes of one connection."""

    def __init__(
        self, client: SipSynergyClient, reader: TicketReader, settings: SipSynergySettings
    ) -> None:
        self._client = client
        self._reader = reader
        self._settings = settings

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look for the effect of a write sent at `sent_at` (aware, UTC)."""
        since = sent_at - timedelta(seconds=self._settings.probe.skew_s)
        if write.kind is WriteKind.CREATE:
            return await self._create(write, since)
        target = write.target
        if write.kind is WriteKind.DELETE:
            return await self._delete(target)
        try:
            if write.kind is WriteKind.COMMENT:
                return await self._comment(write, target)
            if write.kind is WriteKind.UPDATE:
                return await self._update(write, target)
        except NotFound as err:
            return _unclear(f"ticket {target} is not there: {err}")
        raise Unsupported(f"SIP Synergy has no call for a {write.kind.value}")

    async def _create(self, write: Write, since: datetime) -> ProbeResult:
        """Look for our marker in the list; a ticket of the same title without any is unclear."""
        listing = await self._client.list_tickets()
        marked = [item for item in listing.items if write.key in mapping.keys_of(item)]
        ours = [item for item in marked if not _is_before(item.created, since)]
        looked_at = f"list {len(listing.items)} tickets, marker in {len(marked)}"
        if ours:
            ours.sort(key=lambda item: _instant(item.created))
            return _found(looked_at, [_made(item) for item in ours])
        if marked:
            return _unclear(f"{looked_at}, made before it was sent: a quote")
        alike = [item.id for item in listing.items if self._is_alike(item, write, since)]
        if alike:
            return _unclear(f"{looked_at}; {', '.join(alike[:5])} is alike and has no marker")
        if listing.unreadable:
            return _unclear(f"{looked_at}; {len(listing.unreadable)} could not be read")
        return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)

    def _is_alike(self, item: TicketItem, write: Write, since: datetime) -> bool:
        """Whether a ticket may be ours with its marker taken out: made since, by us, so titled."""
        if _is_before(item.created, since) or mapping.keys_of(item):
            return False
        reporter = write.fields.get("reporter_human_id") or self._settings.user_human_id
        told = mapping.fields_of(item)
        wanted = write.fields.get("title") or mapping.derived_title(
            str(write.fields.get("description") or "")
        )
        return mapping.same_value(
            "reporter_human_id", told.get("reporter_human_id", MISSING), reporter
        ) and mapping.same_value("title", told.get("title", MISSING), wanted)

    async def _update(self, write: Write, target: TicketId) -> ProbeResult:
        """Compare what was set; sending it again does no harm (section 7)."""
        item = await self._reader.item(TicketRef(kind=mapping.KIND, id=target))
        told = mapping.fields_of(item)
        differing = [
            name
            for name, wanted in write.fields.items()
            if not mapping.same_value(name, told.get(name, MISSING), wanted)
        ]
        if differing:
            looked_at = f"ticket read: {', '.join(differing)} not as sent"
            return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)
        return _found("ticket read: as sent", [_receipt(target)])

    async def _comment(self, write: Write, target: TicketId) -> ProbeResult:
        """Look for our marker and text; a marker with another text is a person quoting (R5)."""
        items = await self._client.list_comments(target)
        marked = [item for item in items if write.key in marker.split(item.text)[1]]
        looked_at = f"comments {len(items)}, marker in {len(marked)}"
        sent = comment_form(write.comment.body if write.comment else "")
        ours = [item for item in marked if comment_form(item.text) == sent]
        if ours:
            ours.sort(key=_place)
            return _found(looked_at, [_receipt(target, CommentId(item.id)) for item in ours])
        if marked:
            return _unclear(f"{looked_at}, with another text: a quote")
        return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)

    async def _delete(self, target: TicketId) -> ProbeResult:
        """A ticket neither read nor listed is deleted; 404 alone may be a wrong address (R8)."""
        try:
            await self._reader.item(TicketRef(kind=mapping.KIND, id=target))
        except NotFound:
            listing = await self._client.list_tickets()
            if listing.unreadable or any(item.id == target for item in listing.items):
                return _unclear(f"ticket {target} answers 404 and the list does not agree")
            return _found(f"ticket {target} is gone", [_receipt(target)])
        return ProbeResult(finding=Finding.ABSENT, looked_at=f"ticket {target} is there")


def _found(looked_at: str, receipts: Sequence[Receipt]) -> ProbeResult:
    return ProbeResult(
        finding=Finding.FOUND,
        receipt=receipts[0],
        others=tuple(receipts[1:]),
        looked_at=looked_at,
    )


def _unclear(looked_at: str) -> ProbeResult:
    return ProbeResult(finding=Finding.UNCLEAR, looked_at=looked_at)


def _made(item: TicketItem) -> Receipt:
    return _receipt(TicketId(item.id))


def _receipt(target: TicketId, comment_id: CommentId | None = None) -> Receipt:
    return Receipt(ticket_id=target, ticket_number=target, comment_id=comment_id)


def _instant(stamp: Stamp | None) -> datetime:
    return stamp.at if stamp is not None and stamp.at is not None else _LATEST


def _is_before(stamp: Stamp | None, instant: datetime) -> bool:
    return stamp is not None and stamp.at is not None and stamp.at < instant


def _place(item: CommentItem) -> tuple[datetime, int, str]:
    return _instant(item.created), len(item.id), item.id
