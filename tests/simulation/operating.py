"""A person who runs the daemon: settles what waits, pauses, reloads, takes pairs apart."""

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from syncd.core.rules import ConflictPolicy, MappingMode, MappingRules
from syncd.core.state import MET
from syncd.model.errors import CommandRefused
from syncd.model.ids import MappingName, OperationId, Side, TicketId, TicketRow
from syncd.model.operation import OperationState, ParkReason, WriteKind
from syncd.store import codec, commands, conflicts, connections, links, mappings, operations
from syncd.store import tables as t
from syncd.store.records import OperationRecord
from syncd.store.tx import Row, Tx
from tests.simulation.checker import Apart, GivenUp
from tests.simulation.life import NAMES, Killed
from tests.simulation.pressing import made_by
from tests.simulation.scenarios import with_policy
from tests.simulation.vendor import US

if TYPE_CHECKING:
    from tests.simulation.world import World

POLICIES = (ConflictPolicy.ITSM, ConflictPolicy.VENDOR, ConflictPolicy.PARK)


class Operator:
    """Looks before acting, and acts at any moment."""

    def __init__(self, world: "World") -> None:
        """Act in a world."""
        self._world = world
        self._clock, self._random, self._vendors = world.clock, world.random, world.vendors
        self._off_s = 0.0
        self._serial = 1
        self._parted: list[tuple[TicketRow, TicketRow]] = []
        self.given_up: list[GivenUp] = []
        self.apart: list[Apart] = []

    def _count(self, what: str) -> None:
        self._world.played[f"operator: {what}"] += 1

    async def operate(self) -> bool:
        """Settle what waits for a person, honestly; says whether anything was done."""
        with contextlib.suppress(Killed):
            acted = await self._resume()
            if any(vendor.is_late() for vendor in self._vendors.values()):
                return acted
            for one in await self._world.db.read(operations.list_operations):
                if one.state is OperationState.PARKED:
                    await self._settle(one)
                    acted = True
            for conflict in await self._world.db.read(conflicts.list_open):
                if self._random.random() < 0.5:
                    keep = self._random.choice(list(Side))
                    now = self._clock.now()
                    self._count("resolve")
                    await self._world.db.write(
                        conflicts.resolve, conflict.id, keep, by="op", now=now
                    )
                    acted = True
            return acted
        return True

    async def _resume(self) -> bool:
        how: dict[str, Any] = {"by": "op", "now": self._clock.now()}
        for connection in (paused := await self._world.db.read(connections.paused)):
            await self._world.db.write(connections.resume, connection, **how)
        for name in (stopped := await self._world.db.read(mappings.paused)):
            await self._world.db.write(mappings.resume, name, **how)
        resting = await self._world.db.read(lambda tx: tx.scalars(_RESTING))
        for link_id in resting:
            await self._world.db.write(links.resume, link_id, **how)
        return bool(paused or stopped or resting)

    async def meddle(self) -> None:
        """Pause something, or set the clock."""
        how: dict[str, Any] = {"by": "op", "now": self._clock.now()}
        some = [one.link.id for one in await self._world.db.read(links.overview)]
        choice = self._random.choice(("connection", "mapping", "link", "clock", "resume"))
        self._count(f"pause or set: {choice}")
        match choice:
            case "connection":
                name = self._random.choice(list(NAMES.values()))
                await self._world.db.write(connections.pause, name, "why", **how)
            case "mapping":
                await self._world.db.write(mappings.pause, self._world.rules.name, "why", **how)
            case "link" if some:
                await self._world.db.write(links.pause, self._random.choice(some), "why", **how)
            case "clock":
                # Off by so much at most, and put right again: no clock drifts without end.
                off_s = self._random.uniform(-40.0, 40.0)
                self._clock.jump(off_s - self._off_s)
                self._off_s = off_s
            case _:
                await self._resume()

    async def discard(self, by: Random) -> None:
        """Give up one operation, whatever becomes of it and however far it got."""
        for _ in range(by.randint(0, 40)):
            await self._world.step("an operator thinks")
        luck = by.random()

        def unit(tx: Tx) -> None:
            rows = tx.rows(_DISCARDABLE)
            if not rows:
                return
            row = rows[int(luck * len(rows))]
            operations.discard(tx, OperationId(row.id), by="op", now=self._clock.now())
            # Within the unit: whoever dies right after its commit has given it up all the same.
            self.given_up.append(self._meaning(tx, row))
            self._count(f"discard a {row.kind} that is {row.park_reason or row.state}")

        await self._world.db.write(unit)

    def _meaning(self, tx: Tx, row: Row) -> GivenUp:
        side = Side(row.target).other
        source = tx.scalar(_EXTERNAL_ID, {"row": row.source_row})
        _, comment, attachment = codec.load_payload(row.payload)
        files = self._vendors[side].bodies(source) if attachment is not None else {}
        return GivenUp(
            side=side,
            ticket_id=TicketId(source),
            kind=WriteKind(row.kind),
            text=comment.body if comment is not None else "",
            body=files.get(row.item_source_id),
            slots={
                slot: move.source_value
                for slot, move in codec.load_slots(row.slots).items()
                if move.source is side
            },
        )

    async def seek_gone(self) -> bool:
        """Have tickets read again that are shown as gone and are there; says whether there were."""
        there = {ticket.number for each in self._vendors.values() for ticket in each.tickets()}
        gone = there.intersection(self._world.store.tx.scalars(_GONE))
        for number in sorted(gone):
            asked = {"name": number}
            await self._world.db.write(commands.resync, asked, "op", self._clock.now())
        return bool(gone)

    # --- the configuration, and who belongs to whom --------------------------------------------

    async def reform(self, by: Random) -> None:
        """Edit or rename the mapping and reload it, or take a pair apart and put it together."""
        for _ in range(by.randint(0, 40)):
            await self._world.step("an operator thinks")
        choice = by.choice(("edit", "rename", "mode", "part", "join"))
        self._count(f"reform: {choice}")
        match choice:
            case "edit":
                await self.edit(by)
            case "rename":
                name = MappingName(f"renamed-{self._serial}")
                await self._load(replace(self._world.rules, name=name))
            case "mode":
                mode = by.choice(list(MappingMode))
                await self._load(replace(self._world.rules, mode=mode))
            case "part":
                await self._part(by)
            case _:
                await self._join()

    async def edit(self, by: Random) -> None:
        """Give the mapping another policy and reload it."""
        await self._load(with_policy(self._world.rules, by.choice(POLICIES)))

    async def end_reforms(self) -> None:
        """Have everything live and together again."""
        if self._world.rules.mode is not MappingMode.LIVE:
            await self._load(replace(self._world.rules, mode=MappingMode.LIVE))
        await self._join()

    def look_around(self) -> None:
        """See which pairs are apart after a backup was restored."""
        self._parted = [(row.itsm, row.vendor) for row in self._world.store.tx.rows(_APART)]

    async def _load(self, rules: MappingRules) -> None:
        """Reload: the store is told first, then those who work with it."""
        self._serial += 1
        world = self._world
        if rules.name != world.rules.name:
            # Whoever renames a mapping keeps no backup that knows it by its old name.
            world.backed_up_at = None
        world.was, world.rules, world.revision = world.rules.name, rules, f"r{self._serial}"
        await world.tell_store()
        world.intake.reload(world.intake_config())

    async def _part(self, by: Random) -> None:
        """Remove a link that owes nothing; what its tickets show next waits for its return."""

        def unit(tx: Tx) -> None:
            owing = set(tx.scalars(_OWING))
            whole = [link for link in links.live(tx) if len(link.rows) == len(Side)]
            free = [link for link in whole if link.id not in owing]
            if free:
                link = by.choice(free)
                links.tombstone(tx, link.id, by="op", now=self._clock.now())
                # Within the unit: whoever dies right after its commit has parted them all the same.
                self._parted.append((link.rows[Side.ITSM], link.rows[Side.VENDOR]))
                self.apart.append(self._parting(tx, link.rows))

        await self._world.db.write(unit)

    def _parting(self, tx: Tx, rows: Mapping[Side, TicketRow]) -> Apart:
        tickets = {
            side: TicketId(tx.scalar(_EXTERNAL_ID, {"row": row})) for side, row in rows.items()
        }
        copied: dict[Side, Counter[str | bytes]] = {}
        for side in Side:
            there = self._vendors[side.other]
            made: list[str | bytes] = [
                words for by, words in there.said(tickets[side.other]) if by == US
            ]
            made += [body for by, _, body in there.files(tickets[side.other]) if by == US]
            copied[side] = Counter(made)
        return Apart(tickets=tickets, copied=copied)

    def note_met(self) -> None:
        """Note of pairs that were put together whether they have been decided about anew."""
        pending = [apart for apart in self.apart if not apart.said]
        if not pending:
            return
        met = {(row.itsm, row.vendor) for row in self._world.store.tx.rows(_MET)}
        for apart in pending:
            if (apart.tickets[Side.ITSM], apart.tickets[Side.VENDOR]) in met:
                for side, people in self._world.people.items():
                    apart.said[side] = len(people.deeds.said)
                    apart.filed[side] = len(people.deeds.files)
                    apart.fields[side] = dict(
                        self._vendors[side].ticket(apart.tickets[side]).fields
                    )

    async def _join(self) -> None:
        while self._parted:
            itsm_row, vendor_row = self._parted[-1]
            # Refused: somebody who adopts has linked them meanwhile.
            with contextlib.suppress(CommandRefused):
                await self._world.db.write(
                    links.add_link,
                    mapping=self._world.rules.name,
                    itsm_row=itsm_row,
                    vendor_row=vendor_row,
                    by="op",
                    now=self._clock.now(),
                )
            self._parted.pop()

    async def _settle(self, one: OperationRecord) -> None:
        now = self._clock.now()
        vendor = self._vendors[one.target]
        effect = vendor.effect_of(one.key)
        if one.park_reason in (ParkReason.IN_DOUBT, ParkReason.EXHAUSTED) and effect is not None:
            self._count("adopt an operation")
            await self._world.db.write(
                operations.adopt, one.id, made_by(vendor, effect), by="op", now=now
            )
            return
        can_probe = vendor.features.writes[one.kind].can_probe
        with contextlib.suppress(Exception):
            self._count("retry")
            await self._world.db.write(
                operations.retry,
                one.id,
                by="op",
                now=now,
                i_know=not can_probe,
                can_probe=can_probe,
            )


