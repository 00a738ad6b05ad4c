"""Carrying out one write: checked, read right before, sent once, and read back.

RT answers 200 to an update that it refused, and 201 to a message parts of which it left out: what
was done is told by reading the ticket, not by the status. Nothing here repeats a write.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping

import orjson

from syncd.model.errors import ensure
from syncd.model.ids import AttachmentId, CommentId, TicketId
from syncd.model.operation import AttachmentDraft, CommentDraft, Receipt, Write, WriteKind
from syncd.model.ticket import MISSING
from syncd.ports.adapter import FileSource
from syncd.ports.errors import OutcomeUnknown, Refused, RemoteError, Unsupported
from syncd.providers.rt import mapping, sending
from syncd.providers.rt.client import RtClient, TicketRead
from syncd.providers.rt.reading import TicketReader
from syncd.providers.rt.sending import WAYS, Rules
from syncd.providers.rt.wire import Part
from syncd.transport.request import Answer, FilePart

_CHANGES = frozenset({"Set", "Status", "CustomField", "AddWatcher", "DelWatcher", "SetWatcher"})
"""Types of transactions an update makes."""
_SAID_CHARS_MAX = 300


class TicketWriter:
    """Writes of one connection."""

    def __init__(self, client: RtClient, reader: TicketReader, rules: Rules) -> None:
        self._client = client
        self._reader = reader
        self._rules = rules

    async def write(self, write: Write, file: FileSource | None) -> Receipt:
        """Carry out a write.

        Raises:
            Refused: RT said no, or would: then nothing was sent.
            StaleVersion: somebody changed the ticket between our read and our update.
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
            WriteKind.STATUS: self._update,
            WriteKind.COMMENT: self._comment,
        }

    async def _create(self, write: Write) -> Receipt:
        """Spec: NOTES.md, Tickets (create)."""
        body = sending.create_body(write.fields, write.key, self._rules)
        made, answer = await self._client.create_ticket(body)
        return Receipt(
            ticket_id=TicketId(made), ticket_number=made, request_id=answer.context.request_id
        )

    # --- updates ---------------------------------------------------------------------------------

    async def _update(self, write: Write) -> Receipt:
        """Change fields or the status. Spec: NOTES.md, Tickets (update)."""
        way = "status" if write.kind is WriteKind.STATUS else "update"
        body = sending.update_body(write.fields, way, self._rules)
        target = target_of(write)
        before = await self._reader.before(target)
        said, answer = await self._client.update_ticket(target, body, before.etag)
        return await self._checked(write, before, said, answer)

    async def _checked(
        self, write: Write, before: TicketRead, said: tuple[str, ...], answer: Answer
    ) -> Receipt:
        """Read the ticket and tell what the update did.

        Raises:
            Refused: nothing of it was done. OutcomeUnknown: the ticket cannot be read.
        """
        target = target_of(write)
        try:
            after = await self._reader.current(target)
            fields = mapping.fields_of(after.doc, self._reader.names)
            done = {name: fields.get(name) for name in write.fields}
            differing = [
                name
                for name, wanted in write.fields.items()
                if not mapping.same_value(name, fields.get(name, MISSING), wanted)
            ]
            if len(differing) == len(write.fields) and not await self._did_any(target, before):
                told = (
                    "; ".join(said)[:_SAID_CHARS_MAX]
                    or "RT says nothing, as for a field its queue does not have"
                )
                raise Refused(f"RT left {', '.join(differing)} as it was: {told}", answer.context)
        except Refused:
            raise
        except RemoteError as err:
            text = f"answered, but the ticket cannot be read back: {err}"
            raise self._client.unknown(text, answer) from err
        return Receipt(
            ticket_id=target,
            ticket_number=target,
            fields=done,
            request_id=answer.context.request_id,
        )

    async def _did_any(self, target: TicketId, before: TicketRead) -> bool:
        """Say whether we changed the ticket since: somebody may have changed it back."""
        last = before.etag.strip('W/"')
        entries = await self._reader.entries(target)
        own = self._rules.settings.user.casefold()
        return any(
            one.type in _CHANGES
            and one.creator.name.casefold() == own
            and last.isdecimal()
            and int(one.id) > int(last)
            for one in entries
        )

    # --- messages --------------------------------------------------------------------------------

    async def _comment(self, write: Write) -> Receipt:
        """Spec: NOTES.md, Messages."""
        draft = draft_of(write)
        way = WAYS.get(draft.kind)
        if way is None:
            raise Unsupported(f"RT has no {draft.kind.value}")
        body = sending.message_body(draft, write.key, self._rules)
        target = target_of(write)
        await self._reader.before(target)
        made, answer = await self._client.add_message(target, way, body)
        return Receipt(
            ticket_id=target,
            ticket_number=target,
            comment_id=CommentId(made),
            request_id=answer.context.request_id,
        )

    async def _attach(self, write: Write, file: FileSource | None) -> Receipt:
        """Spec: NOTES.md, Files."""
        if write.attachment is None or file is None:
            raise Refused("not sent: an attachment without a file")
        name, content_type, size = sending.checked_file(write.attachment, self._rules)
        target = target_of(write)
        await self._reader.before(target)
        told = orjson.dumps(dict(sending.marked(write.key, self._rules))).decode()
        part = FilePart(
            field="Attachments", name=name, content_type=content_type, size_bytes=size,
            open=file.open, others={"JSON": told},
        )  # fmt: skip
        way = "comment" if self._rules.settings.files == "private" else "correspond"
        made, answer = await self._client.add_file(target, way, part)
        try:
            found = await self.file_of(target, made, write.attachment)
        except RemoteError as err:
            text = f"answered, but the file cannot be read back: {err}"
            raise self._client.unknown(text, answer) from err
        return Receipt(
            ticket_id=target,
            ticket_number=target,
            attachment_id=found,
            request_id=answer.context.request_id,
        )

    async def file_of(
        self, target: TicketId, transaction: str, draft: AttachmentDraft
    ) -> AttachmentId:
        """Find the file a transaction of ours holds, and compare its bytes with those sent.

        Raises:
            OutcomeUnknown: it is not as it was sent: RT cut, dropped or converted it.
        """
        page = await self._client.parts(
            target, [("TransactionId", transaction)], page=1, with_text=False
        )
        files = [part for part in page.items if part.name]
        if len(files) != 1:
            raise OutcomeUnknown(f"transaction {transaction} holds {len(files)} files, not one")
        if self._rules.settings.verify_files and draft.digest:
            digest, size = await self.digest_of(files[0])
            if digest != draft.digest:
                raise OutcomeUnknown(
                    f"RT keeps {draft.name} altered: {size} bytes of {draft.size_bytes}, digest "
                    f"{digest[:12]}; see MaxAttachmentSize"
                )
        return mapping.attachment_id(files[0])

    async def digest_of(self, part: Part) -> tuple[str, int]:
        """Read a file through; gives its SHA-256 in hex and its length."""
        digest, size = hashlib.sha256(), 0
        async with self._client.download(part.transaction, part.id) as answer:
            async for chunk in answer.chunks:
                digest.update(chunk)
                size += len(chunk)
        return digest.hexdigest(), size


def target_of(write: Write) -> TicketId:
    """Give the ticket a write goes to."""
    ensure(write.ticket_id is not None, "a write to an existing ticket names its id")
    return TicketId(write.ticket_id or "")


def draft_of(write: Write) -> CommentDraft:
    """Give the comment of a write.

    Raises:
        Refused: there is none.
    """
    if write.comment is None:
        raise Refused("not sent: no comment")
    return write.comment
