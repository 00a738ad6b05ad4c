"""What delivery is told when it is built, and what it tells: options, a round's result, metrics."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from syncd.core.active import Question
from syncd.core.retry import DEFAULT_POLICY, RetryPolicy
from syncd.model.ids import ConnectionName, MappingName
from syncd.model.operation import WriteKind
from syncd.model.outbox import ClaimedOperation, OutcomeKind
from syncd.model.ticket import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Bounds of delivery; every one has a name and a unit.

    Attributes:
        owner: name of this process as lease owner; unique among those sharing a store.
        concurrency: operations in flight per connection, where `concurrencies` names none.
        concurrencies: the same for single connections.
        ahead: operations claimed per connection beyond those in flight, as a multiple of them.
        claim_max: operations claimed in one transaction.
        lease_s: how long a claim is good without being renewed.
        take_over_s: where several processes share a store, how often what dead ones left is looked
            for.
        sends_max: sends of one operation before a person is asked.
        retry: bounds of back-off.
        attempt_timeout_s: longest time one attempt may take, downloads included: a net below the
            transport's own time-outs.
        poll_s: slow poll of the outbox beside the doorbell.
        hold_s: first pause of a connection that cannot be reached; doubled up to `hold_max_s`.
        hold_max_s: longest pause of such a connection.
        stop_grace_s: time that operations in flight get to finish when stopping.
        settle_grace_s: time that storing outcomes gets after that.
        rechecks_max: rechecks taken in one round.
        verify_tries: reads of an uploaded attachment before it is called unverified.
        verify_wait_s: wait before each of those but the first.
        attachment_bytes: largest attachment taken into the spool, whatever the target would take.
    """

    owner: str
    concurrency: int = 8
    concurrencies: Mapping[ConnectionName, int] = field(default_factory=dict)
    ahead: int = 3
    claim_max: int = 128
    lease_s: float = 120.0
    take_over_s: float = 5.0
    sends_max: int = 3
    retry: RetryPolicy = DEFAULT_POLICY
    attempt_timeout_s: float = 7200.0
    poll_s: float = 1.0
    hold_s: float = 2.0
    hold_max_s: float = 60.0
    stop_grace_s: float = 20.0
    settle_grace_s: float = 5.0
    rechecks_max: int = 32
    verify_tries: int = 3
    verify_wait_s: float = 2.0
    attachment_bytes: int = 4 * 1024 * 1024 * 1024

    def concurrency_of(self, connection: ConnectionName) -> int:
        """Return how many operations of a connection may be in flight."""
        return self.concurrencies.get(connection, self.concurrency)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """What one round did.

    Attributes:
        claimed: operations taken.
        outcomes: how many came to what; an outcome that somebody else had settled is left out.
        lost: operations whose lease was lost: somebody else has them, nothing was sent.
        rechecked: applied operations looked at once more.
    """

    claimed: int = 0
    outcomes: Mapping[OutcomeKind, int] = field(default_factory=dict)
    lost: int = 0
    rechecked: int = 0

    def count(self, kind: OutcomeKind) -> int:
        """Return how many operations came to this outcome."""
        return self.outcomes.get(kind, 0)


class Metrics(Protocol):
    """What delivery counts; implemented above it."""

    def settled(
        self, connection: ConnectionName, kind: WriteKind, outcome: OutcomeKind, duration_s: float
    ) -> None:
        """Count one outcome that was stored."""
        ...

    def delivered(self, connection: ConnectionName, seen_to_delivered_s: float) -> None:
        """Record the seconds from reading a change to its receipt."""
        ...

    def alerted(self, connection: ConnectionName, event: str) -> None:
        """Count one thing a person should look at: `doubled`, `altered`, `paused`."""
        ...


class NoMetrics:
    """Counts nothing."""

    def settled(
        self, connection: ConnectionName, kind: WriteKind, outcome: OutcomeKind, duration_s: float
    ) -> None: ...

    def delivered(self, connection: ConnectionName, seen_to_delivered_s: float) -> None: ...

    def alerted(self, connection: ConnectionName, event: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """How delivery and what stands above it meet.

    Attributes:
        live_mappings: the mappings in mode live, asked at each claim; those an operator paused
            are taken out by delivery.
        question: what is to be looked for before this create is sent; None: nothing.
        normalise: N of a connection's values with the spellings its settings add; None: the
            adapter's alone.
        doorbell: set by whoever stored operations; only saves waiting.
        metrics: what counts.
        log: where to log.
    """

    live_mappings: Callable[[], frozenset[MappingName]]
    question: Callable[[ClaimedOperation], Question | None] = lambda _: None
    normalise: Callable[[ConnectionName, str, Value], Value] | None = None
    doorbell: asyncio.Event = field(default_factory=asyncio.Event)
    metrics: Metrics = field(default_factory=NoMetrics)
    log: structlog.typing.FilteringBoundLogger = field(default_factory=structlog.get_logger)
