"""The long run: every commit and every request until a life passes; one JSON object at the end.

python -m tests.crash [--most N]
"""

import argparse
import asyncio
import sys
import time
from dataclasses import asdict

import orjson

from syncd.demo.verdict import BAD
from tests.crash.chain import AtCommit, AtRequest, Death, Tally, die
from tests.crash.place import Place, place

WAYS: tuple[Death, ...] = (
    AtCommit(),
    *(
        AtRequest(side, is_before=is_before, method=method)
        for side in ("carrier", "desk")
        for method in ("POST", "GET", "PATCH")
        for is_before in (True, False)
        if (side, method) not in {("desk", "PATCH"), ("desk", "GET")}
    ),
)


async def _way(death: Death, most: int) -> tuple[Tally, dict[str, object]]:
    """Die in one way until a life passes, in a world of its own, and judge."""
    async with place() as here:
        await here.goes_live()
        tally = await die(here, [death], range(1, most + 1))
        here.goes_on()
        await here.process.start()
        verdict = await here.settled()
        status = await here.process.stop()
        return tally, _told(here, status) | {str(fate): verdict.count(fate) for fate in BAD} | {
            "findings": [str(each) for each in verdict.findings if each.fate in BAD],
        }


def _told(here: Place, status: int) -> dict[str, object]:
    return {"status": status, "tracebacks": here.world.daemon.crashes()}


async def _run(most: int) -> dict[str, object]:
    began_s = time.perf_counter()
    ways: dict[str, object] = {}
    is_good, lives = True, 0
    for death in WAYS:
        tally, judged = await _way(death, most)
        ways[death.name] = asdict(tally) | judged
        lives += tally.lives
        is_good &= not judged["findings"] and not judged["tracebacks"] and judged["status"] == 0
        sys.stderr.write(f"{death.name}: {ways[death.name]}\n")
    seconds = round(time.perf_counter() - began_s, 1)
    return {"ok": is_good, "lives": lives, "seconds": seconds, "ways": ways}


def main() -> int:
    """Run it; 0: nothing was lost, doubled, echoed or leaked."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--most", type=int, default=200, help="largest n of each way")
    found = asyncio.run(_run(parser.parse_args().most))
    sys.stdout.write(orjson.dumps(found).decode() + "\n")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
