"""Callers with tokens of a real OpenID provider, laid out as a Keycloak realm."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from joserfc.jwk import RSAKey

from syncd.ports.offer import OfflineTokens
from tests.gateway.served import DETAILS, NAME, Office, office
from tests.support.oidc import Provider, running_provider

CLIENT = {"client_id": "syncd"}


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running_provider() as running:
        yield running


def realm(provider: Provider, name: str = "lab", **more: Any) -> dict[str, Any]:
    below = f"{provider.issuer(name)}/protocol/openid-connect"
    return {
        "issuer": provider.issuer(name),
        "keys_url": f"{below}/certs",
        "token_url": f"{below}/token",
        "introspection_url": f"{below}/token/introspect",
        **more,
    }


@dataclass
class Visitor:
    """Knocks; the gateway's clock is the provider's, or ahead of it."""

    desk: Office
    ahead_s: float = 0.0

    async def knock(self, token: str) -> int:
        now = datetime.now(UTC) + timedelta(seconds=self.ahead_s)
        self.desk.clock.seconds += (now - self.desk.clock.now()).total_seconds()
        login = {"Authorization": f"Bearer {token}"}
        async with self.desk.http.post(
            DETAILS, json={"ticketNumber": "x"}, headers=login
        ) as answer:
            return answer.status


async def test_tokens_of_a_real_provider_open_and_forgeries_do_not(
    provider: Provider, tmp_path: Path
) -> None:
    async with office(tmp_path, **realm(provider)) as desk:
        visitor = Visitor(desk)
        good = await provider.token()
        assert await visitor.knock(good) == 200
        assert await visitor.knock(await provider.token("no-role")) == 403
        assert await visitor.knock(await provider.token("payroll")) == 401
        assert await visitor.knock(await provider.token(realm="other")) == 401
        head, claims, signature = good.split(".")
        assert await visitor.knock(f"{_part({'alg': 'none'})}.{claims}.") == 401
        assert await visitor.knock(await _with_public_key(provider, head, claims)) == 401
        assert await visitor.knock(f"{head}.{claims}.{signature[:-8]}AAAAAAAA") == 401
        offline = await provider.offline_token()
        told = await provider.post(
            "token", "syncd", grant_type="refresh_token", refresh_token=offline
        )
        assert await visitor.knock(told["access_token"]) == 200
        assert await visitor.knock(told["id_token"]) == 401
        visitor.ahead_s += 400
        assert await visitor.knock(good) == 401


async def test_a_rotated_key_is_learned_and_a_withdrawn_one_forgotten(
    provider: Provider, tmp_path: Path
) -> None:
    async with office(tmp_path, **realm(provider)) as desk:
        visitor = Visitor(desk)
        await provider.control("token-life", realm="lab", s="7200")
        old = await provider.token()
        assert await visitor.knock(old) == 200
        visitor.ahead_s += 11
        await provider.control("rotate", realm="lab", keep="1")
        assert await visitor.knock(await provider.token()) == 200
        assert await visitor.knock(old) == 200
        await provider.control("rotate", realm="lab", keep="0")
        visitor.ahead_s += 601
        assert await visitor.knock(old) == 401
        assert await visitor.knock(await provider.token()) == 200


@pytest.mark.parametrize("name", ["lab", "rotating"])
async def test_an_offline_token_opens_until_it_is_revoked(
    provider: Provider, tmp_path: Path, name: str
) -> None:
    async with office(tmp_path, **realm(provider, name)) as desk:
        visitor = Visitor(desk)
        offline = await provider.offline_token(realm=name)
        guest = await provider.offline_token("guest", realm=name)
        assert [await visitor.knock(offline) for _ in range(3)] == [200] * 3
        assert await visitor.knock(guest) == 403
        visitor.ahead_s += 300
        if name == "lab":
            await provider.post("revoke", "syncd", name, token=offline)
            assert await visitor.knock(offline) == 401
        assert await visitor.knock("no-token-of-anybody") == 401


async def test_a_rotated_offline_token_goes_on_working_for_its_caller(
    provider: Provider, tmp_path: Path
) -> None:
    async with office(tmp_path, **realm(provider, "rotating")) as desk:
        visitor = Visitor(desk)
        await provider.control("token-life", realm="rotating", s="60")
        offline = await provider.offline_token(realm="rotating")
        for _ in range(3):
            assert await visitor.knock(offline) == 200
            # As if a minute had gone by for us, though not for the provider's clock.
            desk.gateway.reload({}, frozenset(), {})
            desk.gateway.reload({}, frozenset(), {NAME: desk.offer})


async def test_an_introspected_offline_token_is_turned_away_once_revoked(
    provider: Provider, tmp_path: Path
) -> None:
    more = {"offline_tokens": OfflineTokens.INTROSPECT, "clients": frozenset({"syncd"}), "role": ""}
    async with office(tmp_path, **realm(provider, **more)) as desk:
        visitor = Visitor(desk)
        offline = await provider.offline_token()
        assert await visitor.knock(offline) == 200
        await provider.post("revoke", "syncd", token=offline)
        assert await visitor.knock(offline) == 200
        visitor.ahead_s += 61
        assert await visitor.knock(offline) == 401


def _part(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def _with_public_key(provider: Provider, head: str, claims: str) -> str:
    """Sign a good token's claims anew, with the published key as a shared secret."""
    url = f"{provider.issuer()}/protocol/openid-connect/certs"
    async with aiohttp.request("GET", url) as answer:
        (published,) = (await answer.json())["keys"]
    key = RSAKey.import_key(published)
    signed = f"{_part({'alg': 'HS256', 'kid': published['kid']})}.{claims}"
    digest = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
