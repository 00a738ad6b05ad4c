"""What stands in for a sandbox where the daemon itself is the system (SmartOps, mode `serve`).

The tickets lie in a real store, which a thread of its own keeps: people act on it as callers do,
through `ServedTickets`, without the event loop of the adapter; the adapter reaches it through the
same port. What it asks for is recorded, and may fail before or after it took effect.
"""

import asyncio
import contextlib
import functools
import tempfile
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from syncd.model.ids import ConnectionName, OperationKey, TicketId
from syncd.model.ticket import CommentKind
from syncd.ports.adapter import FileSource
from syncd.ports.clock import SystemIds
from syncd.ports.served import (
    FileDraft,
    NoteDraft,
    ServedChange,
    ServedRequest,
    ServedRules,
    ServedSeen,
    ServedTicket,
    Written,
)
from syncd.sandbox import SandboxClock
from syncd.sandbox.record import CLIENT, Event
from syncd.store import forgetting
from syncd.store import tables as t
from syncd.store.database import Database
from syncd.store.errors import StoreUnavailable
from syncd.store.forgetting import Window
from syncd.store.serving import StoredTickets
from syncd.store.spool import Spool
from tests.support.clock import FakeClock
from tests.support.stores import sqlite_store

T = TypeVar("T")
RULES = ServedRules(resolved=frozenset({"Resolved"}), closed=frozenset({"Closed"}))
LIMIT_S = 60.0
"""Real seconds after which the store's thread hangs."""
CALLER = "itops"
READS = ("find", "written", "changed", "keep_file", "has_file")
AFTER = ("lost_answer", "error_after", "garbage")
"""Faults that come when the effect is made; of a read they are a store that does not answer."""
HARMLESS = ("page_drift",)


class Lane:
    """An event loop in a thread: it keeps the store while another loop runs, or waits."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done, and wait."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(LIMIT_S)

    async def have(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done, and let others work."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(LIMIT_S)
        self.loop.close()


class Record(list[Event]):
    """What was asked for and came of it."""

    def since(self, mark: int) -> list[Event]:
        return self[mark:]


@dataclass
class _Fault:
    name: str
    operation: str | None
    count: int
    skip: int
    delay_s: float


@dataclass
class Faults:
    """Faults to come, as a sandbox takes them."""

    waiting: list[_Fault] = field(default_factory=list)

    def next(
        self,
        fault: str,
        *,
        operation: str | None = None,
        count: int = 1,
        skip: int = 0,
        delay_s: float = 0.0,
        **_: object,
    ) -> None:
        self.waiting.append(_Fault(fault, operation, count, skip, delay_s))

    def clear(self) -> None:
        self.waiting.clear()

    @property
    def pending(self) -> int:
        return len(self.waiting)

    def take(self, operation: str) -> _Fault | None:
        """Give what is to happen to a call; each counts the calls it is meant for."""
        for fault in self.waiting:
            if fault.operation not in (None, operation):
                continue
            if fault.skip:
                fault.skip -= 1
                return None
            fault.count -= 1
            if not fault.count:
                self.waiting.remove(fault)
            return fault
        return None


@dataclass(frozen=True)
class _Operation:
    name: str
    reads: bool


@dataclass
class _Table:
    operations: tuple[_Operation, ...]


class NoTokens:
    """There is no login, so nothing expires."""

    def expire_all(self) -> None:
        pass


class ServedStand:
    """The store as the system it is; speaks to the kit as a sandbox does."""

    base_url = "http://127.0.0.1:1"

    def __init__(self, connection: ConnectionName, folder: Path, start: datetime) -> None:
        self.connection = connection
        self.clock = FakeClock(at=start)
        self.record = Record()
        self.faults = Faults()
        self.tokens = NoTokens()
        self.table = _Table(
            operations=(*(_Operation(name, True) for name in READS), _Operation("write", False))
        )
        self.operations = {one.name: one for one in self.table.operations}
        self.lane = Lane()
        self.told: Callable[[str, bool], None] = lambda _operation, _is_write: None
        self.db = self.lane.do(Database.open(sqlite_store(folder / "store.db")))
        self.served = StoredTickets(
            self.db,
            Spool(folder / "spool", clock=self.clock),
            clock=self.clock,
            ids=SystemIds(),
            rules=lambda _: RULES,
        )
        self.violations: list[object] = []
        self._requests = 0

    def close(self) -> None:
        self.lane.do(self.db.close())
        self.lane.stop()

    # --- people: callers of the gateway ----------------------------------------------------------

    def _request(self) -> ServedRequest:
        return ServedRequest(connection=self.connection, caller=CALLER, fingerprint="f")

    def _change(self, ticket: str, change: ServedChange) -> None:
        self.lane.do(self.served.update(self._request(), TicketId(ticket), change))

    def person_creates(self, fields: Mapping[str, str]) -> str:
        change = ServedChange(by=CALLER, fields=dict(fields))
        return str(self.lane.do(self.served.create(self._request(), change)).ticket.sys_id)

    def person_updates(self, ticket: str, fields: Mapping[str, str]) -> None:
        self._change(ticket, ServedChange(by=CALLER, fields=dict(fields)))

    def person_sets_status(self, ticket: str, status: str) -> None:
        self.person_updates(ticket, {"ticketStatus": status})

    def person_comments(self, ticket: str, text: str) -> None:
        note = NoteDraft(kind=CommentKind.COMMENT, author=CALLER, body=text)
        self._change(ticket, ServedChange(by=CALLER, notes=[note]))

    def person_attaches(
        self, ticket: str, name: str, content: bytes, content_type: str = ""
    ) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        digest, size = self.lane.do(self.served.keep_file(pieces(), max_bytes=len(content)))
        file = FileDraft(
            name=name, content_type=content_type, size_bytes=size, digest=digest, author=CALLER
        )
        self._change(ticket, ServedChange(by=CALLER, files=[file]))

    def person_removes(self, ticket: str) -> None:
        """Retention forgets it, long after it was closed."""
        self.person_sets_status(ticket, "Closed")
        number = sa.select(t.served_ticket.c.id).where(t.served_ticket.c.sys_id == ticket)
        row = int(self.lane.do(self.db.read(lambda tx: tx.scalar(number))))
        place = Window(after_id=row - 1, last_id=row, is_old=True)
        now = self.clock.now()
        later = now + timedelta(days=400)
        self.lane.do(self.db.write(forgetting.forget_served, place, later, now=now))

    def person_locks_login(self, _locked: bool = True) -> None:
        """Nobody logs in to the store."""

    def tickets(self) -> list[dict[str, str]]:
        seen = self.lane.do(
            self.served.changed(self.connection, since=None, after_row=0, limit=10_000)
        )
        return [{"id": one.sys_id, "number": one.number} for one in seen]

    # --- the adapter's way in --------------------------------------------------------------------

    async def ask(self, operation: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Carry out what the adapter asks for, unless a fault comes in between."""
        self._requests += 1
        number = self._requests
        self.record.append(
            {"what": "request", "operation": operation, "request": number, "status": 200}
        )
        fault = self.faults.take(operation)
        self.told(operation, operation not in READS)
        if fault is not None and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        kind = "" if fault is None or fault.delay_s or fault.name in HARMLESS else fault.name
        if kind and not (kind in AFTER and operation not in READS):
            raise StoreUnavailable(f"the store is away: {kind}")
        before = await self.lane.have(self._versions())
        done = await self.lane.have(work())
        if await self.lane.have(self._versions()) != before:
            effect = {"what": "field_changed", "actor": CLIENT, "request": number}
            self.record.append(effect)
        if kind:
            raise StoreUnavailable(f"the store is away: {kind}")
        return done

    async def _versions(self) -> int:
        total = sa.select(sa.func.sum(t.served_ticket.c.version))
        return int(await self.db.read(lambda tx: tx.scalar(total)) or 0)


