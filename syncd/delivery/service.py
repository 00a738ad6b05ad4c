"""The delivery service: claims what is due, carries it out side by side, stores what came of it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from syncd.delivery import outcomes
from syncd.delivery.files import Files
from syncd.delivery.lanes import Lanes
from syncd.delivery.ledger import Ledger
from syncd.delivery.options import Hooks, Options, RoundResult
from syncd.delivery.outcomes import Progress, Verdict
from syncd.delivery.probing import probe
from syncd.delivery.rechecks import Rechecks
from syncd.delivery.reports import Reports
from syncd.delivery.sending import send
from syncd.delivery.settling import Settler
from syncd.delivery.standstill import Standstill
from syncd.delivery.steps import ClockSteps
from syncd.delivery.tools import Tools
from syncd.model.ids import ConnectionName
from syncd.model.outbox import ClaimedOperation, OutcomeKind
from syncd.ports.adapter import Adapter
from syncd.ports.clock import Clock, IdSource
from syncd.store.database import Database
from syncd.store.records import Recovered
from syncd.store.spool import Spool

DUE_WAIT_MIN_S = 0.01
"""Shortest wait for an operation that will be due, in seconds."""
FAILED_WAIT_MAX_S = 30.0
"""Longest wait after claiming failed, in seconds."""
STILL_SHARE, BEAT_SHARE = 0.5, 0.05
"""Of a lease: a standstill too long to send after it, and how often one is looked for."""


@dataclass(slots=True)
class _Tally:
    """What the operations carried out so far came to."""

    outcomes: Counter[OutcomeKind] = field(default_factory=Counter)
    lost: int = 0


class Delivery:
    """Carries out the outbox of one store, as one lease owner.

    `run_round` does what is due now and returns; `run` goes on until told to stop.
    """

    def __init__(
        self,
        db: Database,
        adapters: Mapping[ConnectionName, Adapter],
        spool: Spool,
        *,
        clock: Clock,
        ids: IdSource,
        options: Options,
        hooks: Hooks,
    ) -> None:
        """Build the service; nothing happens yet.

        Args:
            db: the open store.
            adapters: connection -> adapter; looked at anew for each claim, so a reload may swap.
            spool: where attachments lie meanwhile.
            clock: where time comes from.
            ids: where jitter comes from.
            options: owner and bounds.
            hooks: live mappings, doorbell, metrics, log.
        """
        self._adapters = adapters
        self._clock = clock
        self._options = options
        self._doorbell = hooks.doorbell
        self._reports = Reports(hooks.log, hooks.metrics)
        self._ledger = Ledger(db, clock=clock, options=options, live_mappings=hooks.live_mappings)
        self._lanes = Lanes(adapters, options)
        self._tools = Tools(
            ledger=self._ledger,
            adapters=adapters,
            files=Files(adapters, spool, clock=clock, options=options),
            lanes=self._lanes,
            clock=clock,
            ids=ids,
            options=options,
            steps=ClockSteps(clock),
            standstill=Standstill(clock, longest_s=options.lease_s * STILL_SHARE),
            question=hooks.question,
            normalise=hooks.normalise,
        )
        self._settler = Settler(self._ledger, self._reports, clock)
        self._rechecks = Rechecks(self._tools, self._reports)
        self._tasks: set[asyncio.Task[None]] = set()
        self._claim_unsure = False
        self._held_once = False

    async def recover(self) -> Recovered:
        """Take over what dead owners left; to be called once, before the first round.

        While running, the same is done every few seconds for owners that have died since.
        """
        await self._ledger.hold()
        self._held_once = True
        return await self._recover(at_start=True)

    async def _recover(self, *, at_start: bool) -> Recovered:
        recovered = await self._ledger.recover(at_start=at_start)
        if recovered.ready or recovered.unknown:
            self._reports.recovered(recovered.ready, recovered.unknown)
        return recovered

    async def run_round(self) -> RoundResult:
        """Do what is due now: claim once, carry all of it out, store the outcomes, recheck.

        Raises:
            StoreUnavailable: nothing could be claimed.
        """
        tally = _Tally()
        claimed = await self._fill(tally)
        await _finished(self._tasks)
        rechecked = await self._rechecks.run_round()
        return RoundResult(
            claimed=claimed,
            outcomes=dict(tally.outcomes),
            lost=tally.lost,
            rechecked=rechecked,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until `stop` is set, then finish what is in flight within `stop_grace_s`.

        Cancelling it stops at once: what is being sent becomes unknown, and that is stored.
        """
        beside = [
            asyncio.create_task(self._repeat(self._keep_leases, self._options.lease_s / 3.0)),
            asyncio.create_task(self._repeat(self._beat, self._options.lease_s * BEAT_SHARE)),
            asyncio.create_task(self._repeat(self._look_again, self._options.poll_s)),
            asyncio.create_task(self._repeat(self._take_over, self._take_over_s)),
        ]
        graceful = False
        try:
            await self._loop(stop)
            graceful = True
        finally:
            self._lanes.is_closing = True
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._close(graceful=graceful)

    async def _loop(self, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            self._doorbell.clear()
            try:
                claimed = await self._fill(_Tally())
                wait_s = await self._wait_s(claimed)
                failures = 0
            except Exception as err:  # noqa: BLE001 - the loop's own: the store may come back
                self._reports.round_failed(err)
                failures += 1
                wait_s = min(FAILED_WAIT_MAX_S, self._options.poll_s * 2.0 ** min(failures, 8))
            if wait_s > 0.0:
                await _first(stop.wait(), self._doorbell.wait(), self._clock.sleep(wait_s))

    async def _wait_s(self, claimed: int) -> float:
        """How long until the next claim, unless something rings."""
        if claimed >= self._options.claim_max:
            return 0.0
        if claimed:
            return self._options.poll_s
        due_at = await self._ledger.next_due()
        until_due_s = (due_at - self._clock.now()).total_seconds() if due_at else 0.0
        # What is due already and was not claimed waits for something else: a pause, a lane.
        if until_due_s <= 0.0:
            return self._options.poll_s
        return min(self._options.poll_s, max(DUE_WAIT_MIN_S, until_due_s))

    async def _fill(self, tally: _Tally) -> int:
        """Claim what the lanes take and start carrying it out; returns how many."""
        if self._claim_unsure and not await self._made_sure():
            return 0
        if self._held_once and not self._ledger.is_held:
            await self._ledger.hold()
        self._lanes.serve(self._adapters)
        free = self._lanes.free(self._clock.monotonic_s())
        free = {name: room for name, room in free.items() if name in self._adapters}
        if not free:
            return 0
        try:
            ops = await self._ledger.claim(free)
        except BaseException:
            self._claim_unsure = True
            raise
        for op in ops:
            self._lanes.take(op.connection)
            task = asyncio.create_task(self._deliver(op, tally), name=f"deliver {op.id}")
            self._tasks.add(task)
            task.add_done_callback(self._over)
        return len(ops)

    async def _made_sure(self) -> bool:
        """Give back what a claim took that ended in an error, once nothing else is held."""
        if self._tasks:
            return False
        await self._ledger.release()
        self._claim_unsure = False
        return True

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._claim_unsure = True  # it is held by us and by nobody's task
            self._reports.round_failed(error)

    async def _deliver(self, op: ClaimedOperation, tally: _Tally) -> None:
        progress = Progress.begin(op, self._clock.now())
        cancelled: asyncio.CancelledError | None = None
        verdict: Verdict | None
        try:
            verdict = await self._attempt(op, progress)
        except asyncio.CancelledError as err:
            verdict, cancelled = outcomes.after_interruption(progress, self._tools.terms(op)), err
        stored = False
        try:
            if verdict is None:
                tally.lost += 1
                self._reports.lost(op)
            else:
                self._learn(progress, verdict)
                self._note_closing(op, verdict)
                stored = await self._settler.store(op, verdict)
                tally.outcomes[verdict.outcome.kind] += stored
        finally:
            if self._lanes.finish(op.connection):
                self._doorbell.set()
        if cancelled is not None:
            raise cancelled
        if stored and verdict is not None:
            await self._verify(op, verdict)

    async def _attempt(self, op: ClaimedOperation, progress: Progress) -> Verdict | None:
        try:
            async with self._lanes.place(op.connection):
                if self._lanes.is_closing:
                    return outcomes.after_interruption(progress, self._tools.terms(op))
                async with asyncio.timeout(self._options.attempt_timeout_s):
                    carry = probe if outcomes.is_probe(op) else send
                    return await carry(op, self._tools, progress)
        except Exception as err:  # noqa: BLE001 - no adapter's failure may end the service
            return outcomes.after_error(op, progress, err, self._tools.terms(op))

    def _note_closing(self, op: ClaimedOperation, verdict: Verdict) -> None:
        if verdict.outcome.kind not in (OutcomeKind.UNKNOWN, OutcomeKind.LATER):
            self._tools.steps.forget(op.id)
        elif verdict.outcome.closed_at is not None:
            self._tools.steps.note(op.id)

    def _learn(self, progress: Progress, verdict: Verdict) -> None:
        outcome, wait_s = verdict.outcome, 0.0
        answered = outcome.kind is OutcomeKind.APPLIED or outcome.saw_nothing
        if verdict.failure is None and not answered:
            return  # nobody was asked
        if outcome.not_before is not None:
            wait_s = (outcome.not_before - outcome.ended_at).total_seconds()
        now_s = self._clock.monotonic_s()
        self._lanes.note(progress.connection, verdict.failure, wait_s, now_s)

    async def _verify(self, op: ClaimedOperation, verdict: Verdict) -> None:
        """Read an attachment back after its receipt is safe, and say what was found."""
        receipt, files = verdict.outcome.receipt, self._tools.files
        if receipt is None or not files.can_verify(op, verdict.write, receipt):
            return
        found = await files.verify(op, verdict.write, receipt)
        if found.as_sent:
            self._reports.verified(op, found.detail)
        elif found.as_sent is None:
            self._reports.unverified(op, found.detail)
            await self._ledger.journal(op, "attachment.unverified", found.detail)
        else:
            self._reports.altered(op, found.detail)
            await self._ledger.journal(op, "attachment.altered", found.detail)

    async def _repeat(self, act: Callable[[], Awaitable[None]], every_s: float) -> None:
        while True:
            await self._clock.sleep(every_s)
            try:
                await act()
            except Exception as err:  # noqa: BLE001 - the loop's own: the store may come back
                self._reports.round_failed(err)

    async def _keep_leases(self) -> None:
        if self._held_once:
            await self._ledger.hold()
        if self._tasks:
            await self._ledger.extend_lease()

    async def _beat(self) -> None:
        self._tools.standstill.beat()

    async def _take_over(self) -> None:
        await self._recover(at_start=False)

    @property
    def _take_over_s(self) -> float:
        """How often is looked for what dead owners left; alone, only leases of our own can end."""
        lease_s = self._options.lease_s / 3.0
        return min(self._options.take_over_s, lease_s) if self._ledger.is_shared else lease_s

    async def _look_again(self) -> None:
        await self._rechecks.run_round()

    async def _close(self, *, graceful: bool) -> None:
        """Let what is in flight finish within the bound, cut off the rest, store what is known."""
        if graceful and self._tasks:
            await _first(_finished(self._tasks), self._clock.sleep(self._options.stop_grace_s))
        cut_off = len(self._tasks)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await _first(_finished(self._tasks), self._clock.sleep(self._options.settle_grace_s))
        if self._settler.abandon():
            await _first(_finished(self._tasks), self._clock.sleep(self._options.settle_grace_s))
        with contextlib.suppress(Exception):  # the lease ends by itself
            await asyncio.wait_for(self._ledger.release(), self._options.settle_grace_s)
        self._reports.stopped(cut_off)


async def _finished(tasks: set[asyncio.Task[None]]) -> None:
    """Wait until all of them, and those started meanwhile, are over; their errors are not ours."""
    while tasks:
        done, _ = await asyncio.wait(set(tasks))
        tasks.difference_update(done)


async def _first(*waits: Awaitable[object]) -> None:
    """Wait until one of them is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
