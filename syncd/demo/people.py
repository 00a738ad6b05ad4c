"""Plays the people on all sides: seeded lives of tickets, each an own task."""

import asyncio
import random
from collections.abc import Sequence

from syncd.demo.staff import Life, Live, Staff

OPENED_WITHIN = 0.5
"""The share of the time in which lives begin."""


class People:
    """Everybody at the service desk and at the vendors.

    Args:
        staffs: the people of each pairing.
        seed: of what they do.
    """

    def __init__(self, staffs: Sequence[Staff], seed: int) -> None:
        self._staffs = staffs
        self._seed = seed
        suffix = random.Random(f"{seed}:tokens")
        self._suffix = "".join(suffix.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(3))

    async def act(self, seconds: float) -> None:
        """Live until the time is over."""
        lives: list[Live] = []
        for staff in self._staffs:
            staff.begin(seconds)
            lives += staff.lives(seconds)
        # Which vendor's turn it is follows from the seed, not from the order of their names.
        random.Random(f"{self._seed}:order").shuffle(lives)
        gap_s = seconds * OPENED_WITHIN / max(1, len(lives))
        async with asyncio.TaskGroup() as group:
            for place, live in enumerate(lives):
                life = Life(
                    place=place,
                    chance=random.Random(f"{self._seed}:life:{place}"),
                    suffix=self._suffix,
                )
                group.create_task(self._begin(live, life, place * gap_s))

    async def _begin(self, live: Live, life: Life, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await live(life)
