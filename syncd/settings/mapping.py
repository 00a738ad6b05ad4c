"""The blocks of a mapping file, as models: their shape only; `mapping_*` check what they mean."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from syncd.core.rules import ChangePolicy, CloseWhen, ConflictPolicy, LongPolicy, MappingMode
from syncd.model.ids import Side
from syncd.model.texts import Duration, Size
from syncd.model.ticket import CommentKind
from syncd.settings.daemon import Block
from syncd.settings.types import (
    Constant,
    Count,
    Labels,
    RateText,
    Share,
    Text,
    Texts,
    Word,
)

ActionWord = Literal["nothing", "comment", "work_note", "closure_note"]
ElseWord = Literal["nothing", "comment", "work_note", "closure_note", "follow_up"]


_TEXT: JsonSchemaValue = {"type": ["string", "number", "boolean"]}
_TEXTS: JsonSchemaValue = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_ACTION: JsonSchemaValue = {"enum": list(get_args(ActionWord))}


class ShortFor:
    """Lets a bare text (or list) stand for a block with one key."""

    def __init__(self, key: str, short: JsonSchemaValue) -> None:
        self._key = key
        self._short = short

    def _expanded(self, value: object) -> object:
        return value if isinstance(value, Mapping | Block) else {self._key: value}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Expand before the block is validated."""
        return core_schema.no_info_before_validator_function(self._expanded, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe both forms."""
        return {"anyOf": [self._short, handler(schema)]}


# --- expressions and conditions ------------------------------------------------------------------


class ExpressionBlock(Block):
    """What is written: a field's name, or one of these."""

    from_: Text | None = Field(default=None, alias="from", description="a field, or a derived name")
    value: Constant | None = Field(default=None, description="always this")
    text: Text | None = Field(default=None, description="a template: {{ title }}")
    table: Word | None = Field(default=None, description="a table, by the stem of its file")
    by: Texts | None = Field(default=None, description="the columns and fields that choose the row")
    get: Text | None = Field(default=None, description="the column that is taken")
    find: Text | None = Field(
        default=None, description="a pattern; its first group where it has one"
    )
    in_: Text | None = Field(default=None, alias="in", description="the field that is searched")
    first: "list[Expression] | None" = Field(
        default=None, description="the first of these that gives something"
    )
    map: Labels | None = Field(default=None, description="label there: label here")
    zone: "ConstantExpression | None" = Field(
        default=None,
        description="a wall time there becomes an instant, an instant a wall time: a zone, or a"
        " table that gives one",
    )
    default: Constant | None = Field(default=None, description="used when there is no value")


Expression = Annotated[ExpressionBlock, ShortFor("from", _TEXT)]
ConstantExpression = Annotated[ExpressionBlock, ShortFor("value", _TEXT)]


class FieldBlock(ExpressionBlock):
    """A field that is written, and how."""

    relay: bool = Field(
        default=False, description="also what another link of the ticket wrote there"
    )
    missing: Literal["park"] | None = Field(default=None, description="park: not sent without it")
    long: LongPolicy = Field(
        default=LongPolicy.PARK, description="comment: what is cut off follows as a comment"
    )
    changes: ChangePolicy = Field(
        default=ChangePolicy.UPDATE, description="comment: later changes go out as a comment"
    )


class PairBlock(Block):
    """A field kept equal in both directions."""

    itsm: Text | None = Field(default=None, description="the field there; the key where not said")
    vendor: Text | None = Field(default=None, description="the field there; the key where not said")
    map: Labels | None = Field(default=None, description="ITSM label: vendor label")
    zone: "ConstantExpression | None" = Field(
        default=None,
        description="one side shows wall times there, the other instants: a zone, or a table that"
        " gives one for the ITSM's ticket",
    )
    wall: Side | None = Field(
        default=None, description="with zone: the side that shows wall times; vendor where not said"
    )
    conflict: ConflictPolicy = Field(default=ConflictPolicy.PARK, description="who wins")
    long: LongPolicy = Field(
        default=LongPolicy.PARK, description="comment: what is cut off follows as a comment"
    )
    relay: bool = Field(
        default=False, description="also what another link of the ticket wrote there"
    )
    lossy: bool = Field(default=False, description="two labels may become one")


class FieldTestBlock(Block):
    """What must hold of a field: one of some labels, or one of these."""

    is_: Texts | None = Field(default=None, alias="is", description="one of these")
    not_: Texts | None = Field(default=None, alias="not", description="none of these")
    matches: Text | None = Field(default=None, description="a pattern found in it")


FieldCondition = Annotated[FieldTestBlock, ShortFor("is", _TEXTS)]


class ConditionBlock(Block):
    """Conditions that must all hold: fields, and `any:`, `all:`, `not:`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, FieldCondition]

    any_: "Conditions | None" = Field(default=None, alias="any", description="at least one holds")
    all_: "Conditions | None" = Field(default=None, alias="all", description="every one holds")
    not_: "Conditions | None" = Field(default=None, alias="not", description="none holds")

    @classmethod
    def further(cls) -> Any:
        """Return the type of a field's condition."""
        return FieldCondition


class OneOrMore:
    """Lets one block stand for a list of one."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Make a list of one before the list is validated."""
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe both forms."""
        several = handler(schema)
        return {"anyOf": [several["items"], several]}


def _listed(value: object) -> object:
    return [value] if isinstance(value, Mapping | Block) else value


Conditions = Annotated[list[ConditionBlock], OneOrMore()]


# --- status --------------------------------------------------------------------------------------


class ActionBlock(Block):
    """What a status does on the other side."""

    say: ActionWord | None = Field(default=None, description="the same as the word alone")
    set: Text | None = Field(default=None, description="the status to set")
    do: Literal["cancel", "delete", "follow_up"] | None = Field(
        default=None,
        description="done instead: the other ticket is cancelled, deleted, or followed by another",
    )
    reason: Text | None = Field(default=None, description="why it is cancelled")
    with_: dict[str, Text] = Field(
        default_factory=dict, alias="with", description="field: template, written along"
    )
    only_from: Texts | None = Field(default=None, description="only while the target is in these")
    else_: ElseWord | None = Field(default=None, alias="else", description="what else is done")


Action = Annotated[ActionBlock, ShortFor("say", _ACTION)]


class StatusTableBlock(Block):
    """Every status label of one side and what it does on the other."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Action]

    unknown: Action = Field(
        default=ActionBlock(say="nothing"), description="for labels that are not listed"
    )

    @classmethod
    def further(cls) -> Any:
        """Return the type of a label's action."""
        return Action


StatusTable = Annotated[StatusTableBlock, ShortFor("unknown", _ACTION)]


class StatusBlock(Block):
    """`status:`: both tables, or the word `nothing` for a direction that is not carried."""

    to_itsm: StatusTable
    to_vendor: StatusTable
    relay: bool = Field(
        default=False, description="also what another link of the ticket wrote there"
    )
    close_when: CloseWhen = Field(
        default=CloseWhen.ALL, description="of a ticket with several partners: any, or all closed"
    )
    conflict: ConflictPolicy = Field(default=ConflictPolicy.ITSM, description="who wins")


# --- opening -------------------------------------------------------------------------------------


class ActiveOrderBlock(Block):
    """An active order takes what concerns it, as a comment; nothing is opened then."""

    match: Texts = Field(description="what it is found by: fields that are written, or derived")
    then: Literal["comment"] = "comment"


class NoLongerBlock(Block):
    """What happens when a linked ticket stops matching: a word, or how it is cancelled."""

    then: Literal["keep", "detach", "cancel"] | None = Field(
        default=None, description="the same as the word alone"
    )
    do: Literal["cancel"] | None = Field(default=None, description="the partner is cancelled")
    reason: Text | None = Field(default=None, description="why it is cancelled")
    only_from: Texts | None = Field(default=None, description="only while the target is in these")
    else_: ActionWord | None = Field(default=None, alias="else", description="what else is done")


_LEAVING: JsonSchemaValue = {"enum": ["keep", "detach", "cancel"]}


class OpeningBlock(Block):
    """When a ticket gets a partner."""

    when: ConditionBlock
    set: dict[str, ConstantExpression] = Field(
        default_factory=dict, description="fields of the new ticket: constants, or expressions"
    )
    exclusive: Word | None = Field(default=None, description="two mappings with this word: park")
    no_longer: Annotated[NoLongerBlock, ShortFor("then", _LEAVING)] = NoLongerBlock(then="keep")
    ask_after: Duration | None = Field(
        default=None, description="a creation delayed longer waits for a person"
    )
    active_order: Literal["ignore"] | ActiveOrderBlock | None = Field(
        default=None,
        description="what concerns an active order becomes a comment on it; ignore: an incident",
    )


class OpenBlock(Block):
    """`open:`."""

    to_vendor: OpeningBlock | None = None
    to_itsm: OpeningBlock | None = None
    since: Literal["first_live"] = "first_live"
    at_most: RateText | None = Field(default=None, description="beyond it the mapping pauses")


# --- references, comments, attachments -----------------------------------------------------------


class ReferenceBlock(Block):
    """One side shows the other's number."""

    field: Text | None = Field(default=None, description="the field that shows it")
    value: Literal["number", "id"] = "number"
    marker: Text | None = Field(default=None, description="the text that carries our marker")


class ReferencesBlock(Block):
    """`references:`."""

    on_itsm: ReferenceBlock | None = None
    on_vendor: ReferenceBlock | None = None


class AuthorBlock(Block):
    """Who said it."""

    is_: Texts = Field(default=(), alias="is")
    not_: Texts = Field(default=(), alias="not")


class BodyBlock(Block):
    """What was said."""

    matches: Text


class CommentTestBlock(Block):
    """Selects comments; every part that is given must hold."""

    kind: CommentKind | None = None
    author: Annotated[AuthorBlock, ShortFor("is", _TEXTS)] | None = None
    body: BodyBlock | None = None


class CommentsBlock(Block):
    """Comments in one direction."""

    share: list[CommentTestBlock] | None = Field(
        default=None,
        description="what leaves; private ones only under a rule that names their kind",
    )
    skip: list[CommentTestBlock] = Field(default_factory=list, description="what does not leave")
    text: Text | None = Field(
        default=None, description="a template over author, body, itsm, vendor"
    )
    as_: CommentKind = Field(default=CommentKind.COMMENT, alias="as")
    relay: bool = Field(
        default=False, description="also what another link of the ticket wrote there"
    )
    history: Literal["none", "all"] = Field(
        default="none", description="what was said before linking"
    )
    closed: Literal["follow_up"] | None = Field(
        default=None, description="what is said to a closed ticket opens a new one that names it"
    )


class AttachmentsBlock(Block):
    """Attachments in one direction."""

    relay: bool = Field(
        default=False, description="also what another link of the ticket wrote there"
    )
    max_size: Size | None = None
    allow: Texts = Field(default=(), description="accepted extensions; any where empty")
    deny: Texts = Field(default=(), description="refused extensions; `executable` names many")
    else_: CommentKind | None = Field(
        default=None, alias="else", description="a note naming what cannot be carried"
    )


class CommentsBothBlock(Block):
    """`comments:`."""

    to_vendor: CommentsBlock | None = None
    to_itsm: CommentsBlock | None = None


class AttachmentsBothBlock(Block):
    """`attachments:`."""

    to_vendor: AttachmentsBlock | None = None
    to_itsm: AttachmentsBlock | None = None


class NoteBlock(Block):
    """One note that goes out when any of some fields changed on the other side."""

    when_changed: Texts = Field(description="fields of the other side")
    as_: CommentKind = Field(default=CommentKind.COMMENT, alias="as")
    text: Text = Field(description="a template over the other side's fields")


class NotesBlock(Block):
    """`notes:`."""

    to_vendor: list[NoteBlock] = Field(default_factory=list)
    to_itsm: list[NoteBlock] = Field(default_factory=list)


# --- fuses ---------------------------------------------------------------------------------------


class FuseBlock(Block):
    """How many linked tickets something may happen to at once."""

    at_least: Count = Field(description="so many always may")
    share: Share = Field(description="and so large a part of the mapping's links")


class FusesBlock(Block):
    """`fuses:`."""

    closed: FuseBlock | None = Field(default=None, description="beyond it the mapping pauses")
    changed: FuseBlock | None = Field(default=None, description="beyond it the mapping pauses")
    opened: FuseBlock | None = Field(default=None, description="where open.at_most says nothing")
    within: Duration | None = Field(default=None, description="what counts as at once")
    back_and_forth: RateText | None = Field(
        default=None, description="turns of one value; beyond it the ticket pauses"
    )


# --- the file ------------------------------------------------------------------------------------


class AccountBlock(ExpressionBlock):
    """The vendor connection a ticket names: an expression over it, and what it may give."""

    one_of: Annotated[list[Word], Field(min_length=1)] = Field(
        description="the connections it may name"
    )


class VendorBlock(Block):
    """`vendor:`."""

    connection: Word | AccountBlock
    kind: Word | None = Field(default=None, description="kind of ticket, where there are several")


class SideBlock(Block):
    """`itsm:`."""

    connection: Word
    kind: Word | None = Field(default=None, description="kind of ticket, where there are several")


class ProblemsBlock(Block):
    """`problems:`."""

    tell_itsm: CommentKind


class FieldsBlock(Block):
    """`fields:`."""

    to_vendor: dict[str, Annotated[FieldBlock, ShortFor("from", _TEXT)]] = Field(
        default_factory=dict
    )
    to_itsm: dict[str, Annotated[FieldBlock, ShortFor("from", _TEXT)]] = Field(default_factory=dict)
    both: dict[str, PairBlock] = Field(default_factory=dict)


class TestBlock(Block):
    """One of `tests:`, run by `syncd check`; `mapping_tests` reads what it says."""

    name: Text
    given: dict[str, Any] = Field(default_factory=dict)
    when: dict[str, Any] = Field(default_factory=dict)
    expect: dict[str, Any]


class MappingBlock(Block):
    """A mapping file."""

    mapping: Word = Field(description="equals the file's name")
    was: Word | None = Field(default=None, description="its former name")
    mode: MappingMode
    itsm: SideBlock
    vendor: VendorBlock
    problems: ProblemsBlock | None = None
    derive: dict[str, Expression] = Field(default_factory=dict)
    open: OpenBlock = OpenBlock()
    fuses: FusesBlock = FusesBlock()
    references: ReferencesBlock = ReferencesBlock()
    fields: FieldsBlock = FieldsBlock()
    status: StatusBlock | None = None
    comments: CommentsBothBlock = CommentsBothBlock()
    attachments: AttachmentsBothBlock = AttachmentsBothBlock()
    notes: NotesBlock = NotesBlock()
    tests: list[TestBlock] = Field(default_factory=list)


ExpressionBlock.model_rebuild()
ConditionBlock.model_rebuild()
