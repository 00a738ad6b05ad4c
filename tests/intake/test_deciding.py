"""Links that are open: pauses, detaching, conflicts, and what a bug must not do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd.core.rules import AllOf, ConflictPolicy, FieldTest, MappingRules, NoLonger, Rate
from syncd.intake import decide
from syncd.model.ids import Side, TicketId
from syncd.model.operation import OperationState, WriteKind
from syncd.model.ticket import CommentKind, Visibility
from syncd.store import conflicts, links, operations
from syncd.store.records import LinkPhase
from tests.intake.world import World, rules
from tests.simulation.inline import InlineDatabase, Memory
from tests.simulation.traits import Fate

# --- pauses --------------------------------------------------------------------------------------


async def test_of_a_paused_link_everything_is_read_and_nothing_planned(world: World) -> None:
    itsm, vendor = await world.linked()
    await world.run(links.pause, (await world.link()).id, "by hand", by="kari")
    world.desk.say(itsm, "hello")
    await world.notify(itsm)
    await world.settle()
    assert (await world.stored(world.desk, itsm)).snapshot == world.desk.ticket(itsm)
    assert await world.ops() == []
    await world.run(links.resume, (await world.link()).id, by="kari")
    await world.settle()
    assert world.carrier.said(vendor) == [("syncd", "Ann: hello")]


# --- no_longer: detach ---------------------------------------------------------------------------


def _detaching() -> MappingRules:
    made = rules()
    assert made.open_to_vendor is not None
    group = FieldTest(field="assigned_group", one_of=("NOC",))
    opening = replace(made.open_to_vendor, when=AllOf((group,)), no_longer=NoLonger.DETACH)
    return replace(made, open_to_vendor=opening)


async def test_a_ticket_that_no_longer_matches_is_let_go_and_not_opened_again(
    world: World,
) -> None:
    await world.configure(_detaching())
    itsm, vendor = await world.linked()
    world.desk.set(itsm, assigned_group="Printers")
    world.desk.say(itsm, "not yours any more")
    await world.notify(itsm)
    await world.settle()
    assert await world.links() == []
    assert (await world.lines("link.detached"))[0].startswith("it no longer matches")
    world.carrier.say(vendor, "hello?")
    world.desk.set(itsm, assigned_group="NOC")
    await world.notify(itsm)
    await world.settle()
    assert world.desk.said(itsm) == [("Ann", "not yours any more")]
    assert len(world.carrier.tickets()) == 1


async def test_a_link_is_let_go_only_once_none_of_its_writes_is_under_way(world: World) -> None:
    await world.configure(_detaching())
    itsm, _ = await world.linked()
    world.desk.set(itsm, priority="2")
    await world.notify(itsm)
    await world.read()

    async def reassign(name: str) -> None:
        if name == "before effect":
            world.carrier.step = _no_step
            world.desk.set(itsm, assigned_group="Printers")
            await world.notify(itsm)
            await world.read()
            stored = await world.stored(world.desk, itsm)
            assert stored.snapshot == world.desk.ticket(itsm)  # read, whatever comes of it
            assert len(await world.links()) == 1

    world.carrier.step = reassign
    await world.settle()
    assert await world.links() == []
    assert await world.ops() == []


async def _no_step(_name: str) -> None:
    return


# --- conflicts -----------------------------------------------------------------------------------


async def _conflict(world: World) -> tuple[TicketId, TicketId]:
    await world.configure(rules(ConflictPolicy.PARK))
    itsm, vendor = await world.linked()
    world.desk.set(itsm, priority="2")
    world.carrier.set(vendor, priority="Medium")
    await world.notify(itsm)
    await world.settle()
    return itsm, vendor


async def test_a_field_both_sides_changed_is_frozen_and_the_rest_goes_on(world: World) -> None:
    itsm, vendor = await _conflict(world)
    (conflict,) = await world.db.read(conflicts.list_open)
    assert (conflict.itsm_value, conflict.vendor_value) == ("2", "Medium")
    world.desk.set(itsm, title="another title")
    await world.notify(itsm)
    await world.settle()
    case = world.carrier.ticket(vendor)
    assert (case.get("title"), case.get("priority")) == ("another title", "Medium")
    assert len(await world.lines("conflict.found")) == 1


@pytest.mark.parametrize("keep", list(Side))
async def test_a_resolved_conflict_sends_the_value_that_is_kept(world: World, keep: Side) -> None:
    itsm, vendor = await _conflict(world)
    (conflict,) = await world.db.read(conflicts.list_open)
    await world.run(conflicts.resolve, conflict.id, keep, by="kari")
    await world.settle()
    shown = (
        world.desk.ticket(itsm).get("priority"),
        world.carrier.ticket(vendor).get("priority"),
    )
    assert shown == (("2", "High") if keep is Side.ITSM else ("3", "Medium"))
    assert await world.db.read(conflicts.list_open) == []
    assert await world.ops() == []


@pytest.mark.parametrize("keep", list(Side))
async def test_what_the_kept_side_shows_is_sent_also_when_it_was_changed_back_meanwhile(
    world: World, keep: Side
) -> None:
    itsm, vendor = await _conflict(world)
    world.desk.set(itsm, priority="1")
    world.carrier.set(vendor, priority="Critical")  # both as they were before the conflict
    world.desk.set(itsm, priority="2" if keep is Side.VENDOR else "1")
    world.carrier.set(vendor, priority="Critical" if keep is Side.VENDOR else "Medium")
    await world.notify(itsm)
    await world.settle()
    (conflict,) = await world.db.read(conflicts.list_open)
    await world.run(conflicts.resolve, conflict.id, keep, by="kari")
    await world.settle()
    shown = world.desk.ticket(itsm).get("priority"), world.carrier.ticket(vendor).get("priority")
    assert shown == ("1", "Critical")


async def test_a_value_changed_again_before_the_conflict_is_resolved_is_asked_about_again(
    world: World,
) -> None:
    itsm, vendor = await _conflict(world)
    world.carrier.set(vendor, priority="Critical")
    await world.settle()
    (conflict,) = await world.db.read(conflicts.list_open)
    await world.run(conflicts.resolve, conflict.id, Side.ITSM, by="kari")
    await world.settle()
    (again,) = await world.db.read(conflicts.list_open)
    assert (again.itsm_value, again.vendor_value) == ("2", "Critical")
    await world.run(conflicts.resolve, again.id, Side.ITSM, by="kari")
    await world.settle()
    assert world.carrier.ticket(vendor).get("priority") == "High"
    assert world.desk.ticket(itsm).get("priority") == "2"


# --- what a bug must not do ----------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Titles of tickets whose decision breaks, for as long as they are listed."""
    titles: list[str] = []
    real = decide.plan_link

    def plan_link(state: Any) -> Any:
        if any(ticket.get("title") in titles for ticket in state.tickets.values()):
            raise ZeroDivisionError
        return real(state)

    monkeypatch.setattr(decide, "plan_link", plan_link)
    return titles


