"""Carrying out one write: checked locally, read before where all fields are sent, sent once.

Nothing here repeats a write.
"""

from collections.abc import Awaitable, Callable, Mapping

from syncd.model.ids import CommentId, TicketId
from syncd.model.operation import Receipt, Write, WriteKind
from syncd.model.ticket import CommentKind
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, OddAnswer, Refused, RemoteError, Unreachable, Unsupported
from syncd.providers.sipsynergy import sending
from syncd.providers.sipsynergy.client import SipSynergyClient
from syncd.providers.sipsynergy.mapping import KIND
from syncd.providers.sipsynergy.reading import TicketReader
from syncd.providers.sipsynergy.sending import Bounds
from syncd.providers.sipsynergy.wire import TicketItem


class TicketWriter:
    """Writes of one connection."""

    def __init__(
        self, client: SipSynergyClient, reader: TicketReader, bounds: Bounds, user: str
    ) -> None:
        self._client = client
        self._reader = reader
        self._bounds = bounds
        self._user = user

    async def write(self, write: Write) -> Receipt:
        """Carry out a write.

        Raises:
            Refused: SIP Synergy said no, or would: then nothing was sent.
            Unsupported: a status or a file: there is no call for it.
        """
        carry_out = self._by_kind().get(write.kind)
        if carry_out is None:
            raise Unsupported(f"not sent: SIP Synergy has no call for a {write.kind.value}")
        try:
            return await carry_out(write)
        except sending.Unsendable as err:
            raise Refused(f"not sent: {err}") from err

    def _by_kind(self) -> Mapping[WriteKind, Callable[[Write], Awaitable[Receipt]]]:
        return {
            WriteKind.CREATE: self._create,
            WriteKind.UPDATE: self._update,
            WriteKind.COMMENT: self._comment,
            WriteKind.DELETE: self._delete,
        }

    async def _create(self, write: Write) -> Receipt:
        """Spec: Tickets Microservice, section 2.2; section 6, S5, S8, S22."""
        body = sending.create_body(write.fields, write.key, self._bounds)
        ticket_id, answer = await self._client.create_ticket(body)
        return Receipt(
            ticket_id=TicketId(ticket_id),
            ticket_number=ticket_id,
            request_id=answer.context.request_id,
        )

    async def _update(self, write: Write) -> Receipt:
        """Read, lay our changes over it, send the whole (R14).

        Spec: Tickets Microservice, section 2.2; section 6, S6, S7; section 7.
        """
        target = write.target
        present = await self._before(target)
        body = sending.update_body(write.fields, present, self._bounds)
        answer = await self._client.update_ticket(target, body)
        return Receipt(ticket_id=target, ticket_number=target, request_id=answer.context.request_id)

    async def _comment(self, write: Write) -> Receipt:
        """Spec: Tickets Microservice, section 2.2; section 6, S3, S4, S8."""
        target = write.target
        if write.said.kind is not CommentKind.COMMENT:
            raise Unsupported(f"not sent: SIP Synergy has no {write.said.kind.value}")
        body = sending.comment_body(write.said, write.key, target, self._user, self._bounds)
        comment_id, answer = await self._client.create_comment(target, body)
        return Receipt(
            ticket_id=target,
            ticket_number=target,
            comment_id=CommentId(comment_id),
            request_id=answer.context.request_id,
        )

    async def _delete(self, write: Write) -> Receipt:
        """Delete; NotFound only where the list agrees: a wrong address answers 404 too (R8).

        Spec: Tickets Microservice, section 2.2; section 6, S7; section 7, DELETE.
        """
        target = write.target
        try:
            answer = await self._client.delete_ticket(target)
        except NotFound as err:
            if await self._is_listed(target):
                raise Refused(f"delete refused, the ticket is listed: {err}", err.context) from err
            raise
        return Receipt(ticket_id=target, ticket_number=target, request_id=answer.context.request_id)

    async def _is_listed(self, target: TicketId) -> bool:
        """Whether the list, read now, holds a ticket; what goes wrong here had no effect."""
        try:
            listing = await self._client.list_tickets()
        except RemoteError as err:
            raise Unreachable(f"the list after a 404: {err}", err.context) from err
        if listing.unreadable:
            raise Unreachable("the list after a 404 cannot be read whole")
        return any(item.id == target for item in listing.items)

    async def _before(self, target: TicketId) -> TicketItem:
        """Read right before a write (R14); whatever goes wrong here, nothing has been written."""
        try:
            return await self._reader.item(TicketRef(kind=KIND, id=target))
        except OddAnswer as err:
            raise Unreachable(f"the read before the write: {err}", err.context) from err
