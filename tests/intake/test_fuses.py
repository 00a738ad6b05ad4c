"""Fuses: too much at once waits for a person, before any of it is written (R8)."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from syncd.core.rules import FuseLimit, Fuses, Rate
from syncd.model.ids import TicketId
from syncd.model.operation import OperationState, WriteKind
from syncd.store import connections, feeds, mappings
from syncd.store.commands import COMMANDS
from tests.intake.world import CARRIER, MAPPING_NAME, World, rules
from tests.simulation.vendor import KIND

LINKS = 24
TIGHT = Fuses(
    closed=FuseLimit(at_least=4, share=0.25),
    changed=FuseLimit(at_least=8, share=0.5),
    opened=FuseLimit(at_least=100, share=1.0),
    within_s=600.0,
    back_and_forth=Rate(count=4, per_s=3600.0),
)


async def _many(world: World, fuses: Fuses = TIGHT) -> list[tuple[TicketId, TicketId]]:
    """Have links at rest, opened long ago."""
    world.carrier.profile = replace(world.carrier.profile, page=2 * LINKS)
    await world.configure(rules(fuses=fuses))
    itsm = [world.noc(title=f"t{n}") for n in range(LINKS)]
    await world.notify(*itsm)
    await world.settle()
    pairs = [(each, await world.partner(each)) for each in itsm]
    world.clock.advance(3_600)
    await world.settle(rounds=2)
    assert await world.ops() == []
    return pairs


async def _resume(world: World) -> object:
    command = COMMANDS["resume"]
    return await world.run(
        lambda tx, now: command(tx, {"name": MAPPING_NAME, "kind": "mapping"}, "cli:Kari", now)
    )


def _desk_states(world: World, pairs: list[tuple[TicketId, TicketId]]) -> set[object]:
    return {world.desk.ticket(itsm).get("status") for itsm, _ in pairs}


@pytest.mark.parametrize("coming", ["together", "one by one", "one by one, with restarts"])
async def test_mass_closing_pauses_with_one_alert_and_writes_nothing_past_the_limit(
    world: World, coming: str
) -> None:
    pairs = await _many(world)
    together = coming == "together"
    with capture_logs() as logs:
        for _, vendor in pairs[:15]:
            world.carrier.set(vendor, status="Solved")
            if not together:
                await world.read()
                await world.deliver()
            if "restarts" in coming:
                world.build()
        await world.settle()
    resolved = [i for i, _ in pairs if world.desk.ticket(i).get("status") == "Resolved"]
    # 25 % of 24 links: seen as a whole none of it is written, one by one never more than that.
    assert len(resolved) <= (0 if together else 6)
    assert [each["event"] for each in logs].count("mapping.paused") == 1
    assert len(await world.lines("mapping.paused")) == 1
    if "restarts" in coming:
        world.build()
        await world.settle()
    told = await _resume(world)
    assert isinstance(told, dict)
    assert sum(told["held"].values()) == 15 - len(resolved)
    await world.settle()
    closed = {world.desk.ticket(itsm).get("status") for itsm, _ in pairs[:15]}
    assert (closed, len(await world.lines("mapping.paused"))) == ({"Resolved"}, 1)
    assert await world.ops() == []


async def test_a_mass_change_read_in_parts_is_judged_whole_while_others_are_decided_about(
    world: World,
) -> None:
    world.options = replace(world.options, reads_per_round=LINKS // 3)
    pairs = await _many(world, replace(TIGHT, changed=FuseLimit(at_least=LINKS - 2, share=0.0)))
    (busy, _), rest = pairs[0], pairs[1:]
    for _, vendor in rest:
        world.carrier.set(vendor, priority="Medium")
    await world.intake.poll(CARRIER)
    world.desk.set(busy, title="again")
    await world.notify(busy)
    for _ in range(3):
        # What was sent for the desk's ticket is decided about while the carrier's are being read.
        await world.intake.run_round()
        await world.delivery.run_round()
        world.clock.advance(1.0)
    await world.settle()
    assert len(await world.lines("mapping.paused")) == 1
    assert {world.desk.ticket(itsm).get("priority") for itsm, _ in rest} == {"1"}


async def test_every_ticket_changed_at_once_waits_and_what_is_undone_meanwhile_is_never_written(
    world: World,
) -> None:
    pairs = await _many(world)
    for _, vendor in pairs:
        world.carrier.set(vendor, priority="Medium")
    await world.settle()
    assert len(await world.lines("mapping.paused")) == 1
    assert {world.desk.ticket(itsm).get("priority") for itsm, _ in pairs} == {"1"}
    for _, vendor in pairs[:20]:
        world.carrier.set(vendor, priority="Critical")
    await world.settle()
    waiting = [each for each in await world.ops() if each.kind is WriteKind.UPDATE]
    assert {each.state for each in waiting} <= {OperationState.READY, OperationState.WAITING}
    await _resume(world)
    await world.settle()
    priorities = [world.desk.ticket(itsm).get("priority") for itsm, _ in pairs]
    assert priorities == ["1"] * 20 + ["3"] * 4


async def test_a_person_who_resumed_is_not_asked_again_about_the_same(world: World) -> None:
    pairs = await _many(world)
    for _, vendor in pairs:
        world.carrier.set(vendor, priority="Medium")
    await world.settle()
    await _resume(world)
    for _, vendor in pairs[:3]:
        world.carrier.set(vendor, status="Solved")
    await world.settle()
    assert (await world.db.read(mappings.get, MAPPING_NAME)).pause is None
    assert await world.ops() == []


async def test_what_fits_the_limits_is_carried_whole_although_it_came_at_once(
    world: World,
) -> None:
    pairs = await _many(world, replace(TIGHT, changed=FuseLimit(at_least=LINKS, share=0.0)))
    for _, vendor in pairs:
        world.carrier.set(vendor, priority="Medium")
    for _, vendor in pairs[:6]:
        world.carrier.set(vendor, status="Solved")
    await world.settle()
    assert {world.desk.ticket(itsm).get("priority") for itsm, _ in pairs} == {"3"}
    assert await world.lines("mapping.paused") == []


async def test_two_systems_that_overrule_each_other_are_stopped_on_that_ticket_alone(
    world: World,
) -> None:
    await world.configure(rules(fuses=TIGHT))
    itsm, vendor = await world.linked()
    other, other_vendor = await world.linked()
    for _ in range(10):
        if world.carrier.ticket(vendor).get("priority") == "Critical":
            world.carrier.set(vendor, priority="High")
            await world.settle(rounds=2)
        if world.desk.ticket(itsm).get("priority") == "2":
            world.desk.set(itsm, priority="1")
            await world.notify(itsm)
            await world.settle(rounds=2)
    (told,) = await world.lines("link.paused")
    assert "both.priority went back and forth more than 4 times" in told
    world.carrier.set(other_vendor, priority="High")
    await world.settle()
    assert world.desk.ticket(other).get("priority") == "2"
    number = world.desk.number(itsm)
    command = COMMANDS["resume"]
    await world.run(lambda tx, now: command(tx, {"name": number}, "cli:Kari", now))
    await world.notify(itsm)
    await world.settle()
    final = world.desk.ticket(itsm).get("priority"), world.carrier.ticket(vendor).get("priority")
    assert final in {("1", "Critical"), ("2", "High")}
    assert len(await world.lines("link.paused")) == 1


async def test_mass_creation_is_held_also_where_the_mapping_states_no_pace(world: World) -> None:
    fuses = replace(TIGHT, opened=FuseLimit(at_least=5, share=0.0))
    await world.configure(rules(fuses=fuses))
    await world.notify(*[world.noc(title=f"t{n}") for n in range(12)])
    await world.settle()
    assert len(world.carrier.tickets()) <= 5
    assert len(await world.lines("mapping.paused")) == 1
    await _resume(world)
    await world.settle(rounds=12)
    assert len(world.carrier.tickets()) == 12


async def test_a_list_that_is_empty_all_at_once_stops_its_connection_until_a_person_looked(
    world: World,
) -> None:
    world.carrier.listed = 400
    await world.read()
    world.carrier.listed = 0
    itsm, vendor = await _unread_change(world)
    # What was known before a restart is known after it.
    world.build()
    cursor = await world.db.read(feeds.load_cursor, CARRIER, KIND)
    await world.read()
    world.build()
    await world.read()
    (told,) = await world.lines("connection.paused")
    assert "empty; a moment ago it held 400" in told
    assert await world.db.read(feeds.load_cursor, CARRIER, KIND) == cursor
    await world.run(connections.resume, CARRIER, by="cli:Kari")
    await world.settle()
    assert await world.lines("connection.paused") == [told]
    assert world.desk.ticket(itsm).get("priority") == "2"
    assert world.carrier.ticket(vendor).get("priority") == "High"


async def _unread_change(world: World) -> tuple[TicketId, TicketId]:
    listed, world.carrier.listed = world.carrier.listed, 400
    itsm, vendor = await world.linked()
    world.carrier.set(vendor, priority="High")
    world.carrier.listed = listed
    return itsm, vendor
