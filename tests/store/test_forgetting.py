"""What is over is forgotten; links, pairs, keys and everything open stay (DESIGN R13)."""

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from syncd.core.state import Plan, PlannedOperation
from syncd.model.errors import CommandRefused
from syncd.model.ids import LinkRow, OperationKey, Side, TicketId
from syncd.model.operation import OperationState, ParkReason
from syncd.model.ticket import CommentKind
from syncd.ports.served import FileDraft, NoteDraft, ServedChange, ServedRequest, ServedRules
from syncd.store import forgetting, journal, links, operations, served, spool, tickets
from syncd.store import tables as t
from syncd.store.database import Database, Tx
from syncd.store.forgetting import Kept, Window
from syncd.store.records import Line
from tests.store.scene import (
    CARRIER,
    DESK,
    MAPPING,
    NOW,
    Scene,
    applied,
    comment,
    later,
    pair_of,
    receipt,
    ticket,
)
from tests.store.scene import parked as parked_for

YEAR = timedelta(days=365)
LONG_AFTER = NOW + YEAR

FORGET: dict[Kept, Callable[[Tx, Window, datetime], int]] = {
    Kept.JOURNAL: partial(forgetting.forget_journal, lasting=["opening.held"]),
    Kept.ATTEMPTS: forgetting.forget_attempts,
    Kept.OPERATIONS: forgetting.forget_operations,
    Kept.SERVED: partial(forgetting.forget_served, now=LONG_AFTER),
}


async def forget(
    scene: Scene, what: Kept, before: datetime = LONG_AFTER, *, limit: int = 500
) -> int:
    """Go through a table as housekeeping does."""
    after_id, gone = 0, 0
    while found := await scene.db.read(
        forgetting.window, what, before, after_id=after_id, limit=limit
    ):
        if not found.is_old:
            break
        gone += await scene.db.write(FORGET[what], found, before)
        after_id = found.last_id
    return gone


async def newer(scene: Scene) -> None:
    """Plan one more operation: the newest of all is never forgotten."""
    await scene.linked(comment("newest"), itsm="inc-newest", vendor="case-newest")


async def count(scene: Scene, table: sa.Table) -> int:
    return int(await scene.db.read(lambda tx: tx.scalar(sa.select(sa.func.count(table.c.key)))))


