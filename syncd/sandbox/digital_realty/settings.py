"""What the Digital Realty sandbox can be told, and the document's tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.sandbox.server import SandboxSettings

ROOT = "/v1/customer-support-tickets"
"""Path of the ticket calls (section 4)."""

TOKEN_PATH = "/v2/auth/token"
"""Path of the Access Token API (section 8)."""

OPEN_STATUSES = ("New", "In Progress")
STATUSES = (*OPEN_STATUSES, "Completed", "Cancelled")
"""Values of the `status` filter (section 5.2)."""

CANCEL_REASONS = (
    "Duplicate request",
    "Request entered in error",
    "Request no longer needed",
)
CANCEL_REASON = "Request no longer needed"
"""Values of `cancelReason` and the one taken where none is given (section 5.5)."""

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "Account Management": ("User Account Inquiry",),
    "Accounts Receivable": ("General Billing Inquiry",),
    "Facilities Request": (
        "Cooling - Datacenter",
        "Cooling - Office",
        "Electrical",
        "Fire/Safety",
        "Planned Maintenance",
    ),
    "Amenities": ("Elevator", "Loading Dock", "Parking", "General Inquiry"),
    "Cross Connect": ("New Install", "Change (Hot Cut)", "Disconnect"),
}
"""Request type to its categories (section 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A legal entity, named by two headers in every call (section 2)."""

    master_account_id: str
    account_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A facility with the names of its rooms (section 8)."""

    code: str
    city: str
    country: str
    locations: tuple[str, ...] = ()


ACCOUNTS = (
    Account(master_account_id="100123", account_id="A1", name="Acme Amsterdam"),
    Account(master_account_id="100123", account_id="A2", name="Acme London"),
)

SITES = (
    Site(
        code="AMS011",
        city="Amsterdam",
        country="Netherlands",
        locations=("Room 01", "Room 02 Acme Cage 2.04"),
    ),
    Site(code="LON003", city="London", country="United Kingdom", locations=("Suite 3 Acme Cage",)),
    Site(
        code="PHX015",
        city="Phoenix",
        country="United States",
        locations=("COLO 8 Acme Cage 8.04",),
    ),
    Site(code="IAD024", city="Ashburn", country="United States", locations=("Acme Cage F150-B",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalRealtySandboxSettings(SandboxSettings):
    """Settings of the Digital Realty sandbox; section numbers are those of digital_realty.md.

    Args:
        client_id, client_secret: the portal's App (section 8).
        accounts: legal entities; the first is where people's tickets go unless told otherwise.
        sites: facilities; a create at another site is refused while `check_sites` is set.
        categories: request types and their categories (section 6).
        client_name: `createdBy` and `commentedBy` of what the client under test writes (D9).
        check_sites: refuse sites that are not in `sites`.
        put_extra: what a PUT with title or description gets: refuse, ignore or accept (D2).
        closed_code: status code of a write that the ticket's status forbids (D18).
        create_code: status code of a successful POST (D17).
        page_size_max: larger pages are cut to this many items; None never (section 5.2).
        list_order: order of the list: newest, oldest or updated (the latest change first; D11).
        pageable_at_top: page members stand at top level instead of in `pageable` (D14).
        categories_need_type: refuse the categories call without `requestType` (D3).
        comments_as: how comments are shown: objects, strings or text (D1).
        comment_touches: whether a comment moves `updatedOn` (D12).
        cancel_closes: whether cancelling sets `closedOn` (D6).
        notifications_allowed: whether the user may read notifications (section 8).
        title_max_chars, location_max_chars, reference_max_chars, text_max_chars,
            comment_max_chars: the vendor's limits (sections 3 and 8); 32k is 32,000 (D10).
        attachment_max_bytes: the document names no limit (section 8).
        list_lag_s: how old a state the list shows, in seconds.
        oddities: error bodies of several shapes, `comments` as "", misspelt key (D1, D18).
    """

    client_id: str = "acme"
    client_secret: str = "dlr-secret"
    accounts: tuple[Account, ...] = ACCOUNTS
    sites: tuple[Site, ...] = SITES
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(CATEGORIES))
    client_name: str = "portaluser Acme API"
    check_sites: bool = True
    put_extra: str = "refuse"
    closed_code: int = 400
    create_code: int = 201
    page_size_max: int | None = None
    list_order: str = "newest"
    pageable_at_top: bool = False
    categories_need_type: bool = False
    comments_as: str = "objects"
    comment_touches: bool = False
    cancel_closes: bool = False
    notifications_allowed: bool = False
    title_max_chars: int = 160
    location_max_chars: int = 40
    reference_max_chars: int = 40
    text_max_chars: int = 32_000
    comment_max_chars: int = 4_000
    attachment_max_bytes: int = 25 * 1024 * 1024
    list_lag_s: float = 0.0
    oddities: bool = True

    def __post_init__(self) -> None:
        _one_of("put_extra", self.put_extra, "refuse", "ignore", "accept")
        _one_of("list_order", self.list_order, "newest", "oldest", "updated")
        _one_of("comments_as", self.comments_as, "objects", "strings", "text")


def _one_of(name: str, value: str, *accepted: str) -> None:
    if value not in accepted:
        raise ValueError(f"{name}: {value} is none of {', '.join(accepted)}")
