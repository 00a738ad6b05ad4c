"""Digital Realty, Customer Support Tickets API v1, with its sister APIs.

Flow: `adapter` joins the parts. Reading: `scan` (the lists of open tickets, slowly the closed
ones; its place is a `cursor`), `reading` (one ticket whole). Writing: `sending` builds and checks
what is sent, `categories` knows which category belongs to which request type, `writing` sends it
once, `probing` looks for a write whose answer was lost. Beneath: `client` (one method per call),
`wire` (payloads, read tolerantly), `mapping` (neutral names and values), `errors` (what every error
answer means). `calls` offers the other calls and the live check.

Endpoints (all carry Authorization, Master-Account-Id and Account-Id; ENDPOINTS.md has the rest):

| call | for |
|---|---|
| POST /v2/auth/token | login, client credentials in a form |
| GET /v1/customer-support-tickets | scan, probe of a create, check |
| GET /v1/customer-support-tickets/{id} | reading, probes, before updates, cancels and files |
| POST, PUT, PUT …/cancel | create, update, cancel |
| GET …/categories | checking a create; check |
| POST /v1/comments, /v1/attachments | comments, files |
| GET /v1/accounts, /v1/sites, /v1/locations, /v1/notifications | `call`; check of sites |

Features: read by scan; writes create, update (reference and recipients, while New or In Progress),
status (cancelling alone), comment, attachment. Attachments can be sent and never seen again: not
listed, not downloaded, not probed, so a lost answer waits for a person. Several accounts are
several connections, one `like` the other, with one login and one rate budget.

Limits: title 160, site 6, location 40, reference 40 (14 beside our marker), description and
recipients 32,000, comment 4,000 with its marker; the last three in characters and bytes (D10).

Quirks: the list tells neither reference nor description nor comments (D20); its order is undefined
(D11); a comment has no id and may move no date (D12); statuses have other spellings (D5).

Assumed, each a setting: paths and shapes of the sister APIs, status codes and error bodies, 1.5
requests a second, an update without a field may empty it, settle times.

Invariants: nothing invalid is sent, it is refused here; no write is repeated here; nothing is
concluded from a ticket's absence in a list but that it is read; a create is absent only when the
lists were read to their end; markers never reach a Ticket's texts.
"""

from syncd.providers.digital_realty.adapter import (
    DigitalRealtyAdapter,
    build,
    declare,
    describe,
    login,
    normaliser,
)
from syncd.providers.digital_realty.errors import read_error
from syncd.providers.digital_realty.mapping import KIND, NORMALISER_VERSION, normalise
from syncd.providers.digital_realty.settings import DigitalRealtySettings

__all__ = [
    "KIND",
    "NORMALISER_VERSION",
    "DigitalRealtyAdapter",
    "DigitalRealtySettings",
    "build",
    "declare",
    "describe",
    "login",
    "normalise",
    "normaliser",
    "read_error",
]
