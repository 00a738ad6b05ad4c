"""Kills at the n-th commit and the n-th request, judged after each from the systems' records.

For each n two lives are ended: one *at work*, at the n-th since people acted on a world at rest,
and the next one *from its start*, at the n-th of its life, among what the first left half done and
what people did meanwhile. Then a life is spared until all is at rest, and judged. So each life has
the same work whatever n is, and n grows until it is more than that work needs: that life passes.
Polls are no work, and go on for ever: see `Rest`.
"""

import asyncio
import signal
import traceback
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Protocol

from syncd.demo.daemon import DemoFailed
from syncd.demo.verdict import BAD, Verdict
from syncd.sandbox import Sandbox
from tests.crash.place import REREAD_S, SETTLE_MAX_S, Place, Rest
from tests.crash.process import Process

CATCH_S = 0.005
"""How often it is looked whether the n-th request has come."""
HELD_S = 0.4
"""How long that request is held, before or after its effect."""
N_MAX_S = 900.0
"""Longer than all waits of one n together: what takes longer hangs."""
OPENINGS = 3
"""People open tickets in turns of so many (`Place.goes_on`); the work differs with them."""
PER_WORLD = 6
"""So many n in one world, then a new one: what a desk of many tickets asks for is no work of n."""


class When(StrEnum):
    """Which life is ended."""

    AT_WORK = "at work"
    FROM_START = "from its start"


class Death(Protocol):
    """A way to die at the n-th time of something."""

    @property
    def name(self) -> str:
        """What it is told as."""
        ...

    def armed(self, place: Place, n: int) -> AbstractAsyncContextManager[None]:
        """End the life at the n-th from now on, for as long as the context lasts."""
        ...


@dataclass(frozen=True, slots=True)
class AtCommit:
    """Killed before the n-th commit to SQLite."""

    name: str = "commit"

    @asynccontextmanager
    async def armed(self, place: Place, n: int) -> AsyncIterator[None]:
        """Arm the process."""
        place.process.arm(n)
        try:
            yield
        finally:
            place.process.arm(0)


class Effect(StrEnum):
    """What comes of the request that was under way at a death."""

    NONE = "without effect"
    LATE = "before effect"
    DONE = "after effect"


@dataclass(frozen=True, slots=True)
class AtRequest:
    """Killed while the n-th request of a kind is held, before or after its effect."""

    side: str
    effect: Effect
    method: str = "POST"

    @property
    def name(self) -> str:
        return f"{self.side} {self.method} {self.effect}"

    @asynccontextmanager
    async def armed(self, place: Place, n: int) -> AsyncIterator[None]:
        """Hold the n-th request, and kill who sent it."""
        system: Sandbox = place.carrier if self.side == "carrier" else place.world.desk
        system.faults.next(
            "slow",
            method=self.method,
            skip=n - 1,
            delay_s=HELD_S,
            before_effect=self.effect is not Effect.DONE,
            unless_gone=self.effect is Effect.NONE,
        )
        killing = asyncio.create_task(_kill_when_met(place, system))
        try:
            yield
        finally:
            killing.cancel()
            system.faults.clear()


async def _kill_when_met(place: Place, system: Sandbox) -> None:
    while system.faults.pending:  # noqa: ASYNC110 - a sandbox rings no bell
        await asyncio.sleep(CATCH_S)
    await place.process.kill()


async def lives_on(place: Place) -> bool:
    """Wait for the end of a life; True: it came to rest first, and is ended now.

    Raises:
        AssertionError: it ended otherwise than by being killed, or came to no rest.
    """
    rest, until_s = Rest(place, read_s=REREAD_S), asyncio.get_running_loop().time() + SETTLE_MAX_S
    while asyncio.get_running_loop().time() < until_s:
        if (status := await place.process.ended(0.1)) is not None:
            assert status == -signal.SIGKILL, f"status {status}: {place.process.said()}"
            return False
        if await rest.is_over():
            await place.process.kill()
            return True
    raise AssertionError(f"neither dead nor at rest within {SETTLE_MAX_S:.0f} s")


