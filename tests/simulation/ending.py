"""How a story's troubles end: quietly, or with one thing more that nobody hears of twice."""

from dataclasses import replace
from enum import StrEnum
from random import Random

from tests.simulation.habits import is_odd
from tests.simulation.traits import Profile

COMMITS_MAX = 8
"""So many transactions the last life lives to see, at most."""
ACTS_MAX = 4
"""So much people of one side do at last, at most."""


class Sort(StrEnum):
    """How it ends.

    DEATH: the daemon dies right behind one of its commits. ODD: polls are answered with nonsense.
    EDIT: the configuration is reloaded while what is new is being read.
    """

    QUIET = "quiet"
    DEATH = "death"
    ODD = "odd"
    EDIT = "edit"


class Ending:
    """The end of one story's troubles.

    Attributes:
        sort: how it ends; people act once more unless it is quiet.
        acts: how much people of each side do then.
        is_near: it is time.
    """

    def __init__(self, seed: int) -> None:
        """Choose from luck of its own."""
        luck = Random(f"ending {seed}")
        (sort,) = luck.choices(list(Sort), (3, 3, 1, 1))
        self.sort = sort if is_odd(seed) else Sort.QUIET
        self.acts = luck.randint(1, ACTS_MAX)
        self.is_near = False
        self._commits = luck.randint(1, COMMITS_MAX)

    def told_once(self, profile: Profile) -> Profile:
        """Have a feed tell nothing twice where it ends in nonsense: no overlap makes up for it."""
        return replace(profile, overlap=0) if self.sort is Sort.ODD else profile

    def kills_at(self, step: str) -> bool:
        """Whether the daemon dies at this step."""
        if not self.is_near or self.sort is not Sort.DEATH or step != "after a write":
            return False
        self._commits -= 1
        return self._commits == 0

    def is_odd(self, call: str) -> bool:
        """Whether a call is answered with nonsense."""
        return self.is_near and self.sort is Sort.ODD and call == "poll"
