"""A second worker on the same store: it delivers as well, and may stall for longer than its lease.

It stalls before it tells the store something, never between noting that it sends and sending: what
holds a dead man's claim there is PostgreSQL's (`make replicas`).
"""

import asyncio
import contextvars
from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any

from syncd.delivery.service import Delivery
from tests.simulation.habits import SLOW_MAX, is_odd

if TYPE_CHECKING:
    from tests.simulation.world import World

PART = 0.3
"""Part of the odd stories in which a second one works."""
STALLS = 0.15
"""How often one of its transactions has to wait until its lease is over."""
LEASE_S = 120.0
"""How long a claim is good."""
ROUNDS = 3
"""So often more is delivered within a round where writes are to begin while reads are under way."""
LOOKS_S = 40.0
"""How often the first one looks meanwhile for what the second has left."""

is_second: contextvars.ContextVar[bool] = contextvars.ContextVar("second", default=False)
"""Whether a task is the second worker's."""


def has_twin(seed: int) -> bool:
    """Whether a story has a second worker."""
    return Random(f"twin {seed}").random() < PART and is_odd(seed)


class Twin:
    """The second worker of a story, in those that have one."""

    def __init__(self, world: "World") -> None:
        """Work in a world."""
        self._world = world
        self._luck = Random(f"twin's {world.seed}")
        self.is_there = has_twin(world.seed)
        self._stalled = 0
        self.delivery: Delivery | None = None

    def begin_life(self) -> None:
        """Start beside a daemon that just started."""
        self._stalled = 0
        self.delivery = self._world.new_delivery("twin") if self.is_there else None

    def work(self) -> list[Coroutine[Any, Any, Any]]:
        """Give what it does in a round."""
        return [] if self.delivery is None else [self._round(self.delivery)]

    async def _round(self, delivery: Delivery) -> None:
        is_second.set(True)
        await delivery._take_over()
        await delivery.run_round()

    async def stall(self, step: str) -> None:
        """Let its lease pass, now and then, before it tells the store something."""
        may = is_second.get() and step == "before a write" and not self._world.is_calm
        if not may or self._luck.random() >= STALLS:
            return
        self._stalled += 1
        try:
            await self._world.clock.sleep(LEASE_S * 1.2)
        finally:
            self._stalled -= 1

    async def first(self, delivery: Delivery) -> None:
        """Do the first worker's round, and go on while the second is stalled.

        Where a read shows the present but tells it late, writes may begin while it is under way.
        """
        habits = [vendor.habits for vendor in self._world.vendors.values()]
        if any(each.shows_at_once and each.answers_slowly for each in habits):
            for turns in self._luck.choices(range(SLOW_MAX), k=ROUNDS):
                for _ in range(turns):
                    await asyncio.sleep(0)
                await delivery.run_round()
        await delivery.run_round()
        while self._stalled:
            await self._world.clock.sleep(LOOKS_S)
            await delivery._take_over()
            await delivery.run_round()
