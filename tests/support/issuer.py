"""A Keycloak realm in this process: keys, tokens of every kind, and what may go wrong with them.

It stands for the shape of the protocol where a test needs to bend it; `tests/oidc` runs a real
OpenID provider.
"""

import base64
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import BasicAuth, web
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "syncd", "syncd-secret"


def new_key(kid: str, use: str = "sig", alg: str = "RS256") -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": use, "alg": alg})


@dataclass
class Issuer:
    """One realm.

    Attributes:
        keys: the first signs; all are published, with one for encryption.
        offline: offline token -> its session's subject; those not in it are refused.
        rotates: an offline token works once, and its answer brings the next.
        is_down: every endpoint answers 500.
        asked: endpoint -> how often it was asked.
    """

    now: Callable[[], datetime]
    realm: str = "lab"
    keys: list[RSAKey] = field(default_factory=lambda: [new_key("k1")])
    offline: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    rotates: bool = False
    is_down: bool = False
    asked: dict[str, int] = field(default_factory=dict)
    used_offline: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def iss(self) -> str:
        return f"{self.url}/realms/{self.realm}"

    # --- tokens ----------------------------------------------------------------------------------

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What Keycloak puts into an access token; a value of None leaves a claim out."""
        now = int(self.now().timestamp())
        whole: dict[str, Any] = {
            "iss": self.iss,
            "sub": "5f3c",
            "aud": "syncd",
            "azp": "itops",
            "typ": "Bearer",
            "iat": now,
            "exp": now + 300,
            "jti": secrets.token_hex(8),
            "preferred_username": "service-account-itops",
            "realm_access": {"roles": ["raise-tickets"]},
        }
        return {name: value for name, value in (whole | changed).items() if value is not None}

    def token(
        self, *, key: RSAKey | None = None, header: Mapping[str, Any] | None = None, **changed: Any
    ) -> str:
        key = key or self.keys[0]
        head = {"alg": "RS256", "kid": key.kid, "typ": "JWT"} | dict(header or {})
        return jwt.encode(head, self.claims(**changed), key, algorithms=[head["alg"]])

    def signed_with_the_public_key(self) -> str:
        """The old trick: what everybody knows, used as a shared secret."""
        claims, key = self.claims(), self.keys[0]

        def part(value: bytes) -> str:
            return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

        head = json.dumps({"alg": "HS256", "kid": key.kid, "typ": "JWT"})
        signed = f"{part(head.encode())}.{part(json.dumps(claims).encode())}"
        digest = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
        return f"{signed}.{part(digest)}"

    def offline_token(self, subject: str = "5f3c") -> str:
        """A refresh token of type Offline, signed as Keycloak does: with a key of its own."""
        claims = {"iss": self.iss, "typ": "Offline", "sub": subject, "jti": secrets.token_hex(8)}
        token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secrets.token_bytes(32)))
        self.offline[token] = subject
        return token

    # --- endpoints -------------------------------------------------------------------------------

    async def _certs(self, _request: web.Request) -> web.Response:
        published = [key.as_dict(private=False) for key in self.keys]
        encryption = {**published[0], "kid": "enc", "use": "enc", "alg": "RSA-OAEP"}
        return web.json_response({"keys": [encryption, *published]})

    async def _token(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        offline = form.get("refresh_token", "")
        self.used_offline.append(offline)
        subject = self.offline.get(offline)
        if form.get("grant_type") != "refresh_token" or subject is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        following = offline
        if self.rotates:
            del self.offline[offline]
            following = self.offline_token(subject)
        answer = {"access_token": self.token(sub=subject), "refresh_token": following}
        return web.json_response(answer | {"expires_in": 300, "refresh_expires_in": 0})

    async def _introspect(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        token = form.get("token", "")
        if token in self.revoked:
            return web.json_response({"active": False})
        if form.get("token_type_hint") == "refresh_token":
            is_known = token in self.offline
            told = {"active": is_known, "iss": self.iss, "client_id": "itops", "sub": "5f3c"}
            told["realm_access"] = {"roles": ["raise-tickets"]}
            return web.json_response(told if is_known else {"active": False})
        if "." not in token:
            return web.json_response({"active": False})
        return web.json_response({"active": True} | self.claims())

    async def _form(self, request: web.Request) -> dict[str, str]:
        login = BasicAuth.decode(request.headers["Authorization"])
        assert (login.login, login.password) == (CLIENT, SECRET)
        return dict(parse_qsl((await request.read()).decode()))

    def application(self) -> web.Application:
        @web.middleware
        async def counting(request: web.Request, handler: Any) -> web.StreamResponse:
            name = request.path.rsplit("/", 1)[1]
            self.asked[name] = self.asked.get(name, 0) + 1
            if self.is_down:
                return web.json_response({"error": "down"}, status=500)
            answer: web.StreamResponse = await handler(request)
            return answer

        made = web.Application(middlewares=[counting])
        below = f"/realms/{self.realm}/protocol/openid-connect"
        made.router.add_get(f"{below}/certs", self._certs)
        made.router.add_post(f"{below}/token", self._token)
        made.router.add_post(f"{below}/token/introspect", self._introspect)
        return made


@asynccontextmanager
async def running(issuer: Issuer) -> AsyncIterator[Issuer]:
    """Serve a realm for as long as the block lasts."""
    runner = web.AppRunner(issuer.application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield issuer
    finally:
        await runner.cleanup()
