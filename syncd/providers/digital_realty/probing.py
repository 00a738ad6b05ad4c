"""Looking whether a write whose answer was lost has happened (DESIGN R3).

A create is looked for in the lists: of its site, request type and category whatever their status,
and of what is open at all, for staff may have moved it meanwhile. The lists show no reference, so
each candidate is read whole.

Spec: Customer Support Tickets API, section 9.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.core.normal import comment_form, one_line
from syncd.model.ids import CommentId, TicketId
from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.model.ticket import MISSING
from syncd.ports.errors import NotFound, Refused
from syncd.providers.digital_realty import mapping
from syncd.providers.digital_realty.client import DigitalRealtyClient, Query, paging
from syncd.providers.digital_realty.mapping import OPEN_STATUSES
from syncd.providers.digital_realty.reading import TicketReader
from syncd.providers.digital_realty.settings import DigitalRealtySettings
from syncd.providers.digital_realty.wire import Order, parse_date
from syncd.providers.digital_realty.writing import TicketWriter


@dataclass(slots=True, kw_only=True)
class _Listed:
    """What the lists showed so far.

    Attributes:
        rows: how many tickets were looked at.
        candidates: those made since the create was sent, by id.
        why_not: why the lists say nothing of absence; empty when they do.
    """

    rows: int = 0
    candidates: dict[str, Order] = field(default_factory=dict)
    why_not: str = ""


class TicketProber:
    """Probes of one connection."""

    def __init__(
        self,
        client: DigitalRealtyClient,
        reader: TicketReader,
        writer: TicketWriter,
        settings: DigitalRealtySettings,
    ) -> None:
        self._client = client
        self._reader = reader
        self._writer = writer
        self._settings = settings

    async def probe(self, write: Write, sent_at: datetime) -> ProbeResult:
        """Look for the effect of a write sent at `sent_at` (aware, UTC)."""
        if write.kind is WriteKind.CREATE:
            since = sent_at - timedelta(seconds=self._settings.probe.skew_s)
            return await self._create(write, since)
        if write.kind is WriteKind.ATTACHMENT:
            why = "Digital Realty lists no attachments: nothing tells whether it arrived"
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=why)
        target = write.target
        try:
            order = await self._reader.order(target)
        except NotFound as err:
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=f"{target} is not there: {err}")
        if write.kind is WriteKind.COMMENT:
            return self._comment(write, order)
        return self._state(write, order)

    # --- create ----------------------------------------------------------------------------------

    async def _create(self, write: Write, since: datetime) -> ProbeResult:
        """Spec: Customer Support Tickets API, section 9, POST ticket."""
        listed = _Listed()
        for query in (_same_place(write), *([("status", one)] for one in OPEN_STATUSES)):
            await self._list(query, since, listed)
        found, why_not = await self._confirmed(write, listed)
        looked_at = f"lists of {listed.rows} tickets, {len(listed.candidates)} made since"
        if found:
            return _found(looked_at, [_receipt(TicketId(one.id)) for one in found])
        why_not = why_not or listed.why_not
        if why_not:
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=f"{looked_at}; {why_not}")
        return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)

    async def _list(self, query: Query, since: datetime, listed: _Listed) -> None:
        """Read one list to its end; its order is undefined, so no page tells that it is enough."""
        size = self._settings.scan.page_size
        for number in range(self._settings.probe.pages_max):
            try:
                page = await self._client.list_tickets([*query, *paging(number, size)])
            except Refused as err:
                listed.why_not = f"a list was refused ({err})"
                return
            listed.rows += page.length
            if page.odd:
                listed.why_not = f"a ticket of the list cannot be read ({page.odd[0]})"
            for row in page.items:
                made_at = parse_date(row.dates.get("createdOn", ""))
                if made_at is None or made_at >= since:
                    listed.candidates.setdefault(row.id, row)
            if page.is_last or page.length == 0:
                return
        listed.why_not = f"a list goes on after {self._settings.probe.pages_max} pages"

    async def _confirmed(self, write: Write, listed: _Listed) -> tuple[list[Order], str]:
        """Read candidates whole; the key must stand in the reference.

        Returns:
            Those that carry it, oldest first; and why others cannot be told, empty when all can.
        """
        title = write.fields.get("title")
        rows = sorted(
            listed.candidates.values(),
            key=lambda one: (not mapping.same_value("title", one.told.get("title"), title), one.id),
        )
        most, why_not = self._settings.probe.details_max, ""
        if len(rows) > most:
            why_not = f"{len(rows)} candidates, {most} read"
        found: list[Order] = []
        for row in rows[:most]:
            try:
                order = await self._reader.order(row.id)
            except NotFound:
                why_not = f"{row.id} is listed but cannot be read"
                continue
            if write.key in mapping.keys_of(order):
                found.append(order)
            elif self._may_be_ours(write, order):
                why_not = f"{order.id} has this title, but another customer reference"
        found.sort(key=lambda one: (one.dates.get("createdOn", ""), one.id))
        return found, why_not

    def _may_be_ours(self, write: Write, order: Order) -> bool:
        """Say whether a ticket of our title shows no key at all: somebody may have taken it out."""
        if mapping.keys_of(order):
            return False
        own, made_by = self._writer.own_name, order.told.get("createdBy", "").strip()
        if own and made_by and own != made_by:
            return False
        return mapping.same_value("title", order.told.get("title"), write.fields.get("title"))

    # --- the others ------------------------------------------------------------------------------

    def _comment(self, write: Write, order: Order) -> ProbeResult:
        """Look for marker and text: a marker with another text is a person quoting (R5).

        Spec: Customer Support Tickets API, section 9, POST comment; section 7, D1.
        """
        if order.comments is None:
            why = "the answer tells no comments, which is not to say that there are none"
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=why)
        comments = mapping.comments_of(order.comments, self._settings.unknown_author)
        marked = [one for one in comments if write.key in one.keys]
        sent = comment_form(write.comment.body if write.comment else "")
        ours = [one for one in marked if comment_form(one.body) == sent]
        looked_at = f"comments {len(ours)} of {len(comments)}"
        if marked and not ours:
            why = f"{looked_at}: marker {len(marked)}, with another text"
            return ProbeResult(finding=Finding.UNCLEAR, looked_at=why)
        receipts = [_receipt(TicketId(order.id), comment_id=one.id) for one in ours]
        return _found(looked_at, receipts)

    def _state(self, write: Write, order: Order) -> ProbeResult:
        """Compare what an update or a cancel set. Spec: section 9, PUT ticket and PUT cancel."""
        told = mapping.fields_of(order)
        differing = [
            name
            for name, wanted in write.fields.items()
            if name != mapping.CANCEL_REASON
            and not mapping.same_value(name, told.get(name, MISSING), wanted)
        ]
        if differing:
            looked_at = f"ticket read: {', '.join(differing)} not as sent"
            return ProbeResult(finding=Finding.ABSENT, looked_at=looked_at)
        return _found("ticket read: as sent", [_receipt(TicketId(order.id))])


def _same_place(write: Write) -> Query:
    """Give the filters a create's own ticket passes. Spec: section 5.2."""
    names = {"site": "site", "request_type": "requestType", "category": "category"}
    return [
        (wire, one_line(value))
        for name, wire in names.items()
        if isinstance(value := write.fields.get(name), str) and value.strip()
    ]


def _receipt(ticket_id: TicketId, comment_id: CommentId | None = None) -> Receipt:
    return Receipt(ticket_id=ticket_id, ticket_number=ticket_id, comment_id=comment_id)


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
