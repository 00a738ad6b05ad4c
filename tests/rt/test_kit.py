"""The conformance kit, on Request Tracker itself.

Where something has to go wrong between us and RT, the proxy in front of it lets it; what RT is and
says is RT's own: tickets are removed by its shredder, its user is disabled by its administrator.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping

from tests import conformance
from tests.conformance import (
    test_attachments,
    test_cancellation,
    test_declared,
    test_feed,
    test_listed,
    test_login,
    test_lost_answers,
    test_odd_values,
    test_poison,
    test_read_after_write,
    test_reading,
    test_secrets,
    test_text,
)
from tests.conformance.test_feed import following
from tests.conformance.world import World

POLLS = 5
NOT_ASKED: Mapping[str, str] = {
    "test_canaries": "it is about the kit: whether it notices an adapter that breaks its promise",
    "test_endpoints": "it is about what we send, whoever answers",
    "test_quiet_hour": "a thousand tickets take RT minutes; TestQuietPoll below has a few of them",
    "test_table": "it is about a page of ours",
}
"""Module of the kit -> why Request Tracker is not asked; of the others every promise is here."""


class TestFeatures(test_declared.TestFeatures): ...


class TestFields(test_declared.TestFields): ...


class TestCheckAndCalls(test_declared.TestCheckAndCalls): ...


class TestNormalise(test_declared.TestNormalise): ...


class TestNotThere(test_reading.TestNotThere): ...


class TestAnotherTicket(test_reading.TestAnotherTicket): ...


class TestBadAnswers(test_reading.TestBadAnswers): ...


class TestOddValues(test_odd_values.TestOddValues): ...


class TestOddText(test_text.TestOddText): ...


class TestReadAfterWrite(test_read_after_write.TestReadAfterWrite): ...


class TestSentOnce(test_read_after_write.TestSentOnce): ...


class TestLostAnswers(test_lost_answers.TestLostAnswers): ...


class TestOutcomeClasses(test_lost_answers.TestOutcomeClasses): ...


class TestCancellation(test_cancellation.TestCancellation): ...


class TestLogin(test_login.TestLogin): ...


class TestSecrets(test_secrets.TestSecrets): ...


class TestPolling(test_feed.TestPolling): ...


class TestPoison(test_poison.TestPoison): ...


class TestWholeList(test_listed.TestWholeList): ...


class TestAttachments(test_attachments.TestAttachments): ...


class TestQuietPoll:
    """A poll in which nothing happened is one request."""

    async def test_a_quiet_poll_costs_one_request(self, world: World) -> None:
        follower = await following(world)
        world.person_opens()
        world.advance(86_400)
        await follower.follow()
        world.advance(86_400)
        await follower.follow()
        since = world.mark
        for _ in range(POLLS):
            world.advance(300)
            assert not await follower.round()
        assert [one["operation"] for one in world.requests(since)] == ["list_tickets"] * POLLS


def test_every_promise_of_the_kit_is_asked_of_request_tracker_or_says_why_not() -> None:
    here = {base for one in _classes(globals()) for base in one.__bases__}
    names = [one.name for one in pkgutil.iter_modules(conformance.__path__)]
    for name in (one for one in names if one.startswith("test_")):
        module = importlib.import_module(f"{conformance.__name__}.{name}")
        asked = [one for one in _classes(vars(module)) if one.__module__ == module.__name__]
        missing = [one.__name__ for one in asked if one not in here]
        assert not missing or name in NOT_ASKED, f"{name}: {missing}"
        assert asked or name in NOT_ASKED, name


def _classes(named: Mapping[str, object]) -> list[type]:
    return [one for name, one in named.items() if name.startswith("Test") and inspect.isclass(one)]
