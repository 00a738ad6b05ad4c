"""A closed ticket of the vendor takes nothing more: a new one follows it, once, and names it."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.rules import MappingRules, StatusAction, StatusEffect, StatusRules
from syncd.model.ids import Side, TicketId
from syncd.model.operation import OperationState
from syncd.store import links
from syncd.store.records import LinkPhase
from tests.delivery.test_crash import Fuse, FusedDatabase
from tests.intake.world import World, rules
from tests.simulation.inline import in_memory
from tests.simulation.traits import Fate
from tests.support.mappings import NOTHING, SAY, set_to

NEVER = 1_000_000
STEPS_MAX = 400
FOLLOW = StatusAction(effect=StatusEffect.FOLLOW_UP, only_from=("Closed",), otherwise=SAY)


def _following(*, comments: bool = False) -> MappingRules:
    made = rules(
        status=StatusRules(
            to_vendor={"New": NOTHING, "In Progress": FOLLOW, "Resolved": NOTHING},
            to_itsm={"New": NOTHING, "Closed": set_to("Resolved")},
        )
    )
    spoken = replace(made.comments[Side.VENDOR], follow_up=comments)
    return replace(made, comments={**made.comments, Side.VENDOR: spoken})


async def _closed(world: World, *, comments: bool = False) -> tuple[TicketId, TicketId]:
    """Have a pair of which the vendor's ticket is closed, and ours resolved by that."""
    await world.configure(_following(comments=comments))
    itsm, old = await world.linked()
    world.desk.say(itsm, "before the end")
    world.desk.attach(itsm, "log.txt", b"bytes")
    await world.notify(itsm)
    await world.settle(rounds=3)
    world.carrier.say(old, "theirs")
    world.carrier.set(old, status="Closed")
    await world.settle(rounds=3)
    assert world.desk.ticket(itsm).get("status") == "Resolved"
    return itsm, old


async def _settle(world: World, itsm: TicketId, rounds: int = 6) -> None:
    for _ in range(rounds):
        await world.notify(itsm)
        await world.settle(rounds=2)


async def _whole(world: World, itsm: TicketId, old: TicketId) -> TicketId:
    """Check that one follow-up stands for the old ticket, and give it."""
    first, second = sorted(world.carrier.tickets(), key=lambda each: each.number)
    assert first.id == old
    assert str(second.get("description")).startswith(f"Follow-up of {world.carrier.number(old)}.")
    assert world.desk.ticket(itsm).get("vendor_ref") == second.number
    (found,) = await world.links()
    assert found.link.phase is LinkPhase.OPEN
    assert set(found.link.rows.values()) == {
        await world.row(world.desk, itsm),
        await world.row(world.carrier, second.id),
    }
    assert await world.ops() == []
    assert max(Counter(world.carrier.counts()).values()) == 1
    return second.id


def _fates(*fates: Fate):
    left = list(fates)
    return lambda call: left.pop(0) if call == "write" and left else Fate.OK


@pytest.mark.parametrize("fate", [Fate.OK, Fate.LOST, Fate.CUT, Fate.LATE])
async def test_a_ticket_reopened_after_theirs_is_closed_gets_one_follow_up_and_repeats_nothing(
    world: World, fate: Fate
) -> None:
    itsm, old = await _closed(world)
    was = world.carrier.ticket(old)
    world.carrier.fate = _fates(fate)
    world.desk.set(itsm, status="In Progress")
    world.desk.say(itsm, "it is down again")
    await _settle(world, itsm)
    new = await _whole(world, itsm, old)
    assert [text for _, text in world.carrier.said(new)] == ["Ann: it is down again"]
    assert world.carrier.files(new) == []
    assert world.carrier.ticket(old) == was
    # From here on the new one is the partner, and the old one is heard no more.
    heard = world.desk.said(itsm)
    world.carrier.say(old, "too late")
    world.carrier.set(old, status="New", title="Late")
    await _settle(world, itsm, rounds=2)
    assert (world.desk.said(itsm), world.desk.ticket(itsm).get("title")) == (heard, "Link down")
    assert await world.lines("link.late_change")
    world.carrier.say(new, "on our way")
    world.carrier.set(new, status="Closed")
    await _settle(world, itsm, rounds=2)
    assert ("syncd", "on our way") in world.desk.said(itsm)
    assert world.desk.ticket(itsm).get("status") == "Resolved"
    assert len(world.carrier.tickets()) == 2


async def test_what_is_said_to_a_closed_ticket_goes_to_a_follow_up_where_the_mapping_says_so(
    world: World,
) -> None:
    itsm, old = await _closed(world, comments=True)
    world.desk.say(itsm, "it is down again")
    await _settle(world, itsm)
    new = await _whole(world, itsm, old)
    assert [text for _, text in world.carrier.said(new)] == ["Ann: it is down again"]
    assert [text for _, text in world.carrier.said(old)] == ["Ann: before the end", "theirs"]


