"""What the daemon counts, in Prometheus' form; an own registry, so nothing else slips in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from platform import python_version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from syncd.ports.clock import Clock
from syncd.transport.wirelog import Exchange

DELIVERED_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14400)
"""From seen to delivered: from at once to hours behind an outage."""
REQUEST_BUCKETS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""One exchange with a vendor."""
_READ = frozenset({"changed", "unchanged", "discarded"})
"""Results of a read that the vendor answered."""
BREAKER_STATES = ("closed", "half_open", "open")
"""Every state of a circuit breaker; exactly one of a connection's series is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSample:
    """What a scrape asks of the store, and of the connections' budgets.

    Attributes:
        operations: (connection, state) -> how many.
        oldest_undelivered_at: when the oldest open operation's change was seen; None: none.
        parked: (connection, reason) -> how many wait for a person.
        conflicts: unresolved conflicts.
        inbox: entries not yet worked on.
        links: (mapping, phase) -> how many.
        tickets: (connection, `known`, `due` and so on) -> how many.
        paused: connections that are paused.
        breakers: connection -> state of its circuit breaker.
    """

    operations: Mapping[tuple[str, str], int] = field(default_factory=dict)
    oldest_undelivered_at: datetime | None = None
    parked: Mapping[tuple[str, str], int] = field(default_factory=dict)
    conflicts: int = 0
    inbox: int = 0
    links: Mapping[tuple[str, str], int] = field(default_factory=dict)
    tickets: Mapping[tuple[str, str], int] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    breakers: Mapping[str, str] = field(default_factory=dict)


class Metrics:
    """Counts what happens; services know it through protocols of their own."""

    def __init__(self, *, clock: Clock, version: str) -> None:
        """Start at zero."""
        self._clock = clock
        self._registry = CollectorRegistry()
        self._polled_at: dict[str, float] = {}
        self._connections: frozenset[str] = frozenset()
        self._watched: frozenset[str] = frozenset()
        self._counters()
        self._gauges()
        # Looking a series up costs more than counting: what every request counts is kept.
        self._requests_of = cache(self._requests.labels)
        self._request_s_of = cache(self._request_s.labels)
        self._reads_of = cache(self._reads.labels)
        self._delivered_of = cache(self._delivered.labels)
        self._outcomes_of = cache(self._outcomes.labels)
        self._attempt_s_of = cache(self._attempt_s.labels)
        self._build.labels(version, python_version()).set(1)
        self._started_at = clock.now().timestamp()
        self._started.set(self._started_at)

    def _counters(self) -> None:
        registry = self._registry
        self._requests = Counter(
            "syncd_requests", "Requests sent to vendors, by class of answer",
            ("connection", "operation", "class"), registry=registry,
        )  # fmt: skip
        self._request_s = Histogram(
            "syncd_request_seconds", "Seconds one exchange with a vendor took",
            ("connection",), buckets=REQUEST_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self._polls = Counter(
            "syncd_polls", "Polls of a connection", ("connection", "result"), registry=registry
        )
        self._delivered = Histogram(
            "syncd_seen_to_delivered_seconds", "Seconds from reading a change to its delivery",
            ("connection",), buckets=DELIVERED_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self._outcomes = Counter(
            "syncd_delivery_outcomes", "Outcomes of attempts", ("connection", "kind", "outcome"),
            registry=registry,
        )  # fmt: skip
        self._attempt_s = Histogram(
            "syncd_delivery_attempt_seconds", "Seconds one attempt took", ("connection",),
            buckets=REQUEST_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self._reads = Counter(
            "syncd_reads", "Tickets read", ("connection", "result"), registry=registry
        )
        self._alerts = Counter(
            "syncd_alerts", "Things a person should look at", ("connection", "event"),
            registry=registry,
        )  # fmt: skip
        self._fuses = Counter(
            "syncd_fuses_tripped", "Too much at once: the mapping paused", ("mapping", "act"),
            registry=registry,
        )  # fmt: skip
        self._notified = Counter(
            "syncd_notifications", "Notifications received", ("connection", "status"),
            registry=registry,
        )  # fmt: skip
        self._served = Counter(
            "syncd_served_calls", "Calls of served connections answered, by statusCode",
            ("connection", "call", "code"), registry=registry,
        )  # fmt: skip
        self._restarts = Counter(
            "syncd_service_restarts", "Services started again after a crash", ("service",),
            registry=registry,
        )  # fmt: skip

    def _gauges(self) -> None:
        registry = self._registry
        self._build = Gauge(
            "syncd_build_info", "Always 1", ("version", "python"), registry=registry
        )
        self._started = Gauge("syncd_start_time_seconds", "When it started", registry=registry)
        self._poll_at = Gauge(
            "syncd_last_complete_poll_timestamp_seconds", "End of the last complete poll",
            ("connection",), registry=registry,
        )  # fmt: skip
        self._poll_age = Gauge(
            "syncd_last_complete_poll_age_seconds", "Since then, or since the start without one",
            ("connection",), registry=registry,
        )  # fmt: skip
        self._operations = Gauge(
            "syncd_operations", "Operations in the outbox", ("connection", "state"),
            registry=registry,
        )  # fmt: skip
        self._parked = Gauge(
            "syncd_parked", "Operations that wait for a person", ("connection", "reason"),
            registry=registry,
        )  # fmt: skip
        self._oldest = Gauge(
            "syncd_oldest_undelivered_seconds",
            "Age of the oldest open operation",
            registry=registry,
        )
        self._conflicts = Gauge("syncd_conflicts", "Unresolved conflicts", registry=registry)
        self._links = Gauge("syncd_links", "Links", ("mapping", "phase"), registry=registry)
        self._tickets = Gauge(
            "syncd_tickets", "Tickets known, and how their reading stands",
            ("connection", "state"), registry=registry,
        )  # fmt: skip
        self._inbox = Gauge("syncd_inbox", "Inbox entries not yet worked on", registry=registry)
        self._paused = Gauge(
            "syncd_connection_paused", "1 while paused", ("connection",), registry=registry
        )
        self._breaker = Gauge(
            "syncd_breaker_state", "1 for the state it is in", ("connection", "state"),
            registry=registry,
        )  # fmt: skip
        self._silent = Gauge(
            "syncd_news_overdue", "1 while expected news does not come", ("connection",),
            registry=registry,
        )  # fmt: skip
        self._store_up = Gauge("syncd_store_up", "1 while the store answers", registry=registry)

    # --- what happens ----------------------------------------------------------------------------

    def know(self, connections: Iterable[str], *, watched: Iterable[str] = ()) -> None:
        """Name the connections there are now: each has its series from the start.

        Args:
            connections: all of them.
            watched: those read ticket by ticket, which have no polls.
        """
        self._watched = frozenset(watched)
        now = frozenset(connections)
        for name in self._connections - now:
            self._polled_at.pop(name, None)
            for gauge in (self._poll_at, self._poll_age, self._paused, self._silent):
                gauge.remove_by_labels({"connection": name})
            self._breaker.remove_by_labels({"connection": name})
        for name in now - self._connections:
            self._polls.labels(name, "complete")
            self._polls.labels(name, "failed")
            self._delivered.labels(name)
        self._connections = now

    def exchanged(self, exchange: Exchange) -> None:
        """One request was sent: an observer of the wire log."""
        labels = (exchange.connection, exchange.operation, status_class(exchange.status))
        self._requests_of(*labels).inc()
        self._request_s_of(exchange.connection).observe(exchange.duration_s)

    def polled(self, connection: str, *, complete: bool, at: datetime) -> None:
        """A poll succeeded; complete when it read all there was."""
        self._polls.labels(connection, "complete" if complete else "partial").inc()
        if complete:
            self._polled_at[connection] = at.timestamp()

    def poll_failed(self, connection: str) -> None:
        """A poll failed."""
        self._polls.labels(connection, "failed").inc()

    def read(self, connection: str, result: str) -> None:
        """A ticket was read, or not; of watched connections that is all the polling there is."""
        self._reads_of(connection, str(result)).inc()
        if connection in self._watched and result in _READ:
            self._polled_at[connection] = self._clock.now().timestamp()

    def delivered(self, connection: str, seen_to_delivered_s: float) -> None:
        """An operation was applied."""
        self._delivered_of(connection).observe(max(0.0, seen_to_delivered_s))

    def settled(self, connection: str, kind: str, outcome: str, duration_s: float) -> None:
        """An attempt came to an outcome, and that is stored."""
        self._outcomes_of(connection, str(kind), str(outcome)).inc()
        self._attempt_s_of(connection).observe(max(0.0, duration_s))

    def alerted(self, connection: str, event: str) -> None:
        """Something happened that a person should look at."""
        self._alerts.labels(connection, event).inc()

    def fused(self, mapping: str, act: str) -> None:
        """A fuse tripped."""
        self._fuses.labels(mapping, str(act)).inc()

    def notified(self, connection: str, status: int) -> None:
        """A notification was answered; an unknown connection is counted as one, `unknown`."""
        name = connection if connection in self._connections else "unknown"
        self._notified.labels(name, str(status)).inc()

    def served(self, connection: str, call: str, code: str) -> None:
        """A call of a served connection was answered."""
        self._served.labels(connection, call, code).inc()

    def restarted(self, service: str) -> None:
        """A service is started again."""
        self._restarts.labels(service).inc()

    def news_overdue(self, connection: str, *, overdue: bool) -> None:
        """Expected news stays away, or came."""
        self._silent.labels(connection).set(overdue)

    # --- what is shown ---------------------------------------------------------------------------

    def render(self, sample: StoreSample | None) -> bytes:
        """Give the page Prometheus reads.

        Args:
            sample: what the store says now; None when it does not answer.
        """
        self._store_up.set(sample is not None)
        now = self._clock.now().timestamp()
        if sample is not None:
            self._nothing_to_watch(sample, now)
        for name in self._connections:
            at = self._polled_at.get(name)
            if at is not None:
                self._poll_at.labels(name).set(at)
            self._poll_age.labels(name).set(max(0.0, now - (at or self._started_at)))
        if sample is not None:
            self._show(sample, now)
        return generate_latest(self._registry)

    def _nothing_to_watch(self, sample: StoreSample, now: float) -> None:
        """Where tickets are watched and there is none to watch, all there is has been read."""
        for name in self._watched:
            if not sample.tickets.get((name, "watched")):
                self._polled_at[name] = now

    def _show(self, sample: StoreSample, now: float) -> None:
        _replace(self._operations, sample.operations)
        _replace(self._parked, sample.parked)
        _replace(self._links, sample.links)
        _replace(self._tickets, sample.tickets)
        oldest = sample.oldest_undelivered_at
        self._oldest.set(0.0 if oldest is None else max(0.0, now - oldest.timestamp()))
        self._conflicts.set(sample.conflicts)
        self._inbox.set(sample.inbox)
        for name in self._connections:
            self._paused.labels(name).set(name in sample.paused)
        for name, current in sample.breakers.items():
            for state in BREAKER_STATES:
                self._breaker.labels(name, state).set(state == current)


def status_class(status: int | None) -> str:
    """Give the few classes requests are counted by: `2xx` … `5xx`, 401 and 429 alone, `none`."""
    if status is None:
        return "none"
    return str(status) if status in {401, 429} else f"{status // 100}xx"


def _replace(gauge: Gauge, values: Mapping[tuple[str, str], int]) -> None:
    gauge.clear()
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
