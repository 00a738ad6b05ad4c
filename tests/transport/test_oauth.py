"""Tokens: fetched once, cached, renewed, rotated, refused (DESIGN R11)."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from syncd.model.errors import BrokenInvariant
from syncd.model.secret import Secret
from syncd.ports.errors import (
    CredentialsRejected,
    RateLimited,
    TokenRejected,
    Unreachable,
)
from syncd.transport.auth import BasicAuth, FixedAuth, StaticToken
from syncd.transport.oauth import ClientAuth, GrantKind, OAuthOptions, OAuthTokenSource
from syncd.transport.pool import ClientPool
from syncd.transport.request import Request
from tests.support.clock import FakeClock
from tests.transport.rig import GUARD_S, QUICK, Rig, http, raw_server, web_server

GET = Request(operation="get", method="GET", path="/tickets/1")
PUT = Request(operation="set", method="PUT", path="/tickets/1", json={})


@dataclass
class Sso:
    """A token endpoint and an API that accepts the newest token only."""

    answers: Callable[[int], web.Response]
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    valid: set[str] = field(default_factory=set)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            self.forms.append(parse_qs((await request.read()).decode()))
            self.logins.append(request.headers.get("Authorization", ""))
            self.asked.set()
            await self.gate.wait()
            return self.answers(len(self.forms))
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.json_response({}, status=200 if self.tokens[-1] in self.valid else 401)


def numbered(**more: object) -> Callable[[int], web.Response]:
    return lambda n: web.json_response({"access_token": f"t{n}", "expires_in": 600, **more})


NUMBERED = numbered()


@contextlib.asynccontextmanager
async def sso(
    answers: Callable[[int], web.Response] = NUMBERED, valid: str = "t1 t2 t3"
) -> AsyncIterator[tuple[Sso, str]]:
    server = Sso(answers, valid=set(valid.split()))
    server.gate.set()
    async with web_server(server.handle) as url:
        yield server, url


def source(
    pool: ClientPool, clock: FakeClock, url: str, on_rotated: Any = None, **options: Any
) -> OAuthTokenSource:
    options.setdefault("kind", GrantKind.CLIENT_CREDENTIALS)
    options.setdefault("client_secret", Secret("cl1ent-secret"))
    return OAuthTokenSource(
        OAuthOptions(
            name="acme", token_url=f"{url}/token", client_id="syncd", timeouts=QUICK, **options
        ),
        pool=pool,
        clock=clock,
        on_rotated=on_rotated,
    )


def decoded(login: str) -> str:
    return base64.b64decode(login.removeprefix("Basic ")).decode()


async def token(tokens: OAuthTokenSource) -> str:
    return (await tokens.grant()).headers["Authorization"].reveal()


# --- asking --------------------------------------------------------------------------------------


async def test_client_credentials_are_sent_by_basic(pool: ClientPool, clock: FakeClock) -> None:
    async with sso() as (server, url):
        tokens = source(
            pool, clock, url, client_secret=Secret("a+b/c="), scope="s", extra={"x": "1"}
        )
        assert await token(tokens) == "Bearer t1"
    assert server.forms == [{"grant_type": ["client_credentials"], "scope": ["s"], "x": ["1"]}]
    assert decoded(server.logins[0]) == "syncd:a%2Bb%2Fc%3D"


async def test_basic_may_be_plain_for_gateways_that_do_not_decode(
    pool: ClientPool, clock: FakeClock
) -> None:
    async with sso() as (server, url):
        options = {"client_secret": Secret("a+b/c="), "client_auth": ClientAuth.BASIC_PLAIN}
        await source(pool, clock, url, **options).grant()
    assert decoded(server.logins[0]) == "syncd:a+b/c="


async def test_a_password_is_sent_in_the_form(pool: ClientPool, clock: FakeClock) -> None:
    async with sso() as (server, url):
        await source(
            pool, clock, url, kind=GrantKind.PASSWORD, username="ola", password=Secret("på ss"),
            client_auth=ClientAuth.FORM,
        ).grant()  # fmt: skip
    assert server.logins == [""]
    assert server.forms == [
        {
            "grant_type": ["password"], "username": ["ola"], "password": ["på ss"],
            "client_id": ["syncd"], "client_secret": ["cl1ent-secret"],
        }
    ]  # fmt: skip


async def test_a_public_client_names_itself_in_the_form(pool: ClientPool, clock: FakeClock) -> None:
    async with sso() as (server, url):
        await source(
            pool, clock, url, kind=GrantKind.REFRESH_TOKEN, client_secret=None,
            refresh_token=Secret("off1"),
        ).grant()  # fmt: skip
    assert server.forms == [
        {"grant_type": ["refresh_token"], "refresh_token": ["off1"], "client_id": ["syncd"]}
    ]


async def test_a_grant_without_its_credentials_is_a_bug(pool: ClientPool, clock: FakeClock) -> None:
    for kind in (GrantKind.PASSWORD, GrantKind.REFRESH_TOKEN):
        with pytest.raises(BrokenInvariant):
            source(pool, clock, "http://x", kind=kind)


# --- keeping -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "kept_s"),
    [(600, 540), ("3599", 3539), (60, 45), (None, 240), ("soon", 240), (-5, 240), (10**9, 86340)],
)
async def test_a_token_is_kept_until_shortly_before_it_expires(
    pool: ClientPool, clock: FakeClock, told: object, kept_s: float
) -> None:
    async with sso(numbered(expires_in=told)) as (_, url):
        tokens = source(pool, clock, url)
        assert await token(tokens) == "Bearer t1"
        clock.advance(kept_s - 1)
        assert await token(tokens) == "Bearer t1"
        clock.advance(1)
        assert await token(tokens) == "Bearer t2"


async def test_two_requests_never_fetch_a_token_at_once(pool: ClientPool, clock: FakeClock) -> None:
    async with sso() as (server, url):
        server.gate.clear()
        tokens = source(pool, clock, url)
        waiting = [asyncio.create_task(token(tokens)) for _ in range(20)]
        await asyncio.wait_for(server.asked.wait(), GUARD_S)
        server.gate.set()
        assert set(await asyncio.gather(*waiting)) == {"Bearer t1"}
    assert len(server.forms) == 1


async def test_a_failed_fetch_fails_everyone_who_waits_and_nobody_later(
    pool: ClientPool, clock: FakeClock
) -> None:
    def answers(n: int) -> web.Response:
        return web.Response(status=500) if n == 1 else numbered()(n)

    async with sso(answers) as (server, url):
        server.gate.clear()
        tokens = source(pool, clock, url)
        waiting = [asyncio.create_task(tokens.grant()) for _ in range(3)]
        await asyncio.wait_for(server.asked.wait(), GUARD_S)
        server.gate.set()
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in told] == [Unreachable] * 3
        assert await token(tokens) == "Bearer t2"


async def test_cancelling_a_caller_does_not_cancel_the_fetch(
    pool: ClientPool, clock: FakeClock
) -> None:
    saved: list[str] = []

    async def save(rotated: Secret) -> None:
        saved.append(rotated.reveal())

    async with sso(numbered(refresh_token="off2")) as (server, url):
        server.gate.clear()
        kind = GrantKind.REFRESH_TOKEN
        tokens = source(pool, clock, url, save, kind=kind, refresh_token=Secret("off1"))
        caller = asyncio.create_task(tokens.grant())
        await asyncio.wait_for(server.asked.wait(), GUARD_S)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        server.gate.set()
        await tokens.settle()
    assert saved == ["off2"]


async def test_closing_the_pool_waits_for_a_fetch_under_way(clock: FakeClock) -> None:
    saved: list[str] = []

    async def save(rotated: Secret) -> None:
        saved.append(rotated.reveal())

    async with sso(numbered(refresh_token="off2")) as (server, url):
        server.gate.clear()
        async with ClientPool() as pool:
            kind = GrantKind.REFRESH_TOKEN
            tokens = source(pool, clock, url, save, kind=kind, refresh_token=Secret("off1"))
            caller = asyncio.create_task(tokens.grant())
            await asyncio.wait_for(server.asked.wait(), GUARD_S)
            caller.cancel()
            server.gate.set()
    assert saved == ["off2"]


# --- rotation ------------------------------------------------------------------------------------


async def test_a_rotated_refresh_token_is_stored_before_its_access_token_is_used(
    pool: ClientPool, clock: FakeClock
) -> None:
    stored = asyncio.Event()
    may_finish = asyncio.Event()

    async def save(rotated: Secret) -> None:
        stored.set()
        await may_finish.wait()

    async with sso(numbered(refresh_token="off2")) as (server, url):
        kind = GrantKind.REFRESH_TOKEN
        tokens = source(pool, clock, url, save, kind=kind, refresh_token=Secret("off1"))
        caller = asyncio.create_task(token(tokens))
        await asyncio.wait_for(stored.wait(), GUARD_S)
        assert not caller.done()
        may_finish.set()
        assert await caller == "Bearer t1"
        clock.advance(600)
        await tokens.grant()
    assert [form["refresh_token"] for form in server.forms] == [["off1"], ["off2"]]


async def test_a_refresh_token_that_could_not_be_stored_is_stored_before_the_next_use(
    pool: ClientPool, clock: FakeClock
) -> None:
    saved: list[str] = []

    async def save(rotated: Secret) -> None:
        saved.append(rotated.reveal())
        if len(saved) == 1:
            raise OSError("disk full")

    async with sso(numbered(refresh_token="off2")) as (_, url):
        kind = GrantKind.REFRESH_TOKEN
        tokens = source(pool, clock, url, save, kind=kind, refresh_token=Secret("off1"))
        with pytest.raises(OSError, match="disk full"):
            await tokens.grant()
        assert await token(tokens) == "Bearer t2"
    assert saved == ["off2", "off2"]


async def test_a_refresh_token_that_came_unasked_is_left_alone(
    pool: ClientPool, clock: FakeClock
) -> None:
    async def save(rotated: Secret) -> None:
        raise AssertionError

    async with sso(numbered(refresh_token="r")) as (_, url):
        await source(pool, clock, url, save).grant()


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_refused_credentials_are_told_without_secrets(
    pool: ClientPool, clock: FakeClock, status: int
) -> None:
    def answers(_: int) -> web.Response:
        told = {"error": "invalid_grant", "error_description": "off1-secret of cl1ent-secret"}
        return web.json_response(told, status=status)

    async with sso(answers) as (_, url):
        kind = GrantKind.REFRESH_TOKEN
        tokens = source(pool, clock, url, kind=kind, refresh_token=Secret("off1-secret"))
        with pytest.raises(CredentialsRejected) as caught:
            await tokens.grant()
    assert str(caught.value).endswith("invalid_grant *** of ***")
    assert "secret" not in repr(caught.value.context)
    assert caught.value.context.endpoint == "POST /token"


@pytest.mark.parametrize(
    "answer",
    [
        web.Response,
        lambda: web.Response(status=503),
        lambda: web.Response(status=302, headers={"Location": "/login"}),
        lambda: web.Response(text="x" * 100_000),
        lambda: web.json_response({"access_token": ""}),
        lambda: web.json_response({"access_token": "a\nb"}),
        lambda: web.json_response(["t"]),
        lambda: web.json_response({"error": "temporarily_unavailable"}, status=400),
    ],
)
async def test_an_endpoint_without_a_usable_answer_counts_as_unreachable(
    pool: ClientPool, clock: FakeClock, answer: Callable[[], web.Response]
) -> None:
    async with sso(lambda _: answer()) as (server, url):
        with pytest.raises(Unreachable):
            await source(pool, clock, url).grant()
    assert len(server.forms) == 1


async def test_a_token_endpoint_may_ask_us_to_wait(pool: ClientPool, clock: FakeClock) -> None:
    def answers(_: int) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "9"})

    async with sso(answers) as (_, url):
        with pytest.raises(RateLimited) as caught:
            await source(pool, clock, url).grant()
    assert caught.value.retry_after_s == 9


# --- a 401 of the vendor -------------------------------------------------------------------------


async def test_a_read_renews_a_cached_token_once_and_goes_on(rig: Rig) -> None:
    async with sso(valid="t1") as (server, url):
        transport = rig.transport(url, auth=source(rig.pool, rig.clock, url))
        await transport.read(GET)
        server.valid = {"t2"}
        assert (await transport.read(GET)).status == 200
    assert server.tokens == ["t1", "t1", "t2"]
    assert len(server.forms) == 2


async def test_a_read_refused_with_a_new_token_too_says_so(rig: Rig) -> None:
    async with sso(valid="t1") as (server, url):
        transport = rig.transport(url, auth=source(rig.pool, rig.clock, url))
        await transport.read(GET)
        server.valid = set()
        with pytest.raises(CredentialsRejected):
            await transport.read(GET)
    assert server.tokens == ["t1", "t1", "t2"]


async def test_a_write_refused_with_a_cached_token_drops_it(rig: Rig) -> None:
    async with sso(valid="t1") as (server, url):
        transport = rig.transport(url, auth=source(rig.pool, rig.clock, url))
        await transport.write(PUT)
        server.valid = {"t2"}
        with pytest.raises(TokenRejected):
            await transport.write(PUT)
        await transport.write(PUT)
    assert server.tokens == ["t1", "t1", "t2"]


async def test_a_write_refused_with_a_fresh_token_rejects_the_credentials(rig: Rig) -> None:
    async with sso(valid="") as (server, url):
        transport = rig.transport(url, auth=source(rig.pool, rig.clock, url))
        with pytest.raises(CredentialsRejected):
            await transport.write(PUT)
    assert server.tokens == ["t1"]


async def test_connections_of_one_login_share_its_token(rig: Rig) -> None:
    async with sso() as (server, url):
        auth = source(rig.pool, rig.clock, url)
        for _ in range(2):
            await rig.transport(url, auth=auth).read(GET)
    assert len(server.forms) == 1


async def test_a_late_401_does_not_drop_a_newer_token(pool: ClientPool, clock: FakeClock) -> None:
    async with sso() as (_, url):
        tokens = source(pool, clock, url)
        old = await tokens.grant()
        tokens.reject(old)
        await tokens.grant()
        tokens.reject(old)
        assert await token(tokens) == "Bearer t2"


async def test_a_token_endpoint_that_is_down_means_a_write_never_left(rig: Rig) -> None:
    async with (
        raw_server(lambda _: http()) as server,
        sso(lambda _: web.Response(status=502)) as (
            _,
            url,
        ),
    ):
        with pytest.raises(Unreachable):
            await rig.transport(server.url, auth=source(rig.pool, rig.clock, url)).write(PUT)
    assert not server.sent


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (StaticToken(Secret("t")), "authorization", "Bearer t"),
        (BasicAuth("ola", Secret("p:ø")), "authorization", "Basic b2xhOnA6w7g="),
        (FixedAuth({"user": Secret("id:key")}), "user", "id:key"),
    ],
)
async def test_fixed_credentials_are_sent_and_a_401_rejects_them(
    rig: Rig, auth: FixedAuth, header: str, value: str
) -> None:
    async with raw_server(lambda _: http(401)) as server:
        transport = rig.transport(server.url, auth=auth)
        for call in (transport.read, transport.write):
            with pytest.raises(CredentialsRejected):
                await call(GET)
    assert [sent.headers[header] for sent in server.sent] == [value] * 2
