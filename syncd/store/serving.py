"""The ports over served tickets and stored secrets, for gateway and adapters."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

from syncd.model.ids import ConnectionName, OperationKey, TicketId
from syncd.model.secret import Secret
from syncd.ports.adapter import FileSource
from syncd.ports.clock import Clock, IdSource
from syncd.ports.served import (
    Applied,
    FileRefused,
    ServedChange,
    ServedRequest,
    ServedRules,
    ServedSeen,
    ServedTicket,
    Written,
)
from syncd.store import credentials, leases, served
from syncd.store.database import Database
from syncd.store.spool import FileTooLarge, Spool, SpoolFull

SYS_ID_CHARS = 32
"""Random characters of a sysId."""
ALONE_S = 60.0
"""Longest time one process may work on a secret alone; then another may."""
LOOK_S = 0.1
"""How often another process's end is looked for."""


class StoredTickets:
    """`ServedTickets` over the store and its spool."""

    def __init__(
        self,
        db: Database,
        spool: Spool,
        *,
        clock: Clock,
        ids: IdSource,
        rules: Callable[[ConnectionName], ServedRules],
    ) -> None:
        """Take the store.

        Args:
            db: tickets.
            spool: bodies of their files.
            clock: when things happen.
            ids: makes sysIds.
            rules: what a connection's settings say about its tickets, asked at each change.
        """
        self._db = db
        self._spool = spool
        self._clock = clock
        self._ids = ids
        self._rules = rules

    async def create(self, request: ServedRequest, change: ServedChange) -> Applied:
        return await self._db.write(
            served.create,
            request,
            change,
            sys_id=TicketId(self._ids.token(SYS_ID_CHARS)),
            rules=self._rules(request.connection),
            now=self._clock.now(),
        )

    async def update(
        self, request: ServedRequest, sys_id: TicketId, change: ServedChange
    ) -> Applied:
        rules = self._rules(request.connection)
        return await self._db.write(
            served.update, request, sys_id, change, rules=rules, now=self._clock.now()
        )

    async def find(
        self, connection: ConnectionName, *, sys_id: str = "", number: str = ""
    ) -> ServedTicket | None:
        return await self._db.read(served.find, connection, sys_id=sys_id, number=number)

    async def show_as(
        self, connection: ConnectionName, sys_id: TicketId, number: str
    ) -> ServedTicket:
        return await self._db.write(served.show_as, connection, sys_id, number)

    async def write(
        self,
        connection: ConnectionName,
        sys_id: TicketId,
        change: ServedChange,
        *,
        key: OperationKey,
    ) -> Written:
        rules = self._rules(connection)
        return await self._db.write(
            served.write, connection, sys_id, change, key=key, rules=rules, now=self._clock.now()
        )

    async def written(self, connection: ConnectionName, key: OperationKey) -> Written | None:
        return await self._db.read(served.written, connection, key)

    async def changed(
        self, connection: ConnectionName, *, since: datetime | None, after_row: int, limit: int
    ) -> Sequence[ServedSeen]:
        return await self._db.read(
            served.changed, connection, since=since, after_row=after_row, limit=limit
        )

    async def keep_file(self, chunks: AsyncIterable[bytes], *, max_bytes: int) -> tuple[str, int]:
        try:
            kept = await self._spool.save(chunks, max_bytes=max_bytes)
        except (FileTooLarge, SpoolFull) as error:
            raise FileRefused(str(error)) from error
        return kept.digest, kept.size_bytes

    async def has_file(self, digest: str) -> bool:
        return await self._spool.size(digest) is not None

    def open_file(self, digest: str) -> FileSource:
        return self._spool.source(digest)


class StoredCredentials:
    """`CredentialStore` over the store, encrypted under its key."""

    def __init__(
        self, db: Database, key: Secret, *, clock: Clock, ids: IdSource, owner: str
    ) -> None:
        """Take the store.

        Args:
            db: the store.
            key: what its secrets are encrypted under.
            clock: for waiting and leases.
            ids: tells one turn from another.
            owner: this process, in the store's eyes.
        """
        self._db = db
        self._key = key
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._turns: dict[str, asyncio.Lock] = {}
        self._wanting: Counter[str] = Counter()

    async def load(self, name: str) -> Secret | None:
        found = await self._db.read(credentials.load, self._key, name)
        return None if found is None else Secret(found.secret.decode())

    async def save(self, name: str, secret: Secret, *, expires_at: datetime | None = None) -> None:
        await self._db.write(
            credentials.save,
            self._key,
            name,
            secret.reveal().encode(),
            expires_at=expires_at,
            now=self._clock.now(),
        )

    @contextlib.asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(name, asyncio.Lock())
        self._wanting[name] += 1
        try:
            async with turn, self._lease(f"alone/{name}"):
                yield
        finally:
            self._wanting[name] -= 1
            if not self._wanting[name]:
                del self._wanting[name], self._turns[name]

    @contextlib.asynccontextmanager
    async def _lease(self, name: str) -> AsyncIterator[None]:
        """Hold a name against other processes; a file has none."""
        if not self._db.is_shared:
            yield
            return
        owner = f"{self._owner}:{self._ids.token(8)}"
        while True:
            now = self._clock.now()
            until = now + timedelta(seconds=ALONE_S)
            held_as = self._db.held_as
            if await self._db.write(
                leases.take, name, owner, now=now, until=until, held_as=held_as
            ):
                break
            await self._clock.sleep(LOOK_S)
        try:
            yield
        finally:
            await self._db.write(leases.give_back, name, owner)
