"""A store, two providers in memory and a clock, with links ready to be written to."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from syncd.core.active import Question
from syncd.core.retry import RetryPolicy
from syncd.core.state import ItemKind, ItemPair, Plan, PlannedOperation, Rank, Reason, SlotMove
from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.model.ids import (
    AttachmentId,
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
from syncd.model.operation import AttachmentDraft, CommentDraft, OperationState, WriteKind
from syncd.model.outbox import ClaimedOperation, OutcomeKind
from syncd.model.ticket import Ticket, Value
from syncd.ports.adapter import TicketRef
from syncd.ports.clock import Clock
from syncd.store import connections, links, mappings, operations, plans, tickets
from syncd.store.database import Database
from syncd.store.records import ConnectionPin, OperationDetail, PlanContext
from syncd.store.spool import Spool
from syncd.store.tx import Tx
from tests.simulation.inline import in_memory
from tests.support.clock import FakeClock
from tests.support.memory_adapter import KIND, MemoryAdapter
from tests.support.stores import sqlite_store, sqlite_template

DESK = ConnectionName("desk")
VENDOR = ConnectionName("vendor")
MAPPING = MappingName("m")
ROUNDS_MAX = 200


class SeededIds:
    """Half of every jitter, and tokens that count."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def token(self, chars: int) -> str:
        return f"{next(self._count):0{chars}x}"

    def jitter(self) -> float:
        return 0.5


@dataclass(slots=True)
class Counts:
    """Metrics that remember."""

    settled_as: list[OutcomeKind] = field(default_factory=list)
    seen_to_delivered_s: list[float] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)

    def settled(
        self, connection: ConnectionName, kind: WriteKind, outcome: OutcomeKind, duration_s: float
    ) -> None:
        self.settled_as.append(outcome)

    def delivered(self, connection: ConnectionName, seen_to_delivered_s: float) -> None:
        self.seen_to_delivered_s.append(seen_to_delivered_s)

    def alerted(self, connection: ConnectionName, event: str) -> None:
        self.alerts.append(event)


def silent() -> Any:
    """A logger for tests that fail thousands of things: rendering their traces takes seconds."""

    def drop(_logger: object, _method: str, _event: object) -> Any:
        raise structlog.DropEvent

    return structlog.wrap_logger(None, processors=[drop])


