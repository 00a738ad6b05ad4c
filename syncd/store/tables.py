"""The tables (DESIGN section 5), declared with SQLModel; queries use the Core tables at the end.

Words are stored as text, instants as microseconds (types.Instant), structured values as JSON text.
Partial indexes name their states in text: SQLite uses such an index only for a query that spells
the same condition in constants, which `state_in` does.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlmodel import Field, SQLModel

from syncd.model.operation import HEAD_STATES, OPEN_STATES, OperationState
from syncd.store.types import Instant, RowId

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

HEAD = tuple(state for state in OperationState if state in HEAD_STATES)
IN_FLIGHT = (OperationState.CLAIMED, OperationState.SENDING)
DUE = (OperationState.READY, OperationState.UNKNOWN)
OPEN = tuple(state for state in OperationState if state in OPEN_STATES)
REPLACEABLE = (OperationState.WAITING, OperationState.READY, OperationState.PARKED)
"""States in which a newer operation may take the place of an older one."""
UNSETTLED = (*OPEN, OperationState.PARKED)


def _words(states: Iterable[OperationState]) -> str:
    return "state IN (" + ", ".join(f"'{state}'" for state in states) + ")"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Base(SQLModel):
    """Base of all tables."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMES)


class MetaEntry(Base, table=True):
    """Facts about the whole store: instance prefix, environment, epoch."""

    __tablename__ = "meta"
    key: str = Field(primary_key=True, sa_type=Text)
    value: str = Field(sa_type=Text)


class Connection(Base, table=True):
    """A configured account: what is pinned, how it is, whether a person paused it."""

    __tablename__ = "connection"
    name: str = Field(primary_key=True, sa_type=Text)
    provider: str = Field(sa_type=Text)
    base_host: str = Field(sa_type=Text)
    account: str = Field(sa_type=Text)
    health: str = Field(sa_type=Text)
    health_at: datetime | None = Field(sa_type=Instant)
    last_news_at: datetime | None = Field(sa_type=Instant)
    paused_by: str | None = Field(sa_type=Text)
    paused_reason: str | None = Field(sa_type=Text)
    paused_at: datetime | None = Field(sa_type=Instant)


class Feed(Base, table=True):
    """Where the reading of one kind of ticket stands on one connection (R1)."""

    __tablename__ = "feed"
    connection: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(primary_key=True, sa_type=Text)
    cursor: str | None = Field(sa_type=Text)
    gap: bool
    last_poll_at: datetime | None = Field(sa_type=Instant)
    last_complete_at: datetime | None = Field(sa_type=Instant)
    failures: int
    error: str = Field(sa_type=Text)
    error_at: datetime | None = Field(sa_type=Instant)
    listed: int | None


class MappingState(Base, table=True):
    """What outlives a mapping's file: since when it is live, whether a person paused it."""

    __tablename__ = "mapping_state"
    name: str = Field(primary_key=True, sa_type=Text)
    mode: str = Field(sa_type=Text)
    revision: str = Field(sa_type=Text)
    first_live_at: datetime | None = Field(sa_type=Instant)
    resumed_at: datetime | None = Field(sa_type=Instant)
    edited_at: datetime | None = Field(sa_type=Instant)
    paused_by: str | None = Field(sa_type=Text)
    paused_reason: str | None = Field(sa_type=Text)
    paused_at: datetime | None = Field(sa_type=Instant)


