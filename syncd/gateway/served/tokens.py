"""Access tokens, verified here: signature first, then everything else a claim says.

Spec: §7.3 RFC 8725 rules for local validation.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.gateway.served.keys import KeyRing, NoKey
from syncd.ports.clock import Clock
from syncd.ports.offer import Realm

TOKEN_CHARS_MAX = 14 * 1024
"""Longest token; the header line that carries it is limited as well."""
NAME_CHARS_MAX = 120
"""How much of a caller's name is kept."""


class BadToken(Exception):
    """A token is no good; the text says why and quotes nothing of it."""


class NotAllowed(Exception):
    """The token is good, and its holder may not call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls.

    Attributes:
        id: tells callers apart: issuer, client and subject.
        name: for people.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Peeked:
    """What an unverified token says of itself; good only for choosing who verifies it.

    Attributes:
        is_jwt: it has the form of one; else nothing is known.
        is_local: it is signed so that we can verify it.
    """

    is_jwt: bool = False
    is_local: bool = False
    algorithm: str = ""
    kid: str = ""
    issuer: str = ""
    type: str = ""


def peek(token: str) -> Peeked:
    """Look at an unverified token.

    Raises:
        BadToken: it has the form of a JWT and cannot be read, or is too long.
    """
    if not token or len(token) > TOKEN_CHARS_MAX:
        raise BadToken("too long a token" if token else "no token")
    parts = token.split(".")
    if len(parts) != 3:
        if len(parts) == 5:
            raise BadToken("an encrypted token")
        return Peeked()
    header, claims = _part(parts[0]), _part(parts[1])
    algorithm = _text(header, "alg")
    is_symmetric = algorithm.upper().startswith("HS")
    return Peeked(
        is_jwt=True,
        is_local=not is_symmetric,
        algorithm=algorithm,
        kid=_text(header, "kid"),
        issuer=_text(claims, "iss"),
        type=_text(claims, "typ"),
    )


async def verify(
    token: str, peeked: Peeked, realm: Realm, *, keys: KeyRing, clock: Clock
) -> Mapping[str, object]:
    """Verify an access token of a realm; give its claims.

    Raises:
        BadToken: it is no good.
        IssuerUnavailable: the keys cannot be had.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError

    if peeked.algorithm not in realm.algorithms:
        raise BadToken("an algorithm that is not accepted")
    try:
        key = await keys.find(peeked.kid, peeked.algorithm)
        verified = jwt.decode(token, key, algorithms=[peeked.algorithm])
    except NoKey:
        raise BadToken("signed with a key the issuer does not publish") from None
    except (JoseError, ValueError, TypeError):
        raise BadToken("the signature does not hold") from None
    claims = verified.claims
    _check_kind(verified.header, claims)
    check_claims(claims, realm, now_s=clock.now().timestamp())
    return claims


def _check_kind(header: Mapping[str, object], claims: Mapping[str, object]) -> None:
    """Accept access tokens only, not an id token, which anybody's browser may have leaked."""
    is_access = str(header.get("typ", "")).lower() in ("at+jwt", "application/at+jwt")
    if claims.get("typ", "Bearer" if is_access else None) != "Bearer":
        raise BadToken("not an access token")


def check_claims(claims: Mapping[str, object], realm: Realm, *, now_s: float) -> None:
    """Hold issuer, times and audience against a realm.

    Raises:
        BadToken: one of them does not fit.
    """
    if claims.get("iss") != realm.issuer:
        raise BadToken("of another issuer")
    expires = _number(claims, "exp")
    if expires is None or now_s >= expires + realm.leeway_s:
        raise BadToken("expired, or without an end")
    for name in ("nbf", "iat"):
        begins = _number(claims, name)
        if begins is not None and now_s < begins - realm.leeway_s:
            raise BadToken("not valid yet")
    if realm.audience and realm.audience not in _texts(claims.get("aud")):
        raise BadToken("for another audience")
    if realm.clients and _client(claims) not in realm.clients:
        raise BadToken("issued to another client")


def caller_of(claims: Mapping[str, object], realm: Realm) -> Caller:
    """Say who calls, and that it may.

    Raises:
        NotAllowed: it lacks the role.
        BadToken: nobody can tell who it is.
    """
    client, subject = _client(claims), _text(claims, "sub")
    if not (client or subject):
        raise BadToken("of nobody")
    if realm.role and not _has_role(claims, realm.role):
        raise NotAllowed(f"the role {realm.role} is needed")
    name = _text(claims, "preferred_username") or _text(claims, "username") or client or subject
    return Caller(
        id=f"{realm.issuer}|{client}|{subject}",
        name=name.removeprefix("service-account-")[:NAME_CHARS_MAX],
    )


def _has_role(claims: Mapping[str, object], role: str) -> bool:
    client, colon, own = role.partition(":")
    if not colon:
        return role in _roles(claims.get("realm_access"))
    access = claims.get("resource_access")
    return own in _roles(access.get(client) if isinstance(access, Mapping) else None)


def _roles(access: object) -> Sequence[str]:
    roles = access.get("roles") if isinstance(access, Mapping) else None
    return _texts(roles) if isinstance(roles, list) else ()


def _client(claims: Mapping[str, object]) -> str:
    return _text(claims, "azp") or _text(claims, "client_id")


def _number(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadToken(f"its {name} is no time")
    return float(value)


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _part(coded: str) -> Mapping[str, object]:
    """Read one part of a token, strictly: nothing twice, an object.

    Raises:
        BadToken: it is none.
    """
    try:
        padded = coded + "=" * (-len(coded) % 4)
        raw = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
        told = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        raise BadToken("not a readable token") from None
    if not isinstance(told, dict):
        raise BadToken("not a readable token")
    return told


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name twice")
    return made
