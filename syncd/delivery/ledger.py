"""What delivery asks of the store, each in a transaction; nothing else in here touches it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.core.file_names import clean
from syncd.core.slots import may_have_left
from syncd.core.state import ItemKind
from syncd.delivery.options import Options
from syncd.delivery.outcomes import Verdict
from syncd.model.ids import ConnectionName, MappingName, OperationId
from syncd.model.operation import AttachmentDraft, CommentDraft, Receipt, Write
from syncd.model.outbox import ClaimedOperation
from syncd.ports.clock import Clock
from syncd.store import connections, journal, links, mappings, operations, outbox, sides, tickets
from syncd.store.database import Database
from syncd.store.records import Claim, Line, Recovered
from syncd.store.tx import Tx

ACTOR = "delivery"
"""Who did it, in the journal and on a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What storing an outcome did.

    Attributes:
        in_time: it was ours to store; False: somebody else had taken the operation over.
        paused: a connection was paused by it that was not before.
    """

    in_time: bool
    paused: bool = False


class Ledger:
    """The outbox as one owner sees it."""

    def __init__(
        self,
        db: Database,
        *,
        clock: Clock,
        options: Options,
        live_mappings: Callable[[], frozenset[MappingName]],
    ) -> None:
        """Keep what every transaction needs.

        Args:
            db: the open store.
            clock: where time comes from.
            options: owner and lease.
            live_mappings: mappings that may write, as the configuration stands now; those paused
                by an operator are taken out in here.
        """
        self._db = db
        self._clock = clock
        self._options = options
        self._live_mappings = live_mappings

    async def hold(self) -> None:
        """Let others see that this owner lives; again, where that was lost.

        Raises:
            StoreUnavailable: they cannot see it: nothing may be claimed.
        """
        await self._db.hold_owner(self._options.owner)

    @property
    def is_held(self) -> bool:
        """Whether others see that this owner lives."""
        return self._db.is_owner_held

    @property
    def is_shared(self) -> bool:
        """Whether other processes work on the same store."""
        return self._db.is_shared

    async def recover(self, *, at_start: bool) -> Recovered:
        """Take over what dead owners left: never sent is ready again, maybe sent is unknown."""
        now = self._clock.now()
        return await self._db.write(
            outbox.recover,
            owner=self._options.owner,
            now=now,
            probe_at=now,
            alone=at_start and not self._db.is_shared,
        )

    async def claim(self, free: dict[ConnectionName, int]) -> list[ClaimedOperation]:
        """Take due operations, at most `free` of each connection."""
        now = self._clock.now()
        claim = Claim(
            owner=self._options.owner,
            now=now,
            lease_until=now + timedelta(seconds=self._options.lease_s),
            free=free,
            writable_mappings=self._live_mappings(),
            limit=self._options.claim_max,
        )
        return await self._db.write(_claim, claim)

    async def mark_sending(self, op: ClaimedOperation, write: Write) -> bool:
        """Commit that bytes may leave from now on; False: the lease was lost, send nothing."""
        now = self._clock.now()
        if write.attachment == op.write.attachment:
            # The store's own unit: those of many operations become one statement.
            return await self._db.write(outbox.mark_sending, op.id, op.owner, op.attempt, now)
        return await self._db.write(_mark_sending, op, write, now=now)

    async def keep_sending(self, op: ClaimedOperation) -> bool:
        """Commit that bytes still may leave; False: somebody took it over, send nothing."""
        until = self._clock.now() + timedelta(seconds=self._options.lease_s)
        return await self._db.write(outbox.keep_sending, op.id, op.owner, op.attempt, until)

    async def settle(self, op: ClaimedOperation, verdict: Verdict) -> Settled:
        """Commit an outcome and what goes with it."""
        now = self._clock.now()
        if verdict.pause is None and not verdict.hasten:
            outcome = verdict.outcome
            blocks = verdict.blocks
            stored = await self._db.write(outbox.settle, op, outcome, now=now, blocks=blocks)
            return Settled(in_time=stored)
        return await self._db.write(_settle, op, verdict, now=now)

    async def extend_lease(self) -> None:
        """Keep what is held for another lease."""
        until = self._clock.now() + timedelta(seconds=self._options.lease_s)
        await self._db.write(outbox.extend_lease, self._options.owner, until)

    async def release(self) -> int:
        """Give back what is claimed and was not sent; for stopping."""
        return await self._db.write(
            outbox.release_owner, self._options.owner, now=self._clock.now()
        )

    async def rechecks_due(self) -> list[ClaimedOperation]:
        """Read which applied operations are to be looked at once more."""
        return await self._db.read(
            outbox.rechecks_due, now=self._clock.now(), limit=self._options.rechecks_max
        )

    async def accounted(self, op: ClaimedOperation, kind: ItemKind) -> frozenset[str]:
        """Read which comments or attachments of the target are known not to be this operation's."""
        pairs = await self._db.read(links.pairs_of, op.link_id)
        return frozenset(
            pair.source_id if pair.origin is op.target else pair.target_id
            for pair in pairs
            if pair.kind is kind and pair.key != op.write.key
        )

    async def rivals(self, op: ClaimedOperation) -> int | None:
        """Count other writes, not settled yet, whose effects would look like this operation's.

        None: any number, for some that a restored store forgot are not planned again yet.
        """
        if await self._db.read(sides.is_unread, op.link_id):
            return None
        unsettled = await self._db.read(links.operations_of, op.link_id)
        return sum(
            other.id != op.id
            and (other.target, other.kind) == (op.target, op.write.kind)
            and may_have_left(other)
            and _looks(other.comment, other.attachment)
            == _looks(op.write.comment, op.write.attachment)
            for other in unsettled
        )

    async def known_effect(self, op: ClaimedOperation) -> Mapping[str, object]:
        """Read the receipt that an applied operation was settled with."""
        detail = await self._db.read(operations.show, op.id)
        return detail.receipt or {}

    async def record_recheck(
        self,
        op: ClaimedOperation,
        others: Sequence[Receipt],
        *,
        again_at: datetime | None,
        detail: str,
    ) -> None:
        """Commit what a recheck saw; `again_at`: it saw nothing useful, look once more then."""
        await self._db.write(
            outbox.record_recheck,
            op.id,
            others=tuple(others),
            again_at=again_at,
            detail=detail,
            now=self._clock.now(),
        )

    async def journal(self, op: ClaimedOperation, event: str, detail: str) -> None:
        """Commit a line about an operation for the operator."""
        line = Line(
            at=self._clock.now(),
            event=event,
            detail=detail,
            correlation_id=op.correlation_id,
            connection=op.connection,
            ticket=op.target_row,
            link=op.link_id,
            operation=OperationId(op.id),
            mapping=op.mapping,
            actor=ACTOR,
        )
        await self._db.write(journal.append, line)

    async def next_due(self) -> datetime | None:
        """Read when the next operation is due; None: nothing waits."""
        return await self._db.read(outbox.next_due)


