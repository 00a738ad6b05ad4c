"""One ticket of the desk with two vendors: nothing of one reaches the other unless it is said."""

import random
from dataclasses import replace

import pytest

from syncd.core.rules import AllOf, CloseWhen, FieldTest, MappingRules, PairedField
from syncd.model.ids import ConnectionName, MappingName, Side, TicketId
from tests.intake.world import World, rules
from tests.simulation.traits import Fate, Profile
from tests.simulation.vendor import Vendor

SECOND = ConnectionName("carrier2")


def _two(*, relay: bool = False, close_when: CloseWhen = CloseWhen.ALL) -> list[MappingRules]:
    made = rules()
    assert made.status is not None
    title = PairedField(slot="both.title", itsm="title", vendor="title", relay=relay)
    paired = (*(replace(each, relay=relay) for each in made.paired), title)
    first = replace(
        made,
        open_to_itsm=None,
        references=(),
        fields=(),
        paired=paired,
        status=replace(made.status, relay=relay, close_when=close_when),
        comments={side: replace(each, relay=relay) for side, each in made.comments.items()},
        attachments={side: replace(each, relay=relay) for side, each in made.attachments.items()},
    )
    return [first, replace(first, name=MappingName("second"), vendor=SECOND)]


async def _linked(
    world: World, *, ids: bool = True, **how: object
) -> tuple[Vendor, TicketId, TicketId, TicketId]:
    second = Vendor(world.clock, "w", Profile())
    world.vendors[SECOND] = second
    world.desk.profile = replace(world.desk.profile, comment_ids=ids)
    await world.set_up()
    await world.configure(*_two(**how))  # type: ignore[arg-type]
    itsm = world.noc()
    await world.notify(itsm)
    await world.settle()
    (here,), (there,) = world.carrier.tickets(), second.tickets()
    return second, itsm, here.id, there.id


async def _settle(world: World, itsm: TicketId, rounds: int = 8) -> None:
    for _ in range(rounds):
        await world.notify(itsm)
        await world.intake.poll(SECOND)
        await world.settle(rounds=1)


@pytest.mark.parametrize("ids", [True, False])
async def test_what_one_vendor_says_and_sets_does_not_reach_the_other(
    world: World, ids: bool
) -> None:
    second, itsm, here, there = await _linked(world, ids=ids)
    world.carrier.say(here, "a secret of the first")
    world.carrier.attach(here, "secret.txt", b"secret")
    world.carrier.set(here, title="Secret title", priority="High", status="Solved")
    before = second.ticket(there)
    await _settle(world, itsm)
    desk = world.desk.ticket(itsm)
    assert desk.get("title") == "Secret title"
    assert ("syncd", "a secret of the first") in world.desk.said(itsm)
    after = second.ticket(there)
    assert (after.fields, after.comments, after.attachments) == (before.fields, (), ())
    # The desk's own words and values reach both.
    world.desk.say(itsm, "for both")
    world.desk.set(itsm, title="The desk's")
    await _settle(world, itsm)
    for vendor, ticket in ((world.carrier, here), (second, there)):
        assert vendor.ticket(ticket).get("title") == "The desk's"
        assert ("syncd", "Ann: for both") in vendor.said(ticket)


async def test_with_relay_what_one_vendor_says_reaches_the_other_once(world: World) -> None:
    second, itsm, here, there = await _linked(world, relay=True)
    world.carrier.say(here, "for everybody")
    world.carrier.set(here, title="For everybody")
    await _settle(world, itsm)
    assert second.ticket(there).get("title") == "For everybody"
    assert [text for _, text in second.said(there)] == ["syncd: for everybody"]
    assert [text for _, text in world.carrier.said(here)] == ["for everybody"]
    assert [text for _, text in world.desk.said(itsm)] == ["for everybody"]


async def test_a_value_the_desk_sets_again_after_a_vendor_did_is_the_desks_own(
    world: World,
) -> None:
    second, itsm, here, there = await _linked(world)
    world.carrier.set(here, title="One")
    await _settle(world, itsm)
    world.desk.set(itsm, title="Two")
    await _settle(world, itsm)
    world.desk.set(itsm, title="One")
    await _settle(world, itsm)
    assert second.ticket(there).get("title") == "One"


@pytest.mark.parametrize("close_when", list(CloseWhen))
async def test_a_shared_ticket_is_closed_by_any_or_by_the_last(
    world: World, close_when: CloseWhen
) -> None:
    second, itsm, here, there = await _linked(world, close_when=close_when)
    world.carrier.set(here, status="Solved")
    await _settle(world, itsm)
    is_any = close_when is CloseWhen.ANY
    assert world.desk.ticket(itsm).get("status") == ("Resolved" if is_any else "New")
    second.set(there, status="Solved")
    await _settle(world, itsm)
    assert world.desk.ticket(itsm).get("status") == "Resolved"


async def test_a_second_vendor_gets_nothing_of_what_the_first_left_before(world: World) -> None:
    first, later = _two()
    assert later.open_to_vendor is not None
    asked = AllOf((FieldTest(field="assigned_group", one_of=("Other",)),))
    second = Vendor(world.clock, "w", Profile())
    world.vendors[SECOND] = second
    await world.set_up()
    later = replace(
        later,
        open_to_vendor=replace(later.open_to_vendor, when=asked),
        comments={each: replace(one, history=True) for each, one in later.comments.items()},
    )
    await world.configure(first, later)
    itsm, here = await world.linked()
    world.carrier.attach(here, "secret.txt", b"secret")
    world.carrier.say(here, "a secret")
    await world.settle()
    world.desk.set(itsm, assigned_group="Other")
    await _settle(world, itsm)
    (there,) = second.tickets()
    assert (there.comments, there.attachments) == ((), ())


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_nothing_of_one_vendor_is_met_at_the_other(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    second, itsm, here, there = await _linked(world, ids=chance.random() < 0.5)
    places = {"first": (world.carrier, here), "second": (second, there)}
    troubles = [Fate.OK] * 6 + [Fate.LOST, Fate.CUT, Fate.LATE]
    for vendor in (world.desk, world.carrier, second):
        vendor.fate = lambda call: chance.choice(troubles) if call == "write" else Fate.OK
    for at in range(12):
        name = chance.choice(list(places))
        vendor, ticket = places[name]
        match chance.randrange(4):
            case 0:
                vendor.say(ticket, f"{name} says {at}")
            case 1:
                vendor.set(ticket, title=f"{name} title {at}")
            case 2:
                vendor.attach(ticket, f"{name}-{at}.txt", f"{at}".encode())
            case _:
                world.desk.say(itsm, f"desk says {at}")
        if chance.random() < 0.6:
            await _settle(world, itsm, 1)
    for vendor in (world.desk, world.carrier, second):
        vendor.fate = lambda _call: Fate.OK
    await _settle(world, itsm, 16)
    for name, other in (("first", "second"), ("second", "first")):
        vendor, ticket = places[name]
        shown = vendor.ticket(ticket)
        texts = [str(value) for value in shown.fields.values()]
        texts += [text for _, text in vendor.said(ticket)]
        texts += [file for _, file, _ in vendor.files(ticket)]
        assert not [text for text in texts if text.startswith(other) or f": {other}" in text]
        desk = [text for _, text in vendor.said(ticket) if "desk says" in text]
        said = [text for _, text in world.desk.said(itsm) if text.startswith("desk says")]
        assert sorted(desk) == sorted(f"Ann: {text}" for text in said)
    assert Side.ITSM in (await world.links())[0].link.rows
