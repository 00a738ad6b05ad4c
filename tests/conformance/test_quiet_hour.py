"""What an hour costs in which nothing happens to a thousand tickets of a list or a feed."""

import math
from collections import Counter
from dataclasses import replace

import pytest

from syncd.model.features import Reading
from syncd.registry import PROVIDERS
from tests.conformance.fixture import Fixture, all_fixtures, own_keys
from tests.conformance.test_feed import Follower
from tests.conformance.world import world_of

pytestmark = pytest.mark.slow

TICKETS = 1_000
HOUR_S = 3_600
EVERY_S = 300
"""Between two polls; each costs the same, so that fewer of them tell as much."""
SETTLE_DAYS = 3
PAGES = {"digital_realty": {"scan": {"page_size": 100, "pages_max": 50}}}
"""The daemon's own pages, where the kit's settings have smaller ones beside its keys."""
REREADS_A_POLL = {"digital_realty": 20, "sipsynergy": 1}
"""Tickets that slow rounds have read again though nothing is told of them; counted apart."""

FEED, LIST, TOKEN, REPORT = "feed", "list", "token", "report"
CALLS = {
    "list_activities": FEED,
    "order_list_activities": FEED,
    "list_tickets": LIST,
    "token": TOKEN,
    "report": REPORT,
}
OPEN_LISTS = 2
"""Digital Realty lists one status at a time, and two of them are open ones."""
CLOSED_LISTS = 2
REPORT_S = 1_800
"""As the kit's settings have it."""


def followed() -> list[Fixture]:
    """Every kind of ticket of which a list or feed tells, with the page sizes of the daemon."""
    found = []
    for one in all_fixtures().values():
        settings = PROVIDERS[one.provider].settings_model
        own = settings.model_validate(own_keys(one, "http://127.0.0.1:1"))
        is_watched = PROVIDERS[one.provider].features(own).reading is Reading.WATCH
        if not is_watched and not one.is_served:  # what is served asks no vendor
            kit = {name: value for name, value in one.kit.items() if name not in ("feed", "scan")}
            found.append(replace(one, kit=kit | PAGES.get(one.provider, {})))
    return found


@pytest.mark.parametrize("fixture", followed(), ids=lambda one: one.name)
async def test_a_quiet_hour_costs_no_more_requests_than_the_vendor_makes_necessary(
    fixture: Fixture,
) -> None:
    async with world_of(fixture) as world:
        for _ in range(TICKETS):
            fixture.opens(world.sandbox, fixture.person)
        follower = Follower(world)
        await follower.follow()
        for _ in range(SETTLE_DAYS):
            world.advance(86_400)
            await follower.follow()
        mark, polls = world.mark, HOUR_S // EVERY_S
        fresh: set[str] = set()
        for _ in range(polls):
            world.advance(EVERY_S)
            fresh |= await follower.round()
        asked = Counter(CALLS[str(one["operation"])] for one in world.requests(mark))
        asked.pop(TOKEN, None)
        assert asked == expected(fixture, polls, world.features.limits.page_size, asked)
        assert len(fresh) <= polls * REREADS_A_POLL.get(fixture.provider, 0)


def expected(fixture: Fixture, polls: int, page: int, asked: Counter[str]) -> dict[str, int]:
    """Say how many requests of each kind so many polls may take."""
    match fixture.provider:
        case "telenor":
            return {FEED: polls}
        case "rt":
            return {LIST: polls}
        case "sipsynergy":
            return {LIST: polls, REPORT: HOUR_S // REPORT_S}
        case _:
            # Each open status to its end, pages overlapping; closed ones in rounds of their own.
            pages = math.ceil(TICKETS / page) + OPEN_LISTS - 1
            least, most = polls * pages, polls * pages + CLOSED_LISTS
            return {LIST: min(max(asked[LIST], least), most)}
