"""Asks a realm, for `syncd check --live`, whether its tokens could be verified. Changes nothing."""

from syncd.gateway.served.issuer import GrantRefused, Issuer, IssuerUnavailable
from syncd.gateway.served.keys import usable
from syncd.ports.adapter import CheckFinding
from syncd.ports.offer import OfflineTokens, Realm
from syncd.transport.pool import ClientPool

NOBODYS = "syncd-check-a-token-of-nobody"
"""Shown to the realm: that it says no, and not that it does not know us, is what is looked for."""


async def check_realm(realm: Realm, pool: ClientPool) -> list[CheckFinding]:
    """Say what of a realm works.

    Args:
        realm: as configured.
        pool: whose session reaches it.
    """
    issuer = Issuer(realm, pool)
    findings = [await _keys(realm, issuer)]
    if realm.offline_tokens is OfflineTokens.REDEEM:
        findings.append(await _redeeming(realm, issuer))
    if realm.introspects or realm.offline_tokens is OfflineTokens.INTROSPECT:
        findings.append(await _introspection(realm, issuer))
    return findings


async def _keys(realm: Realm, issuer: Issuer) -> CheckFinding:
    try:
        keys = [key for each in await issuer.keys() if (key := usable(each)) is not None]
    except IssuerUnavailable as err:
        return CheckFinding(ok=False, what=f"{realm.keys_url}: {err}")
    good = [key for key in keys if key.alg is None or key.alg in realm.algorithms]
    said = f"{realm.issuer} publishes {len(good)} signing keys of an accepted algorithm"
    return CheckFinding(ok=bool(good), what=said)


async def _redeeming(realm: Realm, issuer: Issuer) -> CheckFinding:
    try:
        await issuer.redeem(NOBODYS)
    except GrantRefused:
        return CheckFinding(ok=True, what=f"{realm.token_url} knows our client {realm.client_id}")
    except IssuerUnavailable as err:
        return CheckFinding(ok=False, what=f"offline tokens: {err}")
    return CheckFinding(ok=False, what=f"{realm.token_url} redeems what nobody issued")


async def _introspection(realm: Realm, issuer: Issuer) -> CheckFinding:
    try:
        told = await issuer.introspect(NOBODYS, "access_token")
    except IssuerUnavailable as err:
        return CheckFinding(ok=False, what=f"introspection: {err}")
    if told is not None:
        return CheckFinding(ok=False, what=f"{realm.introspection_url} finds anything good")
    return CheckFinding(ok=True, what=f"{realm.introspection_url} answers our client")
