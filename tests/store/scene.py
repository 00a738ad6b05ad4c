"""A small world to test the store in: two connections, one mapping, tickets and links on demand."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from syncd.core.state import (
    ItemKind,
    ItemPair,
    Plan,
    PlannedOperation,
    Rank,
    Reason,
    SlotMove,
)
from syncd.model.ids import (
    AttachmentId,
    CommentId,
    ConnectionName,
    CorrelationId,
    LinkRow,
    MappingName,
    OperationId,
    OperationKey,
    Side,
    TicketId,
    TicketRow,
)
from syncd.model.operation import (
    AttachmentDraft,
    CommentDraft,
    OperationState,
    ParkReason,
    Receipt,
    WriteKind,
)
from syncd.model.outbox import ClaimedOperation, Outcome, OutcomeKind
from syncd.model.ticket import Ticket, Value
from syncd.ports.adapter import Sighting, TicketRef
from syncd.store import connections, links, mappings, meta, operations, outbox, tickets
from syncd.store.database import Database, Tx
from syncd.store.records import (
    Claim,
    ConnectionPin,
    LinkParts,
    OperationRecord,
    PlanContext,
    SaveResult,
    StoredTicket,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DESK = ConnectionName("servicedesk")
CARRIER = ConnectionName("telenor-no")
MAPPING = MappingName("telenor-incidents")
KIND = "incident"
OWNER = "daemon-1"


def later(seconds: float) -> datetime:
    """Give an instant so many seconds after the scene's now."""
    return NOW + timedelta(seconds=seconds)


def ticket(id_: str, **fields: Value) -> Ticket:
    """Make a snapshot; its number is its id in capitals."""
    return Ticket(
        id=TicketId(id_), number=id_.upper(), kind=KIND, fields=fields, created_at=later(-60)
    )


def sighting(id_: str, digest: bytes | None = None) -> Sighting:
    """Make a feed's (no digest) or a scan's word about a ticket."""
    return Sighting(ref=TicketRef(kind=KIND, id=TicketId(id_)), digest=digest, seen="seen")


def create(title: str = "Link down") -> PlannedOperation:
    """Plan the opening of a vendor ticket."""
    return PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.CREATE,
        reason=Reason.OPENED,
        fields={"title": title},
        slots={
            "to_vendor.title": SlotMove(source=Side.ITSM, source_value=title, target_value=title)
        },
        rank=Rank.CREATE,
    )


def comment(source_id: str, target: Side = Side.VENDOR) -> PlannedOperation:
    """Plan a comment that carries one of the other side."""
    return PlannedOperation(
        target=target,
        kind=WriteKind.COMMENT,
        reason=Reason.COMMENTED,
        comment=CommentDraft(body=f"text of {source_id}", author="Kari"),
        item=(ItemKind.COMMENT, target.other, source_id),
    )


def update(value: str, target: Side = Side.VENDOR) -> PlannedOperation:
    """Plan a change of the title."""
    slot = f"to_{target}.title"
    return PlannedOperation(
        target=target,
        kind=WriteKind.UPDATE,
        reason=Reason.FIELD_CHANGED,
        fields={"title": value},
        slots={slot: SlotMove(source=target.other, source_value=value, target_value=value)},
    )


def closing(target: Side = Side.VENDOR) -> PlannedOperation:
    """Plan a closing status."""
    return PlannedOperation(
        target=target,
        kind=WriteKind.STATUS,
        reason=Reason.STATUS_FOLLOWS,
        fields={"status": "Closed"},
        slots={"status": SlotMove(source=target.other, source_value="Closed", target_value="Done")},
        rank=Rank.CLOSING,
    )


def attachment(source_id: str) -> PlannedOperation:
    """Plan an attachment to the vendor."""
    return PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.ATTACHMENT,
        reason=Reason.ATTACHED,
        attachment=AttachmentDraft(
            source_id=AttachmentId(source_id), name="a.txt", content_type="text/plain"
        ),
        item=(ItemKind.ATTACHMENT, Side.ITSM, source_id),
    )


