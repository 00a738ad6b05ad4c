"""How much each connection may be given: slots, work claimed ahead, and pauses while it is down."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from syncd.core.retry import Failure
from syncd.delivery.options import Options
from syncd.model.ids import ConnectionName

PLACES = 2
"""Operations worked on, as a multiple of those in flight: while one half is sent, the other is made
ready (attachment fetched, *sending* committed), so that no slot waits for the store."""

# What proves that the vendor can be reached: it answered, if only to refuse.
_ANSWERED = frozenset(
    {Failure.NOT_FOUND, Failure.REFUSED, Failure.STALE_VERSION, Failure.TOKEN_REJECTED}
)


@dataclass(slots=True, kw_only=True)
class _Lane:
    """One connection's share.

    Attributes:
        width: calls in flight at once.
        slots: one for each.
        places: operations being worked on at once: in flight, or made ready for a slot.
        held: operations claimed and not finished.
        is_down: its breaker was open: one operation at a time tries.
        hold_s: how long the last pause was; 0 while it is up.
        hold_until_s: on the monotonic clock; nothing is claimed before.
    """

    width: int
    slots: asyncio.Semaphore
    places: asyncio.Semaphore
    held: int = 0
    is_down: bool = False
    hold_s: float = 0.0
    hold_until_s: float = field(default=float("-inf"))


class Lanes:
    """The connections and what each holds.

    Attributes:
        is_closing: delivery is stopping: what has not left stays.

    A connection that is down is asked for one operation now and then, so that thousands waiting
    for it cost no transactions and take nobody else's place.
    """

    def __init__(self, connections: Iterable[ConnectionName], options: Options) -> None:
        """Open a lane for each connection."""
        self.is_closing = False
        self._options = options
        self._lanes: dict[ConnectionName, _Lane] = {}
        self.serve(connections)

    def serve(self, connections: Iterable[ConnectionName]) -> None:
        """Add lanes for connections that have none."""
        for name in connections:
            if name not in self._lanes:
                width = self._options.concurrency_of(name)
                self._lanes[name] = _Lane(
                    width=width,
                    slots=asyncio.Semaphore(width),
                    places=asyncio.Semaphore(PLACES * width),
                )

    def free(self, monotonic_s: float) -> dict[ConnectionName, int]:
        """Say how many more operations each connection takes; those that take none are left out."""
        rooms = {name: self._room(lane, monotonic_s) for name, lane in self._lanes.items()}
        return {name: room for name, room in rooms.items() if room > 0}

    def _room(self, lane: _Lane, monotonic_s: float) -> int:
        if monotonic_s < lane.hold_until_s:
            return 0
        most = 1 if lane.is_down else lane.width * (1 + self._options.ahead)
        return most - lane.held

    def take(self, name: ConnectionName) -> None:
        """Count an operation that was claimed."""
        self._lanes[name].held += 1

    def finish(self, name: ConnectionName) -> bool:
        """Count an operation that is over; True when it is time to claim more."""
        lane = self._lanes[name]
        lane.held -= 1
        return lane.held <= lane.width * (1 + self._options.ahead) // 2

    def slot(self, name: ConnectionName) -> asyncio.Semaphore:
        """Return the lane's slots: hold one while the provider is called."""
        return self._lanes[name].slots

    def place(self, name: ConnectionName) -> asyncio.Semaphore:
        """Return the lane's places: hold one while an operation is worked on."""
        return self._lanes[name].places

    def note(
        self, name: ConnectionName, failure: Failure | None, wait_s: float, monotonic_s: float
    ) -> None:
        """Learn from an attempt how the connection is.

        Args:
            name: the connection.
            failure: what failed; None when nothing did.
            wait_s: for RATE_LIMITED, seconds until it may go on.
            monotonic_s: now.
        """
        lane = self._lanes.get(name)
        if lane is None:
            return
        if failure is None or failure in _ANSWERED:
            lane.is_down, lane.hold_s = False, 0.0
        elif failure is Failure.RATE_LIMITED:
            lane.hold_until_s = max(lane.hold_until_s, monotonic_s + wait_s)
        elif failure is Failure.CIRCUIT_OPEN and monotonic_s >= lane.hold_until_s:
            # Many fail together; only the first after a pause makes the next one longer.
            doubled_s = max(self._options.hold_s, 2.0 * lane.hold_s)
            lane.hold_s = min(self._options.hold_max_s, doubled_s)
            lane.hold_until_s = monotonic_s + lane.hold_s
            lane.is_down = True
