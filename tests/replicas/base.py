"""The database the daemons share, seen from outside: who is sending, what came late; cuts off."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import asyncpg

from tests.support.postgres import Server

_SENDERS = "SELECT DISTINCT lease_owner FROM operation WHERE state = 'sending'"
_ENDING = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """One database with a login for each daemon.

    Attributes:
        urls: the store's address for each.
    """

    urls: Sequence[str]
    _users: Sequence[str]
    _connection: asyncpg.Connection

    async def cut(self, number: int) -> None:
        """End one daemon's sessions, on the server's side."""
        await self._connection.execute(_ENDING, self._users[number])

    async def senders(self) -> set[int]:
        """Give the process numbers of the daemons that have noted that they send."""
        owners = await self._connection.fetch(_SENDERS)
        # Owners are named host:process:random.
        return {int(str(each["lease_owner"]).split(":")[1]) for each in owners}

    async def late_answers(self) -> int:
        """Count answers that came when another daemon had taken the operation over."""
        return int(await self._connection.fetchval("SELECT count(*) FROM attempt WHERE late"))


@asynccontextmanager
async def shared_base(server: Server, daemons: int) -> AsyncIterator[Base]:
    """Make an empty database for so many daemons; drop it in the end."""
    users = [f"daemon_{number}" for number in range(daemons)]
    await server.run(*(f"CREATE ROLE {user} SUPERUSER LOGIN" for user in users))
    name = await server.create_database()
    connection = await asyncpg.connect(host=server.socket_dir, user=server.user, database=name)
    try:
        yield Base(
            urls=[replace(server, user=user).url(name) for user in users],
            _users=users,
            _connection=connection,
        )
    finally:
        await connection.close()
        await server.drop_database(name)
