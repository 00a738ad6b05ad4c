"""What the SmartOps sandbox can be told, and the contract's field names (smartops.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.sandbox.server import SandboxSettings

LISTS: Mapping[str, tuple[str, str, str]] = {
    "comments": ("commentBy", "commentTime", "comment"),
    "workNotes": ("workNoteBy", "workNoteTime", "workNote"),
    "closureNotes": ("closureNoteBy", "closureNoteTime", "closureNote"),
}
"""The three lists and the keys of their members (section 2)."""

WRITABLE = (
    "ticketStatus",
    "ticketPriority",
    "assignedTo",
    "assignedGroup",
    "shortDescription",
    "longDescription",
    "category",
    "subCategory",
    "callerId",
    "urgency",
    "ticketSeverity",
)
"""Fields a ticket template can set, by their names of section 2 (O8)."""

READ_ONLY = (
    "ticketNumber",
    "ticketBusinessDuration",
    "ticketBusinessTimeLeft",
    "sysId",
    "createdTime",
    "updatedTime",
    "resolvedTime",
    "createdBy",
    "updatedBy",
    "resolvedBy",
    "closedBy",
)
"""Fields the ITSM keeps itself (section 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartOpsSandboxSettings(SandboxSettings):
    """Settings of the SmartOps sandbox; section numbers are those of smartops.md.

    Args:
        create_path, update_path, details_path: paths (O2 has these defaults).
        realm: Keycloak realm in the token path (section 7.1).
        client_id, client_secret: the client for both grants.
        offline_token: the offline token redeemed by the refresh_token grant.
        rotates_offline_token: each one works once and the answer has its replacement.
        api_user: name that notes and changes made through the contract carry.
        template_keys: keys of the customer's template, `read`, `write` or `read_write`.
        note_keys: `ticketJSON` key to the list it adds to.
        clearable: fields that an empty string clears; others it leaves unchanged (O16).
        statuses: the ITSM's status values; the first is a new ticket's.
        resolved_statuses, closed_statuses: those that set resolvedTime, closedBy.
        final_statuses: those that take no further change but notes.
        priorities: canonical value to the long spelling; () values are accepted unseen.
        spelled_priority: answer the long spelling.
        max_lengths: longest value by field; a longer one is refused with "400".
        required_on_create: keys a create must have.
        reject_unknown_keys: refuse unknown `ticketJSON` keys with "400" (O8: else ignored).
        whole_seconds: cut times to seconds; six fractional digits are shown all the same.
        notes_newest_first: order of the three lists (O17: not specified).
        idempotency_keys: honour `Idempotency-Key` on creates (O15: the contract has none).
        duplicate_window_s: seconds in which the same create, or the same note by the same
            author, is taken once (O15, O16); 0 never.
        mirror_status: business failures get the same number as HTTP status (O3).
        numeric_status_code: `statusCode` as a number (O3).
        details_key: name of the answer object; the text also says `results` (section 6).
        takes_get: whether the details call takes the documented GET.
        takes_post: whether it takes POST (O1).
        sla_s: seconds from creation that ticketBusinessTimeLeft counts down.
        notify_url, notify_token: the webhook that people's changes ring; "" none.
        notify_own: whether changes made through the contract ring it too.
        notify_loss: fraction of rings that are lost.
        notify_tries, notify_retry_s: tries of one ring, and seconds between them.
    """

    create_path: str = "/itsm/tickets/create"
    update_path: str = "/itsm/tickets/update"
    details_path: str = "/itsm/tickets/details"
    realm: str = "acme"
    client_id: str = "syncd"
    client_secret: str = "smartops-secret"
    offline_token: str = "smartops-offline-token"
    rotates_offline_token: bool = False
    api_user: str = "SmartOps Integration"
    template_keys: Mapping[str, str] = field(
        default_factory=lambda: {"u_site": "read", "u_vendor_ref": "read_write"}
    )
    note_keys: Mapping[str, str] = field(
        default_factory=lambda: {
            "comments": "comments",
            "workNotes": "workNotes",
            "closeNotes": "closureNotes",
        }
    )
    clearable: tuple[str, ...] = ("u_vendor_ref",)
    statuses: tuple[str, ...] = (
        "New",
        "In Progress",
        "On Hold",
        "Resolved",
        "Closed",
        "Cancelled",
    )
    resolved_statuses: tuple[str, ...] = ("Resolved",)
    closed_statuses: tuple[str, ...] = ("Closed", "Cancelled")
    final_statuses: tuple[str, ...] = ()
    priorities: Mapping[str, str] = field(
        default_factory=lambda: {
            "1": "1 - Critical",
            "2": "2 - High",
            "3": "3 - Moderate",
            "4": "4 - Low",
        }
    )
    spelled_priority: bool = False
    max_lengths: Mapping[str, int] = field(default_factory=lambda: {"u_vendor_ref": 40})
    required_on_create: tuple[str, ...] = ()
    reject_unknown_keys: bool = False
    whole_seconds: bool = False
    notes_newest_first: bool = False
    idempotency_keys: bool = False
    duplicate_window_s: float = 0.0
    mirror_status: bool = False
    numeric_status_code: bool = False
    details_key: str = "ticketDetails"
    takes_get: bool = True
    takes_post: bool = True
    sla_s: int = 28_800
    notify_url: str = ""
    notify_token: str = ""
    notify_own: bool = False
    notify_loss: float = 0.0
    notify_tries: int = 1
    notify_retry_s: float = 1.0
