"""Tickets that carry a marker of ours: adopted, held, set aside, or a person's own (R5)."""

from dataclasses import replace

import pytest

from syncd.core import marker
from syncd.model.features import Features, WriteFeature
from syncd.model.ids import Side, TicketId
from syncd.model.operation import OperationState, ParkReason, Write, WriteKind
from syncd.store import links, operations, outbox
from syncd.store.records import Claim
from tests.intake.world import CARRIER, World
from tests.simulation.traits import Fate
from tests.simulation.vendor import Vendor


def _made(world: World, write: Write) -> TicketId:
    """The effect of a create shows at the carrier."""
    return world.carrier._do(write, b"").ticket_id


async def _claim(world: World) -> None:
    claim = Claim(
        owner="another",
        now=world.now(),
        lease_until=world.now(),
        free={CARRIER: 9},
        writable_mappings=frozenset(each.name for each in world.rules),
    )
    (op,) = await world.db.write(outbox.claim, claim)
    await world.db.write(outbox.mark_sending, op.id, op.owner, op.attempt, world.now())


async def test_while_its_create_is_being_sent_a_ticket_is_held(world: World) -> None:
    write = await world.create_by_us()
    await _claim(world)
    made = _made(world, write)
    await world.read()
    assert (await world.ops(WriteKind.CREATE))[0].state is OperationState.SENDING
    stored = await world.stored(world.carrier, made)
    assert not stored.stray
    assert stored.decide_due_at is not None
    assert len(await world.links()) == 1  # it did not get a partner of its own


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.LATE])
async def test_a_create_whose_answer_was_lost_adopts_the_ticket_that_shows_its_marker(
    world: World, fate: Fate
) -> None:
    await world.create_by_us()
    world.carrier.fate = lambda call: fate if call == "write" else Fate.OK
    await world.deliver()
    assert (await world.ops(WriteKind.CREATE))[0].state is OperationState.UNKNOWN
    world.carrier.fate = lambda _call: Fate.OK
    probes_before = len(await world.lines("operation.later"))
    world.clock.advance(15)  # before the first probe is due
    await world.read()
    assert await world.ops(WriteKind.CREATE) == []
    assert len(await world.lines("operation.later")) == probes_before
    link = await world.link()
    assert set(link.rows) == set(Side)
    await world.settle()
    assert len(world.carrier.tickets()) == len(world.desk.tickets()) == 1
    assert "its marker was met in a read" in await world.lines("operation.applied")


async def test_a_create_parked_in_doubt_is_settled_when_its_ticket_is_met(world: World) -> None:
    world.desk.profile = replace(world.desk.profile, finds_creates=False)
    world.build()
    world.carrier.open(title="t")
    await world.read()
    world.desk.fate = lambda call: Fate.LOST if call == "write" else Fate.OK
    await world.deliver()
    (create,) = await world.ops(WriteKind.CREATE)
    assert create.park_reason is ParkReason.IN_DOUBT
    world.desk.fate = lambda _call: Fate.OK
    (made,) = [ticket.id for ticket in world.desk.tickets()]
    await world.notify(made)
    await world.settle()
    assert await world.ops() == []
    assert len((await world.link()).rows) == 2
    assert len(world.desk.tickets()) == 1


async def test_a_ticket_with_a_marker_of_another_instance_never_gets_a_partner(
    world: World,
) -> None:
    write = replace(await world.create_by_us(), key="abcd-0123456789ab")  # type: ignore[arg-type]
    made = _made(world, write)
    await world.settle()
    assert (await world.stored(world.carrier, made)).stray
    assert await world.lines("ticket.stray") == ["marker abcd-0123456789ab is not of this store"]
    assert len(world.desk.tickets()) == 1


async def test_a_second_effect_of_a_create_never_gets_a_partner(world: World) -> None:
    write = await world.create_by_us()
    await world.settle()
    twin = _made(world, write)
    await world.settle()
    assert (await world.stored(world.carrier, twin)).stray
    assert len(world.desk.tickets()) == 1
    assert await world.lines("ticket.stray") == [f"a second effect of {write.key}"]


async def test_what_a_discarded_create_made_after_all_never_gets_a_partner(
    world: World,
) -> None:
    write = await world.create_by_us()
    (create,) = await world.ops(WriteKind.CREATE)
    await world.run(operations.discard, create.id, by="kari")
    made = _made(world, write)
    await world.settle()
    assert (await world.stored(world.carrier, made)).stray
    assert len(world.desk.tickets()) == 1