async def test_a_bug_in_one_tickets_decision_hides_no_other_and_loses_nothing(
    world: World, broken: list[str]
) -> None:
    odd, odd_vendor = await world.linked(title="odd")
    good, good_vendor = await world.linked(title="good")
    broken.append("odd")
    for ticket in (odd, good):
        world.desk.say(ticket, "hello")
    await world.notify(odd, good)
    await world.settle()
    assert world.carrier.said(good_vendor) == [("syncd", "Ann: hello")]
    assert (await world.stored(world.desk, odd)).snapshot == world.desk.ticket(odd)
    assert world.carrier.said(odd_vendor) == []
    broken.clear()
    world.clock.advance(1_000)
    await world.settle()
    assert world.carrier.said(odd_vendor) == [("syncd", "Ann: hello")]


async def test_a_bug_in_a_decision_does_not_come_back_at_once(
    world: World, broken: list[str]
) -> None:
    itsm, _ = await world.linked(title="odd")
    broken.append("odd")
    world.desk.say(itsm, "hello")
    await world.notify(itsm)
    done = await world.intake.drain()
    assert (done.read, done.decided) == (1, 0)
    assert (await world.stored(world.desk, itsm)).decide_due_at is not None


# --- a quiet pass --------------------------------------------------------------------------------