class TicketTable(Base, table=True):
    """A ticket known on a connection, with its newest snapshot."""

    __tablename__ = "ticket"
    __table_args__ = (
        Index(
            "uq_ticket_external",
            "connection",
            "kind",
            "external_id",
            unique=True,
            **_where("external_id IS NOT NULL"),
        ),
        Index("ix_ticket_number", "number"),
        Index("ix_ticket_external_id", "external_id"),
        Index(
            "ix_ticket_read_due",
            "connection",
            "read_due_at",
            **_where("read_due_at IS NOT NULL AND gone_at IS NULL"),
        ),
        Index(
            "ix_ticket_next_poll",
            "connection",
            "next_poll_at",
            **_where("next_poll_at IS NOT NULL AND gone_at IS NULL"),
        ),
        Index(
            "ix_ticket_gone",
            "connection",
            "next_poll_at",
            **_where("next_poll_at IS NOT NULL AND gone_at IS NOT NULL"),
        ),
        Index("ix_ticket_decide_due", "decide_due_at", **_where("decide_due_at IS NOT NULL")),
        Index("ix_ticket_newest", "connection", "read_at", **_where("read_at IS NOT NULL")),
        # All that is counted of tickets, so that counting them reads no ticket.
        # The connection last, or SQLite takes it for the way to the tickets of a connection.
        Index("ix_ticket_counted", "read_failures", "stray", "gone_at", "watched", "connection"),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    connection: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    external_id: str | None = Field(sa_type=Text)
    number: str = Field(sa_type=Text)
    snapshot: str | None = Field(sa_type=Text)
    digest: bytes | None = Field(sa_type=LargeBinary)
    list_digest: bytes | None = Field(sa_type=LargeBinary)
    provider_created_at: datetime | None = Field(sa_type=Instant)
    write_epoch: int
    sight_epoch: int
    read_due_at: datetime | None = Field(sa_type=Instant)
    next_poll_at: datetime | None = Field(sa_type=Instant)
    cause: str = Field(sa_type=Text)
    read_at: datetime | None = Field(sa_type=Instant)
    read_failures: int
    read_error: str = Field(sa_type=Text)
    watched: bool
    gone_at: datetime | None = Field(sa_type=Instant)
    stray: bool
    first_seen_at: datetime = Field(sa_type=Instant)
    decide_due_at: datetime | None = Field(sa_type=Instant)


class Link(Base, table=True):
    """The stored pairing of an ITSM ticket and a vendor ticket (R13)."""

    __tablename__ = "link"
    __table_args__ = (
        Index(
            "uq_link_itsm",
            "mapping",
            "itsm_ticket",
            unique=True,
            **_where("itsm_ticket IS NOT NULL AND tombstone_at IS NULL"),
        ),
        Index(
            "uq_link_vendor",
            "vendor_ticket",
            unique=True,
            **_where("vendor_ticket IS NOT NULL AND tombstone_at IS NULL"),
        ),
        Index("ix_link_itsm", "itsm_ticket"),
        Index("ix_link_vendor", "vendor_ticket"),
        Index("ix_link_created", "mapping", "created_at"),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    mapping: str = Field(sa_type=Text)
    itsm_ticket: int | None = Field(sa_type=RowId, foreign_key="ticket.id")
    vendor_ticket: int | None = Field(sa_type=RowId, foreign_key="ticket.id")
    origin: str = Field(sa_type=Text)
    partner_connection: str = Field(sa_type=Text)
    partner_kind: str = Field(sa_type=Text)
    phase: str = Field(sa_type=Text)
    added_by: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=Instant)
    tombstone_at: datetime | None = Field(sa_type=Instant)
    paused_by: str | None = Field(sa_type=Text)
    paused_reason: str | None = Field(sa_type=Text)
    paused_at: datetime | None = Field(sa_type=Instant)


class BaselineTable(Base, table=True):
    """Per link, side and slot, the last value accounted for; `previous` NULL is MISSING."""

    __tablename__ = "baseline"
    link: int = Field(primary_key=True, sa_type=RowId, foreign_key="link.id")
    side: str = Field(primary_key=True, sa_type=Text)
    slot: str = Field(primary_key=True, sa_type=Text)
    value: str = Field(sa_type=Text)
    previous: str | None = Field(sa_type=Text)
    written_at: datetime | None = Field(sa_type=Instant)
    state: str = Field(sa_type=Text)


class ItemPairTable(Base, table=True):
    """Comments and attachments known to a link, each once."""

    __tablename__ = "item_pair"
    __table_args__ = (UniqueConstraint("link", "kind", "origin", "source_id"),)
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    link: int = Field(sa_type=RowId, foreign_key="link.id")
    kind: str = Field(sa_type=Text)
    origin: str = Field(sa_type=Text)
    source_id: str = Field(sa_type=Text)
    target_id: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    key: str | None = Field(sa_type=Text)


class Operation(Base, table=True):
    """The outbox. `lane` is the queue: target ticket, or link and side before it exists (R6).

    `blocks` is 1 where nothing may pass the operation while it is parked.
    """

    __tablename__ = "operation"
    __table_args__ = (
        Index("uq_operation_head", "lane", unique=True, **_where(_words(HEAD))),
        Index("ix_operation_due", "connection", "not_before", "id", **_where(_words(DUE))),
        Index("ix_operation_waiting", "lane", "rank", "id", **_where("state = 'waiting'")),
        Index("ix_operation_unsettled", "link", **_where(_words(UNSETTLED))),
        Index("ix_operation_in_flight", "target_row", **_where(_words(IN_FLIGHT))),
        Index("ix_operation_lease", "lease_until", **_where(_words(IN_FLIGHT))),
        Index("ix_operation_blocking", "lane", **_where("state = 'parked' AND blocks = 1")),
        Index(
            "ix_operation_ask_after",
            "ask_after_at",
            **_where("state = 'ready' AND ask_after_at IS NOT NULL"),
        ),
        Index("ix_operation_recheck", "recheck_at", **_where("recheck_at IS NOT NULL")),
        Index("ix_operation_link", "link"),
        Index("ix_operation_newest", "connection", "settled_at", **_where("state = 'applied'")),
        Index("uq_operation_key", "key", unique=True),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    link: int = Field(sa_type=RowId, foreign_key="link.id")
    mapping: str = Field(sa_type=Text)
    connection: str = Field(sa_type=Text)
    source_connection: str = Field(sa_type=Text)
    target: str = Field(sa_type=Text)
    target_row: int | None = Field(sa_type=RowId, foreign_key="ticket.id")
    source_row: int = Field(sa_type=RowId, foreign_key="ticket.id")
    lane: str = Field(sa_type=Text)
    rank: int
    blocks: int
    kind: str = Field(sa_type=Text)
    key: str = Field(sa_type=Text)
    ticket_kind: str = Field(sa_type=Text)
    payload: str = Field(sa_type=Text)
    slots: str = Field(sa_type=Text)
    item_kind: str | None = Field(sa_type=Text)
    item_origin: str | None = Field(sa_type=Text)
    item_source_id: str | None = Field(sa_type=Text)
    only_from: str | None = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    place: str = Field(sa_type=Text)
    revision: str = Field(sa_type=Text)
    correlation_id: str = Field(sa_type=Text)
    seen_at: datetime = Field(sa_type=Instant)
    planned_at: datetime = Field(sa_type=Instant)
    ask_after_at: datetime | None = Field(sa_type=Instant)
    state: str = Field(sa_type=Text)
    park_reason: str | None = Field(sa_type=Text)
    not_before: datetime = Field(sa_type=Instant)
    claimed_from: str | None = Field(sa_type=Text)
    lease_owner: str | None = Field(sa_type=Text)
    lease_until: datetime | None = Field(sa_type=Instant)
    attempt: int
    attempts: int
    sends: int
    looks: int
    sent_at: datetime | None = Field(sa_type=Instant)
    closed_at: datetime | None = Field(sa_type=Instant)
    settled_at: datetime | None = Field(sa_type=Instant)
    recheck_at: datetime | None = Field(sa_type=Instant)
    receipt: str | None = Field(sa_type=Text)
    detail: str = Field(sa_type=Text)


class OwnKey(Base, table=True):
    """The key of an operation that was forgotten: its marker stays known as ours (R5)."""

    __tablename__ = "own_key"
    __table_args__ = (
        Index("ix_own_key_target_row", "target_row", **_where("target_row IS NOT NULL")),
    )
    key: str = Field(primary_key=True, sa_type=Text)
    operation: int = Field(sa_type=RowId)
    link: int = Field(sa_type=RowId, foreign_key="link.id")
    target: str = Field(sa_type=Text)
    target_row: int | None = Field(sa_type=RowId, foreign_key="ticket.id")
    kind: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)


class Attempt(Base, table=True):
    """Every send and probe, append-only; late answers too."""

    __tablename__ = "attempt"
    __table_args__ = (Index("ix_attempt_operation", "operation"),)
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    operation: int = Field(sa_type=RowId, foreign_key="operation.id")
    number: int
    what: str = Field(sa_type=Text)
    owner: str = Field(sa_type=Text)
    started_at: datetime = Field(sa_type=Instant)
    ended_at: datetime = Field(sa_type=Instant)
    outcome: str = Field(sa_type=Text)
    status: int | None
    request: str = Field(sa_type=Text)
    detail: str = Field(sa_type=Text)
    late: bool


class Journal(Base, table=True):
    """What an operator reads; append-only, and outlives what its lines name."""

    __tablename__ = "journal"
    __table_args__ = (
        Index("ix_journal_ticket", "ticket", **_where("ticket IS NOT NULL")),
        Index("ix_journal_link", "link", **_where("link IS NOT NULL")),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    at: datetime = Field(sa_type=Instant)
    event: str = Field(sa_type=Text)
    detail: str = Field(sa_type=Text)
    correlation_id: str = Field(sa_type=Text)
    connection: str = Field(sa_type=Text)
    ticket: int | None = Field(sa_type=RowId)
    link: int | None = Field(sa_type=RowId)
    operation: int | None = Field(sa_type=RowId)
    mapping: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    revision: str = Field(sa_type=Text)
    place: str = Field(sa_type=Text)


class Conflict(Base, table=True):
    """A slot both sides changed differently; frozen until a person resolves it (R7)."""

    __tablename__ = "conflict"
    __table_args__ = (
        Index("uq_conflict_open", "link", "slot", unique=True, **_where("resolved_at IS NULL")),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    link: int = Field(sa_type=RowId, foreign_key="link.id")
    slot: str = Field(sa_type=Text)
    itsm_value: str = Field(sa_type=Text)
    vendor_value: str = Field(sa_type=Text)
    place: str = Field(sa_type=Text)
    found_at: datetime = Field(sa_type=Instant)
    resolved_at: datetime | None = Field(sa_type=Instant)
    resolved_by: str | None = Field(sa_type=Text)
    kept: str | None = Field(sa_type=Text)


class Inbox(Base, table=True):
    """What was pushed to us, stored before it was answered."""

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_waiting", "id", **_where("done_at IS NULL")),)
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    connection: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)
    received_at: datetime = Field(sa_type=Instant)
    received_from: str = Field(sa_type=Text)
    done_at: datetime | None = Field(sa_type=Instant)


class ServedTicketTable(Base, table=True):
    """A ticket that lives here and is offered to callers of the gateway."""

    __tablename__ = "served_ticket"
    __table_args__ = (
        UniqueConstraint("connection", "sys_id"),
        UniqueConstraint("connection", "number"),
        Index("ix_served_ticket_shown", "connection", "shown_number"),
        Index("ix_served_ticket_changed", "connection", "changed_at", "id"),
    )
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    connection: str = Field(sa_type=Text)
    sys_id: str = Field(sa_type=Text)
    number: str = Field(sa_type=Text)
    shown_number: str = Field(sa_type=Text)
    fields: str = Field(sa_type=Text)
    extra: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=Instant)
    created_by: str = Field(sa_type=Text)
    changed_at: datetime = Field(sa_type=Instant)
    changed_by: str = Field(sa_type=Text)
    resolved_at: datetime | None = Field(sa_type=Instant)
    resolved_by: str = Field(sa_type=Text)
    closed_by: str = Field(sa_type=Text)
    version: int


class ServedNoteTable(Base, table=True):
    """A remark on a served ticket; only ever added."""

    __tablename__ = "served_note"
    __table_args__ = (Index("ix_served_note_ticket", "ticket"),)
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    ticket: int = Field(sa_type=RowId, foreign_key="served_ticket.id")
    kind: str = Field(sa_type=Text)
    author: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Instant)
    key: str | None = Field(sa_type=Text)


