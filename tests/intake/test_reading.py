"""Reading one ticket: overlapped, late, wrong, missing (R1, R8)."""

import asyncio
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from syncd.model.ids import TicketId, TicketRow
from syncd.model.operation import WriteKind
from syncd.model.ticket import Ticket
from syncd.ports.errors import NotFound, Unreachable
from syncd.store import counting, tickets, watching
from syncd.store import tables as t
from syncd.store.records import LinkPhase
from syncd.store.tx import Tx
from tests.intake.world import CARRIER, World
from tests.simulation.traits import Fate
from tests.simulation.vendor import KIND

DAY_S = 86_400.0


# --- reads and writes at once --------------------------------------------------------------------


async def test_a_read_that_a_write_overlapped_is_thrown_away_and_repeated(world: World) -> None:
    itsm, vendor = await world.linked()
    world.desk.set(itsm, priority="2")
    await world.notify(itsm)
    await world.intake.drain()  # the write to the carrier's ticket is planned
    before = world.carrier.ticket(vendor)
    world.carrier.set(vendor, title="news")
    wrote = False

    async def write_meanwhile(name: str) -> None:
        nonlocal wrote
        if name == "was read" and not wrote:
            wrote = True
            await world.deliver()

    world.carrier.step = write_meanwhile
    reads = len(world.carrier.reads)
    await world.read()
    assert wrote
    assert len(world.carrier.reads) - reads >= 2
    stored = await world.stored(world.carrier, vendor)
    assert stored.snapshot == world.carrier.ticket(vendor) != before


async def test_a_read_without_news_is_known_to_have_been_made_and_one_that_failed_is_none(
    world: World,
) -> None:
    case = world.carrier.open(title="t")
    await world.read()
    row, before = await world.row(world.carrier, case), world.intake.read_at[CARRIER]
    for fate, moved in ((Fate.UNREACHABLE, False), (Fate.OK, True)):
        world.carrier.fate = lambda call, fate=fate: fate if call == "read" else Fate.OK
        world.clock.advance(600)
        await world.run(_hasten, row)
        await world.intake.run_round()
        assert (world.intake.read_at[CARRIER] > before) is moved


async def test_a_ticket_that_is_being_written_is_not_read(world: World) -> None:
    itsm, vendor = await world.linked()
    world.desk.set(itsm, priority="2")
    await world.notify(itsm)
    await world.intake.drain()
    reads = len(world.carrier.reads)
    world.carrier.set(vendor, title="news")

    async def read_meanwhile(name: str) -> None:
        if name == "before effect":
            await world.read()
            assert len(world.carrier.reads) == reads

    world.carrier.step = read_meanwhile
    await world.deliver()
    world.carrier.step = _no_step
    await world.settle()
    assert (await world.stored(world.carrier, vendor)).snapshot == world.carrier.ticket(vendor)


async def _no_step(_name: str) -> None:
    return


async def test_a_ticket_seen_again_while_it_is_read_is_read_again(world: World) -> None:
    case = world.carrier.open(title="one")
    await world.intake.poll(CARRIER)
    seen = False

    async def change(name: str) -> None:
        nonlocal seen
        if name == "was read" and not seen:
            seen = True
            world.carrier.set(case, title="two")
            await world.intake.poll(CARRIER)

    world.carrier.step = change
    await world.intake.drain()
    stored = await world.stored(world.carrier, case)
    assert stored.snapshot is not None
    assert stored.snapshot.get("title") == "two"


# --- lagging replicas ----------------------------------------------------------------------------


async def test_a_read_that_shows_an_older_state_is_set_aside(world: World) -> None:
    _, vendor = await world.linked()
    world.clock.advance(60)
    world.carrier.set(vendor, title="new")
    await world.read()
    known = (await world.stored(world.carrier, vendor)).snapshot
    world.clock.advance(1)
    world.carrier.lag_s = lambda: 5.0
    world.carrier.fate = lambda call: Fate.LAG if call == "read" else Fate.OK
    row = await world.row(world.carrier, vendor)
    await world.run(_hasten, row)
    done = await world.intake.run_round()
    assert done.discarded == 1
    assert (await world.stored(world.carrier, vendor)).snapshot == known
    world.carrier.fate = lambda _call: Fate.OK
    await world.settle()
    assert (await world.stored(world.carrier, vendor)).read_failures == 0


