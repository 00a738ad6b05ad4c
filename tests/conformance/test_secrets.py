"""No secret in any log, error or value (tokens, passwords, client secrets)."""

import base64
from urllib.parse import quote

import pytest
import structlog

from syncd.log import ExchangeLog
from syncd.model.operation import WriteKind
from syncd.ports.adapter import Expectation
from tests.conformance.world import World, error_of, needs_remote, one_field

FAULTS = ("garbage", "error_before", "error_after", "lost_answer", "reset_before", "rate_limited")


def forms(secret: str) -> set[str]:
    """Give the spellings in which a secret would still be one."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, quote(secret, safe=""), encoded}


async def everything(world: World) -> list[object]:
    """Use each method, with and without faults, and give whatever was told."""
    told: list[object] = []
    ref = await world.opened()
    for fault in (None, *FAULTS):
        if fault is not None:
            world.sandbox.faults.next(fault, count=200)
        told.append(await error_of(world.read(ref)))
        told.append(await error_of(world.adapter.poll(world.fixture.kind, None)))
        told.append(await error_of(world.adapter.check(Expectation())))
        for kind in world.features.writes:
            if kind is not WriteKind.DELETE:
                write = one_field(world, world.write_of(kind, ref))
                told.append(await error_of(world.send(write)))
                told.append(await error_of(world.adapter.probe(write, world.clock.now())))
        world.sandbox.faults.clear()
        world.sandbox.tokens.expire_all()
        world.advance(3600)
    world.person("locks_login")
    told.append(await error_of(world.read(ref)))
    if "token" in world.sandbox.operations:
        world.person("locks_login", False)
        for fault in FAULTS:
            world.advance(3600)
            world.sandbox.faults.next(fault, operation="token", count=20)
            told.append(await error_of(world.another().read(ref)))
            world.sandbox.faults.clear()
    return told


def shown(told: object) -> str:
    """Give all a log, a person or a debugger could see of a value or an error."""
    texts = [repr(told), str(told), str(getattr(told, "context", ""))]
    error: BaseException | None = told if isinstance(told, BaseException) else None
    while error is not None:
        texts += [repr(error), str(error), str(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


class TestSecrets:
    """What is secret is never shown."""

    async def test_no_log_error_or_answer_shows_a_secret(self, world: World) -> None:
        with structlog.testing.capture_logs() as logged:
            told = await everything(world)
            log = ExchangeLog()
            for exchange in world.exchanges.seen:
                log.request(exchange)
        assert len(world.secrets) >= 1
        assert len(logged) >= len(world.exchanges.seen) > 20
        texts = [*map(shown, told), *map(str, logged), *map(repr, world.exchanges.seen)]
        texts += [repr(world.adapter), repr(world.own), str(world.own), repr(vars(world.adapter))]
        whole = "\n".join(texts)
        found = [
            form[:4] + "…" for secret in world.secrets for form in forms(secret) if form in whole
        ]
        assert not found, f"shown: {found}"

    @pytest.mark.parametrize("status", [400, 403, 404, 422, 500])
    async def test_an_error_that_quotes_our_login_shows_no_secret(
        self, world: World, status: int
    ) -> None:
        needs_remote(world)
        ref = await world.opened()
        told: list[object] = []
        with structlog.testing.capture_logs() as logged:
            world.sandbox.faults.next("error_before", status=status, body="quote", count=500)
            told.append(await error_of(world.read(ref)))
            told.append(await error_of(world.adapter.poll(world.fixture.kind, None)))
            told.append(await error_of(world.adapter.check(Expectation())))
            writes = [world.write_of(kind, ref) for kind in world.features.writes]
            told += [await error_of(world.send(one_field(world, one))) for one in writes]
        whole = "\n".join([*map(shown, told), *map(str, logged)])
        assert "***" in whole, "nothing was quoted"
        found = [form[:4] for secret in world.secrets for form in forms(secret) if form in whole]
        assert not found, f"shown: {found}"
