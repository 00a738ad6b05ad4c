"""A power cut at any moment: what was acknowledged is there, in the store and in the spool."""

import contextlib
import hashlib
import random
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.store.test_sqlite import ROOT, sqlite_path
from tests.support.disk_trace import Disk, Kept, said, traced

PROGRAM = """
import asyncio, os, sys
from pathlib import Path
import sqlalchemy as sa
from syncd.store import tables as t
from syncd.store.database import Database
from syncd.store.spool import Spool

def put(tx, key):
    # Large enough that the log is written back into the file, and begun anew, several times.
    tx.run(sa.insert(t.meta), {"key": key, "value": key * 9_000})

async def body(number):
    yield f"body {number} ".encode() * 3_000

async def main(url, folder):
    spool = Spool(Path(folder))
    async with await Database.open(url) as database:
        for number in range(30):
            keys = [f"{number:03}-{each}" for each in range(3)]
            await asyncio.gather(*(database.write(put, key) for key in keys))
            os.write(1, " ".join(["keys", *keys]).encode())
            saved = await spool.save(body(number), max_bytes=1_000_000)
            os.write(1, f"body {saved.digest}".encode())

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows what reached the disk")
def test_what_was_acknowledged_outlives_a_power_cut_after_any_flush(
    sqlite_url: str, tmp_path: Path
) -> None:
    home, traces, cuts = (tmp_path / name for name in ("home", "traces", "cuts"))
    for folder in (home, home / "spool", traces):
        folder.mkdir()
    store = home / "syncd.db"
    shutil.copy(sqlite_path(sqlite_url), store)
    disk, chance = Disk(home), random.Random(1)
    command = [sys.executable, "-c", PROGRAM, f"sqlite:///{store}", str(home / "spool")]
    acknowledged: set[str] = set()
    looked, calls = 0, traced(command, cwd=ROOT, into=traces)
    for call in calls:
        told = said(call).split()
        acknowledged |= set(told[1:])
        if told or disk.change(call):
            looked += 1
            # What is lost whole is the hardest; the rest is looked at now and then.
            for kept in Kept if looked % 4 == 0 else (Kept.NOTHING,):
                after = cuts / f"{looked}-{kept.value}"
                disk.cut(after, kept, chance)
                assert acknowledged <= _found(after), (looked, kept)
                shutil.rmtree(after)
    assert len(acknowledged) == 30 * 4
    assert looked > 30 * 4


def _found(folder: Path) -> set[str]:
    """Say what the store has, whole, and which bodies are what their names say."""
    with contextlib.closing(sqlite3.connect(folder / "syncd.db")) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = opened.execute("SELECT key, value FROM meta WHERE key LIKE '0%'").fetchall()
    assert all(value == key * 9_000 for key, value in rows)
    bodies = {
        path.name
        for path in (folder / "spool").glob("*")
        if hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    }
    return {key for key, _ in rows} | bodies
