"""The two trees of tickets, incidents (sections 5 and 6) and orders (section 7): what each has."""

from dataclasses import dataclass

AGENT_FIELDS = ("statusReason", "caseAssignedTo")
"""What only people at Telenor write, in both trees here (the document shows less of orders)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One of the two parallel trees of the API.

    Attributes:
        name: one ticket's word (`incident`); `plural` stands in paths and lists.
        texts, numbers, addresses: what a client may write, by type; contacts are in both trees.
        agent_texts: text fields only people at Telenor write.
        list_only: fields that list items have and the whole form has not.
        whole_only: the other way round.
        sets_status: there is a call to change the status (I19).
        comment_status: what adding a comment answers.
        bans_executables: said of this tree's uploads (I11).
        saml_attachments: listing attachments takes the two leftover headers (O10).
    """

    name: str
    plural: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    agent_texts: tuple[str, ...]
    list_only: tuple[str, ...] = ()
    whole_only: tuple[str, ...] = ()
    sets_status: bool
    comment_status: int
    bans_executables: bool
    saml_attachments: bool

    @property
    def writable(self) -> tuple[str, ...]:
        """Every field a client may write, contacts aside."""
        return (*self.texts, *self.numbers, *self.addresses)

    def operation(self, incident_name: str) -> str:
        """Give the name of this tree's call from that of the incidents' call."""
        if self is INCIDENTS:
            return incident_name
        if "incident" in incident_name:
            return incident_name.replace("incident", self.name)
        return f"{self.name}_{incident_name}"


INCIDENTS = Tree(
    name="incident",
    plural="incidents",
    texts=(
        "subject",
        "description",
        "identificationNumber",
        "priority",
        "productCategoryName",
        "incidentType",
        "location",
        "organizationNumber",
    ),
    agent_texts=("rootCause", "rootCauseDescription", *AGENT_FIELDS),
    list_only=("owner",),
    whole_only=("caseAssignedTo",),
    sets_status=True,
    comment_status=201,
    bans_executables=True,
    saml_attachments=False,
)
ORDERS = Tree(
    name="order",
    plural="orders",
    texts=(
        "organizationNumber",
        "reason",
        "type",
        "subject",
        "description",
        "location",
        "product",
        "priority",
        "orderReference",
        "customerReference",
        "productCategoryName",
        "productId",
        "productName",
    ),
    numbers=("quantity",),
    addresses=("installationAddress",),
    agent_texts=("originDetail", "internalSubSystemReference", "owner", *AGENT_FIELDS),
    sets_status=False,
    comment_status=200,
    bans_executables=False,
    saml_attachments=True,
)
