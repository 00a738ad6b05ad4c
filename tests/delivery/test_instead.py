"""A create that concerns an active ticket becomes one comment on it, and never both."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from syncd.cli.show.explain import OURS
from syncd.core.active import Question, follow_up_key
from syncd.core.state import ItemKind, ItemPair
from syncd.model.ids import LinkRow, OperationId, OperationKey, Side, TicketId
from syncd.model.operation import OperationState, WriteKind
from syncd.model.outbox import ClaimedOperation
from syncd.model.ticket import CommentKind
from syncd.ports.adapter import ActiveTicket, TicketRef
from syncd.ports.errors import OddAnswer, Refused, Unreachable
from syncd.store import links, reports, tickets
from syncd.store.bulk import Writes
from syncd.store.effects import save_pairs
from syncd.store.records import LinkPhase
from syncd.store.tx import Tx
from tests.delivery.test_crash import Fuse, _live_until, _settle_down
from tests.delivery.world import VENDOR, World, a_world, attachment, comment, create, silent
from tests.support.memory_adapter import Fault, MemoryAdapter

ORDER = "order"
ACTIVE = ActiveTicket(
    ref=TicketRef(kind=ORDER, id=TicketId("O1"), number="Case-7"), matched="order_reference PO-7"
)
STEPS_MAX = 200


class OrderDesk(MemoryAdapter):
    """A vendor that is asked for active orders: what it answers is set by the test."""

    def __init__(self, *arguments: object, **keys: object) -> None:
        super().__init__(*arguments, **keys)  # type: ignore[arg-type]
        self.active: ActiveTicket | None = ACTIVE
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.refusals: deque[BaseException] = deque()

    async def find_active(self, kind: str, terms: Mapping[str, str]) -> ActiveTicket | None:
        await self.step("find")
        self.asked.append((kind, terms))
        if self.refusals:
            raise self.refusals.popleft()
        return self.active


def _account(tx: Tx, link: LinkRow, pair: ItemPair) -> None:
    writes = Writes(tx)
    save_pairs(writes, link, [pair])
    writes.flush()


def asking(op: ClaimedOperation) -> Question | None:
    if op.write.kind is not WriteKind.CREATE:
        return None
    terms = {"order_reference": "PO-7"}
    return Question(kind=ORDER, terms=terms, tell=CommentKind.WORK_NOTE, place="m.yaml:3")


def vendor_of(world: World) -> OrderDesk:
    made = OrderDesk(world.clock, name="vendor")
    made.put("O1", title="an order", status="New")
    world.vendor = world.adapters[VENDOR] = made
    world.question = asking
    return made


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


@pytest.fixture
def vendor(world: World) -> OrderDesk:
    return vendor_of(world)


async def a_create(world: World) -> tuple[LinkRow, list[OperationId]]:
    link = await world.opening()
    world.desk.put_file("D1", "f1", "log.txt", b"some bytes")
    fields = {"title": "Not delivered", "description": "Where is it?"}
    return link, await world.plan(link, create(**fields), comment("later"), attachment("f1"))


def keys_of(world: World, create_id: OperationId) -> dict[str, OperationKey]:
    key = world.keys[create_id]
    return {"create": key, "there": follow_up_key(key, 1), "told": follow_up_key(key, 0)}


async def test_one_comment_is_said_on_the_order_and_nothing_is_created(
    world: World, vendor: OrderDesk
) -> None:
    link, ids = await a_create(world)
    await world.drive(world.delivery())

    keys = keys_of(world, ids[0])
    assert vendor.asked == [(ORDER, {"order_reference": "PO-7"})]
    assert [(one.kind, one.key, one.receipt.ticket_id) for one in vendor.effects] == [
        (WriteKind.COMMENT, keys["there"], "O1")
    ]
    (sent,) = vendor.sends
    assert sent.ticket_kind == ORDER
    assert sent.comment is not None
    assert sent.comment.body.endswith(": Not delivered\n\nWhere is it?")
    (told,) = world.desk.sends
    assert told.comment is not None
    assert told.comment.kind is CommentKind.WORK_NOTE
    assert "order Case-7" in told.comment.body
    assert "order_reference PO-7" in told.comment.body
    assert await world.states(ids) == [OperationState.SUPERSEDED] * 3
    record = await world.db.read(links.get, link)
    assert record.phase is LinkPhase.SAID
    detail = await world.show(ids[0])
    assert "said on order Case-7" in detail.record.detail


async def test_explain_shows_the_order_and_what_is_not_carried(
    world: World, vendor: OrderDesk
) -> None:
    link, _ = await a_create(world)
    later = ItemPair(kind=ItemKind.COMMENT, origin=Side.ITSM, source_id="later")
    await world.db.write(_account, link, later)
    await world.drive(world.delivery())
    row = (await world.db.read(links.get, link)).rows
    told = await world.db.read(reports.explain, next(iter(row.values())))
    (facts,) = told.links
    events = [line.line.event for line in told.lines]
    assert "operation.said_instead" in events
    assert {pair.reason for pair in facts.pairs if not pair.reason.startswith(OURS)} == {
        "said on order Case-7: nothing more is carried"
    }


async def test_without_an_active_order_the_ticket_is_created(
    world: World, vendor: OrderDesk
) -> None:
    vendor.active = None
    _, ids = await a_create(world)
    await world.drive(world.delivery())
    assert await world.states(ids) == [OperationState.APPLIED] * 3
    assert next(one.kind for one in vendor.effects) is WriteKind.CREATE
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("error", [Unreachable("down"), OddAnswer("garbage")])
async def test_while_it_cannot_be_found_out_nothing_is_created(
    world: World, vendor: OrderDesk, error: BaseException
) -> None:
    vendor.refusals.extend([error, error])
    _, ids = await a_create(world)
    delivery = world.delivery()
    await delivery.run_round()
    assert vendor.sends == []
    assert await world.state(ids[0]) is OperationState.READY
    await world.drive(delivery)
    assert [one.kind for one in vendor.effects] == [WriteKind.COMMENT]
    assert len(vendor.asked) == 3


async def test_a_search_the_vendor_refuses_waits_for_a_person_with_the_create_unsent(
    world: World, vendor: OrderDesk
) -> None:
    vendor.refusals.append(Refused("no access to orders"))
    _, ids = await a_create(world)
    await world.drive(world.delivery())
    assert vendor.sends == []
    assert await world.state(ids[0]) is OperationState.PARKED


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.CUT, Fault.LATE])
async def test_a_comment_whose_answer_is_lost_is_on_the_order_once(
    world: World, vendor: OrderDesk, fault: Fault
) -> None:
    _, ids = await a_create(world)
    vendor.script.append(fault)
    await world.drive(world.delivery())
    assert Counter(one.kind for one in vendor.effects) == {WriteKind.COMMENT: 1}
    assert vendor.counts() == {keys_of(world, ids[0])["there"]: 1}


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.CUT])
async def test_a_create_that_may_have_left_stays_a_create_whatever_order_is_found_later(
    world: World, vendor: OrderDesk, fault: Fault
) -> None:
    vendor.active = None
    _, ids = await a_create(world)
    vendor.script.append(fault)
    delivery = world.delivery()
    await delivery.run_round()
    vendor.active = ACTIVE
    await world.drive(delivery)
    kinds = Counter(one.kind for one in vendor.effects)
    assert kinds == {WriteKind.CREATE: 1, WriteKind.COMMENT: 1, WriteKind.ATTACHMENT: 1}
    assert await world.states(ids) == [OperationState.APPLIED] * 3
    assert len(vendor.asked) == 1


async def test_two_tickets_about_one_order_are_two_comments_on_it(
    world: World, vendor: OrderDesk
) -> None:
    made = [
        await world.plan(await world.opening(number), create(title=f"T{number}"))
        for number in (1, 2)
    ]
    await world.drive(world.delivery())
    said = Counter(str(one.key) for one in vendor.effects)
    assert said == {str(keys_of(world, ids[0])["there"]): 1 for ids in made}
    assert {one.receipt.ticket_id for one in vendor.effects} == {"O1"}


async def test_what_was_said_on_an_order_is_no_quote_for_the_orders_own_link(
    world: World, vendor: OrderDesk
) -> None:
    # The order has a link of its own: there the comment is known as syncd's.
    _, ids = await a_create(world)
    await world.drive(world.delivery())
    order = await vendor.read(ACTIVE.ref)
    key = order.comments[0].keys[0]
    row = await world.db.read(tickets.find, VENDOR, external_id=TicketId("O1"), kind=ORDER)
    owner = (await world.db.read(links.own_keys, [key]))[key]
    assert (key, owner.target_row) == (keys_of(world, ids[0])["there"], row)


@pytest.mark.parametrize("at", [1, 3, 5, 7, 9, 12, 15])
@pytest.mark.parametrize("kills", [True, False], ids=["killed", "cancelled"])
@pytest.mark.parametrize("fault", [None, Fault.LOST], ids=["honest", "lost"])
async def test_stopped_at_some_step_the_order_has_one_comment_and_no_ticket_is_made(
    tmp_path: Path, at: int, kills: bool, fault: Fault | None
) -> None:
    await _at_step(tmp_path, at, kills=kills, fault=fault)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [True, False], ids=["killed", "cancelled"])
async def test_stopped_at_any_step_the_order_has_one_comment_and_no_ticket_is_made(
    tmp_path: Path, kills: bool
) -> None:
    for at in range(1, STEPS_MAX):
        if await _at_step(tmp_path, at, kills=kills, fault=Fault.LOST):
            assert at > 10
            return
    raise AssertionError("the run never came to rest")


async def _at_step(folder: Path, at: int, *, kills: bool, fault: Fault | None) -> bool:
    home = folder / str(at)
    home.mkdir()
    async with a_world(home, inline=True) as world:
        world.log = silent()
        vendor = vendor_of(world)
        _, ids = await a_create(world)
        if fault is not None:
            vendor.script.append(fault)
        at_rest = await _live_until(world, Fuse(at, kills=kills))
        await _settle_down(world)
        keys = keys_of(world, ids[0])
        assert vendor.counts() == {keys["there"]: 1}, f"stopped at {at}"
        assert world.desk.counts() == {keys["told"]: 1}, f"stopped at {at}"
        assert await world.states(ids) == [OperationState.SUPERSEDED] * 3
        return at_rest
