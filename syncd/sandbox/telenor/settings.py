"""What the Telenor sandbox can be told, and the vendor's lists as far as they are known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.sandbox.server import SandboxSettings

PREFIX = "/service-tickets/v2"
"""Every path of the document starts with this."""

EXECUTABLES = frozenset(
    ("exe", "bat", "cmd", "com", "msi", "scr", "js", "vbs", "ps1", "sh", "jar", "dll")
)
"""File name endings refused (telenor.md section 9, an assumption)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One entry of the product categories call (I5).

    Args:
        name: `productCategoryName` of an incident.
        incident_types: `incidentType` values it allows.
        products: (id, name) pairs.
    """

    name: str
    incident_types: tuple[str, ...]
    products: tuple[tuple[str, str], ...] = ()


CATEGORIES = (
    Category(
        name="Ethernet Connect",
        incident_types=("Annen type feil", "Ikke på nett", "Treghet", "Ustabilitet"),
        products=(("01tb0000002oaMrAAI", "Ethernet Connect"),),
    ),
    Category(
        name="Nordic Connect",
        incident_types=("Annen type feil", "Ikke på nett", "Treghet", "Ustabilitet"),
        products=(("01tb0000002oaMsAAI", "Nordic Connect"),),
    ),
    Category(
        name="Mobil",
        incident_types=("Annen type feil", "Ingen dekning"),
        products=(("01tb0000002oaMtAAI", "Mobil"),),
    ),
)

TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "New": ("Solved",),
    "Solved": ("Customer Accepted", "New"),
    "Customer Accepted": (),
}
"""Status changes a client may make; the document has no table (section 4.4), this one is ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelenorSandboxSettings(SandboxSettings):
    """Settings of the Telenor sandbox; section numbers are those of telenor.md.

    Args:
        client_id, client_secret: the developer portal's application, HTTP Basic (section 9).
        username, password: the system user (section 9).
        organizations: organisation numbers the system user may see (section 2); () all.
        categories: what I5 and O5 answer and the writes accept.
        check_categories: refuse categories and incident types that I5 does not list.
        transitions: status a client may go to, by present status; others get 403001.
        closed_statuses: statuses that set `closedDate`.
        first_status: status of a new incident or order.
        activity_sort_fields, list_sort_fields: `sortField` values accepted (T10); others 400002.
        comment_max_bytes, subject_max_chars, description_max_chars, file_name_max_chars,
            attachment_max_bytes: the vendor's limits (section 9).
        search_lag_s, list_lag_s, feed_lag_s: how old a state I1 with `search`, I1 and I4, and I3
            show, in seconds.
        search_comments: whether `search` looks into comments (T30).
        comment_touches: whether a comment moves `lastModifiedDate` (section 10: not stated).
        wants_saml: O10 asks for the two headers it names as mandatory (section 2).
        plain_200: answer 200 where the document lists 201 or 204 (T3).
        whole_seconds: cut dates to seconds, as all samples show them.
        oddities: show the document's oddities T2, T4, T7, T26 on some tickets.
    """

    client_id: str = "acme"
    client_secret: str = "telenor-secret"
    username: str = "acme-system"
    password: str = "telenor-password"
    organizations: tuple[str, ...] = ()
    categories: tuple[Category, ...] = CATEGORIES
    check_categories: bool = True
    transitions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(TRANSITIONS))
    closed_statuses: tuple[str, ...] = ("Customer Accepted",)
    first_status: str = "New"
    activity_sort_fields: tuple[str, ...] = ("lastActivity", "activityId", "id", "caseId")
    list_sort_fields: tuple[str, ...] = (
        "caseNumber",
        "status",
        "location",
        "identificationNumber",
        "incidentType",
        "lastActivity",
        "createdDate",
        "lastModifiedDate",
        "subject",
        "priority",
    )
    comment_max_bytes: int = 4000
    subject_max_chars: int = 255
    description_max_chars: int = 32_000
    file_name_max_chars: int = 255
    attachment_max_bytes: int = 25 * 1024 * 1024
    search_lag_s: float = 0.0
    list_lag_s: float = 0.0
    feed_lag_s: float = 0.0
    search_comments: bool = False
    comment_touches: bool = False
    wants_saml: bool = True
    plain_200: bool = False
    whole_seconds: bool = True
    oddities: bool = True
