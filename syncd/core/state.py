"""What the decision is made from and what it yields: a link's state in, a plan out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syncd.core.rules import MappingRules
from syncd.model.features import Features
from syncd.model.ids import LinkRow, OperationId, OperationKey, Side
from syncd.model.operation import (
    AttachmentDraft,
    CommentDraft,
    OperationState,
    ParkReason,
    WriteKind,
)
from syncd.model.ticket import MISSING, FieldInfo, Missing, Ticket, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTraits:
    """What the core must know of a connection.

    Attributes:
        features: the provider's declared abilities.
        normalise: N of R5 for (field, value): the provider's own, then the connection's `values`.
        fields: neutral name -> what is known of the field.
        phases: phase -> status labels (`phases:` of the connection).
    """

    features: Features
    normalise: Callable[[str, Value], Value]
    fields: Mapping[str, FieldInfo] = field(default_factory=dict)
    phases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


MET = "met"
"""The baseline slot that tells that both tickets of a link were once decided about together."""


FOLLOWS = "follows"
"""The baseline slot, of a link that follows an ended one, that keeps that one's vendor number."""

FOLLOWED = "followed"
"""The baseline slot, of a link that a follow-up ended, that keeps its vendor number."""


WITHHELD = "withheld."
"""Begins the slots that keep, per rule, why its last change was not carried (R10)."""

WRITTEN = "written."
"""Begins the slots that keep, per field of a shared ticket, what another link wrote there last."""

ZONED = "zoned."
"""Begins the slots that keep, per field kept equal both ways, the zone its wall times are of."""


