"""Errors raised by syncd about itself.

    SyncdError
    ├── BrokenInvariant     a bug: something that must hold does not; caught only by app
    ├── SettingsError       the configuration cannot be used; carries every problem, exit status 2
    └── CommandRefused      an operator's command does not apply to what it names; exit status 2

Errors about vendors live in `syncd.ports.errors`.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class SyncdError(Exception):
    """Base of every error syncd raises about itself."""


class BrokenInvariant(SyncdError):
    """Something that must always hold does not: a bug, never an operator's mistake."""


class SettingsError(SyncdError):
    """The configuration cannot be used.

    Attributes:
        problems: one line each, `file:line:column: where: what is wrong; what is accepted`.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem, so that all are reported at once."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class CommandRefused(SyncdError):
    """An operator's command cannot be carried out; the text says why and what would work."""


def ensure(condition: object, what_must_hold: str) -> None:
    """Stop when an invariant is broken.

    Args:
        condition: anything; falsy means the invariant is broken.
        what_must_hold: the invariant as a sentence.

    Raises:
        BrokenInvariant: the condition is falsy.
    """
    if not condition:
        raise BrokenInvariant(what_must_hold)


def needed(value: T | None, what_must_hold: str) -> T:
    """Give a value that must be there.

    Args:
        value: None means the invariant is broken.
        what_must_hold: the invariant as a sentence.

    Raises:
        BrokenInvariant: it is not there.
    """
    if value is None:
        raise BrokenInvariant(what_must_hold)
    return value
