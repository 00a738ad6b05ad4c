"""A disk that fails ends the daemon with a clear word, or one attachment alone; then it goes on."""

import pytest

from tests.crash.disk import (
    BIG_BYTES,
    LEFT_BYTES,
    gives_up,
    largest,
    without_room_for_one_file,
)
from tests.crash.place import place
from tests.support.nursery import nursery


@pytest.mark.slow
async def test_a_store_that_cannot_be_written_ends_it_with_a_clear_word_and_it_goes_on_after() -> (
    None
):
    async with nursery() as cradle, place(cradle) as here:
        await here.goes_live()
        for _ in range(3):
            here.goes_on()
        await here.process.start(file_bytes_max=largest(here.world.folder) + LEFT_BYTES)
        assert "the store cannot be used: SQLite: " in await gives_up(here)
        await without_room_for_one_file(here, BIG_BYTES // 2)
        await here.process.start()
        here.assert_good(await here.settled())
        assert await here.process.stop() == 0
