"""Writes that may have left twice are looked at once more after they were found (DESIGN R3)."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from syncd.core.retry import Stage
from syncd.delivery import outcomes, probing
from syncd.delivery.outcomes import Progress
from syncd.delivery.reports import Reports
from syncd.delivery.tools import Tools
from syncd.model.operation import Finding, ProbeResult, Receipt, WriteKind
from syncd.model.outbox import ClaimedOperation

AGAIN_AFTER_S = 60.0
"""Wait before a recheck that could not read is tried again, in seconds, jitter apart."""


class Rechecks:
    """Looks once more at applied operations; what cannot be read stays due and is tried later."""

    def __init__(self, tools: Tools, reports: Reports) -> None:
        """Keep what a look needs."""
        self._tools = tools
        self._reports = reports

    async def run_round(self) -> int:
        """Look at whatever is due; returns how many were looked at."""
        due = await self._tools.ledger.rechecks_due()
        due = [op for op in due if op.connection in self._tools.adapters]
        await asyncio.gather(*(self._recheck(op) for op in due))
        return len(due)

    async def _recheck(self, op: ClaimedOperation) -> None:
        progress = Progress.begin(op, self._tools.clock.now())
        progress.stage = Stage.LOOK
        ledger = self._tools.ledger
        try:
            result = await probing.look(op, self._tools, progress)
            if result.finding is Finding.UNCLEAR:
                raise probing.Unclear(result.looked_at)
        except Exception as err:  # noqa: BLE001 - one vendor's failure must not keep others waiting
            self._reports.recheck_failed(op, err)
            wait = timedelta(seconds=AGAIN_AFTER_S * (1.0 + self._tools.ids.jitter()))
            at = self._tools.clock.now() + wait
            await ledger.record_recheck(op, (), again_at=at, detail=type(err).__name__)
            return
        others = _others(op.write.kind, result, await ledger.known_effect(op))
        detail = outcomes.one_line(result.looked_at)
        await ledger.record_recheck(op, others, again_at=None, detail=detail)
        if others:
            self._reports.doubled(op, others)


def _others(
    kind: WriteKind, result: ProbeResult, known: Mapping[str, object]
) -> tuple[Receipt, ...]:
    """Return the effects beside the one that was adopted."""
    if result.finding is not Finding.FOUND or result.receipt is None:
        return ()
    effects = (result.receipt, *result.others)
    name = _MADE.get(kind)
    if name is None or known.get(name) is None:
        return effects[1:]
    return tuple(effect for effect in effects if getattr(effect, name) != known[name])


_MADE = {
    WriteKind.CREATE: "ticket_id",
    WriteKind.COMMENT: "comment_id",
    WriteKind.ATTACHMENT: "attachment_id",
}
