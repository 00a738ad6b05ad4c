"""A realm that gives the demo's automation its tokens: keys over HTTP, tokens made here."""

import time
from typing import TYPE_CHECKING, Self

from aiohttp import web

from syncd.model.errors import needed

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

LIFE_S = 60
"""Life of a token; one is made for every call."""
PATH = "/realms/demo"


class Realm:
    """The realm; `async with` it, and `url` is its issuer."""

    def __init__(self) -> None:
        self.url = ""
        self._key: RSAKey | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        from joserfc.jwk import RSAKey

        self._key = RSAKey.generate_key(2048, {"kid": "demo", "use": "sig", "alg": "RS256"})
        application = web.Application()
        application.router.add_get(f"{PATH}/protocol/openid-connect/certs", self._certs)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}{PATH}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _certs(self, _request: web.Request) -> web.Response:
        key = needed(self._key, "the realm listens only with a key")
        return web.json_response({"keys": [key.as_dict(private=False)]})

    def token(self) -> str:
        """Make an access token as Keycloak would."""
        from joserfc import jwt

        key = needed(self._key, "whoever asks for a token has started the realm")
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "robot",
            "aud": "syncd",
            "azp": "automation",
            "typ": "Bearer",
            "iat": now,
            "exp": now + LIFE_S,
            "preferred_username": "service-account-automation",
            "realm_access": {"roles": ["raise-tickets"]},
        }
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)
