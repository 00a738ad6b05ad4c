"""Rounds, medians, goals and the table; knows nothing of what is measured."""

import platform
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Any

ROUNDS = 5
"""Rounds whose median counts."""
QUICK_ROUNDS = 3


class Of(StrEnum):
    """What a goal is about."""

    RATIO = "ratio"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound that DESIGN section 10 sets.

    Attributes:
        bound: the number.
        at_least: reached from above; else it must not be exceeded.
        of: the quantity that is bounded.
    """

    bound: float
    at_least: bool = False
    of: Of = Of.VALUE

    def is_met(self, measured: float) -> bool:
        return measured >= self.bound if self.at_least else measured <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {_number(self.bound)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One turn: what syncd took and, where there is one, the floor right before or after it."""

    value: float
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if not self.floor else self.value / self.floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table.

    Attributes:
        name: of the row.
        unit: of value and floor.
        value, floor: medians.
        ratio: median of the rounds' own ratios: both parts of each saw the same noise.
        goal: None where none is set.
        spread: least and most of the quantity the goal is about.
        note: what the reader must know.
    """

    name: str
    unit: str = ""
    value: float | None = None
    floor: float | None = None
    ratio: float | None = None
    goal: Goal | None = None
    spread: tuple[float, float] | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where nothing was measured or none is set."""
        measured = self.ratio if self.goal and self.goal.of is Of.RATIO else self.value
        return None if self.goal is None or measured is None else self.goal.is_met(measured)

    def as_json(self) -> dict[str, Any]:
        return {
            "row": self.name,
            "value": self.value,
            "floor": self.floor,
            "ratio": self.ratio,
            "goal": self.goal.bound if self.goal else None,
            "met": self.met,
            "spread": self.spread,
            "unit": self.unit,
            "note": self.note,
        }


def judged(
    name: str, rounds: Sequence[Round], *, unit: str, goal: Goal | None, note: str = ""
) -> Row:
    """Make a row of its rounds."""
    values = [one.value for one in rounds]
    floors = [one.floor for one in rounds if one.floor is not None]
    ratios = [one.ratio for one in rounds if one.ratio is not None]
    bounded = ratios if goal is not None and goal.of is Of.RATIO else values
    return Row(
        name=name,
        unit=unit,
        value=median(values),
        floor=median(floors) if floors else None,
        ratio=median(ratios) if ratios else None,
        goal=goal,
        spread=(min(bounded), max(bounded)),
        note=note,
    )


def not_measured(name: str, reason: str, goal: Goal | None = None) -> Row:
    """Make the row of something that cannot be measured yet, or could not."""
    return Row(name=name, goal=goal, note=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a run is made.

    Attributes:
        rounds: turns per row.
        quick: fewer and smaller.
        folder: for everything that is written; on a disk, not in memory.
        only: names, or beginnings of names, of the rows wanted; empty: all.
    """

    rounds: int = ROUNDS
    quick: bool = False
    folder: Path
    only: tuple[str, ...] = ()

    def wants(self, row: str) -> bool:
        return not self.only or any(row.startswith(name) for name in self.only)

    def say(self, text: str) -> None:
        """Tell whoever waits how far it is."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    def inside(self, name: str) -> "Setting":
        """Give the same with a folder of its own."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return replace(self, folder=folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Something that measures rows.

    Attributes:
        rows: the names of the rows it gives.
        run: measures those that the setting wants.
    """

    rows: tuple[str, ...]
    run: Callable[[Setting], Awaitable[Sequence[Row]]]


async def in_turns(
    setting: Setting,
    name: str,
    floor: Callable[[], Awaitable[float]] | None,
    ours: Callable[[], Awaitable[float]],
) -> list[Round]:
    """Measure floor and ours in turns, each of them first every other time."""
    rounds: list[Round] = []
    for number in range(1, setting.rounds + 1):
        if floor is None or number % 2:
            least = await floor() if floor is not None else None
            one = Round(value=await ours(), floor=least)
        else:
            # Whoever comes second meets what the first left behind: pages to be written, garbage.
            value = await ours()
            one = Round(value=value, floor=await floor())
        rounds.append(one)
        setting.say(f"{name} {number}/{setting.rounds}: {_round_text(one)}")
    return rounds


def _round_text(one: Round) -> str:
    if one.floor is None:
        return _number(one.value)
    return f"floor {_number(one.floor)}, ours {_number(one.value)}, ratio {_number(one.ratio)}"


# --- the table -----------------------------------------------------------------------------------

HEAD = ("row", "value", "floor", "ratio", "spread", "goal", "met", "")
_MET = {True: "yes", False: "NO", None: "-"}


def table(rows: Sequence[Row]) -> str:
    """Lay rows out for people."""
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD) - 1)]
    return "\n".join(
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]
        ).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    unit = f" {row.unit}" if row.unit else ""
    spread = f"{_number(row.spread[0])}–{_number(row.spread[1])}" if row.spread else "-"
    return (
        row.name,
        _number(row.value) + (unit if row.value is not None else ""),
        _number(row.floor),
        _number(row.ratio),
        spread,
        str(row.goal) if row.goal else "-",
        _MET[row.met],
        row.note,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def document(rows: Sequence[Row], setting: Setting) -> dict[str, Any]:
    """Give what standard output gets."""
    return {
        "rows": [row.as_json() for row in rows],
        "rounds": setting.rounds,
        "quick": setting.quick,
        "machine": f"{platform.machine()} {platform.release()}, Python {platform.python_version()}",
    }
