"""A feed or a scan misses nothing; a provider read ticket by ticket says so."""

import json

import pytest

from syncd.model.features import Reading
from syncd.ports.adapter import Adapter, PollResult
from syncd.ports.errors import OddAnswer, RemoteError, Unsupported
from tests.conformance.world import World, error_of, needs_remote

ROUNDS_MAX = 60
"""Rounds after which a gap must have been read to its end."""
MANY = 40
"""More tickets than the fixtures' small pages show in one poll."""


class Follower:
    """Polls as intake does: keeps the cursor, and the digests a scan told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.adapter: Adapter = world.adapter
        self.cursor: str | None = None
        self.known: dict[str, bytes | None] = {}
        self.gaps = 0

    async def round(self) -> set[str]:
        """Poll once; give the tickets it tells news of."""
        result: PollResult = await self.adapter.poll(self.world.fixture.kind, self.cursor)
        assert json.loads(result.cursor) is not None, "a cursor is JSON"
        fresh = set()
        for one in result.sightings:
            assert one.ref.kind == self.world.fixture.kind
            ticket = str(one.ref.id or one.ref.number)
            if one.digest is None or self.known.get(ticket) != one.digest:
                fresh.add(ticket)
            # As the store does: what tells no digest leaves the one there is.
            self.known[ticket] = one.digest or self.known.get(ticket)
        self.cursor = result.cursor
        self.gaps += result.gap
        self.is_behind = result.gap
        return fresh

    async def follow(self) -> set[str]:
        """Poll until there is no gap left."""
        fresh = await self.round()
        for _ in range(ROUNDS_MAX):
            if not self.is_behind:
                return fresh
            fresh |= await self.round()
        raise AssertionError(f"still a gap after {ROUNDS_MAX} rounds")


async def following(world: World) -> Follower:
    """Follow a vendor that had one ticket before; skip where there is nothing to follow."""
    if world.features.reading is Reading.WATCH:
        pytest.skip(f"{world.fixture.name} is read ticket by ticket")
    world.person_opens()
    follower = Follower(world)
    await follower.follow()
    world.advance(1000)
    return follower


def opens(world: World, count: int, apart_s: float = 0) -> set[str]:
    """Let people open tickets; give their ids."""
    ids = set()
    for _ in range(count):
        ids.add(str(world.person_opens().id))
        world.advance(apart_s)
    return ids


async def list_operation(world: World, follower: Follower) -> str:
    """Name the sandbox's call that a poll makes."""
    since = world.mark
    await follower.follow()
    (name,) = {one["operation"] for one in world.requests(since)} - {"token"}
    return str(name)