class World:
    """What the tests of delivery stand on."""

    def __init__(self, db: Database, folder: Path, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        self.vendor = MemoryAdapter(clock, name="vendor")
        self.desk = MemoryAdapter(clock, name="desk")
        self.adapters: dict[ConnectionName, Any] = {VENDOR: self.vendor, DESK: self.desk}
        self.spool = Spool(folder / "spool")
        self.ids = SeededIds()
        self.counts = Counts()
        self.keys: dict[OperationId, OperationKey] = {}
        self.live = frozenset({MAPPING})
        self.question: Callable[[ClaimedOperation], Question | None] = lambda _: None
        self.log: Any = structlog.get_logger()
        self.options = Options(
            owner="first",
            concurrency=8,
            retry=RetryPolicy(base_s=2.0, cap_s=60.0, attempts_max=5),
            stop_grace_s=0.2,
            settle_grace_s=0.5,
        )

    # --- building

    def hooks(self, **changes: Any) -> Hooks:
        values: dict[str, Any] = {
            "live_mappings": lambda: self.live,
            "question": self.question,
            "metrics": self.counts,
            "log": self.log,
        }
        return Hooks(**(values | changes))

    def delivery(self, *, db: Database | None = None, **changes: Any) -> Delivery:
        return Delivery(
            db or self.db,
            self.adapters,
            self.spool,
            clock=self.clock,
            ids=self.ids,
            options=replace(self.options, **changes),
            hooks=self.hooks(),
        )

    async def set_up(self) -> None:
        def unit(tx: Tx) -> None:
            for name in (DESK, VENDOR):
                connections.pin(tx, ConnectionPin(name=name, provider="memory", base_host="memory"))
            mappings.sync(tx, MAPPING, mode="live", revision="r1", now=self.clock.now())

        await self.db.write(unit)

    async def _ticket(self, connection: ConnectionName, ticket_id: str) -> TicketRow:
        adapter = self.adapters[connection]
        ticket = await MemoryAdapter.read(adapter, TicketRef(kind=KIND, id=TicketId(ticket_id)))
        return await self.know(connection, ticket)

    async def know(self, connection: ConnectionName, ticket: Ticket) -> TicketRow:
        """Store a ticket as it was read."""

        def unit(tx: Tx) -> TicketRow:
            now = self.clock.now()
            row = tickets.ensure_ticket(tx, connection, ticket.kind, external_id=ticket.id, now=now)
            due = tickets.due_read(tx, row)
            assert due is not None
            tickets.save_read(tx, due, ticket, now=now)
            return row

        return await self.db.write(unit)

    async def link(self, number: int = 1, **vendor_fields: Value) -> LinkRow:
        """Pair a ticket of the desk with one of the vendor."""
        self.desk.put(f"D{number}", title="t")
        self.vendor.put(f"V{number}", **({"title": "t", "status": "New"} | vendor_fields))
        desk = await self._ticket(DESK, f"D{number}")
        vendor = await self._ticket(VENDOR, f"V{number}")
        return await self.db.write(
            links.add_link,
            mapping=MAPPING,
            itsm_row=desk,
            vendor_row=vendor,
            by="test",
            now=self.clock.now(),
        )

    async def opening(self, number: int = 1, kind: str = KIND) -> LinkRow:
        """Have a ticket of the desk whose partner is yet to be created."""
        self.desk.put(f"D{number}", title="t")
        desk = await self._ticket(DESK, f"D{number}")
        return await self.db.write(
            links.create_link,
            mapping=MAPPING,
            origin=Side.ITSM,
            source_row=desk,
            partner=(VENDOR, kind),
            now=self.clock.now(),
        )

    async def plan(
        self, link_id: LinkRow, *planned: PlannedOperation, **context: Any
    ) -> list[OperationId]:
        fresh: list[OperationKey] = []

        def new_key() -> OperationKey:
            fresh.append(OperationKey(f"t3st-{self.ids.token(10)}"))
            return fresh[-1]

        def unit(tx: Tx) -> list[OperationId]:
            fresh.clear()
            now = self.clock.now()
            return plans.apply_plan(
                tx,
                link_id,
                Plan(operations=planned, pairs=_pairs_of(planned)),
                PlanContext(
                    new_key=new_key,
                    correlation_id=CorrelationId(f"c{link_id}"),
                    seen_at=now,
                    now=now,
                    **context,
                ),
            )

        ids = await self.db.write(unit)
        self.keys |= dict(zip(ids, fresh, strict=True))
        return ids

    # --- looking

    async def show(self, operation_id: OperationId) -> OperationDetail:
        return await self.db.read(operations.show, operation_id)

    async def state(self, operation_id: OperationId) -> OperationState:
        return (await self.show(operation_id)).record.state

    async def states(self, operation_ids: Sequence[OperationId]) -> list[OperationState]:
        return [await self.state(operation_id) for operation_id in operation_ids]

    async def drive(self, delivery: Delivery, *, limit: int = ROUNDS_MAX) -> None:
        """Run rounds, turning the clock to what is due next, until nothing goes on by itself."""
        clock = self.clock
        assert isinstance(clock, FakeClock)
        for _ in range(limit):
            result = await delivery.run_round()
            if result.claimed or result.rechecked:
                continue
            record = await self.db.read(_next_wake)
            if record is None:
                return
            clock.advance(max(0.01, (record - clock.now()).total_seconds()))
        raise AssertionError(f"not at rest after {limit} rounds")


def _pairs_of(planned: Sequence[PlannedOperation]) -> tuple[ItemPair, ...]:
    items = [each.item for each in planned if each.item is not None]
    return tuple(ItemPair(kind=kind, origin=side, source_id=one) for kind, side, one in items)


def _next_wake(tx: Tx) -> Any:
    from sqlalchemy import func, select

    from syncd.store import tables as t

    o = t.operation.c
    due = tx.scalar(select(func.min(o.not_before)).where(t.state_in(*t.DUE, *t.IN_FLIGHT)))
    again = tx.scalar(select(func.min(o.recheck_at)))
    known = [at for at in (due, again) if at is not None]
    return min(known) if known else None


@contextlib.asynccontextmanager
async def a_world(
    folder: Path, clock: Clock | None = None, *, url: str | None = None, inline: bool = False
) -> AsyncIterator[World]:
    """Make a world; `inline` without the store's threads, where a run is repeated many times."""
    async with contextlib.AsyncExitStack() as stack:
        db: Database
        path = folder / "syncd.db"
        if inline:
            template = path if path.exists() else sqlite_template()
            db = stack.enter_context(in_memory(template))
        else:
            opened = await Database.open(url or sqlite_store(path))
            db = await stack.enter_async_context(opened)
        world = World(db, folder, clock or FakeClock())
        await world.set_up()
        yield world


# --- planned operations ------------------------------------------------------------------------


def create(**fields: Value) -> PlannedOperation:
    return PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.CREATE,
        reason=Reason.OPENED,
        fields=fields or {"title": "t"},
        rank=Rank.CREATE,
    )


def update(**fields: Value) -> PlannedOperation:
    return PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.UPDATE,
        reason=Reason.FIELD_CHANGED,
        fields=fields,
        slots={
            name: SlotMove(source=Side.ITSM, source_value=value, target_value=value)
            for name, value in fields.items()
        },
    )


def status(
    value: str, *, only_from: tuple[str, ...] | None = None, rank: Rank = Rank.NORMAL
) -> PlannedOperation:
    return PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.STATUS,
        reason=Reason.STATUS_FOLLOWS,
        fields={"status": value},
        only_from=only_from,
        rank=rank,
    )


def comment(body: str, source_id: str = "") -> PlannedOperation:
    return PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.COMMENT,
        reason=Reason.COMMENTED,
        comment=CommentDraft(body=body, author="Kari"),
        item=(ItemKind.COMMENT, Side.ITSM, source_id or body),
    )


def attachment(source_id: str, name: str = "x.txt") -> PlannedOperation:
    return PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.ATTACHMENT,
        reason=Reason.ATTACHED,
        attachment=AttachmentDraft(
            source_id=AttachmentId(source_id), name=name, content_type="text/plain"
        ),
        item=(ItemKind.ATTACHMENT, Side.ITSM, source_id),
    )


def turn(world: World, seconds: float) -> None:
    """Let time pass on a clock that stands still."""
    assert isinstance(world.clock, FakeClock)
    world.clock.advance(seconds)
