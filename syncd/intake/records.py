"""Values that pass between intake's modules."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from syncd.core.fuses import Sign
from syncd.intake.config import IntakeConfig
from syncd.model.ids import CorrelationId, OperationKey
from syncd.model.ticket import Ticket
from syncd.store.records import DueRead
from syncd.store.watching import Turn


class ConfigurationMoved(Exception):
    """The store was told of another configuration than the one this decision rests on.

    Only for a moment while it is exchanged: who decides tries again soon, with the new one.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A ticket as read, and what is stored with it.

    Attributes:
        due: as it was noted before the read.
        ticket: what came of it.
        started_at: when the read began.
        next_poll_at: its next turn, or what tells it from when the ticket was last active; None:
            only when something is seen.
    """

    due: DueRead
    ticket: Ticket
    started_at: datetime
    next_poll_at: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """What a decision needs beside the store.

    Attributes:
        config: mappings and traits.
        new_key: gives a fresh operation key.
        correlation_id: follows this change.
        seen_at: when the change was read.
        now: the instant of the decision.
        root: the instance's first prefix, from which keys are derived; empty: all are fresh.
    """

    config: IntakeConfig
    new_key: Callable[[], OperationKey]
    correlation_id: CorrelationId
    seen_at: datetime
    now: datetime
    root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What decisions came to, counted.

    Attributes:
        opened: tickets that got a partner planned.
        planned: operations planned.
        superseded: operations replaced.
        conflicts: conflicts found.
        held: tickets to be looked at again later.
        told: writes a dry run would have planned.
        problems: tickets that match but lack something.
        gone: links that rest because a ticket is not there any more.
        signs: what fuses count.
        alternating: links that paused because a value goes back and forth.
    """

    opened: int = 0
    planned: int = 0
    superseded: int = 0
    conflicts: int = 0
    held: int = 0
    told: int = 0
    problems: int = 0
    gone: int = 0
    signs: tuple[Sign, ...] = ()
    alternating: int = 0

    def __add__(self, other: "Decision") -> "Decision":
        """Add up two decisions' counts."""
        return Decision(
            opened=self.opened + other.opened,
            planned=self.planned + other.planned,
            superseded=self.superseded + other.superseded,
            conflicts=self.conflicts + other.conflicts,
            held=self.held + other.held,
            told=self.told + other.told,
            problems=self.problems + other.problems,
            gone=self.gone + other.gone,
            signs=self.signs + other.signs,
            alternating=self.alternating + other.alternating,
        )
