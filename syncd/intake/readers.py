"""One task for each connection that is being read, so that none waits for another's vendor."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar

from syncd.model.ids import ConnectionName
from syncd.store import leases
from syncd.store.database import Database

T = TypeVar("T")


class Readers(Generic[T]):
    """The reads under way, at most one round of each connection."""

    def __init__(
        self,
        read: Callable[[ConnectionName], Coroutine[Any, Any, T]],
        *,
        rung: asyncio.Event,
    ) -> None:
        """Read nothing yet.

        Args:
            read: one round of a connection.
            rung: set when a round failed; `read` itself sets it when one brought something.
        """
        self._read = read
        self._rung = rung
        self._tasks: dict[ConnectionName, asyncio.Task[T]] = {}

    def start(self, names: Iterable[ConnectionName]) -> None:
        """Start a round of each of these connections that is not being read."""
        for name in names:
            if name not in self._tasks:
                task = asyncio.create_task(self._read(name), name=f"read {name}")
                task.add_done_callback(self._over)
                self._tasks[name] = task

    def collect(self) -> list[T]:
        """Give what the rounds that are over came to.

        Raises:
            Exception: what one of them raised.
        """
        over = [name for name, task in self._tasks.items() if task.done()]
        return [self._tasks.pop(name).result() for name in over]

    async def finish(self) -> None:
        """Wait for the rounds under way; what they raise is told as by `collect`."""
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        self.collect()

    async def cut_off(self) -> None:
        """Cancel the rounds under way; what has been read and not stored is read again."""
        left = list(self._tasks.values())
        self._tasks.clear()
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _over(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._rung.set()


async def may_read(
    db: Database, connection: ConnectionName, owner: str, *, now: datetime, until: datetime
) -> bool:
    """Take or prolong the right to read what is due of a connection; of several, one has it."""
    name, held_as = f"read/{connection}", db.held_as
    return await db.write(leases.take, name, owner, now=now, until=until, held_as=held_as)
