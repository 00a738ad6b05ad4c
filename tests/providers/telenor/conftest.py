from collections.abc import AsyncIterator

import pytest
from aioresponses import aioresponses

from syncd.providers.telenor import TelenorAdapter
from syncd.transport.pool import ClientPool
from tests.providers.telenor.desk import BASE, Connecting


@pytest.fixture
async def connecting() -> AsyncIterator[Connecting]:
    """Adapters whose back-offs take no time."""
    async with ClientPool() as pool:
        yield Connecting(pool=pool)


@pytest.fixture
async def http() -> AsyncIterator[aioresponses]:
    with aioresponses() as mocked:
        mocked.post(
            f"{BASE}/oauth/v2/token",
            payload={"access_token": "t1", "expires_in": 3600},
            repeat=True,
        )
        yield mocked


@pytest.fixture
async def adapter(connecting: Connecting, http: aioresponses) -> TelenorAdapter:
    return connecting.adapter(BASE)
