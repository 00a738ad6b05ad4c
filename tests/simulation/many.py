"""Many stories at once, one process per core."""

import asyncio
import gc
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path

import structlog

from tests.simulation.story import Told, play

QUIET_LEVEL = 50
"""Nothing below is logged: a story's log would say what its faults were made to cause."""
GARBAGE_MIN = 300_000
"""Objects made before garbage is looked for: some stories leave less than that behind together."""

_template = Path()
_bug = ""
_lasting = ExitStack()


def _begin(template: Path, bug: str) -> None:
    global _template, _bug
    _template, _bug = template, bug
    _lasting.enter_context(undisturbed())


@contextmanager
def undisturbed() -> Iterator[None]:
    """Play without logs, and without looking all that was imported through for garbage."""
    logging, thresholds = structlog.get_config(), gc.get_threshold()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(QUIET_LEVEL))
    gc.freeze()
    gc.set_threshold(GARBAGE_MIN, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        structlog.configure(**logging)


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
