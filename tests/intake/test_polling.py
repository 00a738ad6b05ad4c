"""Feeds and pushed numbers: what is seen is known, and a cursor covers what is stored (R1)."""

from dataclasses import replace

import orjson
import pytest

from syncd.model.ids import ConnectionName
from syncd.store import connections, feeds, mappings
from syncd.store.records import FeedRecord
from tests.intake.world import CARRIER, DESK, World
from tests.simulation.traits import Fate


async def _feed(world: World) -> FeedRecord:
    (found,) = await world.db.read(feeds.overview)
    return found


async def test_the_cursor_is_stored_with_the_tickets_it_covers(world: World) -> None:
    case = world.carrier.open(title="t")
    done = await world.intake.poll(CARRIER)
    assert (done.due, done.gap, done.error) == (1, False, "")
    assert (await _feed(world)).cursor == "1"
    assert (await world.stored(world.carrier, case)).snapshot is None  # known, not read yet


async def test_the_next_poll_goes_on_from_the_cursor(world: World) -> None:
    for _ in range(3):
        world.carrier.open(title="t")
        await world.read()
    assert (await _feed(world)).cursor == "3"
    assert len(await world.links()) == 3


@pytest.mark.parametrize("fate", [Fate.UNREACHABLE, Fate.RATE_LIMITED, Fate.ODD])
async def test_a_failed_poll_keeps_the_cursor_and_the_next_one_misses_nothing(
    world: World, fate: Fate
) -> None:
    world.carrier.open(title="one")
    await world.read()
    world.carrier.open(title="two")
    world.carrier.fate = lambda call: fate if call == "poll" else Fate.OK
    for failures in (1, 2, 3):
        assert (await world.intake.poll(CARRIER)).error
        feed = await _feed(world)
        assert (feed.cursor, feed.failures) == ("1", failures)
        assert feed.error
    world.carrier.fate = lambda _call: Fate.OK
    await world.read()
    feed = await _feed(world)
    assert (feed.cursor, feed.failures, feed.error) == ("2", 0, "")
    assert len(await world.links()) == 2


async def test_a_bug_in_an_adapter_is_a_failed_poll(world: World) -> None:
    def broken(_call: str) -> Fate:
        raise ZeroDivisionError

    world.carrier.fate = broken
    done = await world.intake.poll(CARRIER)
    assert "ZeroDivisionError" in done.error
    assert (await _feed(world)).failures == 1


async def test_credentials_that_are_refused_pause_the_connection_with_one_line(
    world: World,
) -> None:
    world.carrier.fate = lambda _call: Fate.CREDENTIALS
    for _ in range(3):
        await world.intake.poll(CARRIER)
    assert list(await world.db.read(connections.paused)) == [CARRIER]
    assert len(await world.lines("connection.paused")) == 1
    assert (await world.intake.poll(CARRIER)).error == "paused"


async def test_a_poll_that_reached_its_page_limit_leaves_a_gap_and_goes_on_there(
    world: World,
) -> None:
    for at in range(12):
        world.carrier.open(title=f"t{at}")
    first = await world.intake.poll(CARRIER)
    assert first.gap
    assert (await _feed(world)).gap
    polls = 1
    while (await world.intake.poll(CARRIER)).gap:
        polls += 1
        assert polls < 9
    assert not (await _feed(world)).gap
    await world.intake.drain()
    assert len(await world.links()) == 12


async def test_the_overlap_tells_again_what_is_known_and_nothing_comes_of_it(
    world: World,
) -> None:
    world.carrier.profile = replace(world.carrier.profile, overlap=2)
    world.carrier.open(title="t")
    await world.settle()
    planned = len(await world.lines("operation.planned"))
    reads = len(world.carrier.reads)
    await world.settle()
    assert len(await world.lines("operation.planned")) == planned
    assert len(world.carrier.reads) > reads  # read, as the feed says, and found as it was


async def test_an_odd_item_is_kept_for_the_operator_and_hides_no_other(world: World) -> None:
    world.carrier.notes = ["activity 17 names no ticket"]
    world.carrier.open(title="t")
    await world.read()
    assert await world.lines("feed.odd_item") == ["activity 17 names no ticket"]
    assert len(await world.links()) == 1


async def test_a_connection_that_is_read_ticket_by_ticket_is_not_polled(world: World) -> None:
    assert (await world.intake.poll(DESK)).requests == 0


# --- pushed numbers ------------------------------------------------------------------------------


async def test_pushed_numbers_become_tickets_that_are_watched(world: World) -> None:
    ticket = world.noc()
    await world.notify(ticket)
    await world.intake.drain()
    stored = await world.stored(world.desk, ticket)
    assert stored.watched
    assert stored.snapshot is not None
    assert stored.next_poll_at is not None
    assert await world.lines("ticket.notified") == ["by 10.1.4.7"]
    assert len(await world.links()) == 1


async def test_a_push_tells_that_the_connection_has_news(world: World) -> None:
    await world.notify(world.noc())
    await world.intake.drain()
    (desk,) = [one for one in await world.db.read(connections.overview) if one.pin.name == DESK]
    assert desk.last_news_at == world.now()


async def test_a_push_is_only_a_hint_what_is_believed_is_what_is_read(world: World) -> None:
    await world.push(orjson.dumps({"numbers": ["INC-none"]}))
    for _ in range(4):
        await world.intake.drain()
        world.clock.advance(3600)
    assert await world.links() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"numbers": 7}', b'{"other": ["N-1"]}'])
async def test_a_push_that_cannot_be_understood_is_told_and_hides_no_other(
    world: World, body: bytes
) -> None:
    await world.push(body)
    await world.notify(world.noc())
    await world.intake.drain()
    assert await world.lines("notify.ignored") == ["it cannot be understood"]
    assert len(await world.links()) == 1


async def test_a_push_for_a_connection_no_mapping_uses_is_told(world: World) -> None:
    await world.push(orjson.dumps({"numbers": ["N-1"]}), ConnectionName("elsewhere"))
    await world.intake.drain()
    assert await world.lines("notify.ignored") == ["no mapping uses the connection"]


async def test_the_same_number_pushed_twice_is_one_ticket(world: World) -> None:
    ticket = world.noc()
    await world.notify(ticket, ticket)
    await world.notify(ticket)
    await world.settle()
    assert len(await world.links()) == 1
    assert len(world.carrier.tickets()) == 1


async def test_a_paused_connection_is_neither_polled_nor_read(world: World) -> None:
    await world.run(connections.pause, CARRIER, "why", by="kari")
    world.carrier.open(title="t")
    await world.read()
    assert world.carrier.reads == []
    await world.run(connections.resume, CARRIER, by="kari")
    await world.read()
    assert len(await world.links()) == 1


async def test_a_paused_mapping_is_read_and_planned_and_not_written(world: World) -> None:
    await world.run(mappings.pause, world.rules[0].name, "why", by="kari")
    await world.notify(world.noc())
    await world.settle()
    assert world.carrier.tickets() == []
    await world.run(mappings.resume, world.rules[0].name, by="kari")
    await world.settle()
    assert len(world.carrier.tickets()) == 1
