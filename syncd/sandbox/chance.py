"""Seeded chance: the only place of the sandboxes that draws random numbers."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of random decisions, the same for the same seed and name."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed}:{name}")

    def draw(self) -> float:
        """Return a number from 0 (included) to 1 (excluded)."""
        return self._random.random()

    def pick(self, items: Sequence[T]) -> T:
        """Return one of `items`."""
        return self._random.choice(items)

    def hex(self, digits: int) -> str:
        """Return `digits` lower-case hexadecimal digits."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"
