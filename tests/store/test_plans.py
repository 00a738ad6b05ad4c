"""A plan is stored whole or not at all, and what it stored comes back for the next decision."""

import pytest

from syncd.core.state import (
    Baseline,
    BaselineMove,
    BaselineState,
    FoundConflict,
    ItemKind,
    ItemPair,
    Note,
    PairState,
    Plan,
    PlannedOperation,
    Reason,
    SlotMove,
)
from syncd.model.errors import BrokenInvariant
from syncd.model.ids import OperationId, OperationKey, Side
from syncd.model.operation import CommentDraft, OperationState, ParkReason, WriteKind
from syncd.model.outbox import OutcomeKind
from syncd.store import conflicts, journal, links, operations
from syncd.store.database import Tx
from tests.store.scene import (
    CARRIER,
    DESK,
    KIND,
    MAPPING,
    NOW,
    Scene,
    closing,
    comment,
    create,
    later,
    outcome,
    parked,
    ticket,
    update,
)


async def test_a_plan_comes_back_as_the_next_decisions_state(scene: Scene) -> None:
    link = await scene.linked()
    plan = Plan(
        operations=(update("b"),),
        baselines=(BaselineMove(side=Side.ITSM, slot="status", value=None),),
        pairs=(
            ItemPair(
                kind=ItemKind.COMMENT,
                origin=Side.VENDOR,
                source_id="v0",
                state=PairState.HISTORY,
                reason="before linking",
            ),
        ),
        conflicts=(FoundConflict(slot="both.priority", itsm_value="1", vendor_value="Low"),),
        notes=(Note(event="field.altered", detail="cut", place="m.yaml:3"),),
    )
    (op,) = await scene.store(link, plan)
    parts = await scene.parts(link)
    assert parts.baselines == {(Side.ITSM, "status"): Baseline(value=None)}
    assert parts.pairs == plan.pairs
    assert parts.conflicts == {"both.priority"}
    (operation,) = parts.operations
    assert (operation.id, operation.state, operation.kind) == (
        op,
        OperationState.READY,
        WriteKind.UPDATE,
    )
    assert operation.slots == update("b").slots
    assert not operation.sent
    assert {side: each.id for side, each in parts.tickets.items()} == {
        Side.ITSM: "inc1",
        Side.VENDOR: "case1",
    }
    lines = [each.line for each in await scene.db.read(journal.tail)]
    assert ("field.altered", "cut", "m.yaml:3") in [(x.event, x.detail, x.place) for x in lines]


async def test_a_newer_change_replaces_an_unsent_one(scene: Scene) -> None:
    link = await scene.linked(update("b"), comment("c1"))
    old = (await scene.parts(link)).operations[0].id
    await scene.plan(link, update("c"), superseded=(old,))
    assert await scene.states(link) == ["update superseded", "comment ready", "update waiting"]


async def test_a_refused_operation_may_be_replaced(scene: Scene) -> None:
    link = await scene.linked(update("b"))
    op = await scene.send()
    await scene.settle(op, parked(ParkReason.REFUSED))
    await scene.plan(link, update("c"), superseded=(op.id,))
    assert await scene.states(link) == ["update superseded", "update ready"]


@pytest.mark.parametrize("unknown", [False, True])
async def test_what_may_have_been_sent_is_never_replaced(scene: Scene, unknown: bool) -> None:
    link = await scene.linked(update("b"))
    op = await scene.send()
    if unknown:
        await scene.settle(op, outcome(OutcomeKind.UNKNOWN))
    before = await scene.parts(link)
    with pytest.raises(BrokenInvariant, match="unsent"):
        await scene.plan(link, update("c"), superseded=(op.id,))
    assert await scene.parts(link) == before


async def test_another_links_operation_cannot_be_replaced(scene: Scene) -> None:
    await scene.linked(update("b"))
    other = await scene.linked(itsm="inc2", vendor="case2")
    mine = (await scene.db.read(operations.list_operations))[0].id
    with pytest.raises(BrokenInvariant):
        await scene.plan(other, update("c"), superseded=(mine,))
    with pytest.raises(BrokenInvariant):
        await scene.plan(other, update("c"), superseded=(OperationId(10**6),))


async def test_an_effect_seen_in_a_snapshot_settles_its_operation(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), comment("c2"))
    op = await scene.send()
    await scene.settle(op, outcome(OutcomeKind.UNKNOWN))
    await scene.plan(link, applied=((op.write.key, "v1"),))
    assert await scene.states(link) == ["comment applied", "comment ready"]
    pairs = {pair.source_id: pair for pair in (await scene.parts(link)).pairs}
    assert (pairs["c1"].target_id, pairs["c1"].state) == ("v1", PairState.PAIRED)
    assert pairs["c2"].state is PairState.PLANNED


