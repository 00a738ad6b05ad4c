"""A mapping as values: what settings builds from YAML and the core evaluates (MAPPING.md).

Names are neutral. On every rule stands its place in the file, for `explain` and for problems.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum

from syncd.core.sources import Constant, FieldOf, Find, Table, TextOf
from syncd.core.template import Template
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.model.ticket import MISSING, CommentKind, Missing, Value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule stands: `telenor-incidents.yaml:27`."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """Give it as an operator reads it."""
        return f"{self.file}:{self.line}" if self.file else ""


# --- expressions -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """`{table: sites, by: site, get: lu}`; the most specific row wins, an empty cell is none."""

    table: Table
    by: tuple[str, ...]
    get: str


@dataclass(frozen=True, slots=True)
class First:
    """The first of several expressions that gives something."""

    options: tuple["Expression", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoned:
    """`zone:` of an expression: whose wall times are meant.

    Attributes:
        name: gives the zone's name, from the mapping or a table of it.
        known: every name it can give -> the zone.
    """

    name: "Expression"
    known: Mapping[str, tzinfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A value computed from the source ticket.

    Attributes:
        source: where the value comes from.
        zone: what comes of it is a wall time there, or an instant that becomes one; None: neither.
        labels: `map`: source label -> written label; None for no map. Others give nothing.
        default: used when nothing came of it; MISSING for none.
        place: where it stands.
    """

    source: FieldOf | Constant | TextOf | Lookup | Find | First
    zone: Zoned | None = None
    labels: Mapping[str, str] | None = None
    default: Value | Missing = MISSING
    place: Place = Place()


# --- conditions ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTest:
    """One condition on a field: equal to one of, or matching a pattern.

    Attributes:
        field: a neutral name, a derived name, `number`, or `phase`.
        one_of: accepted values (compared after N); empty when `pattern` is used.
        pattern: searched in the value's text.
        place: where it stands.
    """

    field: str
    one_of: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one must hold; none at all holds."""

    conditions: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one must hold."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class NotAny:
    """None may hold."""

    conditions: tuple["Condition", ...]


Condition = FieldTest | AllOf | AnyOf | NotAny


# --- fields ----------------------------------------------------------------------------------


class LongPolicy(StrEnum):
    """What happens to a text longer than the target takes."""

    PARK = "park"
    CUT = "cut"
    COMMENT = "comment"


class ChangePolicy(StrEnum):
    """What happens when the source changes after creation."""

    UPDATE = "update"
    COMMENT = "comment"
    IGNORE = "ignore"


class ConflictPolicy(StrEnum):
    """Who wins when both sides changed one field differently."""

    ITSM = "itsm"
    VENDOR = "vendor"
    NEWEST = "newest"
    PARK = "park"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One field written in one direction.

    Attributes:
        slot: its name in baselines, conflicts and journal: `to_vendor.title`.
        target_side: the side that is written.
        target: the field that is written.
        expression: what is written.
        missing_parks: `missing: park`: a ticket is not opened or updated without it.
        long: for texts over the target's limit.
        changes: for changes after creation.
        place: where it stands.
        relay: what another link of the ticket wrote is carried as well (R10).
    """

    slot: str
    target_side: Side
    target: str
    expression: Expression
    missing_parks: bool = False
    long: LongPolicy = LongPolicy.PARK
    changes: ChangePolicy = ChangePolicy.UPDATE
    relay: bool = False
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedField:
    """One field kept equal in both directions.

    Attributes:
        slot: `both.priority`.
        itsm: the field's name there.
        vendor: the field's name there.
        to_vendor: ITSM label -> vendor label; None: as it is. A label not in it is unknown (R7).
        to_itsm: the reverse.
        zone: one side shows wall times there, the other instants; None: neither. It is looked up
            on the ITSM's ticket, so that both directions mean one zone.
        wall: the side that shows wall times.
        conflict: who wins.
        long: for texts over the limit of the side they are written to.
        place: where it stands.
        relay: what another link of the ticket wrote is carried as well (R10).
    """

    slot: str
    itsm: str
    vendor: str
    to_vendor: Mapping[str, str] | None = None
    to_itsm: Mapping[str, str] | None = None
    zone: Zoned | None = None
    wall: Side = Side.VENDOR
    conflict: ConflictPolicy = ConflictPolicy.PARK
    long: LongPolicy = LongPolicy.PARK
    relay: bool = False
    place: Place = Place()


# --- status ----------------------------------------------------------------------------------


class StatusEffect(StrEnum):
    """What a status of one side does on the other."""

    NOTHING = "nothing"
    SET = "set"
    SAY = "say"
    CANCEL = "cancel"
    DELETE = "delete"
    FOLLOW_UP = "follow_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAction:
    """The effect of one status label.

    Attributes:
        effect: what to do.
        status: for SET and CANCEL: the label the target has then.
        fields: for SET: further fields that go with it (`with:`), templates over the source ticket.
        cancel_reason: for CANCEL: why; empty where the provider takes no reason.
        only_from: the target's status must be one of these; None: any (FOLLOW_UP names them).
        otherwise: what is done with only_from unmet.
        kind: for SAY: the kind of comment.
        place: where it stands.
    """

    effect: StatusEffect = StatusEffect.NOTHING
    status: str = ""
    fields: Mapping[str, Template] = field(default_factory=dict)
    cancel_reason: str = ""
    only_from: tuple[str, ...] | None = None
    otherwise: "StatusAction | None" = None
    kind: CommentKind = CommentKind.COMMENT
    place: Place = Place()


