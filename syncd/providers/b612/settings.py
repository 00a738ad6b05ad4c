"""The keys of a `b612` connection beside those every connection has; secrets arrive resolved.

What B-612's document leaves open is a setting with a default (B numbers: b612.md §7).
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from syncd.model.secret import Secret
from syncd.model.texts import LabelList, Seconds, no_dots
from syncd.providers.b612.mapping import FIELDS, Labels
from syncd.providers.b612.wire import NumberKeys

Below = Annotated[
    str, Field(pattern=r"^((/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*)$"), AfterValidator(no_dots)
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class B612Auth(_Frozen):
    """The login: HTTP Basic by the text, a header `user` by the examples (B3).

    Spec: B-612 API Documentation, §2 URL and authentication.
    """

    api_id: Annotated[str, Field(pattern=r"^[^:\s]*$")] = Field(
        default="", description="API ID; the first label of base_url's host where not said (B4)"
    )
    api_key: Secret = Field(description="API key")
    send: Literal["basic", "user_header", "both"] = Field(
        default="basic", description="how it is shown with every call"
    )


class B612Paths(_Frozen):
    """What follows base_url for each method; nothing: the webhook URL as it stands (B5)."""

    get: Below = ""
    create: Below = ""
    update: Below = ""


class B612Pace(_Frozen):
    """What the webhook is asked to bear: B-612 pays its platform by the call (b612.md §9)."""

    requests_per_s: float = Field(default=1.0, gt=0, le=100)
    concurrency: int = Field(default=2, ge=1, le=16)


class B612Settle(_Frozen):
    """Seconds until absence may be believed; `read_s`: until a read is fresh (DESIGN R1, R3)."""

    update_s: Seconds = 30.0
    comment_s: Seconds = 60.0
    read_s: Seconds = 10.0


class B612Settings(_Frozen):
    """The provider's own keys of one connection; `base_url` is the complete webhook URL (B5)."""

    base_url: str = Field(default="", description="the customer's complete webhook URL")
    auth: B612Auth
    paths: B612Paths = B612Paths()
    put_number_key: NumberKeys = Field(
        default=NumberKeys.BOTH, description="how a PUT names the ticket (B1)"
    )
    marker: Literal["todo", "none"] = Field(
        default="todo",
        description="a created ticket carries its key as the last line of `todo`, so that"
        " `syncd watch` of its number finds the partner by itself; none: it carries nothing",
    )
    comments_in: Literal["nowhere", "todo"] = Field(
        default="nowhere", description="todo: comments are written below what is to be done"
    )
    required: tuple[str, ...] = Field(
        default=("customer_reference", "description", "owner_email", "owner_name", "priority"),
        description="a ticket is not created without these, nor without site or data_center (B10)",
    )
    priorities: LabelList = ("Low", "Medium", "High", "Critical")
    statuses: LabelList = ("Open", "Closed")
    check_number: str = Field(default="", description="a ticket that `check --live` may read")
    pace: B612Pace = B612Pace()
    settle: B612Settle = B612Settle()

    @field_validator("required")
    @classmethod
    def _writable(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(FIELDS))
        if unknown:
            raise ValueError(f"cannot be written: {', '.join(unknown)}")
        return names

    @model_validator(mode="after")
    def _complete(self) -> "B612Settings":
        if not self.api_id or ":" in self.api_id:
            raise ValueError("auth.api_id is needed: base_url's host does not begin with it")
        if self.comments_in == "todo" and self.marker == "none":
            raise ValueError("comments_in: todo needs marker: todo, or none could be recognised")
        return self

    @property
    def host_label(self) -> str:
        """The first label of the webhook's host; empty where there is none (B4)."""
        return (urlsplit(self.base_url).hostname or "").partition(".")[0]

    @property
    def api_id(self) -> str:
        """The API ID as configured, else as the host says."""
        return self.auth.api_id or self.host_label

    @property
    def labels(self) -> Labels:
        """The labels whose capitals do not count."""
        return Labels(priorities=self.priorities, statuses=self.statuses)

    @property
    def has_marker(self) -> bool:
        """Whether a created ticket carries its key."""
        return self.marker == "todo"

    @property
    def takes_comments(self) -> bool:
        """Whether comments are written into `todo`."""
        return self.comments_in == "todo"


__all__ = ["B612Auth", "B612Paths", "B612Settings", "B612Settle"]
