"""Carrying out one write: checked locally, read before where the document asks for it, sent once.

Nothing here repeats a write. An update may take several of Telenor's calls, each idempotent: when a
later one fails, sending all of them again does no harm.
"""

from collections.abc import Awaitable, Callable, Mapping

from syncd.core import marker
from syncd.model.ids import AttachmentId, CommentId, OperationKey, TicketId
from syncd.model.operation import Receipt, Write, WriteKind
from syncd.model.ticket import CommentKind
from syncd.ports.adapter import FileSource, TicketRef
from syncd.ports.errors import NotFound, OddAnswer, Refused, Unreachable, Unsupported
from syncd.providers.telenor import sending
from syncd.providers.telenor.client import TelenorClient
from syncd.providers.telenor.mapping import same_value
from syncd.providers.telenor.reading import CaseReader
from syncd.providers.telenor.sending import Bounds
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.wire import Case
from syncd.transport.request import Answer, FilePart


class CaseWriter:
    """Writes to one tree of a connection."""

    def __init__(
        self,
        client: TelenorClient,
        reader: CaseReader,
        settings: TelenorSettings,
        bounds: Bounds,
    ) -> None:
        self._tree = client.tree
        self._client = client
        self._reader = reader
        self._settings = settings
        self._bounds = bounds

    async def write(self, write: Write, file: FileSource | None) -> Receipt:
        """Carry out a write.

        Raises:
            Refused: Telenor said no, or would: then nothing was sent.
            Unsupported: Telenor has no such write.
        """
        try:
            if write.kind is WriteKind.ATTACHMENT:
                return await self._attach(write, file)
            way = self._by_kind().get(write.kind)
            if way is None:
                raise Unsupported(f"not sent: Telenor has no {write.kind} of a ticket")
            return await way(write)
        except sending.Unsendable as err:
            raise Refused(f"not sent: {err}") from err

    def _by_kind(self) -> Mapping[WriteKind, Callable[[Write], Awaitable[Receipt]]]:
        return {
            WriteKind.CREATE: self._create,
            WriteKind.UPDATE: self._update,
            WriteKind.STATUS: self._set_status,
            WriteKind.COMMENT: self._comment,
        }

    async def _create(self, write: Write) -> Receipt:
        """Spec: Service Ticket API, section 6, I2; section 10, POST incident."""
        body = sending.create_body(
            write.fields, write.key, self._settings.user_name, self._bounds, self._tree
        )
        case_id, answer = await self._client.create(body)
        return Receipt(ticket_id=TicketId(case_id), request_id=answer.context.request_id)

    async def _update(self, write: Write) -> Receipt:
        """Send what changed; a new description keeps the markers of the present one (R4, R14).

        Spec: Service Ticket API, section 6, I7, I16-I18; section 8, T17.
        """
        target = write.target
        parts = sending.update_parts(write.fields, self._bounds, self._tree)
        body = dict(parts.body)
        if parts.description is not None:
            keys = await self._markers(target)
            body["description"] = sending.described(parts.description, keys, self._bounds)
        sent: list[str] = []
        answer: Answer | None = None
        if body:
            answer = await self._client.update(target, body)
            sent.append("fields")
        if parts.contact is not None:
            answer = await self._step(
                sent, "contact", self._client.set_contact(target, parts.contact)
            )
        if parts.local_contact is not None:
            call = self._client.set_local_contact(target, parts.local_contact)
            answer = await self._step(sent, "local contact", call)
        if parts.removes_local_contact:
            answer = await self._step(sent, "local contact", self._without_local_contact(target))
        return _receipt(write, answer)

    async def _markers(self, target: TicketId) -> tuple[OperationKey, ...]:
        """Read the markers a description has now; none where the key has a field of its own."""
        if self._tree.key_field:
            return ()
        present = (await self._before(target)).told.get("description") or ""
        return tuple(dict.fromkeys(marker.split(present)[1]))

    async def _step(
        self, sent: list[str], what: str, call: Awaitable[Answer | None]
    ) -> Answer | None:
        """Make one more call of an update; a refusal says what was written before it."""
        try:
            answer = await call
        except Refused as err:
            if not sent:
                raise
            raise Refused(
                f"{what} refused, after {' and '.join(sent)} had been written: {err}", err.context
            ) from err
        sent.append(what)
        return answer

    async def _without_local_contact(self, target: TicketId) -> Answer | None:
        """404 means that there is none: done. Spec: Service Ticket API, section 10."""
        try:
            return await self._client.delete_local_contact(target)
        except NotFound:
            await self._before(target)  # unless it is the ticket that is not there
            return None

    async def _set_status(self, write: Write) -> Receipt:
        """Change the status, unless it is so already and there is no text still to be said.

        Spec: Service Ticket API, section 6, I19; section 8, T9; section 10, PUT status.
        """
        if not self._tree.sets_status:
            raise Unsupported(
                f"Telenor has no call to change the status of an {self._tree.kind} "
                "(Service Ticket API, section 7)"
            )
        target = write.target
        body = sending.status_body(write.fields, write.key, self._bounds)
        present = await self._before(target)
        status = present.told.get("status")
        if same_value("status", status, write.fields["status"]):
            said = [key for one in present.activities or () for key in marker.split(one.content)[1]]
            if "text" not in body or write.key in said:
                return Receipt(
                    ticket_id=target, ticket_number=present.case_number, fields={"status": status}
                )
        try:
            answer = await self._client.set_status(target, body)
        except Refused as err:
            raise Refused(
                f"status {status!r} to {body['status']!r} refused: {err}", err.context
            ) from err
        return _receipt(write, answer)

    async def _comment(self, write: Write) -> Receipt:
        """Spec: Service Ticket API, section 6, I15; section 10, POST comment."""
        target = write.target
        if write.said.kind is not CommentKind.COMMENT:
            raise Unsupported(f"not sent: Telenor has no {write.said.kind}")
        body = sending.comment_body(write.said, write.key, self._settings.user_name, self._bounds)
        comment_id, answer = await self._client.add_comment(target, body)
        return Receipt(
            ticket_id=target,
            ticket_number=write.ticket_number,
            comment_id=CommentId(comment_id),
            request_id=answer.context.request_id,
        )

    async def _attach(self, write: Write, file: FileSource | None) -> Receipt:
        """Spec: Service Ticket API, section 6, I11; section 10, POST attachment."""
        target = write.target
        if write.attachment is None or file is None:
            raise Refused("not sent: an attachment without a file")
        name, content_type, size = sending.checked_file(write.attachment, self._bounds)
        part = FilePart(
            field="file",
            name=name,
            content_type=content_type,
            size_bytes=size,
            open=file.open,
            others={"contentType": content_type},
        )
        attachment_id, answer = await self._client.add_attachment(target, part)
        return Receipt(
            ticket_id=target,
            ticket_number=write.ticket_number,
            attachment_id=AttachmentId(attachment_id),
            request_id=answer.context.request_id,
        )

    async def _before(self, target: TicketId) -> Case:
        """Read right before a write (R14); whatever goes wrong here, nothing has been written."""
        try:
            return await self._reader.case(TicketRef(kind=self._tree.kind, id=target))
        except OddAnswer as err:
            raise Unreachable(f"the read before the write: {err}", err.context) from err


def _receipt(write: Write, answer: Answer | None) -> Receipt:
    return Receipt(
        ticket_id=write.target,
        ticket_number=write.ticket_number,
        request_id=answer.context.request_id if answer else "",
    )
