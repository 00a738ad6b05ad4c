"""A link in memory: two tickets, people who change them, plans stored and carried out by hand.

It applies a `Plan` as the store documents it and carries operations out as a perfect vendor would,
so that properties of the decision can be shown without database or network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from syncd.core import marker
from syncd.core.plan import plan_link, plan_opening
from syncd.core.rules import MappingRules
from syncd.core.state import (
    Baseline,
    BaselineState,
    ItemKind,
    ItemPair,
    LinkState,
    NotOpened,
    OpenOperation,
    PairState,
    Plan,
    PlannedOperation,
    Rank,
    SideTraits,
)
from syncd.model.ids import (
    AttachmentId,
    CommentId,
    LinkRow,
    OperationId,
    OperationKey,
    Side,
    TicketId,
)
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.model.ticket import (
    MISSING,
    Attachment,
    Comment,
    CommentKind,
    Missing,
    Ticket,
    Value,
    Visibility,
)

LINK = LinkRow(1)
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Queued:
    """A planned operation in the queue of the world."""

    id: OperationId
    key: OperationKey
    planned: PlannedOperation
    planned_at: datetime
    state: OperationState = OperationState.READY
    park_reason: ParkReason | None = None
    sent: bool = False


@dataclass(slots=True)
class LinkWorld:
    """Two tickets and what syncd knows of them."""

    rules: MappingRules
    traits: Mapping[Side, SideTraits]
    tickets: dict[Side, Ticket] = field(default_factory=dict)
    baselines: dict[tuple[Side, str], Baseline] = field(default_factory=dict)
    pairs: dict[tuple[ItemKind, Side, str], ItemPair] = field(default_factory=dict)
    queue: list[Queued] = field(default_factory=list)
    conflicts: dict[str, tuple[Value, Value]] = field(default_factory=dict)
    keys: dict[OperationKey, tuple[LinkRow, Side]] = field(default_factory=dict)
    origin: Side | None = None
    now: datetime = START
    read_at: dict[Side, datetime] = field(default_factory=dict)
    serial: int = 0
    notes: list[str] = field(default_factory=list)

    # --- people --------------------------------------------------------------------------------

    def next_id(self, prefix: str) -> str:
        """Make an id no one used."""
        self.serial += 1
        return f"{prefix}{self.serial}"

    def creates(self, side: Side, **fields: Value) -> None:
        """A person opens a ticket."""
        self.tickets[side] = Ticket(
            id=TicketId(self.next_id("t")),
            number=self.next_id("N"),
            kind="ticket",
            fields=dict(fields),
            created_at=self.now,
        )

    def sets(self, side: Side, name: str, value: Value) -> None:
        """A person (or we) sets a field."""
        ticket = self.tickets[side]
        self.tickets[side] = replace(ticket, fields={**ticket.fields, name: value})

    def says(
        self,
        side: Side,
        body: str,
        *,
        visibility: Visibility = Visibility.PUBLIC,
        kind: CommentKind = CommentKind.COMMENT,
        author: str = "Ann",
    ) -> CommentId:
        """A person (or we) comments; markers are read as an adapter reads them."""
        text, keys = marker.split(body)
        comment = Comment(
            id=CommentId(self.next_id("c")),
            body=text,
            author=author,
            created_at=self.now,
            visibility=visibility,
            kind=kind,
            keys=keys,
        )
        ticket = self.tickets[side]
        self.tickets[side] = replace(ticket, comments=(*ticket.comments, comment))
        return comment.id

    def attaches(self, side: Side, name: str, size: int = 10) -> AttachmentId:
        """A person (or we) attaches a file."""
        file = Attachment(
            id=AttachmentId(self.next_id("a")), name=name, size_bytes=size, created_at=self.now
        )
        ticket = self.tickets[side]
        self.tickets[side] = replace(ticket, attachments=(*ticket.attachments, file))
        return file.id

    # --- syncd ---------------------------------------------------------------------------------

    def state(self) -> LinkState:
        """What the core decides from."""
        numbers = {side: ticket.number for side, ticket in self.tickets.items()}
        return LinkState(
            link_id=LINK,
            rules=self.rules,
            traits=self.traits,
            tickets=dict(self.tickets),
            numbers=numbers,
            baselines=dict(self.baselines),
            pairs=tuple(self.pairs.values()),
            operations=tuple(_opened(each) for each in self.queue if _counts(each)),
            conflicts=frozenset(self.conflicts),
            own_keys=dict(self.keys),
            origin=self.origin,
            now=self.now,
            read_at=dict(self.read_at),
        )

    def opens(self, source: Side) -> bool:
        """Open a partner for a ticket; False when the mapping does not."""
        found = plan_opening(self.rules, self.tickets[source], source, self.traits)
        if isinstance(found, NotOpened):
            return False
        self.origin = source
        self.store(found.plan)
        return True

    def plans(self) -> Plan:
        """Decide once and store the plan."""
        plan = plan_link(self.state())
        self.store(plan)
        return plan

    def store(self, plan: Plan) -> None:
        """Store a plan as the store does."""
        for key, effect in plan.applied:
            self.settle_seen(key, effect)
        for queued in self.queue:
            if queued.id in plan.superseded:
                queued.state = OperationState.SUPERSEDED
        for move in plan.baselines:
            before = self.baselines.get((move.side, move.slot))
            self.baselines[move.side, move.slot] = Baseline(
                value=move.value,
                previous=before.previous if before else MISSING,
                written_at=before.written_at if before else None,
                state=move.state,
            )
        for pair in plan.pairs:
            self.pairs[pair.kind, pair.origin, pair.source_id] = pair
        for conflict in plan.conflicts:
            self.conflicts[conflict.slot] = (conflict.itsm_value, conflict.vendor_value)
        self.notes.extend(note.event for note in plan.notes)
        for planned in plan.operations:
            self._enqueue(planned)

    def _enqueue(self, planned: PlannedOperation) -> None:
        self.serial += 1
        key = OperationKey(f"test-{self.serial:012d}")
        self.keys[key] = (LINK, planned.target)
        self.queue.append(
            Queued(id=OperationId(self.serial), key=key, planned=planned, planned_at=self.now)
        )

    # --- delivery ------------------------------------------------------------------------------

    def head(self, side: Side) -> Queued | None:
        """The operation that is next for a side.

        What is unknown is passed only where a marker tells its effect from a later one's (R6).
        """
        there = [each for each in self.queue if each.planned.target is side]
        unknown = [each for each in there if each.state is OperationState.UNKNOWN]
        if any(each.planned.kind is not WriteKind.COMMENT for each in unknown):
            return None
        mine = [each for each in there if each.state is OperationState.READY]
        order = {Rank.CREATE: 0, Rank.NORMAL: 1, Rank.CLOSING: 2}
        return min(mine, key=lambda each: (order[each.planned.rank], each.id), default=None)

    def delivers(self, side: Side, *, lose_answer: bool = False) -> bool:
        """Carry out the next operation of a side; False when there is none."""
        queued = self.head(side)
        if queued is None:
            return False
        planned = queued.planned
        if planned.kind is not WriteKind.CREATE and side not in self.tickets:
            return False
        if not self._is_wanted(planned):
            queued.state = OperationState.SUPERSEDED
            return True
        effect = self._effect(queued)
        if lose_answer:
            queued.state = OperationState.UNKNOWN
        else:
            self._settle(queued, effect)
        return True

    def _is_wanted(self, planned: PlannedOperation) -> bool:
        """The precondition delivery checks before it sends."""
        if planned.only_from is None:
            return True
        return self.tickets[planned.target].get("status") in planned.only_from

    def _effect(self, queued: Queued) -> str:
        planned, side = queued.planned, queued.planned.target
        match planned.kind:
            case WriteKind.CREATE:
                self.tickets[side] = Ticket(
                    id=TicketId(self.next_id("t")),
                    number=self.next_id("N"),
                    kind="ticket",
                    fields={"status": "New", **planned.fields},
                    created_at=self.now,
                    keys=(queued.key,),
                )
                return str(self.tickets[side].id)
            case WriteKind.COMMENT if planned.comment is not None:
                body = marker.append(planned.comment.body, queued.key)
                return self.says(side, body, author="syncd", kind=planned.comment.kind)
            case WriteKind.ATTACHMENT if planned.attachment is not None:
                return self.attaches(
                    side, planned.attachment.name, planned.attachment.size_bytes or 0
                )
            case _:
                for name, value in planned.fields.items():
                    self.sets(side, name, value)
                return ""

    def settle_seen(self, key: OperationKey, effect: str) -> None:
        """An operation's effect was met in a snapshot."""
        for queued in self.queue:
            if queued.key == key and queued.state is OperationState.UNKNOWN:
                self._settle(queued, effect)

    def probes(self) -> None:
        """Find every unknown operation applied."""
        for queued in self.queue:
            if queued.state is OperationState.UNKNOWN:
                effect = ""
                for ticket in (self.tickets.get(queued.planned.target),):
                    for comment in ticket.comments if ticket else ():
                        if queued.key in comment.keys:
                            effect = comment.id
                self._settle(queued, effect)

    def _settle(self, queued: Queued, effect: str) -> None:
        queued.state = OperationState.APPLIED
        planned = queued.planned
        self.now += timedelta(milliseconds=1)
        for slot, move in planned.slots.items():
            known = self.baselines.get((move.source, slot))
            if known is None or known.written_at is None:
                self.baselines[move.source, slot] = Baseline(value=move.source_value)
            elif known.written_at <= queued.planned_at:
                self.baselines[move.source, slot] = replace(
                    known, value=move.source_value, state=BaselineState.AGREED
                )
            if isinstance(move.target_value, Missing):
                continue
            before = self.baselines.get((planned.target, slot))
            unknown = MISSING if planned.kind is WriteKind.CREATE else None
            stood = before.value if before else unknown
            self.baselines[planned.target, slot] = Baseline(
                value=move.target_value,
                previous=stood if isinstance(move.overruled, Missing) else move.overruled,
                written_at=self.now,
                state=BaselineState.PROVISIONAL,
            )
        if planned.item is not None:
            pair = self.pairs[planned.item]
            self.pairs[planned.item] = replace(
                pair, target_id=effect, state=PairState.PAIRED, key=queued.key
            )

    def settles(self, rounds_max: int = 20) -> int:
        """Decide and deliver until nothing is left; returns the rounds it took."""
        for taken in range(rounds_max):
            self.now += timedelta(minutes=10)
            self.probes()
            plan = self.plans()
            moved = [self.delivers(side) for side in Side for _ in range(50)]
            if plan.is_empty and not any(moved):
                return taken
        raise AssertionError(f"did not settle in {rounds_max} rounds")


def _counts(queued: Queued) -> bool:
    return queued.state not in (
        OperationState.APPLIED,
        OperationState.SUPERSEDED,
        OperationState.DISCARDED,
    )


def _opened(queued: Queued) -> OpenOperation:
    return OpenOperation(
        id=queued.id,
        key=queued.key,
        target=queued.planned.target,
        kind=queued.planned.kind,
        state=queued.state,
        park_reason=queued.park_reason,
        slots=queued.planned.slots,
        item=queued.planned.item,
        comment=queued.planned.comment,
        attachment=queued.planned.attachment,
        sent=queued.sent or queued.state in (OperationState.UNKNOWN, OperationState.SENDING),
        planned_at=queued.planned_at,
    )
