"""The portal's token endpoint and what tokens are worth (telenor.md sections 3 and 9)."""

from typing import Any

import aiohttp
import pytest

from syncd.sandbox import SandboxClock, TelenorSandbox, TelenorSandboxSettings
from tests.sandbox.conftest import Caller, Got

PASSWORD = {"grant_type": "password", "username": "acme-system", "password": "telenor-password"}


async def login(call: Caller, form: dict[str, str], secret: str = "telenor-secret") -> Got:
    headers = {"Authorization": aiohttp.encode_basic_auth("acme", secret)}
    return await call.raw("POST", "/oauth/v2/token", data=form, headers=headers)


@pytest.mark.parametrize("form", [PASSWORD, {"grant_type": "client_credentials"}])
async def test_a_login_gives_a_token_that_opens_until_it_expires(
    call: Caller, clock: SandboxClock, form: dict[str, str]
) -> None:
    answer = (await login(call, form)).json
    call.headers["Authorization"] = f"Bearer {answer['access_token']}"

    before = await call("GET", "/incidents/count")
    clock.advance(answer["expires_in"])
    after = await call("GET", "/incidents/count")

    assert before.status == 200
    assert (after.status, after.json["code"]) == (401, "401003")


@pytest.mark.parametrize(
    ("form", "secret", "status", "told"),
    [
        (PASSWORD, "wrong", 401, "40107"),
        (PASSWORD | {"password": "wrong"}, "telenor-secret", 400, "invalid_grant"),
        ({"grant_type": "implicit"}, "telenor-secret", 400, "unsupported_grant_type"),
    ],
)
async def test_a_wrong_login_is_refused(
    call: Caller, form: dict[str, str], secret: str, status: int, told: str
) -> None:
    refused = await login(call, form, secret)

    assert refused.status == status
    assert told in refused.body.decode()


async def test_no_header_at_all_is_the_gateways_refusal(
    call: Caller, telenor: TelenorSandbox
) -> None:
    call.headers.clear()

    refused = await call("GET", "/incidents")

    assert refused.status == 401
    assert refused.json["fault"]["detail"]["errorcode"] == "40102"
    assert telenor.violations[-1]["rule"] == "authentication"


async def test_logging_out_ends_the_token(call: Caller) -> None:
    answer = await call.raw("GET", "/oauth/v2/logout")

    assert (answer.status, answer.body) == (200, b"OK!")
    assert (await call("GET", "/incidents")).status == 401


async def test_a_changed_password_ends_tokens_and_refuses_logins(
    call: Caller, telenor: TelenorSandbox
) -> None:
    telenor.person_locks_login()

    assert (await call("GET", "/incidents")).status == 401
    assert (await login(call, PASSWORD)).status == 400
    telenor.person_locks_login(False)
    assert (await login(call, PASSWORD)).status == 200


async def test_secrets_do_not_reach_the_record(call: Caller, telenor: TelenorSandbox) -> None:
    token = (await login(call, PASSWORD)).json["access_token"]
    call.headers["Authorization"] = f"Bearer {token}"
    await call("GET", "/incidents")

    text = str(telenor.record)

    assert "Bearer ***" in text
    for secret in (token, "telenor-secret", "telenor-password"):
        assert secret not in text


async def test_requests_above_the_limit_are_told_to_wait(
    session: aiohttp.ClientSession, clock: SandboxClock
) -> None:
    settings = TelenorSandboxSettings(clock=clock, rate_limit_per_s=1, rate_limit_burst=2)
    async with TelenorSandbox(settings) as sandbox:
        call: Any = Caller(session, sandbox, "/service-tickets/v2")
        call.headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}"}

        statuses = [(await call("GET", "/incidents")).status for _ in range(3)]
        refused = await call("GET", "/incidents")
        clock.advance(1)
        after = await call("GET", "/incidents")

        assert statuses == [200, 200, 429]
        assert refused.headers["Retry-After"] == "1"
        assert "4290" in refused.body.decode()
        assert after.status == 200
