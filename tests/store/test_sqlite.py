"""What holds on SQLite: group commit, one holder, nothing acknowledged is lost."""

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.store import connections, counting, fuses, journal, merging, outbox, sqlite, tickets
from syncd.store import tables as t
from syncd.store.database import Database, Tx, read_holder, sqlite_path
from syncd.store.errors import StoreHeld, StoreUnavailable
from syncd.store.upgrading import upgrade
from tests.store.scene import CARRIER, KIND, NOW, Scene, applied, comment, later, receipt

ROOT = Path(__file__).resolve().parents[2]

HOLD = """
import asyncio, sys
from syncd.store.database import Database
async def main():
    async with await Database.open(sys.argv[1], what="syncd run"):
        print("open", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""

WRITE = """
import asyncio, sys
import sqlalchemy as sa
from syncd.store import tables as t
from syncd.store.database import Database
def put(tx, n):
    tx.run(sa.insert(t.meta), {"key": str(n), "value": ""})
async def main():
    async with await Database.open(sys.argv[1]) as db:
        async def chain(start):
            n = start
            while True:
                await db.write(put, n)
                sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
                n += 16
        await asyncio.gather(*(chain(n) for n in range(16)))
asyncio.run(main())
"""


def put(tx: Tx, key: str) -> None:
    tx.run(sa.insert(t.meta), {"key": key, "value": ""})


def keys(tx: Tx) -> set[str]:
    return set(tx.scalars(sa.select(t.meta.c.key)))


def start(program: str, url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, url]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def raw_of(database: Database) -> sqlite3.Connection:
    assert isinstance(database, sqlite.SqliteDatabase)
    assert database._writer is not None
    return database._writer._raw


async def test_units_that_wait_together_share_one_commit(sqlite_url: str) -> None:
    seen: list[str] = []
    async with await Database.open(sqlite_url) as database:
        raw_of(database).set_trace_callback(seen.append)
        await asyncio.gather(*(database.write(put, f"k{n}") for n in range(100)))
        raw_of(database).set_trace_callback(None)
    assert sum(each == "COMMIT" for each in seen) <= 5
    assert sum(each.startswith("BEGIN") for each in seen) == seen.count("COMMIT")
    assert {each for each in seen if each.startswith("BEGIN")} == {"BEGIN IMMEDIATE"}


async def test_a_commit_reaches_the_disk_before_it_is_acknowledged(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as database:
        pragmas = {
            name: raw_of(database).execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_power_cut_keeps_what_was_acknowledged_wherever_it_cuts(
    sqlite_url: str, tmp_path: Path
) -> None:
    # What was written after the last flush may be there, in part, or as nonsense; nothing before.
    path = sqlite_path(sqlite_url)
    wal = path.with_name(f"{path.name}-wal")
    acknowledged: list[tuple[int, str]] = []
    async with await Database.open(sqlite_url) as database:
        for number in range(12):
            await asyncio.gather(*(database.write(put, f"{number}-{each}") for each in range(3)))
            acknowledged += [(wal.stat().st_size, f"{number}-{each}") for each in range(3)]
        file, log = path.read_bytes(), wal.read_bytes()
    flushed = sorted({size for size, _ in acknowledged})
    assert len(flushed) > 6, "the log grew too little to be cut"
    for after, size in enumerate(flushed):
        most = flushed[after + 1] if after + 1 < len(flushed) else len(log)
        for torn in {size, min(size + 24, most), (size + most) // 2, max(size, most - 1), most}:
            for rest in (b"", b"\0" * (most - torn), b"\xff" * 4096):
                cut = tmp_path / "cut.db"
                cut.write_bytes(file)
                cut.with_name("cut.db-wal").write_bytes(log[:torn] + rest)
                cut.with_name("cut.db-shm").unlink(missing_ok=True)
                with contextlib.closing(sqlite3.connect(cut)) as opened:
                    kept = {key for (key,) in opened.execute("SELECT key FROM meta")}
                assert {key for at, key in acknowledged if at <= size} <= kept


async def test_a_full_disk_is_the_store_unavailable_and_it_recovers(sqlite_url: str) -> None:
    def put_much(tx: Tx) -> None:
        tx.run(sa.insert(t.meta), {"key": "big", "value": "x" * 10_000_000})

    async with await Database.open(sqlite_url) as database:
        pages = raw_of(database).execute("PRAGMA page_count").fetchone()[0]
        raw_of(database).execute(f"PRAGMA max_page_count={pages + 20}")
        with pytest.raises(StoreUnavailable, match="full"):
            await database.write(put_much)
        results = await asyncio.gather(
            database.write(put, "a"),
            database.write(put_much),
            database.write(put, "b"),
            return_exceptions=True,
        )
        assert isinstance(results[1], StoreUnavailable)
        kept = {key for key, each in zip(("a", "", "b"), results, strict=True) if each is None}
        assert await database.read(keys) == kept
        await database.write(put, "after")


async def test_a_disk_that_fails_at_commit_fails_every_unit_of_the_group(
    sqlite_url: str,
) -> None:
    def break_a_deferred_key(tx: Tx) -> None:
        tx.run(sa.text("PRAGMA defer_foreign_keys=ON"))
        tx.run(
            sa.insert(t.baseline),
            {"link": 99, "side": "itsm", "slot": "s", "value": "1", "state": "agreed"},
        )

    async with await Database.open(sqlite_url) as database:
        results = await asyncio.gather(
            database.write(put, "a"), database.write(break_a_deferred_key), return_exceptions=True
        )
        assert any(isinstance(each, StoreUnavailable) for each in results)
        await database.write(put, "b")
        assert "b" in await database.read(keys)


async def test_a_second_daemon_is_refused_and_told_who_holds_the_store(sqlite_url: str) -> None:
    with start(HOLD, sqlite_url) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(StoreHeld, match=f"syncd run \\(process {child.pid} on ") as refused:
            await Database.open(sqlite_url)
        with pytest.raises(StoreHeld):
            await upgrade(sqlite_url)
        assert refused.value.holder.pid == child.pid
        assert refused.value.holder.started_at is not None
        assert read_holder(sqlite_url) == refused.value.holder
        async with await Database.open(sqlite_url, read_only=True) as beside:
            assert await beside.read(keys) == set()
        child.kill()
    async with await Database.open(sqlite_url) as database:
        holder = read_holder(sqlite_url)
        assert holder is not None
        assert holder.pid == os.getpid()
        await database.write(put, "a")


@pytest.mark.slow
@pytest.mark.parametrize("killed_after", [1, 40, 400])
async def test_a_killed_daemon_lost_nothing_it_acknowledged(
    sqlite_url: str, killed_after: int
) -> None:
    with start(WRITE, sqlite_url) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline() for _ in range(killed_after)]
        child.send_signal(signal.SIGKILL)
        acknowledged += child.stdout.readlines()
    # The last line may be cut; a whole one was written after its commit.
    whole = {each.strip() for each in acknowledged if each.endswith("\n")}
    async with await Database.open(sqlite_url) as database:
        assert whole <= await database.read(keys)
        assert raw_of(database).execute("PRAGMA integrity_check").fetchone()[0] == "ok"


async def test_a_wrong_statement_is_a_bug_and_not_the_disks(sqlite_url: str) -> None:
    def wrong(tx: Tx) -> None:
        tx.run(sa.text("SELECT x FROM nowhere"))

    async with await Database.open(sqlite_url) as database:
        for use in (database.write, database.read):
            with pytest.raises(sa.exc.OperationalError, match="no such table"):
                await use(wrong)


async def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    async with await Database.open(url, upgrade=True):
        assert sqlite_path(url).stat().st_mode & 0o077 == 0


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot make"):
        await Database.open(f"sqlite:///{tmp_path}/none/store.db", upgrade=True)


async def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database, by far" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await Database.open(f"sqlite:///{tmp_path}/store.db", upgrade=True)


async def test_a_closed_store_says_so(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    await database.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await database.write(put, "a")
    with pytest.raises(StoreUnavailable, match="closed"):
        await database.read(keys)


async def test_the_hot_queries_use_their_partial_indexes(sqlite_url: str) -> None:
    plans = {
        "uq_operation_head": "SELECT id FROM operation WHERE lane = 't1' AND state IN "
        "('ready', 'claimed', 'sending', 'unknown')",
        "ix_operation_due": str(
            sa.select(t.operation.c.id).where(
                t.operation.c.connection == sa.bindparam("a"), t.state_in(*t.DUE)
            )
        ),
        "ix_operation_unsettled": str(
            sa.select(t.operation.c.id).where(
                t.operation.c.link == sa.bindparam("a"), t.state_in(*t.UNSETTLED)
            )
        ),
        "ix_operation_in_flight": str(
            sa.select(t.operation.c.id).where(
                t.operation.c.target_row == sa.bindparam("a"), t.state_in(*t.IN_FLIGHT)
            )
        ),
    }
    async with await Database.open(sqlite_url) as database:
        for index, query in plans.items():
            found = raw_of(database).execute(f"EXPLAIN QUERY PLAN {query}", {"a": 1}).fetchall()
            assert index in str(found)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (merging._known_by_word(False), "ix_ticket_number (number=?)"),
        (tickets._finding("external_id"), "ix_ticket_external_id (external_id=?)"),
        (tickets._finding("number"), "ix_ticket_number (number=?)"),
        (tickets._finding("external_id", "kind"), "(connection=? AND kind=? AND external_id=?)"),
        (tickets._finding("number", "kind"), "ix_ticket_number (number=?)"),
        (counting._COUNTS, "USING COVERING INDEX ix_ticket_counted"),
        (journal._ever_told(False), "ix_journal_ticket (ticket=?)"),
        (connections._OVERVIEW, "SEARCH ticket USING COVERING INDEX ix_ticket_newest"),
        (connections._OVERVIEW, "SEARCH operation USING INDEX ix_operation_newest"),
    ],
)
async def test_tickets_are_found_without_walking_all_of_a_connection(
    sqlite_url: str, query: sa.Select[Any], index: str
) -> None:
    async with await Database.open(sqlite_url) as database:
        text = str(query.compile(dialect=sa.dialects.sqlite.dialect()))
        given = (1,) * text.count("?")
        found = raw_of(database).execute(f"EXPLAIN QUERY PLAN {text}", given).fetchall()
        assert index in str(found)


async def test_sending_and_deciding_never_walk_all_operations_or_links(sqlite_url: str) -> None:
    async with await Database.open(sqlite_url) as database:
        scene, raw, told = Scene(database), raw_of(database), set[str]()
        await scene.set_up()
        raw.set_trace_callback(told.add)
        await scene.opening(comment("c1"))
        await scene.settle(await scene.send(), applied(receipt("case1", "C1")))
        await scene.deliver(receipt("case1", comment_id="v1"))
        await scene.linked(comment("c2"), itsm="inc2", vendor="case2")
        await database.write(outbox.recover, owner="other", now=later(9), probe_at=later(9))
        await database.write(outbox.unsettled_creates, CARRIER, KIND)
        await database.write(fuses.awaiting_decision, now=NOW, after=NOW)
        await database.write(fuses.newest_operation)
        await database.write(fuses.changes_since, NOW, after=1)
        raw.set_trace_callback(None)
        asked = [each for each in told if each.startswith(("SELECT", "UPDATE", "DELETE"))]
        walked = {
            each
            for each in asked
            for step in raw.execute(f"EXPLAIN QUERY PLAN {each}")
            if re.fullmatch(r"SCAN (operation|link|ticket|journal|baseline|item_pair)", step[3])
        }
        assert len(asked) > 20
        assert walked == set()
