"""The keys of a `digital_realty` connection in syncd.yaml beside those every connection has.

What the vendor's document leaves open is a setting with a default (Customer Support Tickets API,
sections 7 and 8).
"""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from syncd.model.secret import Secret
from syncd.model.texts import Bytes, Seconds

_HEADER = re.compile(r"[\x21-\x7e]+")


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise ValueError("an account id is plain text without blanks")
    return value


def _path(value: str) -> str:
    if not value.startswith("/") or value.endswith("/") or "?" in value:
        raise ValueError("a path starts with / and ends without")
    return value


Count = Annotated[int, Field(ge=1)]
Pages = Annotated[int, Field(ge=1, le=1000)]
HeaderText = Annotated[str, Field(min_length=1, max_length=100), BeforeValidator(_header)]
UrlPath = Annotated[str, BeforeValidator(_path)]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class DigitalRealtyAuth(_Block):
    """How an access token is fetched.

    Attributes:
        client_id, client_secret: of the App in the developer portal.
        token_url: where; None: `/v2/auth/token` below the base URL.

    Spec: Customer Support Tickets API, section 8, Access Token API v2.
    """

    client_id: Annotated[str, Field(min_length=1, max_length=64)]
    client_secret: Secret
    token_url: str | None = None


class DigitalRealtyPaths(_Block):
    """Paths of the calls; those of the sister APIs are not in the vendor's document (section 8)."""

    tickets: UrlPath = "/v1/customer-support-tickets"
    comments: UrlPath = "/v1/comments"
    attachments: UrlPath = "/v1/attachments"
    accounts: UrlPath = "/v1/accounts"
    sites: UrlPath = "/v1/sites"
    locations: UrlPath = "/v1/locations"
    notifications: UrlPath = "/v1/notifications"


class DigitalRealtyLimits(_Block):
    """Sizes beyond which we send nothing.

    Spec: Customer Support Tickets API, section 3; section 7, D10 and D19; section 8, Comments API.
    """

    title_chars: Count = 160
    site_chars: Count = 6
    location_chars: Count = 40
    reference_chars: Count = 40
    text_chars: Count = 32_000
    comment_chars: Count = 4_000
    attachment_bytes: Bytes = 25 * 1000 * 1000
    file_name_chars: Annotated[int, Field(ge=1, le=255)] = 255


class DigitalRealtyPace(_Block):
    """What we ask at most; nothing is documented, 1 to 2 a second are assumed (section 8)."""

    requests_per_s: Annotated[float, Field(gt=0, le=1000)] = 1.5
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2


class DigitalRealtyScan(_Block):
    """How lists are read (sections 5.2 and 7, D11 to D14).

    Attributes:
        page_size: items asked for in one page; the document names no maximum.
        pages_max: pages read in one poll; the rest is read in the next.
        open_max: open tickets kept in the cursor, so that one which leaves the lists is noticed.
        reread_every: within this time each open ticket is read whole once, for a comment may move
            no date (D12); 0 never.
        reread_most: such reads one poll asks for at most.
        closed_every: a pass through the closed tickets begins so often; 0 never.
        closed_pages: pages of such a pass read in one poll.
        closed_history: closed tickets last changed longer than this before the first poll are
            history and never read.
    """

    page_size: Annotated[int, Field(ge=1, le=1000)] = 100
    pages_max: Annotated[int, Field(ge=2, le=1000)] = 50
    open_max: Annotated[int, Field(ge=100, le=100_000)] = 20_000
    reread_every: Seconds = 900.0
    reread_most: Annotated[int, Field(ge=1, le=1000)] = 20
    closed_every: Seconds = 6 * 3600.0
    closed_pages: Pages = 1
    closed_history: Seconds = 86400.0


class DigitalRealtyProbe(_Block):
    """How a write whose answer was lost is looked for (section 9).

    Attributes:
        pages_max: pages of each list read at most; a longer list says nothing of absence.
        details_max: candidates read in full at most.
        skew_s: how far the vendor's clock may differ from ours.
        looks: probes that must agree before absence is believed.
    """

    pages_max: Pages = 20
    details_max: Annotated[int, Field(ge=1, le=1000)] = 50
    skew_s: Seconds = 300.0
    looks: Annotated[int, Field(ge=1, le=100)] = 3


class DigitalRealtySettle(_Block):
    """Seconds until absence may be believed, per kind of write; `read_s`: until a read is fresh."""

    create_s: Seconds = 300.0
    update_s: Seconds = 30.0
    cancel_s: Seconds = 30.0
    comment_s: Seconds = 60.0
    read_s: Seconds = 5.0


class DigitalRealtyCategories(_Block):
    """How long the table of categories is believed, and for how long its absence (D3)."""

    keep: Seconds = 86400.0
    retry: Seconds = 600.0


class DigitalRealtySettings(_Block):
    """A Digital Realty connection's own keys.

    Attributes:
        master_account_id, account_id: the legal entity, headers of every call (section 2).
        auth: how a token is fetched.
        put_title_description: send title and description with updates too (D2).
        put_sends_both: an update always sends both of its fields, the one that does not change as
            it was read right before: whether an absent one is left alone is not documented (5.4).
        cancel_reason: why a ticket is cancelled where nothing says why (section 5.5).
        unknown_author: author of a comment that names none (D1).
    """

    master_account_id: HeaderText
    account_id: HeaderText
    auth: DigitalRealtyAuth
    put_title_description: bool = False
    put_sends_both: bool = True
    cancel_reason: str = "Request no longer needed"
    unknown_author: str = "Digital Realty"
    paths: DigitalRealtyPaths = DigitalRealtyPaths()
    limits: DigitalRealtyLimits = DigitalRealtyLimits()
    pace: DigitalRealtyPace = DigitalRealtyPace()
    scan: DigitalRealtyScan = DigitalRealtyScan()
    probe: DigitalRealtyProbe = DigitalRealtyProbe()
    settle: DigitalRealtySettle = DigitalRealtySettle()
    categories: DigitalRealtyCategories = DigitalRealtyCategories()

    @model_validator(mode="after")
    def _known_reason(self) -> "DigitalRealtySettings":
        accepted = (
            "Duplicate request", "Request entered in error", "Request no longer needed",
        )  # fmt: skip
        if self.cancel_reason not in accepted:
            raise ValueError(f"cancel_reason: accepted: {', '.join(accepted)}")
        return self
