"""Values the store takes and gives: rows as frozen dataclasses, never database objects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syncd.core.state import Baseline, ItemPair, OpenOperation
from syncd.model.ids import (
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
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.model.ticket import MISSING, Missing, Ticket, Value
from syncd.ports.adapter import TicketRef


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderInfo:
    """Who holds a SQLite store for writing.

    Attributes:
        database: path of the database file.
        pid: its process id; 0 when it could not be read.
        host: the machine it runs on.
        started_at: since when; None when it could not be read.
        what: `syncd run`, `syncd db upgrade`, …
    """

    database: str
    pid: int = 0
    host: str = "unknown host"
    started_at: datetime | None = None
    what: str = "another process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What makes this store's keys its own.

    Attributes:
        prefix: random hexadecimal, the first part of every operation key.
        environment: pinned; another one in the settings refuses to start.
        epoch: 1, and one more after each `db restored`.
        root: the first prefix it ever had: what makes something has a key derived from it.
    """

    prefix: str
    environment: str
    epoch: int
    root: str


# --- connections and mappings ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPin:
    """What of a connection may not change under a store that knows its tickets."""

    name: ConnectionName
    provider: str
    base_host: str
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Who paused something, why and when."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRecord:
    """A connection as the store knows it."""

    pin: ConnectionPin
    health: str
    health_at: datetime | None
    last_news_at: datetime | None
    last_read_at: datetime | None
    last_write_at: datetime | None
    pause: Pause | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRecord:
    """A mapping as the store knows it.

    Attributes:
        resumed_at: when its last pause ended; None: it never was paused.
        edited_at: when its revision last changed; None: it never did.
    """

    name: MappingName
    mode: str
    revision: str
    first_live_at: datetime | None
    pause: Pause | None
    resumed_at: datetime | None = None
    edited_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRecord:
    """Where the reading of one feed or scan stands."""

    connection: ConnectionName
    kind: str
    cursor: str | None
    gap: bool
    last_poll_at: datetime | None
    last_complete_at: datetime | None
    failures: int
    error: str
    error_at: datetime | None


# --- tickets ---------------------------------------------------------------------------------


class SaveResult(StrEnum):
    """What became of a read.

    DISCARDED: it overlapped a write, or turned out to be of a ticket known under another row: read
    again. REFUSED: the caller does not believe it; nothing is stored. UNCHANGED: as known. CHANGED:
    the snapshot is stored and a decision is due.
    """

    DISCARDED = "discarded"
    REFUSED = "refused"
    UNCHANGED = "unchanged"
    CHANGED = "changed"


