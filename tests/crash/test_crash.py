"""Killed at its n-th commit or request, the daemon loses nothing and does nothing twice."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tests.crash.chain import AtCommit, AtRequest, Chain, Death, Effect, When
from tests.crash.place import Place, place
from tests.support.nursery import nursery

DEATHS: Mapping[Death, tuple[int, ...]] = {
    AtCommit(): (7,),
    AtRequest("carrier", Effect.DONE): (1,),
}


@pytest.mark.slow
async def test_killed_at_the_nth_commit_and_request_it_goes_on_as_if_nothing_had_been() -> None:
    async with nursery() as cradle:
        for death, numbers in DEATHS.items():

            @asynccontextmanager
            async def makes(death: Death = death) -> AsyncIterator[tuple[Place, Death]]:
                async with place(cradle) as here:
                    yield here, death

            chain = Chain(makes)
            await chain.run(numbers)
            assert chain.tally.findings == []
            assert chain.tally.deaths[When.AT_WORK] == len(numbers), chain.tally