async def test_the_marker_of_a_forgotten_operation_is_still_ours(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    op = await scene.deliver(receipt(comment_id="v1"))
    strange = OperationKey("zzzzzz-0000")
    before = await scene.db.read(links.own_keys, [op.write.key, strange])
    await newer(scene)
    assert await forget(scene, Kept.OPERATIONS) == 1
    with pytest.raises(CommandRefused, match="no operation"):
        await scene.operation(op.id)
    assert await scene.db.read(links.own_keys, [op.write.key, strange]) == before
    assert before[op.write.key].target is Side.VENDOR
    parts = await scene.db.read(links.load_link, link, lookup_keys=[op.write.key, strange])
    assert parts.own_keys == {op.write.key: (link, Side.VENDOR)}
    assert [pair.target_id for pair in parts.pairs] == ["v1"]


async def test_a_removed_link_keeps_its_tombstone_pairs_and_keys(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    op = await scene.deliver(receipt(comment_id="v1"))
    await scene.db.write(links.tombstone, link, by="kari", now=later(5))
    await newer(scene)
    assert await forget(scene, Kept.OPERATIONS) == 2
    found = await scene.db.read(links.get, link)
    assert found.tombstone_at == later(5)
    assert len(await scene.db.read(links.pairs_of, link)) == 2
    assert op.write.key in await scene.db.read(links.own_keys, [op.write.key])


async def test_nothing_of_an_operation_that_is_open_or_parked_is_forgotten(scene: Scene) -> None:
    parked = await scene.linked(comment("c1"))
    op = await scene.send()
    await scene.settle(op, parked_for(ParkReason.REFUSED))
    waiting = await scene.linked(comment("c1"), comment("c2"), itsm="inc2", vendor="case2")
    await newer(scene)
    assert await forget(scene, Kept.OPERATIONS) == 0
    assert await forget(scene, Kept.ATTEMPTS) == 0
    assert await scene.states(parked) == ["comment parked"]
    assert await scene.states(waiting) == ["comment ready", "comment waiting"]
    assert len((await scene.db.read(operations.show, op.id)).attempts) == 1


async def test_an_operation_to_be_looked_at_once_more_stays_until_that_is_done(
    scene: Scene,
) -> None:
    await scene.linked(comment("c1"))
    op = await scene.deliver(receipt(comment_id="v1"))
    look = sa.update(t.operation).where(t.operation.c.id == op.id)
    await scene.db.write(lambda tx: tx.run(look.values(recheck_at=later(900))))
    await newer(scene)
    assert await forget(scene, Kept.OPERATIONS) == 0
    assert await forget(scene, Kept.ATTEMPTS) == 0
    await scene.db.write(lambda tx: tx.run(look.values(recheck_at=None)))
    assert await forget(scene, Kept.OPERATIONS) == 1


async def test_only_what_is_older_than_asked_goes(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    old = await scene.deliver(receipt(comment_id="v1"))
    link = await scene.linked(itsm="inc2", vendor="case2")
    at = later(600)
    (young,) = await scene.plan(link, comment("c2"), now=at)
    op = await scene.send(now=at)
    await scene.settle(op, applied(receipt("case2", comment_id="v2")), at)
    await newer(scene)
    assert await forget(scene, Kept.OPERATIONS, before=later(300)) == 1
    with pytest.raises(CommandRefused):
        await scene.operation(old.id)
    assert (await scene.operation(young)).settled_at == at


async def test_attempts_go_before_their_operation(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    op = await scene.deliver(receipt(comment_id="v1"))
    assert await forget(scene, Kept.ATTEMPTS) == 1
    shown = await scene.db.read(operations.show, op.id)
    assert shown.attempts == ()
    assert shown.record.sent_at is not None


async def test_many_old_lines_go_window_by_window_and_lasting_ones_stay(scene: Scene) -> None:
    lines = [Line(at=later(n), event="read.changed", detail=str(n)) for n in range(30)]
    lasting = Line(at=later(3), event="opening.held", detail="stays")
    await scene.db.write(journal.append, *lines[:10], lasting, *lines[10:])
    await forget(scene, Kept.JOURNAL, before=later(25), limit=7)
    left = [one.line.detail for one in await scene.db.read(journal.tail)]
    assert left == ["stays", "25", "26", "27", "28", "29"]


async def test_lines_that_stay_fill_no_window_in_front_of_those_that_go(scene: Scene) -> None:
    lasting = [Line(at=later(n), event="opening.held", detail=str(n)) for n in range(20)]
    old = Line(at=later(21), event="read.changed", detail="old")
    new = Line(at=later(90), event="read.changed", detail="new")
    await scene.db.write(journal.append, *lasting, old, new, new)
    # The scene has a line of its own in front.
    found = await scene.db.read(
        forgetting.window, Kept.JOURNAL, later(50), limit=2, lasting=["opening.held"]
    )
    assert found is not None
    assert found.is_old
    await scene.db.write(FORGET[Kept.JOURNAL], found, later(50))
    left = [one.line.detail for one in await scene.db.read(journal.tail)]
    assert left == [*(line.detail for line in lasting), "new", "new"]


async def test_two_that_forget_at_once_forget_each_thing_once(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    op = await scene.deliver(receipt(comment_id="v1"))
    await newer(scene)
    both = await asyncio.gather(*(forget(scene, Kept.OPERATIONS) for _ in range(2)))
    assert sum(both) == 1
    assert await count(scene, t.own_key) == 1
    assert op.write.key in await scene.db.read(links.own_keys, [op.write.key])


async def test_the_newest_operation_stays_so_that_its_number_is_given_once(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    op = await scene.deliver(receipt(comment_id="v1"))
    assert await forget(scene, Kept.OPERATIONS) == 0
    link = await scene.linked(comment("c2"), itsm="inc2", vendor="case2")
    assert await forget(scene, Kept.OPERATIONS) == 1
    (next_one,) = await scene.plan(link, comment("c3"))
    assert next_one > op.id + 1


# --- served tickets ------------------------------------------------------------------------------

RULES = ServedRules(
    first_status="New", resolved=frozenset({"Resolved"}), closed=frozenset({"Closed"})
)


async def served_ticket(scene: Scene, name: str, status: str, *, at: datetime = NOW) -> TicketId:
    """Have a served ticket with a note and a file, last changed at an instant."""
    request = ServedRequest(connection=DESK, caller="robot", fingerprint=name, key=name)
    note = NoteDraft(kind=CommentKind.COMMENT, author="Kari", body="words")
    file = FileDraft(
        name="a.png", content_type="image/png", size_bytes=3, digest=f"d-{name}", author="Kari"
    )
    change = ServedChange(by="robot", fields={"ticketStatus": status}, notes=[note], files=[file])
    await scene.db.write(served.create, request, change, sys_id=TicketId(name), rules=RULES, now=at)
    return TicketId(name)


async def served_link(scene: Scene, name: TicketId, *planned: PlannedOperation) -> LinkRow:
    """Pair a served ticket."""
    row = await scene.db.read(lambda tx: tickets.find(tx, DESK, external_id=name))
    vendor = await scene.read(ticket(f"case-{name}", title="t"), CARRIER)
    link = await scene.db.write(
        links.add_link, mapping=MAPPING, itsm_row=row, vendor_row=vendor, by="test", now=NOW
    )
    await scene.plan(link, *planned)
    return link


@pytest.mark.postgres
@pytest.mark.parametrize("state", [OperationState.READY, OperationState.CLAIMED])
async def test_a_served_ticket_on_which_something_is_planned_meanwhile_stays(
    postgres_store_url: str, state: OperationState
) -> None:
    reached, go = threading.Event(), threading.Event()
    async with (
        await Database.open(postgres_store_url) as db,
        await Database.open(postgres_store_url) as beside,
    ):
        scene = Scene(db=db)
        await scene.set_up()
        name = await served_ticket(scene, "closed", "Closed")
        link = await served_link(scene, name)
        await served_ticket(scene, "newest", "New")

        def plan_slowly(tx: Tx) -> None:
            links.lock_links(tx, [link])
            planned = comment("c1")
            plan = Plan(operations=(planned,), pairs=(pair_of(planned),))
            assert links.apply_plan(tx, link, plan, scene.context())
            tx.run(sa.update(t.operation).values(state=state))
            reached.set()
            assert go.wait(60)

        async def elsewhere() -> None:
            async with await Database.open(postgres_store_url) as other:
                await other.write(plan_slowly)

        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        planning = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(elsewhere())))
        await asyncio.to_thread(reached.wait, 60)
        clearing = asyncio.create_task(forget(scene, Kept.SERVED))
        try:
            while not clearing.done() and not await beside.read(lambda tx: tx.scalar(waiting)):
                await asyncio.to_thread(lambda: None)
        finally:
            go.set()
        await planning
        assert await clearing == 0
        assert (await db.read(links.get, link)).tombstone_at is None
        assert await db.read(served.find, DESK, sys_id=name) is not None


async def test_a_served_ticket_that_is_over_goes_with_its_items_and_its_link_ends(
    scene: Scene,
) -> None:
    closed = await served_ticket(scene, "closed", "Closed")
    resolved = await served_ticket(scene, "resolved", "Resolved")
    stay = [
        await served_ticket(scene, "open", "New"),
        await served_ticket(scene, "waits", "Closed"),
        await served_ticket(scene, "lately", "Closed", at=LONG_AFTER + timedelta(days=1)),
        await served_ticket(scene, "newest", "Closed"),
    ]
    link = await served_link(scene, closed)
    waiting = await served_link(scene, stay[1], comment("c1"))
    assert await forget(scene, Kept.SERVED, limit=2) == 2
    for name in (closed, resolved):
        assert await scene.db.read(served.find, DESK, sys_id=name) is None
    for name in stay:
        found = await scene.db.read(served.find, DESK, sys_id=name)
        assert found is not None
        assert (len(found.notes), len(found.files)) == (1, 1)
    digests = await scene.db.read(spool.in_use)
    assert digests == {f"d-{name}" for name in stay}
    assert (await scene.db.read(links.get, link)).tombstone_at == LONG_AFTER
    assert (await scene.db.read(links.get, waiting)).tombstone_at is None
    due = await scene.db.read(tickets.due_reads, DESK, now=LONG_AFTER + YEAR, limit=99)
    assert {each.ref.id for each in due} == set(stay)
    assert await forget(scene, Kept.SERVED, limit=2) == 0
