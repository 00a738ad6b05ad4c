"""A disk that fails ends the daemon with a clear word, or one attachment alone; then it goes on."""

import pytest

from tests.crash.disk import (
    KIB,
    LEFT_BYTES,
    gives_up,
    is_partnered,
    largest,
    no_file_beyond,
    until,
)
from tests.crash.place import Place, place

BIG_BYTES = 6 * KIB * KIB


@pytest.mark.slow
async def test_a_store_that_cannot_be_written_ends_it_with_a_clear_word_and_it_goes_on_after() -> (
    None
):
    async with place() as here:
        await here.goes_live()
        for _ in range(3):
            here.goes_on()
        await here.process.start(limits=no_file_beyond(largest(here.world.folder) + LEFT_BYTES))
        assert "the store cannot be used: SQLite: " in await gives_up(here)
        await _without_room_for_one_file(here)
        await here.process.start()
        here.assert_good(await here.settled())
        assert await here.process.stop() == 0


async def _without_room_for_one_file(here: Place) -> None:
    """See that all else goes on, and that it is said why one attachment does not."""
    await here.process.start(limits=no_file_beyond(BIG_BYTES // 2))
    await here.process.ready()
    await until(here, lambda: is_partnered(here, 0), "it never got its partner")
    life = here.lives[0]
    here.carrier.person_attaches(
        life.vendor_ticket, f"{life.token()} big.bin", bytes(BIG_BYTES), by="Tone Telenor"
    )
    await until(here, lambda: "spool" in here.process.said(200), "nobody was told")
    here.goes_on()
    await until(here, lambda: is_partnered(here, -1), "what came after did not go on")
    assert await here.process.stop() == 0
