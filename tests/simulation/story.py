"""One story: a seed, played and judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.bugs import planted
from tests.simulation.checker import Checker, Problem
from tests.simulation.inline import Memory
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a story went.

    Attributes:
        seed, name: which, and the sort of pairing.
        problems: what was wrong in the end.
        unrest: why it did not come to rest or broke off; empty when it did.
        crashes, faults, acts: what happened in it.
        played: how often which fault, act and command was played.
        effects: everything our writes did at both systems, in order.
    """

    seed: int
    name: str
    problems: tuple[Problem, ...] = ()
    unrest: str = ""
    crashes: int = 0
    faults: int = 0
    acts: int = 0
    played: Mapping[str, int] = field(default_factory=dict)
    effects: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems and not self.unrest

    def __str__(self) -> str:
        wrong = [*map(str, self.problems), *([self.unrest] if self.unrest else [])]
        return f"SEED={self.seed} ({self.name}): {'; '.join(wrong) or 'well'}"


def name_of(seed: int) -> str:
    """Say which sort of pairing a seed plays."""
    return list(SCENARIOS)[seed % len(SCENARIOS)]


async def play(seed: int, template: Path, *, bug: str = "") -> Told:
    """Play one story from its seed alone, on a copy of an empty store, and judge it.

    Args:
        seed: decides everything.
        template: a store with the schema and nothing else.
        bug: planted while it is played; empty: none.
    """
    name = name_of(seed)
    store = Memory(template)
    world = World(seed, store, SCENARIOS[name])
    unrest = ""
    problems: list[Problem] = []
    try:
        with planted(bug):
            await world.play()
        problems = Checker(world.vendors, world.people, world.scenario.rules, world.shown).judge()
    except Exception as error:  # noqa: BLE001 - whatever broke a story is its verdict
        unrest = f"{type(error).__name__}: {error}"
    finally:
        store.close()
    return Told(
        seed=seed,
        name=name,
        problems=tuple(problems),
        unrest=unrest,
        crashes=world.crashes,
        faults=world.faults,
        acts=world.acts,
        played=dict(world.played),
        effects=tuple(
            f"{vendor.name} {one}" for vendor in world.vendors.values() for one in vendor.effects
        ),
    )