@dataclass(slots=True)
class Tally:
    """What one way of dying came to.

    Attributes:
        lives: of the daemon, the spared ones too.
        deaths: by which life was ended.
        passed: the n from which on a life was not ended any more, by which life.
        passing: how many n in a row a life was not ended, by which life.
        worlds: new ones that were made.
        left_off: the n at which the time was over; 0: it was not.
        findings: what must not have happened.
    """

    lives: int = 0
    deaths: dict[str, int] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)
    passing: dict[str, int] = field(default_factory=dict)
    worlds: int = 0
    left_off: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether lives of either kind have passed."""
        return all(self.has_passed(when) for when in When)

    def has_passed(self, when: When) -> bool:
        """Whether a life of this kind was not ended, whichever ticket was opened in it."""
        return self.passing.get(when, 0) >= OPENINGS

    def count(self, when: When, n: int, *, is_passing: bool) -> None:
        """Take note of how a life went."""
        if is_passing:
            self.passed.setdefault(when, n)
            self.passing[when] = self.passing.get(when, 0) + 1
        else:
            self.deaths[when] = self.deaths.get(when, 0) + 1
            self.passed.pop(when, None)
            self.passing.pop(when, None)


@dataclass(slots=True)
class Chain:
    """One way of dying, n after n.

    Attributes:
        makes: gives a world and the way of dying in it.
        tells: hears of each n that was judged.
        tally: what it came to.
    """

    makes: Callable[[], AbstractAsyncContextManager[tuple[Place, Death]]]
    tells: Callable[[int, "Tally"], None] = lambda _n, _tally: None
    tally: Tally = field(default_factory=Tally)

    async def run(self, numbers: Iterable[int], *, until_s: float | None = None) -> None:
        """Die at each n until lives pass, in worlds of a few n each.

        Args:
            numbers: the n.
            until_s: no other n is begun at this time of the loop.
        """
        left = iter(numbers)
        while not (self.tally.is_over or self.tally.left_off or self.tally.findings) and (
            some := list(islice(left, PER_WORLD))
        ):
            async with self.makes() as (here, death):
                self.tally.worlds += 1
                try:
                    await self._in_one_world(here, death, some, until_s)
                except (AssertionError, TimeoutError, DemoFailed):
                    self.tally.findings.append(traceback.format_exc())
                if self.tally.findings:
                    self.tally.findings.append(f"kept: {here.keep()}")

    async def _in_one_world(
        self, here: Place, death: Death, numbers: Iterable[int], until_s: float | None
    ) -> None:
        await here.goes_live()
        here.goes_on()
        await self._at_rest(here)
        for n in numbers:
            if until_s is not None and asyncio.get_running_loop().time() > until_s:
                self.tally.left_off = n
                break
            async with not_hanging(N_MAX_S, here.process):
                await self._one(here, death, n)
            self.tells(n, self.tally)
            if self.tally.is_over or self.tally.findings:
                break
        # Longer than the reads after writes: nobody looks at this world again.
        self._judge(here, await here.settled(read_s=REREAD_S))
        status = await here.process.stop()
        violations = here.world.desk.violations + here.carrier.violations
        self.tally.findings += [f"stopped with status {status}"] if status else []
        self.tally.findings += here.world.daemon.crashes()
        self.tally.findings += [f"beyond the document: {each}" for each in violations]

    async def _one(self, here: Place, death: Death, n: int) -> None:
        if not self.tally.has_passed(When.AT_WORK):
            async with death.armed(here, n):
                here.goes_on()
                self.tally.count(When.AT_WORK, n, is_passing=await lives_on(here))
        await here.process.kill()
        here.goes_on()
        if not self.tally.has_passed(When.FROM_START):
            async with death.armed(here, n):
                await self._start(here)
                self.tally.count(When.FROM_START, n, is_passing=await lives_on(here))
        await self._at_rest(here)

    async def _start(self, here: Place) -> None:
        self.tally.lives += 1
        await here.process.start()

    async def _at_rest(self, here: Place) -> None:
        """Spare a life until everything has arrived, and judge."""
        await self._start(here)
        self._judge(here, await here.settled())

    def _judge(self, here: Place, verdict: Verdict) -> None:
        self.tally.findings += [str(each) for each in verdict.findings if each.fate in BAD]
        self.tally.findings += here.left


@asynccontextmanager
async def not_hanging(seconds: float, process: Process) -> AsyncIterator[None]:
    """Tell where everybody stands when something takes too long: in its log, and here.

    Raises:
        TimeoutError: it took longer than that.
    """
    loop = asyncio.get_running_loop()

    def tell() -> None:
        process.tell_where()
        for each in asyncio.all_tasks():
            each.print_stack()

    telling = loop.call_later(seconds, tell)
    try:
        # The child's own words come after ours.
        async with asyncio.timeout(seconds + 2.0):
            yield
    finally:
        telling.cancel()
