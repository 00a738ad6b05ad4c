from collections.abc import AsyncIterator

import pytest
from aioresponses import aioresponses

from syncd.sandbox import DigitalRealtySandbox, DigitalRealtySandboxSettings, SandboxClock
from syncd.transport.pool import ClientPool
from tests.providers.digital_realty.desk import BASE, Connecting, Desk


@pytest.fixture
async def connecting() -> AsyncIterator[Connecting]:
    """Adapters whose back-offs take no time."""
    async with ClientPool() as pool:
        yield Connecting(pool=pool)


@pytest.fixture
async def http() -> AsyncIterator[aioresponses]:
    with aioresponses() as mocked:
        # As the vendor's sample: expires_in is a text, the token's type is its own.
        token = {"access_token": "t1", "token_type": "BearerToken", "expires_in": "3599"}
        mocked.post(f"{BASE}/v2/auth/token", payload=token, repeat=True)
        yield mocked


@pytest.fixture
async def sandbox(connecting: Connecting) -> AsyncIterator[DigitalRealtySandbox]:
    clock = SandboxClock(connecting.clock.now())
    async with DigitalRealtySandbox(DigitalRealtySandboxSettings(clock=clock)) as one:
        yield one
        assert one.violations == [], "we sent what the document does not allow"


@pytest.fixture
async def desk(sandbox: DigitalRealtySandbox, connecting: Connecting) -> Desk:
    return Desk(sandbox, connecting)
