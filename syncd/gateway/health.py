"""Whether the daemon is alive and whether it does its work, told by app, asked over HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from syncd.ports.clock import Clock

BEAT_MAX_AGE_S = 20.0
"""A heart that has not beaten for longer means that the event loop or a service hangs."""
CHECK_CHARS_MAX = 300
"""Longest reason given."""

ReadyCheck = Callable[[], Awaitable[str | None]]
"""Says why it is not ready, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """What is wrong, one sentence each; nothing when all is well."""

    problems: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class Health:
    """Collects heartbeats, failures and readiness."""

    def __init__(self, *, clock: Clock) -> None:
        """Know nothing yet: not ready before app says so."""
        self._clock = clock
        self._beats: dict[str, float] = {}
        self._failed: dict[str, str] = {}
        self._checks: dict[str, ReadyCheck] = {}
        self._expected: frozenset[str] = frozenset()
        self._tried: frozenset[str] = frozenset()
        self._phase = "starting"

    def beat(self, service: str) -> None:
        """A service's heart beats; from its first beat on, it is missed when it stops."""
        self._beats[service] = self._clock.monotonic_s()

    def ended(self, service: str) -> None:
        """A service ended as it should."""
        self._beats.pop(service, None)
        self._failed.pop(service, None)

    def failed(self, service: str, reason: str) -> None:
        """A service crashed and waits to be started again."""
        self._failed[service] = reason

    def recovered(self, service: str) -> None:
        """A service runs again."""
        self._failed.pop(service, None)

    def entered(self, phase: str) -> None:
        """The daemon is now `starting`, `running` or `stopping`."""
        self._phase = phase

    def expect_polls(self, connections: frozenset[str]) -> None:
        """Be ready only when these have been polled once, well or not."""
        self._expected = connections

    def polled(self, connection: str) -> None:
        """A first poll was tried."""
        self._tried |= {connection}

    def add_check(self, name: str, check: ReadyCheck) -> None:
        """Ask this too before saying ready."""
        self._checks[name] = check

    def alive(self) -> HealthReport:
        """Say whether the process does its work; what is down for a while is still alive."""
        now_s = self._clock.monotonic_s()
        stale = (
            f"{service}: no heartbeat for {now_s - at_s:.0f} s"
            for service, at_s in sorted(self._beats.items())
            if now_s - at_s > BEAT_MAX_AGE_S
        )
        return HealthReport(problems=tuple(stale))

    async def ready(self) -> HealthReport:
        """Say whether it works: store, schema, services, and the first poll of each connection."""
        problems = [] if self._phase == "running" else [f"syncd: {self._phase}"]
        problems += [f"{name}: {reason}" for name, reason in sorted(self._failed.items())]
        for name, check in self._checks.items():
            problems += await _asked(name, check)
        problems += [f"{name}: not polled yet" for name in sorted(self._expected - self._tried)]
        return HealthReport(problems=(*problems, *self.alive().problems))

    def failures(self) -> Mapping[str, str]:
        """Services that wait to be started again, and why."""
        return dict(self._failed)


async def _asked(name: str, check: ReadyCheck) -> list[str]:
    try:
        reason = await check()
    except Exception as err:  # noqa: BLE001 - whatever stops a check is the reason it gives
        reason = f"{type(err).__name__}: {err}"
    return [] if reason is None else [f"{name}: {reason[:CHECK_CHARS_MAX]}"]
