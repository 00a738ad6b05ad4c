"""The fake clock keeps its promises."""

import asyncio

from tests.support.clock import FakeClock


async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before() -> None:
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(10))
    await clock.until_parked()
    assert clock.next_wake_s() == 10
    clock.advance(9)
    await clock.settle()
    assert not sleeper.done()
    clock.advance(1)
    await sleeper
    assert clock.parked() == 0


async def test_run_for_wakes_sleepers_one_after_the_other_at_their_own_times() -> None:
    clock = FakeClock()
    woke: list[tuple[str, float]] = []

    async def tick(name: str, every_s: float) -> None:
        while True:
            await clock.sleep(every_s)
            woke.append((name, clock.monotonic_s()))

    began_s = clock.monotonic_s()
    tasks = [asyncio.create_task(tick("a", 2)), asyncio.create_task(tick("b", 3))]
    await clock.run_for(6)
    assert [(name, at - began_s) for name, at in woke] == [
        ("a", 2), ("b", 3), ("a", 4), ("b", 6), ("a", 6),
    ]  # fmt: skip
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert clock.parked() == 0


async def test_with_auto_advance_sleeping_moves_time() -> None:
    clock = FakeClock(auto_advance=True)
    before = clock.now()
    await clock.sleep(90)
    assert (clock.now() - before).total_seconds() == 90
    assert clock.slept_s == [90]


def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = FakeClock()
    monotonic_s, now = clock.monotonic_s(), clock.now()
    clock.jump(-3600)
    assert clock.monotonic_s() == monotonic_s
    assert (clock.now() - now).total_seconds() == -3600
