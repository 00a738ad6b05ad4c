"""How requests say who we are: nothing, fixed headers, or tokens from elsewhere."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from syncd.model.errors import ensure
from syncd.model.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one request carries to say who we are.

    Attributes:
        headers: name -> secret value, such as `Authorization`.
        serial: counts the tokens of a source; which one this is.
    """

    headers: Mapping[str, Secret] = field(default_factory=dict)
    serial: int = 0

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The values to blank out wherever they turn up, also without their scheme."""
        whole = tuple(self.headers.values())
        bare = tuple(Secret(value.reveal().rpartition(" ")[2]) for value in whole)
        return whole + bare


class TokenSource(Protocol):
    """Where a connection's tokens come from; shared by connections with the same login."""

    @property
    def renewable(self) -> bool:
        """Whether a rejected token can be replaced by another one."""
        ...

    @property
    def serial(self) -> int:
        """Serial of the newest token; 0 before the first."""
        ...

    async def grant(self) -> Grant:
        """Give the cached token, or fetch one; two tasks never fetch at once.

        Raises:
            CredentialsRejected: the token endpoint refuses us.
            RateLimited: the token endpoint asks us to wait.
            Unreachable: the token endpoint gave no usable answer.
        """
        ...

    def reject(self, grant: Grant) -> None:
        """Forget this token: the vendor answered 401. A newer one stays."""
        ...


class FixedAuth:
    """The same headers always: API keys, or a vendor's own scheme."""

    renewable = False
    serial = 0

    def __init__(self, headers: Mapping[str, Secret]) -> None:
        """Keep the headers, name -> value."""
        for name, value in headers.items():
            text = value.reveal()
            ensure("\r" not in text and "\n" not in text, f"header {name} is one line")
        self._grant = Grant(headers=dict(headers))

    async def grant(self) -> Grant:
        return self._grant

    def reject(self, grant: Grant) -> None:
        """Keep it: there is no other."""


class NoAuth(FixedAuth):
    """Nothing at all."""

    def __init__(self) -> None:
        """Carry no headers."""
        super().__init__({})


class StaticToken(FixedAuth):
    """A token somebody gave us, sent as `Authorization: Bearer …`."""

    def __init__(self, token: Secret) -> None:
        """Keep the token."""
        super().__init__({"Authorization": Secret(f"Bearer {token.reveal()}")})


class BasicAuth(FixedAuth):
    """A user and a password by HTTP Basic (RFC 7617), as UTF-8."""

    def __init__(self, user: str, password: Secret) -> None:
        """Keep both."""
        super().__init__({"Authorization": basic(user, password.reveal())})


class MoreHeaders:
    """A login that further secret headers go with."""

    def __init__(self, source: TokenSource, headers: Mapping[str, Secret]) -> None:
        """Keep the login and the headers, name -> value."""
        self._source = source
        self._fixed = FixedAuth(headers)

    @property
    def renewable(self) -> bool:
        return self._source.renewable

    @property
    def serial(self) -> int:
        return self._source.serial

    async def grant(self) -> Grant:
        login, more = await self._source.grant(), await self._fixed.grant()
        return Grant(headers={**more.headers, **login.headers}, serial=login.serial)

    def reject(self, grant: Grant) -> None:
        """Forget the login's token; the headers stay."""
        self._source.reject(grant)


def basic(user: str, password: str) -> Secret:
    """Give the value of a Basic Authorization header.

    Raises:
        BrokenInvariant: the user has a colon, which would end it.
    """
    ensure(":" not in user, "a user of HTTP Basic has no colon")
    return Secret("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