async def test_what_the_closed_ticket_refused_is_carried_by_its_follow_up(world: World) -> None:
    itsm, old = await _closed(world)
    world.desk.say(itsm, "one more thing")
    world.carrier.fate = _fates(Fate.REFUSED)
    await _settle(world, itsm, rounds=2)
    (parked,) = await world.ops()
    assert parked.state is OperationState.PARKED
    world.desk.set(itsm, status="In Progress")
    await _settle(world, itsm)
    new = await _whole(world, itsm, old)
    assert [text for _, text in world.carrier.said(new)] == ["Ann: one more thing"]


async def test_the_last_words_of_the_closed_ticket_still_reach_the_desk(world: World) -> None:
    itsm, old = await _closed(world)
    world.carrier.say(old, "the last word")
    await world.read()
    world.desk.set(itsm, status="In Progress")
    await _settle(world, itsm)
    await _whole(world, itsm, old)
    assert [text for _, text in world.desk.said(itsm)].count("the last word") == 1


async def test_a_write_in_doubt_at_the_old_ticket_stays_there_for_a_person(world: World) -> None:
    itsm, _ = await _closed(world)
    world.desk.say(itsm, "was it heard?")
    world.carrier.fate = lambda call: {"write": Fate.CUT, "probe": Fate.UNCLEAR}.get(call, Fate.OK)
    await world.notify(itsm)
    await world.settle(rounds=60, seconds=60.0)
    (doubted,) = await world.ops()
    world.carrier.fate = lambda _call: Fate.OK
    world.desk.set(itsm, status="In Progress")
    await _settle(world, itsm)
    (still,) = await world.ops()
    assert (still.id, still.state) == (doubted.id, OperationState.PARKED)
    _, new = world.carrier.tickets()
    assert world.carrier.said(new.id) == []


async def test_a_ticket_that_lacks_something_is_followed_up_once_it_is_put_right(
    world: World,
) -> None:
    itsm, old = await _closed(world)
    made = _following()
    fields = tuple(replace(each, missing_parks=True) for each in made.fields)
    await world.configure(replace(made, fields=fields))
    world.desk.set(itsm, status="In Progress", title="")
    await _settle(world, itsm, rounds=2)
    assert len(world.carrier.tickets()) == 1
    assert any("title missing" in each for each in await world.lines("opening.problem"))
    world.desk.set(itsm, title="Down again")
    world.desk.say(itsm, "now it has a title")
    await _settle(world, itsm)
    new = await _whole(world, itsm, old)
    assert [text for _, text in world.carrier.said(new)] == ["Ann: now it has a title"]


async def _live(world: World, itsm: TicketId) -> None:
    await world.notify(itsm)
    for _ in range(4):
        await world.read()
        await world.deliver()
        world.clock.advance(10.0)


async def _killed_at(step: int, folder: Path, template: Path) -> bool:
    """Kill everything at a step of a follow-up, start again, and check; whether it was reached."""
    with in_memory(template) as db:
        fuse = Fuse(NEVER, kills=True)
        world = World(FusedDatabase(db, fuse), folder)
        await world.set_up()
        itsm, old = await _closed(world)
        world.desk.set(itsm, status="In Progress")
        world.desk.say(itsm, "it is down again")
        world.desk.step = world.carrier.step = fuse.step
        fuse.count, fuse.at = 0, step
        running = asyncio.ensure_future(_live(world, itsm))
        blown = asyncio.ensure_future(fuse.blown.wait())
        await asyncio.wait({running, blown}, return_when=asyncio.FIRST_COMPLETED)
        for task in [*world.delivery._tasks, running, blown]:
            task.cancel()
        await asyncio.gather(running, *world.delivery._tasks, blown, return_exceptions=True)
        world.delivery._settler.abandon()
        reached, fuse.at = fuse.blown.is_set(), NEVER
        again = Fuse(NEVER, kills=False)
        world.db = FusedDatabase(db, again)
        world.owner = "second"
        world.desk.step = world.carrier.step = again.step
        world.build()
        await world.delivery.recover()
        await _settle(world, itsm, rounds=3)
        new = await _whole(world, itsm, old)
        assert [text for _, text in world.carrier.said(new)] == ["Ann: it is down again"]
        ended = await db.read(links.links_of, await world.row(world.carrier, old))
        assert [each.phase for each in ended] == [LinkPhase.REMOVED]
    return reached


@pytest.mark.slow
async def test_killed_at_any_step_there_is_one_follow_up_after_a_restart(
    tmp_path: Path, sqlite_template: Path
) -> None:
    for step in range(1, STEPS_MAX):
        folder = tmp_path / str(step)
        folder.mkdir()
        if not await _killed_at(step, folder, sqlite_template):
            return
    pytest.fail("it never came to rest")
