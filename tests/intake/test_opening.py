"""Which tickets get a partner: problems, pace, age, exclusivity, dry runs (R8, R13)."""

from dataclasses import replace
from random import Random

import pytest

from syncd.core.rules import FieldTest, MappingMode, MappingRules, Rate
from syncd.model.features import Reading
from syncd.model.ids import MappingName, Side, TicketId
from syncd.model.operation import OperationState, WriteKind
from syncd.model.ticket import CommentKind
from syncd.store import mappings
from syncd.store.commands import COMMANDS
from syncd.store.records import LinkPhase
from tests.intake.world import DESK, World, rules
from tests.simulation.habits import Habits, HabitualVendor
from tests.simulation.traits import Fate, Profile

TELLING = CommentKind.WORK_NOTE


def _strict(**changes: object) -> MappingRules:
    """A mapping that needs a title and a description, and tells the desk what is missing."""
    made = rules(tell_problems=TELLING)
    fields = tuple(replace(one, missing_parks=True) for one in made.fields)
    return replace(made, fields=fields, **changes)  # type: ignore[arg-type]


async def _noc(world: World, **fields: str) -> TicketId:
    ticket = world.noc(**fields)
    await world.notify(ticket)
    await world.settle()
    return ticket


def _notes(world: World, ticket: TicketId) -> list[str]:
    return [text for author, text in world.desk.said(ticket) if author == "syncd"]


# --- problems ------------------------------------------------------------------------------------


async def test_a_ticket_that_lacks_something_is_told_once_what(world: World) -> None:
    await world.configure(_strict())
    ticket = await _noc(world, title="")
    assert world.carrier.tickets() == []
    assert _notes(world, ticket) == ["Not sent: title missing ()"]
    assert await world.lines("opening.problem") == ["title missing ()"]
    world.desk.set(ticket, priority="3")
    await world.notify(ticket)
    await world.settle()
    assert len(_notes(world, ticket)) == 1


async def test_once_corrected_it_is_opened_with_what_was_said_meanwhile(world: World) -> None:
    await world.configure(_strict())
    ticket = await _noc(world, title="")
    world.desk.set(ticket, title="Link down")
    await world.notify(ticket)
    await world.settle()
    vendor = await world.partner(ticket)
    assert world.carrier.ticket(vendor).get("title") == "Link down"
    assert world.carrier.said(vendor) == []  # our note to the desk is not sent on
    world.desk.say(ticket, "hello")
    await world.notify(ticket)
    await world.settle()
    assert world.carrier.said(vendor) == [("syncd", "Ann: hello")]


async def test_where_comments_carry_no_marker_nothing_is_opened_before_ours_is_known_for_ours(
    world: World,
) -> None:
    habits = Habits(keeps_no_marker=True)
    desk = HabitualVendor(world.clock, "d", Profile(reading=Reading.WATCH), habits, Random(1))
    world.desk = world.vendors[DESK] = desk
    strict = _strict()
    said = {side: replace(each, history=True) for side, each in strict.comments.items()}
    await world.configure(replace(strict, comments=said))
    ticket = world.noc(title="")
    await world.notify(ticket)
    await world.read()
    world.desk.fate = lambda call: Fate.LOST if call == "write" else Fate.OK
    await world.deliver()
    world.desk.fate = lambda _call: Fate.OK
    world.desk.say(ticket, "hello")
    world.desk.set(ticket, title="Link down")
    await world.notify(ticket)
    await world.read()
    assert await world.ops(WriteKind.CREATE) == []
    (told,) = await world.lines("opening.waits")
    assert told.startswith("op 1 may have made")
    await world.settle(rounds=20)
    assert world.carrier.said(await world.partner(ticket)) == [("syncd", "Ann: hello")]
    assert len(_notes(world, ticket)) == 1


async def test_another_problem_is_told_again_the_same_one_is_not(world: World) -> None:
    await world.configure(_strict())
    ticket = await _noc(world, title="")
    for fields in ({"title": "t", "description": ""}, {"priority": "2"}, {"priority": "3"}):
        world.desk.set(ticket, **fields)
        await world.notify(ticket)
        await world.settle()
    assert [each.split(" missing")[0] for each in _notes(world, ticket)] == [
        "Not sent: title",
        "Not sent: description",
    ]
    assert len(await world.lines("opening.problem")) == 2


