"""Child processes that speak lines of JSON, and what a process holds in memory."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]
START_S = 120.0
"""Seconds a child has for its first line."""
STOP_S = 10.0
LINE_BYTES_MAX = 64 * 1024 * 1024


class ChildFailed(Exception):
    """A child ended, or said nothing, where a line was expected."""


@dataclass(slots=True)
class Child:
    """A child process; it ends when its standard input does."""

    process: asyncio.subprocess.Process
    what: str

    @property
    def pid(self) -> int:
        return self.process.pid

    async def hears(self, within_s: float = START_S) -> Any:
        """Read its next line.

        Raises:
            ChildFailed: there is none.
        """
        assert self.process.stdout is not None
        async with asyncio.timeout(within_s):
            line = await self.process.stdout.readline()
        if not line:
            status = await self.process.wait()
            raise ChildFailed(f"{self.what} ended with status {status}")
        return orjson.loads(line)

    async def asks(self, message: Any, within_s: float = START_S) -> Any:
        """Send it a line and read the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(message) + b"\n")
        await self.process.stdin.drain()
        return await self.hears(within_s)

    async def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


@contextlib.asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """Run `main()` of a module of this package in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.bench.{module}", *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )  # fmt: skip
    one = Child(process, module)
    try:
        yield one
    finally:
        await one.stop()


# --- in the child --------------------------------------------------------------------------------


def tell(message: Any) -> None:
    """Send a line to the parent."""
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


async def told() -> AsyncIterator[Any]:
    """Go through the parent's lines until it closes."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        yield orjson.loads(line)


async def until_closed() -> None:
    """Wait until the parent wants no more."""
    async for _ in told():
        pass


# --- memory --------------------------------------------------------------------------------------

MB = 1e6


def resident_mb(pid: int | str = "self") -> float:
    """Say what a process holds in memory now."""
    return _status(pid, "VmRSS")


def peak_mb(pid: int | str = "self") -> float:
    """Say what it held at most since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int | str = "self") -> None:
    """Start the peak anew from what is held now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def _status(pid: int | str, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / MB
    raise ChildFailed(f"/proc/{pid}/status tells no {name}")