class BaselineState(StrEnum):
    """How sure a baseline is."""

    AGREED = "agreed"
    PROVISIONAL = "provisional"
    ALTERED = "altered"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Per link, side and slot, the last value accounted for.

    Attributes:
        value: after N; for an expression its inputs.
        previous: the value before our last write there; None when nobody knows it, MISSING when we
            never wrote, or created the ticket with it.
        written_at: when the outcome of our last write there was committed.
        state: how sure it is.
    """

    value: Value
    previous: Value | Missing = MISSING
    written_at: datetime | None = None
    state: BaselineState = BaselineState.AGREED


class ItemKind(StrEnum):
    """Events that cross once each."""

    COMMENT = "comment"
    ATTACHMENT = "attachment"


class PairState(StrEnum):
    """What became of a comment or attachment.

    PLANNED: an operation carries it. PAIRED: both ids known. HISTORY: from before linking.
    SKIPPED: the mapping does not share it. NOT_CARRIED: the other side cannot take it. GIVEN_UP:
    discarded by a person. DUPLICATE: a second effect of one of our writes, never given a partner.
    STRAY: it carries a marker of syncd that nobody here knows. FOREIGN: another link of the ticket
    wrote it; not decided about yet.
    """

    PLANNED = "planned"
    PAIRED = "paired"
    HISTORY = "history"
    SKIPPED = "skipped"
    NOT_CARRIED = "not_carried"
    GIVEN_UP = "given_up"
    DUPLICATE = "duplicate"
    STRAY = "stray"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPair:
    """One comment or attachment known to a link.

    Attributes:
        kind: comment or attachment.
        origin: the side it was first on.
        source_id: its id there.
        target_id: its copy's id on the other side; empty until known.
        state: what became of it.
        reason: why, where the state needs one.
        key: of the operation that carries it; empty for none.
    """

    kind: ItemKind
    origin: Side
    source_id: str
    target_id: str = ""
    state: PairState = PairState.PLANNED
    reason: str = ""
    key: OperationKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotMove:
    """What a field operation accounts for when it is applied: both baselines move together (R7).

    Attributes:
        source: the side the change came from.
        source_value: becomes that side's baseline.
        target_value: becomes the other side's baseline; MISSING leaves it.
        overruled: what a person had changed the target to, which this write replaces by policy;
            no news while the operation is open, news again when the operation is taken back.
    """

    source: Side
    source_value: Value
    target_value: Value | Missing = MISSING
    overruled: Value | Missing = MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOperation:
    """An operation of this link that is open or parked: it counts as planned (R7).

    Attributes:
        fields, comment, attachment: what it writes.
        slots: baselines that move when it is applied.
        item: the comment or attachment it carries.
        sent: bytes may have left, and nothing proved that they had no effect.
        planned_at: when it was planned: what it carries was read before.
    """

    id: OperationId
    key: OperationKey
    target: Side
    kind: WriteKind
    state: OperationState
    planned_at: datetime
    park_reason: ParkReason | None = None
    slots: Mapping[str, SlotMove] = field(default_factory=dict)
    item: tuple[ItemKind, Side, str] | None = None
    comment: CommentDraft | None = None
    attachment: AttachmentDraft | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """A comment's write that was discarded when it may have left already; its effect was not met.

    Attributes:
        key: its own.
        link_id: whose it was: this link, or another one of the same ticket.
        target: the side it was written to.
        body: the words.
        planned_at: surely before it left.
        left_at: when its last send ended.
    """

    key: OperationKey
    link_id: LinkRow
    target: Side
    body: str
    planned_at: datetime
    left_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A comment or attachment that is not decided about before an operation is settled (R5, R6).

    Attributes:
        side: where it stands.
        kind: what it is.
        item: its id.
        operation: may have made it, or one said before it.
    """

    side: Side
    kind: ItemKind
    item: str
    operation: OperationId


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """Everything the decision about one link is made from.

    Attributes:
        link_id: the link.
        rules: its mapping.
        traits: both connections.
        tickets: newest snapshot by side; a side without a ticket yet is absent.
        numbers: ticket numbers by side, for templates; empty text while unknown.
        baselines: by (side, slot).
        pairs: comments and attachments known so far.
        operations: open and parked operations.
        conflicts: slots frozen by an unresolved conflict.
        own_keys: keys of every operation of this store that were looked up for this decision:
            key -> (link, target side); a marker whose key is not here is a stranger's.
        quoted: those of them whose links have nothing to do with these tickets: people quote them.
        others: open and parked operations of the tickets' other links.
        given_up: comments that were discarded and may have been made all the same, of all these.
        siblings: phases of the partners that the ITSM ticket has by other links; empty text where
            a partner is not there yet or its status in no phase.
        origin: the side the link was opened from; None when people paired existing tickets.
        now: aware UTC instant of the decision.
        read_at: when the read of each snapshot began; absent: now.
        restored_at: when the store was last restored from a backup; None: never.
    """

    link_id: LinkRow
    rules: MappingRules
    traits: Mapping[Side, SideTraits]
    tickets: Mapping[Side, Ticket]
    numbers: Mapping[Side, str]
    baselines: Mapping[tuple[Side, str], Baseline]
    pairs: tuple[ItemPair, ...]
    operations: tuple[OpenOperation, ...]
    conflicts: frozenset[str]
    own_keys: Mapping[OperationKey, tuple[LinkRow, Side]]
    origin: Side | None
    now: datetime
    read_at: Mapping[Side, datetime] = field(default_factory=dict)
    quoted: frozenset[OperationKey] = frozenset()
    others: tuple[OpenOperation, ...] = ()
    given_up: tuple[GivenUp, ...] = ()
    siblings: tuple[str, ...] = ()
    restored_at: datetime | None = None

    @property
    def follows(self) -> str:
        """The vendor ticket that this link's one is the follow-up of; empty for none."""
        known = self.baselines.get((Side.ITSM, FOLLOWS))
        return str(known.value) if known is not None else ""

    @property
    def is_fresh(self) -> bool:
        """Whether no decision about both tickets was ever stored."""
        return (Side.ITSM, MET) not in self.baselines


class Reason(StrEnum):
    """Why an operation was planned; each has its own smallest test."""

    OPENED = "opened"
    FOLLOWED_UP = "followed_up"
    FIELD_CHANGED = "field_changed"
    STATUS_FOLLOWS = "status_follows"
    STATUS_SAID = "status_said"
    NOTED = "noted"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    CHANGE_SAID = "change_said"
    REST_SAID = "rest_said"
    COMMENTED = "commented"
    ATTACHED = "attached"
    ATTACHMENT_SAID = "attachment_said"
    REFERENCE = "reference"
    PROBLEM_SAID = "problem_said"
    RESOLVED_BY_HAND = "resolved_by_hand"
    SAID_INSTEAD = "said_instead"


