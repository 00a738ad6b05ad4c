"""The configuration is exchanged while tickets are read and decided about."""

from dataclasses import replace

import pytest

from syncd.core.rules import MappingMode, MappingRules, Rate
from syncd.model.errors import CommandRefused
from syncd.model.ids import MappingName, Side
from syncd.store import adopting, mappings
from syncd.store.commands import COMMANDS
from syncd.store.tx import Tx
from tests.intake.world import DESK, World, rules


async def _store_is_told(world: World, changed: MappingRules) -> None:
    """The first half of a reload: the store knows, intake works as before."""
    (old,) = world.rules

    def unit(tx: Tx) -> None:
        was = old.name if old.name != changed.name else None
        mappings.sync(
            tx,
            changed.name,
            mode=changed.mode,
            revision=changed.revision,
            now=world.clock.now(),
            was=was,
            sides=[(changed.connection(side), changed.kind(side)) for side in Side],
        )

    await world.db.write(unit)


async def _is_exchanged(world: World, changed: MappingRules) -> None:
    """The second half."""
    world.rules = (changed,)
    world.build()


def _renamed(world: World) -> MappingRules:
    return replace(world.rules[0], name=MappingName("other"), revision="r2")


async def test_a_ticket_first_read_while_the_mapping_is_edited_is_opened(world: World) -> None:
    edited = replace(world.rules[0], revision="r2")
    ticket = world.noc()
    world.clock.advance(5)

    async def step(name: str) -> None:
        if name == "was read" and world.rules[0] is not edited:
            world.clock.advance(1)
            await _store_is_told(world, edited)
            world.rules = (edited,)

    world.desk.step = step
    await world.notify(ticket)
    await world.settle()
    assert len(world.carrier.tickets()) == 1
    assert await world.lines("opening.known_only") == []


async def test_what_is_read_while_a_mapping_is_renamed_is_decided_by_its_new_name(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    renamed = _renamed(world)
    await _store_is_told(world, renamed)
    world.desk.say(itsm, "hello")
    world.carrier.say(vendor, "we look into it")
    new = world.noc(title="another")
    await world.notify(itsm, new)
    await world.read()
    await _is_exchanged(world, renamed)
    await world.settle()
    assert world.carrier.said(vendor)[-1] == ("syncd", "Ann: hello")
    assert ("syncd", "we look into it") in world.desk.said(itsm)
    assert len(world.carrier.tickets()) == 2


async def test_what_a_dry_run_says_while_its_mapping_goes_live_uses_nothing_up(
    world: World,
) -> None:
    (live,) = world.rules
    dry = replace(live, mode=MappingMode.DRY_RUN, revision="r2")
    itsm, vendor = await world.linked()
    await world.configure(dry)
    world.desk.say(itsm, "hello")
    new = world.noc(title="another")
    await world.notify(itsm, new)
    await world.settle()
    await _store_is_told(world, live)
    await world.intake.drain()
    await _is_exchanged(world, live)
    await world.settle()
    assert world.carrier.said(vendor)[-1] == ("syncd", "Ann: hello")
    assert len(world.carrier.tickets()) == 2


async def test_a_ticket_held_by_the_pace_is_opened_also_when_the_mapping_was_renamed(
    world: World,
) -> None:
    world.clock.advance(1)
    await world.configure(replace(world.rules[0], at_most=Rate(count=1, per_s=3600.0)))
    first, second = world.noc(title="one"), world.noc(title="two")
    await world.notify(first, second)
    await world.settle()
    assert len(await world.lines("opening.held")) == 1
    renamed = replace(_renamed(world), at_most=None)
    await _store_is_told(world, renamed)
    await _is_exchanged(world, renamed)
    await world.run(mappings.resume, renamed.name, by="kari")
    world.desk.say(first, "still down")
    world.desk.say(second, "still down")
    await world.notify(first, second)
    await world.settle()
    assert len(world.carrier.tickets()) == 2


async def test_a_partner_asked_for_during_a_dry_run_is_opened_once_the_mapping_is_live(
    world: World,
) -> None:
    ticket = world.noc()
    world.clock.advance(60)
    live = rules(name=MappingName("late"))
    await world.configure(live)
    await world.notify(ticket)
    await world.settle()
    assert world.carrier.tickets() == []
    await world.configure(replace(live, mode=MappingMode.DRY_RUN, revision="r2"))
    asked = {"mapping": live.name, "connection": DESK, "tickets": [ticket]}
    await world.db.write(adopting.ask_opening, asked, "test", world.clock.now())
    await world.settle()
    assert world.carrier.tickets() == []
    await world.configure(replace(live, revision="r3"))
    await world.settle()
    assert len(world.carrier.tickets()) == 1


async def test_a_mapping_is_not_worked_for_by_a_name_it_no_longer_has(world: World) -> None:
    itsm, vendor = world.noc(), world.carrier.open(title="theirs")
    (before,) = world.rules
    renamed = _renamed(world)
    await _store_is_told(world, renamed)
    await _is_exchanged(world, renamed)
    pair = {f"{side}_{what}": "" for side in Side for what in ("connection", "kind", "ticket")}
    pair |= {"mapping": before.name, "itsm_ticket": itsm, "vendor_ticket": vendor}
    pair |= {f"{side}_connection": before.connection(side) for side in Side}
    pair |= {f"{side}_kind": before.kind(side) for side in Side}
    asked = {"mapping": before.name, "connection": DESK, "tickets": [itsm]}
    for name, told in (("link.add", pair), ("adopt.open", asked)):
        with pytest.raises(CommandRefused, match=f"{before.name} is called other now"):
            await world.db.write(COMMANDS[name], told, "test", world.clock.now())