async def test_while_the_note_is_not_written_yet_the_problem_is_not_told_twice(
    world: World,
) -> None:
    await world.configure(_strict())
    world.desk.fate = lambda call: Fate.UNREACHABLE if call == "write" else Fate.OK
    ticket = await _noc(world, title="")
    world.desk.set(ticket, priority="2")
    await world.notify(ticket)
    await world.settle()
    world.desk.fate = lambda _call: Fate.OK
    await world.settle(seconds=60)
    assert len(_notes(world, ticket)) == 1


async def test_without_a_place_to_tell_it_the_problem_is_only_journalled(world: World) -> None:
    await world.configure(replace(_strict(), tell_problems=None))
    ticket = await _noc(world, title="")
    world.desk.set(ticket, priority="2")
    await world.notify(ticket)
    await world.settle()
    assert _notes(world, ticket) == []
    assert await world.lines("opening.problem") == ["title missing ()"]


async def test_a_vendors_ticket_that_lacks_something_is_not_written_to(world: World) -> None:
    back = tuple(
        replace(one, slot=f"to_itsm.{one.target}", target_side=Side.ITSM)
        for one in _strict().fields
    )
    await world.configure(replace(_strict(), fields=back))
    world.carrier.open(title="")
    await world.settle()
    assert world.carrier.effects == world.desk.effects == []
    assert len(await world.lines("opening.problem")) == 1


# --- exclusive -----------------------------------------------------------------------------------


def _exclusive(name: str, **changes: object) -> MappingRules:
    made = rules(name=MappingName(name), open_to_itsm=None)
    assert made.open_to_vendor is not None
    return replace(
        made,
        open_to_vendor=replace(made.open_to_vendor, exclusive="carrier"),
        **changes,  # type: ignore[arg-type]
    )


async def test_a_ticket_two_exclusive_mappings_want_is_opened_by_neither(world: World) -> None:
    await world.configure(_exclusive("one"), _exclusive("two"))
    await _noc(world)
    assert world.carrier.tickets() == []
    assert await world.links() == []
    assert set(await world.lines("opening.contested")) == {"also matches one", "also matches two"}


async def test_a_dry_run_takes_nothing_from_a_live_mapping(world: World) -> None:
    await world.configure(_exclusive("one"), _exclusive("two", mode=MappingMode.DRY_RUN))
    await _noc(world)
    assert len(world.carrier.tickets()) == 1
    assert await world.lines("opening.contested") == ["also matches one"]


async def test_one_that_has_the_ticket_already_keeps_another_from_opening_it_too(
    world: World,
) -> None:
    one, two = _exclusive("one"), _exclusive("two")
    assert two.open_to_vendor is not None
    urgent = FieldTest(field="priority", one_of=("2",))
    await world.configure(
        one, replace(two, open_to_vendor=replace(two.open_to_vendor, when=urgent))
    )
    ticket = await _noc(world)
    assert len(world.carrier.tickets()) == 1
    world.desk.set(ticket, priority="2")
    await world.notify(ticket)
    await world.settle()
    assert len(world.carrier.tickets()) == 1
    assert await world.lines("opening.contested") == ["also matches one"]


async def test_without_the_word_both_may_open_it(world: World) -> None:
    one = rules(name=MappingName("one"), open_to_itsm=None)
    await world.configure(one, replace(one, name=MappingName("two")))
    await _noc(world)
    assert len(world.carrier.tickets()) == 2


# --- at_most -------------------------------------------------------------------------------------


def _slowly(count: int = 2) -> MappingRules:
    return rules(at_most=Rate(count=count, per_s=3600.0), open_to_itsm=None)


async def test_more_openings_than_allowed_pause_the_mapping_once(world: World) -> None:
    await world.configure(_slowly())
    for _ in range(5):
        await _noc(world)
    assert await world.lines("mapping.paused") == ["more than 2 openings in 3600 s"]
    assert len(await world.lines("opening.held")) == 3
    assert len(world.carrier.tickets()) == 2
    planned = len(await world.lines("operation.planned"))
    for _ in range(9):
        world.clock.advance(3600)
        await world.settle(rounds=1)
    assert len(await world.lines("opening.held")) == 3  # told once, looked at now and then
    assert len(await world.lines("operation.planned")) == planned
    assert len(await world.lines("mapping.paused")) == 1


async def test_who_resumes_it_has_looked_and_the_count_begins_anew(world: World) -> None:
    await world.configure(_slowly())
    for _ in range(5):
        await _noc(world)
    (name,) = [each.name for each in world.rules]
    await world.run(mappings.resume, name, by="kari")
    world.clock.advance(61)
    await world.settle()
    assert len(world.carrier.tickets()) == 5
    for _ in range(2):
        await _noc(world)
    assert len(world.carrier.tickets()) == 7
    assert len(await world.lines("mapping.paused")) == 1
    await _noc(world)
    assert len(world.carrier.tickets()) == 7
    assert len(await world.lines("mapping.paused")) == 2
    await world.run(mappings.resume, name, by="kari")
    world.clock.advance(61)
    await world.settle()
    assert len(world.carrier.tickets()) == 8
    assert len(await world.lines("mapping.paused")) == 2


