"""What a provider builds its login from: whose session, which clock, where tokens are kept."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from syncd.model.ids import ConnectionName
from syncd.model.secret import Secret
from syncd.ports.clock import Clock
from syncd.transport.auth import TokenSource
from syncd.transport.oauth import OAuthOptions, OAuthTokenSource
from syncd.transport.pool import ClientPool
from syncd.transport.wirelog import WireLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a connection's login is built from, beside its settings.

    Attributes:
        name: the connection's, or that of the login it shares.
        base_url: that connection's, below which some vendors have their token endpoint.
        pool: whose session reaches the token endpoint.
        clock: for expiry.
        on_rotated: commits a rotated refresh token; awaited before its access token is used. None:
            it is kept in memory only.
        stored_token: the refresh token as last rotated and stored; None: as configured.
        ca_file: the only authorities trusted; None for the system's.
        log: told about exchanges with the token endpoint.
    """

    name: ConnectionName
    pool: ClientPool
    clock: Clock
    on_rotated: Callable[[Secret], Awaitable[None]] | None = None
    base_url: str = ""
    stored_token: Secret | None = None
    ca_file: Path | None = None
    log: WireLog | None = None

    def tokens(self, options: OAuthOptions) -> TokenSource:
        """Give a source of tokens.

        Args:
            options: the provider's part; name, stored token and authorities come from here.
        """
        own = replace(
            options,
            name=self.name,
            ca_file=self.ca_file,
            refresh_token=self.stored_token or options.refresh_token,
        )
        return OAuthTokenSource(
            own, pool=self.pool, clock=self.clock, on_rotated=self.on_rotated, log=self.log
        )
