"""Killed at its n-th commit or request, the daemon loses nothing and does nothing twice."""

import pytest

from tests.crash.chain import AtCommit, AtRequest, die
from tests.crash.place import place

REQUESTS = [
    AtRequest("carrier", is_before=True),
    AtRequest("carrier", is_before=False),
    AtRequest("desk", is_before=False),
]


@pytest.mark.slow
async def test_killed_at_the_nth_commit_and_request_it_goes_on_as_if_nothing_had_been() -> None:
    async with place() as here:
        await here.goes_live()
        tally = await die(here, [AtCommit()], [1, 2, 5, 13])
        more = await die(here, REQUESTS, [1])
        here.goes_on()
        await here.process.start()
        here.assert_good(await here.settled())
        assert await here.process.stop() == 0
    assert tally.deaths["commit"] == 4, tally
    assert sum(more.deaths.values()) >= 2, more
