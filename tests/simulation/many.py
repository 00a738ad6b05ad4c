"""Many stories at once, one process per core."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import structlog

from tests.simulation.story import Told, play

QUIET_LEVEL = 50
"""Nothing below is logged: a story's log would say what its faults were made to cause."""

_template = Path()
_bug = ""


def _begin(template: Path, bug: str) -> None:
    global _template, _bug
    _template, _bug = template, bug
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(QUIET_LEVEL))


def _play(seed: int) -> Told:
    return asyncio.run(play(seed, _template, bug=_bug))


def stories(seeds: Sequence[int], template: Path, bug: str = "") -> Iterator[Told]:
    """Play stories and give them as they end, in order of their seeds."""
    if len(seeds) == 1:
        _begin(template, bug)
        yield _play(seeds[0])
        return
    processes = max(1, len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_begin, initargs=(template, bug)
    ) as pool:
        yield from pool.map(_play, seeds, chunksize=4)
