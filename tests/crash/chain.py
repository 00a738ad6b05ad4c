"""Kills at the n-th commit and the n-th request, one life of the daemon after another.

All lives share one store and one world: each begins with what the last left half done, and people
go on meanwhile. In the end a daemon that nobody kills brings everything to rest.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from syncd.sandbox import Sandbox
from tests.crash.place import Place

CATCH_S = 0.005
"""How often it is looked whether the n-th request has come."""
HELD_S = 0.4
"""How long that request is held, before or after its effect."""
LIFE_MAX_S = 30.0
"""A life that nothing ended in this time goes on to the next."""
SPARED_S = 1.5
"""Longer than a poll: who is settled for so long without dying has passed."""


class Death(Protocol):
    """A way to die at the n-th time of something."""

    @property
    def name(self) -> str:
        """What it is told as."""
        ...

    async def live(self, place: Place, n: int) -> bool:
        """Live one life; say whether it was ended at the n-th."""
        ...


@dataclass(frozen=True, slots=True)
class AtCommit:
    """Killed before the n-th commit to SQLite."""

    name: str = "commit"

    async def live(self, place: Place, n: int) -> bool:
        await place.process.start(dies_at_commit=n)
        return await lives_on(place) is False


@dataclass(frozen=True, slots=True)
class AtRequest:
    """Killed while the n-th request of a kind is held, before or after its effect."""

    side: str
    is_before: bool
    method: str = "POST"

    @property
    def name(self) -> str:
        return f"{self.side} {self.method} {'before' if self.is_before else 'after'} effect"

    async def live(self, place: Place, n: int) -> bool:
        system: Sandbox = place.carrier if self.side == "carrier" else place.world.desk
        system.faults.next(
            "slow", method=self.method, skip=n - 1, delay_s=HELD_S, before_effect=self.is_before
        )
        await place.process.start()
        killing = asyncio.create_task(_kill_when_met(place, system))
        try:
            return await lives_on(place) is False
        finally:
            killing.cancel()
            system.faults.clear()


async def _kill_when_met(place: Place, system: Sandbox) -> None:
    while system.faults.pending:  # noqa: ASYNC110 - a sandbox rings no bell
        await asyncio.sleep(CATCH_S)
    await place.process.kill()


async def lives_on(place: Place) -> bool:
    """Wait for the end of a life; True: it was settled first, and is ended now."""
    loop = asyncio.get_running_loop()
    until_s, settled_s = loop.time() + LIFE_MAX_S, None
    while loop.time() < until_s:
        if await place.process.ended(0.1) is not None:
            return False
        if not await place.is_settled():
            settled_s = None
        elif settled_s is None:
            settled_s = loop.time()
        elif loop.time() - settled_s > SPARED_S:
            break
    await place.process.kill()
    return True


@dataclass(slots=True)
class Tally:
    """What was done.

    Attributes:
        lives: of the daemon.
        deaths: at the n-th of what, how often.
        passed: at which n a life was not ended any more, by what it waited for.
    """

    lives: int = 0
    deaths: dict[str, int] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)


async def die(place: Place, deaths: Iterable[Death], numbers: Iterable[int] | None = None) -> Tally:
    """Die in every way at n = 1, 2, 3 … until a life passes.

    Args:
        place: the world.
        deaths: the ways.
        numbers: a choice of n; None: all, each way until a life passes.
    """
    tally = Tally()
    chosen = None if numbers is None else list(numbers)
    for death in deaths:
        for n in count(1) if chosen is None else chosen:
            place.goes_on()
            tally.lives += 1
            if not await death.live(place, n):
                tally.passed[death.name] = n
                break
            tally.deaths[death.name] = tally.deaths.get(death.name, 0) + 1
    return tally
