"""What an issuer is asked over HTTP: its keys, what a token is worth, a token for a token."""

from collections.abc import Mapping
from urllib.parse import quote_plus

import aiohttp
import orjson

from syncd.ports.offer import Realm
from syncd.transport.auth import basic
from syncd.transport.pool import ClientPool

ASK_S = 5.0
"""Seconds an issuer has to answer; a caller waits as long."""
ANSWER_BYTES_MAX = 256 * 1024
"""Largest answer of an issuer."""


class IssuerUnavailable(Exception):
    """The issuer gave no usable answer: nobody can be let in or turned away."""


class GrantRefused(Exception):
    """The issuer says that a token is worth nothing."""


class Issuer:
    """One realm's endpoints; every address is the settings', none a token's."""

    def __init__(self, realm: Realm, pool: ClientPool) -> None:
        """Ask nothing yet."""
        self._realm = realm
        self._pool = pool

    async def keys(self) -> list[Mapping[str, object]]:
        """Fetch the published keys.

        Raises:
            IssuerUnavailable: they cannot be had.
        """
        status, answer = await self._ask("GET", self._realm.keys_url)
        keys = answer.get("keys")
        if status != 200 or not isinstance(keys, list):
            raise IssuerUnavailable(f"no keys: status {status}")
        return [key for key in keys if isinstance(key, dict)]

    async def introspect(self, token: str, hint: str) -> Mapping[str, object] | None:
        """Ask what a token is worth; None: nothing.

        Raises:
            IssuerUnavailable: it does not say.

        Spec: §7.2 RFC 7662 rules we rely on.
        """
        form = {"token": token, "token_type_hint": hint}
        status, answer = await self._ask("POST", self._realm.introspection_url, form)
        active = answer.get("active")
        if status != 200 or not isinstance(active, bool):
            raise IssuerUnavailable(f"introspection: status {status}")
        return answer if active else None

    async def redeem(self, offline_token: str) -> tuple[str, str]:
        """Give an offline token for an access token.

        Returns:
            The access token, and the offline token to be used from now on.

        Raises:
            GrantRefused: it is revoked, expired, or was never good.
            IssuerUnavailable: no usable answer, our own client refused included.

        Spec: §7.1 Keycloak facts (redeeming; Revoke Refresh Token).
        """
        form = {"grant_type": "refresh_token", "refresh_token": offline_token}
        status, answer = await self._ask("POST", self._realm.token_url, form)
        if status == 400 and answer.get("error") == "invalid_grant":
            raise GrantRefused
        access, following = answer.get("access_token"), answer.get("refresh_token")
        if status != 200 or not isinstance(access, str):
            # An error's name is one of a few words; its description may quote anything.
            error = str(answer.get("error", ""))[:40]
            raise IssuerUnavailable(f"token endpoint: status {status} {error}".strip())
        return access, following if isinstance(following, str) and following else offline_token

    async def _ask(
        self, method: str, url: str, form: dict[str, str] | None = None
    ) -> tuple[int, Mapping[str, object]]:
        headers = {"Accept": "application/json"}
        if form is not None:
            secret = self._realm.client_secret
            if secret is None:
                form["client_id"] = self._realm.client_id
            else:
                client = quote_plus(self._realm.client_id)
                headers["Authorization"] = basic(client, quote_plus(secret.reveal())).reveal()
        try:
            session = self._pool.session(self._realm.ca_file)
            async with session.request(
                method, url, data=form, headers=headers, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=ASK_S),
            ) as answer:  # fmt: skip
                body = await answer.content.read(ANSWER_BYTES_MAX + 1)
                while len(body) <= ANSWER_BYTES_MAX and (more := await answer.content.readany()):
                    body += more
                return answer.status, _object(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise IssuerUnavailable(f"{type(err).__name__}") from err


def _object(body: bytes) -> Mapping[str, object]:
    if len(body) > ANSWER_BYTES_MAX:
        raise IssuerUnavailable("an answer without end")
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}
