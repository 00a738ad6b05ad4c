"""Play the demo with several daemons: `make replicas ARGS="--for 60 --processes 4 --seed 1"`.

What goes on is told on standard error; one JSON object on standard output ends the run. Exit status
0: nothing lost, doubled, echoed or leaked, and everything ended; 1: not so; 2: it could not run.
"""

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console

from syncd.demo.daemon import DemoFailed
from syncd.demo.options import DemoOptions
from syncd.demo.people import People
from syncd.demo.report import Result, document
from syncd.demo.run import _Show
from syncd.demo.show import Stage
from syncd.demo.world import world
from tests.replicas.fleet import Fleet, fleet_of
from tests.replicas.throughput import measure
from tests.support.nursery import nursery
from tests.support.postgres import running_server

LEASE_S = 120.0
"""How long a claim is good without being renewed (delivery's options)."""
PAUSE_DEFAULT_S = LEASE_S + 10.0
SETTLE_MAX_S = 240.0
"""Longest wait for the end: what a killed process was sending and did not reach the other side is
sent again only when its lease is over."""

FINE, FOUND, FAILED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One run: how many daemons, one killed every so many seconds, one paused for so long."""

    processes: int
    kill_every_s: float
    pause_s: float


@dataclass(slots=True)
class _Replicas(_Show):
    """The demo's run, with another kind of trouble."""

    asked: Asked | None = None
    fleet: Fleet | None = None
    paused_s: float = 0.0

    async def _act(self) -> None:
        assert self.asked is not None
        assert self.fleet is not None
        if self.options.faults:
            self.world.misbehave()
        people = People(self.world.staffs(), self.seed)
        pausing = asyncio.create_task(self._pause(self.fleet, self.asked))
        killing = asyncio.create_task(self._kill_some(self.fleet, self.asked))
        try:
            await people.act(self.options.seconds)
            killing.cancel()
            await asyncio.wait([killing])
            await pausing
        finally:
            for task in (killing, pausing):
                task.cancel()
        await self.fleet.all_started()
        self.world.behave()

    async def _kill_some(self, fleet: Fleet, asked: Asked) -> None:
        chance = random.Random(f"{self.seed}:kills")
        spared = len(fleet.members) - 1 if asked.pause_s else None
        while asked.kill_every_s:
            await asyncio.sleep(asked.kill_every_s)
            if fleet.kill_one(chance, spared=spared):
                self.kills += 1

    async def _pause(self, fleet: Fleet, asked: Asked) -> None:
        if asked.pause_s:
            await asyncio.sleep(min(1.0, self.options.seconds / 4))
            self.stage.says(f"one daemon stands still for {asked.pause_s:g} s (SIGSTOP)")
            await fleet.pause(len(fleet.members) - 1, asked.pause_s)
            self.paused_s = asked.pause_s


async def play(options: DemoOptions, asked: Asked, store_url: str) -> dict[str, object]:
    """Play one run on an empty database and give its JSON object.

    Raises:
        DemoFailed: it could not be played to its end.
    """
    seed = options.seed if options.seed is not None else secrets.randbelow(100_000)
    console = Console(stderr=True, highlight=False)
    async with nursery() as cradle, world(options, seed) as made:
        fleet = fleet_of(made.daemon, asked.processes, store_url, cradle)
        made.daemon = fleet
        console.print(f"seed {seed}; the daemons' logs: {fleet.log}", soft_wrap=True)
        with Stage(console, made, is_live=False) as stage:
            show = _Replicas(
                options=options, seed=seed, world=made, stage=stage, asked=asked, fleet=fleet
            )
            result: Result = await show.run()
        if options.keep or not result.is_good:
            result.is_kept = made.is_kept = True
            made.save_records()
    return document(result) | {"processes": asked.processes, "paused_s": show.paused_s}


async def _run(options: DemoOptions, asked: Asked, folder: Path) -> dict[str, object]:
    with running_server(folder / "postgres") as server:
        name = await server.create_database()
        try:
            return await play(options, asked, server.url(name))
        finally:
            await server.drop_database(name)


def main(given: Sequence[str]) -> int:
    """Play what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.replicas", description=__doc__)
    parser.add_argument(
        "--for", dest="seconds", type=float, default=60.0, help="people act so long"
    )
    parser.add_argument(
        "--vendors", default="telenor", help="who takes part, by name, with commas; empty: all"
    )
    parser.add_argument("--processes", type=int, default=4, help="daemons on one store")
    parser.add_argument("--kill-every", type=float, default=1.0, help="seconds; 0: none is killed")
    parser.add_argument(
        "--pause", type=float, default=PAUSE_DEFAULT_S, help="seconds; 0: none stands still"
    )
    parser.add_argument("--seed", type=int, help="of what people and faults do")
    parser.add_argument("--faults", action="store_true", help="both systems misbehave as well")
    parser.add_argument(
        "--no-throughput", action="store_true", help="do not measure one process against several"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    said = parser.parse_args(given)
    options = DemoOptions(
        seconds=said.seconds, seed=said.seed, faults=said.faults, keep=said.keep, json=True,
        settle_max_s=SETTLE_MAX_S, vendors=tuple(filter(None, said.vendors.split(","))),
    )  # fmt: skip
    asked = Asked(processes=said.processes, kill_every_s=said.kill_every, pause_s=said.pause)
    try:
        with tempfile.TemporaryDirectory(prefix="syncd-replicas-") as folder:
            told = asyncio.run(_run(options, asked, Path(folder)))
            if not said.no_throughput:
                throughput = asyncio.run(measure(said.processes, Path(folder) / "throughput"))
                told["throughput"] = throughput
    except (DemoFailed, OSError) as error:
        print(f"the run could not be played: {error}", file=sys.stderr)
        return FAILED
    sys.stdout.write(orjson.dumps(told).decode() + "\n")
    return FINE if told["ok"] else FOUND


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
