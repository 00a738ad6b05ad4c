"""Attachment bodies: small ones in memory, the rest streamed to a temporary directory.

Memory does not grow with a body: what is above `MEMORY_MAX_BYTES` is written in chunks, its
digest taken on the way.
"""

import asyncio
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MEMORY_MAX_BYTES = 256 * 1024
"""Bodies up to this size stay in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBody:
    """One body as received: its size, its SHA-256 and where its bytes are."""

    size_bytes: int
    sha256: str
    content: bytes | None
    path: Path | None


class BodyWriter:
    """Take one body in pieces; `finish` keeps it, `discard` forgets it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = bytearray()
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    async def write(self, piece: bytes | bytearray) -> None:
        """Append `piece`."""
        self._digest.update(piece)
        self.size_bytes += len(piece)
        self._held += piece
        if len(self._held) > MEMORY_MAX_BYTES:
            held, self._held = bytes(self._held), bytearray()
            await asyncio.to_thread(self._flush, held)

    async def finish(self) -> StoredBody:
        """Keep what was written."""
        content: bytes | None = bytes(self._held)
        path: Path | None = None
        if self._file is not None:
            await asyncio.to_thread(self._flush, bytes(self._held))
            self._file.close()
            content, path = None, self._path
        return StoredBody(
            size_bytes=self.size_bytes, sha256=self._digest.hexdigest(), content=content, path=path
        )

    def discard(self) -> None:
        """Forget what was written."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def _flush(self, held: bytes) -> None:
        if self._file is None:
            self._file = self._path.open("wb")
        self._file.write(held)


class Bodies:
    """Where one sandbox keeps the bodies it was given.

    Args:
        directory: where large bodies go; None makes a temporary directory when needed, which
            `close` removes.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._given = directory
        self._made: Path | None = None
        self._count = 0

    def writer(self) -> BodyWriter:
        """Begin a body."""
        self._count += 1
        return BodyWriter(self._directory() / f"body-{self._count:06d}")

    def keep(self, content: bytes | Path) -> StoredBody:
        """Keep a body that is in memory already, or in a file that its owner leaves in place."""
        if isinstance(content, Path):
            return _of_file(content)
        digest = hashlib.sha256(content).hexdigest()
        return StoredBody(size_bytes=len(content), sha256=digest, content=content, path=None)

    def close(self) -> None:
        """Remove the temporary directory, if one was made."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
            self._made = None

    def _directory(self) -> Path:
        if self._given is not None:
            self._given.mkdir(parents=True, exist_ok=True)
            return self._given
        if self._made is None:
            self._made = Path(tempfile.mkdtemp(prefix="syncd-sandbox-"))
        return self._made


def _of_file(path: Path) -> StoredBody:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return StoredBody(size_bytes=path.stat().st_size, sha256=digest, content=None, path=path)
