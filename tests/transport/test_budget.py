"""Pace, concurrency and pauses of one login, on a clock turned by hand."""

import asyncio

import pytest

from syncd.model.errors import BrokenInvariant
from syncd.ports.errors import CircuitOpen, RateLimited, RemoteContext
from syncd.transport.breaker import FAILURES_MAX, BreakerState
from syncd.transport.budget import Budget, TurnTooFar
from syncd.transport.options import Pace
from tests.support.clock import FakeClock

HERE = RemoteContext(connection="acme")


class Callers:
    """Calls that take their turn and end at once, noting when."""

    def __init__(self, clock: FakeClock, budget: Budget) -> None:
        self.clock = clock
        self.budget = budget
        self.started_s = clock.monotonic_s()
        self.went: list[tuple[int, float]] = []

    async def one(self, number: int) -> None:
        await self.budget.acquire(HERE)
        self.went.append((number, self.clock.monotonic_s() - self.started_s))
        self.budget.breaker.succeeded()
        self.budget.release()

    def start(self, count: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.one(number)) for number in range(count)]


async def test_calls_go_at_the_steady_rate_in_the_order_they_came() -> None:
    clock = FakeClock()
    callers = Callers(clock, Budget(clock=clock, pace=Pace(requests_per_s=2, concurrency=9)))
    tasks = callers.start(5)
    await clock.run_for(10)
    await asyncio.gather(*tasks)
    assert callers.went == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]


async def test_a_burst_may_go_at_once_after_a_pause() -> None:
    clock = FakeClock()
    pace = Pace(requests_per_s=1, burst=3, concurrency=9)
    callers = Callers(clock, Budget(clock=clock, pace=pace))
    clock.advance(100)
    callers.started_s += 100
    tasks = callers.start(5)
    await clock.run_for(10)
    await asyncio.gather(*tasks)
    assert [at for _, at in callers.went] == [0, 0, 0, 1, 2]


class Shelf:
    """A login's time that several budgets take pieces of."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.free_s = clock.monotonic_s()

    async def reserve(self, *, length_s: float, within_s: float) -> float:
        await asyncio.sleep(0)
        begins_s = max(0.0, self.free_s - self.clock.monotonic_s())
        if begins_s <= within_s:
            self.free_s = self.clock.monotonic_s() + begins_s + length_s
        return begins_s

    async def postpone(self, *, by_s: float) -> None:
        self.free_s = max(self.free_s, self.clock.monotonic_s() + by_s)


@pytest.mark.parametrize("rate", [2, 40])
async def test_processes_that_share_a_login_keep_its_rate_together_and_use_all_of_it(
    rate: int,
) -> None:
    clock = FakeClock()
    shelf = Shelf(clock)
    pace = Pace(requests_per_s=rate, burst=5, concurrency=99)
    several = [Callers(clock, Budget(clock=clock, pace=pace, shared=shelf)) for _ in range(4)]
    tasks = [task for each in several for task in each.start(5 * rate)]
    await clock.run_for(30)
    await asyncio.gather(*tasks)
    went = sorted(at for each in several for _, at in each.went)
    assert len(went) == 20 * rate
    # No second has more than the rate, but for what two neighbouring pieces may put together.
    most = max(sum(at <= other < at + 1.0 for other in went) for at in went)
    assert most <= rate * 1.25 + 1
    assert went[-1] <= 21.0


async def test_who_would_wait_too_long_for_shared_time_takes_none_of_it() -> None:
    clock = FakeClock()
    shelf = Shelf(clock)
    shelf.free_s += 100
    budget = Budget(clock=clock, pace=Pace(requests_per_s=1, wait_max_s=60), shared=shelf)
    with pytest.raises(TurnTooFar) as told:
        await budget.acquire(HERE)
    assert told.value.retry_after_s == 100
    assert shelf.free_s == clock.monotonic_s() + 100


async def test_a_pause_that_a_vendor_asks_of_one_process_is_kept_by_all_that_share_its_rate() -> (
    None
):
    clock = FakeClock()
    shelf = Shelf(clock)
    pace = Pace(requests_per_s=4, concurrency=9)
    told, other = (Callers(clock, Budget(clock=clock, pace=pace, shared=shelf)) for _ in range(2))
    await told.budget.pause(30)
    await told.budget.pause(10)
    tasks = [*told.start(2), *other.start(2)]
    await clock.run_for(40)
    await asyncio.gather(*tasks)
    went = [at for each in (told, other) for _, at in each.went]
    assert len(went) == 4
    assert min(went) >= 30


async def test_without_a_rate_nobody_waits() -> None:
    clock = FakeClock()
    callers = Callers(clock, Budget(clock=clock, pace=Pace(concurrency=1)))
    await asyncio.gather(*callers.start(50))
    assert not clock.slept_s


async def test_a_caller_that_gives_up_leaves_its_turn_to_the_next() -> None:
    clock = FakeClock()
    callers = Callers(clock, Budget(clock=clock, pace=Pace(requests_per_s=1, concurrency=9)))
    tasks = callers.start(4)
    await clock.settle()
    tasks[1].cancel()
    await clock.run_for(10)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert callers.went == [(0, 0.0), (2, 1.0), (3, 2.0)]


async def test_no_more_than_the_cap_are_under_way_at_once() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock, pace=Pace(concurrency=2))
    await budget.acquire(HERE)
    await budget.acquire(HERE)
    third = asyncio.create_task(budget.acquire(HERE))
    await clock.settle()
    assert not third.done()
    assert (budget.state().in_flight, budget.state().waiting) == (2, 1)
    budget.release()
    await third
    assert budget.state().in_flight == 2


async def test_a_pause_holds_everyone_and_the_longest_one_counts() -> None:
    clock = FakeClock()
    callers = Callers(clock, Budget(clock=clock, pace=Pace(concurrency=9)))
    await callers.budget.pause(30)
    await callers.budget.pause(5)
    tasks = callers.start(3)
    await clock.run_for(29)
    assert not callers.went
    await callers.budget.pause(11)  # told again while they wait
    await clock.run_for(30)
    await asyncio.gather(*tasks)
    assert {at for _, at in callers.went} == {40}


async def test_a_turn_too_far_away_is_refused_with_its_time() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock, pace=Pace(wait_max_s=60))
    await budget.pause(61)
    with pytest.raises(TurnTooFar) as caught:
        await budget.acquire(HERE)
    assert isinstance(caught.value, RateLimited)
    assert caught.value.retry_after_s == 61
    assert budget.state().in_flight == 0


async def test_a_pause_is_never_longer_than_an_hour() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock, pace=Pace())
    await budget.pause(1e9)
    assert budget.state().paused_s == 3600


async def test_who_waited_while_the_breaker_opened_is_not_sent() -> None:
    clock = FakeClock()
    budget = Budget(clock=clock, pace=Pace(concurrency=1))
    await budget.acquire(HERE)
    second = asyncio.create_task(budget.acquire(HERE))
    await clock.settle()
    for _ in range(FAILURES_MAX):
        budget.breaker.failed("down")
    budget.release()
    with pytest.raises(CircuitOpen):
        await second
    assert budget.state().in_flight == 0
    assert budget.state().breaker is BreakerState.OPEN
    assert budget.state().reason == "down"


@pytest.mark.parametrize("pace", [Pace(requests_per_s=0), Pace(burst=0), Pace(concurrency=0)])
def test_a_pace_that_lets_nothing_through_is_a_bug(pace: Pace) -> None:
    with pytest.raises(BrokenInvariant):
        Budget(clock=FakeClock(), pace=pace)
