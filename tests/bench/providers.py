"""What a quiet poll costs at every provider that has a list or a feed, in requests and in time.

Floor: the least its API allows: one request for a feed or a list that comes whole, one for each
page of each list of open tickets. Slow rounds (closed tickets, reports, reads that only make sure)
have turns of their own and are not due here. A provider without a list has no quiet poll:
`quiet-poll-watch` counts what is due.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

from tests.bench.delivery import quiet_log
from tests.bench.harness import Bench, Goal, Of, Round, Row, Setting, judged
from tests.conformance.fixture import Fixture
from tests.conformance.test_feed import Follower
from tests.conformance.test_quiet_hour import OPEN_LISTS, followed
from tests.conformance.world import World, world_of

TICKETS = 1_000
QUICK_TICKETS = 200
POLLS = 5
"""Quiet polls whose requests are counted together."""
EVERY_S = 60
SETTLE_S = 86_400
LISTS_IN_PAGES = {"digital_realty": OPEN_LISTS}
"""Provider -> lists of open tickets; others tell what is new, or everything, in one answer."""


def _name(fixture: Fixture) -> str:
    return f"quiet-poll-{fixture.name}"


async def run(setting: Setting) -> list[Row]:
    """Count at each provider in turn."""
    wanted = [one for one in followed() if setting.wants(_name(one))]
    return [await _row(setting, one) for one in wanted]


async def _row(setting: Setting, fixture: Fixture) -> Row:
    name, count = _name(fixture), QUICK_TICKETS if setting.quick else TICKETS
    setting.say(f"{name}: making {count} tickets")
    with quiet_log():
        async with world_of(_alone(fixture)) as world:
            for _ in range(count):
                fixture.opens(world.sandbox, fixture.person)
            follower = Follower(world)
            await follower.follow()
            world.advance(SETTLE_S)
            await follower.follow()
            rounds, spent_s = await _rounds(setting, world, follower, count)
    each_ms = 1000 * sum(spent_s) / len(spent_s) / POLLS
    note = f"{count} tickets, {POLLS} polls, {each_ms:.0f} ms each with the sandbox's work"
    return judged(name, rounds, unit="requests", goal=Goal(bound=1, of=Of.RATIO), note=note)


def _alone(fixture: Fixture) -> Fixture:
    """Give a fixture whose slow rounds are never due, where its settings can say so."""
    never = {
        "digital_realty": {"scan": {"reread_every": 0, "closed_every": 0}},
        "sipsynergy": {"sweep": {"rest": 0}, "report": {"weekly": 0, "monthly": 0}},
    }
    kit = dict(fixture.kit)
    for name, keys in never.get(fixture.provider, {}).items():
        kit[name] = {**kit.get(name, {}), **keys}
    return replace(fixture, kit=kit)


async def _rounds(
    setting: Setting, world: World, follower: Follower, count: int
) -> tuple[list[Round], list[float]]:
    floor = _floor(world, count)
    rounds: list[Round] = []
    spent_s: list[float] = []
    for number in range(1, setting.rounds + 1):
        before, began_s = world.mark, time.perf_counter()
        for _ in range(POLLS):
            world.advance(EVERY_S)
            await follower.round()
        spent_s.append(time.perf_counter() - began_s)
        asked = [one for one in world.requests(before) if one["operation"] != "token"]
        assert all(world.is_read(one["operation"]) for one in asked), "a poll only reads"
        each = len(asked) / POLLS
        setting.say(f"{_name(world.fixture)} {number}/{setting.rounds}: {each} requests a poll")
        rounds.append(Round(value=each, floor=floor))
    return rounds, spent_s


def _floor(world: World, count: int) -> float:
    lists = LISTS_IN_PAGES.get(world.fixture.provider)
    if lists is None:
        return 1.0
    # All tickets stand in one of the lists; each other one has an empty page.
    return math.ceil(count / world.features.limits.page_size) + lists - 1


def benches() -> Sequence[Bench]:
    return [Bench(rows=tuple(_name(one) for one in followed()), run=run)]