async def test_what_is_known_already_costs_no_write(tmp_path: Path, sqlite_template: Path) -> None:
    db = InlineDatabase(Memory(sqlite_template))
    world = World(db, tmp_path)
    await world.set_up()
    for at in range(3):
        itsm, vendor = await world.linked(title=f"t{at}")
        world.desk.say(itsm, "hello")
        world.carrier.attach(vendor, "log.txt", b"body")
        await world.notify(itsm)
    await world.settle()
    await world.settle()
    world.clock.advance(120)
    reads, commits, polled = len(world.desk.reads), db.commits, 0
    await world.intake.drain()
    assert len(world.desk.reads) == reads + 3
    # What each ticket's next turn is, and nothing else.
    assert db.commits - commits <= 3
    commits = db.commits
    for _ in range(5):
        polled += (await world.intake.poll(world.rules[0].vendor)).requests
        assert (await world.intake.drain()).is_idle
    assert polled == 5
    assert db.commits - commits == 5  # each poll stores that it was
    await db.close()


async def test_a_watched_ticket_that_is_as_known_changes_only_its_next_turn(
    world: World,
) -> None:
    itsm, _ = await world.linked()
    await world.settle()
    before = await world.stored(world.desk, itsm)
    events = await world.events()
    world.clock.advance(300)
    await world.intake.drain()
    after = await world.stored(world.desk, itsm)
    assert replace(after, next_poll_at=before.next_poll_at) == before
    assert await world.events() == events


# --- more ----------------------------------------------------------------------------------------


async def test_a_link_is_closed_while_both_tickets_are_and_open_again_when_one_is_not(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    world.desk.set(itsm, status="Closed")
    world.carrier.set(vendor, status="Closed")
    await world.notify(itsm)
    await world.settle()
    assert (await world.link()).phase is LinkPhase.CLOSED
    world.desk.set(itsm, status="In Progress")
    await world.notify(itsm)
    await world.settle()
    assert (await world.link()).phase is LinkPhase.OPEN


async def test_private_words_never_leave(world: World) -> None:
    itsm, vendor = await world.linked()
    for visibility in (Visibility.PRIVATE, Visibility.UNKNOWN):
        world.desk.say(itsm, "secret", visibility=visibility, kind=CommentKind.WORK_NOTE)
    await world.notify(itsm)
    await world.settle()
    assert world.carrier.said(vendor) == []


async def test_the_same_words_twice_arrive_twice_even_if_an_answer_is_lost(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    world.desk.say(itsm, "ping")
    world.desk.say(itsm, "ping")
    await world.notify(itsm)
    await world.read()
    fates = [Fate.LOST, Fate.CUT]
    world.carrier.fate = lambda call: fates.pop() if call == "write" and fates else Fate.OK
    await world.settle(rounds=20)
    assert world.carrier.said(vendor) == [("syncd", "Ann: ping")] * 2


async def test_an_operation_that_was_refused_is_replaced_by_the_correction(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    world.carrier.fate = lambda call: Fate.REFUSED if call == "write" else Fate.OK
    world.desk.set(itsm, title="too good a title")
    await world.notify(itsm)
    await world.settle()
    (refused,) = await world.ops(WriteKind.UPDATE)
    assert refused.state is OperationState.PARKED
    world.carrier.fate = lambda _call: Fate.OK
    world.desk.set(itsm, title="a modest title")
    await world.notify(itsm)
    await world.settle()
    assert world.carrier.ticket(vendor).get("title") == "a modest title"
    assert await world.ops() == []
    shown = await world.db.read(operations.show, refused.id)
    assert shown.record.state is OperationState.SUPERSEDED


async def test_a_storm_of_changes_at_the_limit_of_openings_keeps_links_in_step(
    world: World,
) -> None:
    await world.configure(rules(at_most=Rate(count=1, per_s=60.0)))
    itsm, vendor = await world.linked()
    world.clock.advance(120)
    for at in range(5):
        world.desk.set(itsm, priority=str(at % 3 + 1))
        await world.notify(itsm)
        await world.settle(rounds=2)
    assert world.carrier.ticket(vendor).get("priority") == "High"
    assert await world.lines("mapping.paused") == []