async def test_a_conflict_found_again_is_one_conflict(scene: Scene) -> None:
    link = await scene.linked()
    for value in ("1", "2"):
        found = FoundConflict(slot="both.priority", itsm_value=value, vendor_value="Low")
        await scene.plan(link, conflicts=(found,))
    (record,) = await scene.db.read(conflicts.list_open)
    assert (record.itsm_value, record.found_at) == ("2", NOW)


async def test_pairs_and_baselines_move_on(scene: Scene) -> None:
    link = await scene.linked()
    pair = ItemPair(kind=ItemKind.COMMENT, origin=Side.ITSM, source_id="c1")
    learnt = ItemPair(
        kind=ItemKind.COMMENT,
        origin=Side.ITSM,
        source_id="c1",
        target_id="v1",
        state=PairState.PAIRED,
    )
    altered = BaselineMove(side=Side.ITSM, slot="s", value={"a": "b"}, state=BaselineState.ALTERED)
    await scene.plan(
        link, pairs=(pair,), baselines=(BaselineMove(side=Side.ITSM, slot="s", value=1),)
    )
    await scene.plan(link, pairs=(learnt,), baselines=(altered,))
    parts = await scene.parts(link)
    assert parts.pairs == (learnt,)
    assert parts.baselines == {
        (Side.ITSM, "s"): Baseline(value={"a": "b"}, state=BaselineState.ALTERED)
    }


async def test_of_several_moves_of_one_thing_the_last_counts(scene: Scene) -> None:
    link = await scene.linked()
    moves = [BaselineMove(side=Side.ITSM, slot="s", value=n) for n in range(3)]
    pairs = [
        ItemPair(kind=ItemKind.COMMENT, origin=Side.ITSM, source_id="c1", state=state)
        for state in (PairState.PLANNED, PairState.SKIPPED)
    ]
    await scene.plan(link, baselines=tuple(moves), pairs=tuple(pairs))
    parts = await scene.parts(link)
    assert parts.baselines == {(Side.ITSM, "s"): Baseline(value=2)}
    assert [pair.state for pair in parts.pairs] == [PairState.SKIPPED]


async def test_a_plan_that_cannot_be_stored_leaves_nothing(scene: Scene) -> None:
    link = await scene.linked()
    used = OperationKey("ab12cd-again00000")
    context = scene.context(new_key=lambda: used)

    def apply(tx: Tx) -> None:
        links.apply_plan(tx, link, Plan(operations=(update("a"), update("b"))), context)

    with pytest.raises(BrokenInvariant):
        await scene.db.write(apply)
    assert await scene.states(link) == []
    events = [each.line.event for each in await scene.db.read(journal.tail)]
    assert "operation.planned" not in events


async def test_a_sides_ticket_is_created_once(scene: Scene) -> None:
    link = await scene.linked()
    with pytest.raises(BrokenInvariant, match="created once"):
        await scene.plan(link, create())


async def test_a_problem_is_told_on_the_ticket_that_has_it(scene: Scene) -> None:
    row = await scene.read(ticket("inc1"))
    told = PlannedOperation(
        target=Side.ITSM,
        kind=WriteKind.COMMENT,
        reason=Reason.PROBLEM_SAID,
        comment=CommentDraft(body="Not sent: LU number missing", author=""),
        slots={"problem": SlotMove(source=Side.ITSM, source_value="LU number missing")},
    )

    def decide(tx: Tx) -> None:
        link = links.create_link(
            tx,
            mapping=MAPPING,
            origin=Side.ITSM,
            source_row=row,
            partner=(CARRIER, KIND),
            now=NOW,
        )
        links.apply_plan(tx, link, Plan(operations=(told,)), scene.context())

    await scene.db.write(decide)
    op = await scene.claim_one()
    assert (op.connection, op.target_row, op.source_row) == (DESK, row, row)
    assert op.write.ticket_id == "inc1"


async def test_keys_met_in_snapshots_are_known_for_ours(scene: Scene) -> None:
    link = await scene.linked(comment("c1"), closing())
    keys = [each.key for each in (await scene.parts(link)).operations]
    strange = OperationKey("ffffff-0000000000")
    known = await scene.db.read(links.own_keys, [*keys, strange])
    assert set(known) == set(keys)
    assert (known[keys[0]].link_id, known[keys[0]].target) == (link, Side.VENDOR)
    parts = await scene.db.read(links.load_link, link, lookup_keys=[keys[1], strange])
    assert parts.own_keys == {keys[1]: (link, Side.VENDOR)}
    assert later(0) == NOW
