"""Lets callers in: a bearer token in, a caller out, or a reason why not.

An access token is verified here; a token that only its issuer understands (Keycloak's offline
tokens) is redeemed or introspected. What was found is kept under the token's digest for a short
while; the token itself is kept nowhere, and its rotated successor only encrypted in the store.

Spec: §7.4 Recommended acceptance procedure.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from syncd.gateway.notify import RateLimit, Rejected
from syncd.gateway.served.issuer import GrantRefused, Issuer, IssuerUnavailable
from syncd.gateway.served.keys import KeyRing
from syncd.gateway.served.tokens import (
    BadToken,
    Caller,
    NotAllowed,
    Peeked,
    caller_of,
    check_claims,
    peek,
    verify,
)
from syncd.model.secret import Secret
from syncd.ports.clock import Clock
from syncd.ports.offer import OfflineTokens, Realm
from syncd.ports.served import CredentialStore
from syncd.transport.pool import ClientPool

ACTIVE_S = 60.0
"""Longest an issuer's word that a token is active is believed; revocation shows within that."""
VERIFIED_S = 30.0
"""How long a signature once verified is not verified again; times are looked at every time."""
REFUSED_S = 10.0
"""How long its word that one is not is believed."""
KEPT_MAX = 4096
"""Most tokens of which something is kept, of one connection."""
ASKS_PER_S = 5.0
"""Tokens nobody here can read, for which a realm is asked, steadily: strangers may send any."""
ASKS_BURST = 30

ACCESS_TOKEN, REFRESH_TOKEN = "access_token", "refresh_token"
"""What an issuer is told a token is."""

_log = structlog.get_logger()


