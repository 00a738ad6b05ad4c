"""What the RT sandbox can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.sandbox.server import SandboxSettings

ROOT = "/REST/2.0"
PAGE_MAX = 100
"""Larger pages are cut to this many items, silently."""

LIFECYCLE: Mapping[str, tuple[str, ...]] = {
    "new": ("open", "stalled", "resolved", "rejected", "deleted"),
    "open": ("new", "stalled", "resolved", "rejected", "deleted"),
    "stalled": ("new", "open", "resolved", "rejected", "deleted"),
    "resolved": ("new", "open", "stalled", "rejected", "deleted"),
    "rejected": ("new", "open", "stalled", "resolved", "deleted"),
    "deleted": ("new", "open", "stalled", "resolved", "rejected"),
}
"""RT's lifecycle `default`: every status with those it may become."""
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "new": ("open", "resolved", "rejected"),
    "open": ("stalled", "resolved", "rejected"),
    "stalled": ("open",),
    "resolved": ("open",),
    "rejected": ("open",),
    "deleted": ("open",),
}
"""The changes it offers as actions, which is all a ticket's links tell of it."""
INACTIVE = frozenset({"resolved", "rejected", "deleted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue the API user has rights in."""

    id: int
    name: str
    lifecycle: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """A custom field of tickets; one with `values` takes these alone."""

    id: int
    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RtSandboxSettings(SandboxSettings):
    """Settings of the RT sandbox.

    Args:
        token: of the API user.
        client_user, client_name: login and real name of the API user.
        queues: all there are.
        custom_fields: of tickets, in every queue.
        transaction_field: custom field of transactions; empty: there is none.
        owners: logins that may own tickets.
        first_id: id of the first ticket.
        client_zone_h: offset from UTC of the API user's time zone, in hours: TicketSQL reads dates
            in it.
        tells_totals: history and attachments tell totals, as they do to a superuser.
        shows_mail: `EmailRecord` transactions are shown (right ShowOutgoingEmail).
        opens_on_reply: a reply opens a new or closed ticket, as RT's own scrip does.
        attachment_max_bytes: beyond it a file is kept, cut or dropped.
        long_attachments: keep, truncate or drop.
        lifecycle: of all queues: status -> those it may become.
        other_lifecycles: of queues nobody here sees: name -> statuses.
        list_lag_s: how old a state searches show, in seconds.
    """

    token: str = "1-33-sandbox"
    client_user: str = "syncd"
    client_name: str = "Sync daemon"
    queues: tuple[Queue, ...] = (Queue(id=3, name="Support"), Queue(id=4, name="Network"))
    custom_fields: tuple[CustomField, ...] = (
        CustomField(id=2, name="External ID"),
        CustomField(id=3, name="Severity", values=("critical", "high", "medium", "low")),
        CustomField(id=4, name="Vendor Ref"),
        CustomField(id=5, name="Carrier", values=("Telenor", "Digital Realty", "Other")),
        CustomField(id=6, name="Site"),
    )
    transaction_field: str = "Sync Origin"
    owners: tuple[str, ...] = ("syncd", "agent", "anna")
    first_id: int = 70_001
    client_zone_h: float = 0.0
    tells_totals: bool = False
    shows_mail: bool = True
    opens_on_reply: bool = True
    attachment_max_bytes: int = 10_000_000
    long_attachments: str = "keep"
    list_lag_s: float = 0.0
    lifecycle: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(LIFECYCLE))
    other_lifecycles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.long_attachments not in ("keep", "truncate", "drop"):
            raise ValueError(f"long_attachments: {self.long_attachments}")
