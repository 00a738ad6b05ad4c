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


def _begin(template: Path) -> None:
    global _template  # noqa: PLW0603 - what a process is started with
    _template = template
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(QUIET_LEVEL))


def _play(seed: int) -> Told:
    return asyncio.run(play(seed, _template))


def stories(seeds: Sequence[int], template: Path) -> Iterator[Told]:
    """Play stories and give them as they end, in order of their seeds."""
    if len(seeds) == 1:
        _begin(template)
        yield _play(seeds[0])
        return
    processes = max(1, len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_begin, initargs=(template,)
    ) as pool:
        yield from pool.map(_play, seeds, chunksize=4)
