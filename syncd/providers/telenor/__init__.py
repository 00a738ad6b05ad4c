"""Telenor Norway, Service Ticket API v2: incidents.

Flow: `adapter` joins the parts. Reading: `feed` (activities, newest first; its place is a
`cursor`), `reading` (one incident whole). Writing: `sending` builds and checks what is sent,
`writing` sends it once, `probing` looks for a write whose answer was lost. Beneath: `client` (one
method per documented call), `wire` (payloads, read tolerantly), `mapping` (neutral names and
values), `errors` (what every error answer means). `calls` offers the other calls and the live
check.

Invariants: nothing invalid is sent, it is refused here; no write is repeated here; a cursor moves
only past what it lists, by Telenor's dates and ids; absence of a create is claimed only when the
newest cases were read back to the time of sending; markers never reach a Ticket's texts.
"""

from syncd.providers.telenor.adapter import (
    LoginOptions,
    TelenorAdapter,
    build,
    declare,
    describe,
    login,
    normaliser,
)
from syncd.providers.telenor.errors import read_error
from syncd.providers.telenor.mapping import KIND, NORMALISER_VERSION, normalise
from syncd.providers.telenor.settings import TelenorSettings

__all__ = [
    "KIND",
    "NORMALISER_VERSION",
    "LoginOptions",
    "TelenorAdapter",
    "TelenorSettings",
    "build",
    "declare",
    "describe",
    "login",
    "normalise",
    "normaliser",
    "read_error",
]
