from collections.abc import AsyncIterator

import pytest

from syncd.transport.pool import ClientPool
from tests.support.clock import FakeClock
from tests.transport.rig import Recorded, Rig


@pytest.fixture
def clock() -> FakeClock:
    """A clock on which sleeping takes no time."""
    return FakeClock(auto_advance=True)


@pytest.fixture
async def pool() -> AsyncIterator[ClientPool]:
    async with ClientPool() as pool:
        yield pool


@pytest.fixture
def rig(pool: ClientPool, clock: FakeClock) -> Rig:
    return Rig(pool=pool, clock=clock, log=Recorded())
