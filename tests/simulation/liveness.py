"""The end of a story: no faults any more, and everything comes to rest, and soon."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from syncd.model.ids import Side
from syncd.model.operation import OperationState
from syncd.store import conflicts, connections, journal, mappings
from syncd.store import tables as t
from syncd.store.tx import Tx
from tests.simulation.checker import Checker, Wrong
from tests.simulation.reckoning import open_still

if TYPE_CHECKING:
    from tests.simulation.world import World

ROUNDS_MAX = 120
"""Rounds without faults in which everything must have come to rest."""
AGREE_ROUNDS = 2
"""Rounds in which both sides agree once nothing is left to be waited out; a third sends nothing."""
ROUND_S = 24.0
"""From one poll to the next then; a watched ticket is read again within it."""
RESTING_S = 12.0
"""From one poll to the next before that."""
QUIET_ROUNDS = 2
"""Rounds in which nothing is open, before what there is is judged."""
DELIVERIES_MAX = 100
"""So often is delivered between two polls at most."""
SOON_S = 600.0
"""What is to be decided about within this is open."""


class Rest:
    """Has a world come to rest."""

    def __init__(self, world: "World") -> None:
        """End the faults of a world."""
        self._world = world

    async def come(self) -> None:
        """Live on until nothing is open, and hold that both sides agreed as soon as they could.

        Raises:
            AssertionError: they did not, or there is no rest.
        """
        world = self._world
        await self._put_right()
        quiet = due = 0
        for _ in range(ROUNDS_MAX):
            due = due + 1 if due or await self._is_waited_out() else 0
            sends, world.is_whole = self._sends(), bool(due)
            await (self._live_a_whole_round() if due else world.live_a_round())
            acted = await world.operator.operate() or await world.operator.seek_gone()
            if not acted and quiet and world.standing:
                acted = await world.standing.end()
            due = 0 if acted else await self._judge(due, sends)
            quiet = quiet + 1 if not acted and await self._is_quiet() else 0
            if quiet >= QUIET_ROUNDS and (not due or due > AGREE_ROUNDS):
                break
            world.clock.advance(ROUND_S if due else RESTING_S)
        else:
            raise AssertionError(f"not at rest; {await self._open()}")
        await self._be_quiet()

    async def _put_right(self) -> None:
        world = self._world
        world.is_calm, world.kill_at = True, None
        for people in world.people.values():
            people.put_right()
        if world.reforms:
            await world.together([world.operator.end_reforms()])
        if world.standing:
            world.standing.refer()
        # A webhook that failed is sent again.
        desk = world.vendors[Side.ITSM]
        world.told.extend(desk.number(ticket.id) for ticket in desk.tickets())

    async def _live_a_whole_round(self) -> None:
        """Poll once, then read, decide and deliver until nothing is due, as between two polls."""
        world = self._world
        await world.live_a_round()
        for _ in range(DELIVERIES_MAX):
            before = self._sends()
            await world.together([world.intake.drain(), world.twin.first(world.delivery)])
            if self._sends() == before:
                return

    async def _judge(self, rounds: int, sends: int) -> int:
        """Hold what is promised of a round; gives 0 where there is something to wait for again.

        A read that overlapped a write is thrown away, and is repeated only after a pause.
        """
        if rounds > AGREE_ROUNDS and self._sends() != sends:
            raise AssertionError(f"something is sent in round {rounds}")
        if rounds == AGREE_ROUNDS:
            if apart := await self._apart():
                if await self._is_waited_out():
                    raise AssertionError(f"apart after {rounds} rounds: {apart}")
                return 0
            self._world.played["agreed within two rounds"] += 1
        return rounds

    def _sends(self) -> int:
        return sum(len(vendor.sends) for vendor in self._world.vendors.values())

    async def _apart(self) -> list[str]:
        """Name in what the two sides do not agree."""
        world = self._world
        told = await world.what_is_shown()
        problems = Checker(world.vendors, world.people, world.rules, told).judge()
        return [str(one) for one in problems if one.what in (Wrong.LOST, Wrong.DIFFERENT)]

    async def _be_quiet(self) -> None:
        """Read everything once more: nothing is news, nothing is said."""
        world = self._world
        last = await world.db.read(journal.last_id)
        world.clock.advance(1_000.0)
        await world.live_a_round()
        told = await world.db.read(journal.tail, after_id=last)
        # A write that left twice is looked at once more when its settle time is over.
        lines = [one for one in told if one.line.event != "operation.rechecked"]
        assert not lines, f"not quiet: {[(one.line.event, one.line.detail) for one in lines]}"

    async def _is_waited_out(self) -> bool:
        world = self._world
        is_late = any(vendor.is_late() for vendor in world.vendors.values())
        return not is_late and await world.db.read(waited_out, now=world.clock.now())

    async def _is_quiet(self) -> bool:
        is_late = any(vendor.is_late() for vendor in self._world.vendors.values())
        return not is_late and not await self._open()

    async def _open(self) -> list[str]:
        soon = self._world.clock.now() + timedelta(seconds=SOON_S)
        return await self._world.db.read(open_still, soon=soon)


def waited_out(tx: Tx, *, now: datetime) -> bool:
    """Say whether nothing rests any more after what went wrong, or waits for a person.

    What rests: a write until it is tried or looked for again, a read until it is tried again, a
    decision that was put off. What waits for a person: a parked write, a conflict, a pause.
    """
    if any(tx.scalar(query, {"at": now}) is not None for query in _RESTING):
        return False
    return not (conflicts.list_open(tx) or connections.paused(tx) or mappings.paused(tx))


_AT = sa.bindparam("at", type_=t.operation.c.not_before.type)
_RESTS = sa.or_(
    t.state_in(OperationState.UNKNOWN, OperationState.PARKED),
    sa.and_(
        t.state_in(*t.UNSETTLED), sa.or_(t.operation.c.not_before > _AT, t.operation.c.sends > 0)
    ),
)
_RESTING = (
    sa.select(t.operation.c.id).where(_RESTS).limit(1),
    sa.select(t.ticket.c.id)
    .where(t.ticket.c.read_failures > 0, t.ticket.c.gone_at.is_(None))
    .limit(1),
    sa.select(t.ticket.c.id).where(t.ticket.c.decide_due_at > _AT).limit(1),
    sa.select(t.link.c.id)
    .where(t.link.c.paused_at.is_not(None), t.link.c.tombstone_at.is_(None))
    .limit(1),
)
