"""One round of delivery against the real store: what is sent, and what comes of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from syncd.core.state import Rank
from syncd.model.features import Absence, WriteFeature
from syncd.model.ids import TicketId
from syncd.model.operation import (
    Finding,
    OperationState,
    ParkReason,
    ProbeResult,
    WriteKind,
)
from syncd.model.outbox import OutcomeKind
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RemoteError,
    StaleVersion,
    TokenRejected,
    Unreachable,
    Unsupported,
)
from syncd.store import connections, links, operations, tickets
from tests.delivery.world import (
    VENDOR,
    World,
    a_world,
    comment,
    create,
    status,
    turn,
    update,
)
from tests.support.clock import FakeClock
from tests.support.memory_adapter import Fault

UNCLEAR = ProbeResult(finding=Finding.UNCLEAR, looked_at="pages do not reach back")


@pytest.fixture
async def world(tmp_path: Path, store_url: str) -> AsyncIterator[World]:
    async with a_world(tmp_path, url=store_url) as made:
        yield made


# --- the good case -------------------------------------------------------------------------------


async def test_a_create_is_sent_once_and_its_ticket_becomes_the_partner(world: World) -> None:
    link_id = await world.opening()
    (create_id,) = await world.plan(link_id, create(title="Link down"))
    result = await world.delivery().run_round()
    assert (result.claimed, result.count(OutcomeKind.APPLIED)) == (1, 1)
    assert [write.fields for write in world.vendor.sends] == [{"title": "Link down"}]
    assert await world.state(create_id) is OperationState.APPLIED
    record = await world.db.read(links.get, link_id)
    assert len(record.rows) == 2


async def test_an_applied_operation_is_summed_up_in_one_line_with_its_keys(world: World) -> None:
    link_id = await world.opening()
    (create_id,) = await world.plan(link_id, create(title="hush hush"))
    with capture_logs() as lines:
        await world.delivery().run_round()
    (line,) = lines
    assert line["event"] == "delivery.applied"
    assert line["operation_id"] == create_id
    assert line["link_id"] == link_id
    assert line["connection"] == VENDOR
    assert line["correlation_id"] == f"c{link_id}"
    assert line["attempt"] == 1
    assert "duration_s" in line
    assert "hush" not in repr(line)


async def test_metrics_learn_how_long_a_change_took(world: World) -> None:
    await world.plan(await world.opening(), create())
    turn(world, 3.0)
    await world.delivery().run_round()
    assert world.counts.settled_as == [OutcomeKind.APPLIED]
    assert world.counts.seen_to_delivered_s == [3.0]


async def test_with_nothing_to_do_nothing_happens(world: World) -> None:
    result = await world.delivery().run_round()
    assert (result.claimed, dict(result.outcomes)) == (0, {})


async def test_what_a_mapping_that_is_not_live_planned_stays(world: World) -> None:
    await world.plan(await world.opening(), create())
    world.live = frozenset()
    assert (await world.delivery().run_round()).claimed == 0
    assert world.vendor.sends == []


# --- every class of failure ----------------------------------------------------------------------

ROWS: list[tuple[BaseException, OperationState, ParkReason | None, int]] = [
    (Unreachable("down"), OperationState.READY, None, 1),
    (RateLimited("wait", retry_after_s=60), OperationState.READY, None, 0),
    (TokenRejected("401"), OperationState.READY, None, 0),
    (CredentialsRejected("no"), OperationState.READY, None, 0),
    (StaleVersion("412"), OperationState.READY, None, 1),
    (NotFound("404"), OperationState.PARKED, ParkReason.REFUSED, 1),
    (Refused("no"), OperationState.PARKED, ParkReason.REFUSED, 1),
    (Unsupported("cannot"), OperationState.PARKED, ParkReason.REFUSED, 1),
    (OddAnswer("?"), OperationState.UNKNOWN, None, 1),
    (OutcomeUnknown("?"), OperationState.UNKNOWN, None, 1),
    (KeyError("bug"), OperationState.UNKNOWN, None, 1),
    (RuntimeError("bug"), OperationState.UNKNOWN, None, 1),
]


@pytest.mark.parametrize(
    ("error", "state", "reason", "attempts"), ROWS, ids=[type(row[0]).__name__ for row in ROWS]
)
async def test_each_error_leads_to_its_state(
    world: World,
    error: BaseException,
    state: OperationState,
    reason: ParkReason | None,
    attempts: int,
) -> None:
    link_id = await world.link()
    (update_id,) = await world.plan(link_id, update(title="new"))
    world.vendor.script.append(error)
    await world.delivery().run_round()
    record = (await world.show(update_id)).record
    assert (record.state, record.park_reason, record.attempts) == (state, reason, attempts)


@pytest.mark.parametrize(
    "error", [Unreachable("down"), RateLimited("wait", retry_after_s=60), TokenRejected("401")]
)
async def test_what_never_left_goes_out_later_by_itself_without_a_probe(
    world: World, error: RemoteError
) -> None:
    (update_id,) = await world.plan(await world.link(), update(title="new"))
    world.vendor.script.append(error)
    delivery = world.delivery()
    await world.drive(delivery)
    assert await world.state(update_id) is OperationState.APPLIED
    assert (len(world.vendor.effects), len(world.vendor.probes)) == (1, 0)


async def test_retry_after_is_kept_to(world: World) -> None:
    (update_id,) = await world.plan(await world.link(), update(title="new"))
    world.vendor.script.append(RateLimited("wait", retry_after_s=60))
    delivery = world.delivery()
    await delivery.run_round()
    turn(world, 59.9)
    assert (await delivery.run_round()).claimed == 0
    turn(world, 6.1)
    assert (await delivery.run_round()).claimed == 1
    assert await world.state(update_id) is OperationState.APPLIED


async def test_refused_credentials_pause_the_connection_with_one_alert_and_lose_nothing(
    world: World,
) -> None:
    for number in (1, 2, 3):
        await world.plan(await world.link(number), update(title="new"))
    world.vendor.script.extend(CredentialsRejected("no") for _ in range(3))
    delivery = world.delivery(concurrency=3)
    with capture_logs() as lines:
        await delivery.run_round()
    assert [line["event"] for line in lines].count("delivery.connection_paused") == 1
    assert world.counts.alerts == ["paused"]
    turn(world, 3600)
    assert (await delivery.run_round()).claimed == 0
    await world.db.write(connections.resume, VENDOR, by="kari", now=world.clock.now())
    assert (await delivery.run_round()).count(OutcomeKind.APPLIED) == 3


async def test_a_ticket_that_is_not_there_is_read_soon(world: World) -> None:
    link_id = await world.link()
    record = await world.db.read(links.get, link_id)
    await world.plan(link_id, update(title="new"))
    world.vendor.script.append(NotFound("404"))
    await world.delivery().run_round()
    due = await world.db.read(tickets.due_reads, VENDOR, now=world.clock.now(), limit=10)
    assert {item.row for item in due} <= set(record.rows.values())
    assert due


async def test_an_operations_own_failure_is_tried_a_bounded_number_of_times(world: World) -> None:
    (update_id,) = await world.plan(await world.link(), update(title="new"))
    world.vendor.script.extend(StaleVersion("412") for _ in range(100))
    await world.drive(world.delivery())
    record = (await world.show(update_id)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.EXHAUSTED)
    assert len(world.vendor.sends) == world.options.retry.attempts_max


async def test_a_write_that_hangs_is_cut_off_and_unknown(world: World) -> None:
    (update_id,) = await world.plan(await world.link(), update(title="new"))
    world.vendor.script.append(Fault.HANG)
    await world.delivery(attempt_timeout_s=0.05).run_round()
    assert await world.state(update_id) is OperationState.UNKNOWN


async def test_one_operation_failing_oddly_does_not_touch_the_others(world: World) -> None:
    ids = []
    for number in range(1, 6):
        ids += await world.plan(await world.link(number), update(title="new"))
    world.vendor.script.append(ZeroDivisionError("bug"))
    result = await world.delivery().run_round()
    assert result.count(OutcomeKind.APPLIED) == 4
    assert result.count(OutcomeKind.UNKNOWN) == 1


# --- unknown outcomes ----------------------------------------------------------------------------


async def test_a_lost_answer_is_found_and_nothing_is_sent_again(world: World) -> None:
    link_id = await world.opening()
    (create_id,) = await world.plan(link_id, create())
    world.vendor.script.append(Fault.LOST)
    await world.drive(world.delivery())
    assert await world.state(create_id) is OperationState.APPLIED
    assert (len(world.vendor.sends), len(world.vendor.effects)) == (1, 1)
    record = await world.db.read(links.get, link_id)
    assert len(record.rows) == 2


async def test_nothing_is_sent_again_before_the_settle_time_and_all_looks(world: World) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    world.vendor.script.append(Fault.CUT)
    delivery = world.delivery()
    started_at = world.clock.now()
    await delivery.run_round()
    while len(world.vendor.sends) == 1:
        turn(world, 1.0)
        await delivery.run_round()
    assert world.clock.now() - started_at >= timedelta(seconds=30)
    assert len(world.vendor.probes) >= 2
    assert await world.state(create_id) is OperationState.APPLIED
    assert len(world.vendor.effects) == 1
    assert {write.key for write in world.vendor.sends} == {world.keys[create_id]}


@pytest.mark.parametrize("is_begun_anew", [False, True], ids=["while it runs", "across a start"])
async def test_setting_our_clock_forward_does_not_make_the_settle_time_pass(
    world: World, *, is_begun_anew: bool
) -> None:
    await world.plan(await world.opening(), create())
    world.vendor.script.append(Fault.CUT)
    delivery, clock = world.delivery(), world.clock
    assert isinstance(clock, FakeClock)
    began_s = clock.monotonic_s()
    await delivery.run_round()
    clock.jump(3600.0)
    if is_begun_anew:
        delivery = world.delivery()
    while len(world.vendor.sends) == 1:
        turn(world, 1.0)
        await delivery.run_round()
    assert 30 <= clock.monotonic_s() - began_s <= 120


async def test_a_probe_costs_no_send_and_is_recorded(world: World) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    world.vendor.script.append(Fault.CUT)
    delivery = world.delivery()
    await delivery.run_round()
    turn(world, 30.0)
    await delivery.run_round()
    detail = await world.show(create_id)
    assert (detail.record.sends, detail.record.looks) == (1, 1)
    assert [attempt.what for attempt in detail.attempts] == ["send", "probe"]
    assert "0 effects" in detail.attempts[1].request


async def test_what_was_sent_twice_is_looked_at_once_more_and_a_second_effect_is_known(
    world: World,
) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    world.vendor.late_s = 60.0  # after the second send, before the recheck
    world.vendor.script.append(Fault.LATE)
    with capture_logs() as lines:
        await world.drive(world.delivery())
    assert await world.state(create_id) is OperationState.APPLIED
    assert world.vendor.counts()[world.keys[create_id]] == 2
    assert [line["event"] for line in lines].count("delivery.doubled") == 1
    assert world.counts.alerts == ["doubled"]
    twin = await world.db.read(tickets.find, VENDOR, external_id=TicketId("vendor-2"))
    assert twin is not None
    assert (await world.db.read(tickets.load_tickets, [twin]))[twin].stray


async def test_what_was_sent_twice_and_happened_once_alerts_nobody(world: World) -> None:
    await world.plan(await world.opening(), create())
    world.vendor.script.append(Fault.CUT)
    await world.drive(world.delivery())
    assert len(world.vendor.probes) == 3
    assert world.counts.alerts == []


async def test_a_recheck_that_cannot_read_is_tried_again(world: World) -> None:
    await world.plan(await world.opening(), create())
    world.vendor.script.append(Fault.CUT)
    world.vendor.probe_script.extend([None, None, Unreachable("down"), UNCLEAR])
    await world.drive(world.delivery())
    assert len(world.vendor.probes) == 5


@pytest.mark.parametrize("kind", ["unprobeable", "park"])
async def test_where_absence_proves_nothing_a_person_is_asked_and_nothing_is_sent_again(
    world: World, kind: str
) -> None:
    feature = (
        WriteFeature(can_probe=False)
        if kind == "unprobeable"
        else WriteFeature(settle_s=5.0, looks=2, absence=Absence.PARK)
    )
    world.vendor.writes[WriteKind.CREATE] = feature
    (create_id,) = await world.plan(await world.opening(), create())
    world.vendor.script.append(Fault.CUT)
    delivery = world.delivery()
    await world.drive(delivery)
    turn(world, 86_400)
    await world.drive(delivery)
    record = (await world.show(create_id)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.IN_DOUBT)
    assert len(world.vendor.sends) == 1
    assert len(world.vendor.probes) == (0 if kind == "unprobeable" else 2)


async def test_sends_are_bounded(world: World) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    world.vendor.script.extend(Fault.CUT for _ in range(100))
    await world.drive(world.delivery(sends_max=3))
    record = (await world.show(create_id)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.EXHAUSTED)
    assert len(world.vendor.sends) == 3


@pytest.mark.parametrize("seen", [UNCLEAR, OddAnswer("garbage"), NotFound("404"), KeyError("bug")])
async def test_a_probe_that_tells_nothing_never_leads_to_a_second_send(
    world: World, seen: Any
) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    world.vendor.script.append(Fault.CUT)
    world.vendor.probe_script.extend(seen for _ in range(100))
    await world.drive(world.delivery())
    record = (await world.show(create_id)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.IN_DOUBT)
    assert len(world.vendor.sends) == 1


async def test_an_outage_while_probing_is_waited_out(world: World) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    world.vendor.script.append(Fault.LOST)
    world.vendor.probe_script.extend(Unreachable("down") for _ in range(20))
    await world.drive(world.delivery())
    assert await world.state(create_id) is OperationState.APPLIED
    assert len(world.vendor.sends) == 1


async def test_absence_counts_from_the_second_send_anew(world: World) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    world.vendor.visible_after_s = 25.0
    world.vendor.script.extend([Fault.CUT, Fault.LOST])
    await world.drive(world.delivery())
    assert await world.state(create_id) is OperationState.APPLIED
    assert (len(world.vendor.sends), len(world.vendor.effects)) == (2, 1)


# --- preconditions -------------------------------------------------------------------------------


async def test_a_status_the_rule_does_not_allow_any_more_is_not_sent(world: World) -> None:
    link_id = await world.link(status="Open")
    (status_id,) = await world.plan(link_id, status("Closed", only_from=("Solved",)))
    await world.delivery().run_round()
    detail = await world.show(status_id)
    assert detail.record.state is OperationState.SUPERSEDED
    assert "only from Solved" in detail.record.detail
    assert world.vendor.sends == []


async def test_a_status_the_rule_allows_is_sent(world: World) -> None:
    link_id = await world.link(status="Solved ")
    (status_id,) = await world.plan(link_id, status("Closed", only_from=("Solved",)))
    await world.delivery().run_round()
    assert await world.state(status_id) is OperationState.APPLIED


async def test_a_status_nobody_read_yet_is_read_before_the_rule_is_judged(world: World) -> None:
    create_id, status_id = await world.plan(
        await world.opening(), create(status="New"), status("Closed", only_from=("Solved",))
    )
    delivery = world.delivery()
    await world.drive(delivery)
    assert await world.states([create_id, status_id]) == [
        OperationState.APPLIED,
        OperationState.SUPERSEDED,
    ]
    assert [write.kind for write in world.vendor.sends] == [WriteKind.CREATE]


async def test_a_write_the_provider_does_not_declare_is_never_tried(world: World) -> None:
    del world.vendor.writes[WriteKind.STATUS]
    (status_id,) = await world.plan(await world.link(), status("Closed"))
    await world.delivery().run_round()
    record = (await world.show(status_id)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.REFUSED)
    assert world.vendor.sends == []


async def test_a_create_that_waited_too_long_waits_for_a_person(world: World) -> None:
    (create_id,) = await world.plan(await world.opening(), create(), ask_after_s=3600.0)
    turn(world, 3601)
    await world.delivery().run_round()
    record = (await world.show(create_id)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.TOO_LATE)
    assert world.vendor.sends == []


# --- order and fences ----------------------------------------------------------------------------


async def test_one_tickets_operations_go_out_in_order_and_one_at_a_time(world: World) -> None:
    link_id = await world.opening()
    await world.plan(
        link_id,
        create(),
        status("Closed", rank=Rank.CLOSING),
        comment("first"),
        comment("second"),
        update(title="new"),
    )
    await world.drive(world.delivery())
    sent = [write.comment.body if write.comment else write.kind for write in world.vendor.sends]
    assert sent == [WriteKind.CREATE, "first", "second", WriteKind.UPDATE, WriteKind.STATUS]
    assert world.vendor.in_flight_max == 1


async def test_different_tickets_do_not_wait_for_each_other(world: World) -> None:
    for number in range(1, 5):
        await world.plan(await world.link(number), update(title="new"))
    gate = asyncio.Barrier(4)

    async def meet() -> None:
        async with asyncio.timeout(5):
            await gate.wait()

    world.vendor.script.extend(meet for _ in range(4))
    result = await world.delivery().run_round()
    assert result.count(OutcomeKind.APPLIED) == 4


async def test_a_refused_comment_lets_the_next_one_pass(world: World) -> None:
    first, second = await world.plan(await world.link(), comment("first"), comment("second"))
    world.vendor.script.append(Refused("no"))
    await world.drive(world.delivery())
    assert await world.states([first, second]) == [
        OperationState.PARKED,
        OperationState.APPLIED,
    ]


@pytest.mark.parametrize("marker", [True, False])
async def test_one_in_doubt_is_passed_only_where_the_provider_keeps_our_marker(
    world: World, marker: bool
) -> None:
    world.vendor.writes[WriteKind.COMMENT] = WriteFeature(can_probe=False, marker=marker)
    first, second = await world.plan(await world.link(), comment("first"), comment("second"))
    world.vendor.script.append(Fault.CUT)
    delivery = world.delivery()
    await world.drive(delivery)
    after = OperationState.APPLIED if marker else OperationState.WAITING
    assert await world.states([first, second]) == [OperationState.PARKED, after]
    await world.db.write(operations.discard, first, by="Kari", now=world.clock.now())
    await world.drive(delivery)
    assert await world.state(second) is OperationState.APPLIED


async def test_an_owner_whose_lease_was_taken_over_sends_nothing(world: World) -> None:
    (update_id,) = await world.plan(await world.link(), update(title="new"))
    slow, other = world.delivery(owner="slow"), world.delivery(owner="other")
    taken: list[int] = []
    honest = slow._ledger.mark_sending

    async def late_mark(*arguments: Any) -> bool:
        # The lease runs out just before the first byte, and the other owner does the work.
        turn(world, 2 * world.options.lease_s)
        await other.recover()
        taken.append((await other.run_round()).count(OutcomeKind.APPLIED))
        return await honest(*arguments)

    slow._ledger.mark_sending = late_mark  # type: ignore[assignment,method-assign]
    result = await slow.run_round()
    assert (taken, result.lost) == ([1], 1)
    assert await world.state(update_id) is OperationState.APPLIED
    assert len(world.vendor.sends) == 1


async def test_an_answer_that_comes_after_somebody_else_settled_changes_nothing(
    world: World,
) -> None:
    (create_id,) = await world.plan(await world.opening(), create())
    other = world.delivery(owner="other")

    async def meanwhile(name: str) -> None:
        if name == "after effect":
            turn(world, 2 * world.options.lease_s)
            await other.recover()
            await world.drive(other)

    world.vendor.step = meanwhile
    with capture_logs() as lines:
        await world.delivery(owner="slow").run_round()
    assert await world.state(create_id) is OperationState.APPLIED
    assert len(world.vendor.effects) == 1
    assert "delivery.overtaken" in [line["event"] for line in lines]
    detail = await world.show(create_id)
    assert [attempt.late for attempt in detail.attempts] == [False, True]
