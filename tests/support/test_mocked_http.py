"""The mocked HTTP works with the installed aiohttp."""

import aiohttp
from aioresponses import aioresponses


async def test_a_mocked_answer_reaches_the_caller() -> None:
    with aioresponses() as mocked:
        mocked.get("http://vendor.test/tickets", payload={"id": 7}, status=201)
        async with (
            aiohttp.ClientSession() as session,
            session.get("http://vendor.test/tickets") as answer,
        ):
            assert (answer.status, await answer.json()) == (201, {"id": 7})
