"""What a daemon in a story has around it: names, randomness, a spool, and a death."""

import contextvars
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Any

from syncd.model.ids import ConnectionName, Side
from syncd.ports.adapter import FileSource
from syncd.store.spool import Spool, SpoolFile

DESK, CARRIER = ConnectionName("desk"), ConnectionName("carrier")
NAMES = {Side.ITSM: DESK, Side.VENDOR: CARRIER}


class Killed(BaseException):
    """The process is dead: whatever still runs of it may not touch the world."""


class MemorySpool(Spool):
    """Attachments on their way, in memory: no threads."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def save(self, chunks: AsyncIterable[bytes], *, max_bytes: int) -> SpoolFile:
        body = b"".join([chunk async for chunk in chunks])
        digest = hashlib.sha256(body).hexdigest()
        self._kept[digest] = body
        return SpoolFile(digest=digest, size_bytes=len(body))

    def source(self, digest: str) -> Any:
        return _Kept(self._kept[digest])

    async def size(self, digest: str) -> int | None:
        return len(self._kept[digest]) if digest in self._kept else None


@dataclass(frozen=True)
class _Kept(FileSource):
    body: bytes

    async def open(self) -> AsyncIterator[bytes]:
        yield self.body


class SeededIds:
    """Randomness of one seed."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def token(self, chars: int) -> str:
        return f"{self._random.getrandbits(4 * chars):0{chars}x}"

    def jitter(self) -> float:
        return self._random.random()


current: contextvars.ContextVar[int] = contextvars.ContextVar("life", default=0)
"""Which life a task belongs to; 0: none, it is the world's own."""