class ServedFileTable(Base, table=True):
    """A file of a served ticket; its bytes lie in the spool."""

    __tablename__ = "served_file"
    __table_args__ = (Index("ix_served_file_ticket", "ticket"),)
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    ticket: int = Field(sa_type=RowId, foreign_key="served_ticket.id")
    name: str = Field(sa_type=Text)
    content_type: str = Field(sa_type=Text)
    size_bytes: int = Field(sa_type=BigInteger)
    digest: str = Field(sa_type=Text)
    author: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Instant)
    key: str | None = Field(sa_type=Text)


class ServedCall(Base, table=True):
    """A request that changed a served ticket, by which its repetition is known.

    `caller` is empty for the engine's own operations; `key` is then the operation's.
    """

    __tablename__ = "served_call"
    __table_args__ = (
        Index(
            "uq_served_call_key", "connection", "caller", "key", unique=True,
            **_where("key IS NOT NULL"),
        ),
        Index("ix_served_call_fingerprint", "connection", "caller", "fingerprint", "at"),
        Index("ix_served_call_at", "at"),
    )  # fmt: skip
    id: int | None = Field(default=None, primary_key=True, sa_type=RowId)
    connection: str = Field(sa_type=Text)
    caller: str = Field(sa_type=Text)
    key: str | None = Field(sa_type=Text)
    fingerprint: str = Field(sa_type=Text)
    sys_id: str = Field(sa_type=Text)
    note: int | None = Field(sa_type=RowId)
    file: int | None = Field(sa_type=RowId)
    at: datetime = Field(sa_type=Instant)


