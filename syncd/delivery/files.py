"""Attachments on their way: source -> spool -> target, and the look whether they arrived whole."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from syncd.core.file_names import clean
from syncd.delivery.options import Options
from syncd.model.errors import BrokenInvariant
from syncd.model.ids import AttachmentId, ConnectionName
from syncd.model.operation import Receipt, Write, WriteKind
from syncd.model.outbox import ClaimedOperation
from syncd.model.ticket import Ticket
from syncd.ports.adapter import Adapter, FileSource, TicketRef
from syncd.ports.clock import Clock
from syncd.ports.errors import RemoteError, Unreachable
from syncd.store.spool import Spool, SpoolFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A write with its attachment complete, and the bytes where they are to be sent."""

    write: Write
    file: FileSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a reading back showed: as sent, altered, or (None) could not be read."""

    as_sent: bool | None
    detail: str


class Files:
    """Brings attachments into the spool and reads them back after the upload."""

    def __init__(
        self,
        adapters: Mapping[ConnectionName, Adapter],
        spool: Spool,
        *,
        clock: Clock,
        options: Options,
    ) -> None:
        """Keep the ways to the bytes."""
        self._adapters = adapters
        self._spool = spool
        self._clock = clock
        self._options = options

    async def fetch(self, op: ClaimedOperation) -> Fetched:
        """Make sure the attachment lies in the spool, streaming it there if it does not.

        Returns:
            The write with cleaned name, exact size and digest, and the bytes.

        Raises:
            RemoteError: the source could not be read; nothing was sent.
            SpoolFull: it is larger than the target or the spool takes.
        """
        draft = op.write.attachment
        if draft is None or op.source is None:
            raise BrokenInvariant("an attachment to be written comes from a ticket that was read")
        draft = replace(draft, name=clean(draft.name))
        if not draft.digest or await self._spool.size(draft.digest) is None:
            kept = await self._download(op, op.source, draft.source_id)
            if draft.size_bytes not in (None, kept.size_bytes):
                # A page with status 200 instead of the file, or a part of it: never sent on.
                raise Unreachable(
                    f"{draft.name!r} has {draft.size_bytes} bytes, and {kept.size_bytes} came"
                )
            draft = replace(draft, size_bytes=kept.size_bytes, digest=kept.digest)
        is_sent = op.write.kind is WriteKind.ATTACHMENT
        return Fetched(
            write=replace(op.write, attachment=draft),
            file=self._spool.source(draft.digest) if is_sent else None,
        )

    async def _download(
        self, op: ClaimedOperation, source: Ticket, attachment_id: AttachmentId
    ) -> SpoolFile:
        ref = TicketRef(kind=source.kind, id=source.id, number=source.number)
        adapter = self._adapters.get(op.source_connection)
        if adapter is None:
            raise Unreachable(f"connection {op.source_connection} is not configured")
        limit = self._options.attachment_bytes
        if op.write.kind is WriteKind.ATTACHMENT:
            limit = min(limit, self._adapters[op.connection].features.limits.attachment_bytes)
        async with adapter.download(ref, attachment_id) as chunks:
            return await self._spool.save(chunks, max_bytes=limit)

    def can_verify(self, op: ClaimedOperation, write: Write, receipt: Receipt) -> bool:
        """Say whether the vendor gives back what was uploaded."""
        return (
            write.kind is WriteKind.ATTACHMENT
            and write.attachment is not None
            and bool(write.attachment.digest)
            and receipt.attachment_id is not None
            and self._adapters[op.connection].features.attachments
        )

    async def verify(self, op: ClaimedOperation, write: Write, receipt: Receipt) -> Verified:
        """Read an uploaded attachment back and compare size and SHA-256.

        A few tries, because a new attachment may take a moment to be readable.
        """
        attachment, new_id = write.attachment, receipt.attachment_id
        if attachment is None or new_id is None:
            raise BrokenInvariant("only an uploaded attachment can be read back")
        ref = TicketRef(kind=write.ticket_kind, id=receipt.ticket_id, number=receipt.ticket_number)
        why = ""
        for turn in range(self._options.verify_tries):
            if turn:
                await self._clock.sleep(self._options.verify_wait_s * turn)
            try:
                digest, size_bytes = await self._digest(op.connection, ref, new_id)
            except RemoteError as err:
                why = f"{type(err).__name__}: {err}"
                continue
            detail = f"{attachment.name!r} sent {attachment.size_bytes} bytes sha256 "
            detail += f"{attachment.digest[:16]}, reads {size_bytes} bytes sha256 {digest[:16]}"
            return Verified(as_sent=digest == attachment.digest, detail=detail)
        return Verified(as_sent=None, detail=f"{attachment.name!r} cannot be read back: {why}")

    async def _digest(
        self, connection: ConnectionName, ref: TicketRef, attachment_id: AttachmentId
    ) -> tuple[str, int]:
        digest, size_bytes = hashlib.sha256(), 0
        async with self._adapters[connection].download(ref, attachment_id) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
        return digest.hexdigest(), size_bytes
