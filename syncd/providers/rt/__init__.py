"""Request Tracker 5 by its REST2 API, as a service desk: queues of tickets, one kind.

Flow: `adapter` joins the parts. Reading: `feed` (a search for what changed, newest first; its place
is a `cursor`), `reading` (one ticket whole: fields, history, messages, files). Writing: `sending`
builds and checks what is sent, `writing` reads the ticket, sends once, and reads back what RT made
of it, `probing` looks for a write whose answer was lost. Beneath: `client` (one method per call),
`wire` (payloads, read tolerantly), `mapping` (neutral names and values), `html` (rich text as
plain), `errors` (what every error answer means). `calls` offers other calls and the live check.

What RT does was found out on 5.0.3 and stands in NOTES.md; ENDPOINTS.md lists the calls, SETUP.md
what is to be set up in RT, with commands.

Features: read by feed; writes create, update, status, comment (a public reply: `correspond`),
work note (a private comment), attachment. A create carries its key in the last line of its
description or a custom field, messages and files in a custom field of their transaction where the
connection names one; without it they are recognised by creator and words.

Invariants: a success is believed only after reading; no write is repeated here; a merged ticket is
no ticket any more, and never its other one; no date decides anything in a query; markers never
reach a Ticket's texts.
"""

from syncd.providers.rt.adapter import RtAdapter, build, declare, describe, login, normaliser
from syncd.providers.rt.errors import read_error
from syncd.providers.rt.mapping import KIND, NORMALISER_VERSION, normalise
from syncd.providers.rt.settings import RtSettings

__all__ = [
    "KIND",
    "NORMALISER_VERSION",
    "RtAdapter",
    "RtSettings",
    "build",
    "declare",
    "describe",
    "login",
    "normalise",
    "normaliser",
    "read_error",
]
