"""The long run: every commit and every request until lives pass; one JSON object at the end.

python -m tests.crash [--only NAME] [--most N] [--first N] [--for SECONDS] [--together N]

Exit status 0: every way came to its end, and nothing was lost, doubled, echoed or leaked.
"""

import argparse
import asyncio
import faulthandler
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import orjson

from syncd.demo.verdict import BAD
from tests.crash.chain import AtCommit, AtRequest, Chain, Death, Effect, Tally
from tests.crash.disk import Full, small_disk
from tests.crash.place import Place, place
from tests.crash.proxy import AtServerCommit, proxied
from tests.support.nursery import Nursery, nursery
from tests.support.postgres import Server, running_server

DISK_BYTES = 48 * 1024 * 1024
Told = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What all ways share.

    Attributes:
        nursery: where daemons are born.
        server: PostgreSQL, started when the first way needs it.
        first, most, step: the n that are tried.
        until_s: time of the loop after which no other n is begun; None: none is.
    """

    nursery: Nursery
    server: Callable[[], Server]
    first: int = 1
    most: int = 200
    step: int = 1
    until_s: float | None = None


Way = Callable[[Run], Awaitable[Told]]


def _requests() -> Mapping[str, Way]:
    kinds = (("carrier", "POST"), ("carrier", "GET"), ("carrier", "PUT"), ("desk", "POST"))
    deaths = [
        AtRequest(side, effect, method)
        for side, method in kinds
        for effect in Effect
        # A read that never was is a read whose answer nobody waited for.
        if method != "GET" or effect is not Effect.NONE
    ]
    return {death.name: partial(_on_sqlite, death) for death in deaths}


async def _on_sqlite(death: Death, run: Run) -> Told:
    @asynccontextmanager
    async def makes() -> AsyncIterator[tuple[Place, Death]]:
        async with place(run.nursery) as here:
            yield here, death

    return await _chained(Chain(makes, _told_of(death.name)), run)


def _told_of(name: str) -> Callable[[int, Tally], None]:
    def told(n: int, tally: Tally) -> None:
        passed = ", ".join(f"passed {when} from {at} on" for when, at in tally.passed.items())
        sys.stderr.write(f"{time.strftime('%X')} {name}: n={n} {passed} {tally.findings or ''}\n")
        sys.stderr.flush()

    return told


async def _on_postgres(is_before: bool, run: Run) -> Told:
    server = run.server()

    @asynccontextmanager
    async def makes() -> AsyncIterator[tuple[Place, Death]]:
        name = await server.create_database()
        try:
            # A socket's path must be short.
            with tempfile.TemporaryDirectory(prefix="pg") as folder:
                async with (
                    proxied(server.url(name), Path(folder)) as (proxy, through),
                    place(run.nursery, store_url=through) as here,
                ):
                    yield here, AtServerCommit(proxy, is_before=is_before)
        finally:
            await server.drop_database(name)

    name = f"postgres commit {'before' if is_before else 'after'} effect"
    return await _chained(Chain(makes, _told_of(name)), run)


async def _chained(chain: Chain, run: Run) -> Told:
    await chain.run(range(run.first, run.most + 1, run.step), until_s=run.until_s)
    return asdict(chain.tally) | {"ok": chain.tally.is_over and not chain.tally.findings}


async def _full_disk(run: Run) -> Told:
    """Run out of room, for everything and for one file alone."""
    async with AsyncExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(DISK_BYTES))
        except PermissionError as error:
            return {"ok": True, "skipped": str(error)}
        url = f"sqlite:///{disk}/syncd.db"
        made = place(run.nursery, store_url=url, spool=disk / "spool")
        here = await stack.enter_async_context(made)
        told = await Full(here, disk).happens()
        verdict = await here.settled()
        findings = [str(each) for each in verdict.findings if each.fate in BAD] + here.left
        findings += here.world.daemon.crashes()
        status = await here.process.stop()
        return told | {"ok": not (findings or status), "status": status, "findings": findings}


WAYS: Mapping[str, Way] = {
    "commit": partial(_on_sqlite, AtCommit()),
    **_requests(),
    "postgres commit before effect": partial(_on_postgres, True),
    "postgres commit after effect": partial(_on_postgres, False),
    "full disk": _full_disk,
}


async def _run(said: argparse.Namespace) -> Told:
    began_s = time.perf_counter()
    until_s = asyncio.get_running_loop().time() + said.seconds if said.seconds else None
    chosen = {name: way for name, way in WAYS.items() if name.startswith(tuple(said.only))}
    room = asyncio.Semaphore(said.together)
    async with AsyncExitStack() as stack:
        cradle = await stack.enter_async_context(nursery())
        servers: list[Server] = []

        def server() -> Server:
            if not servers:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pg"))
                servers.append(stack.enter_context(running_server(Path(folder) / "d")))
            return servers[0]

        run = Run(
            nursery=cradle,
            server=server,
            first=said.first,
            most=said.most,
            step=said.step,
            until_s=until_s,
        )

        async def goes(name: str, way: Way) -> Told:
            async with room:
                told = await way(run)
            sys.stderr.write(f"{name}: {told}\n")
            sys.stderr.flush()
            return told

        gone = await asyncio.gather(*(goes(name, way) for name, way in chosen.items()))
    ways = dict(zip(chosen, gone, strict=True))
    return {
        "ok": all(told["ok"] for told in gone),
        "lives": sum(int(str(told.get("lives", 0))) for told in gone),
        "seconds": round(time.perf_counter() - began_s, 1),
        "ways": ways,
    }


def main() -> int:
    """Run it; 0: every way came to its end and nothing was found."""
    # Asked with SIGUSR1, it tells where it stands.
    faulthandler.register(signal.SIGUSR1)
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--first", type=int, default=1, help="smallest n of each way")
    parser.add_argument("--most", type=int, default=200, help="largest n of each way")
    parser.add_argument("--step", type=int, default=1, help="from one n to the next")
    parser.add_argument("--only", nargs="*", default=[""], help="ways whose names begin so")
    parser.add_argument("--for", dest="seconds", type=float, default=0.0, help="0: no limit")
    parser.add_argument("--together", type=int, default=3, help="ways that run at once")
    found = asyncio.run(_run(parser.parse_args()))
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