async def test_problems_that_were_told_do_not_count_as_openings(world: World) -> None:
    await world.configure(_strict(at_most=Rate(count=1, per_s=3600.0), open_to_itsm=None))
    lacking = [await _noc(world, title="") for _ in range(3)]
    await _noc(world)
    assert len(world.carrier.tickets()) == 1
    assert await world.lines("mapping.paused") == []
    # Correcting one opens it, which counts now, however long ago the problem was told.
    world.clock.advance(7200)
    for ticket in lacking[:2]:
        world.desk.set(ticket, title="Link down")
        await world.notify(ticket)
        await world.settle()
    assert len(world.carrier.tickets()) == 2
    assert len(await world.lines("mapping.paused")) == 1
    await world.run(mappings.resume, world.rules[0].name, by="kari")
    world.clock.advance(61)
    await world.settle()
    assert len(world.carrier.tickets()) == 3


async def test_as_time_goes_by_more_may_be_opened(world: World) -> None:
    await world.configure(_slowly(1))
    await _noc(world)
    world.clock.advance(3601)
    await _noc(world)
    assert len(world.carrier.tickets()) == 2
    assert await world.lines("mapping.paused") == []


# --- since first live ----------------------------------------------------------------------------


async def test_tickets_from_before_the_mapping_went_live_are_known_and_not_opened(
    world: World,
) -> None:
    old = world.noc()
    world.clock.advance(60)
    name = MappingName("later")
    await world.configure(rules(name=name))
    await world.notify(old)
    world.desk.set(old, priority="2")
    await world.settle()
    assert world.carrier.tickets() == []
    await _noc(world)
    assert len(world.carrier.tickets()) == 1


# --- dry run -------------------------------------------------------------------------------------


async def test_a_dry_run_writes_nothing_and_tells(world: World) -> None:
    await world.configure(rules(name=MappingName("try"), mode=MappingMode.DRY_RUN))
    await _noc(world)
    world.carrier.open(title="t")
    await world.settle()
    assert world.desk.sends == world.carrier.sends == []
    assert await world.ops() == []
    assert await world.links() == []
    assert set(await world.lines("dry_run.would_open")) == {"would open a partner"}
    assert "mapping.paused" not in await world.events()


async def test_a_dry_run_of_linked_tickets_tells_what_it_would_write(world: World) -> None:
    itsm, vendor = await world.linked()
    await world.configure(replace(world.rules[0], mode=MappingMode.DRY_RUN))
    world.desk.say(itsm, "hello")
    await world.notify(itsm)
    await world.settle()
    assert world.carrier.said(vendor) == []
    assert await world.ops() == []
    assert await world.lines("dry_run.would_write") == ["comment on the vendor side: commented"]


async def test_going_live_again_sends_what_happened_meanwhile_once(world: World) -> None:
    itsm, vendor = await world.linked()
    live = world.rules[0]
    await world.configure(replace(live, mode=MappingMode.DRY_RUN))
    world.desk.say(itsm, "hello")
    world.desk.set(itsm, priority="3")
    await world.notify(itsm)
    world.clock.advance(60)
    young = world.noc()
    await world.notify(young)
    await world.settle()
    await world.configure(live)
    await world.settle()
    assert world.carrier.said(vendor) == [("syncd", "Ann: hello")]
    assert world.carrier.ticket(vendor).get("priority") == "Medium"
    assert await world.partner(young)
    assert len(world.carrier.tickets()) == 2


async def test_going_live_for_the_first_time_opens_nothing_that_was_there(world: World) -> None:
    dry = rules(name=MappingName("try"), mode=MappingMode.DRY_RUN)
    await world.configure(dry)
    await _noc(world)
    world.clock.advance(60)
    await world.configure(replace(dry, mode=MappingMode.LIVE))
    await world.settle()
    assert world.carrier.tickets() == []


async def test_a_mapping_configured_as_paused_plans_and_does_not_write(world: World) -> None:
    live = world.rules[0]
    await world.configure(replace(live, mode=MappingMode.PAUSED))
    await _noc(world)
    assert [one.state for one in await world.ops(WriteKind.CREATE)] == [OperationState.READY]
    await world.configure(live)
    await world.settle()
    assert len(world.carrier.tickets()) == 1