_DISCARDABLE = (
    t.operation.select()
    .where(t.state_in(*t.DUE, OperationState.WAITING, OperationState.PARKED))
    .order_by(t.operation.c.id)
)
_APART = (
    t.link.select()
    .with_only_columns(t.link.c.itsm_ticket.label("itsm"), t.link.c.vendor_ticket.label("vendor"))
    .where(
        t.link.c.tombstone_at.is_not(None),
        t.link.c.itsm_ticket.is_not(None),
        t.link.c.vendor_ticket.is_not(None),
    )
)
_itsm, _vendor = t.ticket.alias(), t.ticket.alias()
_MET = (
    sa.select(_itsm.c.external_id.label("itsm"), _vendor.c.external_id.label("vendor"))
    .join_from(t.link, _itsm, _itsm.c.id == t.link.c.itsm_ticket)
    .join(_vendor, _vendor.c.id == t.link.c.vendor_ticket)
    .join(t.baseline, t.baseline.c.link == t.link.c.id)
    .where(t.baseline.c.slot == MET, t.link.c.tombstone_at.is_(None))
)
_EXTERNAL_ID = (
    t.ticket.select()
    .with_only_columns(t.ticket.c.external_id)
    .where(t.ticket.c.id == sa.bindparam("row"))
)
_RESTING = t.link.select().with_only_columns(t.link.c.id).where(t.link.c.paused_at.is_not(None))
_IS_GONE = t.ticket.c.gone_at.is_not(None)
_GONE = t.ticket.select().with_only_columns(t.ticket.c.number).where(_IS_GONE)
_OWING = t.operation.select().with_only_columns(t.operation.c.link).where(t.state_in(*t.UNSETTLED))