ITS_TURN = "its turn"
"""Why a ticket is read that was neither seen nor asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRead:
    """A ticket to be read now.

    Attributes:
        row: the ticket.
        connection: where to read it.
        ref: how to ask for it.
        write_epoch: noted now; a read that a write overlapped is thrown away (R1).
        sight_epoch: noted now; a sighting during the read keeps the ticket due.
        cause: why it is read.
        failures: reads in a row that failed.
        watched: it is polled by number.
        gone_at: it was not there any more; None: it is, as far as is known.
    """

    row: TicketRow
    connection: ConnectionName
    ref: TicketRef
    write_epoch: int
    sight_epoch: int
    cause: str = ""
    failures: int = 0
    watched: bool = False
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTicket:
    """A ticket as the store knows it."""

    row: TicketRow
    connection: ConnectionName
    kind: str
    external_id: TicketId | None
    number: str
    snapshot: Ticket | None
    write_epoch: int
    provider_created_at: datetime | None
    first_seen_at: datetime
    read_at: datetime | None
    read_due_at: datetime | None
    next_poll_at: datetime | None
    read_failures: int
    read_error: str
    watched: bool
    gone_at: datetime | None
    stray: bool
    decide_due_at: datetime | None

    @property
    def is_missing(self) -> bool:
        """Whether the last reads did not find it: gone, or looked for again because it was."""
        return self.gone_at is not None or self.read_failures > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketCounts:
    """How many tickets of a connection are known, and how their reading stands."""

    known: int = 0
    watched: int = 0
    due: int = 0
    failing: int = 0
    gone: int = 0
    stray: int = 0


# --- links -----------------------------------------------------------------------------------


class LinkPhase(StrEnum):
    """OPENING: its partner is not there yet. GONE: a side's ticket is. REMOVED: a tombstone.

    SAID: it gets no partner; what it is about was said on a ticket that was active already.
    """

    OPENING = "opening"
    OPEN = "open"
    CLOSED = "closed"
    GONE = "gone"
    SAID = "said"
    REMOVED = "removed"


NOWHERE = ConnectionName("")
"""No connection is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord:
    """A link without its contents.

    Attributes:
        rows: ticket by side; a side without a ticket yet is absent.
        origin: the side that was there first.
        vendor: the vendor's connection, fixed once a partner is planned there.
        added_by: the operator who paired existing tickets; empty when a mapping opened it.
    """

    id: LinkRow
    mapping: MappingName
    rows: Mapping[Side, TicketRow]
    origin: Side
    phase: LinkPhase
    created_at: datetime
    vendor: ConnectionName = NOWHERE
    added_by: str = ""
    pause: Pause | None = None
    tombstone_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOwner:
    """Whose an operation key is."""

    link_id: LinkRow
    target: Side
    operation_id: OperationId
    kind: WriteKind
    state: OperationState
    target_row: TicketRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """A partner that a link's ITSM ticket has by another link.

    Attributes:
        vendor: its connection.
        status: its raw status; MISSING when it was not read or has none.
    """

    vendor: ConnectionName
    status: Value | Missing = MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParts:
    """What `core.state.LinkState` is made from, rules, traits and now apart.

    Attributes:
        link: the link itself.
        tickets: newest snapshot by side.
        numbers: by side; empty text while unknown.
        read_at: when the read of each snapshot began.
        gone: sides whose ticket is not there any more, or was not read since it came back.
        unread: those of them that are only to be read anew: back, or the store was restored.
        quoted: keys met of which the operation belongs to links that share no ticket with this one.
        baselines: by (side, slot).
        pairs: comments and attachments known.
        operations: open and parked, in the order they were planned.
        conflicts: frozen slots.
        own_keys: keys met in both snapshots (and those asked for) that this store wrote.
        others: open and parked operations of links that share a ticket with this one.
        siblings: the ITSM ticket's other partners.
        restored_at: when the store was last restored from a backup; None: never.
    """

    link: LinkRecord
    tickets: Mapping[Side, Ticket]
    numbers: Mapping[Side, str]
    baselines: Mapping[tuple[Side, str], Baseline]
    pairs: tuple[ItemPair, ...]
    operations: tuple[OpenOperation, ...]
    conflicts: frozenset[str]
    own_keys: Mapping[OperationKey, tuple[LinkRow, Side]]
    read_at: Mapping[Side, datetime] = field(default_factory=dict)
    gone: frozenset[Side] = frozenset()
    quoted: frozenset[OperationKey] = frozenset()
    unread: frozenset[Side] = frozenset()
    others: tuple[OpenOperation, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    restored_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContext:
    """What is stored beside a plan.

    Attributes:
        new_key: gives a fresh operation key; called once per operation.
        correlation_id: follows the change.
        seen_at: when the change was read.
        now: when it is stored.
        revision: of the configuration that decided.
        ask_after_s: a create not sent this many seconds after now waits for a person; None: never.
        root: the instance's first prefix, from which keys are derived; empty: all are fresh.
    """

    new_key: Callable[[], OperationKey]
    correlation_id: CorrelationId
    seen_at: datetime
    now: datetime
    revision: str = ""
    ask_after_s: float | None = None
    root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOverview:
    """One line of `syncd link list`."""

    link: LinkRecord
    numbers: Mapping[Side, str]
    connections: Mapping[Side, ConnectionName]
    open_operations: int
    parked: int
    conflicts: int


# --- outbox ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What delivery asks the outbox for.

    Attributes:
        owner: who claims; unique per process life.
        now: what counts as due.
        lease_until: after this others may take it over.
        free: how many more each connection takes; connections not named are left alone.
        writable_mappings: mappings that are live and not paused.
        limit: most operations claimed at once.
    """

    owner: str
    now: datetime
    lease_until: datetime
    free: Mapping[ConnectionName, int]
    writable_mappings: frozenset[MappingName]
    limit: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What recovery found: never sent (ready again), maybe sent (to be probed)."""

    ready: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsettledCreate:
    """A create of which nobody knows whether it happened: new tickets are held meanwhile (R5)."""

    id: OperationId
    key: OperationKey
    link_id: LinkRow
    target: Side
    state: OperationState
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """One line of `syncd ops list`.

    Attributes:
        waits_for: the operation its queue's head is; None when it is the head itself.
        detail: of the last attempt, for the operator.
    """

    id: OperationId
    link_id: LinkRow
    mapping: MappingName
    connection: ConnectionName
    target: Side
    target_number: str
    source_number: str
    kind: WriteKind
    key: OperationKey
    state: OperationState
    park_reason: ParkReason | None
    reason: str
    place: str
    attempts: int
    sends: int
    looks: int
    planned_at: datetime
    not_before: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    detail: str
    correlation_id: CorrelationId
    waits_for: OperationId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One send or probe, append-only."""

    number: int
    what: str
    owner: str
    started_at: datetime
    ended_at: datetime
    outcome: str
    status: int | None
    request: str
    detail: str
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationDetail:
    """An operation whole, for `syncd ops show`."""

    record: OperationRecord
    fields: Mapping[str, Value]
    comment: str
    attachment: str
    receipt: Mapping[str, object] | None
    attempts: tuple[AttemptRecord, ...]


# --- journal, conflicts, inbox ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line to be journalled; `event` is a past-tense name, `detail` is for people."""

    at: datetime
    event: str
    detail: str = ""
    correlation_id: str = ""
    connection: str = ""
    ticket: TicketRow | None = None
    link: LinkRow | None = None
    operation: OperationId | None = None
    mapping: str = ""
    actor: str = ""
    revision: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """A line as stored."""

    id: int
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFilter:
    """Which lines `tail` gives; None: any."""

    connection: str | None = None
    mapping: str | None = None
    ticket: TicketRow | None = None
    event: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictRecord:
    """A slot that both sides changed differently and that waits for a person."""

    id: int
    link_id: LinkRow
    mapping: MappingName
    slot: str
    itsm_value: Value
    vendor_value: Value
    place: str
    found_at: datetime
    numbers: Mapping[Side, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxItem:
    """Something pushed to us, stored before it was answered."""

    id: int
    connection: ConnectionName
    kind: str
    body: str
    received_at: datetime
    received_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A stored secret, decrypted; never logged (its repr hides it)."""

    name: str
    secret: bytes = field(repr=False)
    expires_at: datetime | None = None
