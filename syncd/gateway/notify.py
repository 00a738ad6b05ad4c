"""A notification: who may send it, what it may hold, how often it may come. Pure but for time."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from syncd.model.secret import Secret
from syncd.ports.clock import Clock

BODY_BYTES_MAX = 64 * 1024
"""Largest body of a notification."""
NUMBERS_MAX = 500
"""Most numbers in one notification."""
NUMBER_CHARS_MAX = 64
"""Longest ticket number."""
RATE_PER_S = 10.0
"""Notifications a connection may send, steadily."""
BURST = 60
"""Notifications that may come at once after a pause."""
_NUMBER = re.compile(rf"[!-~]{{1,{NUMBER_CHARS_MAX}}}")
"""Visible ASCII without spaces: every vendor's numbers; nothing that could break a line."""
_NUMBER_FORBIDDEN = frozenset("\"'`<>\\&;|")


class Rejected(Exception):
    """A notification is not accepted.

    Attributes:
        status: HTTP status of the answer.
        reason: one sentence, safe to answer and to log.
        retry_after_s: for 429.
    """

    def __init__(self, status: int, reason: str, *, retry_after_s: float | None = None) -> None:
        """Keep status and reason."""
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Numbers of tickets to be read now, each once, in the order given."""

    numbers: tuple[str, ...]


class Doorkeeper:
    """Says whether a bearer token may notify for a connection."""

    def __init__(self, tokens: Mapping[str, Secret], connections: frozenset[str]) -> None:
        """Take the token of each connection that is notified, and the names of all there are."""
        self._tokens = {name: secret.reveal().encode() for name, secret in tokens.items()}
        self._connections = connections | frozenset(tokens)

    def check(self, connection: str, authorization: str | None) -> None:
        """Let in who holds the connection's token.

        Who holds no token at all learns nothing, not even which connections there are.

        Raises:
            Rejected: 401, 403 or 404.
        """
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Rejected(401, "a bearer token is needed")
        offered = given.strip().encode("utf-8", "surrogateescape")
        # Every token is compared, so that time tells nothing about which one was near.
        holds = [name for name, own in self._tokens.items() if hmac.compare_digest(own, offered)]
        if connection in holds:
            return
        if not holds:
            raise Rejected(403, "this token is not known")
        if connection not in self._connections:
            raise Rejected(404, "there is no such connection")
        raise Rejected(403, "this token is not for this connection")


class RateLimit:
    """A token bucket per connection."""

    def __init__(self, *, clock: Clock, per_s: float = RATE_PER_S, burst: int = BURST) -> None:
        """Start with full buckets."""
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, connection: str) -> None:
        """Count one notification of a connection that was let in.

        Raises:
            Rejected: 429, with the seconds until the next one is taken.
        """
        now_s = self._clock.monotonic_s()
        left, at_s = self._buckets.get(connection, (float(self._burst), now_s))
        left = min(float(self._burst), left + (now_s - at_s) * self._per_s)
        if left < 1:
            self._buckets[connection] = (left, now_s)
            wait_s = (1 - left) / self._per_s
            raise Rejected(429, "too many notifications", retry_after_s=wait_s)
        self._buckets[connection] = (left - 1, now_s)


def parse(body: bytes) -> Notification:
    """Read `{"numbers": [...]}` or `{"number": "..."}`; other keys are the sender's own business.

    Raises:
        Rejected: 400, with what is wrong.
    """
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Rejected(400, "the body is not JSON") from None
    if not isinstance(told, dict) or ("numbers" in told) == ("number" in told):
        raise Rejected(400, 'the body is {"numbers": ["..."]} or {"number": "..."}')
    given = told["numbers"] if "numbers" in told else [told["number"]]
    if not isinstance(given, list) or not given:
        raise Rejected(400, "numbers is a list with at least one number")
    if len(given) > NUMBERS_MAX:
        raise Rejected(400, f"at most {NUMBERS_MAX} numbers at once")
    numbers = [_number(index, value) for index, value in enumerate(given)]
    return Notification(numbers=tuple(dict.fromkeys(numbers)))


def _number(index: int, value: object) -> str:
    # Some systems send their numbers as numbers.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if (
        not isinstance(text, str)
        or not _NUMBER.fullmatch(text)
        or _NUMBER_FORBIDDEN.intersection(text)
    ):
        raise Rejected(
            400,
            f"numbers[{index}] is not a ticket number: 1 to {NUMBER_CHARS_MAX} visible ASCII"
            " characters without spaces and quotes",
        )
    return text
