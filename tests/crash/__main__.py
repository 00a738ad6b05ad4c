"""The long run: every commit and every request until a life passes; one JSON object at the end.

python -m tests.crash [--most N] [--only NAME]
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import orjson

from syncd.demo.verdict import BAD
from tests.crash.chain import AtCommit, AtRequest, Death, die
from tests.crash.disk import Full, small_disk
from tests.crash.place import Place, place
from tests.crash.proxy import AtServerCommit, proxied
from tests.support.postgres import running_server

DISK_BYTES = 48 * 1024 * 1024
BOTH = (True, False)
Told = dict[str, object]
Way = Callable[[int], Awaitable[Told]]


def _requests() -> Mapping[str, Way]:
    kinds = (("carrier", "POST"), ("carrier", "GET"), ("carrier", "PUT"), ("desk", "POST"))
    deaths = [
        AtRequest(side, is_before=is_before, method=method)
        for side, method in kinds
        for is_before in BOTH
    ]
    return {death.name: _on_sqlite(death) for death in deaths}


def _on_sqlite(death: Death) -> Way:
    async def way(most: int) -> Told:
        async with place() as here:
            return await _until_one_passes(here, death, most)

    return way


def _on_postgres(*, is_before: bool) -> Way:
    async def way(most: int) -> Told:
        async with (
            _server() as (url, folder),
            proxied(url, folder) as (proxy, through),
            place(store_url=through) as here,
        ):
            death = AtServerCommit(proxy, is_before=is_before)
            return await _until_one_passes(here, death, most)

    return way


@asynccontextmanager
async def _server() -> AsyncIterator[tuple[str, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="pg") as folder,
        running_server(Path(folder) / "d") as server,
    ):
        name = await server.create_database()
        try:
            yield server.url(name), Path(folder)
        finally:
            await server.drop_database(name)


async def _until_one_passes(here: Place, death: Death, most: int) -> Told:
    """Die at the n-th for n = 1, 2, 3 … until a life passes, and judge."""
    await here.goes_live()
    here.goes_on()
    # A pair to work on from the first life on: else there is nothing yet that could be changed.
    await here.process.start()
    await here.settled()
    await here.process.kill()
    tally = await die(here, [death], range(1, most + 1))
    here.goes_on()
    await here.process.start()
    return asdict(tally) | await _judged(here)


async def _full_disk(_most: int) -> Told:
    """Run out of room, for everything and for one file alone."""
    async with AsyncExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(DISK_BYTES))
        except PermissionError as error:
            return {"skipped": str(error)}
        url = f"sqlite:///{disk}/syncd.db"
        here = await stack.enter_async_context(place(store_url=url, spool=disk / "spool"))
        told = await Full(here, disk).happens()
        return told | await _judged(here)


async def _judged(here: Place) -> Told:
    verdict = await here.settled()
    return {
        "status": await here.process.stop(),
        "tracebacks": here.world.daemon.crashes(),
        **{str(fate): verdict.count(fate) for fate in BAD},
        "findings": [str(each) for each in verdict.findings if each.fate in BAD],
    }


WAYS: Mapping[str, Way] = {
    "commit": _on_sqlite(AtCommit()),
    **_requests(),
    "postgres commit before effect": _on_postgres(is_before=True),
    "postgres commit after effect": _on_postgres(is_before=False),
    "full disk": _full_disk,
}


async def _run(most: int, only: str) -> Told:
    began_s = time.perf_counter()
    ways: dict[str, Told] = {}
    for name, way in WAYS.items():
        if not name.startswith(only):
            continue
        ways[name] = await way(most)
        sys.stderr.write(f"{name}: {ways[name]}\n")
        sys.stderr.flush()
    seconds = round(time.perf_counter() - began_s, 1)
    lives = sum(int(str(told.get("lives", 0))) for told in ways.values())
    is_good = all(_is_good(told) for told in ways.values())
    return {"ok": is_good, "lives": lives, "seconds": seconds, "ways": ways}


def _is_good(told: Told) -> bool:
    return not (told.get("findings") or told.get("tracebacks") or told.get("status"))


def main() -> int:
    """Run it; 0: nothing was lost, doubled, echoed or leaked."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--most", type=int, default=200, help="largest n of each way")
    parser.add_argument("--only", default="", help="the ways whose names begin so")
    said = parser.parse_args()
    found = asyncio.run(_run(said.most, said.only))
    sys.stdout.write(orjson.dumps(found).decode() + "\n")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
