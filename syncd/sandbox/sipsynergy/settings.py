"""What the SIP Synergy sandbox can be told; what its document leaves open is a setting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from syncd.sandbox.server import SandboxSettings

STATES: Mapping[str, tuple[str, ...]] = {
    "state": ("NEW", "OPEN", "ON HOLD", "RESOLVED", "CLOSED"),
    "type": ("FAULT", "REQUEST"),
    "priority": (
        "P1 - Priority 1",
        "P2 - Priority 2",
        "P3 - Priority 3",
        "P4 - Priority 4",
        "P5 - Priority 5",
    ),
    "stage": ("TRIAGE", "IN PROGRESS"),
    "outcome": ("PHONE", "FIXED", "NO FAULT FOUND"),
}
"""Descriptions by the word the `type` filter takes (sections 2.5 and 3, State); ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipSynergySandboxSettings(SandboxSettings):
    """Settings of the SIP Synergy sandbox; S numbers are those of sipsynergy.md, section 6.

    Args:
        auth: what a request must carry: a bearer token, an `X-API-KEY`, or nothing (section 8).
        api_key: the key that opens, with `auth` api_key.
        client_id, client_secret: what `/oauth2/token` takes (section 8).
        integration_user: human id of the user the client is.
        integration_name: that user's name.
        prefix: path of every call, as in the declared host.
        comment_paths: where comments are made (S3): `ticket` is the documented one.
        comment_refusal: status of the other one.
        location: what `Location` holds after a 201 (S8).
        body_id: answer creates with `{"data": {"id": …}}` in the body too.
        one_as: how one ticket is wrapped (S1).
        attributes: whether `attributes` may or must stand in a create (S5).
        slash: whether `/states?type=` is served, redirected or not found (S12).
        title_max_chars, description_max_chars: beyond which a body is refused; not documented.
        comment_max_chars: likewise.
        comment_touches: whether a comment moves `dateUpdated` (section 7: not stated).
        status_touches: whether a change of status does; likewise.
        report_days: days a report's period covers.
        report_lag_s: how old a state the reports show, in seconds.
        list_lag_s: how old a state `GET /tickets` shows, in seconds.
        first_status, first_priority: of a new ticket, as the report tells them.
        closed_statuses: statuses that set `resolutionDate`.
        organisations: `organisationHumanId` values accepted; () all.
        groups: names of the groups.
        states: descriptions by kind.
        show_status: put `status` into the ticket, as the live service may (S13).
        oddities: show the document's oddities S1, S2, S9, S16, S21 and error shapes by turns.
    """

    auth: Literal["bearer", "api_key", "none"] = "bearer"
    api_key: str = "sip-api-key"
    client_id: str = "acme"
    client_secret: str = "sip-secret"
    integration_user: str = "USR-1000000000"
    integration_name: str = "syncd"
    prefix: str = "/api"
    comment_paths: tuple[Literal["ticket", "comments"], ...] = ("ticket",)
    comment_refusal: int = 405
    location: Literal["id", "path", "url", "none"] = "id"
    body_id: bool = False
    one_as: Literal["array", "object", "bare"] = "array"
    attributes: Literal["optional", "required", "refused"] = "optional"
    slash: Literal["either", "redirect", "not_found"] = "either"
    title_max_chars: int = 255
    description_max_chars: int = 32_000
    comment_max_chars: int = 32_000
    comment_touches: bool = False
    status_touches: bool = False
    report_days: Mapping[str, float] = field(
        default_factory=lambda: {"weekly": 7.0, "monthly": 31.0}
    )
    report_lag_s: float = 0.0
    list_lag_s: float = 0.0
    first_status: str = "New"
    first_priority: str = "P5 - Priority 5"
    closed_statuses: tuple[str, ...] = ("Resolved", "Closed")
    organisations: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("MAC", "NOC")
    states: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(STATES))
    show_status: bool = False
    oddities: bool = True
