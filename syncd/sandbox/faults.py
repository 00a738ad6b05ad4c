"""Faults a sandbox can be told to show, by rule or by rate, the same for the same seed.

At most one fault meets a request: the first rule that fits, else one drawn by rate. Rates draw
from a stream of their own per operation, so what the n-th `create_incident` meets does not
depend on how other requests were interleaved.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from syncd.sandbox.chance import Chance


class FaultKind(StrEnum):
    """What can go wrong."""

    ERROR_BEFORE = "error_before"
    """Answered with `status`; nothing happened."""
    ERROR_AFTER = "error_after"
    """Done, then answered with `status`."""
    LOST_ANSWER = "lost_answer"
    """Done, then the connection is closed without an answer."""
    RESET_BEFORE = "reset_before"
    """The connection is reset; nothing happened."""
    SLOW = "slow"
    """Answered `delay_s` late; done first, or last when `before_effect`."""
    RATE_LIMITED = "rate_limited"
    """429 with `Retry-After`; nothing happened."""
    EXPIRED_TOKEN = "expired_token"
    """The token presented is ended, then refused as the vendor refuses it."""
    STALE_READ = "stale_read"
    """A read shows everything as it was `lag_s` ago."""
    SEARCH_LAG = "search_lag"
    """A list or search shows everything as it was `lag_s` ago."""
    PAGE_DRIFT = "page_drift"
    """Something new appears right after this page was cut, shifting the next one."""
    GARBAGE = "garbage"
    """Done, then 200 with an HTML page (`body="html"`) or a cut answer (`body="cut"`)."""
    ENVELOPE_BEFORE = "envelope_before"
    """SmartOps only: 200 with `status` as failing statusCode; nothing happened."""
    ENVELOPE_AFTER = "envelope_after"
    """SmartOps only: done, then 200 with `status` as failing statusCode."""


ENVELOPE_KINDS = frozenset({FaultKind.ENVELOPE_BEFORE, FaultKind.ENVELOPE_AFTER})
EVERYWHERE = frozenset(FaultKind) - ENVELOPE_KINDS
READS_ONLY = frozenset({FaultKind.STALE_READ})
LISTS_ONLY = frozenset({FaultKind.SEARCH_LAG, FaultKind.PAGE_DRIFT})
TOKEN_OPERATIONS = frozenset({"token", "logout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule: which requests it meets, how often, and what happens to them.

    Args:
        kind: what goes wrong.
        operation: name of the call it meets; None any but the token calls.
        method: HTTP method it meets; None any.
        path: regular expression searched in the path; None any.
        probability: chance for each request that fits.
        count: requests it meets before it is used up; None never.
        skip: requests that fit and are let pass first.
        status: HTTP status of error_*, statusCode of envelope_*.
        delay_s: seconds a slow answer takes.
        before_effect: whether a slow answer waits before doing what was asked.
        unless_gone: who waited so does nothing when its client has gone meanwhile.
        retry_after_s: seconds a 429 asks to wait; None leaves the header out.
        lag_s: how far back a stale read or lagging search looks, in seconds.
        body: `html` or `cut`, what garbage looks like; `quote`: an error quotes the request.
    """

    kind: FaultKind
    operation: str | None = None
    method: str | None = None
    path: str | None = None
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    status: int = 500
    delay_s: float = 0.5
    before_effect: bool = False
    unless_gone: bool = False
    retry_after_s: float | None = 1.0
    lag_s: float = 2.0
    body: str = "html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a fault needs to know of a request."""

    operation: str
    method: str
    path: str
    reads: bool
    lists: bool


@dataclass(slots=True)
class _Rule:
    fault: Fault
    skip: int
    left: int | None


