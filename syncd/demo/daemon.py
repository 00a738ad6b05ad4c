"""The daemon as a child process: started, asked, killed without warning, started again."""

import asyncio
import contextlib
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import orjson

READY_MAX_S = 60.0
"""Longest wait until a started daemon is ready."""
STOP_MAX_S = 40.0
"""Longest wait until a daemon told to stop is over; then it is killed."""
COMMAND_MAX_S = 60.0
"""Longest wait for a command."""
ASK_MAX_S = 5.0
ASK_EVERY_S = 0.1

_LINE = re.compile(r"^(\w+)(?:\{(.*)\})? ([-+0-9.eE]+|NaN|[+-]Inf)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class DemoFailed(Exception):
    """The demo cannot go on; the text says why and where to look."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of /metrics."""

    name: str
    labels: Mapping[str, str]
    value: float


def parse_metrics(page: str) -> list[Sample]:
    """Read what Prometheus would read; other lines are passed over."""
    found = (_LINE.match(line) for line in page.splitlines())
    return [
        Sample(each[1], dict(_LABEL.findall(each[2] or "")), float(each[3]))
        for each in found
        if each
    ]


OPEN_STATES = frozenset({"waiting", "ready", "claimed", "sending", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What the daemon says of itself, from /metrics.

    Attributes:
        open: operations not settled yet.
        in_doubt, parked: operations that wait for a person: nobody can tell; others.
        conflicts: unresolved ones.
        inbox: notifications not worked on yet.
        paused: connections that wait for a person.
        polled_s: seconds since every connection was read completely; no part of what changes.
    """

    open: int = 0
    in_doubt: int = 0
    parked: int = 0
    conflicts: int = 0
    inbox: int = 0
    paused: tuple[str, ...] = ()
    polled_s: float = field(default=0.0, compare=False)

    @property
    def is_quiet(self) -> bool:
        """Whether it has nothing to do."""
        return not (self.open or self.in_doubt or self.inbox or self.paused)


def pulse_of(samples: list[Sample]) -> Pulse:
    """Sum up what is open."""

    def total(name: str, **wanted: str) -> int:
        fitting = (
            each.value
            for each in samples
            if each.name == name and wanted.items() <= each.labels.items()
        )
        return int(sum(fitting))

    in_doubt = total("syncd_parked", reason="in_doubt")
    return Pulse(
        open=sum(total("syncd_operations", state=state) for state in OPEN_STATES),
        in_doubt=in_doubt,
        parked=total("syncd_parked") - in_doubt,
        conflicts=total("syncd_conflicts"),
        inbox=total("syncd_inbox"),
        paused=tuple(
            each.labels["connection"]
            for each in samples
            if each.name == "syncd_connection_paused" and each.value
        ),
        polled_s=max(
            (each.value for each in samples if each.name == "syncd_last_complete_poll_age_seconds"),
            default=0.0,
        ),
    )


class Running(Protocol):
    """A process that was started."""

    @property
    def returncode(self) -> int | None:
        """Its status; None while it runs."""
        ...

    async def wait(self) -> int:
        """Wait for its end."""
        ...

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def terminate(self) -> None:
        """Tell it to end."""
        ...


@dataclass(slots=True)
class Daemon:
    """One configuration's daemon.

    Attributes:
        config: its syncd.yaml.
        port: of its HTTP.
        secrets: environment variables it is given.
        log: its log file; what it writes is appended.
        alone: held by who must not meet a start: the store has one writer.
    """

    config: Path
    port: int
    secrets: Mapping[str, str]
    log: Path
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _process: Running | None = None
    _session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            DemoFailed: it ended, or was not ready in time.
        """
        self._process = await self._spawn()
        try:
            async with asyncio.timeout(READY_MAX_S):
                while not await self._is_ready():
                    self.check()
                    await asyncio.sleep(ASK_EVERY_S)
        except TimeoutError as error:
            raise DemoFailed(
                f"the daemon was not ready within {READY_MAX_S:.0f} s; see {self.log}"
            ) from error

    async def _spawn(self) -> Running:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self._command("run"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
            )

    def check(self) -> None:
        """See that it still runs.

        Raises:
            DemoFailed: it ended by itself.
        """
        process = self._process
        if process is not None and process.returncode is not None:
            raise DemoFailed(
                f"the daemon ended by itself with status {process.returncode}; see {self.log}"
            )

    async def kill(self) -> None:
        """End it with SIGKILL, in the middle of whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def stop(self) -> None:
        """Tell it to stop; kill it when it does not."""
        process, self._process = self._process, None
        if self._session is not None:
            await self._session.close()
            self._session = None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_MAX_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def pulse(self) -> Pulse | None:
        """Ask what is open; None while it does not answer."""
        status, page = await self._get("/metrics")
        if status != 200:
            return None
        samples = parse_metrics(page)
        is_blind = any(each.name == "syncd_store_up" and not each.value for each in samples)
        return None if is_blind else pulse_of(samples)

    async def command(self, *arguments: str) -> tuple[int, Any]:
        """Run a command beside it; give its exit status and what `--json` printed.

        Raises:
            DemoFailed: it did not end, or printed no JSON.
        """
        said = f"syncd {' '.join(arguments)}"
        try:
            status, output, errors = await self._ask(*arguments, "--json")
        except TimeoutError as error:
            raise DemoFailed(f"{said} did not end within {COMMAND_MAX_S:.0f} s") from error
        try:
            return status, orjson.loads(output)
        except orjson.JSONDecodeError as error:
            told = errors.decode(errors="replace").strip()[-500:]
            raise DemoFailed(f"{said}: status {status}: {told}") from error

    async def _ask(self, *arguments: str) -> tuple[int, bytes, bytes]:
        """Run a command to its end: status, what it printed, what it said besides."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment(),
        )
        try:
            async with asyncio.timeout(COMMAND_MAX_S):
                output, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        return process.returncode or 0, output, errors

    def crashes(self) -> list[str]:
        """List what its log tells with a traceback: whatever came of it, a mistake of ours."""
        found = Counter[str]()
        for line in self.log.read_bytes().splitlines():
            try:
                told = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(told, dict) and "exception" in told:
                last = str(told["exception"]).strip().splitlines()[-1].strip(" |")
                found[f"{told.get('event')}: {last}"] += 1
        return [f"the daemon's log: {what} ({count} times)" for what, count in found.items()]

    def _command(self, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "syncd", *arguments, "--config", str(self.config))

    def _environment(self) -> dict[str, str]:
        # Nothing of a service manager around us: the child is nobody's unit.
        foreign = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY")
        own = {name: value for name, value in os.environ.items() if name not in foreign}
        return own | dict(self.secrets)

    async def _is_ready(self) -> bool:
        status, _ = await self._get("/-/ready")
        return status == 200

    async def _get(self, path: str) -> tuple[int, str]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ASK_MAX_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, ""
