"""SIP Synergy, Tickets Microservice.

Flow: `adapter` joins the parts. Reading: `feed` scans the whole list (its place is a `cursor`),
`report` keeps what the report last told of every ticket, `reading` reads one ticket whole. Writing:
`sending` builds and checks what is sent, `writing` sends it once, `probing` looks for a write whose
answer was lost. Beneath: `client` (one method per documented call), `wire` (payloads, read
tolerantly), `mapping` (neutral names and values), `errors` (what every error answer means).
`calls` offers the other calls and the live check. `ENDPOINTS.md` lists every call of the document.

What it can: create, update, delete, comments; whole list in one request. What it cannot: statuses
and priorities are told by the report alone, minutes late, and can be set by no call; no
attachments; no client reference, so a create's key stands in its title (`marker: description` puts
it there instead).

Quirks: one ticket comes in an array (S1), dates with plus signs (S2), comments are made at the
ticket's own path (S3, with a fall-back on 404 and 405), an update repeats every field (S6), ids
come bare in `Location` (S8), states with and without a slash (S12).

Assumed, each a setting or told in DECISIONS.md: how one logs in, where `attributes` go, lengths,
rates, that the weekly report holds what changed, that a comment moves no `dateUpdated`.

Invariants: nothing invalid is sent, it is refused here; no write is repeated here, and a comment
goes to the second path only after an answer that says nothing happened at the first; absence of a
create is claimed only from a list that could be read whole; markers never reach a Ticket's texts.
"""

from syncd.providers.sipsynergy.adapter import (
    SipSynergyAdapter,
    build,
    declare,
    describe,
    login,
    normaliser,
)
from syncd.providers.sipsynergy.errors import read_error
from syncd.providers.sipsynergy.mapping import KIND, NORMALISER_VERSION, normalise
from syncd.providers.sipsynergy.settings import SipSynergySettings

__all__ = [
    "KIND",
    "NORMALISER_VERSION",
    "SipSynergyAdapter",
    "SipSynergySettings",
    "build",
    "declare",
    "describe",
    "login",
    "normalise",
    "normaliser",
    "read_error",
]
