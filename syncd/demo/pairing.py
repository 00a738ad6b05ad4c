"""What the demo's mappings promise, one value a vendor: what crosses, what does not. Pure.

The judge holds the records against these values and not against the files in setup/mappings, so
that a mistake in reading those shows. The ITSM's side is the same for all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SKIPPED_WORD = "Auto-reply"
"""A vendor's comment that begins so is not carried."""
CLOSED = ("Resolved", "Closed", "Cancelled")
"""ITSM statuses in which a ticket no longer gets a partner."""

ITSM_NAMES: Mapping[str, str] = {
    "shortDescription": "title",
    "longDescription": "description",
    "ticketPriority": "priority",
    "ticketStatus": "status",
    "u_site": "location",
    "assignedGroup": "group",
}
"""The ITSM's names of the fields people change here, to ours."""


class Side(StrEnum):
    """Which system."""

    ITSM = "itsm"
    VENDOR = "vendor"

    @property
    def other(self) -> "Side":
        """The system across."""
        return Side.VENDOR if self is Side.ITSM else Side.ITSM


@dataclass(frozen=True, slots=True)
class Effect:
    """What a status does across: sets one (or says so where that does not apply), or says so.

    Attributes:
        sets: the status it sets; "" for one that is said.
        only_from: it sets only while the other side is in these, and does nothing else.
    """

    sets: str = ""
    only_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """One vendor and what is to cross between it and the ITSM.

    Attributes:
        name: of the vendor's provider.
        title: for people who look on.
        connection: its name in setup/syncd.yaml.
        mappings: files in setup/mappings that need it, without `.yaml`.
        group: ITSM tickets of this group get a partner.
        partner_if: neutral field and value of the vendor's tickets that get one; None: none do.
        vendor_names: the vendor's names of the fields people change here, to ours.
        copy_field: the vendor's name of the field by which our copy is recognised.
        share_word: a work note that begins so is shared; "" shares none.
        comments_to: the sides that are told what people say on the other.
        are_files_told: a file at the vendor is named in a note of the ITSM.
        carried: by side, fields whose changes there are written on the other.
        kept_equal: fields that must end equal on both sides.
        said: by side, fields whose changes there are said on the other, and the words by which a
            value without a token is known, `{}` being the value.
        values: by field, the vendor's label to the ITSM's.
        chosen: by field, what the vendor itself gives to a ticket we opened; may be carried once.
        effects: by the side a status changed on; what is absent does nothing.
    """

    name: str
    title: str
    connection: str
    mappings: tuple[str, ...]
    group: str
    vendor_names: Mapping[str, str]
    copy_field: str
    partner_if: tuple[str, str] | None = None
    share_word: str = ""
    comments_to: frozenset[Side] = frozenset(Side)
    are_files_told: bool = False
    carried: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    kept_equal: tuple[str, ...] = ()
    said: Mapping[Side, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    effects: Mapping[Side, Mapping[str, Effect]] = field(default_factory=dict)

    def names(self, side: Side) -> Mapping[str, str]:
        """A side's names of fields, to ours."""
        return ITSM_NAMES if side is Side.ITSM else self.vendor_names


ORGANIZATION = "912345678"
"""Ours at Telenor."""
ORGANISATION_ID = "ORG-2134-342"
"""Ours at SIP Synergy."""
_CRITICAL_TO_LOW = {"Critical": "1", "High": "2", "Medium": "3", "Low": "4"}

TELENOR = Pairing(
    name="telenor",
    title="Telenor",
    connection="telenor-no",
    mappings=("telenor-incidents", "automation-incidents"),
    group="Telenor NOC",
    partner_if=("organization", ORGANIZATION),
    vendor_names={
        "subject": "title",
        "description": "description",
        "priority": "priority",
        "location": "location",
        "organizationNumber": "organization",
        "rootCause": "root_cause",
    },
    copy_field="subject",
    share_word="@telenor ",
    are_files_told=True,
    carried={Side.ITSM: ("title", "priority", "location"), Side.VENDOR: ("title", "priority")},
    kept_equal=("title", "priority"),
    said={Side.ITSM: {"description": "{}"}, Side.VENDOR: {"description": "{}"}},
    values={"priority": _CRITICAL_TO_LOW},
    effects={
        Side.VENDOR: {"Solved": Effect("Resolved"), "Customer Accepted": Effect("Closed")},
        Side.ITSM: {
            "In Progress": Effect("New"),
            "Resolved": Effect(),
            "Closed": Effect("Customer Accepted"),
            "Cancelled": Effect(),
        },
    },
)

DIGITAL_REALTY = Pairing(
    name="digital_realty",
    title="Digital Realty",
    connection="dlr-ams",
    mappings=("dlr-support",),
    group="Digital Realty",
    vendor_names={"title": "title", "description": "description"},
    copy_field="title",
    share_word="@dlr ",
    said={Side.ITSM: {"title": "{}", "description": "{}"}},
    effects={
        Side.VENDOR: {
            "In Progress": Effect("In Progress", only_from=("New",)),
            "Completed": Effect("Resolved"),
            "Cancelled": Effect(),
        },
        Side.ITSM: {"On Hold": Effect(), "Resolved": Effect(), "Cancelled": Effect()},
    },
)

SIPSYNERGY = Pairing(
    name="sipsynergy",
    title="SIP Synergy",
    connection="sip",
    mappings=("sip-faults",),
    group="SIP Synergy NOC",
    partner_if=("organization", ORGANISATION_ID),
    vendor_names={
        "title": "title",
        "description": "description",
        "priority": "priority",
        "organisationHumanId": "organization",
    },
    copy_field="title",
    share_word="@sip ",
    carried={Side.ITSM: ("title",), Side.VENDOR: ("priority",)},
    said={Side.ITSM: {"description": "{}"}, Side.VENDOR: {"description": "{}"}},
    values={
        "priority": {
            f"P{number} - Priority {number}": str(min(number, 4)) for number in range(1, 6)
        }
    },
    chosen={"priority": "P5 - Priority 5"},
    effects={
        Side.VENDOR: {
            "Open": Effect("In Progress", only_from=("New",)),
            "On Hold": Effect("On Hold", only_from=("New", "In Progress")),
            "Resolved": Effect("Resolved"),
            "Closed": Effect("Closed"),
        },
        Side.ITSM: {"Resolved": Effect(), "Closed": Effect(), "Cancelled": Effect()},
    },
)

B612 = Pairing(
    name="b612",
    title="B-612",
    connection="hands",
    mappings=("b612-hands",),
    group="Remote Hands",
    vendor_names={
        "todo": "description",
        "priority": "priority",
        "total_expenses": "expenses",
        "status": "status",
    },
    copy_field="todo",
    comments_to=frozenset(),
    carried={Side.ITSM: ("description", "priority")},
    said={Side.VENDOR: {"expenses": "expenses {}."}},
    values={"priority": _CRITICAL_TO_LOW},
    effects={Side.VENDOR: {"Closed": Effect("Resolved")}},
)

PAIRINGS: Mapping[str, Pairing] = {
    each.name: each for each in (TELENOR, DIGITAL_REALTY, SIPSYNERGY, B612)
}
"""By the provider's name, in the order they are shown."""
