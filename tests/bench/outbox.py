"""Stores full of links with one operation each, on both databases, made once and copied."""

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import asyncpg

from syncd.core.state import ItemKind, ItemPair, Plan, PlannedOperation, Reason, SlotMove
from syncd.model.ids import (
    CommentId,
    ConnectionName,
    CorrelationId,
    LinkRow,
    MappingName,
    OperationKey,
    Side,
    TicketId,
    TicketRow,
)
from syncd.model.operation import CommentDraft, Write, WriteKind
from syncd.model.ticket import Comment, Ticket
from syncd.store import connections, links, mappings, meta, plans, tickets
from syncd.store.database import Database
from syncd.store.records import ConnectionPin, PlanContext
from syncd.store.tx import Tx
from tests.bench.adapter import KIND
from tests.support.postgres import Server, running_server

DESK = ConnectionName("desk")
VENDOR = ConnectionName("vendor")
MAPPING = MappingName("bench")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHUNK = 250
"""Links made in one transaction."""

DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
"""What the tests' server does without and a real one does not."""


def key(number: int) -> OperationKey:
    return OperationKey(f"bench-{number:012x}")


def ticket(side: Side, number: int) -> Ticket:
    """Make a ticket of a usual size: twelve fields and three comments."""
    return Ticket(
        id=TicketId(f"{side[0]}{number:07}"),
        number=f"INC{number:07}",
        kind=KIND,
        fields={
            "title": f"Link down at site {number}",
            "description": "Both routers are dark since 02:50; power was checked on site. " * 5,
            "status": "In Progress",
            **{f"field_{place}": f"value {place} of ticket {number}" for place in range(9)},
        },
        comments=tuple(
            Comment(id=CommentId(f"{number}-{place}"), body="We are looking into it. " * 4)
            for place in range(3)
        ),
        created_at=AT,
        updated_at=AT,
    )


def planned(number: int) -> Plan:
    """Plan what link `number` is to send: every other one a comment, else a field."""
    if number % 2:
        words = CommentDraft(body=f"Any news of {number}? The site is still dark.", author="Kari")
        comment = PlannedOperation(
            target=Side.VENDOR,
            kind=WriteKind.COMMENT,
            reason=Reason.COMMENTED,
            comment=words,
            item=(ItemKind.COMMENT, Side.ITSM, f"c{number}"),
        )
        pair = ItemPair(kind=ItemKind.COMMENT, origin=Side.ITSM, source_id=f"c{number}")
        return Plan(operations=(comment,), pairs=(pair,))
    title = f"Link down at site {number}, again"
    change = PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.UPDATE,
        reason=Reason.FIELD_CHANGED,
        fields={"title": title},
        slots={
            "to_vendor.title": SlotMove(source=Side.ITSM, source_value=title, target_value=title)
        },
    )
    return Plan(operations=(change,))


def writes(count: int) -> list[Write]:
    """Give the same writes as the stores' operations, for sending them without a store."""
    found = []
    for number in range(count):
        operation = planned(number).operations[0]
        found.append(
            Write(
                kind=operation.kind,
                key=key(number),
                ticket_kind=KIND,
                ticket_id=ticket(Side.VENDOR, number).id,
                ticket_number=f"INC{number:07}",
                fields=operation.fields,
                comment=operation.comment,
            )
        )
    return found


async def fill(url: str, count: int) -> None:
    """Make a store with so many links and ready operations."""
    async with await Database.open(url, upgrade=True) as db:
        await db.write(_prepare)
        for start in range(0, count, CHUNK):
            await db.write(_add, range(start, min(count, start + CHUNK)))


def _prepare(tx: Tx) -> None:
    meta.initialise(tx, environment="bench", prefix="bench")
    for name in (DESK, VENDOR):
        connections.pin(tx, ConnectionPin(name=name, provider="bench", base_host="bench"))
    mappings.sync(tx, MAPPING, mode="live", revision="r1", now=AT)


def _add(tx: Tx, numbers: range) -> None:
    for number in numbers:
        rows = {
            side: _known(tx, name, ticket(side, number))
            for side, name in ((Side.ITSM, DESK), (Side.VENDOR, VENDOR))
        }
        link: LinkRow = links.add_link(
            tx,
            mapping=MAPPING,
            itsm_row=rows[Side.ITSM],
            vendor_row=rows[Side.VENDOR],
            by="bench",
            now=AT,
        )
        keys = itertools.repeat(key(number))
        context = PlanContext(
            new_key=lambda keys=keys: next(keys),
            correlation_id=CorrelationId(f"{number:08x}"),
            seen_at=AT,
            now=AT,
            revision="r1",
        )
        plans.apply_plan(tx, link, planned(number), context)


def _known(tx: Tx, connection: ConnectionName, snapshot: Ticket) -> TicketRow:
    row = tickets.ensure_ticket(
        tx, connection, KIND, external_id=snapshot.id, number=snapshot.number, now=AT
    )
    due = tickets.due_read(tx, row)
    assert due is not None
    tickets.save_read(tx, due, snapshot, now=AT)
    return row


# --- engines -------------------------------------------------------------------------------------


class Engine(Protocol):
    """Gives full stores, each a copy of one."""

    name: str

    async def fill(self, count: int) -> None:
        """Make the store that is copied."""

    def fresh(self) -> contextlib.AbstractAsyncContextManager[str]:
        """Give the address of a copy that is thrown away afterwards."""


class SqliteEngine:
    """Files in a folder."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"
        self._copies = itertools.count(1)

    async def fill(self, count: int) -> None:
        await fill(f"sqlite:///{self._template}", count)

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        folder = self._template.with_name(f"copy{next(self._copies)}")
        folder.mkdir()
        await asyncio.to_thread(shutil.copy, self._template, folder / "syncd.db")
        try:
            yield f"sqlite:///{folder / 'syncd.db'}"
        finally:
            shutil.rmtree(folder)


class PostgresEngine:
    """Databases of a server of this run's own."""

    name = "postgres"

    def __init__(self, server: Server) -> None:
        self._server = server
        self._template = ""

    async def fill(self, count: int) -> None:
        # As in service: the tests' server is told not to wait for the disk.
        await self._server.run(
            *(f"ALTER SYSTEM SET {name} = on" for name in DURABLE), "SELECT pg_reload_conf()"
        )
        self._template = await self._server.create_database()
        await fill(self._server.url(self._template), count)
        connection = await asyncpg.connect(
            host=self._server.socket_dir, user=self._server.user, database=self._template
        )
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator[str]:
        name = await self._server.create_database(template=self._template)
        try:
            yield self._server.url(name)
        finally:
            await self._server.drop_database(name)


@contextlib.contextmanager
def engine(name: str, folder: Path) -> Iterator[Engine]:
    """Open an engine by name."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == SqliteEngine.name:
        yield SqliteEngine(folder)
        return
    with running_server(folder / "postgres") as server:
        yield PostgresEngine(server)