def _hasten(tx: Tx, row: TicketRow, *, now: datetime) -> None:
    tickets.hasten(tx, [row], now)


async def test_an_older_state_shown_again_and_again_is_believed(world: World) -> None:
    case = world.carrier.open(title="t")
    await world.read()
    ticket = world.carrier.ticket(case)
    assert ticket.updated_at is not None
    back = Ticket(
        id=ticket.id,
        number=ticket.number,
        kind=KIND,
        fields={"title": "restored from a backup"},
        updated_at=ticket.updated_at - timedelta(days=1),
    )
    for _ in range(8):
        world.carrier.answers = [back]
        await world.run(_hasten, await world.row(world.carrier, case))
        await world.intake.run_round()
        world.clock.advance(60)
    assert (await world.stored(world.carrier, case)).snapshot == back


async def test_a_read_from_before_our_write_is_repeated_and_never_sent_back(
    world: World,
) -> None:
    # A desk without times of change: only the settle time protects.
    itsm, vendor = await world.linked()
    world.clock.advance(60)
    world.carrier.set(vendor, priority="High")
    await world.read()
    await world.deliver()
    assert world.desk.ticket(itsm).get("priority") == "2"
    before = world.desk.ticket(itsm)
    old = Ticket(
        id=before.id, number=before.number, kind=KIND, fields={**before.fields, "priority": "1"},
        comments=before.comments,
    )  # fmt: skip
    world.desk.answers = [old]
    world.clock.advance(1)
    await world.intake.run_round()
    assert (await world.stored(world.desk, itsm)).snapshot == old
    world.desk.fate = lambda call: Fate.UNREACHABLE if call == "read" else Fate.OK
    for _ in range(5):  # However late it is decided about, what was read is as old as it is.
        world.clock.advance(20)
        await world.read()
    assert await world.ops() == []
    world.desk.fate = lambda _call: Fate.OK
    await world.settle()
    assert (await world.stored(world.desk, itsm)).snapshot == world.desk.ticket(itsm)
    assert world.carrier.ticket(vendor).get("priority") == "High"
    assert world.desk.ticket(itsm).get("priority") == "2"


