from collections.abc import AsyncIterator

import pytest

from syncd.transport.pool import ClientPool
from tests.providers.b612.desk import Connecting


@pytest.fixture
async def connecting() -> AsyncIterator[Connecting]:
    """Adapters whose back-offs take no time."""
    async with ClientPool() as pool:
        yield Connecting(pool=pool)
