"""The keys of a `sipsynergy` connection in syncd.yaml beside those every connection has.

What the document leaves open, its way of logging in included, is a setting with a default
(Tickets Microservice, sections 6 and 8).
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from syncd.model.secret import Secret
from syncd.model.texts import Bytes, LabelList, Seconds, Zone

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _header_name(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header")
    if name.lower() in {"authorization", "host", "content-length", "content-type"}:
        raise ValueError(f"{name}: say under `auth` how to log in; the rest is set by syncd")
    return name


Count = Annotated[int, Field(ge=1)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HumanId = Annotated[str, Field(min_length=1, max_length=128)]
Period = Literal["weekly", "monthly"]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class SipSynergyAuth(_Block):
    """How requests say who we are; the document does not tell.

    `kind: bearer` needs `token`; `api_key` needs `key`; `client_credentials` (the company's own
    OAuth server elsewhere) needs `token_url`, `client_id` and `client_secret`; `none` nothing.

    Spec: Tickets Microservice, introduction; section 8, row 1.
    """

    kind: Literal["bearer", "api_key", "client_credentials", "none"] = "bearer"
    token: Secret | None = None
    key: Secret | None = None
    key_header: HeaderName = "X-API-KEY"
    token_url: str = ""
    client_id: str = ""
    client_secret: Secret | None = None
    client_auth: Literal["basic", "basic_plain", "form"] = "basic"
    scope: str = ""

    @model_validator(mode="after")
    def _complete(self) -> "SipSynergyAuth":
        needed: dict[str, dict[str, object]] = {
            "bearer": {"token": self.token},
            "api_key": {"key": self.key},
            "client_credentials": {
                "token_url": self.token_url,
                "client_id": self.client_id,
                "client_secret": self.client_secret,
            },
            "none": {},
        }
        missing = [name for name, value in needed[self.kind].items() if not value]
        if missing:
            raise ValueError(f"kind `{self.kind}` needs {', '.join(missing)}")
        return self


class SipSynergyContacts(_Block):
    """The `attributes` object of a create (S5) and the call that reads attributes.

    Attributes:
        send: send it with every create.
        preferred_contact_method: where the mapping says nothing; the object's one required part.
        read: read a ticket's attributes with the ticket, one request more.
    """

    send: bool = True
    preferred_contact_method: Annotated[str, Field(min_length=1, max_length=64)] = "email"
    read: bool = True


class SipSynergyReport(_Block):
    """The report, the only place that tells a status (S13).

    Attributes:
        weekly, monthly: how often each is read; 0 for never.
        zone: zone of its `resolutionDate` (S19).
    """

    weekly: Seconds = 15 * 60.0
    monthly: Seconds = 6 * 3600.0
    zone: Zone = "UTC"

    @property
    def periods(self) -> tuple[tuple[Period, float], ...]:
        """The periods that are read with their pace in seconds, the longest period first."""
        pace: tuple[tuple[Period, float], ...] = (
            ("monthly", self.monthly),
            ("weekly", self.weekly),
        )
        return tuple((period, every_s) for period, every_s in pace if every_s > 0)


class SipSynergySweep(_Block):
    """How often tickets are read whole though the list shows no change: comments move nothing.

    Attributes:
        active: every ticket that moved within `active_for` is read once in this time.
        rest: every other; 0 for never.
        active_for: since its `dateUpdated`, or a change of what the report tells.
        per_poll: tickets at most in one poll.
    """

    active: Annotated[Seconds, Field(ge=1)] = 15 * 60.0
    rest: Seconds = 2 * 86400.0
    active_for: Seconds = 14 * 86400.0
    per_poll: Annotated[int, Field(ge=1, le=1000)] = 20


class SipSynergyLimits(_Block):
    """Sizes beyond which we send or read nothing; the document states none."""

    title_chars: Annotated[int, Field(ge=120, le=10_000)] = 255
    description_chars: Annotated[int, Field(ge=200)] = 32_000
    comment_chars: Annotated[int, Field(ge=200)] = 32_000
    text_chars: Count = 255
    list_bytes: Bytes = 64 * 2**20


class SipSynergyPace(_Block):
    """What we ask of the service at most; the document states no rate."""

    requests_per_s: Annotated[float, Field(gt=0, le=1000)] = 2.0
    concurrency: Annotated[int, Field(ge=1, le=64)] = 2


class SipSynergyProbe(_Block):
    """How a write whose answer was lost is looked for.

    Attributes:
        looks: probes that must agree before absence is believed (section 7: two reads).
        skew_s: how far their clock may differ from ours.
    """

    looks: Annotated[int, Field(ge=1, le=100)] = 2
    skew_s: Seconds = 300.0


class SipSynergySettle(_Block):
    """Seconds until absence may be believed, per kind of write; `read_s`: until a read is fresh."""

    create_s: Seconds = 120.0
    update_s: Seconds = 30.0
    comment_s: Seconds = 60.0
    delete_s: Seconds = 30.0
    read_s: Seconds = 5.0


class SipSynergySettings(_Block):
    """A SIP Synergy connection's own keys.

    Attributes:
        user_human_id: the user we are: `userHumanId` of comments, `reporterHumanId` of creates.
        auth: how we log in.
        headers: further headers of every request.
        organisation_human_id, contract_human_id, tenant_human_id: what a create names where the
            mapping sets no such field.
        comment_path: where comments are made first (S3).
        comment_fallback: on 404 or 405 try the other path, once.
        marker: where a create carries its key (R4).
        statuses: labels the report shows; what mappings must name.
        priorities: likewise, by their leading `P1` (S17); empty: any.
        authors: human id -> name shown as a comment's author.
        unknown_author: author of a comment without `userHumanId`.
        contacts, report, sweep, limits, pace, probe, settle: see there.
    """

    user_human_id: HumanId
    auth: SipSynergyAuth
    headers: dict[HeaderName, str | Secret] = Field(default_factory=dict)
    organisation_human_id: str = ""
    contract_human_id: str = ""
    tenant_human_id: str = ""
    comment_path: Literal["ticket", "comments"] = "ticket"
    comment_fallback: bool = True
    marker: Literal["title", "description"] = "title"
    statuses: LabelList = ("New",)
    priorities: LabelList = ()
    authors: dict[HumanId, str] = Field(default_factory=dict)
    unknown_author: str = "SIP Synergy"
    contacts: SipSynergyContacts = SipSynergyContacts()
    report: SipSynergyReport = SipSynergyReport()
    sweep: SipSynergySweep = SipSynergySweep()
    limits: SipSynergyLimits = SipSynergyLimits()
    pace: SipSynergyPace = SipSynergyPace()
    probe: SipSynergyProbe = SipSynergyProbe()
    settle: SipSynergySettle = SipSynergySettle()
