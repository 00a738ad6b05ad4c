"""The two parallel trees of the API, incidents and orders: fields, paths, and what differs; pure.

Everything else in this package is written once, for a `Tree`.

Spec: Service Ticket API, sections 5 to 7.
"""

from collections.abc import Mapping
from dataclasses import dataclass

UPDATE = frozenset({"update"})
_CREATE = frozenset({"create"})
_BOTH = _CREATE | UPDATE

CONTACT_PARTS: Mapping[str, str] = {"name": "name", "email": "email", "phone": "phone"}
"""Neutral part -> Telenor's. Spec: section 4.4, Contact."""
ADDRESS_PARTS: Mapping[str, str] = {
    "street": "street",
    "floor": "floor",
    "zip_code": "zipCode",
    "city": "city",
    "address_id": "addressId",
}
"""Neutral part -> Telenor's. Spec: section 4.4, Address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A neutral field and where Telenor keeps it.

    Attributes:
        name: neutral name.
        wire: Telenor's name.
        kind: `text`, `line` (a text of one line), `label`, `number`, `contact`, `address` or
            `time`.
        writable: kinds of write that can set it.
        clearable: may be emptied by an empty text.
        source: section of the document.
    """

    name: str
    wire: str
    kind: str
    writable: frozenset[str] = frozenset()
    clearable: bool = False
    source: str = "section 5"

    @property
    def parts(self) -> Mapping[str, str]:
        """Neutral part -> Telenor's, of a structure; empty for anything else."""
        return {"contact": CONTACT_PARTS, "address": ADDRESS_PARTS}.get(self.kind, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One kind of ticket: all that tells incidents from orders.

    Attributes:
        kind: as mappings name it; the document's word for one ticket.
        plural: in paths and as the name of lists.
        letter: of the document's numbers for the calls (I1, O1).
        fields: neutral name -> where it stands.
        key_field: Telenor's field that holds our key alone; empty: the key is a marker in the
            description.
        sets_status: there is a call to change the status.
        guards_attachments: listing attachments takes the two leftover headers.
    """

    kind: str
    plural: str
    letter: str
    fields: Mapping[str, Field]
    key_field: str = ""
    sets_status: bool
    guards_attachments: bool

    def operation(self, incident_name: str) -> str:
        """Name this tree's request, in logs, after the incidents' of the same kind."""
        if self.kind == "incident":
            return incident_name
        if "incident" in incident_name:
            return incident_name.replace("incident", self.kind)
        return f"{self.kind}_{incident_name}"

    def call(self, number: int) -> str:
        """Give a call's number in the document: I7, O7."""
        return f"{self.letter}{number}"


def _rows(source: str, *rows: Field) -> Mapping[str, Field]:
    return {
        row.name: Field(
            name=row.name,
            wire=row.wire,
            kind=row.kind,
            writable=row.writable,
            clearable=row.clearable,
            source=source if row.source == "section 5" else row.source,
        )
        for row in rows
    }


def _field(
    name: str,
    wire: str,
    kind: str,
    writable: frozenset[str] = frozenset(),
    *,
    clear: bool = False,
    source: str = "section 5",
) -> Field:
    return Field(name=name, wire=wire, kind=kind, writable=writable, clearable=clear, source=source)


_NUMBER = _field("number", "caseNumber", "line")
_TITLE = _field("title", "subject", "line", _BOTH)
_DESCRIPTION = _field("description", "description", "text", _BOTH, clear=True)
_PRIORITY = _field("priority", "priority", "label", _BOTH)
_LOCATION = _field("location", "location", "line", _BOTH, clear=True)
_CATEGORY = _field("product_category_name", "productCategoryName", "label", _BOTH)
_ORGANIZATION = _field("organization_number", "organizationNumber", "line", _BOTH)
_OWNER = _field("owner", "owner", "line")
_CALLER = _field("caller", "createdBy", "line", _CREATE)
_CLOSED_AT = _field("closed_at", "closedDate", "time")

INCIDENT = Tree(
    kind="incident",
    plural="incidents",
    letter="I",
    fields=_rows(
        "section 5",
        _NUMBER,
        _TITLE,
        _DESCRIPTION,
        _field(
            "status",
            "status",
            "label",
            frozenset({"status"}),
            source="section 6, I19; section 8, T9",
        ),
        _field("status_reason", "statusReason", "label"),
        _PRIORITY,
        _LOCATION,
        _CATEGORY,
        _field("incident_type", "incidentType", "label", _BOTH),
        _field("identification_number", "identificationNumber", "line", _BOTH, clear=True),
        _ORGANIZATION,
        _field("root_cause", "rootCause", "line"),
        _field("root_cause_description", "rootCauseDescription", "text"),
        _OWNER,
        _CALLER,
        _field("local_contact", "localContact", "contact", _BOTH),
        _field("contact", "contact", "contact", UPDATE),
        _CLOSED_AT,
    ),
    sets_status=True,
    guards_attachments=False,
)
"""Incidents. Spec: Service Ticket API, sections 5 and 6."""

ORDER = Tree(
    kind="order",
    plural="orders",
    letter="O",
    fields=_rows(
        "section 7",
        _NUMBER,
        _TITLE,
        _DESCRIPTION,
        _field("status", "status", "label", source="section 7; there is no call to change it"),
        _field("reason", "reason", "label", _BOTH),
        _field("type", "type", "label", _BOTH),
        _PRIORITY,
        _LOCATION,
        _field("product", "product", "line", _BOTH),
        _field("quantity", "quantity", "number", _BOTH),
        _field("order_reference", "orderReference", "line", _BOTH, clear=True),
        # Ours alone: whatever a mapping wrote there, a lost create would not be found again.
        _field(
            "customer_reference",
            "customerReference",
            "line",
            source="section 7; section 10: it always holds syncd's own key",
        ),
        _CATEGORY,
        _field("product_id", "productId", "label", _BOTH),
        _field("product_name", "productName", "line", _BOTH),
        _field("installation_address", "installationAddress", "address", _BOTH),
        _ORGANIZATION,
        _field("origin_detail", "originDetail", "line"),
        _field("internal_sub_system_reference", "internalSubSystemReference", "line"),
        _OWNER,
        _CALLER,
        _field("contact", "contact", "contact", _BOTH),
        _field("local_contact", "localContact", "contact", UPDATE),
        _CLOSED_AT,
    ),
    key_field="customerReference",
    sets_status=False,
    guards_attachments=True,
)
"""Orders. Spec: Service Ticket API, section 7."""

TREES: Mapping[str, Tree] = {tree.kind: tree for tree in (INCIDENT, ORDER)}
"""Kind of ticket -> its tree."""

FIELD_KINDS: Mapping[str, Field] = {**ORDER.fields, **INCIDENT.fields}
"""Neutral name -> its row in any tree: a name has one kind of value wherever it stands."""