def _claim(tx: Tx, claim: Claim) -> list[ClaimedOperation]:
    writable = claim.writable_mappings.difference(mappings.paused(tx))
    if not writable:
        return []
    return outbox.claim(tx, replace(claim, writable_mappings=writable))


def _mark_sending(tx: Tx, op: ClaimedOperation, write: Write, *, now: datetime) -> bool:
    if not outbox.mark_sending(tx, op.id, op.owner, op.attempt, now):
        return False
    file = write.attachment
    if file is not None and file.size_bytes is not None and op.write.attachment != file:
        outbox.attach_file(tx, op.id, size_bytes=file.size_bytes, digest=file.digest)
    return True


def _settle(tx: Tx, op: ClaimedOperation, verdict: Verdict, *, now: datetime) -> Settled:
    outcome = verdict.outcome
    in_time = outbox.settle(tx, op, outcome, now=now, blocks=verdict.blocks)
    paused = verdict.pause is not None and connections.pause_once(
        tx, verdict.pause, outcome.detail, by=ACTOR, now=now
    )
    if in_time and verdict.hasten and op.target_row is not None:
        tickets.hasten(tx, [op.target_row], now)
    return Settled(in_time=in_time, paused=paused)


def _looks(comment: CommentDraft | None, file: AttachmentDraft | None) -> tuple[object, ...]:
    """Say what tells an effect from others where no marker does."""
    words = None if comment is None else comment.body.split()
    return (words, file and clean(file.name).casefold(), file and file.size_bytes)
