from collections.abc import AsyncIterator

import pytest
from aioresponses import aioresponses

from syncd.providers.sipsynergy import SipSynergyAdapter
from syncd.transport.pool import ClientPool
from tests.providers.sipsynergy.desk import BASE, Connecting


@pytest.fixture
async def connecting() -> AsyncIterator[Connecting]:
    """Adapters whose back-offs take no time."""
    async with ClientPool() as pool:
        yield Connecting(pool=pool)


@pytest.fixture
async def http() -> AsyncIterator[aioresponses]:
    with aioresponses() as mocked:
        yield mocked


@pytest.fixture
async def adapter(connecting: Connecting, http: aioresponses) -> SipSynergyAdapter:
    return connecting.adapter(BASE)
