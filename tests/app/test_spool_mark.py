"""A daemon knows its store's spool, refuses another folder, and says the way out."""

import asyncio
import shutil
from pathlib import Path

import pytest

from syncd.app.stored import settle_spool
from syncd.model.errors import CommandRefused
from syncd.store import marking
from syncd.store.commands import COMMANDS
from syncd.store.database import Database
from syncd.store.errors import StoreUnavailable
from tests.app.world import world
from tests.support.clock import FakeClock

NOW = FakeClock().now()


async def start(db: Database, folder: Path, mark: str = "fresh") -> None:
    """What a daemon does of it when it starts."""
    await settle_spool(db, folder, mark=mark)


async def move(db: Database, folder: Path) -> None:
    """What `syncd db spool` does."""
    arguments = {"mark": marking.read(folder) or "another"}
    await db.write(COMMANDS["db.spool"], arguments, "cli:kari", NOW)


async def test_a_store_knows_its_folder_and_refuses_another_one(
    store_url: str, tmp_path: Path
) -> None:
    shared, other = tmp_path / "shared", tmp_path / "other"
    async with await Database.open(store_url) as db:
        await start(db, shared)
        await start(db, shared, "ignored")  # a restart, or another daemon beside it
        with pytest.raises(
            CommandRefused, match=r"one shared folder.*store.spool.*`syncd db spool`"
        ):
            await start(db, other)
        assert not other.exists(), "a refused folder is left as it is"
        shared.rename(other)  # moved whole: its mark moves along
        await start(db, other)


async def test_of_two_daemons_that_start_at_once_with_two_folders_one_is_refused(
    store_url: str, tmp_path: Path
) -> None:
    async with await Database.open(store_url) as db:
        both = (start(db, tmp_path / name, name) for name in ("one", "two"))
        ended = await asyncio.gather(*both, return_exceptions=True)
        (refused,) = [each for each in ended if each is not None]
        assert isinstance(refused, CommandRefused)
        assert len(list(tmp_path.glob(f"*/{marking.MARK_FILE}"))) == 1


async def test_a_folder_of_another_store_is_refused_until_a_person_gives_it_away(
    store_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / marking.MARK_FILE).write_text("elsewhere\n")
    async with await Database.open(store_url) as db:
        with pytest.raises(CommandRefused, match=r"of another store.*`syncd db spool`"):
            await start(db, folder)
        await move(db, folder)
        await start(db, folder)
    assert marking.read(folder) == "elsewhere"


async def test_a_lost_spool_is_refused_until_a_person_says_that_it_is_lost(
    store_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    async with await Database.open(store_url) as db:
        await start(db, folder)
        shutil.rmtree(folder)
        with pytest.raises(CommandRefused, match=f"no file {marking.MARK_FILE}"):
            await start(db, folder)
        await move(db, folder)
        await start(db, folder)
        assert marking.read(folder) == "another"
        with pytest.raises(CommandRefused):
            await start(db, tmp_path / "other")


@pytest.mark.parametrize("is_made", [False, True])
async def test_a_start_that_died_half_way_does_not_lock_the_next_one_out(
    store_url: str, tmp_path: Path, is_made: bool
) -> None:
    folder = tmp_path / "spool"
    async with await Database.open(store_url) as db:
        await db.write(marking.choose, "fresh")
        if is_made:  # the file was there before the commit that says so
            folder.mkdir()
            (folder / marking.MARK_FILE).write_text("fresh\n")
        await start(db, folder, "ignored")
        await start(db, folder, "ignored")
    assert marking.read(folder) == "fresh"


async def test_a_folder_that_cannot_be_used_is_named(store_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with await Database.open(store_url) as db:
        with pytest.raises(StoreUnavailable, match=r"the spool .*file/spool"):
            await start(db, tmp_path / "file" / "spool")
        await start(db, tmp_path / "spool")


async def test_a_daemon_whose_spool_is_another_folder_does_not_start(tmp_path: Path) -> None:
    async with world(tmp_path) as between:
        async with between.daemon():
            pass
        text = between.config.read_text()
        between.config.write_text(text.replace("key: {env", f"spool: {tmp_path}/new, key: {{env"))
        with pytest.raises(CommandRefused, match=r"/new is not the spool of this store"):
            async with between.start():
                pass
        shutil.move(tmp_path / "spool", tmp_path / "new")
        async with between.daemon():
            pass