# --- all the same --------------------------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
async def test_a_ticket_is_opened_once_however_often_it_is_decided_about(
    world: World, side: Side
) -> None:
    ticket = world.noc() if side is Side.ITSM else world.carrier.open(title="t")
    for at in range(4):
        if side is Side.ITSM:
            world.desk.set(ticket, title=f"t{at}")
            await world.notify(ticket)
        else:
            world.carrier.set(ticket, title=f"t{at}")
        await world.settle()
    assert len(world.desk.tickets()) == len(world.carrier.tickets()) == 1
    assert (await world.link()).phase is LinkPhase.OPEN


async def test_a_ticket_that_does_not_match_is_only_known(world: World) -> None:
    ticket = await _noc(world, assigned_group="Printers")
    assert await world.links() == []
    world.desk.set(ticket, assigned_group="NOC")
    await world.notify(ticket)
    await world.settle()
    assert len(world.carrier.tickets()) == 1


async def test_what_is_opened_while_the_vendor_is_away_is_opened_as_it_is_then(
    world: World,
) -> None:
    world.carrier.fate = lambda call: Fate.UNREACHABLE if call == "write" else Fate.OK
    ticket = await _noc(world)
    world.desk.say(ticket, "it got worse")
    world.desk.set(ticket, priority="3", title="Link down again")
    await world.notify(ticket)
    await world.settle()
    world.carrier.fate = lambda _call: Fate.OK
    await world.settle(seconds=60)
    vendor = await world.partner(ticket)
    case = world.carrier.ticket(vendor)
    assert (case.get("title"), case.get("priority")) == ("Link down again", "Medium")
    assert world.carrier.said(vendor) == [("syncd", "Ann: it got worse")]
    assert len(world.carrier.tickets()) == 1


# --- edits ---------------------------------------------------------------------------------------


async def _widened(world: World) -> TicketId:
    """A ticket that matches since an edit let in another group."""
    old = await _noc(world, assigned_group="Printers")
    world.clock.advance(60)
    (live,) = world.rules
    assert live.open_to_vendor is not None
    either = FieldTest(field="assigned_group", one_of=("NOC", "Printers"))
    wider = replace(live.open_to_vendor, when=either)
    await world.configure(replace(live, revision="r2", open_to_vendor=wider))
    return old


async def test_a_ticket_that_matches_only_because_of_an_edit_is_known_and_not_opened(
    world: World,
) -> None:
    old = await _widened(world)
    for at in range(3):
        world.desk.say(old, f"still broken {at}")
        await world.notify(old)
        await world.settle()
    assert world.carrier.tickets() == []
    (told,) = await world.lines("opening.known_only")
    assert "was edited; `syncd resync N-d-t1` opens it" in told


async def test_it_is_opened_when_its_own_change_makes_it_match_or_somebody_asks(
    world: World,
) -> None:
    old = await _widened(world)
    world.desk.set(old, assigned_group="NOC")
    await world.notify(old)
    await world.settle()
    assert len(world.carrier.tickets()) == 1
    new = world.noc(assigned_group="Printers")
    await world.notify(new)
    await world.settle()
    assert len(world.carrier.tickets()) == 2


async def test_a_resync_opens_what_matches_since_an_edit(world: World) -> None:
    old = await _widened(world)
    world.desk.say(old, "still broken")
    await world.notify(old)
    await world.settle()
    arguments = {"name": world.desk.number(old)}
    await world.db.write(COMMANDS["resync"], arguments, "kari", world.now())
    await world.settle()
    assert len(world.carrier.tickets()) == 1


async def test_an_edit_does_not_keep_what_matched_already_from_being_opened(
    world: World,
) -> None:
    await world.configure(_slowly(1))
    first, held = await _noc(world), await _noc(world)
    assert await world.partner(first)
    world.clock.advance(60)
    await world.configure(replace(_slowly(1), revision="r2"))
    await world.run(mappings.resume, world.rules[0].name, by="kari")
    world.desk.say(held, "still broken")
    await world.notify(held)
    await world.settle()
    assert await world.partner(held)


async def test_an_edit_keeps_links_in_step(world: World) -> None:
    itsm, vendor = await world.linked()
    world.clock.advance(60)
    await world.configure(replace(world.rules[0], revision="r2"))
    world.desk.say(itsm, "hello")
    await world.notify(itsm)
    await world.settle()
    assert world.carrier.said(vendor) == [("syncd", "Ann: hello")]
