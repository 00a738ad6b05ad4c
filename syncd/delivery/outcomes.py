"""From what happened to what is stored: the one place where errors become outcomes.

The decisions are the tables of `syncd.core.retry`; here they meet the error classes of
`syncd.ports.errors` and become an `Outcome`. Any exception not named is INTERNAL: while sending
that means unknown, before it that nothing left.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from syncd.core.retry import (
    Action,
    Failure,
    Meaning,
    RetryPolicy,
    Stage,
    Wait,
    after_outage_at,
    first_look_at,
    meaning,
    retry_at,
)
from syncd.model.errors import ensure
from syncd.model.features import WriteFeature
from syncd.model.ids import ConnectionName, TicketId
from syncd.model.operation import OperationState, ParkReason, Receipt, Write, WriteKind
from syncd.model.outbox import ClaimedOperation, Outcome, OutcomeKind, SaidInstead
from syncd.ports.errors import (
    CircuitOpen,
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteError,
    StaleVersion,
    TokenRejected,
    Unreachable,
    Unsupported,
)
from syncd.store.errors import StoreUnavailable
from syncd.store.spool import SpoolFull

DETAIL_CHARS_MAX = 500
"""Longest line about an outcome kept for the operator."""

# Subclasses before their bases: the first that fits counts.
FAILURES: tuple[tuple[type[Exception], Failure], ...] = (
    (CircuitOpen, Failure.CIRCUIT_OPEN),
    (Unreachable, Failure.UNREACHABLE),
    (RateLimited, Failure.RATE_LIMITED),
    (TokenRejected, Failure.TOKEN_REJECTED),
    (CredentialsRejected, Failure.CREDENTIALS_REJECTED),
    (StaleVersion, Failure.STALE_VERSION),
    (NotFound, Failure.NOT_FOUND),
    (Unsupported, Failure.UNSUPPORTED),
    (Refused, Failure.REFUSED),
    (OddAnswer, Failure.ODD_ANSWER),
    (OutcomeUnknown, Failure.OUTCOME_UNKNOWN),
    # Our own limit on one attempt, below the transport's.
    (TimeoutError, Failure.OUTCOME_UNKNOWN),
    (StoreUnavailable, Failure.LOCAL),
    (SpoolFull, Failure.LOCAL),
    (OSError, Failure.LOCAL),
)
"""Error class -> class of failure."""

BLIND = WriteFeature(can_probe=False)
"""What is assumed of a write that the provider does not declare: nothing can be found out."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far one attempt has come; what an exception or a cancellation means depends on it.

    Attributes:
        stage: what is being done now.
        connection: whom it is being done with.
        started_at: when the attempt began; for a send, when the first byte might have left.
        request: one line of what is sent or read; names fields, never their values.
        write: what is sent, completed (attachment).
    """

    stage: Stage
    connection: ConnectionName
    started_at: datetime
    request: str
    write: Write

    @classmethod
    def begin(cls, op: ClaimedOperation, now: datetime) -> "Progress":
        """Start an attempt of which nothing has left."""
        return cls(
            stage=Stage.PREPARE,
            connection=op.connection,
            started_at=now,
            request=describe(op.write),
            write=op.write,
        )

    def complete(self, write: Write) -> None:
        """Take the write as it is really sent."""
        self.write, self.request = write, describe(write)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """An outcome and what else is stored with it, in the same transaction.

    Attributes:
        outcome: what the attempt came to.
        write: what was sent, completed.
        pause: the connection whose credentials are refused; None: none.
        hasten: the target is to be read again soon.
        failure: class of failure; None when nothing failed.
        error: what was raised, for the log.
        is_marked: the provider keeps our key in such a write, so its effect can be told from
            another one's.
    """

    outcome: Outcome
    write: Write
    is_marked: bool = False
    pause: ConnectionName | None = None
    hasten: bool = False
    failure: Failure | None = None
    error: BaseException | None = field(default=None, compare=False)

    @property
    def blocks(self) -> bool:
        """Whether nothing may pass the operation: in doubt, and nothing tells its effect (R6)."""
        return self.outcome.park_reason is ParkReason.IN_DOUBT and not self.is_marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an outcome depends on beside the error.

    Attributes:
        feature: how this kind of write behaves at this provider.
        policy: bounds of back-off.
        jitter: a random number in [0, 1).
        now: aware UTC instant at which the attempt ended.
    """

    feature: WriteFeature
    policy: RetryPolicy
    jitter: float
    now: datetime


def failure_of(error: BaseException) -> Failure:
    """Name an exception's class of failure; INTERNAL for whatever adapters may not raise."""
    for kind, failure in FAILURES:
        if isinstance(error, kind):
            return failure
    return Failure.INTERNAL


