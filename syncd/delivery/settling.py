"""Outcomes are stored, whatever happens to whoever found them (DESIGN R2)."""

import asyncio

from syncd.delivery import outcomes
from syncd.delivery.ledger import Ledger, Settled
from syncd.delivery.outcomes import Verdict
from syncd.delivery.reports import Reports
from syncd.model.outbox import ClaimedOperation
from syncd.ports.clock import Clock
from syncd.store.errors import StoreUnavailable

WAIT_FIRST_S = 0.1
"""Wait after the store refused an outcome for the first time, in seconds; doubled each time."""
WAIT_MAX_S = 10.0
"""Longest wait between two tries to store an outcome, in seconds."""


class Settler:
    """Stores outcomes in tasks of their own, so that cancelling their finder does not lose them.

    A store that is away is asked again until it is back or `abandon` is called; the operation
    meanwhile stays *sending* there, which recovery makes *unknown*: safe, only slower.
    """

    def __init__(self, ledger: Ledger, reports: Reports, clock: Clock) -> None:
        """Start with nothing to store."""
        self._ledger = ledger
        self._reports = reports
        self._clock = clock
        self._storing: set[asyncio.Task[bool]] = set()

    async def store(self, op: ClaimedOperation, verdict: Verdict) -> bool:
        """Commit an outcome; True when it was ours to commit.

        Raises:
            CancelledError: only after the outcome is stored, or when abandoned.
        """
        task = asyncio.create_task(self._store(op, verdict), name=f"settle {op.id}")
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as err:
                cancelled = err
        if cancelled is not None:
            raise cancelled
        return task.result()

    def abandon(self) -> int:
        """Give up what is still being stored; returns how many."""
        storing = [task for task in self._storing if not task.done()]
        for task in storing:
            task.cancel()
        return len(storing)

    async def _store(self, op: ClaimedOperation, verdict: Verdict) -> bool:
        wait_s, is_last = WAIT_FIRST_S, False
        while True:
            try:
                stored = await self._ledger.settle(op, verdict)
            except StoreUnavailable as err:
                self._reports.not_stored(op, err)
                await self._clock.sleep(wait_s)
                wait_s = min(2.0 * wait_s, WAIT_MAX_S)
            except Exception as err:  # a bug must not lose what the vendor answered
                self._reports.not_stored(op, err)
                if is_last:
                    raise
                verdict, is_last = outcomes.unstorable(verdict, err), True
            else:
                self._say(op, verdict, stored)
                return stored.in_time

    def _say(self, op: ClaimedOperation, verdict: Verdict, stored: Settled) -> None:
        if stored.in_time:
            self._reports.settled(op, verdict)
        else:
            self._reports.overtaken(op, verdict)
        if stored.paused:
            self._reports.paused(op, verdict)
