"""The checker is alive: each planted bug is found, and soon."""

from pathlib import Path

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.story import play

SEEDS_MAX = 1_000
"""A bug that so many stories do not show would reach a customer."""
FIRST: dict[str, int] = {}
"""Where the search begins for bugs that the very first stories do not show."""


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
async def test_a_planted_bug_is_found(bug: str, sqlite_template: Path) -> None:
    begin = FIRST.get(bug, 0)
    for seed in range(begin, begin + SEEDS_MAX):
        if not (await play(seed, sqlite_template, bug=bug)).is_well:
            return
    pytest.fail(f"{SEEDS_MAX} stories did not show it")
