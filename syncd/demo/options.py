"""What the demo can be told."""

from dataclasses import dataclass

from syncd.demo.pairing import PAIRINGS, Pairing

SECONDS_DEFAULT = 20.0
"""How long people act."""
SECONDS_MAX = 3600.0
KILLS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """One run of the demo.

    Attributes:
        seconds: how long people act.
        seed: makes what people do, the faults and the moments of the kills repeatable; None takes
            one by chance and shows it.
        faults: the simulated systems misbehave while people act.
        kills: how often the daemon is killed with SIGKILL and started again.
        json: one JSON object on standard output, everything else on standard error.
        keep: the demo's folder is kept.
        settle_max_s: longest wait, once people have stopped, while nothing moves any more.
        vendors: names of the vendors that take part; () all.
    """

    seconds: float = SECONDS_DEFAULT
    seed: int | None = None
    faults: bool = False
    kills: int = 0
    json: bool = False
    keep: bool = False
    settle_max_s: float = 120.0
    vendors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= SECONDS_MAX:
            raise ValueError(f"--for: between 0 and {SECONDS_MAX:.0f} seconds")
        if not 0 <= self.kills <= KILLS_MAX:
            raise ValueError(f"--kills: between 0 and {KILLS_MAX}")
        unknown = [name for name in self.vendors if name not in PAIRINGS]
        if unknown:
            known = ", ".join(PAIRINGS)
            raise ValueError(f"--vendors: no vendor {', '.join(unknown)}; accepted: {known}")

    @property
    def pairings(self) -> tuple[Pairing, ...]:
        """What takes part, in the order it is shown."""
        return tuple(
            each for name, each in PAIRINGS.items() if not self.vendors or name in self.vendors
        )
