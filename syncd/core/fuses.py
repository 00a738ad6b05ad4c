"""Fuses: when so much happens at once that a person looks before it goes on (DESIGN R8).

Pure: what decisions would do comes in as signs, and out comes whether a limit is passed. What
counts is the time at which tickets were changed, as their system tells it: what piled up while
nobody read did not happen at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syncd.core.evaluate import phase_of
from syncd.core.rules import FuseLimit, Fuses
from syncd.core.slots import STATUS
from syncd.core.state import Plan, Rank, Reason, SideTraits
from syncd.model.ids import LinkRow, MappingName, Side
from syncd.model.operation import WriteKind
from syncd.model.ticket import Ticket, Value

LISTED_MIN = 10
"""A list of fewer tickets than this may well become empty."""
ALTERNATIONS_MAX = 64
"""Newest moves of one slot that are looked at."""


ENDED = ("resolved", "closed")
"""Phases in which a ticket is done with."""


class Act(StrEnum):
    """What a decision does to a link's other ticket."""

    CLOSED = "closed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One link whose partner a decision writes to.

    Attributes:
        mapping, link: which.
        act: what is done; one that is closed counts as changed too.
        at: when the ticket it came from was changed, by its own system's clock where that tells.
        noted_at: when it was decided.
    """

    mapping: MappingName
    link: LinkRow
    act: Act
    at: datetime
    noted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A limit that would be passed.

    Attributes:
        act: of what there is too much.
        count: links within the window.
        limit: how many may be.
        links: links the mapping has.
        within_s: the window.
    """

    act: Act
    count: int
    limit: int
    links: int
    within_s: float

    def __str__(self) -> str:
        """Give it as an operator reads it."""
        return (
            f"{self.count} of {self.links} linked tickets {self.act} within "
            f"{self.within_s:.0f} s, more than {self.limit}: look before it goes on"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What fuses must know of the ticket a change comes from.

    Attributes:
        phase: open, resolved, closed; None: unknown.
        changed_at: by its own system's clock.
    """

    phase: str | None = None
    changed_at: datetime | None = None


def sources_of(
    tickets: Mapping[Side, Ticket], traits: Mapping[Side, SideTraits]
) -> dict[Side, Source]:
    """Give both tickets of a link as sources of changes."""
    return {side: source_of(ticket, traits[side]) for side, ticket in tickets.items()}


def source_of(ticket: Ticket, traits: SideTraits) -> Source:
    """Give a ticket as a source of changes."""
    return Source(phase=phase_of(ticket.get(STATUS), traits), changed_at=ticket.updated_at)


def emptied(kind: str, before: int, listed: int) -> str:
    """Say why a list cannot be believed; empty when it can.

    Args:
        kind: of ticket it lists.
        before: how many it held when it was last read.
        listed: how many it holds now.
    """
    if listed or before < LISTED_MIN:
        return ""
    return f"its list of {kind}s is empty; a moment ago it held {before}: look before it goes on"


def act_of(kind: WriteKind, source: Source, *, is_closing: bool) -> Act:
    """Say what a write does to a ticket.

    Args:
        kind: of write.
        source: the ticket the change comes from.
        is_closing: it waits for all others because it closes.
    """
    is_end = kind is WriteKind.STATUS and source.phase in ENDED
    return Act.CLOSED if is_end or is_closing else Act.CHANGED


def limit_of(limit: FuseLimit, links: int) -> int:
    """Say how many links something may happen to at once, of so many there are."""
    return max(limit.at_least, int(limit.share * links))


def smallest(fuses: Fuses, links: int) -> int:
    """Say how many decisions can come together before any fuse can trip."""
    return min(limit_of(fuses.closed, links), limit_of(fuses.changed, links))


def signs_of(
    mapping: MappingName,
    link: LinkRow,
    plan: Plan,
    sources: Mapping[Side, Source],
    now: datetime,
) -> tuple[Sign, ...]:
    """Tell what a plan does to a link's tickets; comments and attachments are no sign.

    Args:
        mapping: of the link.
        link: the link.
        plan: what was decided about it.
        sources: both tickets, as far as there are any.
        now: when it was decided.
    """
    acts: dict[Act, datetime] = {}
    for operation in plan.operations:
        is_change = operation.kind in (WriteKind.UPDATE, WriteKind.STATUS)
        # Numbers that link two tickets are our own doing.
        if not is_change or operation.reason is Reason.REFERENCE:
            continue
        source = sources.get(operation.target.other, Source())
        at = min(now, source.changed_at or now)
        act = act_of(operation.kind, source, is_closing=operation.rank is Rank.CLOSING)
        acts[act] = max(at, acts.get(act, at))
    return tuple(
        Sign(mapping=mapping, link=link, act=act, at=at, noted_at=now) for act, at in acts.items()
    )


def judge(signs: Iterable[Sign], links: int, fuses: Fuses) -> Trip | None:
    """Say whether what one mapping's decisions do is too much at once; None: it may go on.

    Args:
        signs: of one mapping, those decided lately and those to be decided.
        links: how many links it has.
        fuses: its limits.
    """
    given = list(signs)
    for act, limit in ((Act.CLOSED, fuses.closed), (Act.CHANGED, fuses.changed)):
        counted = [sign for sign in given if act in (Act.CHANGED, sign.act)]
        allowed = limit_of(limit, links)
        if len(counted) <= allowed:
            continue
        count = _densest(counted, timedelta(seconds=fuses.within_s))
        if count > allowed:
            return Trip(act=act, count=count, limit=allowed, links=links, within_s=fuses.within_s)
    return None


def _densest(signs: Sequence[Sign], window: timedelta) -> int:
    """Count the links of the window that has most of them."""
    in_order = sorted(signs, key=lambda sign: sign.at)
    inside: dict[LinkRow, int] = {}
    most, first = 0, 0
    for sign in in_order:
        inside[sign.link] = inside.get(sign.link, 0) + 1
        while sign.at - in_order[first].at > window:
            gone = in_order[first].link
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            first += 1
        most = max(most, len(inside))
    return most


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A value that was carried, or is about to be: by slot, to which side."""

    slot: str
    target: Side
    value: Value


def moves_of(plan: Plan) -> tuple[Move, ...]:
    """List the values a plan carries."""
    return tuple(
        Move(slot=slot, target=operation.target, value=move.source_value)
        for operation in plan.operations
        for slot, move in operation.slots.items()
    )


def back_and_forth(moves: Sequence[Move], at_most: int) -> Move | None:
    """Find a slot whose value goes back and forth between the sides more often than allowed.

    Two systems do that which each insist on their own value; people change one side.

    Args:
        moves: of one link, oldest first, the ones to be planned last.
        at_most: turns that are allowed.
    """
    by_slot: dict[str, list[Move]] = {}
    for move in moves[-ALTERNATIONS_MAX:]:
        by_slot.setdefault(move.slot, []).append(move)
    for found in by_slot.values():
        if _turns(found) > at_most:
            return found[-1]
    return None


def _turns(moves: Sequence[Move]) -> int:
    """Count how often the newest moves turned round, each side's value staying the same."""
    turns = 0
    for place in range(len(moves) - 1, 0, -1):
        newer, older = moves[place], moves[place - 1]
        repeats = place < 2 or newer.value == moves[place - 2].value
        if newer.target is older.target or not repeats:
            break
        turns += 1
    return turns
