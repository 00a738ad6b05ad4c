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
from tests.replicas.base import Base, shared_base
from tests.replicas.fleet import Fleet, fleet_of
from tests.replicas.throughput import measure
from tests.support.nursery import nursery
from tests.support.postgres import running_server

SETTLE_MAX_S = 120.0
"""Longest wait for a move in the end: far longer than what a dead process was sending waits."""
STILL_SHARE, CUT_SHARE = 0.3, 0.5
"""Of the disturbances: those that stop a process instead of killing it; of these, those that end
its sessions on the database as well."""
SLOW_SHARE, SLOW_S = 0.5, 0.5
"""Where systems do not misbehave, so many of their answers take so long: who answers at once is
hardly ever met in the middle of a request."""

FINE, FOUND, FAILED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One run.

    Attributes:
        processes: daemons on one store.
        disturb_every_s: one of them is killed or stands still so often; 0: none is.
        still_share: of the disturbances, those that let one stand still.
    """

    processes: int
    disturb_every_s: float
    still_share: float


@dataclass(slots=True)
class _Replicas(_Show):
    """The demo's run, with another kind of trouble."""

    asked: Asked | None = None
    fleet: Fleet | None = None
    stills: int = 0
    cuts: int = 0

    async def _act(self) -> None:
        assert self.asked is not None
        assert self.fleet is not None
        if self.options.faults:
            self.world.misbehave()
        else:
            for system in self.world.systems:
                system.faults.rates({"slow": SLOW_SHARE}, delay_s=SLOW_S)
        people = People(self.world.staffs(), self.seed)
        disturbing = asyncio.create_task(self._disturb(self.fleet, self.asked))
        try:
            await people.act(self.options.seconds)
        finally:
            disturbing.cancel()
            await asyncio.wait([disturbing])
        await self.fleet.all_back()
        self.world.behave()

    async def _disturb(self, fleet: Fleet, asked: Asked) -> None:
        chance = random.Random(f"{self.seed}:kills")
        while asked.disturb_every_s:
            await asyncio.sleep(asked.disturb_every_s)
            if chance.random() >= asked.still_share:
                self.kills += fleet.kill_one(chance)
                continue
            is_cut = chance.random() < CUT_SHARE
            if await fleet.still_one(chance, is_cut=is_cut):
                self.stills += 1
                self.cuts += is_cut


async def play(options: DemoOptions, asked: Asked, base: Base) -> dict[str, object]:
    """Play one run on an empty database and give its JSON object.

    Raises:
        DemoFailed: it could not be played to its end.
    """
    seed = options.seed if options.seed is not None else secrets.randbelow(100_000)
    console = Console(stderr=True, highlight=False)
    async with nursery() as cradle, world(options, seed) as made:
        fleet = fleet_of(made.daemon, base, cradle)
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
        taken_over = sum(each["unknown"] for each in fleet.told("delivery.recovered"))
    return document(result) | {
        "processes": asked.processes,
        "stood_still": show.stills,
        "cut_off": show.cuts,
        "taken_over": taken_over,
        "late_answers": await base.late_answers(),
    }


async def _run(options: DemoOptions, asked: Asked, folder: Path) -> dict[str, object]:
    with running_server(folder / "postgres") as server:
        async with shared_base(server, asked.processes) as base:
            return await play(options, asked, base)


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
    parser.add_argument(
        "--disturb-every", type=float, default=1.0, help="seconds; 0: none is disturbed"
    )
    parser.add_argument(
        "--still",
        type=float,
        default=STILL_SHARE,
        help="share of disturbances that stop a daemon beyond its lease; the others kill one",
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
    asked = Asked(
        processes=said.processes,
        disturb_every_s=said.disturb_every,
        still_share=said.still,
    )
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
