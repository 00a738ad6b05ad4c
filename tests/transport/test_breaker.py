"""An outage is said once when it starts and once when it ends."""

import asyncio

import pytest

from syncd.ports.errors import CircuitOpen, OutcomeUnknown, Refused, RemoteContext, Unreachable
from syncd.transport.breaker import (
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    FAILURES_MAX,
    BreakerState,
    CircuitBreaker,
)
from syncd.transport.budget import Budget
from syncd.transport.options import Pace, Timeouts
from syncd.transport.request import Request
from tests.support.clock import FakeClock
from tests.transport.rig import GUARD_S, SILENCE, Reply, Rig, Then, http, raw_server

HERE = RemoteContext(connection="acme")
PUT = Request(operation="set", method="PUT", path="/x", json={})


class Told:
    def __init__(self) -> None:
        self.events: list[str] = []

    def opened(self, reason: str, probe_in_s: float) -> None:
        self.events.append(f"open {reason} {probe_in_s:g}")

    def closed(self, open_s: float) -> None:
        self.events.append(f"closed {open_s:g}")

    def breaker(self, clock: FakeClock) -> CircuitBreaker:
        return CircuitBreaker(clock=clock, on_open=self.opened, on_close=self.closed)


def fail(breaker: CircuitBreaker, times: int = FAILURES_MAX) -> None:
    for _ in range(times):
        breaker.enter(HERE)
        breaker.failed("reset")


def test_it_opens_after_failures_in_a_row_only() -> None:
    told = Told()
    breaker = told.breaker(FakeClock())
    fail(breaker, FAILURES_MAX - 1)
    breaker.enter(HERE)
    breaker.succeeded()
    fail(breaker, FAILURES_MAX - 1)
    assert not told.events
    fail(breaker, 1)
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(CircuitOpen):
        breaker.enter(HERE)
    breaker.failed("one that was under way")
    assert told.events == ["open reset 5"]


def test_a_single_probe_goes_when_its_time_has_come() -> None:
    clock = FakeClock()
    breaker = Told().breaker(clock)
    fail(breaker)
    clock.advance(BACKOFF_FIRST_S)
    assert breaker.probe_in_s == 0
    breaker.enter(HERE)
    assert breaker.state is BreakerState.HALF_OPEN
    with pytest.raises(CircuitOpen):
        breaker.enter(HERE)


def test_a_probe_that_works_closes_it_and_says_so_once() -> None:
    clock, told = FakeClock(), Told()
    breaker = told.breaker(clock)
    fail(breaker)
    clock.advance(7)
    breaker.enter(HERE)
    breaker.succeeded()
    breaker.succeeded()
    assert told.events == ["open reset 5", "closed 7"]
    assert breaker.reason == ""
    fail(breaker, FAILURES_MAX - 1)
    assert breaker.state is BreakerState.CLOSED


def test_probes_that_fail_come_ever_more_rarely_up_to_a_limit() -> None:
    clock, told = FakeClock(), Told()
    breaker = told.breaker(clock)
    fail(breaker)
    waits = []
    for _ in range(8):
        waits.append(breaker.probe_in_s)
        clock.advance(breaker.probe_in_s)
        fail(breaker, 1)
    assert waits == [5, 10, 20, 40, 80, 160, 300, BACKOFF_MAX_S]
    assert told.events == ["open reset 5"]


def test_a_probe_that_tells_nothing_leaves_room_for_another() -> None:
    clock = FakeClock()
    breaker = Told().breaker(clock)
    fail(breaker)
    clock.advance(BACKOFF_FIRST_S)
    breaker.enter(HERE)
    breaker.abandoned()
    breaker.enter(HERE)
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize("reply", [SILENCE, http(500), http(503)])
async def test_an_outage_opens_it_and_nothing_more_is_sent(rig: Rig, reply: Reply) -> None:
    told = Told()
    budget = Budget(
        clock=rig.clock, pace=Pace(), on_open=told.opened, on_close=told.closed
    )  # fmt: skip
    replies = [reply] * FAILURES_MAX + [http()]
    async with raw_server(lambda _: replies.pop(0)) as server:
        transport = rig.transport(server.url, budget=budget)
        for _ in range(FAILURES_MAX):
            with pytest.raises(OutcomeUnknown):
                await transport.write(PUT)
        for call in (transport.write, transport.read):
            with pytest.raises(CircuitOpen):
                await call(PUT)
        assert len(server.sent) == FAILURES_MAX
        rig.clock.advance(BACKOFF_FIRST_S)
        await transport.write(PUT)
    assert [event.split()[0] for event in told.events] == ["open", "closed"]


async def test_a_port_that_refuses_connections_opens_it(rig: Rig) -> None:
    async with raw_server(lambda _: http()) as server:
        pass
    budget = Budget(clock=rig.clock, pace=Pace())
    for _ in range(FAILURES_MAX):
        with pytest.raises(Unreachable):
            await rig.transport(server.url, budget=budget).write(PUT)
    assert budget.breaker.state is BreakerState.OPEN


async def test_refusals_never_open_it(rig: Rig) -> None:
    budget = Budget(clock=rig.clock, pace=Pace())
    async with raw_server(lambda _: http(400)) as server:
        for _ in range(FAILURES_MAX + 1):
            with pytest.raises(Refused):
                await rig.transport(server.url, budget=budget).write(PUT)
    assert budget.breaker.state is BreakerState.CLOSED


async def test_a_500_that_the_providers_table_knows_is_no_outage(rig: Rig) -> None:
    budget = Budget(clock=rig.clock, pace=Pace())
    async with raw_server(lambda _: http(500)) as server:
        transport = rig.transport(
            server.url, budget=budget, errors=lambda *_, is_write: Refused("no such site")
        )
        for _ in range(FAILURES_MAX + 1):
            with pytest.raises(Refused):
                await transport.write(PUT)
    assert budget.breaker.state is BreakerState.CLOSED


async def test_a_cancelled_probe_leaves_room_for_another(rig: Rig) -> None:
    budget = Budget(clock=rig.clock, pace=Pace())
    for _ in range(FAILURES_MAX):
        budget.breaker.failed("down")
    rig.clock.advance(BACKOFF_FIRST_S)
    replies = iter([Reply(b"", Then.HANG), http()])
    async with raw_server(lambda _: next(replies)) as server:
        transport = rig.transport(server.url, budget=budget, timeouts=Timeouts())
        probe = asyncio.create_task(transport.write(PUT))
        await asyncio.wait_for(server.arrived.wait(), GUARD_S)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        await transport.write(PUT)
    assert budget.breaker.state is BreakerState.CLOSED
