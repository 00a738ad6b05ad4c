"""The keys of a `telenor` connection in syncd.yaml beside those every connection has.

What Telenor's document leaves open is a setting with a default (Service Ticket API, section 9).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from syncd.model.secret import Secret
from syncd.model.texts import Bytes, LabelList, Seconds

Count = Annotated[int, Field(ge=1)]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class TelenorAuth(_Block):
    """How an access token is fetched.

    Spec: Service Ticket API, section 9, row 1 (OAuth 2.0, HTTP Basic with the application's id and
    secret, form-encoded body).
    """

    token_url: str
    client_id: str
    client_secret: Secret
    grant: Literal["password", "client_credentials"] = "password"
    # Apigee reads the id and secret as they stand; RFC 6749 would have them form-encoded (`basic`).
    client_auth: Literal["basic", "basic_plain", "form"] = "basic_plain"
    username: str | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _complete(self) -> "TelenorAuth":
        if self.grant == "password" and (not self.username or self.password is None):
            raise ValueError("grant `password` needs username and password (of the system user)")
        return self


class TelenorLimits(_Block):
    """Sizes beyond which we send nothing. Spec: Service Ticket API, section 9 (row on limits)."""

    comment_bytes: Bytes = 3900
    subject_chars: Count = 255
    description_chars: Annotated[int, Field(ge=200)] = 32_000
    text_chars: Count = 255
    attachment_bytes: Bytes = 25 * 1000 * 1000
    file_name_chars: Annotated[int, Field(ge=1, le=255)] = 255
    user_name_chars: Annotated[int, Field(ge=1, le=80)] = 80


class TelenorPace(_Block):
    """What we ask of Telenor at most. Spec: Service Ticket API, section 9 (start at 2 a second)."""

    requests_per_s: Annotated[float, Field(gt=0, le=1000)] = 2.0
    concurrency: Annotated[int, Field(ge=1, le=64)] = 1


class TelenorFeed(_Block):
    """How the activities feed is read.

    Attributes:
        page_size: items asked for in one page.
        pages_max: pages read in one poll; the rest is a gap for the next.
        overlap_s: how far behind the newest activity every poll reads again, in Telenor's time.
        overlap_items: items two pages share, so that nothing slips between them.
        sort_tolerance_s: disorder within a page that still counts as sorted.
        known_max: activity ids kept in the cursor.
        future_max_s: a date further ahead of us than this is not believed.
    """

    page_size: Annotated[int, Field(ge=2, le=2000)] = 100
    pages_max: Annotated[int, Field(ge=2, le=1000)] = 50
    overlap_s: Seconds = 120.0
    overlap_items: Annotated[int, Field(ge=1, le=500)] = 5
    sort_tolerance_s: Seconds = 5.0
    known_max: Annotated[int, Field(ge=100, le=100_000)] = 5000
    future_max_s: Seconds = 86400.0

    @model_validator(mode="after")
    def _consistent(self) -> "TelenorFeed":
        if self.sort_tolerance_s > self.overlap_s:
            raise ValueError("sort_tolerance_s may not exceed overlap_s")
        return self


class TelenorProbe(_Block):
    """How a write whose answer was lost is looked for.

    Attributes:
        search_pages: pages of newest cases read at most to cover the time of sending.
        details_max: candidates read in full at most.
        skew_s: how far Telenor's clock may differ from ours.
        looks: probes that must agree before absence is believed.
    """

    search_pages: Annotated[int, Field(ge=1, le=1000)] = 20
    details_max: Annotated[int, Field(ge=1, le=1000)] = 50
    skew_s: Seconds = 300.0
    looks: Annotated[int, Field(ge=1, le=100)] = 3


class TelenorSettle(_Block):
    """Seconds until absence may be believed, per kind of write; `read_s`: until a read is fresh."""

    create_s: Seconds = 300.0
    update_s: Seconds = 30.0
    status_s: Seconds = 30.0
    comment_s: Seconds = 60.0
    attachment_s: Seconds = 60.0
    read_s: Seconds = 5.0


class TelenorClosedLiterals(_Block):
    """The texts `isClosed` takes; the document does not give them (T9)."""

    true: str = "true"
    false: str = "false"


_EXECUTABLE = ("exe", "bat", "cmd", "com", "msi", "scr", "js", "vbs", "ps1", "sh", "jar", "dll")


class TelenorSettings(_Block):
    """A Telenor connection's own keys.

    Attributes:
        user_name: sent as X-User-Name and as `userName`: who we are in Telenor's audit (T15).
        auth: how a token is fetched.
        saml_token: X-Saml-Token, where Telenor has given one: needed to list an order's attachments
            by their own call; without it they are taken from the order's whole form (T1).
        application_id: X-Application-Id, likewise.
        saml_on_all_calls: send both with every call, not only the one that documents them.
        create_sends_user_name: send X-User-Name with creates too (T16).
        include_contact_in_create: send both contacts in the create's body, not only the one that
            the document's field list names (T6).
        unknown_author: author of a comment no activity tells the author of (T14).
        closed_literals: texts of `isClosed`.
        statuses: status literals of both kinds of ticket, as sent; what mappings must name (T9).
        order_done: statuses in which an order is processed no more, so that a problem with it is an
            incident; one with a closing date is done whatever its status.
        priorities: accepted priorities; empty: any (T27).
        denied_extensions: file name extensions never uploaded (I11).
    """

    user_name: Annotated[str, Field(min_length=1, max_length=80)]
    auth: TelenorAuth
    saml_token: Secret | None = None
    application_id: str | None = None
    saml_on_all_calls: bool = False
    create_sends_user_name: bool = False
    include_contact_in_create: bool = False
    unknown_author: str = "Telenor"
    closed_literals: TelenorClosedLiterals = TelenorClosedLiterals()
    statuses: LabelList = ("New", "Solved", "Customer Accepted")
    order_done: LabelList = ("Solved", "Customer Accepted")
    priorities: LabelList = ()
    denied_extensions: tuple[str, ...] = _EXECUTABLE
    limits: TelenorLimits = TelenorLimits()
    pace: TelenorPace = TelenorPace()
    feed: TelenorFeed = TelenorFeed()
    probe: TelenorProbe = TelenorProbe()
    settle: TelenorSettle = TelenorSettle()

    @model_validator(mode="after")
    def _complete(self) -> "TelenorSettings":
        if (self.saml_token is None) != (not self.application_id):
            raise ValueError("saml_token and application_id belong together")
        if self.saml_on_all_calls and (self.saml_token is None or not self.application_id):
            raise ValueError("saml_on_all_calls needs saml_token and application_id")
        return self
