"""Between daemon and PostgreSQL: counts commits, ends the daemon at one, cuts connections."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from tests.crash.place import Place

SOCKET = ".s.PGSQL.5432"
CHUNK_BYTES = 64 * 1024
_PARSE = re.compile(rb"P.{4}(\w*)\0([^\0]*)\0", re.DOTALL)
_BIND = re.compile(rb"B.{4}\w*\0(\w*)\0", re.DOTALL)
"""Messages of a daemon: a statement under a name, and that it is carried out."""
_TABLE = re.compile(rb'(?:INSERT INTO|UPDATE(?! SET)|DELETE FROM)\s+"?(\w+)')
_WROTE = re.compile(rb"C.{4}(?:INSERT 0 [1-9]|UPDATE [1-9]|DELETE [1-9])", re.DOTALL)
"""What the server says when a statement changed rows."""
TAG_BYTES = 24
"""Longer than that is: it may be cut in two."""
QUIET = frozenset({b"lease", b"feed"})
"""Written by every poll, for ever: the lease it is held by, and that it is over. Commits of these
alone are no work; what a poll brings is stored with where it got to, in one commit that counts."""


@dataclass(slots=True)
class _Session:
    """One connection.

    Attributes:
        statements: name -> tables it may write, but quiet ones.
        is_asking: what is carried out may write another table than quiet ones.
        is_writing: the transaction has written one.
        end: of what the server said last.
    """

    statements: dict[bytes, set[bytes]] = field(default_factory=dict)
    is_asking: bool = False
    is_writing: bool = False
    end: bytes = b""

    def hear(self, chunk: bytes) -> None:
        """Listen to the server."""
        if self.is_asking and _WROTE.search(self.end + chunk):
            self.is_writing = True
        self.end = chunk[-TAG_BYTES:]

    def commits(self, chunk: bytes) -> bool:
        """Listen to the daemon; say whether it commits changes with this."""
        for name, text in _PARSE.findall(chunk):
            self.statements[name] = set(_TABLE.findall(text)) - QUIET
        if bound := _BIND.findall(chunk):
            self.is_asking = any(self.statements.get(name) for name in bound)
            self.end = b""
        if b"COMMIT" not in chunk and b"ROLLBACK" not in chunk:
            return False
        was_writing, self.is_writing = self.is_writing, False
        return was_writing and b"COMMIT" in chunk


@dataclass(slots=True)
class Proxy:
    """A Unix socket that passes everything on.

    Attributes:
        server: the real server's socket.
        left: commits of changes until `kill`; 0: nobody is killed.
        is_before: that commit is not passed on; else its answer is not passed back.
        kill: ends the daemon.
        is_away: new connections are refused, as while a server restarts.
    """

    server: Path
    left: int = 0
    is_before: bool = True
    kill: Callable[[], Awaitable[None]] | None = None
    is_away: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self.is_away:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_unix_connection(str(self.server))
        self._open |= {writer, up_writer}
        session = _Session()
        ways = [
            asyncio.ensure_future(self._pass_on(reader, up_writer, session, is_asking=True)),
            asyncio.ensure_future(self._pass_on(up_reader, writer, session, is_asking=False)),
        ]
        try:
            # Who is dead holds no session open, nor what it had locked.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._open -= {writer, up_writer}
            for each in (writer, up_writer):
                each.transport.abort()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        session: _Session,
        *,
        is_asking: bool,
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                if not is_asking:
                    session.hear(chunk)
                is_last = is_asking and session.commits(chunk) and self._counted()
                if is_last and self.is_before:
                    await self._end()
                    return
                writer.write(chunk)
                await writer.drain()
                if is_last:
                    await self._end()
                    return
        writer.transport.abort()

    def _counted(self) -> bool:
        self.left -= 1
        return self.left == 0

    async def _end(self) -> None:
        assert self.kill is not None
        await self.kill()

    def cut(self) -> None:
        """Cut every connection."""
        for writer in list(self._open):
            writer.transport.abort()


@contextlib.asynccontextmanager
async def proxied(url: str, folder: Path) -> AsyncIterator[tuple[Proxy, str]]:
    """Stand before a server; give the address for the daemon.

    Args:
        url: the real server's, on a Unix socket.
        folder: of our socket; its path must be short.
    """
    parts = urlsplit(url)
    (real,) = parse_qs(parts.query)["host"]
    proxy = Proxy(server=Path(real) / SOCKET)
    server = await asyncio.start_unix_server(proxy.serve, folder / SOCKET)
    try:
        yield proxy, f"postgresql://{parts.netloc}{parts.path}?host={quote(str(folder))}"
    finally:
        proxy.cut()
        server.close()


@dataclass(frozen=True, slots=True)
class AtServerCommit:
    """Killed just before the n-th commit reaches the server, or before its answer comes back."""

    proxy: Proxy
    is_before: bool

    @property
    def name(self) -> str:
        return f"postgres commit {'before' if self.is_before else 'after'} effect"

    @contextlib.asynccontextmanager
    async def armed(self, place: Place, n: int) -> AsyncIterator[None]:
        """Arm the proxy."""
        self.proxy.kill, self.proxy.left = place.process.kill, n
        self.proxy.is_before = self.is_before
        try:
            yield
        finally:
            self.proxy.left = 0