class Denied(Exception):
    """A caller is not let in.

    Attributes:
        status: 401, 403, 429 or 503.
        reason: one sentence, safe to answer and to log.
        had_token: one was shown, and it is no good.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        had_token: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep them."""
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.had_token = had_token
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardParts:
    """What a guard works with.

    Attributes:
        pool: whose sessions reach the issuers.
        credentials: keeps offline tokens' successors.
        clock: time.
    """

    pool: ClientPool
    credentials: CredentialStore
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is known of a token, until when; claims None: it is no good."""

    until_s: float
    claims: Mapping[str, object] | None


class _Realm:
    """A realm, its keys, and its limits."""

    def __init__(self, realm: Realm, parts: GuardParts) -> None:
        self.realm = realm
        self.issuer = Issuer(realm, parts.pool)
        self.keys = KeyRing(self.issuer, name=realm.issuer, clock=parts.clock)
        self.asks = RateLimit(clock=parts.clock, per_s=ASKS_PER_S, burst=ASKS_BURST)


class Guard:
    """Who may call one connection."""

    def __init__(self, connection: str, realms: Sequence[Realm], parts: GuardParts) -> None:
        """Know nobody yet.

        Args:
            connection: its name; secrets are kept under it.
            realms: whose tokens let in.
            parts: what to work with.
        """
        self._connection = connection
        self._parts = parts
        self._realms = [_Realm(realm, parts) for realm in realms]
        self._verdicts: OrderedDict[tuple[str, str, str], _Verdict] = OrderedDict()

    async def let_in(self, authorizations: Sequence[str]) -> Caller:
        """Say who calls.

        Args:
            authorizations: every Authorization header of the request.

        Raises:
            Denied: with the reason.
        """
        token = _bearer(authorizations)
        try:
            peeked = peek(token)
            if peeked.is_local:
                return await self._by_signature(token, peeked)
            return await self._by_issuer(token, peeked)
        except BadToken as err:
            raise Denied(401, f"the token is not accepted: {err}", had_token=True) from None
        except NotAllowed as err:
            raise Denied(403, str(err)) from None
        except IssuerUnavailable as err:
            _log.warning("gateway.issuer_unavailable", connection=self._connection, error=str(err))
            text = "the issuer of tokens cannot be reached"
            raise Denied(503, text, retry_after_s=10) from None
        except Rejected as err:
            raise Denied(
                429, "too many tokens to ask about", retry_after_s=err.retry_after_s
            ) from None

    # --- access tokens ---------------------------------------------------------------------------

    async def _by_signature(self, token: str, peeked: Peeked) -> Caller:
        for each in self._realms:
            if each.realm.issuer == peeked.issuer:
                claims = await self._verified(each, token, peeked)
                if each.realm.introspects:
                    await self._ask_active(each, token, ACCESS_TOKEN)
                return caller_of(claims, each.realm)
        raise BadToken("of an issuer that is not accepted")

    async def _verified(self, each: _Realm, token: str, peeked: Peeked) -> Mapping[str, object]:
        """Verify a token, once in a while: a caller shows the same one hundreds of times."""
        clock = self._parts.clock
        key = (each.realm.issuer, "verified", _digest(token))
        known = self._known(key)
        if known is not None and known.claims is not None:
            check_claims(known.claims, each.realm, now_s=clock.now().timestamp())
            return known.claims
        claims = await verify(token, peeked, each.realm, keys=each.keys, clock=clock)
        self._keep(key, _Verdict(clock.monotonic_s() + VERIFIED_S, claims))
        return claims

    async def _ask_active(self, each: _Realm, token: str, hint: str) -> Mapping[str, object]:
        """Have the issuer say that a token is still good; its word counts for a short while."""
        key = (each.realm.issuer, hint, _digest(token))
        verdict = self._known(key)
        if verdict is None:
            if hint != ACCESS_TOKEN:
                # Whoever shows an access token has shown its signature before.
                each.asks.take(each.realm.issuer)
            told = await each.issuer.introspect(token, hint)
            now_s = self._parts.clock.monotonic_s()
            verdict = _Verdict(now_s + (REFUSED_S if told is None else ACTIVE_S), told)
            self._keep(key, verdict)
        if verdict.claims is None:
            raise BadToken("revoked or expired")
        return verdict.claims

    # --- tokens that only their issuer understands -----------------------------------------------

    async def _by_issuer(self, token: str, peeked: Peeked) -> Caller:
        """Ask the realm that a token names; of one that names none, each that takes such."""
        if peeked.is_jwt and peeked.type not in ("Offline", "Refresh"):
            raise BadToken("signed with a shared secret")
        asked = [
            each
            for each in self._realms
            if each.realm.offline_tokens is not OfflineTokens.REFUSE
            and (not peeked.is_jwt or each.realm.issuer == peeked.issuer)
        ]
        reason = "offline tokens are not accepted here"
        for each in asked:
            try:
                claims = await self._worth(each, token)
                return caller_of(claims, each.realm)
            except BadToken as err:
                reason = str(err)
        raise BadToken(reason)

    async def _worth(self, each: _Realm, token: str) -> Mapping[str, object]:
        if each.realm.offline_tokens is OfflineTokens.INTROSPECT:
            claims = await self._ask_active(each, token, REFRESH_TOKEN)
            # An offline session may have no end, and its audience is the issuer itself.
            lasting = {**claims, "iss": claims.get("iss", each.realm.issuer)}
            lasting["exp"] = claims.get("exp") or float("inf")
            now_s = self._parts.clock.now().timestamp()
            check_claims(lasting, replace(each.realm, audience=""), now_s=now_s)
            return claims
        key = (each.realm.issuer, "redeemed", _digest(token))
        verdict = self._known(key)
        if verdict is None:
            name = f"offline/{self._connection}/{_digest(f'{each.realm.issuer} {token}')}"
            async with self._parts.credentials.alone(name):
                verdict = self._known(key)
                if verdict is None:
                    verdict = await self._redeemed(each, token, name)
                    self._keep(key, verdict)
        if verdict.claims is None:
            raise BadToken("revoked or expired")
        return verdict.claims

    async def _redeemed(self, each: _Realm, token: str, name: str) -> _Verdict:
        """Redeem a token, or what it was exchanged for before, and verify what comes of it."""
        each.asks.take(each.realm.issuer)
        known = await self._parts.credentials.load(name)
        used = known.reveal() if known is not None else token
        now_s = self._parts.clock.monotonic_s()
        try:
            access, following = await each.issuer.redeem(used)
        except GrantRefused:
            return _Verdict(now_s + REFUSED_S, None)
        if following != used:
            # The old one is used up: nothing is done with the new access token before this is safe.
            await self._parts.credentials.save(name, Secret(following))
        claims = await verify(
            access, peek(access), each.realm, keys=each.keys, clock=self._parts.clock
        )
        left_s = _seconds_left(claims, self._parts.clock)
        return _Verdict(now_s + left_s, claims)

    # --- what is kept ----------------------------------------------------------------------------

    def _known(self, key: tuple[str, str, str]) -> _Verdict | None:
        verdict = self._verdicts.get(key)
        if verdict is None or verdict.until_s <= self._parts.clock.monotonic_s():
            self._verdicts.pop(key, None)
            return None
        return verdict

    def _keep(self, key: tuple[str, str, str], verdict: _Verdict) -> None:
        self._verdicts[key] = verdict
        self._verdicts.move_to_end(key)
        while len(self._verdicts) > KEPT_MAX:
            self._verdicts.popitem(last=False)


def _bearer(authorizations: Sequence[str]) -> str:
    if len(authorizations) > 1:
        raise Denied(400, "one Authorization header is enough")
    scheme, _, token = (authorizations[0] if authorizations else "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Denied(401, "a bearer token is needed")
    return token.strip()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _seconds_left(claims: Mapping[str, object], clock: Clock) -> float:
    expires = claims.get("exp")
    until_s = float(expires) if isinstance(expires, int | float) else 0.0
    return max(0.0, until_s - clock.now().timestamp())
