"""The vendor's account chosen by the ticket, and fixed once its partner is planned."""

from dataclasses import replace

from syncd.core.rules import Expression, Lookup, MappingRules, Place
from syncd.core.sources import FieldOf, Table
from syncd.model.ids import ConnectionName, Side
from syncd.model.ticket import CommentKind
from tests.intake.world import CARRIER, World, rules
from tests.simulation.traits import Fate
from tests.simulation.vendor import Vendor

SECOND = ConnectionName("carrier2")
SITES = Table(name="sites", columns=("group", "at"), rows=(("1", "carrier"), ("2", "carrier2")))


def _by_priority(**changes: object) -> MappingRules:
    """The carrier's account stands in a table, by the ticket's priority."""
    lookup = Lookup(table=SITES, by=("group",), get="at")
    base = rules(
        derive={"group": Expression(source=FieldOf("priority"))},
        choose=Expression(source=lookup, place=Place("m.yaml", 4)),
        one_of=(CARRIER, SECOND),
        tell_problems=CommentKind.WORK_NOTE,
        **changes,
    )
    return replace(base, variants={name: replace(base, vendor=name) for name in (CARRIER, SECOND)})


async def _world(world: World) -> Vendor:
    second = Vendor(world.clock, "w", world.carrier.profile)
    world.vendors[SECOND] = second
    await world.set_up()
    await world.configure(_by_priority())
    return second


async def test_each_ticket_goes_to_the_account_it_names_and_stays_there(world: World) -> None:
    second = await _world(world)
    one, two = world.noc(priority="1"), world.noc(priority="2", title="Other")
    await world.notify(one, two)
    await world.settle()
    (here,), (there,) = world.carrier.tickets(), second.tickets()
    assert (here.get("title"), there.get("title")) == ("Link down", "Other")
    # Renamed to the other account's, it stays where it is, and both are kept in step.
    world.desk.set(two, priority="1", title="Moved")
    second.say(there.id, "on our way")
    await world.notify(two)
    await world.intake.poll(SECOND)
    await world.settle()
    assert second.ticket(there.id).get("title") == "Moved"
    assert ("syncd", "on our way") in world.desk.said(two)
    assert len(world.carrier.tickets()) == 1
    assert world.carrier.ticket(here.id).get("title") == "Link down"
    assert {each.link.vendor for each in await world.links()} == {CARRIER, SECOND}


async def test_a_lost_create_is_found_again_on_its_own_account(world: World) -> None:
    second = await _world(world)
    fates = [Fate.LOST]
    second.fate = lambda call: fates.pop() if call == "write" and fates else Fate.OK
    itsm = world.noc(priority="2")
    await world.notify(itsm)
    await world.settle(rounds=10)
    assert len(second.tickets()) == 1
    assert not world.carrier.tickets()
    assert await world.ops() == []


async def test_a_ticket_that_names_no_account_is_told_and_opened_once_it_does(
    world: World,
) -> None:
    second = await _world(world)
    itsm = world.noc(priority="9")
    await world.notify(itsm)
    await world.settle()
    assert world.desk.said(itsm) == [
        ("syncd", "Not sent: account missing (carrier, carrier2) (m.yaml:4)")
    ]
    assert not world.carrier.tickets()
    world.desk.set(itsm, priority="2")
    await world.notify(itsm)
    await world.settle()
    assert len(second.tickets()) == 1
    assert (await world.link()).vendor == SECOND


async def test_a_ticket_of_either_account_opens_its_partner_and_is_answered_there(
    world: World,
) -> None:
    second = await _world(world)
    found = second.open(title="From the other account", description="d", priority="High")
    await world.intake.poll(SECOND)
    await world.settle()
    (desk,) = world.desk.tickets()
    assert desk.get("title") is not None or desk.id
    world.desk.say(desk.id, "thanks")
    await world.notify(desk.id)
    await world.settle()
    assert ("syncd", "Ann: thanks") in second.said(found)
    assert (await world.link()).rows.keys() == set(Side)