class Faults:
    """The faults in force.

    Args:
        seed: makes the draws repeatable.
        kinds: what this sandbox can show; others are refused with ValueError.
        operations: names of its calls; others are refused with ValueError.
    """

    def __init__(
        self, seed: int, kinds: Collection[FaultKind], operations: Collection[str]
    ) -> None:
        self._seed = seed
        self._kinds = frozenset(kinds)
        self._operations = frozenset(operations)
        self._rules: list[_Rule] = []
        self._rates: dict[FaultKind, float] = {}
        self._shape = Fault(kind=FaultKind.SLOW)
        self._only: frozenset[str] | None = None
        self._streams: dict[str, Chance] = {}

    def add(self, fault: Fault) -> None:
        """Put a rule in force, behind those there are."""
        self._check(fault.kind, fault.operation)
        self._rules.append(_Rule(fault, fault.skip, fault.count))

    def next(self, kind: str, *, count: int = 1, **options: object) -> None:
        """Let the next `count` requests that fit meet `kind`; `options` are fields of `Fault`."""
        self.add(Fault(kind=FaultKind(kind), count=count, **options))  # type: ignore[arg-type]

    def rates(
        self,
        rates: Mapping[str, float],
        only: Collection[str] | None = None,
        **options: object,
    ) -> None:
        """Replace the rates: each request meets `kind` with that probability.

        `only` names the operations they hold for; None means all but the token calls. `options`
        are fields of `Fault` (delay_s, lag_s, status, …) for all of them.
        """
        checked = {FaultKind(kind): float(rate) for kind, rate in rates.items()}
        for kind in checked:
            self._check(kind, None)
        for operation in only or ():
            self._check(FaultKind.SLOW, operation)
        if sum(checked.values()) > 1 or any(rate < 0 for rate in checked.values()):
            raise ValueError("rates are probabilities and add up to at most 1")
        self._rates = checked
        self._shape = Fault(kind=FaultKind.SLOW, **options)  # type: ignore[arg-type]
        self._only = None if only is None else frozenset(only)

    def clear(self) -> None:
        """Stop all faults; the streams of chance go on where they are."""
        self._rules.clear()
        self._rates = {}
        self._only = None

    def choose(self, target: Target) -> Fault | None:
        """Decide what this request meets, using up rules on the way."""
        for rule in self._rules:
            if _fits(rule.fault, target) and self._fires(rule, target):
                self._rules = [each for each in self._rules if each.left != 0]
                return rule.fault
        return self._drawn(target)

    @property
    def pending(self) -> list[Fault]:
        """The rules not used up yet."""
        return [rule.fault for rule in self._rules]

    def describe(self) -> list[dict[str, object]]:
        """The rules not used up yet, ready for JSON."""
        return [asdict(rule.fault) | {"left": rule.left} for rule in self._rules]

    def _fires(self, rule: _Rule, target: Target) -> bool:
        if rule.skip > 0:
            rule.skip -= 1
            return False
        probability = rule.fault.probability
        if probability < 1 and self._stream(f"rule:{target.operation}").draw() >= probability:
            return False
        if rule.left is not None:
            rule.left -= 1
        return True

    def _drawn(self, target: Target) -> Fault | None:
        named = self._only is not None and target.operation in self._only
        if not self._rates or not (named or self._only is None):
            return None
        if target.operation in TOKEN_OPERATIONS and not named:
            return None
        point = self._stream(target.operation).draw()
        for kind, rate in self._rates.items():
            if point < rate:
                return replace(self._shape, kind=kind) if _suits(kind, target) else None
            point -= rate
        return None

    def _stream(self, name: str) -> Chance:
        if name not in self._streams:
            self._streams[name] = Chance(self._seed, f"fault:{name}")
        return self._streams[name]

    def _check(self, kind: FaultKind, operation: str | None) -> None:
        if kind not in self._kinds:
            raise ValueError(f"this sandbox cannot show {kind}; it can: {sorted(self._kinds)}")
        if operation is not None and operation not in self._operations:
            raise ValueError(f"no operation {operation}; there are: {sorted(self._operations)}")


def _fits(fault: Fault, target: Target) -> bool:
    if fault.operation is None and target.operation in TOKEN_OPERATIONS:
        return False
    return (
        fault.operation in (None, target.operation)
        and fault.method in (None, target.method)
        and (fault.path is None or re.search(fault.path, target.path) is not None)
        and _suits(fault.kind, target)
    )


def _suits(kind: FaultKind, target: Target) -> bool:
    if kind in READS_ONLY:
        return target.reads
    if kind in LISTS_ONLY:
        return target.lists
    return kind is not FaultKind.EXPIRED_TOKEN or target.operation not in TOKEN_OPERATIONS