class CloseWhen(StrEnum):
    """When a ticket that several links share is closed."""

    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRules:
    """Both status tables.

    Attributes:
        to_itsm: vendor label -> what it does on the ITSM.
        to_vendor: ITSM label -> what it does at the vendor.
        unknown_to_itsm: for a vendor label not listed.
        unknown_to_vendor: for an ITSM label not listed.
        conflict: who wins when both sides changed and neither follows from the other.
        relay: what another link of the ticket wrote is carried as well (R10).
        close_when: a ticket shared by several links is closed when any, or all, partners are.
    """

    to_itsm: Mapping[str, StatusAction] = field(default_factory=dict)
    to_vendor: Mapping[str, StatusAction] = field(default_factory=dict)
    unknown_to_itsm: StatusAction = StatusAction()
    unknown_to_vendor: StatusAction = StatusAction()
    conflict: ConflictPolicy = ConflictPolicy.ITSM
    relay: bool = False
    close_when: CloseWhen = CloseWhen.ALL

    def toward(self, side: Side) -> tuple[Mapping[str, StatusAction], StatusAction]:
        """Return the table that writes `side` and its action for unknown labels."""
        if side is Side.ITSM:
            return self.to_itsm, self.unknown_to_itsm
        return self.to_vendor, self.unknown_to_vendor


# --- comments and attachments -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentTest:
    """Selects comments; every part that is given must hold.

    Attributes:
        kind: the kind it names; None: any.
        authors: accepted authors; empty: any.
        authors_not: authors refused.
        body: searched in the text; None: any.
        place: where it stands.
    """

    kind: CommentKind | None = None
    authors: tuple[str, ...] = ()
    authors_not: tuple[str, ...] = ()
    body: re.Pattern[str] | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentRules:
    """Comments in one direction.

    Attributes:
        share: what leaves (R9). A public comment leaves when any test holds; one that is private or
            of unknown visibility only under a test that names its kind. None: everything public.
        skip: what does not leave although shared.
        text: how it reads there; over `author`, `body`, `itsm`, `vendor`; None: as it is.
        kind: the kind of comment it becomes.
        history: comments from before linking are carried too.
        follow_up: what is said once the vendor's ticket is closed goes to a new one that names it.
        place: where it stands.
        relay: what another link of the ticket wrote is carried as well (R10).
    """

    share: tuple[CommentTest, ...] | None = None
    skip: tuple[CommentTest, ...] = ()
    text: Template | None = None
    kind: CommentKind = CommentKind.COMMENT
    history: bool = False
    follow_up: bool = False
    relay: bool = False
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRules:
    """Attachments in one direction.

    Attributes:
        max_bytes: larger ones are not carried; None: the target's own limit only.
        allow: accepted extensions (lower case, no dot); empty: any.
        deny: refused extensions.
        otherwise: kind of comment that names what cannot be carried; None: shown as not carried.
        place: where it stands.
        relay: what another link of the ticket wrote is carried as well (R10).
    """

    max_bytes: int | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    otherwise: CommentKind | None = None
    relay: bool = False
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRule:
    """One note that goes out when any of some fields changed on the other side.

    Attributes:
        slot: its name in baselines: `notes.to_itsm.business_hours+expenses`.
        target_side: the side that is told.
        when_changed: fields of the other side, or derived names.
        kind: the kind of comment it becomes.
        text: a template over the other side's ticket.
        place: where it stands.
    """

    slot: str
    target_side: Side
    when_changed: tuple[str, ...]
    kind: CommentKind
    text: Template
    place: Place = Place()


# --- opening ---------------------------------------------------------------------------------


