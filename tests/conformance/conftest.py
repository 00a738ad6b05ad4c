from collections.abc import AsyncIterator

import pytest

from tests.conformance.fixture import Fixture, all_fixtures
from tests.conformance.world import World, world_of

FIXTURES = all_fixtures()


@pytest.fixture(params=list(FIXTURES.values()), ids=list(FIXTURES))
def provider(request: pytest.FixtureRequest) -> Fixture:
    """Every provider's fixture in turn."""
    one: Fixture = request.param
    return one


@pytest.fixture
async def world(provider: Fixture) -> AsyncIterator[World]:
    """A fresh sandbox and an adapter; what we send must be what the vendor's document allows."""
    async with world_of(provider) as one:
        yield one
        assert one.sandbox.violations == [], "we sent what the document does not allow"
