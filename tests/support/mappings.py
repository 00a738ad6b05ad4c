"""Small mappings and traits for tests of the core."""

from collections.abc import Mapping

from syncd.core.rules import (
    AllOf,
    AttachmentRules,
    CommentRules,
    ConflictPolicy,
    Expression,
    FieldRule,
    FieldTest,
    MappingMode,
    MappingRules,
    OpeningRules,
    PairedField,
    Reference,
    StatusAction,
    StatusEffect,
    StatusRules,
)
from syncd.core.sources import FieldOf
from syncd.core.state import SideTraits
from syncd.core.template import compile_template
from syncd.model.features import Features, Reading, WriteFeature
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import CommentKind, FieldInfo, Value

ALL_WRITES = {kind: WriteFeature(marker=kind is WriteKind.COMMENT) for kind in WriteKind}
WRITABLE = frozenset({"create", "update"})
PHASES = {"open": ("New", "In Progress"), "resolved": ("Resolved", "Solved"), "closed": ("Closed",)}


def as_it_is(_name: str, value: Value) -> Value:
    """N that changes nothing but white space at the ends."""
    return value.strip() if isinstance(value, str) else value


def traits(
    *, writes: Mapping[WriteKind, WriteFeature] | None = None, settle_s: float = 0.0
) -> SideTraits:
    """A side that can do everything, or what is given."""
    names = ("title", "description", "priority", "vendor_ref")
    return SideTraits(
        features=Features(
            reading=Reading.FEED,
            kinds=frozenset({"ticket"}),
            writes=ALL_WRITES if writes is None else writes,
            comment_kinds=frozenset(CommentKind),
            attachments=True,
            settle_s=settle_s,
        ),
        normalise=as_it_is,
        fields={name: FieldInfo(name=name, writable=WRITABLE, max_chars=400) for name in names},
        phases=PHASES,
    )


def set_to(status: str, **more: str) -> StatusAction:
    """A status action that sets a status."""
    fields = {name: compile_template(text) for name, text in more.items()}
    return StatusAction(effect=StatusEffect.SET, status=status, fields=fields)


SAY = StatusAction(effect=StatusEffect.SAY)
NOTHING = StatusAction()

STATUS = StatusRules(
    to_itsm={"New": NOTHING, "Solved": set_to("Resolved"), "Closed": set_to("Closed")},
    to_vendor={
        "New": NOTHING,
        "In Progress": StatusAction(
            effect=StatusEffect.SET, status="New", only_from=("Solved",), otherwise=SAY
        ),
        "Resolved": SAY,
        "Closed": StatusAction(
            effect=StatusEffect.SET, status="Closed", only_from=("Solved",), otherwise=SAY
        ),
    },
)


def mapping(conflict: ConflictPolicy = ConflictPolicy.ITSM, **changes: object) -> MappingRules:
    """A mapping with one rule of each sort; `changes` replace fields of it."""
    parts: dict[str, object] = {
        "name": MappingName("test"),
        "mode": MappingMode.LIVE,
        "itsm": ConnectionName("desk"),
        "itsm_kind": "ticket",
        "vendor": ConnectionName("carrier"),
        "vendor_kind": "ticket",
        "open_to_vendor": OpeningRules(
            target_side=Side.VENDOR,
            when=AllOf((FieldTest(field="assigned_group", one_of=("NOC",)),)),
        ),
        "open_to_itsm": OpeningRules(target_side=Side.ITSM, when=AllOf()),
        "fields": (
            FieldRule(
                slot="to_vendor.title",
                target_side=Side.VENDOR,
                target="title",
                expression=Expression(source=FieldOf("title")),
            ),
            FieldRule(
                slot="to_vendor.description",
                target_side=Side.VENDOR,
                target="description",
                expression=Expression(source=FieldOf("description")),
            ),
        ),
        "paired": (
            PairedField(
                slot="both.priority",
                itsm="priority",
                vendor="priority",
                to_vendor={"1": "Critical", "2": "High", "3": "Medium"},
                to_itsm={"Critical": "1", "High": "2", "Medium": "3"},
                conflict=conflict,
            ),
        ),
        "status": STATUS,
        "comments": {
            Side.VENDOR: CommentRules(text=compile_template("{{ author }}: {{ body }}")),
            Side.ITSM: CommentRules(kind=CommentKind.WORK_NOTE),
        },
        "attachments": {Side.VENDOR: AttachmentRules(), Side.ITSM: AttachmentRules()},
        "references": (Reference(side=Side.ITSM, field="vendor_ref"),),
    }
    return MappingRules(**{**parts, **changes})  # type: ignore[arg-type]