class TestPolling:
    """Nothing that happens is missed, whatever happens to pages, cursors and answers."""

    async def test_a_provider_without_a_list_says_so(self, world: World) -> None:
        since = world.mark
        told = await error_of(world.adapter.poll(world.fixture.kind, None))
        if world.features.reading is Reading.WATCH:
            assert isinstance(told, Unsupported)
            assert not world.requests(since)
        else:
            assert isinstance(told, PollResult)

    async def test_every_act_of_people_is_seen(self, world: World) -> None:
        follower = await following(world)
        fixture = world.fixture
        acts = {
            "update": lambda one: world.person("updates", one, fixture.person_change),
            "comment": lambda one: world.person("comments", one, "any news?"),
            "status": lambda one: world.person("sets_status", one, fixture.person_status),
            "attach": lambda one: world.person("attaches", one, "a.txt", b"x", "text/plain"),
        }
        silent = set(fixture.quiet_acts)
        silent |= set() if fixture.person_status else {"status"}
        silent |= set() if world.features.attachments else {"attach"}
        ids = sorted(opens(world, len(acts), apart_s=60))
        assert await follower.follow() >= set(ids), "new tickets are seen"
        for ticket, (name, act) in zip(ids, acts.items(), strict=True):
            world.advance(3600)
            if name not in silent:
                act(ticket)
                assert ticket in await follower.follow(), f"{name} was missed"

    async def test_silence_tells_nothing_and_costs_little(self, world: World) -> None:
        follower = await following(world)
        opens(world, 3, apart_s=60)
        await follower.follow()
        world.advance(3600)
        await follower.follow()
        since, cursor = world.mark, follower.cursor
        for _ in range(3):
            assert await follower.follow() == set()
        if world.features.reading is Reading.FEED:
            assert len(world.requests(since)) == 3, "one request a poll when nothing happened"
            assert follower.cursor == cursor

    async def test_equal_timestamps_hide_nothing(self, world: World) -> None:
        follower = await following(world)
        first = opens(world, 15)
        assert first <= await follower.follow()
        for _ in range(3):
            late = opens(world, 1)
            assert late <= await follower.follow(), "opened in the instant of those known"

    async def test_drifting_pages_hide_nothing(self, world: World) -> None:
        follower = await following(world)
        operation = await list_operation(world, follower)
        expected = opens(world, MANY, apart_s=1)
        world.sandbox.faults.next("page_drift", count=3, operation=operation)
        seen = await follower.follow() | await follower.follow()
        assert expected <= seen, f"missed {len(expected - seen)} of {MANY}"

    async def test_more_than_a_poll_reads_is_a_gap_that_goes_on(self, world: World) -> None:
        follower = await following(world)
        expected = opens(world, MANY, apart_s=2)
        limits = world.features.limits
        seen: set[str] = set()
        for _ in range(ROUNDS_MAX):
            seen |= await follower.round()
            # As after a restart: nothing but the cursor is kept.
            follower.adapter = world.another()
            if not follower.is_behind:
                break
            expected |= opens(world, 1)
        seen |= await follower.follow()
        assert expected <= seen, f"missed {len(expected - seen)} of {len(expected)}"
        if limits.page_size * limits.pages_max < MANY:
            assert follower.gaps, "the page limit was reached and not told"

    async def test_a_cursor_is_all_that_is_remembered(self, world: World) -> None:
        follower = await following(world)
        expected = opens(world, 5, apart_s=60)
        await follower.follow()
        follower.cursor = json.dumps(json.loads(follower.cursor or ""))
        follower.adapter = world.another()
        assert not expected & await follower.follow(), "nothing is told twice after a restart"
        world.advance(60)
        late = opens(world, 3)
        assert late <= await follower.follow()

    @pytest.mark.parametrize("skip", [0, 1, 3])
    @pytest.mark.parametrize("fault", ["error_before", "lost_answer", "rate_limited", "garbage"])
    async def test_a_poll_that_fails_loses_nothing(
        self, world: World, fault: str, skip: int
    ) -> None:
        follower = await following(world)
        operation = await list_operation(world, follower)
        expected = opens(world, 25, apart_s=1)
        world.sandbox.faults.next(fault, operation=operation, count=50, skip=skip)
        before = follower.cursor
        first = world.mark
        told = await error_of(follower.round())
        if len(world.requests(first)) > skip:
            assert isinstance(told, RemoteError), told
            assert follower.cursor == before
            if fault == "garbage" and not world.fixture.is_served:
                assert isinstance(told, OddAnswer), told
        world.sandbox.faults.clear()
        world.advance(3600)
        seen = told if isinstance(told, set) else set()
        seen |= await follower.follow()
        assert expected <= seen

    async def test_a_page_that_is_cut_off_is_no_short_page(self, world: World) -> None:
        needs_remote(world)
        follower = await following(world)
        operation = await list_operation(world, follower)
        expected = opens(world, 20, apart_s=1)
        world.sandbox.faults.next("garbage", body="cut", operation=operation)
        assert isinstance(await error_of(follower.round()), OddAnswer)
        assert expected <= await follower.follow()

    async def test_tickets_that_vanish_hide_no_others(self, world: World) -> None:
        follower = await following(world)
        kept = opens(world, 2, apart_s=1)
        gone = opens(world, 9, apart_s=1)
        kept |= opens(world, 2, apart_s=1)
        for ticket in sorted(gone):
            world.person("removes", ticket)
        assert kept <= await follower.follow()
