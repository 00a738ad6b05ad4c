"""Services are kept running, and stop in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog.testing

from syncd.app.supervision import Supervisor, Surroundings
from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics
from syncd.model.errors import BrokenInvariant
from syncd.store.errors import StoreUnavailable
from tests.gateway.fakes import FakeClock


class Ids:
    def token(self, chars: int) -> str:
        return "0" * chars

    def jitter(self) -> float:
        return 1.0


class Stage:
    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.clock = FakeClock()
        self.health = Health(clock=self.clock)
        self.health.entered("running")
        self.metrics = Metrics(clock=self.clock, version="1")
        self.supervisor = Supervisor(
            group,
            Surroundings(
                clock=self.clock, ids=Ids(), health=self.health, metrics=self.metrics,
                store_grace_s=10.0,
            ),
        )  # fmt: skip


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        made = Stage(group)
        yield made
        await made.supervisor.finish()


@pytest.mark.parametrize(
    ("error", "level"), [(ValueError("odd"), "error"), (BrokenInvariant("no"), "critical")]
)
async def test_a_service_that_crashes_is_told_and_started_again(
    error: Exception, level: str
) -> None:
    lives: list[float] = []
    again = asyncio.Event()
    with structlog.testing.capture_logs() as logs:
        async with stage() as on:

            async def run(stop: asyncio.Event) -> None:
                lives.append(on.clock.seconds)
                if len(lives) < 4:
                    raise error
                again.set()
                await stop.wait()

            on.supervisor.start("intake", run, limit_s=1.0)
            await again.wait()
            assert (await on.health.ready()).is_good
    assert lives == [0, 1, 3, 7]
    crashes = [line for line in logs if line["event"] == "app.service_crashed"]
    assert [line["log_level"] for line in crashes] == [level] * 3
    assert crashes[0]["service"] == "intake"
    assert 'syncd_service_restarts_total{service="intake"} 3.0' in on.metrics.render(None).decode()


async def test_a_service_that_is_down_is_a_reason_not_to_be_ready() -> None:
    crashed = asyncio.Event()
    async with stage() as on:

        async def run(_stop: asyncio.Event) -> None:
            crashed.set()
            raise ValueError("odd")

        on.supervisor.start("intake", run, limit_s=1.0)
        await crashed.wait()
        await asyncio.sleep(0)
        report = await on.health.ready()
        assert report.problems == ("intake: ValueError: odd",)


async def test_others_go_on_while_one_crashes() -> None:
    done = asyncio.Event()
    async with stage() as on:

        async def broken(_stop: asyncio.Event) -> None:
            raise ValueError("odd")

        async def fine(stop: asyncio.Event) -> None:
            for _ in range(20):
                await asyncio.sleep(0)
            done.set()
            await stop.wait()

        on.supervisor.start("broken", broken, limit_s=1.0)
        on.supervisor.start("fine", fine, limit_s=1.0)
        await done.wait()


async def test_a_store_that_stays_unusable_ends_the_daemon() -> None:
    lives = 0
    async with stage() as on:

        async def run(_stop: asyncio.Event) -> None:
            nonlocal lives
            lives += 1
            raise StoreUnavailable("SQLite: disk is full")

        on.supervisor.start("intake", run, limit_s=1.0)
        await on.supervisor.given_up.wait()
    assert on.supervisor.reason == "the store cannot be used: SQLite: disk is full"
    assert lives == 5
    assert on.clock.seconds >= 10


async def test_a_store_that_comes_back_is_forgiven() -> None:
    lives = 0
    steady = asyncio.Event()
    async with stage() as on:

        async def run(stop: asyncio.Event) -> None:
            nonlocal lives
            lives += 1
            if lives in {3, 6}:
                on.clock.seconds += 200
            if lives == 9:
                steady.set()
                await stop.wait()
                return
            raise StoreUnavailable("PostgreSQL: gone")

        on.supervisor.start("intake", run, limit_s=1.0)
        await steady.wait()
        assert not on.supervisor.given_up.is_set()


async def test_a_store_that_fails_now_and_then_and_works_in_between_is_not_given_up() -> None:
    lives = 0
    enough = asyncio.Event()
    async with stage() as on:

        async def run(stop: asyncio.Event) -> None:
            nonlocal lives
            lives += 1
            if lives == 5:
                enough.set()
                await stop.wait()
                return
            on.clock.seconds += 10.0
            raise StoreUnavailable("PostgreSQL: gone")

        on.supervisor.start("intake", run, limit_s=1.0)
        await enough.wait()
        assert not on.supervisor.given_up.is_set()


async def test_a_service_that_does_not_stop_is_cut_off() -> None:
    hung = asyncio.Event()
    async with stage() as on:

        async def run(_stop: asyncio.Event) -> None:
            hung.set()
            await asyncio.Event().wait()

        on.supervisor.start("intake", run, limit_s=0.05)
        await hung.wait()
        with structlog.testing.capture_logs() as logs:
            await on.supervisor.finish()
    assert [line["event"] for line in logs] == ["app.service_cut_off"]


async def test_a_service_that_ends_by_itself_is_started_again() -> None:
    lives = 0
    again = asyncio.Event()
    async with stage() as on:

        async def run(stop: asyncio.Event) -> None:
            nonlocal lives
            lives += 1
            if lives == 3:
                again.set()
                await stop.wait()

        on.supervisor.start("intake", run, limit_s=1.0)
        await again.wait()


async def test_one_service_can_be_ended_alone() -> None:
    ended: list[str] = []
    async with stage() as on:

        def service(name: str) -> None:
            async def run(stop: asyncio.Event) -> None:
                await stop.wait()
                ended.append(name)

            on.supervisor.start(name, run, limit_s=1.0)

        service("poll desk")
        service("poll telenor")
        await asyncio.sleep(0)
        await on.supervisor.end("poll desk")
        assert ended == ["poll desk"]
    assert ended == ["poll desk", "poll telenor"]
