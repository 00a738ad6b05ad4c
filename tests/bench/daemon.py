"""The whole daemon with 100,000 links: how long until it is ready, what it holds in memory at rest.

Floor of both: the same daemon with an empty store. Ready is the first 200 of `/-/ready`, counted
from starting the process; memory is looked at after some quiet polls.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from syncd.model.ids import Side
from syncd.store.database import Database
from tests.bench import fill, process, world
from tests.bench.harness import Bench, Goal, Round, Row, Setting, judged

LINKS = 100_000
QUICK_LINKS = 10_000
REST_S = 10.0
QUICK_REST_S = 5.0
READY_MAX_S = 120.0
LOOK_S = 0.01
STOP_S = 60.0
MEMORY, START = "memory-links", "start-to-ready"
_NO_BYTECODE = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One run of the daemon."""

    ready_s: float
    resident_mb: float


@contextlib.asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[int, float]]:
    """Run `syncd run` until the block ends; gives its pid and the seconds until it was ready."""
    port_file = path.with_name("port")
    port_file.unlink(missing_ok=True)
    with path.with_name("daemon.log").open("ab") as log:
        began_s = time.perf_counter()
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "syncd", "run", "--config", str(path),
            "--port-file", str(port_file), cwd=process.ROOT, stdout=log, stderr=log,
            env=_as_installed(path.parents[1] / "bytecode"),
        )  # fmt: skip
        try:
            async with asyncio.timeout(READY_MAX_S):
                await _until_ready(running, port_file, path)
            yield running.pid, time.perf_counter() - began_s
        finally:
            with contextlib.suppress(ProcessLookupError):
                running.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOP_S):
                await running.wait()


def _as_installed(bytecode: Path) -> dict[str, str]:
    """Give an environment in which the sources are compiled once, as installing them does."""
    kept = {name: value for name, value in os.environ.items() if name not in _NO_BYTECODE}
    return {**kept, "PYTHONPYCACHEPREFIX": str(bytecode)}


async def _until_ready(running: asyncio.subprocess.Process, port_file: Path, path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        while running.returncode is None:
            await asyncio.sleep(LOOK_S)
            if not port_file.exists():
                continue
            url = f"http://127.0.0.1:{port_file.read_text(encoding='ascii').strip()}/-/ready"
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
    told = path.with_name("daemon.log").read_text(encoding="utf-8", errors="replace")
    raise process.ChildFailed(f"syncd run ended with {running.returncode}: {told[-2000:]}")


async def _live(path: Path, rest_s: float) -> Life:
    async with running(path) as (pid, ready_s):
        await asyncio.sleep(rest_s)
        return Life(ready_s=ready_s, resident_mb=process.resident_mb(pid))


async def run(setting: Setting) -> list[Row]:
    """Run the daemon on an empty and on a full store in turns."""
    count = QUICK_LINKS if setting.quick else LINKS
    rest_s = QUICK_REST_S if setting.quick else REST_S
    specs = {"desk": {"provider": "smartops"}, "carrier": {"provider": "telenor", "incidents": 1}}
    async with world.sandboxes(setting.folder, **specs) as told:
        urls = {"desk": told["desk"]["url"], "carrier": told["carrier"]["url"]}
        empty = world.configure(setting.folder / "empty", **urls)
        full = world.configure(setting.folder / "full", **urls)
        setting.say(f"{MEMORY}: making a store with {count} links")
        await _fill(full.with_name("syncd.db"), count)
        lives: list[tuple[Life, Life]] = []
        for number in range(1, setting.rounds + 1):
            lives.append((await _live(empty, rest_s), await _live(full, rest_s)))
            least, ours = lives[-1]
            setting.say(
                f"daemon {number}/{setting.rounds}: ready after {ours.ready_s:.2f} s (empty "
                f"{least.ready_s:.2f}), {ours.resident_mb:.0f} MB (empty {least.resident_mb:.0f})"
            )
    note = f"{count} links; floor: an empty store"
    memory = [Round(value=ours.resident_mb, floor=least.resident_mb) for least, ours in lives]
    start = [Round(value=ours.ready_s, floor=least.ready_s) for least, ours in lives]
    return [
        judged(MEMORY, memory, unit="MB", goal=Goal(bound=140), note=note),
        judged(START, start, unit="s", goal=Goal(bound=3), note=note),
    ]


async def _fill(path: Path, count: int) -> None:
    async with await Database.open(f"sqlite:///{path}", upgrade=True) as db:
        await fill.fill(
            db,
            [f"5004E00000{number:08}" for number in range(count)],
            mapping=world.MAPPING,
            sides={Side.ITSM: (world.DESK, "ticket"), Side.VENDOR: (world.CARRIER, "incident")},
        )


def benches() -> Sequence[Bench]:
    return [Bench(rows=(MEMORY, START), run=run)]
