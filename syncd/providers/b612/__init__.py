"""B-612, remote hands in data centres: one webhook, one ticket at a time.

Source: "B-612 API Documentation" 1.0; sections and B numbers as in providers/b612.md.

| call | made by | for |
|---|---|---|
| `GET {webhook}?ID=NUMBER` | `read`, `probe`, before every PUT, `call … ticket` | one ticket |
| `POST {webhook}` | `write` of a create | a new ticket |
| `PUT {webhook}` | `write` of an update, of a comment (`comments_in: todo`) | all 13 fields |

Features: reading *watch*; create and update; comments only into `todo` and only when the settings
say so; no status, no attachments, no list, no search, no delete. B-612 closes tickets, we never do.

Limits: 1 request a second and 2 at once (settings `pace`), for B-612 pays its platform by the call;
read each ticket every 5 minutes at most (`poll: {every: 5m}`). No lengths are documented.

Quirks: POST and PUT answer what they like (a ticket, a number, `OK`), and only a number proves
anything; a PUT may replace the whole ticket, so all thirteen elements go along, read right before;
`todo` loses its line breaks, so white space never counts; dates are month first and, like times,
wall time of the site; hours and expenses are decimal texts, the currency is not told.

Assumed, each a setting: `Closed` is the other status (`statuses`), HTTP Basic is taken
(`auth.send`), both names of the number may stand in a PUT (`put_number_key`).

Invariants: a POST is never repeated by syncd itself, since nothing can find what a lost one made:
it is in doubt until `ops adopt ID NUMBER`, `ops retry ID --i-know`, or until the ticket is read
with its marker (`watch CONNECTION NUMBER`); an answer with another number is never applied.
"""

from syncd.providers.b612.adapter import (
    B612Adapter,
    build,
    declare,
    describe,
    login,
    normaliser,
)
from syncd.providers.b612.errors import read_error
from syncd.providers.b612.mapping import NORMALISER_VERSION, TICKET_KIND
from syncd.providers.b612.settings import B612Settings

__all__ = [
    "NORMALISER_VERSION",
    "TICKET_KIND",
    "B612Adapter",
    "B612Settings",
    "build",
    "declare",
    "describe",
    "login",
    "normaliser",
    "read_error",
]
