"""What came into stories last, each with luck of its own: a share of them has one of these.

What a seed without them plays stays as it was.
"""

from enum import StrEnum
from random import Random


class Venture(StrEnum):
    """What is ventured beside the common faults and the trials.

    STORM: a system answers everything with 429 for some minutes. PRESS: an operator presses retry,
    adopt, resolve, resync or pause at any moment of a round. PAGES: the vendor's lists are read in
    pages, and people move tickets across their borders meanwhile. ADOPT: tickets stood on both
    sides before, and an operator runs `syncd adopt` and `link add`.
    """

    STORM = "storm"
    PRESS = "press"
    PAGES = "pages"
    ADOPT = "adopt"


_NAME = "chance483740"
"""Chosen so that the seeds named in failed_seeds.txt and test_bugs.py have none of all this."""
VENTURED = 0.25
"""Part of the stories in which one of them happens."""


def chance_of(seed: int) -> tuple[Venture | None, Random]:
    """Say what is ventured in a story, if anything, and give the luck with which it is."""
    chance = Random(f"{_NAME} {seed}")
    if chance.random() >= VENTURED:
        return None, chance
    return chance.choice(list(Venture)), chance
