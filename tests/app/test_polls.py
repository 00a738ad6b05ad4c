"""Polling: one at a time, on through a gap, and told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from syncd.app.polls import Poller, PollParts
from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics
from syncd.intake import PollRound
from syncd.model.ids import ConnectionName
from syncd.store.database import Database
from syncd.store.errors import StoreUnavailable
from tests.support.clock import FakeClock

DESK = ConnectionName("desk")


@dataclass
class FakeIntake:
    answers: list[PollRound | Exception] = field(default_factory=list)
    polled: int = 0
    under_way: int = 0
    ended: "asyncio.Queue[None]" = field(default_factory=asyncio.Queue)
    begun: "asyncio.Queue[None]" = field(default_factory=asyncio.Queue)
    held: asyncio.Event | None = None

    async def poll(self, connection: ConnectionName) -> PollRound:
        assert connection == DESK
        self.under_way += 1
        assert self.under_way == 1
        self.polled += 1
        self.begun.put_nowait(None)
        await (self.held.wait() if self.held else asyncio.sleep(0))
        self.under_way -= 1
        self.ended.put_nowait(None)
        answer = self.answers.pop(0) if self.answers else PollRound()
        if isinstance(answer, Exception):
            raise answer
        return answer


Make = Callable[[FakeIntake], Poller]


@pytest.fixture
def bell() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def make(
    db: Database, clock: FakeClock, health: Health, metrics: Metrics, bell: asyncio.Event
) -> Make:
    def made(intake: FakeIntake) -> Poller:
        parts = PollParts(
            intake=intake, db=db, owner="me", every_s=lambda _name: 30.0, health=health,
            metrics=metrics, clock=clock,
        )  # fmt: skip
        return Poller(DESK, bell, parts)

    return made


async def test_each_ring_is_one_poll(make: Make, bell: asyncio.Event, clock: FakeClock) -> None:
    intake, stop = FakeIntake(), asyncio.Event()
    task = asyncio.create_task(make(intake).run(stop))
    for expected in (1, 2):
        bell.set()
        bell.set()
        await intake.ended.get()
        await clock.settle()
        assert intake.polled == expected
    stop.set()
    await task


async def test_after_a_gap_it_goes_on_soon(
    make: Make, bell: asyncio.Event, clock: FakeClock
) -> None:
    intake, stop = FakeIntake([PollRound(gap=True), PollRound()]), asyncio.Event()
    task = asyncio.create_task(make(intake).run(stop))
    bell.set()
    await clock.until_parked()
    assert intake.polled == 1
    await intake.ended.get()
    clock.advance(2.0)
    await intake.ended.get()
    assert intake.polled == 2
    stop.set()
    await task


@pytest.mark.parametrize(("error", "failed"), [("cut off", 1), ("paused", 0), ("", 0)])
async def test_a_failed_poll_was_tried_and_is_counted(
    make: Make, health: Health, metrics: Metrics, error: str, failed: int
) -> None:
    health.expect_polls(frozenset({"desk"}))
    assert (await health.ready()).problems == ("desk: not polled yet",)
    await make(FakeIntake([PollRound(error=error)])).run_round()
    assert (await health.ready()).is_good
    page = metrics.render(None).decode()
    assert f'syncd_polls_total{{connection="desk",result="failed"}} {failed}.0' in page


async def test_what_the_store_cannot_keep_is_the_supervisors_business(make: Make) -> None:
    with pytest.raises(StoreUnavailable):
        await make(FakeIntake([StoreUnavailable("full")])).run_round()


async def test_it_stops_while_it_waits_for_the_rest_of_a_gap(
    make: Make, bell: asyncio.Event, clock: FakeClock
) -> None:
    intake, stop = FakeIntake([PollRound(gap=True)]), asyncio.Event()
    task = asyncio.create_task(make(intake).run(stop))
    bell.set()
    await clock.until_parked()
    stop.set()
    await task
    assert intake.polled == 1


@pytest.mark.postgres
async def test_of_several_processes_one_polls_a_connection_and_another_only_when_it_is_over(
    postgres_store_url: str, clock: FakeClock, health: Health, metrics: Metrics
) -> None:
    intake = FakeIntake(held=asyncio.Event())
    assert intake.held is not None

    def poller(db: Database, owner: str) -> Poller:
        parts = PollParts(
            intake=intake, db=db, owner=owner, every_s=lambda _name: 30.0, health=health,
            metrics=metrics, clock=clock,
        )  # fmt: skip
        return Poller(DESK, asyncio.Event(), parts)

    async with await Database.open(postgres_store_url) as living:
        async with await Database.open(postgres_store_url) as dying:
            await dying.hold_owner("one")
            first = asyncio.create_task(poller(dying, "one").run_round())
            await intake.begun.get()
            # However often its own turn comes meanwhile, it does not poll.
            for _ in range(3):
                await poller(living, "two").run_round()
            assert intake.polled == 1
            intake.held.set()
            await first
            await poller(living, "two").run_round()
            assert intake.polled == 1
        # The right ends with the process that had it, long before its time.
        await poller(living, "two").run_round()
    assert intake.polled == 2
