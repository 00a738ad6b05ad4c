"""Bearer tokens a sandbox has given out, and whether they still hold."""

from datetime import datetime, timedelta
from enum import StrEnum

from syncd.sandbox.chance import Chance
from syncd.sandbox.clock import SandboxClock


class TokenState(StrEnum):
    """What a presented token is worth."""

    VALID = "valid"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class TokenBook:
    """Issue, check and end access tokens.

    Attributes:
        is_locked: nobody is given a new one, as after a secret was changed.

    Args:
        clock: decides when a token has expired.
        chance: makes the tokens' text.
        lifetime_s: seconds a token is good for.
        standing: tokens given out by other means, good for ever.
    """

    def __init__(
        self,
        clock: SandboxClock,
        chance: Chance,
        lifetime_s: float,
        standing: tuple[str, ...] = (),
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._lifetime = timedelta(seconds=lifetime_s)
        self._ends_at: dict[str, datetime] = {}
        self._standing = set(standing)
        self.is_locked = False

    def issue(self) -> str:
        """Give out a new token."""
        token = f"sandbox-{self._chance.hex(40)}"
        self._ends_at[token] = self._clock.now() + self._lifetime
        return token

    def state(self, token: str) -> TokenState:
        """Say whether `token` opens the door now."""
        if token in self._standing:
            return TokenState.VALID
        ends_at = self._ends_at.get(token)
        if ends_at is None:
            return TokenState.UNKNOWN
        return TokenState.VALID if self._clock.now() < ends_at else TokenState.EXPIRED

    def lock(self, is_locked: bool) -> None:
        """Refuse every login from now on and end every token; or let logins in again."""
        self.is_locked = is_locked
        if is_locked:
            self.expire_all()

    def expire(self, token: str) -> None:
        """End one token at once; it stays known as expired."""
        self._standing.discard(token)
        self._ends_at[token] = self._clock.now()

    def expire_all(self) -> None:
        """End every token given out so far, standing ones too."""
        for token in [*self._ends_at, *self._standing]:
            self.expire(token)
