"""The realm's token endpoint (smartops.md section 7.1)."""

from typing import Any

import aiohttp
import pytest

from syncd.sandbox import SandboxClock, SmartOpsSandbox
from tests.sandbox.conftest import Caller, Got
from tests.sandbox.test_smartops import create, running

TOKEN = "/realms/acme/protocol/openid-connect/token"
CLIENT = {"client_id": "syncd", "client_secret": "smartops-secret"}
OFFLINE = {"grant_type": "refresh_token", "refresh_token": "smartops-offline-token"}


async def login(ask: Caller, path: str = TOKEN, **form: str) -> Got:
    return await ask("POST", path, data=form, headers={"Authorization": ""})


@pytest.mark.parametrize(
    "form",
    [
        CLIENT | {"grant_type": "client_credentials"},
        OFFLINE | CLIENT,
        OFFLINE | {"client_id": "syncd"},
    ],
)
async def test_a_login_gives_a_token_that_opens_until_it_expires(
    ask: Caller, clock: SandboxClock, form: dict[str, str]
) -> None:
    answer = (await login(ask, **form)).json
    ask.headers["Authorization"] = f"Bearer {answer['access_token']}"

    before = await create(ask)
    clock.advance(answer["expires_in"])
    after = await create(ask)

    assert (before.status, after.status) == (200, 401)
    assert 'error="invalid_token"' in after.headers["WWW-Authenticate"]
    assert ("refresh_token" in answer) == (form["grant_type"] == "refresh_token")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (OFFLINE | {"client_id": "other"}, 401, "invalid_client"),
        (OFFLINE | CLIENT | {"client_secret": "x"}, 401, "unauthorized_client"),
        ({"grant_type": "client_credentials", "client_id": "syncd"}, 401, "unauthorized_client"),
        (OFFLINE | CLIENT | {"refresh_token": "x"}, 400, "invalid_grant"),
        (CLIENT | {"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_a_wrong_login_is_refused(
    ask: Caller, form: dict[str, str], status: int, error: str
) -> None:
    refused = await login(ask, **form)

    assert (refused.status, refused.json["error"]) == (status, error)


async def test_another_realm_does_not_exist(ask: Caller) -> None:
    assert (await login(ask, TOKEN.replace("acme", "umbrella"), **OFFLINE, **CLIENT)).status == 404


async def test_a_client_may_name_itself_in_basic(ask: Caller) -> None:
    headers = {"Authorization": aiohttp.encode_basic_auth("syncd", "smartops-secret")}

    answer = await ask("POST", TOKEN, data={"grant_type": "client_credentials"}, headers=headers)

    assert answer.status == 200


async def test_a_rotated_offline_token_works_once(session: aiohttp.ClientSession) -> None:
    async with running(session, rotates_offline_token=True) as (_, ask):
        first = await login(ask, **OFFLINE, **CLIENT)
        again = await login(ask, **OFFLINE, **CLIENT)
        form: dict[str, Any] = OFFLINE | CLIENT | {"refresh_token": first.json["refresh_token"]}
        second = await login(ask, **form)

        assert first.json["refresh_token"] != OFFLINE["refresh_token"]
        assert (again.status, again.json["error"]) == (400, "invalid_grant")
        assert second.status == 200


async def test_a_revoked_offline_token_is_an_invalid_grant(
    ask: Caller, smartops: SmartOpsSandbox
) -> None:
    smartops.person_revokes_token()

    assert (await login(ask, **OFFLINE, **CLIENT)).json["error"] == "invalid_grant"
    assert (await create(ask)).status == 401


async def test_secrets_do_not_reach_the_record(ask: Caller, smartops: SmartOpsSandbox) -> None:
    await login(ask, **OFFLINE, **CLIENT)

    for secret in ("smartops-secret", "smartops-offline-token"):
        assert secret not in str(smartops.record)