def pair_of(planned: PlannedOperation) -> ItemPair:
    """Give the pair that goes with a planned comment or attachment."""
    assert planned.item is not None
    kind, origin, source_id = planned.item
    return ItemPair(kind=kind, origin=origin, source_id=source_id)


def applied(receipt: Receipt, **more: object) -> Outcome:
    """Make the outcome of a write that went well."""
    return replace(outcome(OutcomeKind.APPLIED), receipt=receipt, **more)  # type: ignore[arg-type]


def outcome(kind: OutcomeKind, **more: object) -> Outcome:
    """Make an outcome; times are the scene's."""
    made = Outcome(kind=kind, started_at=NOW, ended_at=later(1), request="POST /x", status=200)
    return replace(made, **more)  # type: ignore[arg-type]


def parked(reason: ParkReason) -> Outcome:
    """Make the outcome of a write that waits for a person."""
    return outcome(OutcomeKind.PARKED, park_reason=reason)


@dataclass(slots=True)
class Scene:
    """Steps of a story, each one transaction."""

    db: Database
    _keys: "itertools.count[int]" = field(default_factory=itertools.count)

    async def set_up(self) -> None:
        """Make connections and mapping known."""
        await self.db.write(meta.initialise, environment="test", prefix="ab12cd")
        for name in (DESK, CARRIER):
            pinned = ConnectionPin(name=name, provider="smartops", base_host=f"{name}.example")
            await self.db.write(connections.pin, pinned)
        await self.db.write(mappings.sync, MAPPING, mode="live", revision="r1", now=NOW)

    def new_key(self) -> OperationKey:
        """Give the next operation key."""
        return OperationKey(f"ab12cd-{next(self._keys):010d}")

    def context(self, now: datetime = NOW, **more: object) -> PlanContext:
        """Say what is stored beside a plan."""
        made = PlanContext(
            new_key=self.new_key,
            correlation_id=CorrelationId("corr"),
            seen_at=later(-1),
            now=now,
            revision="r1",
        )
        return replace(made, **more)  # type: ignore[arg-type]

    # --- tickets

    async def read(
        self, snapshot: Ticket, connection: ConnectionName = DESK, now: datetime = NOW
    ) -> TicketRow:
        """Let a ticket be seen and read."""
        await self.db.write(tickets.sight, connection, KIND, [sighting(snapshot.id)], now=now)
        due = await self.db.read(tickets.due_reads, connection, now=now, limit=100)
        mine = next(found for found in due if found.ref.id == snapshot.id)
        result = await self.db.write(tickets.save_read, mine, snapshot, now=now)
        assert result is not SaveResult.DISCARDED
        return mine.row

    async def stored(self, row: TicketRow) -> StoredTicket:
        """Look at a ticket."""
        return (await self.db.read(tickets.load_tickets, [row]))[row]

    # --- links

    async def opening(
        self,
        *planned: PlannedOperation,
        source: str = "inc1",
        slots: Mapping[str, SlotMove] | None = None,
        **context: object,
    ) -> LinkRow:
        """Read an ITSM ticket and plan its vendor ticket, with what follows the create."""
        row = await self.read(ticket(source, title="Link down"))

        def decide(tx: Tx) -> LinkRow:
            link = links.create_link(
                tx,
                mapping=MAPPING,
                origin=Side.ITSM,
                source_row=row,
                partner=(CARRIER, KIND),
                now=NOW,
            )
            plan = Plan(
                operations=(replace(create(), slots=slots or {}), *planned),
                pairs=tuple(pair_of(each) for each in planned if each.item is not None),
            )
            links.apply_plan(tx, link, plan, self.context(**context))
            return link

        return await self.db.write(decide)

    async def linked(
        self, *planned: PlannedOperation, itsm: str = "inc1", vendor: str = "case1"
    ) -> LinkRow:
        """Pair two tickets that were read, and plan operations between them."""
        itsm_row = await self.read(ticket(itsm, title="Link down"))
        vendor_row = await self.read(ticket(vendor, title="Link down"), CARRIER)
        link = await self.db.write(
            links.add_link,
            mapping=MAPPING,
            itsm_row=itsm_row,
            vendor_row=vendor_row,
            by="test",
            now=NOW,
        )
        if planned:
            await self.plan(link, *planned)
        return link

    async def plan(
        self, link: LinkRow, *planned: PlannedOperation, now: datetime = NOW, **more: object
    ) -> list[OperationId]:
        """Store a plan with these operations."""
        made = Plan(
            operations=planned,
            pairs=tuple(pair_of(each) for each in planned if each.item is not None),
        )
        return await self.store(link, replace(made, **more), now=now)  # type: ignore[arg-type]

    async def store(self, link: LinkRow, plan: Plan, now: datetime = NOW) -> list[OperationId]:
        """Store a plan."""

        def apply(tx: Tx) -> list[OperationId]:
            links.lock_links(tx, [link])
            links.load_link(tx, link)
            return links.apply_plan(tx, link, plan, self.context(now))

        return await self.db.write(apply)

    async def parts(self, link: LinkRow) -> LinkParts:
        """Load what a decision is made from."""
        return await self.db.read(links.load_link, link)

    # --- outbox

    async def claim(
        self,
        *,
        now: datetime = NOW,
        owner: str = OWNER,
        free: Mapping[ConnectionName, int] | None = None,
        mappings_: frozenset[MappingName] = frozenset({MAPPING}),
        limit: int = 100,
    ) -> list[ClaimedOperation]:
        """Claim what is due."""
        asked = Claim(
            owner=owner,
            now=now,
            lease_until=now + timedelta(seconds=60),
            free=free if free is not None else {DESK: 10, CARRIER: 10},
            writable_mappings=mappings_,
            limit=limit,
        )
        return await self.db.write(outbox.claim, asked)

    async def claim_one(self, *, now: datetime = NOW, owner: str = OWNER) -> ClaimedOperation:
        """Claim what is due, which is one operation."""
        (op,) = await self.claim(now=now, owner=owner)
        return op

    async def send(self, *, now: datetime = NOW, owner: str = OWNER) -> ClaimedOperation:
        """Claim the one operation that is due and mark it as being sent."""
        op = await self.claim_one(now=now, owner=owner)
        assert await self.db.write(outbox.mark_sending, op.id, owner, op.attempt, now)
        return op

    async def settle(self, op: ClaimedOperation, result: Outcome, now: datetime = NOW) -> bool:
        """Store an outcome."""
        return await self.db.write(outbox.settle, op, result, now=now)

    async def deliver(self, receipt: Receipt, now: datetime = NOW) -> ClaimedOperation:
        """Carry out the one operation that is due."""
        op = await self.send(now=now)
        assert await self.settle(op, applied(receipt), now)
        return op

    async def operation(self, operation_id: OperationId) -> OperationRecord:
        """Look at an operation."""
        return (await self.db.read(operations.show, operation_id)).record

    async def state(self, operation_id: OperationId) -> OperationState:
        """Look at an operation's state."""
        return (await self.operation(operation_id)).state

    async def states(self, link: LinkRow) -> list[str]:
        """List kind and state of a link's operations, as planned."""
        found = await self.db.read(operations.of_link, link)
        return [f"{each.kind} {each.state}" for each in found]


def receipt(id_: str = "case1", comment_id: str | None = None, **more: object) -> Receipt:
    """Make a receipt."""
    made = Receipt(
        ticket_id=TicketId(id_),
        ticket_number=id_.upper(),
        comment_id=None if comment_id is None else CommentId(comment_id),
    )
    return replace(made, **more)  # type: ignore[arg-type]