class Port:
    """`ServedTickets`, of another thread, as far as the adapter uses it."""

    def __init__(self, stand: ServedStand) -> None:
        self._stand = stand

    async def find(
        self, connection: ConnectionName, *, sys_id: str = "", number: str = ""
    ) -> ServedTicket | None:
        find = functools.partial(self._stand.served.find, sys_id=sys_id, number=number)
        return await self._stand.ask("find", lambda: find(connection))

    async def write(
        self,
        connection: ConnectionName,
        sys_id: TicketId,
        change: ServedChange,
        *,
        key: OperationKey,
    ) -> Written:
        served = self._stand.served
        return await self._stand.ask(
            "write", lambda: served.write(connection, sys_id, change, key=key)
        )

    async def written(self, connection: ConnectionName, key: OperationKey) -> Written | None:
        return await self._stand.ask("written", lambda: self._stand.served.written(connection, key))

    async def changed(
        self, connection: ConnectionName, *, since: datetime | None, after_row: int, limit: int
    ) -> Sequence[ServedSeen]:
        served = self._stand.served
        return await self._stand.ask(
            "changed",
            lambda: served.changed(connection, since=since, after_row=after_row, limit=limit),
        )

    async def keep_file(self, chunks: AsyncIterable[bytes], *, max_bytes: int) -> tuple[str, int]:
        served = self._stand.served
        return await self._stand.ask(
            "keep_file", lambda: served.keep_file(chunks, max_bytes=max_bytes)
        )

    async def has_file(self, digest: str) -> bool:
        return await self._stand.ask("has_file", lambda: self._stand.served.has_file(digest))

    def open_file(self, digest: str) -> FileSource:
        return self._stand.served.open_file(digest)


@contextlib.asynccontextmanager
async def served_stand(name: str, clock: SandboxClock) -> AsyncIterator[ServedStand]:
    """Keep a store for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="syncd-stand-") as folder:
        stand = await asyncio.to_thread(
            ServedStand, ConnectionName(name), Path(folder), clock.now()
        )
        try:
            yield stand
        finally:
            await asyncio.to_thread(stand.close)
