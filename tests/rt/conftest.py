"""A real Request Tracker for this folder; without one its tests are skipped and say so."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.model.secret import Secret
from syncd.transport.options import Timeouts
from syncd.transport.pool import ClientPool
from tests.conformance.fixture import Fixture
from tests.conformance.fixtures.rt import TICKETS
from tests.conformance.world import World, as_it_is
from tests.rt.proxy import HeldClock, RtProxy
from tests.rt.server import Rt, is_installed, running
from tests.support.clock import FakeClock

WANTED = "SYNCD_TEST_RT"
"""Set by `make test-rt`: starting RT takes longer than most tests."""


PATIENT = Timeouts(connect_s=60, read_s=120, total_s=180)
"""RT stores 50 MB in seconds, on a busy machine in many."""


def needs_rt() -> None:
    if not os.environ.get(WANTED):
        pytest.skip("a real Request Tracker is tested by `make test-rt`")
    if not is_installed():
        pytest.skip("Request Tracker is not installed here: python -m tests.rt.server install")


@pytest.fixture(scope="session")
def rt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rt]:
    """One RT for all tests, at a time of its own; each test begins days after the one before."""
    needs_rt()
    with running(Path(tmp_path_factory.mktemp("rt")), held_at=FakeClock().now()) as made:
        yield made


@pytest.fixture
def start(rt: Rt) -> datetime:
    assert rt.held_at is not None
    return rt.held_at + timedelta(days=3)


@pytest.fixture
def provider(rt: Rt) -> Fixture:
    """The kit's fixture, with this RT's token, and ids that no longer text holds by chance."""

    def settings(base_url: str) -> Any:
        return {**TICKETS.settings(base_url), "auth": {"token": Secret(rt.tokens["syncd"])}}

    # The kit asks the sandbox which of its calls a write makes.
    sandbox = {**TICKETS.sandbox, "token": rt.tokens["syncd"]}
    return replace(TICKETS, settings=settings, sandbox=sandbox)


Desk = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def desk(rt: Rt, provider: Fixture, start: datetime) -> Desk:
    """Opens the kit's world around the real RT, with more keys of the connection."""

    @asynccontextmanager
    async def opened(**kit: object) -> AsyncIterator[World]:
        fixture = replace(provider, kit={**provider.kit, **kit})
        async with ClientPool() as pool, RtProxy(rt, HeldClock(rt, start)) as proxy:
            clock = FakeClock(at=start, auto_advance=True)
            yield World(fixture, proxy, pool, as_it_is, clock=clock, timeouts=PATIENT)

    return opened


@pytest.fixture
async def world(desk: Desk) -> AsyncIterator[World]:
    """The kit's world around the real RT."""
    async with desk() as one:
        yield one
