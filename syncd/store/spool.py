"""The spool: attachment bodies on their way, in files named by their SHA-256 digest.

A body is streamed to a temporary file, flushed to the disk, and renamed; so a file under its digest
is whole. Reading compares the digest before the last piece is given out. Memory does not grow with
the file; nothing here blocks the event loop.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from syncd.model.errors import SyncdError
from syncd.model.operation import WriteKind
from syncd.ports.clock import Clock, SystemClock
from syncd.store import codec
from syncd.store import tables as t
from syncd.store.errors import StoreUnavailable
from syncd.store.tx import Tx

PIECE_BYTES = 256 * 1024
"""Read at once; small pieces are gathered to this much before they are written."""
TOTAL_BYTES_MAX = 20 * 1024**3
KEPT_UNUSED_S = 3_600.0
"""How long a file that no operation names is kept: one may be about to."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PARTIAL = ".partial"


class FileTooLarge(SyncdError):
    """The file is larger than allowed; nothing of it is kept."""


class SpoolFull(SyncdError):
    """The spool holds as much as it may; there is room again when attachments have arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFile:
    """A body in the spool: its SHA-256 in hex and its exact length."""

    digest: str
    size_bytes: int


class Spool:
    """A directory of bodies."""

    def __init__(
        self, folder: Path, *, total_bytes: int = TOTAL_BYTES_MAX, clock: Clock | None = None
    ) -> None:
        """Use a directory, made when it is not there.

        Args:
            folder: where the files lie; shared by all who work on one store, and by nobody else.
            total_bytes: most that all of them may take together.
            clock: for the age of files; None: the machine's.
        """
        self._folder = folder
        self._total_bytes = total_bytes
        self._clock = clock or SystemClock()
        # Daemons in containers share a folder and have all the same process number.
        self._mine = os.urandom(8).hex()
        self._started = 0

    async def save(self, chunks: AsyncIterable[bytes], *, max_bytes: int) -> SpoolFile:
        """Stream a body into the spool.

        Args:
            chunks: the body.
            max_bytes: a longer one is refused, and reading stops there.

        Raises:
            FileTooLarge: it is longer than that.
            SpoolFull: the spool may not grow by that much.
            StoreUnavailable: the disk is full or failing.
        """
        room = self._total_bytes - await asyncio.to_thread(self._used)
        self._started += 1
        path = self._folder / f"{self._mine}-{self._started}{_PARTIAL}"
        try:
            file = await _opened(partial(self._begin, path))
            try:
                saved = await _copy(chunks, file, max_bytes=max_bytes, room=room)
            finally:
                await asyncio.to_thread(file.close)
            await asyncio.to_thread(self._keep, path, saved)
        except OSError as error:
            raise StoreUnavailable(f"the spool {self._folder}: {error}") from error
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return saved

    def _begin(self, path: Path) -> BinaryIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path.open("xb")

    def _used(self) -> int:
        try:
            paths = [Path(entry.path) for entry in os.scandir(self._folder)]
        except FileNotFoundError:
            return 0
        return sum(_size(path) or 0 for path in paths)

    def _keep(self, path: Path, saved: SpoolFile) -> None:
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        now = self._clock.now().timestamp()
        os.utime(path, (now, now))
        path.rename(self._path(saved.digest))
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def source(self, digest: str) -> "SpoolSource":
        """Give the body of that digest, to be read as often as needed."""
        return SpoolSource(self._path(digest), digest)

    async def size(self, digest: str) -> int | None:
        """Return a body's length in bytes; None when it is not in the spool."""
        return await asyncio.to_thread(_size, self._path(digest))

    async def drop_unused(self, known: Collection[str]) -> int:
        """Remove bodies that no operation names, and what a crash left unfinished.

        Args:
            known: digests still needed (`in_use`).

        Returns:
            Files removed. Young ones are kept: an operation may be about to name them.
        """
        return await asyncio.to_thread(self._drop_unused, frozenset(known))

    def _drop_unused(self, known: frozenset[str]) -> int:
        oldest = self._clock.now().timestamp() - KEPT_UNUSED_S
        dropped = 0
        try:
            for entry in list(os.scandir(self._folder)):
                ours = _DIGEST.fullmatch(entry.name) or entry.name.endswith(_PARTIAL)
                if ours and entry.name not in known and entry.stat().st_mtime < oldest:
                    Path(entry.path).unlink(missing_ok=True)
                    dropped += 1
        except FileNotFoundError:
            pass
        return dropped

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a digest is 64 hexadecimal digits")
        return self._folder / digest


async def _copy(
    chunks: AsyncIterable[bytes], file: BinaryIO, *, max_bytes: int, room: int
) -> SpoolFile:
    digest, size = hashlib.sha256(), 0
    gathered = bytearray()
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise FileTooLarge(f"the file is larger than the {max_bytes} bytes allowed")
        if size > room:
            raise SpoolFull(f"the spool has no room: the file needs more than {max(room, 0)} bytes")
        gathered += chunk
        if len(gathered) >= PIECE_BYTES:
            await asyncio.to_thread(_write, file, digest, bytes(gathered))
            gathered.clear()
    await asyncio.to_thread(_write, file, digest, bytes(gathered))
    return SpoolFile(digest=digest.hexdigest(), size_bytes=size)


def _write(file: BinaryIO, digest: "hashlib._Hash", piece: bytes) -> None:
    digest.update(piece)
    file.write(piece)
    file.flush()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


class SpoolSource:
    """The bytes of one body."""

    def __init__(self, path: Path, digest: str) -> None:
        """Use `Spool.source`."""
        self._path = path
        self._digest = digest

    async def open(self) -> AsyncIterator[bytes]:
        """Read the body from its first byte; may be called again for another reading.

        Raises:
            StoreUnavailable: it is gone, or its bytes are not those its name tells; the last piece
                is held back until that is known, so a broken body is never sent whole.
        """
        digest = hashlib.sha256()
        try:
            file = await _opened(lambda: self._path.open("rb"))
            try:
                held = await asyncio.to_thread(_read, file, digest)
                while held:
                    following = await asyncio.to_thread(_read, file, digest)
                    if not following and digest.hexdigest() != self._digest:
                        raise StoreUnavailable(f"the spooled file {self._path} is damaged")
                    yield held
                    held = following
            finally:
                await asyncio.to_thread(file.close)
        except OSError as error:
            raise StoreUnavailable(f"the spooled file {self._path}: {error}") from error


async def _opened(opening: Callable[[], BinaryIO]) -> BinaryIO:
    """Open a file in a thread; who is cancelled meanwhile leaves it closed."""
    task = asyncio.ensure_future(asyncio.to_thread(opening))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_close_opened)
        raise


def _close_opened(task: "asyncio.Future[BinaryIO]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _read(file: BinaryIO, digest: "hashlib._Hash") -> bytes:
    piece = file.read(PIECE_BYTES)
    digest.update(piece)
    return piece


def in_use(tx: Tx) -> frozenset[str]:
    """Return the digests that open or parked operations name, and files of served tickets."""
    o = t.operation.c
    query = sa.select(o.payload).where(t.state_in(*t.UNSETTLED), o.kind == WriteKind.ATTACHMENT)
    drafts = (codec.load_payload(payload)[2] for payload in tx.scalars(query))
    named = {draft.digest for draft in drafts if draft is not None and draft.digest}
    return frozenset(named.union(tx.scalars(sa.select(t.served_file.c.digest).distinct())))