class NoLonger(StrEnum):
    """What happens when a linked ticket stops matching `when`."""

    KEEP = "keep"
    DETACH = "detach"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRule:
    """`active_order:` what concerns an active ticket is said there, and nothing is opened.

    Attributes:
        kind: the kind of ticket looked for.
        terms: what it is found by -> the value, computed from the source ticket.
        place: where it stands.
    """

    kind: str
    terms: Mapping[str, Expression] = field(default_factory=dict)
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningRules:
    """When a ticket of one side gets a partner on the other.

    Attributes:
        target_side: the side the partner is opened on.
        when: what must hold of the source ticket.
        fixed: `set:` fields of the new partner beside the field rules.
        exclusive: two mappings with this word that match one ticket: park, name both.
        no_longer: what happens when a linked ticket stops matching.
        active: looked for before a create is sent; None: the vendor has no such rule, or it is
            ignored.
        cancel: for `no_longer: cancel`: how the partner is cancelled.
        ask_after_s: a create delayed longer than this waits for a person; None: never.
        place: where it stands.
    """

    target_side: Side
    when: Condition
    fixed: Mapping[str, Expression] = field(default_factory=dict)
    exclusive: str = ""
    no_longer: NoLonger = NoLonger.KEEP
    cancel: StatusAction = StatusAction()
    ask_after_s: float | None = None
    active: ActiveRule | None = None
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `count` in `per_s` seconds."""

    count: int
    per_s: float


class MappingMode(StrEnum):
    """Whether a mapping writes."""

    DRY_RUN = "dry_run"
    LIVE = "live"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`references.on_itsm: {field: vendor_ref, value: number}`: one side shows the other's number.

    Attributes:
        side: the side that is written.
        field: the field there that takes it.
        value: `number` or `id` of the partner.
        place: where it stands.
    """

    side: Side
    field: str
    value: str = "number"
    place: Place = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseLimit:
    """How many of a mapping's links something may happen to at once.

    Attributes:
        at_least: so many always may.
        share: and of many links so large a part, from 0 to 1.
    """

    at_least: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuses:
    """What happens to so many tickets at once that a person looks first (R8).

    Attributes:
        closed: tickets closed; beyond it the mapping pauses before any of them is passed on.
        changed: tickets changed in any way.
        opened: partners opened, where `at_most` says nothing.
        within_s: what counts as at once, in seconds of the tickets' own systems.
        back_and_forth: turns of one value between the two sides; beyond it the ticket pauses.
    """

    closed: FuseLimit = FuseLimit(at_least=50, share=0.3)
    changed: FuseLimit = FuseLimit(at_least=100, share=0.6)
    opened: FuseLimit = FuseLimit(at_least=200, share=0.3)
    within_s: float = 600.0
    back_and_forth: Rate = Rate(count=10, per_s=3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRules:
    """One mapping, whole and checked.

    Attributes:
        name: its name.
        was: a former name, for a rename (R13).
        mode: whether it writes.
        itsm: the ITSM connection.
        itsm_kind: kind of ticket there.
        vendor: the vendor connection; where it is chosen by ticket, the one these rules were
            checked against.
        choose: what names the vendor connection of an ITSM ticket; None: it is always `vendor`.
        one_of: the vendor connections it may name; empty where nothing is chosen.
        variants: the rules for each of them; empty in the variants themselves.
        vendor_kind: kind of ticket there.
        tell_problems: kind of comment on the ITSM ticket for what it lacks; None: not told.
        derive: names computed first, over the ITSM ticket; in order.
        open_to_vendor: when an ITSM ticket gets a vendor ticket; None: never.
        open_to_itsm: when a vendor ticket gets an ITSM ticket; None: never.
        at_most: creations by this mapping; None: only the fuses' limit.
        fuses: what a person looks at before it goes on.
        references: numbers shown on the other side.
        fields: one-directional rules.
        paired: two-directional rules.
        status: status tables; None: status is not carried.
        comments: by the side written; absent: not carried that way.
        attachments: by the side written; absent: not carried that way.
        notes: what is said when fields change.
        revision: digest of the file and tables it came from.
        place: the file.
    """

    name: MappingName
    mode: MappingMode
    itsm: ConnectionName
    itsm_kind: str
    vendor: ConnectionName
    vendor_kind: str
    choose: Expression | None = None
    one_of: tuple[ConnectionName, ...] = ()
    variants: Mapping[ConnectionName, "MappingRules"] = field(default_factory=dict, repr=False)
    was: MappingName | None = None
    tell_problems: CommentKind | None = None
    derive: Mapping[str, Expression] = field(default_factory=dict)
    open_to_vendor: OpeningRules | None = None
    open_to_itsm: OpeningRules | None = None
    at_most: Rate | None = None
    fuses: Fuses = Fuses()
    references: tuple[Reference, ...] = ()
    fields: tuple[FieldRule, ...] = ()
    paired: tuple[PairedField, ...] = ()
    status: StatusRules | None = None
    comments: Mapping[Side, CommentRules] = field(default_factory=dict)
    attachments: Mapping[Side, AttachmentRules] = field(default_factory=dict)
    notes: tuple[NoteRule, ...] = ()
    revision: str = ""
    place: Place = Place()

    def at(self, vendor: ConnectionName) -> "MappingRules":
        """Return the rules for one vendor connection; these where it is none that is chosen."""
        return self.variants.get(vendor, self)

    def each(self) -> tuple["MappingRules", ...]:
        """Return the rules for every vendor connection."""
        return tuple(self.variants.values()) or (self,)

    def connections(self, side: Side) -> tuple[ConnectionName, ...]:
        """Return every connection that may be on a side."""
        return (self.itsm,) if side is Side.ITSM else self.one_of or (self.vendor,)

    def connection(self, side: Side) -> ConnectionName:
        """Return the connection on a side."""
        return self.itsm if side is Side.ITSM else self.vendor

    def kind(self, side: Side) -> str:
        """Return the kind of ticket on a side."""
        return self.itsm_kind if side is Side.ITSM else self.vendor_kind

    def opening(self, target: Side) -> OpeningRules | None:
        """Return the rules that open partners on `target`."""
        return self.open_to_itsm if target is Side.ITSM else self.open_to_vendor
