"""Telenor Norway, Service Ticket API v2: incidents and orders.

Two parallel trees of tickets, told apart by a `Tree` (`trees`): everything else is written once.

Flow: `adapter` joins the parts. Reading: `feed` (activities, newest first; its place is a
`cursor`), `reading` (one ticket whole). Writing: `sending` builds and checks what is sent,
`writing` sends it once, `probing` looks for a write whose answer was lost. Beneath: `client` (one
method per documented call), `wire` (payloads, read tolerantly), `mapping` (neutral names and
values), `errors` (what every error answer means). `calls` offers the other calls and the live
check; `active` finds the order a problem belongs to.

Calls, below /service-tickets/v2; `{id}` is a ticket's, `{a}` an activity's, `{f}` a file's id. What
syncing makes stands under *syncing*; what is offered, under its name for `syncd call`.

| call | request | syncing | offered as |
|---|---|---|---|
| I1 | GET /incidents | read by number, probe of a create | list |
| I2 | POST /incidents | create | |
| I3 | GET /incidents/activities | poll | activities |
| I4 | GET /incidents/count | check --live | count |
| I5 | GET /incidents/productcategories | check --live | product_categories |
| I6 | GET /incidents/{id} | read | incident |
| I7 | PUT /incidents/{id} | update | |
| I8 | GET /incidents/{id}/activities | | incident_activities |
| I9 | GET /incidents/{id}/activities/{a} | | activity |
| I10 | GET /incidents/{id}/attachments | probe of an attachment | attachments |
| I11 | POST /incidents/{id}/attachments | attachment | |
| I12 | GET /incidents/{id}/attachments/{f} | download | |
| I13 | DELETE /incidents/{id}/attachments/{f} | | delete_attachment |
| I14 | GET /incidents/{id}/comments | read, probe of a comment | comments |
| I15 | POST /incidents/{id}/comments | comment | |
| I16 | PUT /incidents/{id}/contact | update | set_contact |
| I17 | PUT /incidents/{id}/localcontact | update | set_local_contact |
| I18 | DELETE /incidents/{id}/localcontact | update | delete_local_contact |
| I19 | PUT /incidents/{id}/status | status | |
| O1 | GET /orders | read by number, probe, active order | orders_list |
| O2 | POST /orders | create | |
| O3 | GET /orders/activities | poll | orders_activities |
| O4 | GET /orders/count | check --live | orders_count |
| O5 | GET /orders/productcategories | check --live | orders_product_categories |
| O6 | GET /orders/{id} | read | order |
| O7 | PUT /orders/{id} | update | |
| O8 | GET /orders/{id}/activities | | order_activities |
| O9 | GET /orders/{id}/activities/{a} | | order_activity |
| O10 | GET /orders/{id}/attachments | probe of an attachment | order_attachments |
| O11 | POST /orders/{id}/attachments | attachment | |
| O12 | GET /orders/{id}/attachments/{f} | download | |
| O13 | DELETE /orders/{id}/attachments/{f} | | order_delete_attachment |
| O14 | GET /orders/{id}/comments | read, probe of a comment | order_comments |
| O15 | POST /orders/{id}/comments | comment | |
| O16 | PUT /orders/{id}/contact | update | order_set_contact |
| O17 | PUT /orders/{id}/localcontact | update | order_set_local_contact |
| O18 | DELETE /orders/{id}/localcontact | update | order_delete_local_contact |

Where orders differ: our key stands alone in `customerReference` (no mapping can write it), there is
no call for the status, `contact` goes with the create and the local contact after it, and listing
attachments by O10 takes `saml_token` and `application_id`: without them they are read with O6.

Invariants: nothing invalid is sent, it is refused here; no write is repeated here; a cursor moves
only past what it lists, by Telenor's dates and ids; absence of a create is claimed only when the
newest cases were read back to the time of sending; markers never reach a Ticket's texts.
"""

from syncd.providers.telenor.adapter import (
    TelenorAdapter,
    build,
    declare,
    describe,
    login,
    normaliser,
)
from syncd.providers.telenor.errors import read_error
from syncd.providers.telenor.mapping import NORMALISER_VERSION, normalise
from syncd.providers.telenor.settings import TelenorSettings
from syncd.providers.telenor.trees import INCIDENT, ORDER

__all__ = [
    "INCIDENT",
    "NORMALISER_VERSION",
    "ORDER",
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
