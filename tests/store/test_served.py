import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.model.ids import ConnectionName, OperationKey, TicketId
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind
from syncd.ports.clock import SystemIds
from syncd.ports.served import (
    Applied,
    FileDraft,
    FileRefused,
    KeyReused,
    NoServedTicket,
    NoteDraft,
    ServedChange,
    ServedRequest,
    ServedRules,
)
from syncd.store import journal, served, spool, tickets
from syncd.store import tables as t
from syncd.store.database import Database
from syncd.store.serving import StoredCredentials, StoredTickets
from syncd.store.spool import Spool
from tests.store.scene import NOW, later
from tests.support.clock import FakeClock

DESK = ConnectionName("automation")
RULES = ServedRules(
    first_status="New", resolved=frozenset({"Resolved"}), closed=frozenset({"Closed"})
)
RAISED = ServedChange(by="robot", fields={"shortDescription": "Link down"})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(at=NOW)


@pytest.fixture
def stored(database: Database, clock: FakeClock, tmp_path: Path) -> StoredTickets:
    return made_on(database, clock, tmp_path)


def made_on(database: Database, clock: FakeClock, folder: Path) -> StoredTickets:
    return StoredTickets(
        database,
        Spool(folder / "spool", clock=clock),
        clock=clock,
        ids=SystemIds(),
        rules=lambda _: RULES,
    )


def asked(key: str = "", fingerprint: str = "f", window_s: float = 0.0) -> ServedRequest:
    return ServedRequest(
        connection=DESK, caller="robot", fingerprint=fingerprint, key=key, window_s=window_s
    )


async def count(database: Database) -> int:
    query = sa.select(sa.func.count()).select_from(t.served_ticket)
    return int(await database.read(lambda tx: tx.scalar(query)))


async def test_a_created_ticket_is_known_and_due_in_the_same_transaction(
    database: Database, stored: StoredTickets
) -> None:
    made = (await stored.create(asked(), RAISED)).ticket
    due = await database.read(tickets.due_reads, DESK, now=NOW, limit=10)
    assert [(each.ref.id, each.ref.number) for each in due] == [(made.sys_id, made.number)]
    lines = await database.read(journal.of_ticket, due[0].row)
    assert [each.line.event for each in lines] == ["ticket.raised"]
    assert (made.fields["ticketStatus"], made.shown_number) == ("New", made.number)


async def test_the_list_of_changes_tells_the_engine_nothing_it_knows_already(
    database: Database, stored: StoredTickets
) -> None:
    await stored.create(asked(), RAISED)
    (seen,) = await stored.changed(DESK, since=None, after_row=0, limit=10)
    row = await database.read(tickets.find, DESK, external_id=seen.sys_id)
    listed = await database.read(
        lambda tx: tx.scalar(sa.select(t.ticket.c.list_digest).where(t.ticket.c.id == row))
    )
    assert listed == served.digest_of(seen.version)


async def test_the_list_of_changes_goes_on_where_it_stopped_even_at_one_instant(
    stored: StoredTickets, clock: FakeClock
) -> None:
    made = [(await stored.create(asked(), RAISED)).ticket for _ in range(5)]
    clock.advance(1)
    await stored.update(asked(), made[0].sys_id, ServedChange(by="x", fields={"category": "Net"}))
    found, since, after = [], None, 0
    while page := await stored.changed(DESK, since=since, after_row=after, limit=2):
        found += [each.sys_id for each in page]
        since, after = page[-1].changed_at, page[-1].row
    assert found == [*(each.sys_id for each in made[1:]), made[0].sys_id]


async def test_one_key_makes_one_ticket_however_often_and_at_once_it_comes(
    database: Database, stored: StoredTickets
) -> None:
    results = await asyncio.gather(*(stored.create(asked("k"), RAISED) for _ in range(8)))
    assert len({each.ticket.sys_id for each in results}) == 1
    assert sorted(each.is_repeat for each in results) == [False, *[True] * 7]
    assert await count(database) == 1
    with pytest.raises(KeyReused):
        await stored.create(asked("k", fingerprint="another"), RAISED)
    assert await count(database) == 1


async def test_equal_requests_without_a_key_are_one_only_within_the_window(
    database: Database, stored: StoredTickets, clock: FakeClock
) -> None:
    await asyncio.gather(*(stored.create(asked(window_s=60), RAISED) for _ in range(4)))
    assert await count(database) == 1
    clock.advance(61)
    await stored.create(asked(window_s=60), RAISED)
    await stored.create(asked(window_s=0), RAISED)
    await stored.create(asked(window_s=60, fingerprint="another"), RAISED)
    assert await count(database) == 4


