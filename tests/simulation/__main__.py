"""Play stories on all cores: `make simulate`, or with `SEEDS=500`, or with `SEED=17` for one.

With `ARGS=--bugs` each planted bug is looked for instead, in so many stories at most.

What failed is told as it happens, on standard error; one JSON object on standard output ends the
run. Exit status 0: all is well; 1: a story failed.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from syncd.store.upgrading import upgrade
from tests.simulation.bugs import BUGS
from tests.simulation.checker import Wrong
from tests.simulation.hunting import Hunted, hunt
from tests.simulation.many import stories
from tests.simulation.story import Told

SEEDS = 10_000
"""Stories of a whole run."""
SEEDS_OF_A_BUG = 1_000
"""Stories within which each planted bug is to be found."""
TOLD_CHARS = 200
"""So much is told of what showed a bug."""
PROGRESS_S = 30.0
"""So often it is told how far the stories are."""
FAILURES_MAX = 20
"""How many are named in the answer; all are counted."""


def _summary(played: Iterator[Told], of: int, began: float) -> dict[str, object]:
    counts: Counter[str] = Counter()
    failed: list[str] = []
    acts: Counter[str] = Counter()
    told_at = began
    for told in played:
        counts.update(seeds=1, crashes=told.crashes, faults=told.faults, acts=told.acts)
        acts.update(told.played)
        counts.update(problem.what.value for problem in told.problems)
        counts.update(unrest=bool(told.unrest), failed=not told.is_well)
        if not told.is_well:
            print(told, file=sys.stderr, flush=True)
            failed.append(str(told.seed))
        if (now := time.perf_counter()) - told_at >= PROGRESS_S:
            told_at = now
            _tell_progress(counts, of, now - began)
    names = ["seeds", "failed", "crashes", "faults", "acts", "unrest", *(w.value for w in Wrong)]
    return {
        **{name: counts[name] for name in names},
        "failed_seeds": [int(seed) for seed in sorted(failed, key=int)[:FAILURES_MAX]],
        "played": dict(sorted(acts.items())),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _tell_progress(counts: Counter[str], of: int, seconds: float) -> None:
    done = counts["seeds"]
    left_s = seconds / done * (of - done)
    told = f"{done} of {of} stories, {counts['failed']} failed; about {left_s / 60:.0f} min left"
    print(told, file=sys.stderr, flush=True)


def _hunted(found: Iterator[Hunted], began: float) -> dict[str, object]:
    first: dict[str, int] = {}
    missed: list[str] = []
    stories = 0
    for one in found:
        stories += one.stories
        print(f"{one.bug}: {one.told[:TOLD_CHARS] or 'not found'}", file=sys.stderr, flush=True)
        if one.seed is None:
            missed.append(one.bug)
        else:
            first[one.bug] = one.seed
    return {
        "bugs": len(first) + len(missed),
        "failed": len(missed),
        "missed": missed,
        "first": first,
        "stories": stories,
        "seconds": round(time.perf_counter() - began, 1),
    }


def main(given: Sequence[str]) -> int:
    """Play what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one alone")
    parser.add_argument("--seeds", type=int, help=f"how many; {SEEDS} if not said")
    parser.add_argument("--first", type=int, default=0, help="the first of them; 0 if not said")
    parser.add_argument("--bug", default="", choices=["", *BUGS], help="plant it")
    parser.add_argument("--bugs", nargs="*", choices=BUGS, help="look for these; for all")
    asked = parser.parse_args(given)
    most = asked.seeds or (SEEDS if asked.bugs is None else SEEDS_OF_A_BUG)
    seeds = range(asked.first, asked.first + most) if asked.seed is None else [asked.seed]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="syncd-simulation-") as folder:
        template = Path(folder) / "template.db"
        asyncio.run(upgrade(f"sqlite:///{template}"))
        if asked.bugs is not None:
            answer = _hunted(hunt(asked.bugs or list(BUGS), seeds, template), began)
        else:
            answer = _summary(stories(seeds, template, asked.bug), len(seeds), began)
    print(orjson.dumps(answer).decode())
    return 1 if answer["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
