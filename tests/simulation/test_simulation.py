"""Whatever people do and whatever breaks: nothing lost, nothing doubled, and rest in the end.

Every run plays stories nobody has played before, a slice that the commit chooses, and all that ever
failed. A failure names its seed; `make simulate SEED=17` plays it again, await by await, and `make
simulate` plays thousands.
"""

import subprocess
from functools import cache
from pathlib import Path
from random import Random

import pytest

from tests.simulation.habits import Habits, HabitualVendor
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.story import play
from tests.simulation.traits import Profile
from tests.support.clock import FakeClock

CHUNK, CHUNKS = 20, 25
"""Fresh stories of one run; `make simulate` plays as many more as one likes."""
FRESH = 1_000_000_000_000
"""Fresh seeds begin here; those below are played by hand and named in tests."""
FAILED = tuple(
    int(line.split()[0])
    for line in (Path(__file__).parent / "failed_seeds.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_everything_arrives_once_whatever_breaks(chunk: int, sqlite_template: Path) -> None:
    begin = _first_fresh() + chunk * CHUNK
    print(f"seeds {begin} to {begin + CHUNK - 1}")
    told = [await play(seed, sqlite_template) for seed in range(begin, begin + CHUNK)]
    assert not [str(one) for one in told if not one.is_well]


DIGITS = 7
"""Of the tree's name; enough that two commits hardly ever play the same."""


@cache
def _first_fresh() -> int:
    """Where this commit's slice of the seeds begins: others than the last one's, and always these.

    What the commit holds decides, so that the same files play the same wherever they are committed;
    outside a clone it is always the same.
    """
    asked = ["git", "rev-parse", "HEAD^{tree}"]
    told = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, check=False)
    return FRESH + int(told.stdout[:DIGITS] or b"0", 16) * CHUNK * CHUNKS


@pytest.mark.slow
@pytest.mark.parametrize("seed", FAILED)
async def test_what_once_failed_is_well(seed: int, sqlite_template: Path) -> None:
    told = await play(seed, sqlite_template)
    assert told.is_well, str(told)


@pytest.mark.parametrize("seed", range(len(SCENARIOS)))
async def test_a_story_of_each_sort(seed: int, sqlite_template: Path) -> None:
    told = await play(seed, sqlite_template)
    assert told.is_well, str(told)


async def test_a_seed_plays_the_same_story_again(sqlite_template: Path) -> None:
    first, second = [await play(21, sqlite_template) for _ in range(2)]
    assert first.effects
    assert first == second


def test_a_title_looks_older_than_the_one_before_only_where_a_clock_was_put_back() -> None:
    clock = FakeClock()
    vendor = HabitualVendor(clock, "d", Profile(settle_s=4.0), Habits(), Random(1))
    ticket = vendor.open(title="first")
    for title, off_s in (("second", 0.0), ("third", -12.0), ("fourth", -12.0)):
        vendor.clock.off_s = off_s
        clock.advance(5)
        vendor.set(ticket, title=title)
    looked = [vendor.looked_older(ticket, each) for each in ("first", "second", "third", "fourth")]
    assert looked == [False, False, True, False]
