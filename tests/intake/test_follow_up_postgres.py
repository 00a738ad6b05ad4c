"""Follow-ups hold on PostgreSQL as they do on a file: the same tests, on the other engine."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from syncd.store.database import Database
from tests.intake import test_follow_up as on_a_file
from tests.intake.world import World

pytestmark = pytest.mark.postgres


@pytest.fixture
async def world(postgres_store_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with await Database.open(postgres_store_url) as db:
        made = World(db, tmp_path)
        await made.set_up()
        yield made


@pytest.mark.parametrize(
    "story",
    [
        on_a_file.test_what_is_said_to_a_closed_ticket_goes_to_a_follow_up_where_the_mapping_says_so,
        on_a_file.test_what_the_closed_ticket_refused_is_carried_by_its_follow_up,
        on_a_file.test_a_ticket_that_lacks_something_is_followed_up_once_it_is_put_right,
    ],
    ids=["said to it", "refused by it", "put right"],
)
async def test_a_follow_up_stands_for_its_ticket_once_on_postgresql_too(
    world: World, story: Callable[[World], Awaitable[None]]
) -> None:
    await story(world)
