"""On PostgreSQL: killed at a commit whose answer is lost; every connection cut, the server away."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.crash.chain import Chain, Death, When
from tests.crash.failover import cut_off, writes_nothing_while_emptied
from tests.crash.place import Place, place
from tests.crash.proxy import AtServerCommit, Proxy, proxied
from tests.support.nursery import nursery
from tests.support.postgres import Server

AWAY_S = 2.0


@pytest.mark.slow
@pytest.mark.postgres
async def test_killed_at_a_commit_and_cut_off_from_its_server_it_goes_on_as_if_nothing_had_been(
    postgres_url: str,
) -> None:
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        async with (
            nursery() as cradle,
            proxied(postgres_url, Path(folder)) as (proxy, url),
            place(cradle, store_url=url) as here,
        ):
            death = AtServerCommit(proxy, is_before=False)

            @asynccontextmanager
            async def makes() -> AsyncIterator[tuple[Place, Death]]:
                yield here, death

            chain = Chain(makes)
            await chain.run([7])
            assert chain.tally.findings == []
            assert sum(chain.tally.deaths.values()) == len(When), chain.tally
            await here.process.start()
            await here.process.ready()
            await _is_away(here, proxy)
            here.assert_good(await here.settled())
            proxy.cut()
            assert await here.process.stop() == 0


@pytest.mark.slow
@pytest.mark.postgres
async def test_an_empty_database_under_the_stores_name_is_refused_and_the_store_is_used_again(
    postgres_url: str, postgres_server: Server
) -> None:
    name = str(sa.make_url(postgres_url).database)
    url = postgres_url.replace("+asyncpg", "")
    with tempfile.TemporaryDirectory(prefix="spool") as spool:
        async with nursery() as cradle, place(cradle, store_url=url, spool=Path(spool)) as here:
            await here.goes_live()
            here.goes_on()
            await here.process.start()
            here.assert_good(await here.settled())
            said = await writes_nothing_while_emptied(here, postgres_server, name)
            assert "the database is empty, but" in said
            await here.process.start()
            here.assert_good(await here.settled())
            await cut_off(postgres_server, name)
            here.goes_on()
            here.assert_good(await here.settled())
            assert await here.process.stop() == 0


async def _is_away(here: Place, proxy: Proxy) -> None:
    """Cut every connection, let nobody in for a while, then only new ones."""
    proxy.is_away = True
    proxy.cut()
    here.goes_on()
    await asyncio.sleep(AWAY_S)
    proxy.is_away = False
