"""What delivery says: one summary line per attempt, alerts, and numbers for the metrics."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from syncd.core.retry import Failure
from syncd.delivery.options import Metrics
from syncd.delivery.outcomes import Verdict
from syncd.model.operation import Receipt
from syncd.model.outbox import ClaimedOperation, OutcomeKind
from syncd.store.errors import StoreUnavailable

_LEVELS = {
    OutcomeKind.APPLIED: "info",
    OutcomeKind.LATER: "info",
    OutcomeKind.SUPERSEDED: "info",
    OutcomeKind.UNKNOWN: "warning",
    OutcomeKind.PARKED: "warning",
}


class Reports:
    """Logs and counts; never raises, never stores."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger, metrics: Metrics) -> None:
        """Keep where to log and count."""
        self._log = log
        self._metrics = metrics

    def settled(self, op: ClaimedOperation, verdict: Verdict) -> None:
        """Say what an attempt came to, now that it is stored."""
        outcome = verdict.outcome
        duration_s = (outcome.ended_at - outcome.started_at).total_seconds()
        level = _LEVELS[outcome.kind]
        if verdict.failure is Failure.CIRCUIT_OPEN:
            level = "debug"  # the breaker said once that the connection is down
        if verdict.failure is Failure.INTERNAL:
            level = "error"
        self._log.log(
            _NUMBERS[level],
            f"delivery.{outcome.kind.value}",
            **_keys(op),
            what=outcome.what,
            kind=op.write.kind.value,
            duration_s=round(duration_s, 4),
            status=outcome.status,
            reason=outcome.park_reason.value if outcome.park_reason else None,
            not_before=_text(outcome.not_before),
            detail=outcome.detail or None,
            exc_info=verdict.error if verdict.failure is Failure.INTERNAL else None,
        )
        self._metrics.settled(op.connection, op.write.kind, outcome.kind, duration_s)
        if outcome.kind is OutcomeKind.APPLIED:
            seen_s = (outcome.ended_at - op.seen_at).total_seconds()
            self._metrics.delivered(op.connection, max(0.0, seen_s))
        if outcome.others:
            self.doubled(op, outcome.others)

    def overtaken(self, op: ClaimedOperation, verdict: Verdict) -> None:
        """Say that an outcome came too late: somebody else had settled the operation."""
        self._log.warning("delivery.overtaken", **_keys(op), outcome=verdict.outcome.kind.value)

    def lost(self, op: ClaimedOperation) -> None:
        """Say that the lease was lost before anything was sent."""
        self._log.warning("delivery.lease_lost", **_keys(op))

    def paused(self, op: ClaimedOperation, verdict: Verdict) -> None:
        """Raise the alert that a connection's credentials are refused."""
        self._log.error(
            "delivery.connection_paused", paused=verdict.pause, detail=verdict.outcome.detail
        )
        self._metrics.alerted(verdict.pause or op.connection, "paused")

    def doubled(self, op: ClaimedOperation, others: Sequence[Receipt]) -> None:
        """Raise the alert that one write had several effects."""
        extra = [
            str(other.comment_id or other.attachment_id or other.ticket_id) for other in others
        ]
        self._log.error("delivery.doubled", **_keys(op), others=extra)
        self._metrics.alerted(op.connection, "doubled")

    def altered(self, op: ClaimedOperation, detail: str) -> None:
        """Raise the alert that an attachment reads back differently from what was sent."""
        self._log.error("delivery.attachment_altered", **_keys(op), detail=detail)
        self._metrics.alerted(op.connection, "altered")

    def unverified(self, op: ClaimedOperation, detail: str) -> None:
        """Say that an attachment could not be read back."""
        self._log.warning("delivery.attachment_unverified", **_keys(op), detail=detail)

    def verified(self, op: ClaimedOperation, detail: str) -> None:
        """Say that an attachment reads back as sent."""
        self._log.info("delivery.attachment_verified", **_keys(op), detail=detail)

    def recheck_failed(self, op: ClaimedOperation, error: BaseException) -> None:
        """Say that an applied operation could not be looked at once more; it stays due."""
        self._log.warning("delivery.recheck_failed", **_keys(op), error=type(error).__name__)

    def not_stored(self, op: ClaimedOperation, error: BaseException) -> None:
        """Say that an outcome could not be stored yet."""
        self._log.error(
            "delivery.outcome_not_stored", **_keys(op), error=_said(error), exc_info=_trace(error)
        )

    def round_failed(self, error: BaseException) -> None:
        """Say that operations could not be claimed; tried again after a while."""
        self._log.error("delivery.round_failed", error=_said(error), exc_info=_trace(error))

    def recovered(self, ready: int, unknown: int) -> None:
        """Say what dead owners had left."""
        self._log.info("delivery.recovered", ready=ready, unknown=unknown)

    def stopped(self, cut_off: int) -> None:
        """Say how stopping went."""
        self._log.info("delivery.stopped", cut_off=cut_off)


_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _keys(op: ClaimedOperation) -> dict[str, object]:
    return {
        "correlation_id": op.correlation_id,
        "connection": op.connection,
        "link_id": op.link_id,
        "operation_id": op.id,
        "attempt": op.attempt,
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at is not None else None


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, StoreUnavailable) else type(error).__name__


def _trace(error: BaseException) -> BaseException | None:
    """Give what is told with its trace: a store that is away is no mistake of ours."""
    return None if isinstance(error, StoreUnavailable) else error
