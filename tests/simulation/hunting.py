"""Each planted bug is looked for in one story after another, until one shows it."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from os import sched_getaffinity
from pathlib import Path

from tests.simulation.many import undisturbed
from tests.simulation.story import play

_template = Path()
_lasting = ExitStack()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunted:
    """How the search for one bug went.

    Attributes:
        bug: which.
        seed: the first story that showed it; None: none did.
        stories: how many were played.
        told: what was wrong in it.
    """

    bug: str
    seed: int | None
    stories: int
    told: str = ""


def hunt(bugs: Sequence[str], seeds: Sequence[int], template: Path) -> Iterator[Hunted]:
    """Look for bugs side by side, and give what was found as it is found."""
    with ProcessPoolExecutor(
        len(sched_getaffinity(0)), get_context("spawn"), initializer=_begin, initargs=(template,)
    ) as pool:
        for ended in as_completed([pool.submit(_hunt, bug, seeds) for bug in bugs]):
            yield ended.result()


def _begin(template: Path) -> None:
    global _template  # noqa: PLW0603 - a process of its own, told once
    _template = template
    _lasting.enter_context(undisturbed())


def _hunt(bug: str, seeds: Sequence[int]) -> Hunted:
    for stories, seed in enumerate(seeds, start=1):
        told = asyncio.run(play(seed, _template, bug=bug))
        if not told.is_well:
            return Hunted(bug=bug, seed=seed, stories=stories, told=str(told))
    return Hunted(bug=bug, seed=None, stories=len(seeds))
