"""The intake service: polls, pushed numbers, reads, decisions."""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import structlog

from syncd.core.keys import KEY_CHARS
from syncd.intake.config import IntakeConfig, IntakeOptions
from syncd.intake.decide import decide_ticket, ingest, keep_undecided
from syncd.intake.fuses import Fusebox
from syncd.intake.pushed import notified, numbers_of
from syncd.intake.readers import Readers, may_read
from syncd.intake.reading import (
    Missing,
    Reading,
    ReadResult,
    broken,
    failed,
    look_at,
    next_turn,
    retry_at,
)
from syncd.intake.records import ConfigurationMoved, Decider, Decision, Snapshot
from syncd.model.features import Limits
from syncd.model.features import Reading as FeatureReading
from syncd.model.ids import ConnectionName, CorrelationId, OperationKey, TicketRow
from syncd.model.ticket import Ticket
from syncd.ports.clock import Clock, IdSource
from syncd.ports.errors import CredentialsRejected, OddAnswer, RemoteContext, RemoteError
from syncd.store import connections, feeds, inbox, journal, leases, tickets
from syncd.store.database import Database
from syncd.store.errors import StoreUnavailable
from syncd.store.records import ITS_TURN, DueRead, InboxItem, SaveResult
from syncd.store.tx import Tx
from syncd.store.watching import Turn

CORRELATION_CHARS = 8
"""Characters of a correlation id."""

OWNER_CHARS = 16
"""Characters of the name under which one process of several reads."""

READ_LEASE_S = 30.0
"""Longest time, in seconds, that a dead process keeps others from reading; renewed at half."""

MOVED_RETRY_S = 5.0
"""How soon is tried again what a configuration being exchanged came between."""

_ANOTHER = "the answer is of ticket {}, which was not asked for"

T = TypeVar("T")


class IntakeMetrics(Protocol):
    """What intake tells the metrics."""

    def polled(self, connection: str, *, complete: bool, at: datetime) -> None:
        """A poll of a connection ended."""
        ...

    def read(self, connection: str, result: str) -> None:
        """A ticket was read, or not."""
        ...

    def fused(self, mapping: str, act: str) -> None:
        """A fuse tripped: too much at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRound:
    """What one poll of one connection came to.

    Attributes:
        due: tickets made due for reading.
        requests: requests it took.
        gap: more is to be read: poll again soon.
        error: why it failed; empty when it did not.
    """

    due: int = 0
    requests: int = 0
    gap: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of reading and deciding came to."""

    pushed: int = 0
    read: int = 0
    changed: int = 0
    failed: int = 0
    discarded: int = 0
    decided: int = 0
    decision: Decision = field(default_factory=Decision)

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.pushed or self.read or self.failed or self.discarded or self.decided)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakePorts:
    """What the service is built on.

    Attributes:
        db: the store.
        clock, ids: time and randomness.
        prefix: the instance's, first part of every fresh operation key.
        root: its first prefix, from which keys are derived; empty: all keys are fresh.
        metrics: told about polls and reads; None: nobody.
    """

    db: Database
    clock: Clock
    ids: IdSource
    prefix: str
    root: str = ""
    metrics: IntakeMetrics | None = None