class Rank(StrEnum):
    """Order within one target ticket (R6)."""

    CREATE = "create"
    NORMAL = "normal"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOperation:
    """One write to be stored in the outbox; the store's caller gives it key and id.

    Attributes:
        target: the side that is written.
        kind: what is written.
        fields, comment, attachment: the payload, as in `Write`.
        slots: baselines that move when it is applied.
        item: the comment or attachment it carries: (kind, origin side, source id).
        reason: why.
        rank: its order within the target's queue.
        only_from: the target's status must be one of these when it is sent; None: any.
        place: the rule behind it.
        made_at: when the comment or file it carries was made, by its provider's time.
    """

    target: Side
    kind: WriteKind
    reason: Reason
    fields: Mapping[str, Value] = field(default_factory=dict)
    comment: CommentDraft | None = None
    attachment: AttachmentDraft | None = None
    slots: Mapping[str, SlotMove] = field(default_factory=dict)
    item: tuple[ItemKind, Side, str] | None = None
    rank: Rank = Rank.NORMAL
    only_from: tuple[str, ...] | None = None
    place: str = ""
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMove:
    """A baseline that moves without a write."""

    side: Side
    slot: str
    value: Value
    state: BaselineState = BaselineState.AGREED


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundConflict:
    """A slot both sides changed differently, to be resolved by a person."""

    slot: str
    itsm_value: Value
    vendor_value: Value
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line for the journal: `event` is a past-tense name, detail is for people."""

    event: str
    detail: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """The vendor's ticket takes nothing more: the link ends, and a new one takes its place.

    Attributes:
        number: of the vendor's ticket that is left.
        known: what the new link knows from the start: all that was said by the old one.
        why: what caused it.
        place: the rule.
    """

    number: str
    known: tuple[ItemPair, ...]
    why: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to store after one decision; all of it in one transaction, or nothing.

    Attributes:
        operations: new writes, in the order they are to be queued.
        superseded: open operations replaced by newer ones or no longer wanted.
        applied: operations whose effect was seen in a snapshot: (operation, effect's item id).
        baselines: baselines that move now.
        pairs: comments and attachments accounted for (new, or with a target id learnt).
        conflicts: newly found conflicts.
        notes: journal lines.
        held: what waits for the outcome of an operation; nothing is stored of it.
        recheck_s: decide again after so many seconds, because something was held; None: no need.
        stale: sides to be read again before that: they showed the state before our write (R1).
        detach: why the link ends (`no_longer: detach`); empty: it stays.
        follow_up: the link ends and another takes its place; None: it stays.
    """

    operations: tuple[PlannedOperation, ...] = ()
    superseded: tuple[OperationId, ...] = ()
    applied: tuple[tuple[OperationKey, str], ...] = ()
    baselines: tuple[BaselineMove, ...] = ()
    pairs: tuple[ItemPair, ...] = ()
    conflicts: tuple[FoundConflict, ...] = ()
    notes: tuple[Note, ...] = ()
    held: tuple[Held, ...] = ()
    recheck_s: float | None = None
    stale: frozenset[Side] = frozenset()
    detach: str = ""
    follow_up: FollowUp | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not (
            self.operations
            or self.superseded
            or self.applied
            or self.baselines
            or self.pairs
            or self.conflicts
            or self.notes
            or self.detach
            or self.follow_up
        )


ACTUAL_CHARS_MAX = 60
"""Longest part of an actual value told beside a condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A ticket gets a partner.

    Attributes:
        plan: the CREATE, what follows it, baselines and history pairs.
        target: the side the partner is opened on.
        tests: the conditions that led to it, all of which held.
    """

    plan: Plan
    target: Side
    tests: "tuple[TestResult, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One condition's result, for `explain`: what was asked, whether it held, the actual value."""

    asked: str
    holds: bool
    actual: str
    place: str = ""

    def __str__(self) -> str:
        """Say what was asked and found: `phase=open ✓`, `number matches ^INC ✓ (INC0012399)`."""
        is_told = not self.actual or self.asked.endswith(f"={self.actual}")
        cut = (
            self.actual
            if len(self.actual) <= ACTUAL_CHARS_MAX
            else f"{self.actual[:ACTUAL_CHARS_MAX]}…"
        )
        return f"{self.asked} {'✓' if self.holds else '✗'}{'' if is_told else f' ({cut})'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotOpened:
    """A ticket gets no partner from this mapping.

    Attributes:
        tests: the conditions in order up to the first that failed.
        problems: what the ticket lacks although it matched (`missing: park`).
    """

    tests: tuple[TestResult, ...] = ()
    problems: tuple[str, ...] = ()
