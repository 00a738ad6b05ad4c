"""Where no marker tells our comments, their ids and exact words do."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.core.state import ItemKind, PairState, PlannedOperation, Reason
from syncd.core.unmarked import DIGEST_PLACE
from syncd.model.ids import AttachmentId, Side
from syncd.model.operation import CommentDraft, Finding, OperationState, ProbeResult, WriteKind
from syncd.model.ticket import CommentKind
from syncd.store import links, meta
from syncd.store import tables as t
from tests.delivery.world import World, a_world, attachment, comment
from tests.support.clock import FakeClock
from tests.support.memory_adapter import Fault


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, FakeClock(auto_advance=True), inline=True) as made:
        yield made


def note(body: str) -> PlannedOperation:
    return PlannedOperation(
        target=Side.VENDOR,
        kind=WriteKind.COMMENT,
        reason=Reason.CHANGE_SAID,
        comment=CommentDraft(body=body, author="", kind=CommentKind.WORK_NOTE),
    )


async def test_a_lost_comment_is_not_taken_for_the_same_words_said_before(world: World) -> None:
    link_id = await world.link()
    both = await world.plan(link_id, comment("yes", "s1"), comment("yes", "s2"))
    delivery = world.delivery()
    await delivery.run_round()
    earlier = world.vendor.effects[0].receipt
    world.vendor.script.append(Fault.CUT)
    words = ProbeResult(finding=Finding.FOUND, receipt=earlier, looked_at="1 of those words")
    world.vendor.probe_script.extend([words, words])
    await world.drive(delivery)
    assert await world.states(both) == [OperationState.APPLIED] * 2
    assert [effect.key for effect in world.vendor.effects] == [world.keys[one] for one in both]


async def test_a_lost_note_about_a_file_is_looked_for_as_it_was_sent(world: World) -> None:
    link_id = await world.link()
    world.desk.put_file("D1", "f1", "log.txt", b"x")
    file = replace(attachment("f1"), kind=WriteKind.COMMENT, reason=Reason.ATTACHMENT_SAID)
    words = CommentDraft(body=f"not copied: {DIGEST_PLACE}", author="")
    await world.plan(link_id, replace(file, comment=words))
    world.vendor.script.append(Fault.LOST)
    await world.drive(world.delivery())
    (sent,), (sought, *_) = world.vendor.sends, world.vendor.probes
    assert sought.comment == sent.comment


async def test_words_of_our_own_are_known_by_their_id(world: World) -> None:
    link_id = await world.link()
    await world.plan(link_id, note("priority changed: 1"))
    await world.delivery().run_round()
    (pair,) = await world.db.read(links.pairs_of, link_id)
    made = world.vendor.effects[0].receipt.comment_id
    assert (pair.kind, pair.origin, pair.source_id) == (ItemKind.COMMENT, Side.VENDOR, made)
    assert pair.state is PairState.SKIPPED


async def test_after_a_restored_backup_two_uploads_alike_each_find_their_own_effect(
    world: World,
) -> None:
    link_id = await world.link()
    for name in ("f1", "f2"):
        world.desk.put_file("D1", name, "log.txt", b"x")
    both = await world.plan(link_id, attachment("f1"), attachment("f2"))
    await world.drive(world.delivery())
    made = [effect.receipt for effect in world.vendor.effects]
    await world.db.write(meta.initialise, environment="test", prefix="ab12cd")
    await world.db.write(lambda tx: tx.run(_FORGOTTEN))
    await world.db.write(lambda tx: tx.run(_UNPAIRED))
    await world.db.write(meta.begin_epoch, by="kari", now=world.clock.now())
    seen = ProbeResult(finding=Finding.FOUND, receipt=made[0], others=(made[1],), looked_at="two")
    world.vendor.probe_script.extend([seen, seen])
    await world.drive(world.delivery())
    assert await world.states(both) == [OperationState.APPLIED] * 2
    pairs = await world.db.read(links.pairs_of, link_id)
    assert [pair.target_id for pair in pairs] == [each.attachment_id for each in made]
    assert len(world.vendor.effects) == 2


async def test_after_a_restored_backup_effects_alike_are_nobodys_until_both_tickets_were_read(
    world: World,
) -> None:
    link_id = await world.link()
    world.desk.put_file("D1", "f1", "log.txt", b"x")
    await world.plan(link_id, attachment("f1"))
    await world.drive(world.delivery())
    (made,) = (effect.receipt for effect in world.vendor.effects)
    await world.db.write(meta.initialise, environment="test", prefix="ab12cd")
    await world.db.write(lambda tx: tx.run(_FORGOTTEN))
    await world.db.write(lambda tx: tx.run(_UNPAIRED))
    await world.db.write(lambda tx: tx.run(_READ_ONCE))
    await world.db.write(meta.begin_epoch, by="kari", now=world.clock.now())
    # Uploaded in the time that is lost; who uploaded it is planned once its ticket was read.
    another = replace(made, attachment_id=AttachmentId("another"))
    seen = ProbeResult(finding=Finding.FOUND, receipt=made, others=(another,), looked_at="two")
    world.vendor.probe_script.append(seen)
    await world.drive(world.delivery())
    (pair,) = await world.db.read(links.pairs_of, link_id)
    assert (pair.state, pair.target_id) == (PairState.PAIRED, made.attachment_id)


_READ_ONCE = sa.update(t.ticket).values(snapshot="{}", digest=b"x")
_FORGOTTEN = sa.update(t.operation).values(
    state=sa.case((t.operation.c.id == 1, "ready"), else_="waiting"),
    **dict.fromkeys(("settled_at", "sent_at", "receipt", "recheck_at")),
    sends=0,
)
_UNPAIRED = sa.update(t.item_pair).values(state=PairState.PLANNED, target_id="")
