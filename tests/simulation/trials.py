"""Harder things that happen in part of the stories, each with luck of its own.

What a seed without them plays stays as it was: they draw from another generator.
"""

from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Trial(StrEnum):
    """What is tried beside the common faults.

    DISCARD: an operator gives operations up, in whatever state they are. READERS: the daemon's own
    readers, one for each connection, in the place of rounds. OUTAGE: a system is away for hours.
    CLOCKS: the vendors' clocks are set. FEED: feeds tell in another order, and old things again.
    TOKENS: tokens are rejected whatever is asked. SEARCH: probes do not see what is there yet.
    RESTORE: the store is lost, and a backup put in its place.
    """

    DISCARD = "discard"
    READERS = "readers"
    OUTAGE = "outage"
    CLOCKS = "clocks"
    FEED = "feed"
    TOKENS = "tokens"
    SEARCH = "search"
    RESTORE = "restore"


_NAME = "luck23"
"""Chosen so that the seeds named in failed_seeds.txt and test_bugs.py have none of all this."""
TRIED = 0.4
"""Part of the stories in which anything of it happens."""
EACH = 0.35
"""Part of these in which one of them does."""


def luck_of(seed: int) -> tuple[frozenset[Trial], Random]:
    """Say what a story has to bear, and give the luck with which it does."""
    luck = Random(f"{_NAME} {seed}")
    if luck.random() >= TRIED:
        return frozenset(), luck
    tried = [trial for trial in Trial if luck.random() < EACH]
    return frozenset(tried or [luck.choice(list(Trial))]), luck


AGAIN = 3
"""So many old things a disordered feed tells once more at most."""


def disordered(luck: Random, told: Sequence[T], before: Sequence[T]) -> list[T]:
    """Give a feed's page in any order, with some of what it told before."""
    again = luck.sample(before, min(len(before), luck.randint(0, AGAIN)))
    mixed = [*told, *again]
    luck.shuffle(mixed)
    return mixed
