"""What the demo can be told."""

from dataclasses import dataclass

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
        settle_max_s: longest wait until everything has arrived.
    """

    seconds: float = SECONDS_DEFAULT
    seed: int | None = None
    faults: bool = False
    kills: int = 0
    json: bool = False
    keep: bool = False
    settle_max_s: float = 120.0

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= SECONDS_MAX:
            raise ValueError(f"--for: between 0 and {SECONDS_MAX:.0f} seconds")
        if not 0 <= self.kills <= KILLS_MAX:
            raise ValueError(f"--kills: between 0 and {KILLS_MAX}")
