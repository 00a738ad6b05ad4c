"""What the judge says: counts by kind and direction, and every finding with where and why."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syncd.demo.evidence import Kind, Pair
from syncd.demo.pairing import Side


class Fate(StrEnum):
    """What became of something that did not simply arrive once."""

    LOST = "lost"
    DOUBLED = "doubled"
    ECHOED = "echoed"
    LEAKED = "leaked"
    UNWANTED = "unwanted"
    SUPERSEDED = "superseded"
    SHOWN = "shown"


BAD = (Fate.LOST, Fate.DOUBLED, Fate.ECHOED, Fate.LEAKED, Fate.UNWANTED)
"""What must not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found, in words a person can look for in both systems."""

    fate: Fate
    kind: Kind
    toward: Side
    ticket: str
    detail: str

    def __str__(self) -> str:
        return f"{self.fate} {self.kind} to {self.toward}: {self.ticket}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Shown:
    """The daemon shows openly that something did not cross: a conflict or a parked operation.

    Attributes:
        ticket: number or id of either ticket.
        what: `comment`, `ticket`, the field's name, or the token of the one text it is about;
            "*" for anything about the ticket.
    """

    ticket: str
    what: str = "*"


@dataclass(slots=True)
class Verdict:
    """Counts and findings of one run.

    Attributes:
        did: what people did that should cross, by (kind, system written).
        arrived: what of it was found across.
        findings: everything else.
        delays_s: seconds from each change to its arrival.
        requests, violations: by system.
    """

    did: Counter[tuple[Kind, Side]] = field(default_factory=Counter)
    arrived: Counter[tuple[Kind, Side]] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Verdict") -> None:
        """Count another one in."""
        self.did.update(other.did)
        self.arrived.update(other.arrived)
        self.findings.extend(other.findings)
        self.delays_s.extend(other.delays_s)
        self.requests.update(other.requests)
        self.violations.update(other.violations)

    def count(self, fate: Fate) -> int:
        """How many findings there are of a kind."""
        return sum(each.fate is fate for each in self.findings)

    @property
    def is_good(self) -> bool:
        """Whether nothing happened that must not."""
        return not any(self.count(fate) for fate in BAD)

    def percentile_s(self, share: float) -> float | None:
        """Seconds within which this share of the changes arrived; None when none did."""
        ordered = sorted(self.delays_s)
        if not ordered:
            return None
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class Notes:
    """Takes findings down while judging, and knows what the daemon shows openly."""

    verdict: Verdict
    shown: frozenset[Shown]

    def did(self, kind: Kind, toward: Side, count: int = 1) -> None:
        self.verdict.did[kind, toward] += count

    def arrived(
        self, kind: Kind, toward: Side, done_at: datetime | None = None, at: datetime | None = None
    ) -> None:
        """Count one arrival, with its delay where both times are known."""
        self.verdict.arrived[kind, toward] += 1
        if done_at is not None and at is not None:
            self.verdict.delays_s.append(max(0.0, (at - done_at).total_seconds()))

    def find(self, fate: Fate, kind: Kind, toward: Side, ticket: str, detail: str) -> None:
        self.verdict.findings.append(
            Finding(fate=fate, kind=kind, toward=toward, ticket=ticket, detail=detail)
        )

    def lost(
        self,
        kind: Kind,
        toward: Side,
        names: Iterable[str],
        what: str,
        detail: str,
        *,
        token: str = "",
    ) -> None:
        """Note a loss; what the daemon shows openly is no loss.

        Args:
            kind: what a person did.
            toward: where it should have arrived.
            names: numbers and ids of the tickets it is about, the one to show first.
            what: as in `Shown.what`.
            detail: in words.
            token: of the text that did not arrive; "" when it has none.
        """
        known = list(names)
        words = (what, "*", token) if token else (what, "*")
        excused = any(Shown(name, each) in self.shown for name in known for each in words)
        self.find(Fate.SHOWN if excused else Fate.LOST, kind, toward, known[0], detail)


def names_of(pair: Pair) -> tuple[str, ...]:
    """Every name a pair may be shown under."""
    origin, copy = pair.origin, pair.copy
    return (pair.number, origin.number, copy.number, origin.id, copy.id)