async def test_the_ticket_of_a_create_whose_source_is_gone_is_adopted_still(
    world: World,
) -> None:
    write = await world.create_by_us()
    world.carrier.fate = lambda call: Fate.CUT if call == "write" else Fate.OK
    await world.deliver()
    world.carrier.fate = lambda _call: Fate.OK
    world.desk.remove(world.desk.tickets()[0].id)
    for _ in range(3):
        world.clock.advance(10)
        await world.intake.run_round()
    made = _made(world, write)
    await world.read()
    stored = await world.stored(world.carrier, made)
    assert not stored.stray
    assert (await world.link()).rows[Side.VENDOR] == stored.row


# --- people who quote ----------------------------------------------------------------------------


async def test_a_ticket_that_quotes_a_comment_of_ours_is_a_ticket_like_any_other(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    world.desk.say(itsm, "hello")
    await world.notify(itsm)
    await world.settle()
    (key,) = marker.split(world.carrier.raw_said(vendor)[-1][1])[1]
    quoting = world.carrier.open(title="see the other case")
    world.carrier.mark(quoting, key)
    await world.settle()
    assert not (await world.stored(world.carrier, quoting)).stray
    assert len(world.desk.tickets()) == 2


async def test_a_comment_that_quotes_what_we_wrote_on_another_ticket_is_carried(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    world.desk.say(itsm, "hello")
    await world.notify(itsm)
    await world.settle()
    ours = world.carrier.raw_said(vendor)[-1][1]
    other, other_vendor = await world.linked(title="another")
    world.carrier.say(other_vendor, f"see there: {ours}")
    await world.settle()
    assert world.desk.said(other) == [("syncd", "see there: Ann: hello")]


async def test_a_ticket_of_the_other_system_that_quotes_a_creates_marker_is_one_as_well(
    world: World,
) -> None:
    write = await world.create_by_us()
    world.carrier.fate = lambda call: Fate.CUT if call == "write" else Fate.OK
    await world.deliver()
    world.carrier.fate = lambda _call: Fate.OK
    quoting = world.noc(title="what became of this?")
    world.desk.mark(quoting, write.key)
    await world.notify(quoting)
    await world.read()
    assert (await world.ops(WriteKind.CREATE))[0].state is OperationState.UNKNOWN
    await world.settle()
    assert len(world.carrier.tickets()) == 2
    assert len(world.desk.tickets()) == 2


# --- providers whose creates carry no marker -----------------------------------------------------


class _Unmarked(Vendor):
    @property
    def features(self) -> Features:
        found = super().features
        create = WriteFeature(can_probe=False, settle_s=20.0, marker=False)
        return replace(found, writes={**found.writes, WriteKind.CREATE: create})


async def test_where_creates_carry_no_marker_new_tickets_wait_until_ours_is_settled(
    world: World,
) -> None:
    world.carrier = world.vendors[CARRIER] = _Unmarked(world.clock, "v")
    world.build()
    old = world.carrier.open(title="made long before")
    await world.settle()
    world.clock.advance(3600)
    await world.create_by_us()
    world.carrier.fate = lambda call: Fate.LOST if call == "write" else Fate.OK
    await world.deliver()
    world.carrier.fate = lambda _call: Fate.OK
    (create,) = await world.ops(WriteKind.CREATE)
    made = world.carrier.tickets()[-1].id
    world.carrier.mark(made)
    world.carrier.set(old, title="its title changed")
    await world.settle()
    assert len(world.desk.tickets()) == 2  # nothing was opened for what may be ours
    await world.run(operations.adopt, create.id, str(made), by="kari")
    await world.settle(seconds=60)
    assert len(world.desk.tickets()) == 2
    assert len(await world.links()) == 2


async def test_a_ticket_we_made_may_be_opened_at_another_vendor_by_another_mapping(
    world: World,
) -> None:
    (first,) = world.rules
    other = Vendor(world.clock, "w")
    name = type(CARRIER)("other")
    world.vendors[name] = other
    second = replace(first, name=type(first.name)("second"), vendor=name, open_to_itsm=None)
    await world.set_up()
    await world.configure(replace(first, open_to_vendor=None), second)
    world.carrier.open(title="t")
    await world.settle()
    (made,) = world.desk.tickets()
    assert other.tickets() == []
    world.desk.set(made.id, assigned_group="NOC")
    await world.notify(made.id)
    await world.settle()
    assert len(other.tickets()) == 1
    assert {len(found.link.rows) for found in await world.links()} == {2}
    assert len(await world.db.read(links.overview)) == 2