def after_error(
    op: ClaimedOperation, progress: Progress, error: BaseException, terms: Terms
) -> Verdict:
    """Turn what was raised during an attempt into its outcome.

    Spec: DESIGN R3, R11; STYLE section 6.
    """
    failure = failure_of(error)
    if failure is Failure.NOT_FOUND and _is_deleted(op, progress):
        receipt = Receipt(ticket_id=op.write.ticket_id or TicketId(""))
        return applied(op, progress, receipt, terms)
    rule = meaning(progress.stage, failure)
    outcome = _blank(progress, terms, error)
    if rule.action is Action.UNKNOWN:
        closed_at = error.closed_at if isinstance(error, OutcomeUnknown) else None
        outcome = _unknown(outcome, closed_at or terms.now, terms.feature)
    elif rule.action is Action.PARK:
        outcome = replace(outcome, kind=OutcomeKind.PARKED, park_reason=rule.park_reason)
    else:
        outcome = _later(outcome, _wait_until(op, rule, error, terms), rule)
    return replace(
        _verdict(outcome, progress, terms),
        pause=progress.connection if rule.pauses else None,
        hasten=rule.hastens,
        failure=failure,
        error=error,
    )


def _is_deleted(op: ClaimedOperation, progress: Progress) -> bool:
    """Whether "not found" is what a delete wants: there is nothing left (R3)."""
    is_asked = progress.stage in (Stage.SEND, Stage.LOOK)
    return op.write.kind is WriteKind.DELETE and is_asked


def after_interruption(progress: Progress, terms: Terms) -> Verdict:
    """Say what an attempt came to that was cancelled: unknown if it was sending, else nothing."""
    outcome = replace(_blank(progress, terms, None), detail="interrupted: the daemon is stopping")
    if progress.stage is Stage.SEND:
        outcome = _unknown(outcome, terms.now, terms.feature)
    else:
        outcome = replace(outcome, not_before=terms.now, costs_attempt=False)
    return _verdict(outcome, progress, terms)


def applied(op: ClaimedOperation, progress: Progress, receipt: Receipt, terms: Terms) -> Verdict:
    """Say that the provider confirmed the write.

    Where bytes may have left before, it is looked at once more after the settle time (R3).
    """
    # The one that every write comes to when all is well: made in one go, not changed after.
    outcome = Outcome(
        kind=OutcomeKind.APPLIED,
        started_at=progress.started_at,
        ended_at=max(terms.now, progress.started_at),
        what=_what(progress),
        receipt=receipt,
        recheck_at=_recheck_at(op, before=1, terms=terms),
        detail=f"request {receipt.request_id}" if receipt.request_id else "",
        request=one_line(progress.request),
    )
    return _verdict(outcome, progress, terms)


def found(
    op: ClaimedOperation, progress: Progress, effects: tuple[Receipt, ...], terms: Terms
) -> Verdict:
    """Say that a probe found the write, once or more often; the oldest effect comes first."""
    ensure(effects, "a write that was found has an effect")
    outcome = replace(
        _blank(progress, terms, None),
        kind=OutcomeKind.APPLIED,
        receipt=effects[0],
        others=effects[1:],
        recheck_at=_recheck_at(op, before=2, terms=terms),
    )
    return _verdict(outcome, progress, terms)


def parked(progress: Progress, reason: ParkReason, detail: str, terms: Terms) -> Verdict:
    """Say that a person is needed."""
    outcome = replace(
        _blank(progress, terms, None),
        kind=OutcomeKind.PARKED,
        park_reason=reason,
        detail=one_line(detail),
    )
    return _verdict(outcome, progress, terms)


def unwanted(progress: Progress, detail: str, terms: Terms) -> Verdict:
    """Say that the precondition does not hold, or that there is nothing to change."""
    outcome = replace(
        _blank(progress, terms, None),
        kind=OutcomeKind.SUPERSEDED,
        costs_attempt=False,
        detail=one_line(detail),
    )
    return _verdict(outcome, progress, terms)


def replaced(progress: Progress, instead: SaidInstead, terms: Terms) -> Verdict:
    """Say that nothing is created: what it was about is said on a ticket that is active."""
    name = instead.ticket_number or instead.ticket_id
    verdict = unwanted(progress, f"said on {instead.ticket_kind} {name} instead", terms)
    return replace(verdict, outcome=replace(verdict.outcome, instead=instead))


def unstorable(verdict: Verdict, error: BaseException) -> Verdict:
    """Say what is stored instead of an outcome that cannot be stored: a bug, so a person looks.

    Whatever was answered stands in the detail.
    """
    was = verdict.outcome
    receipt = was.receipt
    effect = f", ticket {receipt.ticket_id} {receipt.comment_id or ''}" if receipt else ""
    outcome = replace(
        was,
        kind=OutcomeKind.PARKED,
        park_reason=ParkReason.IN_DOUBT,
        receipt=None,
        others=(),
        instead=None,
        recheck_at=None,
        saw_nothing=False,
        resend=False,
        detail=one_line(
            f"came to {was.kind.value}{effect}, which could not be stored: {type(error).__name__}; "
            f"{was.detail}"
        ),
    )
    return replace(verdict, outcome=outcome, failure=Failure.INTERNAL, error=error)