class Intake:
    """Reads what is due and decides about it; knows nothing of sending."""

    def __init__(
        self,
        ports: IntakePorts,
        config: IntakeConfig,
        *,
        options: IntakeOptions | None = None,
        wake: asyncio.Event | None = None,
        delivery_wake: asyncio.Event | None = None,
    ) -> None:
        """Take what it works with.

        Args:
            ports: store, clock, ids.
            config: mappings, adapters and traits; replaced by `reload`.
            options: limits.
            wake: rung when something may be due.
            delivery_wake: rung by us when operations were planned.
        """
        self._ports = ports
        self._config = config
        self._options = options or IntakeOptions()
        self._wake = wake or asyncio.Event()
        self._delivery_wake = delivery_wake or asyncio.Event()
        self._missing = Missing(self._options.gone_after)
        self.read_at: dict[ConnectionName, datetime] = {}
        """When a ticket of a connection was last read; the store keeps only when one changed."""
        self._owner = ports.ids.token(OWNER_CHARS)
        self._reads_until: dict[ConnectionName, datetime] = {}
        self._fuses = Fusebox(ports.db)
        self._log = structlog.get_logger("syncd.intake")

    def reload(self, config: IntakeConfig) -> None:
        """Work with another configuration from the next round on."""
        self._config = config
        self._wake.set()

    # --- polling -----------------------------------------------------------------------------

    async def poll(self, connection: ConnectionName) -> PollRound:
        """Read a connection's feed or scan once, for every kind of ticket that mappings use."""
        config = self._config
        adapter = config.adapters[connection]
        if adapter.features.reading is FeatureReading.WATCH:
            return PollRound()
        if connection in await self._ports.db.read(connections.paused):
            return PollRound(error="paused")
        total = PollRound()
        for kind in config.kinds(connection):
            each = await self._poll_kind(config, connection, kind)
            total = PollRound(
                due=total.due + each.due,
                requests=total.requests + each.requests,
                gap=total.gap or each.gap,
                error=total.error or each.error,
            )
        self._fuses.polled(connection, total.due, gap=total.gap, now=self._ports.clock.now())
        if total.due:
            self._wake.set()
        return total

    async def _poll_kind(
        self, config: IntakeConfig, connection: ConnectionName, kind: str
    ) -> PollRound:
        db, clock = self._ports.db, self._ports.clock
        cursor = await db.read(feeds.load_cursor, connection, kind)
        try:
            result = await config.adapters[connection].poll(kind, cursor)
        except RemoteError as error:
            await self._poll_failed(connection, kind, error)
            return PollRound(error=str(error))
        except Exception as error:  # noqa: BLE001 - an adapter's bug must not stop the others
            self._log.exception("intake.poll_broke", connection=connection)
            wrapped = OddAnswer(f"{type(error).__name__}: {error}", RemoteContext())
            await self._poll_failed(connection, kind, wrapped)
            return PollRound(error=str(wrapped))
        if result.listed == 0 and await self._fuses.emptied(connection, kind, clock.now()):
            # The cursor stays: after `syncd resume` the same is read again.
            return PollRound(requests=result.requests, error="paused")
        due = await db.write(feeds.save_poll, connection, kind, result, now=clock.now())
        if self._ports.metrics is not None:
            self._ports.metrics.polled(connection, complete=not result.gap, at=clock.now())
        self._log.info(
            "intake.polled",
            connection=connection,
            kind=kind,
            sighted=len(result.sightings),
            due=due,
            requests=result.requests,
            gap=result.gap,
            odd=len(result.notes),
        )
        return PollRound(due=due, requests=result.requests, gap=result.gap)

    async def _poll_failed(self, connection: ConnectionName, kind: str, error: RemoteError) -> None:
        """Keep a failed poll; the first of a row is told, the cursor stays."""
        now = self._ports.clock.now()
        row = await self._ports.db.write(
            feeds.poll_failed, connection, kind, error=str(error), now=now
        )
        if row == 1:
            self._log.warning("intake.poll_failed", connection=connection, error=str(error))
        if isinstance(error, CredentialsRejected):
            await self._pause(connection, str(error))

    async def _pause(self, connection: ConnectionName, reason: str) -> None:
        now = self._ports.clock.now()
        if await self._ports.db.write(
            connections.pause_once, connection, reason, by="syncd", now=now
        ):
            self._log.error("connection.paused", connection=connection, reason=reason)

    # --- rounds ------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Do whatever is due until told to stop; a slow connection holds up no other."""
        readers = Readers[Round](self._read_next, rung=self._wake)
        try:
            while not stop.is_set():
                self._wake.clear()
                if (await self._go_on(readers)).is_idle:
                    await self._rest(stop)
            await readers.finish()
        finally:
            await readers.cut_off()

    async def _go_on(self, readers: Readers[Round]) -> Round:
        """Do what can be done now; reading goes on beside it, each connection for itself."""
        config = self._config
        total = Round(pushed=await self._take_inbox(config))
        paused = await self._ports.db.read(connections.paused)
        for each in readers.collect():
            total = _add(total, each)
        readers.start(name for name in config.adapters if name not in paused)
        return _add(total, await self._decide_due(config))

    async def _read_next(self, connection: ConnectionName) -> Round:
        """Read what is due of a connection, and ring when something came of it."""
        waited = connection in self._fuses.waiting()
        found = await self._read_due(self._config, connection)
        if not found.is_idle or (waited and connection not in self._fuses.waiting()):
            self._wake.set()
        return found

    async def _rest(self, stop: asyncio.Event) -> None:
        """Wait for the doorbell, the stop, or the longest idle time."""
        waits = [
            asyncio.ensure_future(self._wake.wait()),
            asyncio.ensure_future(stop.wait()),
            asyncio.ensure_future(self._ports.clock.sleep(self._options.idle_s)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def drain(self) -> Round:
        """Make rounds until nothing is due, at most `rounds_max` of them."""
        total = Round()
        for _ in range(self._options.rounds_max):
            each = await self.run_round()
            total = _add(total, each)
            if each.is_idle:
                break
        return total

    async def run_round(self) -> Round:
        """Take pushed numbers, read what is due of every connection, decide what is due."""
        config = self._config
        pushed = await self._take_inbox(config)
        paused = await self._ports.db.read(connections.paused)
        rounds = await _all(
            self._read_due(config, name) for name in config.adapters if name not in paused
        )
        decided = await self._decide_due(config)
        total = _add(Round(pushed=pushed), decided)
        for each in rounds:
            total = _add(total, each)
        return total

    # --- inbox -------------------------------------------------------------------------------

    async def _take_inbox(self, config: IntakeConfig) -> int:
        items = await self._ports.db.read(inbox.take, limit=self._options.inbox_per_round)
        if not items:
            return 0
        await self._ports.db.write(self._make_due, items, config, self._ports.clock.now())
        return len(items)

    def _make_due(
        self, tx: Tx, items: list[InboxItem], config: IntakeConfig, now: datetime
    ) -> None:
        """Make pushed numbers known and due (a unit of the store)."""
        ours = inbox.lock(tx, [item.id for item in items])
        items = [item for item in items if item.id in ours]
        for item in items:
            kinds = config.kinds(item.connection)
            numbers = numbers_of(item.body)
            if not numbers or not kinds or item.connection not in config.adapters:
                detail = "no mapping uses the connection" if numbers else "it cannot be understood"
                journal.append(tx, notified(item, now, "notify.ignored", detail, None))
                continue
            connections.note_news(tx, item.connection, now)
            for number in numbers:
                row = tickets.ensure_ticket(
                    tx, item.connection, kinds[0], number=number, now=now, watched=True
                )
                tickets.hasten(tx, [row], now)
                detail = f"by {item.received_from}"
                journal.append(tx, notified(item, now, "ticket.notified", detail, row))
        inbox.done(tx, [item.id for item in items], now=now)

    # --- reads -------------------------------------------------------------------------------

    async def _read_due(self, config: IntakeConfig, connection: ConnectionName) -> Round:
        db, clock = self._ports.db, self._ports.clock
        limits = config.traits[connection].features.limits
        due = await db.read(
            tickets.due_reads, connection, now=clock.now(), limit=self._most_reads(limits)
        )
        if not due:
            self._fuses.gathered(connection, more=False, now=clock.now())
            return Round()
        if not await self._may_read(connection):
            return Round()
        try:
            return await self._read_all(config, connection, due)
        finally:
            if db.is_shared:
                self._reads_until.pop(connection, None)
                await db.write(leases.give_back, f"read/{connection}", self._owner)

    def _most_reads(self, limits: Limits) -> int:
        """Give how many reads a round may take: a slow connection must not hold up the others."""
        options = self._options
        in_time = int(limits.requests_per_s * options.round_s)
        return min(options.reads_per_round, max(options.reads_min, in_time))

    async def _may_read(self, connection: ConnectionName) -> bool:
        """Say whether this process reads what is due: of several, one does at a time."""
        db, now = self._ports.db, self._ports.clock.now()
        if not db.is_shared:
            return True
        until = self._reads_until[connection] = now + timedelta(seconds=READ_LEASE_S)
        return await may_read(db, connection, self._owner, now=now, until=until)

    async def _keep_reading(self, connection: ConnectionName) -> None:
        """Renew the right to read while a round goes on."""
        until = self._reads_until.get(connection)
        if until is None:
            return
        if (until - self._ports.clock.now()).total_seconds() < READ_LEASE_S / 2.0:
            await self._may_read(connection)

    async def _read_all(
        self, config: IntakeConfig, connection: ConnectionName, due: list[DueRead]
    ) -> Round:
        clock, limits = self._ports.clock, config.traits[connection].features.limits
        limit = asyncio.Semaphore(limits.concurrency)
        await self._fuses.recall(config, clock.now())
        together = self._fuses.gathers(config, connection, len(due), clock.now())
        results = await _all(self._read(config, each, limit, together) for each in due)
        more = len(due) >= self._most_reads(limits)
        self._fuses.gathered(connection, more=more, now=clock.now())
        gone = self._missing.judge(connection, [result for result, _ in results])
        total = Round()
        for result, each in results:
            total = _add(total, each)
            if result.reading is Reading.READ:
                self.read_at[connection] = clock.now()
            else:
                await self._read_failed(result, gone=result.due.row in gone)
                total = _add(total, Round(failed=1))
        return total

    async def _read(
        self, config: IntakeConfig, due: DueRead, limit: asyncio.Semaphore, together: bool
    ) -> tuple[ReadResult, Round]:
        async with limit:
            await self._keep_reading(due.connection)
            started_at = self._ports.clock.now()
            try:
                ticket = await config.adapters[due.connection].read(due.ref)
            except RemoteError as error:
                return failed(due, error), Round()
            except Exception as error:  # noqa: BLE001 - an adapter's bug must not hide others
                self._log.exception("intake.read_broke", connection=due.connection)
                return broken(due, error), Round()
        if due.ref.id is not None and ticket.id != due.ref.id:
            return ReadResult(
                due=due, reading=Reading.ODD, error=_ANOTHER.format(ticket.id)
            ), Round()
        now = self._ports.clock.now()
        read = Snapshot(
            due=due,
            ticket=ticket,
            started_at=started_at,
            next_poll_at=self._next_turn(config, due, ticket, now),
        )
        try:
            done = await self._store(config, read, now, together)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one ticket's bug must not stop the others
            self._log.exception("intake.snapshot_broke", connection=due.connection)
            return broken(due, error), Round()
        return ReadResult(due=due, reading=Reading.READ), done

    async def _store(
        self, config: IntakeConfig, read: Snapshot, now: datetime, together: bool
    ) -> Round:
        db, due, decision = self._ports.db, read.due, Decision()
        try:
            decider = self._decider(config, now)
            saved, decision = await db.write(ingest, read, decider, together=together)
            self._fuses.note(decision.signs)
        except StoreUnavailable:
            raise
        except ConfigurationMoved:
            at = now + timedelta(seconds=MOVED_RETRY_S)
            error = "the configuration was being exchanged"
            await db.write(tickets.read_failed, due.row, now=now, retry_at=at, error=error)
            return Round(discarded=1)
        except Exception:  # noqa: BLE001 - what was read is kept, whatever deciding comes to
            self._log.exception("intake.decision_broke", connection=due.connection, ticket=due.row)
            saved = await db.write(keep_undecided, read, now=now, decide_at=self._much_later(now))
        self._ring(decision)
        if self._ports.metrics is not None:
            self._ports.metrics.read(due.connection, saved)
        if saved in (SaveResult.DISCARDED, SaveResult.REFUSED):
            return Round(discarded=1)
        if saved is SaveResult.CHANGED:
            self._log.info(
                "intake.read",
                connection=due.connection,
                ticket=read.ticket.number,
                cause=due.cause,
                planned=decision.planned,
                opened=decision.opened,
                conflicts=decision.conflicts,
            )
        return Round(read=1, changed=int(saved is SaveResult.CHANGED), decision=decision)

    def _ring(self, decision: Decision) -> None:
        """Tell delivery at once what there is to send, not when the whole round is over."""
        if decision.planned or decision.opened:
            self._delivery_wake.set()

    def _much_later(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._options.retry_max_s)

    def _next_turn(self, config: IntakeConfig, due: DueRead, ticket: Ticket, now: datetime) -> Turn:
        """Say when a ticket is read again without being seen in between; None: not at all."""
        traits = config.traits[due.connection]
        if config.is_watched(due.connection):
            pace, jitter = config.pace(due.connection), self._ports.ids.jitter()
            return next_turn(ticket, traits, pace, now=now, jitter=jitter)
        # A feed may be fresher than the ticket it names: read once more when that has settled.
        settle_s = traits.features.settle_s
        if settle_s > 0 and due.cause != ITS_TURN:
            return now + timedelta(seconds=settle_s)
        return None

    async def _read_failed(self, result: ReadResult, *, gone: bool) -> None:
        """Keep a failed read: tried again later, unless the ticket is believed gone (R8)."""
        now, due = self._ports.clock.now(), result.due
        await self._ports.db.write(
            tickets.read_failed,
            due.row,
            now=now,
            retry_at=retry_at(result, now, self._options),
            error=result.error,
            gone=gone,
            look_at=look_at(result, now, self._options),
        )
        if due.failures == 0 or gone:
            self._log.warning(
                "intake.read_failed",
                connection=due.connection,
                ticket=due.ref.number or due.ref.id,
                error=result.error,
                gone=gone,
            )
        if self._ports.metrics is not None:
            self._ports.metrics.read(due.connection, result.reading)
        if result.reading is Reading.REJECTED:
            await self._pause(due.connection, result.error)

    # --- decisions ---------------------------------------------------------------------------

    async def _decide_due(self, config: IntakeConfig) -> Round:
        db, clock = self._ports.db, self._ports.clock
        now, most = clock.now(), self._options.decisions_per_round
        waiting = self._fuses.waiting()
        rows = await db.read(tickets.decide_due, now=now, limit=most, but_of=waiting)
        if not rows:
            return Round()
        for blown in await self._fuses.judge(config, now):
            self._log.error("mapping.paused", mapping=blown.mapping, reason=str(blown.trip))
            if self._ports.metrics is not None:
                self._ports.metrics.fused(blown.mapping, blown.trip.act)
        decisions = await _all(self._decide(config, row) for row in rows)
        total = Decision()
        for each in decisions:
            total += each
        return Round(decided=len(rows), decision=total)

    async def _decide(self, config: IntakeConfig, row: TicketRow) -> Decision:
        """Decide about one ticket; a bug there is told, put off, and spares the others."""
        now = self._ports.clock.now()
        try:
            decision = await self._ports.db.write(decide_ticket, row, self._decider(config, now))
            self._fuses.note(decision.signs)
            self._ring(decision)
            return decision
        except StoreUnavailable:
            raise
        except ConfigurationMoved:
            soon = now + timedelta(seconds=MOVED_RETRY_S)
            await self._ports.db.write(tickets.set_decide_due, row, soon)
            return Decision()
        except Exception:  # noqa: BLE001 - one ticket's bug must not stop the others
            self._log.exception("intake.decision_broke", ticket=row)
            await self._ports.db.write(tickets.set_decide_due, row, self._much_later(now))
            return Decision()

    def _decider(self, config: IntakeConfig, now: datetime) -> Decider:
        ids, prefix = self._ports.ids, self._ports.prefix
        return Decider(
            config=config,
            new_key=lambda: OperationKey(f"{prefix}-{ids.token(KEY_CHARS)}"),
            correlation_id=CorrelationId(ids.token(CORRELATION_CHARS)),
            seen_at=now,
            now=now,
            root=self._ports.root,
        )


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all of it side by side and let all of it end, before the first error is raised."""
    done = await asyncio.gather(*work, return_exceptions=True)
    results: list[T] = []
    for each in done:
        if isinstance(each, BaseException):
            raise each
        results.append(each)
    return results


def _add(left: Round, right: Round) -> Round:
    return Round(
        pushed=left.pushed + right.pushed,
        read=left.read + right.read,
        changed=left.changed + right.changed,
        failed=left.failed + right.failed,
        discarded=left.discarded + right.discarded,
        decided=left.decided + right.decided,
        decision=left.decision + right.decision,
    )
