"""One operation is sent, once."""

from dataclasses import replace

from syncd.core.precondition import Normalise, status_is_unknown, why_status_forbids
from syncd.core.retry import Stage
from syncd.core.unmarked import DIGEST_PLACE
from syncd.delivery import outcomes
from syncd.delivery.files import Fetched
from syncd.delivery.instead import said_instead
from syncd.delivery.outcomes import Progress, Verdict
from syncd.delivery.tools import Tools
from syncd.model.operation import ParkReason, Receipt, Write, WriteKind
from syncd.model.outbox import ClaimedOperation
from syncd.model.ticket import Ticket
from syncd.ports.adapter import Adapter, FileSource, TicketRef
from syncd.ports.errors import NotFound
from syncd.ports.leaving import MAY_LEAVE
from syncd.store.spool import FileTooLarge


async def send(op: ClaimedOperation, tools: Tools, progress: Progress) -> Verdict | None:
    """Carry a write out.

    Args:
        op: claimed in state READY.
        tools: the ways to the outside.
        progress: kept up to date, so that whoever catches an exception knows what it means.

    Returns:
        What it came to; None when the lease was lost before anything was sent.

    Raises:
        Exception: whatever the adapter, the spool or the store raise; `outcomes.after_error` knows.
    """
    adapter = tools.adapters[op.connection]
    if op.write.kind not in adapter.features.of(op.write.ticket_kind).writes:
        detail = f"the provider cannot do {op.write.kind.value} on {op.write.ticket_kind}"
        return outcomes.parked(progress, ParkReason.REFUSED, detail, tools.terms(op))
    unwanted = await _why_unwanted(op, tools)
    if unwanted is not None:
        return outcomes.unwanted(progress, unwanted, tools.terms(op))
    instead = await said_instead(op, tools)
    if instead is not None:
        return outcomes.replaced(progress, instead, tools.terms(op))
    file: FileSource | None = None
    if op.write.attachment is not None:
        progress.connection = op.source_connection
        try:
            fetched = await tools.files.fetch(op)
        except FileTooLarge as err:
            if op.write.kind is WriteKind.ATTACHMENT:
                return outcomes.parked(progress, ParkReason.INVALID, str(err), tools.terms(op))
            fetched = Fetched(write=op.write)
        progress.complete(told(fetched.write))
        file = fetched.file
        progress.connection = op.connection
    return await _send(op, tools, progress, file)


def told(write: Write) -> Write:
    """Put the digest into a comment that stands for an attachment (DESIGN R10)."""
    if write.kind is not WriteKind.COMMENT or write.comment is None or write.attachment is None:
        return write
    digest = write.attachment.digest or "not read, it is too large"
    body = write.comment.body.replace(DIGEST_PLACE, digest)
    return replace(write, comment=replace(write.comment, body=body))


async def _send(
    op: ClaimedOperation, tools: Tools, progress: Progress, file: FileSource | None
) -> Verdict | None:
    """Commit *sending*, and send.

    Where a lost answer can be looked for, *sending* is committed while waiting for a slot; where
    it cannot, just before the first byte, so that a crash leaves as little in doubt as can be.
    """
    adapter, terms = tools.adapters[op.connection], tools.terms(op)
    is_awake = tools.standstill.watch()
    if terms.feature.can_probe and not await tools.ledger.mark_sending(op, progress.write):
        return None
    async with tools.lanes.slot(op.connection):
        if tools.lanes.is_closing:
            return outcomes.after_interruption(progress, tools.terms(op))
        if not terms.feature.can_probe:
            is_awake = tools.standstill.watch()
            if not await tools.ledger.mark_sending(op, progress.write):
                return None
        while not is_awake():
            # Another may have looked for it, not found it, and sent it.
            is_awake = tools.standstill.watch()
            if not await tools.ledger.keep_sending(op):
                return None
        # From here on nobody can say any more that nothing left.
        progress.stage, progress.started_at = Stage.SEND, tools.clock.now()
        asked = MAY_LEAVE.set(is_awake)
        try:
            receipt = await adapter.write(progress.write, file)
        finally:
            MAY_LEAVE.reset(asked)
    receipt = normalised(receipt, tools.normaliser(op.connection))
    return outcomes.applied(op, progress, receipt, tools.terms(op))


def normalised(receipt: Receipt, normalise: Normalise) -> Receipt:
    """Return the receipt with the answer's values in N's form, as baselines are kept (R5)."""
    if not receipt.fields:
        return receipt
    fields = {name: normalise(name, value) for name, value in receipt.fields.items()}
    return replace(receipt, fields=fields)


async def _why_unwanted(op: ClaimedOperation, tools: Tools) -> str | None:
    snapshot = op.snapshot
    if status_is_unknown(snapshot, op.only_from):
        snapshot = await _read_target(op, tools.adapters[op.connection])
    return why_status_forbids(snapshot, op.only_from, tools.normaliser(op.connection))


async def _read_target(op: ClaimedOperation, adapter: Adapter) -> Ticket | None:
    """Read the target where its status was never read, such as right after its creation."""
    if op.write.ticket_id is None:
        return None
    ref = TicketRef(kind=op.write.ticket_kind, id=op.write.ticket_id, number=op.write.ticket_number)
    try:
        return await adapter.read(ref)
    except NotFound:
        return None  # the write itself will be answered so, and parked with that reason