def again(
    progress: Progress, terms: Terms, *, at: datetime, looked_at: str, resend: bool = False
) -> Verdict:
    """Say that a probe saw nothing: look again at that instant, or send again then."""
    outcome = replace(
        _blank(progress, terms, None),
        not_before=at,
        costs_attempt=False,
        saw_nothing=True,
        resend=resend,
        detail=one_line(looked_at),
    )
    return _verdict(outcome, progress, terms)


def describe(write: Write) -> str:
    """Return one line of what a write sends: kinds, ids and names of fields, never their values."""
    target = write.ticket_number or write.ticket_id or "new"
    words = [write.kind.value, write.ticket_kind, target]
    if write.fields:
        words.append(",".join(sorted(write.fields)))
    if write.attachment is not None:
        size = write.attachment.size_bytes
        words.append(f"{write.attachment.name!r} {'?' if size is None else size} bytes")
        words.append(f"sha256 {write.attachment.digest[:16]}" if write.attachment.digest else "")
    if write.comment is not None:
        words.append(f"{write.comment.kind.value} of {len(write.comment.body)} characters")
    return " ".join(word for word in words if word)


def one_line(text: str) -> str:
    """Return a text as one short line."""
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_CHARS_MAX else line[: DETAIL_CHARS_MAX - 1] + "…"


def _verdict(outcome: Outcome, progress: Progress, terms: Terms) -> Verdict:
    return Verdict(outcome=outcome, write=progress.write, is_marked=terms.feature.marker)


def _blank(progress: Progress, terms: Terms, error: BaseException | None) -> Outcome:
    """What every outcome of this attempt has: LATER, until something else is known."""
    return Outcome(
        kind=OutcomeKind.LATER,
        started_at=progress.started_at,
        ended_at=max(terms.now, progress.started_at),
        what=_what(progress),
        detail=_said(error) if error is not None else "",
        status=error.context.status if isinstance(error, RemoteError) else None,
        request=one_line(progress.request),
    )


def _what(progress: Progress) -> str:
    return "probe" if progress.stage is Stage.LOOK else "send"


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no end within the time limit of one attempt"
    if isinstance(error, (StoreUnavailable, SpoolFull)):
        return one_line(str(error))
    # The text of an exception nobody foresaw may hold anything; its type cannot hold a secret.
    if not isinstance(error, RemoteError):
        return f"unexpected {type(error).__name__}; the log has more"
    context = error.context
    told = str(error)
    for part in (context.code, context.detail):
        told += f" {part}" if part and part not in told else ""
    where = f" ({context.endpoint} request {context.request_id})" if context.request_id else ""
    return one_line(told + where)


def _unknown(outcome: Outcome, closed_at: datetime, feature: WriteFeature) -> Outcome:
    if not feature.can_probe:
        return replace(
            outcome,
            kind=OutcomeKind.PARKED,
            park_reason=ParkReason.IN_DOUBT,
            closed_at=closed_at,
        )
    return replace(
        outcome,
        kind=OutcomeKind.UNKNOWN,
        closed_at=closed_at,
        not_before=first_look_at(closed_at, feature),
    )


def _later(outcome: Outcome, at: datetime | None, rule: Meaning) -> Outcome:
    if at is None:
        return replace(outcome, kind=OutcomeKind.PARKED, park_reason=rule.park_reason)
    return replace(outcome, not_before=at, costs_attempt=rule.costs_attempt)


def _wait_until(
    op: ClaimedOperation, rule: Meaning, error: BaseException, terms: Terms
) -> datetime | None:
    """When to go on; None: a person is asked."""
    if rule.wait is Wait.AT_ONCE:
        return terms.now + timedelta(seconds=terms.policy.at_once_s)
    if rule.wait is Wait.OUTAGE:
        return after_outage_at(op.planned_at, terms.now, terms.jitter, policy=terms.policy)
    asked_s = None
    if rule.wait is Wait.ASKED:
        asked_s = error.retry_after_s if isinstance(error, RateLimited) else None
        asked_s = terms.policy.asked_s if asked_s is None else asked_s
    bounds = terms.policy if rule.bounded else replace(terms.policy, attempts_max=None)
    return retry_at(op.attempts + 1, terms.now, asked_s, terms.jitter, policy=bounds)


def _recheck_at(op: ClaimedOperation, *, before: int, terms: Terms) -> datetime | None:
    """When a write that may have left more than once is looked at once more (R3)."""
    if op.sends < before or not terms.feature.can_probe:
        return None
    return terms.now + timedelta(seconds=terms.feature.settle_s)


def is_probe(op: ClaimedOperation) -> bool:
    """Say whether an operation was claimed to be looked for rather than sent."""
    return op.state is OperationState.UNKNOWN