async def test_an_update_changes_what_it_names_and_a_repeated_one_nothing(
    stored: StoredTickets,
) -> None:
    made = (await stored.create(asked(), RAISED)).ticket
    note = NoteDraft(kind=CommentKind.WORK_NOTE, author="robot", body="seen")
    change = ServedChange(by="robot", fields={"category": "Net"}, notes=[note])
    first = await stored.update(asked("u"), made.sys_id, change)
    again = await stored.update(asked("u"), made.sys_id, change)
    assert again.is_repeat
    assert again.ticket == first.ticket
    assert [each.body for each in again.ticket.notes] == ["seen"]
    assert again.ticket.fields["shortDescription"] == "Link down"
    with pytest.raises(NoServedTicket):
        await stored.update(asked("v"), TicketId("none"), change)


async def test_within_the_window_a_note_is_said_once_and_a_field_changes_as_often_as_told(
    stored: StoredTickets, clock: FakeClock
) -> None:
    made = (await stored.create(asked(), RAISED)).ticket
    note = NoteDraft(kind=CommentKind.COMMENT, author="robot", body="again")
    told = []
    for status in ("Open", "Held", "Open"):
        change = ServedChange(by="robot", fields={"ticketStatus": status}, notes=[note])
        request = asked(fingerprint=status, window_s=60)
        done = await stored.update(request, made.sys_id, change)
        told.append((done.ticket.fields["ticketStatus"], len(done.ticket.notes)))
    assert told == [("Open", 1), ("Held", 1), ("Open", 1)]
    clock.advance(61)
    late = await stored.update(asked(window_s=60), made.sys_id, ServedChange(by="x", notes=[note]))
    keyed = await stored.update(
        asked("k", window_s=60), made.sys_id, ServedChange(by="x", notes=[note])
    )
    assert (len(late.ticket.notes), len(keyed.ticket.notes)) == (2, 3)


async def test_concurrent_updates_of_one_ticket_lose_none_of_their_fields(
    stored: StoredTickets,
) -> None:
    made = (await stored.create(asked(), RAISED)).ticket
    names = [f"key{number}" for number in range(12)]
    await asyncio.gather(
        *(
            stored.update(
                asked(fingerprint=name), made.sys_id, ServedChange(by="x", fields={name: "1"})
            )
            for name in names
        )
    )
    found = await stored.find(DESK, sys_id=made.sys_id)
    assert found is not None
    assert set(names) <= set(found.fields)
    assert found.version == 1 + len(names)


async def test_who_resolved_and_closed_is_noted_and_forgotten_when_reopened(
    stored: StoredTickets, clock: FakeClock
) -> None:
    made = (await stored.create(asked(), RAISED)).ticket
    shown = []
    for number, status in enumerate(("Resolved", "Closed", "New")):
        clock.advance(60)
        change = ServedChange(by=f"by {status}", fields={"ticketStatus": status})
        key = OperationKey(f"key-{number}")
        ticket = (await stored.write(DESK, made.sys_id, change, key=key)).ticket
        shown.append((ticket.resolved_at, ticket.resolved_by, ticket.closed_by))
    assert shown == [
        (later(60), "by Resolved", ""),
        (later(60), "by Resolved", "by Closed"),
        (None, "", ""),
    ]


async def test_an_operation_of_ours_happens_once_and_is_found_again(
    stored: StoredTickets,
) -> None:
    made = (await stored.create(asked(), RAISED)).ticket
    note = NoteDraft(kind=CommentKind.COMMENT, author="Telenor", body="solved")
    change = ServedChange(by="syncd", notes=[note])
    key = OperationKey("abc-1")
    assert await stored.written(DESK, key) is None
    first = await stored.write(DESK, made.sys_id, change, key=key)
    assert await stored.write(DESK, made.sys_id, change, key=key) == first
    assert await stored.written(DESK, key) == first
    assert [(each.id, each.key) for each in first.ticket.notes] == [(first.note_id, key)]
    assert not (await stored.create(asked(key), RAISED)).is_repeat


async def test_a_ticket_is_found_by_either_name_and_by_the_vendors_number_once_shown(
    stored: StoredTickets,
) -> None:
    made = (await stored.create(asked(), RAISED)).ticket
    shown = await stored.show_as(DESK, made.sys_id, "Case-1")
    assert (shown.shown_number, shown.number) == ("Case-1", made.number)
    assert (await stored.show_as(DESK, made.sys_id, "Case-2")).shown_number == "Case-1"
    for found in (
        await stored.find(DESK, sys_id=made.sys_id),
        await stored.find(DESK, number="Case-1"),
        await stored.find(DESK, number=made.number),
        await stored.find(DESK, number=made.sys_id),
        await stored.find(DESK, sys_id="Case-1"),
    ):
        assert found == shown
    assert await stored.find(ConnectionName("other"), sys_id=made.sys_id) is None
    assert await stored.find(DESK) is None


async def test_a_number_that_two_tickets_show_finds_neither(stored: StoredTickets) -> None:
    for _ in range(2):
        made = (await stored.create(asked(), RAISED)).ticket
        await stored.show_as(DESK, made.sys_id, "Case-1")
    assert await stored.find(DESK, number="Case-1") is None


