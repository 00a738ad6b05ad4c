"""A server that fails over: to itself anew, to nothing of ours, and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from syncd.demo.run import EFFECTS
from tests.crash.place import Place
from tests.support.postgres import Server

ARRIVES_S = 1.0
"""What was sent before arrives in this time."""
STRANGE_S = 5.0
"""How long nothing of ours answers: some polls, some rounds of delivery."""


async def cut_off(server: Server, name: str) -> None:
    """End every session of a database, on the server's side."""
    await server.run(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )


@asynccontextmanager
async def emptied(server: Server, name: str) -> AsyncIterator[None]:
    """Let an empty database answer under a database's name, as a standby without the data."""
    away = f"{name}_away"
    await _swap(server, name, away)
    await server.run(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield
    finally:
        await cut_off(server, name)
        await server.run(f'DROP DATABASE "{name}" WITH (FORCE)')
        await _swap(server, away, name)


async def _swap(server: Server, old: str, new: str) -> None:
    # Who lives connects again at once: nobody may, while the name changes.
    await server.run(f'ALTER DATABASE "{old}" ALLOW_CONNECTIONS false')
    await cut_off(server, old)
    await server.run(
        f'ALTER DATABASE "{old}" RENAME TO "{new}"',
        f'ALTER DATABASE "{new}" ALLOW_CONNECTIONS true',
    )


async def tables_of(server: Server, name: str) -> int:
    """Count the tables somebody made in a database."""
    connection = await asyncpg.connect(host=server.socket_dir, user=server.user, database=name)
    try:
        counting = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        return int(await connection.fetchval(counting))
    finally:
        await connection.close()


async def writes_nothing_while_emptied(here: Place, server: Server, name: str) -> str:
    """Live through a failover to an empty database and back; give why a start was refused there."""
    async with emptied(server, name):
        # What was on its way arrives.
        await asyncio.sleep(ARRIVES_S)
        before = _ours(here)
        here.goes_on()
        await asyncio.sleep(STRANGE_S)
        assert here.process.is_alive, here.process.said()
        assert _ours(here) == before, "it wrote to a system without a store"
        assert await tables_of(server, name) == 0, "it began anew"
        await here.process.kill()
        await here.process.start()
        status = await here.process.ended(60.0)
        assert status == 2, f"status {status}: {here.process.said()}"
        assert await tables_of(server, name) == 0, "it began anew"
        return here.process.said()


def _ours(here: Place) -> int:
    """Count what the daemon did in both systems."""
    record = [*here.world.desk.record, *here.carrier.record]
    return sum(event["what"] in EFFECTS and event.get("actor") == "client" for event in record)
