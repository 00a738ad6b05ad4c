"""Writes that may have left twice are looked at once more after they were found (DESIGN R3)."""

import asyncio
from datetime import datetime, timedelta

from syncd.core.retry import Stage
from syncd.delivery import outcomes, probing
from syncd.delivery.lanes import Lanes
from syncd.delivery.outcomes import Progress
from syncd.delivery.reports import Reports
from syncd.delivery.tools import Tools
from syncd.model.ids import OperationId
from syncd.model.operation import Finding, ProbeResult, Receipt
from syncd.model.outbox import ClaimedOperation

WAITING_MAX = 1000
"""Rechecks whose failure is remembered; more than these are simply tried again sooner."""


class Rechecks:
    """Looks once more at applied operations; what cannot be read stays due and is tried later."""

    def __init__(self, tools: Tools, lanes: Lanes, reports: Reports) -> None:
        """Start with nothing tried."""
        self._tools = tools
        self._lanes = lanes
        self._reports = reports
        self._failed: dict[OperationId, tuple[int, datetime]] = {}

    async def run_round(self) -> int:
        """Look at whatever is due; returns how many could be looked at."""
        limit = self._tools.options.rechecks_max
        now = self._tools.clock.now()
        due = await self._tools.ledger.rechecks_due(limit + len(self._failed))
        ready = [op for op in due if op.connection in self._tools.adapters and self._may(op, now)]
        looks = (self._recheck(op) for op in ready[:limit])
        return sum(await asyncio.gather(*looks))

    def _may(self, op: ClaimedOperation, now: datetime) -> bool:
        tried = self._failed.get(op.id)
        return tried is None or now >= tried[1]

    async def _recheck(self, op: ClaimedOperation) -> bool:
        progress = Progress.begin(op, self._tools.clock.now())
        progress.stage = Stage.LOOK
        try:
            async with self._lanes.slot(op.connection):
                result = await probing.look(op, self._tools, progress)
            if result.finding is Finding.UNCLEAR:
                raise probing.Unclear(result.looked_at)
        except Exception as err:  # noqa: BLE001 - one vendor's failure must not keep others waiting
            self._postpone(op, err)
            return False
        self._failed.pop(op.id, None)
        effects = _effects(result)
        await self._tools.ledger.record_recheck(op, effects, outcomes.one_line(result.looked_at))
        if len(effects) > 1:
            self._reports.doubled(op, effects[1:])
        return True

    def _postpone(self, op: ClaimedOperation, error: BaseException) -> None:
        tries, _ = self._failed.get(op.id, (0, None))
        policy = self._tools.options.retry
        wait_s = min(policy.cap_s, policy.base_s * 2.0 ** min(tries, 16))
        if len(self._failed) < WAITING_MAX:
            at = self._tools.clock.now() + timedelta(seconds=wait_s)
            self._failed[op.id] = (tries + 1, at)
        self._reports.recheck_failed(op, error)


def _effects(result: ProbeResult) -> tuple[Receipt, ...]:
    if result.finding is not Finding.FOUND or result.receipt is None:
        return ()
    return (result.receipt, *result.others)
