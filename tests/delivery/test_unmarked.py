"""Where no marker tells our comments, their ids and exact words do."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.items import DIGEST_PLACE
from syncd.core.state import ItemKind, PairState, PlannedOperation, Reason
from syncd.model.ids import Side
from syncd.model.operation import CommentDraft, Finding, OperationState, ProbeResult, WriteKind
from syncd.model.ticket import CommentKind
from syncd.store import links
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
