"""An issuer's published keys, kept for a while and looked up again when one is not known."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from syncd.gateway.served.issuer import Issuer, IssuerUnavailable
from syncd.ports.clock import Clock

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

    Key = RSAKey | ECKey

FRESH_S = 600.0
"""Seconds after which keys are fetched again: a key taken back stops to count within that."""
STALE_MAX_S = 24 * 3600.0
"""Seconds for which known keys still count while the issuer cannot be reached."""
COOLDOWN_S = 10.0
"""Seconds between two fetches, however many unknown key ids come in between."""
KEYS_MAX = 32
"""Most keys kept of one issuer."""
KID_CHARS_MAX = 256
"""Longest key id."""

_log = structlog.get_logger()


class NoKey(Exception):
    """The issuer has no such key for signing."""


class KeyRing:
    """The signing keys of one issuer."""

    def __init__(self, issuer: Issuer, *, name: str, clock: Clock) -> None:
        """Fetch nothing yet.

        Args:
            issuer: whose keys.
            name: of the issuer, for the log.
            clock: for ages.
        """
        self._issuer = issuer
        self._name = name
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._fetching = asyncio.Lock()

    async def find(self, kid: str, algorithm: str) -> "Key":
        """Give the key that a token says it was signed with.

        Args:
            kid: as the token's header names it; only ever looked up.
            algorithm: the token's, already found acceptable.

        Raises:
            NoKey: there is none.
            IssuerUnavailable: keys cannot be had, and none are known.
        """
        if len(kid) > KID_CHARS_MAX:
            raise NoKey
        if self._age_s() >= FRESH_S or kid not in self._keys:
            await self._refresh(kid)
        key = self._keys.get(kid)
        if key is None or (key.alg is not None and key.alg != algorithm):
            raise NoKey
        return key

    def _age_s(self) -> float:
        now_s = self._clock.monotonic_s()
        return now_s - self._fetched_s if self._fetched_s is not None else STALE_MAX_S

    async def _refresh(self, kid: str) -> None:
        async with self._fetching:
            if kid in self._keys and self._age_s() < FRESH_S:
                return  # Somebody else has just fetched it.
            now_s = self._clock.monotonic_s()
            if self._tried_s is None or now_s - self._tried_s >= COOLDOWN_S:
                self._tried_s = now_s
                await self._fetch()
            if self._age_s() >= STALE_MAX_S:
                self._keys = {}
                raise IssuerUnavailable("its keys are not known")

    async def _fetch(self) -> None:
        try:
            published = await self._issuer.keys()
        except IssuerUnavailable as err:
            _log.warning("gateway.keys_not_fetched", issuer=self._name, error=str(err))
            return
        keys = [key for each in published[:KEYS_MAX] if (key := usable(each)) is not None]
        self._keys = {key.kid or "": key for key in keys}
        self._fetched_s = self._clock.monotonic_s()


def usable(published: Mapping[str, Any]) -> "Key | None":
    """Take a public key for signatures; Keycloak publishes keys for encryption beside them.

    Returns:
        None: it is for something else, or no key.

    Spec: §7.1 (only `use=sig`, or none).
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    if published.get("use", "sig") != "sig" or published.get("kty") not in ("RSA", "EC"):
        return None
    kind = RSAKey if published["kty"] == "RSA" else ECKey
    public = {
        name: published[name]
        for name in ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")
        if isinstance(published.get(name), str)
    }
    try:
        return kind.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
