"""The checker is alive: planted bugs are found, and soon."""

from pathlib import Path

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.story import play

SEEDS_MAX = 30
"""Stories within which each of these is found."""
FIRST = {
    "the probe is skipped": 1,
    "a probe is believed too early": 5,
    "what is unknown is sent again": 7,
    "what is unknown is taken for done": 5,
    "transport repeats a write": 7,
    "a crash while sending counts as unsent": 1,
    "what was refused is forgotten": 2,
    "an answer is not kept": 0,
    "attachment pairs are forgotten": 0,
    "baselines stay where they were": 0,
    "markers are not read": 4,
    "nothing is held": 8,
    "a quotation is taken for ours": 2,
    "private words leave": 0,
    "the same words twice are one": 0,
    "words are queued last first": 0,
    "files are cut off": 0,
    "everything is shared": 0,
    "nothing is recovered after a crash": 1,
    "a rejected token counts as delivered": 11,
    "a renamed mapping loses its links": 6,
}
"""Bug -> where the search begins, counted from nought: the first story that showed it.

The other bugs need more stories than a run of the tests has.
"""


@pytest.mark.slow
@pytest.mark.parametrize("bug", FIRST)
async def test_a_planted_bug_is_found(bug: str, sqlite_template: Path) -> None:
    begin = FIRST[bug]
    for seed in range(begin, begin + SEEDS_MAX):
        if not (await play(seed, sqlite_template, bug=bug)).is_well:
            return
    pytest.fail(f"{SEEDS_MAX} stories did not show it")


def test_every_bug_that_is_looked_for_can_be_planted() -> None:
    assert set(FIRST) <= set(BUGS)