class CredentialTable(Base, table=True):
    """Secrets obtained at run time, encrypted under the store's key."""

    __tablename__ = "credential"
    name: str = Field(primary_key=True, sa_type=Text)
    secret: bytes = Field(sa_type=LargeBinary)
    expires_at: datetime | None = Field(sa_type=Instant)
    saved_at: datetime = Field(sa_type=Instant)


class Lease(Base, table=True):
    """Who may do something that one process at a time does, until when."""

    __tablename__ = "lease"
    name: str = Field(primary_key=True, sa_type=Text)
    owner: str = Field(sa_type=Text)
    until: datetime = Field(sa_type=Instant)
    held_as: str = Field(sa_type=Text, sa_column_kwargs={"server_default": ""})


metadata = Base.metadata
_core = metadata.tables

meta = _core["meta"]
connection = _core["connection"]
feed = _core["feed"]
mapping_state = _core["mapping_state"]
ticket = _core["ticket"]
link = _core["link"]
baseline = _core["baseline"]
item_pair = _core["item_pair"]
operation = _core["operation"]
own_key = _core["own_key"]
attempt = _core["attempt"]
journal = _core["journal"]
conflict = _core["conflict"]
inbox = _core["inbox"]
served_ticket = _core["served_ticket"]
served_note = _core["served_note"]
served_file = _core["served_file"]
served_call = _core["served_call"]
credential = _core["credential"]
lease = _core["lease"]


def state_in(*states: OperationState) -> ColumnElement[bool]:
    """Ask for operations in some states, in constants, so that partial indexes serve."""
    return operation.c.state.in_([literal_column(f"'{state}'") for state in states])


def among_unsettled(*states: OperationState) -> tuple[ColumnElement[bool], ...]:
    """Ask for some of the unsettled states by the index of all, or every operation is walked."""
    return state_in(*UNSETTLED), state_in(*states)