async def test_a_person_who_takes_our_write_back_at_once_is_heard_after_the_settle_time(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    world.clock.advance(60)
    world.carrier.set(vendor, priority="High")
    await world.read()
    await world.deliver()
    world.desk.set(itsm, priority="1")
    await world.notify(itsm)
    await world.settle()
    assert world.carrier.ticket(vendor).get("priority") == "Critical"


async def test_a_feed_fresher_than_the_ticket_it_names_is_not_missed(world: World) -> None:
    case = world.carrier.open(title="one")
    await world.settle()
    world.carrier.set(case, title="two")
    world.carrier.lag_s = lambda: 3.0
    world.carrier.fate = lambda call: Fate.LAG if call == "read" else Fate.OK
    world.clock.advance(1)
    await world.read()
    world.carrier.fate = lambda _call: Fate.OK
    world.clock.advance(5)
    await world.intake.drain()  # no poll: nothing names it any more
    stored = await world.stored(world.carrier, case)
    assert stored.snapshot is not None
    assert stored.snapshot.get("title") == "two"


# --- odd and failing -----------------------------------------------------------------------------


async def test_another_tickets_answer_is_an_error_and_changes_nothing(world: World) -> None:
    one, other = world.carrier.open(title="one"), world.carrier.open(title="other")
    await world.settle()
    known = (await world.stored(world.carrier, one)).snapshot
    world.carrier.answers = [world.carrier.ticket(other)]
    await world.run(_hasten, await world.row(world.carrier, one))
    done = await world.intake.run_round()
    assert done.failed == 1
    stored = await world.stored(world.carrier, one)
    assert stored.snapshot == known
    assert "was not asked for" in stored.read_error
    await world.settle()
    assert (await world.stored(world.carrier, one)).read_failures == 0


async def test_a_failed_read_waits_longer_each_time_and_is_told_of_in_the_store(
    world: World,
) -> None:
    case = world.carrier.open(title="t")
    world.carrier.fate = lambda call: Fate.UNREACHABLE if call == "read" else Fate.OK
    await world.intake.poll(CARRIER)
    waits = []
    for _ in range(4):
        await world.intake.run_round()
        stored = await world.stored(world.carrier, case)
        assert stored.read_due_at is not None
        waits.append((stored.read_due_at - world.now()).total_seconds())
        world.clock.advance(waits[-1])
    assert waits == [5, 10, 20, 40]
    assert stored.read_error == "refused"


async def test_a_vendor_that_asks_to_wait_is_given_the_time(world: World) -> None:
    case = world.carrier.open(title="t")
    world.carrier.fate = lambda call: Fate.RATE_LIMITED if call == "read" else Fate.OK
    await world.read()
    stored = await world.stored(world.carrier, case)
    assert stored.read_due_at == world.now() + timedelta(seconds=5)


async def test_a_bug_in_reading_one_ticket_hides_no_other(world: World) -> None:
    one, other = world.carrier.open(title="one"), world.carrier.open(title="other")
    world.carrier.answers = [ZeroDivisionError("secret words")]  # type: ignore[list-item]
    await world.read()
    rows = [await world.stored(world.carrier, each) for each in (one, other)]
    assert sorted(each.snapshot is None for each in rows) == [False, True]
    (broken,) = [each for each in rows if each.snapshot is None]
    assert broken.read_error == "unexpected ZeroDivisionError; the log has more"
    await world.settle()
    assert len(await world.links()) == 2


# --- gone ----------------------------------------------------------------------------------------


async def _miss(world: World, times: int) -> None:
    for _ in range(times):
        world.clock.advance(DAY_S)
        await world.intake.run_round()


async def test_a_ticket_not_found_three_times_is_gone_and_its_link_rests(world: World) -> None:
    itsm, vendor = await world.linked()
    await world.linked(title="another")  # the desk answers otherwise
    world.desk.remove(itsm)
    await _miss(world, 2)
    assert (await world.stored(world.desk, itsm)).gone_at is None
    await _miss(world, 2)
    assert (await world.stored(world.desk, itsm)).gone_at is not None
    phases = {one.link.phase for one in await world.links()}
    assert phases == {LinkPhase.GONE, LinkPhase.OPEN}
    assert await world.lines("link.gone") == [
        f"itsm {world.desk.number(itsm)} is not there any more"
    ]
    # What happens on the other side meanwhile is kept for when it is back.
    world.carrier.say(vendor, "are you there?")
    await world.settle()
    assert await world.ops() == []


async def test_a_ticket_that_is_back_goes_on_where_it_was(world: World) -> None:
    itsm, vendor = await world.linked()
    world.desk.remove(itsm)
    await _miss(world, 3)
    assert (await world.link()).phase is LinkPhase.GONE
    world.carrier.say(vendor, "are you there?")
    world.carrier.set(vendor, priority="Medium")
    await world.settle()
    world.desk.restore(itsm)
    await world.notify(itsm)
    await world.settle()
    assert (await world.link()).phase is LinkPhase.OPEN
    assert world.desk.said(itsm) == [("syncd", "are you there?")]
    assert world.desk.ticket(itsm).get("priority") == "3"
    assert len(world.carrier.tickets()) == 1


async def test_one_wrongly_taken_for_gone_is_found_again_by_itself(world: World) -> None:
    itsm, vendor = await world.linked()
    world.desk.remove(itsm)
    await _miss(world, 3)
    assert (await world.link()).phase is LinkPhase.GONE
    world.carrier.say(vendor, "are you there?")
    await world.settle()
    world.desk.restore(itsm)
    look_at = (await world.stored(world.desk, itsm)).next_poll_at
    assert look_at is not None
    world.clock.advance((look_at - world.now()).total_seconds() - 1)
    await world.intake.run_round()
    assert (await world.link()).phase is LinkPhase.GONE, "not before it is time"
    world.clock.advance(1)
    await world.settle()
    assert (await world.link()).phase is LinkPhase.OPEN
    assert world.desk.said(itsm) == [("syncd", "are you there?")]
    assert (await world.stored(world.desk, itsm)).gone_at is None


async def test_one_that_is_gone_is_looked_for_ever_more_rarely_and_not_for_ever(
    world: World,
) -> None:
    itsm, _ = await world.linked()
    await world.linked(title="another")
    world.desk.remove(itsm)
    await _miss(world, 4)
    pauses: list[float] = []
    while (at := (await world.stored(world.desk, itsm)).next_poll_at) is not None:
        pauses.append((at - world.now()).total_seconds())
        world.clock.advance(pauses[-1])
        reads = len(world.desk.reads)
        if len(pauses) == 3:
            world.desk.answers = [Unreachable("down")] * 2  # says nothing about the ticket
        await world.intake.run_round()
        assert itsm in {ref.id for ref in world.desk.reads[reads:]}
    del pauses[3]  # the one after an answer that was none
    assert pauses == sorted(pauses)
    assert pauses[-1] == 7 * DAY_S
    assert len(pauses) < 30
    assert sum(pauses) < 100 * DAY_S
    assert len(await world.lines("ticket.gone")) == 1
    world.desk.restore(itsm)
    await world.notify(itsm)
    await world.settle()
    assert {one.link.phase for one in await world.links()} == {LinkPhase.OPEN}


async def test_that_gone_tickets_are_still_not_there_is_no_outage(world: World) -> None:
    gone, missing = (await world.linked())[0], (await world.linked(title="another"))[0]
    world.desk.remove(gone)
    for _ in range(3):
        world.clock.advance(DAY_S)
        await world.run(_only, await world.row(world.desk, gone))
        await world.intake.run_round()
    await world.run(_only, await world.row(world.desk, missing))
    await world.intake.run_round()  # found: the desk answers
    world.desk.remove(missing)
    for _ in range(3):
        world.clock.advance(DAY_S)
        await world.run(_only, await world.row(world.desk, missing))
        await world.run(_look_now, await world.row(world.desk, gone))
        await world.intake.run_round()
    assert (await world.stored(world.desk, missing)).gone_at is not None


def _look_now(tx: Tx, row: TicketRow, *, now: datetime) -> None:
    tx.run(sa.update(t.ticket).where(t.ticket.c.id == row).values(next_poll_at=now))


async def test_one_that_is_seen_but_not_found_stays_gone(world: World) -> None:
    itsm, _ = await world.linked()
    world.desk.remove(itsm)
    await _miss(world, 3)
    for _ in range(3):
        await world.notify(itsm)
        await world.settle()
    assert (await world.link()).phase is LinkPhase.GONE


async def test_other_failures_in_between_do_not_make_a_ticket_gone(world: World) -> None:
    itsm, _ = await world.linked()
    await world.linked(title="another")
    world.desk.answers = []
    for answer in (Unreachable("down"), Unreachable("down"), NotFound("404"), NotFound("404")):
        world.clock.advance(DAY_S)
        await world.run(_only, await world.row(world.desk, itsm))
        world.desk.answers = [answer]
        await world.intake.run_round()
    assert (await world.stored(world.desk, itsm)).read_failures == 4
    assert (await world.stored(world.desk, itsm)).gone_at is None


def _only(tx: Tx, row: TicketRow, *, now: datetime) -> None:
    """Make one ticket due and no other."""
    for name in counting.counts(tx):
        for other in tickets.known_rows(tx, name):
            watching.set_watched(tx, other, False)
    tickets.hasten(tx, [row], now)


@pytest.mark.parametrize("number", [2, 8])
async def test_when_nothing_is_found_it_is_an_outage_and_nothing_is_gone(
    world: World, number: int
) -> None:
    ids: list[TicketId] = [(await world.linked(title=f"t{at}"))[0] for at in range(number)]
    world.desk.fate = lambda call: Fate.MISSING if call == "read" else Fate.OK
    for _ in range(6):
        await _miss(world, 1)
    for each in ids:
        assert (await world.stored(world.desk, each)).gone_at is None
    assert {one.link.phase for one in await world.links()} == {LinkPhase.OPEN}
    world.desk.fate = lambda _call: Fate.OK
    await _miss(world, 1)
    assert (await world.db.read(counting.counts))[world.rules[0].itsm].failing == 0


async def test_an_outage_that_shows_one_ticket_at_a_time_is_an_outage(world: World) -> None:
    ids = [(await world.linked(title=f"t{at}"))[0] for at in range(3)]
    world.desk.fate = lambda call: Fate.MISSING if call == "read" else Fate.OK
    for _ in range(5):
        for each in ids:
            world.clock.advance(DAY_S)
            await world.run(_only, await world.row(world.desk, each))
            await world.intake.run_round()
    gone = [(await world.stored(world.desk, each)).gone_at for each in ids]
    assert gone == [None, None, None]


async def test_a_link_whose_ticket_was_never_read_is_gone_when_it_is_not_there(
    world: World,
) -> None:
    await world.run(
        _link_by_number, "N-d-none", world.carrier.number(world.carrier.open(title="t"))
    )
    await world.read()
    await _miss(world, 3)
    assert (await world.link()).phase is LinkPhase.GONE


def _link_by_number(tx: Tx, itsm: str, vendor: str, *, now: datetime) -> None:
    from syncd.store.commands import COMMANDS

    arguments = {
        "mapping": "test", "itsm_ticket": itsm, "itsm_connection": "desk", "itsm_kind": KIND,
        "itsm_watched": True, "vendor_ticket": vendor, "vendor_connection": "carrier",
        "vendor_kind": KIND,
    }  # fmt: skip
    COMMANDS["link.add"](tx, arguments, "kari", now)


@pytest.mark.parametrize("by_number_first", [True, False])
async def test_a_ticket_linked_by_its_number_and_met_in_the_feed_is_one_ticket(
    world: World, by_number_first: bool
) -> None:
    itsm = world.noc(assigned_group="Printers")
    case = world.carrier.open(title="t")
    numbers = world.desk.number(itsm), world.carrier.number(case)
    await world.run(_link_by_number, *numbers)
    await world.intake.poll(CARRIER)
    by_number, by_id = await world.db.read(lambda tx: list(tickets.known_rows(tx, CARRIER)))
    later = by_id if by_number_first else by_number
    await world.run(_put_off, later)
    await world.settle(seconds=30)
    assert (await world.link()).added_by == "kari"
    assert len(world.desk.tickets()) == 1
    assert world.desk.ticket(itsm).get("vendor_ref") == world.carrier.number(case)
    assert len(await world.db.read(lambda tx: list(tickets.known_rows(tx, CARRIER)))) == 1


DAY_S = 86_400.0


def _put_off(tx: Tx, row: TicketRow, *, now: datetime) -> None:
    tickets.read_failed(tx, row, now=now, retry_at=now + timedelta(seconds=40), error="later")


async def test_a_watched_ticket_is_read_in_its_turn_a_closed_one_a_while_then_rarely_then_not(
    world: World,
) -> None:
    itsm, vendor = await world.linked()
    await world.settle()
    reads = len(world.desk.reads)
    for _ in range(10):
        world.clock.advance(67)
        await world.intake.drain()
    assert len(world.desk.reads) - reads >= 9
    world.carrier.set(vendor, status="Closed")
    await world.settle()
    assert (await world.link()).phase is LinkPhase.CLOSED

    async def count(times: int, step_s: float) -> int:
        reads = len(world.desk.reads)
        for _ in range(times):
            world.clock.advance(step_s)
            await world.intake.drain()
        return len(world.desk.reads) - reads

    assert await count(5, 67) >= 4
    await count(1, 2 * DAY_S)
    assert 1 <= await count(24, 3_600) <= 2
    await count(2, 30 * DAY_S)
    assert await count(10, DAY_S) == 0
    await world.notify(itsm)
    assert await count(1, 1) == 1


async def test_reads_of_one_connection_keep_to_its_limit(world: World) -> None:
    now = most = 0

    async def count(name: str) -> None:
        nonlocal now, most
        now += {"read": 1, "was read": -1}.get(name, 0)
        most = max(most, now)
        await asyncio.sleep(0)

    for at in range(12):
        world.carrier.open(title=f"t{at}")
    while (await world.intake.poll(CARRIER)).gap:
        pass
    world.carrier.step = count
    await world.intake.drain()
    assert most == world.carrier.features.limits.concurrency


async def test_a_create_gives_its_ticket_to_be_read(world: World) -> None:
    itsm = world.noc()
    await world.notify(itsm)
    await world.read()
    await world.deliver()
    await world.intake.drain()
    vendor = await world.partner(itsm)
    assert (await world.stored(world.carrier, vendor)).snapshot == world.carrier.ticket(vendor)
    assert [one.kind for one in world.carrier.sends] == [WriteKind.CREATE]
