"""Carrying out one write: checked locally, read before where the document asks for it, sent once.

Nothing here repeats a write.
"""

from collections.abc import Awaitable, Callable, Mapping

from syncd.model.ids import TicketId
from syncd.model.operation import Receipt, Write, WriteKind
from syncd.model.ticket import CommentKind, Value
from syncd.ports.adapter import FileSource
from syncd.ports.errors import Refused, Unsupported
from syncd.providers.digital_realty import mapping, sending, wire
from syncd.providers.digital_realty.categories import Categories
from syncd.providers.digital_realty.client import DigitalRealtyClient
from syncd.providers.digital_realty.errors import STATUS_MAY_FORBID
from syncd.providers.digital_realty.mapping import (
    CANCELLED,
    fields_of,
    is_open,
    same_value,
)
from syncd.providers.digital_realty.reading import TicketReader
from syncd.providers.digital_realty.sending import Bounds
from syncd.providers.digital_realty.wire import Order
from syncd.transport.request import FilePart

_MAY_BE_IGNORED = ("title", "description")
"""Fields an update may quietly leave as they were (D2)."""


class TicketWriter:
    """Writes of one connection.

    Attributes:
        own_name: `createdBy` of what we make, learnt from the first create (D9); a hint only.
    """

    def __init__(
        self,
        client: DigitalRealtyClient,
        reader: TicketReader,
        categories: Categories,
        bounds: Bounds,
        *,
        sends_both: bool,
    ) -> None:
        self._client = client
        self._reader = reader
        self._categories = categories
        self._bounds = bounds
        self._sends_both = sends_both
        self._ignored: set[str] = set()
        self.own_name = ""

    async def write(self, write: Write, file: FileSource | None) -> Receipt:
        """Carry out a write.

        Raises:
            Refused: Digital Realty said no, or would: then nothing was sent.
        """
        try:
            if write.kind is WriteKind.ATTACHMENT:
                return await self._attach(write, file)
            return await self._by_kind()[write.kind](write)
        except sending.Unsendable as err:
            raise Refused(f"not sent: {err}") from err

    def _by_kind(self) -> Mapping[WriteKind, Callable[[Write], Awaitable[Receipt]]]:
        return {
            WriteKind.CREATE: self._create,
            WriteKind.UPDATE: self._update,
            WriteKind.STATUS: self._cancel,
            WriteKind.COMMENT: self._comment,
        }

    async def _create(self, write: Write) -> Receipt:
        """Spec: Customer Support Tickets API, section 5.3; section 9, POST ticket."""
        body = sending.create_body(write.fields, write.key, self._bounds)
        await self._categories.check(str(body["requestType"]), str(body["category"]))
        order, answer = await self._client.create_ticket(body)
        self.own_name = order.told.get("createdBy", "").strip() or self.own_name
        return Receipt(
            ticket_id=TicketId(order.id),
            ticket_number=order.id,
            fields=_answered(order, write.fields),
            request_id=answer.context.request_id,
        )

    async def _update(self, write: Write) -> Receipt:
        """Spec: Customer Support Tickets API, section 5.4; section 7, D2."""
        target = write.target
        known = sorted(self._ignored & set(write.fields))
        if known:
            raise sending.Unsendable(f"{', '.join(known)}: updates of it changed nothing before")
        present = await self._open_order(target, "an update")
        body = sending.update_body(
            write.fields, present.told, self._bounds, sends_both=self._sends_both
        )
        try:
            order, answer = await self._client.update_ticket(target, body)
        except Refused as err:
            await self._explain(err, target, "an update")
            raise
        self._note_ignored(write, present, order)
        return Receipt(
            ticket_id=target,
            ticket_number=target,
            fields=_answered(order, write.fields),
            request_id=answer.context.request_id,
        )

    def _note_ignored(self, write: Write, present: Order, after: Order) -> None:
        """Remember what an update left as it was: the next one is refused before it is sent.

        This one stays applied; what stands there is told by its answer (R5).
        """
        was, told = fields_of(present), fields_of(after)
        for name in _MAY_BE_IGNORED:
            if name not in write.fields or name not in told:
                continue
            is_as_before = same_value(name, told[name], was.get(name))
            if is_as_before and not same_value(name, told[name], write.fields[name]):
                self._ignored.add(name)

    async def _cancel(self, write: Write) -> Receipt:
        """Cancel, unless it is so already. Spec: section 5.5; section 7, D4 and D16."""
        target = write.target
        body = sending.cancel_body(write.fields, self._bounds)
        present = await self._reader.before(target)
        told = fields_of(present).get("status")
        if same_value("status", told, CANCELLED):
            return Receipt(ticket_id=target, ticket_number=target, fields={"status": told})
        _ensure_open(present, "a cancel")
        try:
            answer = await self._client.cancel_ticket(target, body)
        except Refused as err:
            await self._explain(err, target, "a cancel")
            raise
        return Receipt(ticket_id=target, ticket_number=target, request_id=answer.context.request_id)

    async def _comment(self, write: Write) -> Receipt:
        """Spec: Customer Support Tickets API, section 8, Comments API v1."""
        target = write.target
        if write.said.kind is not CommentKind.COMMENT:
            raise Unsupported(f"Digital Realty has no {write.said.kind.value}")
        body = sending.comment_body(target, write.said, write.key, self._bounds)
        try:
            answer = await self._client.add_comment(body)
        except Refused as err:
            await self._explain(err, target, "a comment")
            raise
        # Its id is made from what it shows: the answer tells that as later reads do.
        told = wire.parse_remark(answer.json()) if answer.body.strip() else None
        made = mapping.comments_of((told,), "") if told is not None else ()
        is_ours = bool(made) and made[0].keys == (write.key,)
        return Receipt(
            ticket_id=target,
            ticket_number=target,
            comment_id=made[0].id if is_ours else None,
            request_id=answer.context.request_id,
        )

    async def _attach(self, write: Write, file: FileSource | None) -> Receipt:
        """Spec: Customer Support Tickets API, section 8, Attachments API v1."""
        target = write.target
        if write.attachment is None or file is None:
            raise Refused("not sent: an attachment without a file")
        name, content_type, size = sending.checked_file(write.attachment, self._bounds)
        # Nothing can tell afterwards whether it arrived, so what can be known before is.
        await self._open_order(target, "an attachment")
        part = FilePart(
            field="file", name=name, content_type=content_type, size_bytes=size, open=file.open
        )
        try:
            answer = await self._client.add_attachment(
                [("requestId", target), ("file_name", name)], part
            )
        except Refused as err:
            await self._explain(err, target, "an attachment")
            raise
        return Receipt(ticket_id=target, ticket_number=target, request_id=answer.context.request_id)

    async def _open_order(self, target: TicketId, what: str) -> Order:
        """Read right before (R14); a ticket that is closed takes nothing more."""
        present = await self._reader.before(target)
        _ensure_open(present, what)
        return present

    async def _explain(self, err: Refused, target: TicketId, what: str) -> None:
        """Say why the vendor refused where the ticket's status tells it (D18).

        Raises:
            Refused: with that reason; elsewhere the refusal stands as it is.
        """
        if err.context.status not in STATUS_MAY_FORBID:
            return
        status = await self._reader.status(target)
        if status and not is_open(status):
            raise Refused(f"{_too_late(what, status)}: {err}", err.context) from err


def _ensure_open(present: Order, what: str) -> None:
    status = present.told.get("status", "").strip()
    if status and not is_open(status):
        raise Refused(f"not sent: {_too_late(what, status)}")


def _too_late(what: str, status: str) -> str:
    return f"the ticket is {status}; {what} is only taken while it is New or In Progress"


def _answered(order: Order, sent: Mapping[str, Value]) -> dict[str, Value]:
    """Give the values of what was sent as the answer told them (R5)."""
    return {name: value for name, value in fields_of(order).items() if name in sent}
