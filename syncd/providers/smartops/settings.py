"""The keys of a `smartops` connection that only this provider has; secrets arrive resolved.

Keys that every connection may have (`poll`, `notify`, `values`, `phases`, `expect_news`, `support`,
time-outs) are read by `syncd.settings`.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from syncd.model.secret import Secret
from syncd.model.texts import Seconds, no_dots
from syncd.model.ticket import CommentKind, Visibility
from syncd.providers.smartops.client import Calls, FetchMethod
from syncd.providers.smartops.mapping import (
    NOTE_NAMES,
    STANDARD_NAMES,
    WRITABLE_STANDARD_NAMES,
    Access,
    FieldKind,
    Template,
    TemplateField,
)
from syncd.providers.smartops.serve_settings import SmartOpsServe
from syncd.providers.smartops.wire import FIELD_NAMES, NoteList, Surroundings

CallPath = Annotated[
    str, Field(pattern=r"^(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)+$"), AfterValidator(no_dots)
]
NeutralName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
TemplateKey = Annotated[str, Field(min_length=1, max_length=128)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class SmartOpsAuth(_Frozen):
    """How access tokens are got; which grant follows from what is given.

    `offline_token` (redeemed, and kept when rotated), `client_secret` alone (client credentials),
    or `access_token` (as it is, never refreshed).

    Spec: §7.1 Keycloak facts (redeeming); §7.4, as client.
    """

    token_url: str = Field(default="", description="Keycloak's token endpoint")
    client_id: str = Field(default="", description="the client the token was issued to")
    client_secret: Secret | None = None
    offline_token: Secret | None = None
    access_token: Secret | None = None
    scope: str = Field(default="", description="scopes asked for, separated by spaces")

    @property
    def grant(self) -> Literal["access_token", "refresh_token", "client_credentials"]:
        """The grant that follows from what is given."""
        if self.access_token is not None:
            return "access_token"
        return "refresh_token" if self.offline_token is not None else "client_credentials"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.access_token is not None:
            others = (self.token_url, self.client_id, self.client_secret, self.offline_token)
            if any(others):
                raise ValueError("an access_token stands alone")
            return self
        if self.offline_token is None and self.client_secret is None:
            raise ValueError("one of offline_token, client_secret and access_token is needed")
        if not re.match(r"https?://[^/\s]+/", self.token_url):
            raise ValueError("token_url: the http(s) URL of the token endpoint is needed")
        if not self.client_id:
            raise ValueError("client_id is needed")
        return self


class SmartOpsPaths(_Frozen):
    """Paths of the three calls, below base_url.

    Spec: §5 O2 (the document names none).
    """

    create: CallPath = "/itsm/tickets/create"
    update: CallPath = "/itsm/tickets/update"
    details: CallPath = "/itsm/tickets/details"


class SmartOpsField(_Frozen):
    """One key of the customer's ticket template.

    Spec: §2 (keys of its own); §5 O8, O16.
    """

    key: TemplateKey
    access: Access = Access.READ_WRITE
    max: int | None = Field(default=None, ge=1, description="longest text, in characters")
    kind: FieldKind = FieldKind.TEXT
    clearable: bool = Field(default=False, description="an empty value empties it")


class SmartOpsWrites(_Frozen):
    """The key of `ticketJSON` that each kind of comment is written under.

    Spec: capability summary of §1 ("if the ticket template has such a field").
    """

    comment: TemplateKey | None = "comments"
    work_note: TemplateKey | None = "workNotes"
    closure_note: TemplateKey | None = "closeNotes"


class SmartOpsVisibility(_Frozen):
    """Who may see each of the three lists; private unless said (DESIGN R9)."""

    comments: Visibility = Visibility.PRIVATE
    work_notes: Visibility = Field(default=Visibility.PRIVATE, alias="workNotes")
    closure_notes: Visibility = Field(default=Visibility.PRIVATE, alias="closureNotes")


class SmartOpsLimits(_Frozen):
    """Sizes beyond which nothing is sent or read; the document states none."""

    comment_bytes: int | None = Field(
        default=None, ge=256, description="longest note in UTF-8 bytes, marker included"
    )
    body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, description="largest answer")


class SmartOpsPace(_Frozen):
    """What the implementation is asked to bear; the document states nothing."""

    requests_per_s: float = Field(default=5.0, gt=0, le=1000)
    concurrency: int = Field(default=4, ge=1, le=64)


class SmartOpsProbe(_Frozen):
    """How a write whose answer was lost is looked for."""

    looks: int = Field(default=2, ge=1, le=10, description="reads that must agree on absence")


class SmartOpsSettle(_Frozen):
    """Seconds until absence may be believed; `read_s`: until a read is fresh (DESIGN R1, R3)."""

    create_s: Seconds = 60.0
    update_s: Seconds = 30.0
    status_s: Seconds = 30.0
    comment_s: Seconds = 60.0
    read_s: Seconds = 5.0


class SmartOpsSettings(_Frozen):
    """The provider's own keys of one connection."""

    mode: Literal["call", "serve"] = Field(
        default="call", description="call an ITSM's implementation, or be one for callers"
    )
    auth: SmartOpsAuth | None = Field(default=None, description="mode call: how we log in")
    serve: SmartOpsServe | None = Field(default=None, description="mode serve: what is offered")
    paths: SmartOpsPaths = SmartOpsPaths()
    fetch_method: FetchMethod = FetchMethod.GET
    connection_details: dict[str, str | Secret] = Field(default_factory=dict)
    time_zone_offset: str = Field(default="", pattern=r"^((UTC|GMT)?([+-]\d{2}(:?\d{2})?)?|Z)$")
    fields: dict[NeutralName, SmartOpsField] = Field(default_factory=dict)
    writes: SmartOpsWrites = SmartOpsWrites()
    visibility: SmartOpsVisibility = SmartOpsVisibility()
    limits: SmartOpsLimits = SmartOpsLimits()
    pace: SmartOpsPace = SmartOpsPace()
    probe: SmartOpsProbe = SmartOpsProbe()
    settle: SmartOpsSettle = SmartOpsSettle()
    business_times: bool = Field(
        default=False, description="read the two clocks too; every read then changes the ticket"
    )
    statuses: tuple[str, ...] = Field(default=(), description="status labels of the ITSM")
    check_number: str = Field(default="", description="a ticket that `check --live` may read")

    @field_validator("fields")
    @classmethod
    def _usable(cls, fields: dict[str, SmartOpsField]) -> dict[str, SmartOpsField]:
        for name, one in fields.items():
            _check_field(name, one)
        return fields

    @model_validator(mode="after")
    def _fits_its_mode(self) -> Self:
        if self.mode == "call":
            if self.auth is None:
                raise ValueError("mode call needs `auth`")
            if self.serve is not None:
                raise ValueError("`serve` belongs to mode: serve")
            return self
        if self.serve is None:
            raise ValueError("mode serve needs `serve`, with the realms whose callers are let in")
        if self.auth is not None or self.connection_details:
            raise ValueError("mode serve calls nobody: `auth` and `connection_details` go")
        paths = (self.paths.create, self.paths.update, self.paths.details)
        if len(set(paths)) < len(paths):
            raise ValueError("paths: each call needs its own")
        bind = self.serve.bind
        if bind is not None:
            field = self.fields.get(bind.field)
            if field is None or field.access is Access.READ or bind.field in STANDARD_NAMES:
                raise ValueError(f"serve.bind: {bind.field} is not among the writable `fields`")
        return self

    @model_validator(mode="after")
    def _each_key_once(self) -> Self:
        keys = [one.key for one in self.fields.values()]
        keys += [
            key
            for key in (self.writes.comment, self.writes.work_note, self.writes.closure_note)
            if key is not None
        ]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"fields, writes: one key for two things: {', '.join(twice)}")
        return self

    @property
    def template(self) -> Template:
        """The customer's ticket template as the mapping uses it."""
        keys = {
            CommentKind.COMMENT: self.writes.comment,
            CommentKind.WORK_NOTE: self.writes.work_note,
            CommentKind.CLOSURE_NOTE: self.writes.closure_note,
        }
        return Template(
            fields={name: self._template_field(name, one) for name, one in self.fields.items()},
            note_keys={kind: key for kind, key in keys.items() if key is not None},
            visibilities={
                NoteList.COMMENTS: self.visibility.comments,
                NoteList.WORK_NOTES: self.visibility.work_notes,
                NoteList.CLOSURE_NOTES: self.visibility.closure_notes,
            },
            business_times=self.business_times,
        )

    def _template_field(self, name: str, one: SmartOpsField) -> TemplateField:
        # What lives in our own store can always be read there, whoever may write it.
        is_kept = self.mode == "serve" and one.access is Access.WRITE and name not in STANDARD_NAMES
        return TemplateField(
            name=name,
            key=one.key,
            access=Access.READ_WRITE if is_kept else one.access,
            max_chars=one.max,
            kind=one.kind,
            clearable=one.clearable,
        )

    @property
    def calls(self) -> Calls:
        """Where and how the three calls are made."""
        return Calls(
            create=self.paths.create,
            update=self.paths.update,
            details=self.paths.details,
            fetch_method=self.fetch_method,
            around=Surroundings(
                connection_details=self.connection_details, time_zone_offset=self.time_zone_offset
            ),
        )


def _check_field(name: str, one: SmartOpsField) -> None:
    if name in NOTE_NAMES:
        raise ValueError(f"fields.{name}: say under `writes` where notes are written")
    if name in STANDARD_NAMES:
        if name not in WRITABLE_STANDARD_NAMES:
            raise ValueError(f"fields.{name}: the ITSM sets it, it can only be read")
        if one.access is not Access.WRITE:
            raise ValueError(
                f"fields.{name}: it is read as the contract says; with `access: write` this names"
                " the key it is written under"
            )
        return
    if one.access is not Access.WRITE and one.key in FIELD_NAMES:
        raise ValueError(f"fields.{name}: {one.key} is one of the contract's own 25")


__all__ = [
    "SmartOpsAuth",
    "SmartOpsField",
    "SmartOpsLimits",
    "SmartOpsPaths",
    "SmartOpsSettings",
    "SmartOpsSettle",
    "SmartOpsVisibility",
    "SmartOpsWrites",
]