async def test_a_file_of_a_served_ticket_stays_in_the_spool(
    database: Database, stored: StoredTickets
) -> None:
    made = (await stored.create(asked(), RAISED)).ticket
    digest, size = await stored.keep_file(_bytes(b"png"), max_bytes=10)
    draft = FileDraft(
        name="a.png", content_type="image/png", size_bytes=size, digest=digest, author="robot"
    )
    done = await stored.update(asked("f"), made.sys_id, ServedChange(by="robot", files=[draft]))
    again = await stored.update(asked("f"), made.sys_id, ServedChange(by="robot", files=[draft]))
    assert [each.id for each in again.ticket.files] == [done.file_id] == [again.file_id]
    assert digest in await database.read(spool.in_use)
    assert await stored.has_file(digest)
    assert b"".join([part async for part in stored.open_file(digest).open()]) == b"png"
    with pytest.raises(FileRefused):
        await stored.keep_file(_bytes(b"longer than ten"), max_bytes=10)


async def test_a_forgotten_request_is_a_callers_never_our_own(
    database: Database, stored: StoredTickets
) -> None:
    made = (await stored.create(asked("k"), RAISED)).ticket
    key = OperationKey("abc-1")
    await stored.write(DESK, made.sys_id, ServedChange(by="syncd", fields={"x": "1"}), key=key)
    assert await database.write(served.forget_calls_before, NOW + timedelta(days=1), limit=9) == 1
    assert await stored.written(DESK, key) is not None


async def test_a_secret_is_worked_on_by_one_at_a_time(database: Database, clock: FakeClock) -> None:
    key = Secret("store-key")
    two = [
        StoredCredentials(database, key, clock=clock, ids=SystemIds(), owner=f"p{seed}")
        for seed in (1, 2)
    ]
    inside: list[str] = []

    async def work(store: StoredCredentials) -> None:
        async with store.alone("offline"):
            known = await store.load("offline")
            inside.append(known.reveal() if known else "")
            await store.save("offline", Secret(f"token-{len(inside)}"))

    await asyncio.gather(*(work(each) for each in (two[0], two[0])))
    await work(two[1])
    assert inside == ["", "token-1", "token-2"]


PROGRAM = """
import asyncio, sys
from pathlib import Path
from syncd.model.ids import ConnectionName
from syncd.ports.clock import SystemClock, SystemIds
from syncd.ports.served import ServedChange, ServedRequest, ServedRules
from syncd.store.database import Database
from syncd.store.serving import StoredTickets
from syncd.store.spool import Spool

async def main(url, first, folder):
    async with await Database.open(url) as database:
        stored = StoredTickets(
            database, Spool(Path(folder)), clock=SystemClock(), ids=SystemIds(),
            rules=lambda _: ServedRules(),
        )
        async def one(number):
            request = ServedRequest(
                connection=ConnectionName("automation"), caller="robot",
                fingerprint=f"f{number}", key=f"key-{number}",
            )
            made = await stored.create(request, ServedChange(by="robot"))
            print(number, made.ticket.sys_id, flush=True)
        number = int(first)
        while True:
            await asyncio.gather(*(one(number + each) for each in range(8)))
            number += 8

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_process_loses_no_answered_create_and_its_repetition_doubles_none(
    store_url: str, tmp_path: Path
) -> None:
    answered: dict[str, str] = {}
    for life in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, store_url, str(life * 20), str(tmp_path),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        # The keys of each life begin among those the one before may have carried out.
        for _ in range(30):
            number, sys_id = (await process.stdout.readline()).decode().split()
            assert answered.setdefault(number, sys_id) == sys_id
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
        for line in rest.decode().splitlines():
            with contextlib.suppress(ValueError):
                number, sys_id = line.split()
                if len(sys_id) == 32:
                    assert answered.setdefault(number, sys_id) == sys_id
    async with await Database.open(store_url) as database:
        stored = made_on(database, FakeClock(at=NOW), tmp_path)
        for number, sys_id in answered.items():
            request = asked(f"key-{number}", fingerprint=f"f{number}")
            again: Applied = await stored.create(request, RAISED)
            assert (again.is_repeat, again.ticket.sys_id) == (True, sys_id)
        calls = await database.read(
            lambda tx: tx.scalar(sa.select(sa.func.count()).select_from(t.served_call))
        )
        assert await count(database) == calls >= len(answered)


@pytest.mark.postgres
async def test_two_processes_on_one_store_carry_out_one_key_once(
    postgres_store_url: str, tmp_path: Path
) -> None:
    async with (
        await Database.open(postgres_store_url) as first,
        await Database.open(postgres_store_url) as second,
    ):
        both = [made_on(each, FakeClock(at=NOW), tmp_path) for each in (first, second)]
        for number in range(10):
            request = asked(f"k{number}")
            results = await asyncio.gather(*(each.create(request, RAISED) for each in both * 2))
            assert len({each.ticket.sys_id for each in results}) == 1
        assert await count(first) == 10


async def _bytes(content: bytes) -> AsyncIterator[bytes]:
    yield content
