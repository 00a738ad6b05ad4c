"""Tickets that stood on both sides before syncd came, and an operator who adopts them.

What people said, attached and set before is history, alike on both sides in part: none of it may
cross. What they say once the pair was decided about crosses like everything else.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from random import Random
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from syncd.cli.adopting import link_matches, open_partners, wanted
from syncd.cli.facts.adopt import Gathering, Wish
from syncd.intake.config import IntakeConfig
from syncd.model.errors import CommandRefused
from syncd.model.features import Reading
from syncd.model.ids import ConnectionName, Side, TicketId
from syncd.ports.adapter import Adapter
from syncd.store import adopting
from syncd.store import tables as t
from syncd.store.commands import COMMANDS
from syncd.store.database import Database
from syncd.store.tx import Tx
from tests.simulation.checker import Apart, Stood
from tests.simulation.life import CARRIER, DESK, NAMES
from tests.simulation.trials import Trial

if TYPE_CHECKING:
    from tests.simulation.world import World

PAIRS_MAX = 2
BEFORE_S = 600.0
"""So long before syncd came the last of it happened."""
ALIKE = 3
"""So much is said and attached before at most."""
REFERRED = 0.7
"""Part of the pairs that name one another already."""
ACTOR = "op"


class Standing:
    """What stood there before, and what becomes of it.

    Attributes:
        stood: what the checker is to know of it.
    """

    def __init__(self, world: "World", by: Random) -> None:
        """Know of nothing yet."""
        self._world, self._by = world, by
        self._pairs: list[tuple[TicketId, TicketId]] = []
        self._lone: dict[Side, TicketId] = {}
        self._said: dict[Side, int] = {}
        self._filed: dict[Side, int] = {}
        self._asked: set[TicketId] = set()
        self._linked: set[tuple[TicketId, TicketId]] = set()
        self._told_last = ""

    @property
    def stood(self) -> Stood:
        """What the checker is to know."""
        return Stood(
            pairs=frozenset(self._linked),
            tickets=frozenset(
                [each for pair in self._pairs for each in pair] + list(self._lone.values())
            ),
            asked=frozenset(self._asked),
            said=dict(self._said),
            filed=dict(self._filed),
        )

    # --- before --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Have people work on both sides for a while, without syncd."""
        world, by = self._world, self._by
        for _ in range(by.randint(1, PAIRS_MAX)):
            itsm, vendor = (people.open_before() for people in world.people.values())
            self._pairs.append((itsm, vendor))
            self._live_before(itsm, vendor)
            if by.random() < REFERRED:
                self._refer(itsm, vendor)
        for side, people in world.people.items():
            if by.random() < 0.5:
                self._lone[side] = people.open_before()
        self._said = {side: len(people.deeds.said) for side, people in world.people.items()}
        self._filed = {side: len(people.deeds.files) for side, people in world.people.items()}
        world.told.clear()
        world.clock.advance(BEFORE_S)
        world.began_at = world.clock.now()

    def _live_before(self, itsm: TicketId, vendor: TicketId) -> None:
        people = self._world.people
        for _ in range(self._by.randint(0, ALIKE)):
            people[Side.ITSM].say_before(itsm, "as told on the phone")
            people[Side.VENDOR].say_before(vendor, "as told on the phone")
        for _ in range(self._by.randint(0, ALIKE)):
            side = self._by.choice(list(Side))
            people[side].do_before(itsm if side is Side.ITSM else vendor)

    def _refer(self, itsm: TicketId, vendor: TicketId) -> None:
        vendors = self._world.vendors
        vendors[Side.ITSM].set(itsm, vendor_ref=vendors[Side.VENDOR].number(vendor))

    # --- meanwhile -----------------------------------------------------------------------------

    async def work(self) -> None:
        """Have an operator do one thing about it, whatever else is going on."""
        world, by = self._world, self._by
        for _ in range(by.randint(0, 40)):
            await world.step("an operator thinks")
        acts = [self._adopt, self._adopt, self._refer_one, self._link_again, self._open_lone]
        if Trial.RESTORE not in world.trials:
            # A store from before may have opened a partner again where a person linked by hand.
            acts.append(self._link_lone)
        with suppress(CommandRefused):
            await by.choice(acts)()

    def refer(self) -> None:
        """Have the tickets of each pair name one another at last."""
        for pair in self._pairs:
            self._refer(*pair)

    async def end(self) -> bool:
        """Have what names one another adopted, once that has been read; says whether any was."""
        before = set(await self._world.db.read(self._live))
        await self._world.together([self._adopt()])
        if self._world.lost:
            # A restored store does not know what was asked meanwhile: whoever asked asks again.
            await self._world.together([self._ask_again()])
        live = set(await self._world.db.read(self._live))
        assert set(self._pairs) <= live, f"of {self._pairs} only {live}: {self._told_last}"
        return live != before

    async def _ask_again(self) -> None:
        for side, name in NAMES.items():
            asked = [one for one in [self._lone.get(side)] if one in self._asked]
            told = {"mapping": self._world.rules.name, "connection": name, "tickets": asked}
            await self.carry_out("adopt.open", told)

    async def _adopt(self) -> None:
        world = self._world
        site = _StorySite(world, self)
        numbers = {
            name: [world.vendors[side].number(each) for each in self._of(side)]
            for side, name in NAMES.items()
            if world.is_calm or self._by.random() < 0.5
        }
        found = await Gathering(site, world.rules, Wish(numbers=numbers)).find()
        world.played["syncd adopt"] += 1
        self._told_last = f"{found.failed} {found.notes} {found.pairing.doubtful}"
        if found.failed:
            world.played["syncd adopt: a system cannot be read"] += 1
            return
        told = await link_matches(site, world.rules, found, lambda *_: None)
        world.played["syncd adopt: linked"] += int(str(told["linked"]))
        self._told_last += f" {told}"
        if told["refused"]:
            world.played["syncd adopt: refused"] += 1

    def _of(self, side: Side) -> list[TicketId]:
        found = [pair[0] if side is Side.ITSM else pair[1] for pair in self._pairs]
        return [*found, *([self._lone[side]] if side in self._lone else [])]

    async def _refer_one(self) -> None:
        self._refer(*self._by.choice(self._pairs))

    async def _link_again(self) -> None:
        """Link what is linked already to another one: refused, whoever asks."""
        if not self._linked or Side.VENDOR not in self._lone:
            return
        itsm, _ = self._by.choice(sorted(self._linked))
        told = self._told(itsm, self._lone[Side.VENDOR])

        def unit(tx: Tx) -> None:
            if itsm not in {pair[0] for pair in self._named(tx)}:
                return
            try:
                COMMANDS["link.add"](tx, told, ACTOR, self._world.clock.now())
            except CommandRefused:
                self._world.played["link add of what is linked: refused"] += 1
            else:
                raise AssertionError(f"{itsm} was linked twice")

        await self._world.db.write(unit)

    async def _open_lone(self) -> None:
        """Run `syncd adopt --open-unmatched`."""
        world = self._world
        site = _StorySite(world, self)
        found = await Gathering(site, world.rules, Wish()).find()
        if not found.failed:
            world.played["syncd adopt --open-unmatched"] += 1
            lone = set(self._lone.values())
            tickets = [each for each in wanted(found, None) if each.who.id in lone]
            await open_partners(site, world.rules, tickets, 5)

    async def _link_lone(self) -> None:
        """Link by hand what has no partner, which the daemon may be about to open."""
        if len(self._lone) == len(Side):
            told = self._told(self._lone[Side.ITSM], self._lone[Side.VENDOR])
            self._world.played["link add of lone tickets"] += 1
            await self.carry_out("link.add", told)

    def _told(self, itsm: TicketId, vendor: TicketId) -> dict[str, object]:
        world = self._world
        told: dict[str, object] = {"mapping": world.rules.name}
        for side, ticket_id in ((Side.ITSM, itsm), (Side.VENDOR, vendor)):
            told |= {
                f"{side}_connection": NAMES[side],
                f"{side}_kind": world.rules.kind(side),
                f"{side}_ticket": world.vendors[side].number(ticket_id),
                f"{side}_watched": world.vendors[side].profile.reading is Reading.WATCH,
            }
        return told

    async def carry_out(self, command: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Carry a command out, and note in the same transaction what it made."""

        def unit(tx: Tx) -> Any:
            told = COMMANDS[command](tx, arguments, ACTOR, self._world.clock.now())
            if command == "adopt.open" and isinstance(asked := arguments["tickets"], list):
                self._asked |= {TicketId(str(one)) for one in asked}
            self._note(tx)
            return told

        told = await self._world.db.write(unit)
        assert isinstance(told, dict)
        return told

    def _note(self, tx: Tx) -> None:
        stood = {each for pair in self._pairs for each in pair} | set(self._lone.values())
        for pair in self._named(tx):
            if set(pair) <= stood and pair not in self._linked:
                self._linked.add(pair)
                tickets = dict(zip(Side, pair, strict=True))
                copied: dict[Side, Counter[str | bytes]] = {side: Counter() for side in Side}
                self._world.operator.apart.append(Apart(tickets=tickets, copied=copied))

    def _live(self, tx: Tx) -> list[tuple[TicketId, TicketId]]:
        """Give the pairs that are linked and were both read, as the store has it."""
        return [
            (one.itsm.id, one.vendor.id)
            for one in adopting.pairs(tx, self._world.rules.name, [CARRIER])
            if not one.is_removed and one.itsm is not None and one.vendor is not None
        ]

    def _named(self, tx: Tx) -> list[tuple[TicketId, TicketId]]:
        """Give the pairs that are linked, also where the store knows but a number as yet."""
        ids = {
            side: {self._world.vendors[side].number(each): each for each in self._of(side)}
            for side in Side
        }

        def name(side: Side, external_id: str | None, number: str) -> TicketId:
            return TicketId(external_id) if external_id else ids[side].get(number, TicketId(number))

        return [
            (
                name(Side.ITSM, row.itsm_id, row.itsm_number),
                name(Side.VENDOR, row.vendor_id, row.vendor_number),
            )
            for row in tx.rows(_LINKED)
        ]


_itsm, _vendor = t.ticket.alias(), t.ticket.alias()
_LINKED = (
    sa.select(
        _itsm.c.external_id.label("itsm_id"),
        _itsm.c.number.label("itsm_number"),
        _vendor.c.external_id.label("vendor_id"),
        _vendor.c.number.label("vendor_number"),
    )
    .join_from(t.link, _itsm, _itsm.c.id == t.link.c.itsm_ticket)
    .join(_vendor, _vendor.c.id == t.link.c.vendor_ticket)
    .where(t.link.c.tombstone_at.is_(None))
    .order_by(t.link.c.id)
)


class _StorySite:
    """A story's world, as `syncd adopt` sees an installation."""

    def __init__(self, world: "World", standing: Standing) -> None:
        self._world, self._standing = world, standing
        self.config: IntakeConfig = world.intake_config()

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Database]:
        yield self._world.db

    def adapter(
        self, name: ConnectionName, *, share: float
    ) -> AbstractAsyncContextManager[Adapter]:
        return self._shared(name)

    @asynccontextmanager
    async def _shared(self, name: ConnectionName) -> AsyncIterator[Adapter]:
        yield self._world.vendors[Side.ITSM if name == DESK else Side.VENDOR]

    async def carry_out(self, command: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        return await self._standing.carry_out(command, arguments)
