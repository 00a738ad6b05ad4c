"""The keys of an `rt` connection in syncd.yaml beside those every connection has."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from syncd.model.secret import Secret
from syncd.model.texts import Bytes, LabelList, Seconds
from syncd.providers.rt.mapping import FIELDS

Name = Annotated[str, Field(min_length=1, max_length=200)]
NeutralName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class RtAuth(_Block):
    """The API user's authentication token, as RT shows it once (Settings, Auth tokens)."""

    token: Secret


class RtField(_Block):
    """One custom field of the queues' tickets.

    Attributes:
        name: as RT has it.
        access: whether mappings may write it.
        max: longest text, in characters.
        values: those a select field has; empty: any.
    """

    name: Name
    access: Literal["read", "read_write"] = "read_write"
    max: Annotated[int, Field(ge=1, le=255)] = 255
    values: LabelList = ()


class RtLimits(_Block):
    """Sizes beyond which nothing is sent.

    Attributes:
        attachment_bytes: RT's own `MaxAttachmentSize`, beyond which it may cut a file silently.
    """

    text_bytes: Annotated[int, Field(ge=1000)] = 100_000
    attachment_bytes: Bytes = 10_000_000
    body_bytes: Bytes = 16 * 1024 * 1024


class RtPace(_Block):
    """What RT is asked to bear; each request costs it a fraction of a second of CPU."""

    requests_per_s: Annotated[float, Field(gt=0, le=1000)] = 10.0
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4


class RtFeed(_Block):
    """How the search for changed tickets is read.

    Attributes:
        page_size: tickets asked for in one page; RT gives 100 at most.
        pages_max: pages read in one poll; the rest is read in the next.
        overlap: how far behind RT's time every poll reads again.
        settle: a ticket that changed this lately is read once more when it no longer has: two
            changes within one second look alike in the list.
        history: how far back the first poll reads.
        known_max: tickets kept in mind within the overlap.
    """

    page_size: Annotated[int, Field(ge=2, le=100)] = 100
    pages_max: Annotated[int, Field(ge=2, le=1000)] = 20
    overlap: Seconds = 120.0
    settle: Seconds = 10.0
    history: Seconds = 86400.0
    known_max: Annotated[int, Field(ge=100, le=100_000)] = 20_000

    @model_validator(mode="after")
    def _consistent(self) -> "RtFeed":
        if self.settle >= self.overlap:
            raise ValueError("settle must be shorter than overlap")
        return self


class RtProbe(_Block):
    """How a write whose answer was lost is looked for.

    Attributes:
        pages_max: pages of our newest tickets read at most.
        skew: how far RT's clock may differ from ours.
        looks: probes that must agree before absence is believed.
    """

    pages_max: Annotated[int, Field(ge=1, le=1000)] = 20
    skew: Seconds = 120.0
    looks: Annotated[int, Field(ge=1, le=100)] = 2


class RtSettle(_Block):
    """Seconds until absence may be believed; `read`: until a read shows our write."""

    write: Seconds = 90.0
    attachment: Seconds = 300.0
    read: Seconds = 0.0


class RtSettings(_Block):
    """An RT connection's own keys; `base_url` is RT's web address, without `/REST/2.0`.

    Attributes:
        user: login of the API user whose token it is.
        auth: its token.
        queue: where tickets are opened when a mapping does not say.
        queues: the queues that are read; empty: all that the user may see.
        custom_fields: neutral name -> custom field of tickets.
        transaction_field: custom field of transactions that keeps the key of what we write; empty:
            our comments are recognised by their creator and text.
        ticket_field: custom field of tickets that keeps the key of what we open; empty: it is the
            last line of the description.
        files: whether files we add are a private comment or a public reply.
        private_files: files of private comments are read too, and then shared like any other.
        verify_files: read a file back after sending it, and compare.
        statuses: of all lifecycles in use.
    """

    user: Name
    auth: RtAuth
    queue: str = ""
    queues: LabelList = ()
    custom_fields: Mapping[NeutralName, RtField] = Field(default_factory=dict)
    transaction_field: str = ""
    ticket_field: str = ""
    files: Literal["private", "public"] = "private"
    private_files: bool = False
    verify_files: bool = True
    statuses: LabelList = ("new", "open", "stalled", "resolved", "rejected", "deleted")
    limits: RtLimits = RtLimits()
    pace: RtPace = RtPace()
    feed: RtFeed = RtFeed()
    probe: RtProbe = RtProbe()
    settle: RtSettle = RtSettle()

    @model_validator(mode="after")
    def _distinct(self) -> "RtSettings":
        taken = sorted(set(self.custom_fields) & set(FIELDS))
        if taken:
            raise ValueError(f"custom_fields: {', '.join(taken)} is a field every ticket has")
        names = [one.name.casefold() for one in self.custom_fields.values()]
        if len(set(names)) != len(names):
            raise ValueError("custom_fields: two names for one custom field")
        if self.ticket_field.casefold() in names:
            raise ValueError("ticket_field keeps our key: it is no field for mappings")
        return self
