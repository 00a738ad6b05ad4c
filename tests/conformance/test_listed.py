"""A scan tells how long its list is, so that one emptied all at once is noticed."""

from syncd.model.features import Reading
from tests.conformance.test_feed import ROUNDS_MAX, following, opens
from tests.conformance.test_poison import Poison
from tests.conformance.world import World


class TestWholeList:
    """How many tickets a scan's list held is told, and only where all of it was read (R8)."""

    async def test_a_list_that_is_read_whole_tells_its_length_an_empty_one_too(
        self, world: World
    ) -> None:
        follower = await following(world)
        told: list[int | None] = []
        ids = opens(world, 12, apart_s=60)
        for _ in range(ROUNDS_MAX):
            result = await world.adapter.poll(world.fixture.kind, follower.cursor)
            told.append(result.listed)
            if not result.gap:
                break
            follower.cursor = result.cursor
        if world.features.reading is not Reading.SCAN:
            assert set(told) == {None}, "a feed has no whole list"
            return
        assert told[-1] == 13, told
        assert set(told[:-1]) <= {None}, "a part of a list is not its length"

        for one in world.sandbox.tickets():
            world.person("removes", str(one["id"]))
        assert ids
        emptied = await world.adapter.poll(world.fixture.kind, result.cursor)
        assert emptied.listed == 0

    async def test_a_list_with_an_item_that_cannot_be_read_tells_no_length(
        self, world: World
    ) -> None:
        follower = await following(world)
        opens(world, 3)
        world.wire.rewrite = Poison(0, None)
        result = await world.adapter.poll(world.fixture.kind, follower.cursor)
        assert result.listed is None
