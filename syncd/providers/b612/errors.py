"""What B-612's answers mean (DESIGN R3, STYLE section 6).

The document names no status code and no error body; the rows are DESIGN's classes and what the
platform behind the webhook is known to do (b612.md §7, B9, B18, B19; §9).

    answer                         GET                  POST                 PUT
    401                            CredentialsRejected  CredentialsRejected  CredentialsRejected
    404                            NotFound             Refused              NotFound
    400 403 405 413 415 422        Refused              Refused              Refused
    429                            RateLimited          RateLimited          RateLimited
    408, 5xx                       Unreachable          OutcomeUnknown       OutcomeUnknown
    409, 3xx, any other            Refused or odd       OutcomeUnknown       OutcomeUnknown
    2xx, a ticket                  success              success              success
    2xx, another ticket's number   OddAnswer            (any number is new)  OutcomeUnknown
    2xx, a ticket without number   NotFound             OutcomeUnknown       OutcomeUnknown
    2xx, other JSON, `OK`, HTML    OddAnswer            OutcomeUnknown       OutcomeUnknown

`OK` is what a flow says that answers at once, whether it runs, fails or is switched off: it proves
nothing. A key that is refused stays refused, so a 401 pauses the connection.
"""

from syncd.ports.errors import NotFound, Refused, RemoteError
from syncd.providers.b612.wire import Told

_TEXTS = {
    403: "B-612 does not let this login do it",
    405: "the webhook does not take this method: check base_url and paths",
}


def read_error(status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
    """Read an error answer; what has no row of its own is left to DESIGN R3's classes.

    Spec: B-612 API Documentation, §6 (nothing is documented); b612.md §7, B18.
    """
    del is_write, body
    if status == 404:
        return NotFound("HTTP 404: no such ticket, or no such webhook (check base_url)")
    if status in _TEXTS:
        return Refused(f"HTTP {status}: {_TEXTS[status]}")
    if status in (400, 422):
        return Refused(f"HTTP {status}: B-612 refuses the ticket")
    return None


def why_unreadable(told: Told) -> str:
    """Say what is wrong with a 2xx answer that carries no number."""
    if told.is_ticket:
        return "the answer is a ticket without a number"
    return "the answer is JSON, but no ticket"
