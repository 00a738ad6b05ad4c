"""Daemons that start in a moment: forked from a process that has imported everything already.

`Nursery` is the testing side; run as a program, this module is the process that forks. What runs in
a forked child is `syncd` itself, with its own arguments, environment and log: only the time for
importing is saved, most of what a start costs.

A child may be armed: once a file says a number n, it ends itself with SIGKILL the moment before the
n-th commit to SQLite from then on: SQLite tells a connection's trace of every statement, so nothing
of the daemon is changed.
"""

import asyncio
import contextlib
import faulthandler
import gc
import importlib
import os
import pkgutil
import resource
import runpy
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.support.mortal import with_us

LINE_BYTES_MAX = 1024 * 1024
FORK_MAX_S = 60.0
"""Longest wait until a child is there; the first waits for all the importing."""
FOREIGN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY")
LEFT_OUT = ("syncd.demo", "syncd.sandbox", "syncd.__main__", "syncd.store.migrations")
"""Of no use to a daemon, or doing something when imported."""


@dataclass(slots=True)
class Child:
    """One forked process, as `asyncio.subprocess.Process` shows one.

    Attributes:
        pid: its number.
        returncode: its status, negative for the signal that ended it; None while it runs.
    """

    pid: int
    returncode: int | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> int:
        """Wait for its end; give its status."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)

    def ended(self, status: int) -> None:
        """Take note of its end."""
        self.returncode = status
        self._ended.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One child.

    Attributes:
        arguments: of `syncd`.
        log: file its output is appended to.
        errors: file its error output is appended to; None: `log`.
        environment: variables it is given besides those of the tests.
        armed: file that says before which commit it dies; empty: it is not mortal.
        file_bytes_max: it can write no file beyond that size; None: no limit.
    """

    arguments: Sequence[str]
    log: Path
    errors: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    armed: str = ""
    file_bytes_max: int | None = None


class Nursery:
    """Forks daemons, and hears of their end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take the process that forks."""
        self._process = process
        self._children: dict[int, Child] = {}
        self._early: dict[int, int] = {}
        self._born: asyncio.Queue[int] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()

    async def hear(self) -> None:
        """Take note of births and deaths as long as there are any."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = orjson.loads(line)
            if "born" in told:
                self._born.put_nowait(told["born"])
            elif (child := self._children.pop(told["ended"], None)) is not None:
                child.ended(told["status"])
            else:
                # It ended before its birth was told.
                self._early[told["ended"]] = told["status"]

    async def fork(self, wanted: Wanted) -> Child:
        """Start one; return at once."""
        assert self._process.stdin is not None
        asked = {
            "arguments": list(wanted.arguments),
            "log": str(wanted.log),
            "errors": str(wanted.errors or wanted.log),
            "environment": dict(wanted.environment),
            "armed": wanted.armed,
            "file_bytes_max": wanted.file_bytes_max,
        }
        async with self._one_at_a_time, asyncio.timeout(FORK_MAX_S):
            self._process.stdin.write(orjson.dumps(asked) + b"\n")
            pid = await self._born.get()
        child = Child(pid)
        if pid in self._early:
            child.ended(self._early.pop(pid))
        else:
            self._children[pid] = child
        return child


@contextlib.asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """Run one; whoever still lives in the end is killed."""
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.nursery",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=own,
        limit=LINE_BYTES_MAX,
        preexec_fn=with_us(),
    )
    made = Nursery(process)
    hearing = asyncio.create_task(made.hear())
    try:
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await hearing


# --- the process that forks --------------------------------------------------------------------


def _tell(**what: int) -> None:
    os.write(1, orjson.dumps(what) + b"\n")


def main() -> None:
    """Import everything, then fork whatever is asked for until nobody asks any more."""
    for found in pkgutil.walk_packages(importlib.import_module("syncd").__path__, "syncd."):
        if not found.name.startswith(LEFT_OUT):
            importlib.import_module(found.name)
    gc.collect()
    gc.freeze()
    alive: set[int] = set()
    bind = with_us()

    def bury(_number: int, _frame: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                alive.discard(ended[0])
                _tell(ended=ended[0], status=os.waitstatus_to_exitcode(ended[1]))

    signal.signal(signal.SIGCHLD, bury)
    for line in sys.stdin.buffer:
        pid = os.fork()
        if not pid:
            bind()
            _be_born(orjson.loads(line))
        alive.add(pid)
        _tell(born=pid)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _be_born(asked: Mapping[str, object]) -> None:
    """Become the daemon; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    adding = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for there, (file, how) in enumerate(
        ((os.devnull, os.O_RDONLY), (str(asked["log"]), adding), (str(asked["errors"]), adding))
    ):
        here = os.open(file, how, 0o600)
        os.dup2(here, there)
        os.close(here)
    environment, arguments = asked["environment"], asked["arguments"]
    assert isinstance(environment, dict)
    assert isinstance(arguments, list)
    os.environ.update(environment)
    if asked["file_bytes_max"] is not None:
        limit = int(str(asked["file_bytes_max"]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if asked["armed"]:
        _make_mortal(Path(str(asked["armed"])))
    # Asked where it stands, it tells its log: who hangs cannot be asked otherwise.
    faulthandler.register(signal.SIGUSR1)
    sys.argv = ["syncd", *arguments]
    status = 1
    try:
        runpy.run_module("syncd", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - what the interpreter would do
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _make_mortal(armed: Path) -> None:
    """Die before the n-th commit from when the file says n."""
    left: int | None = None

    def heard(statement: str) -> None:
        nonlocal left
        if statement != "COMMIT":
            return
        if left is None:
            with contextlib.suppress(FileNotFoundError):
                left = int(armed.read_text(encoding="ascii"))
        if left is not None:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    connect = sqlite3.connect

    def watched(*given: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*given, **named)
        connection.set_trace_callback(heard)
        return connection

    # Told of no connection otherwise: Python's audit event comes before one can be traced.
    sqlite3.connect = watched


if __name__ == "__main__":
    main()
