"""A write whose answer is lost: unknown, found again or absent, never doubled (DESIGN R3)."""

from collections.abc import Mapping
from datetime import datetime

import pytest

from syncd.model.operation import Finding, ProbeResult, Receipt, Write, WriteKind
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, OutcomeUnknown, RateLimited, Refused, RemoteError
from tests.conformance.world import World, error_of, needs, needs_remote, one_field, operation_of

HAPPENED: Mapping[str, Mapping[str, object]] = {
    "lost_answer": {},
    "error_after": {"status": 502},
    "garbage": {"body": "html"},
    "garbage_cut": {"body": "cut"},
}
NOT_HAPPENED: Mapping[str, Mapping[str, object]] = {
    "error_before": {"status": 503},
    "reset_before": {},
}
SURE = (400, 403, 404, 405, 413, 415, 422)
UNKNOWN = (302, 408, 409, 500, 502, 503, 504)
RECOGNISED = (WriteKind.CREATE, WriteKind.COMMENT, WriteKind.ATTACHMENT)


async def probed(world: World, write: Write, sent_at: datetime) -> ProbeResult:
    """Look as often as the Features ask for, after the settle time; all looks must agree."""
    feature = world.features.writes[write.kind]
    world.advance(feature.settle_s + 1)
    looks = [await world.adapter.probe(write, sent_at) for _ in range(feature.looks)]
    assert len({look.finding for look in looks}) == 1, [look.looked_at for look in looks]
    return looks[-1]


async def assert_effect(world: World, write: Write, found: ProbeResult) -> None:
    """Assert that a probe found exactly one effect and names it as reads do."""
    kind = write.kind
    assert found.finding is Finding.FOUND, f"{kind} happened: {found.finding}, {found.looked_at}"
    receipt = found.receipt
    assert receipt is not None
    assert found.others == (), "one effect was found twice"
    assert found.looked_at
    if kind is WriteKind.DELETE:
        return
    ticket = await world.read(world.ref(receipt.ticket_id, receipt.ticket_number))
    assert ticket.id == receipt.ticket_id
    if kind is WriteKind.COMMENT:
        (ours,) = [one for one in ticket.comments if one.id == receipt.comment_id]
        world.assert_same("comment", ours.body, "Any news? Æøå")
    if kind is WriteKind.ATTACHMENT:
        assert [one.name for one in ticket.attachments if one.id == receipt.attachment_id]


async def target(world: World, kind: WriteKind) -> TicketRef | None:
    return None if kind is WriteKind.CREATE else await world.opened()


class TestLostAnswers:
    """Whether it happened is found out, never guessed, and it is there once in the end."""

    @pytest.mark.parametrize("fault", HAPPENED)
    @pytest.mark.parametrize("kind", list(WriteKind))
    async def test_what_happened_is_found_once(
        self, world: World, kind: WriteKind, fault: str
    ) -> None:
        needs(world, kind)
        write = one_field(world, world.write_of(kind, await target(world, kind)))
        since = world.mark
        sent_at = await world.lost(write, fault.removesuffix("_cut"), **HAPPENED[fault])
        assert len(world.sends(since)) == 1, "an unknown write was sent again"
        assert world.done(since) == 1
        found = await probed(world, write, sent_at)
        if not world.features.writes[kind].can_probe:
            assert found.finding is Finding.UNCLEAR
            return
        await assert_effect(world, write, found)
        assert world.done(since) == 1, "a probe reads only"

    @pytest.mark.parametrize("fault", NOT_HAPPENED)
    @pytest.mark.parametrize("kind", list(WriteKind))
    async def test_what_did_not_happen_is_absent_and_can_be_sent_again(
        self, world: World, kind: WriteKind, fault: str
    ) -> None:
        needs(world, kind)
        write = one_field(world, world.write_of(kind, await target(world, kind)))
        since = world.mark
        sent_at = await world.lost(write, fault, **NOT_HAPPENED[fault])
        assert len(world.sends(since)) == 1
        assert world.done(since) == 0
        found = await probed(world, write, sent_at)
        if not world.features.writes[kind].can_probe:
            assert found.finding is Finding.UNCLEAR
            return
        assert found.finding is Finding.ABSENT, found.looked_at
        assert (found.receipt, found.others) == (None, ())
        await world.send(write)
        await assert_effect(world, write, await probed(world, write, sent_at))
        assert world.done(since) == 1

    @pytest.mark.parametrize("kind", RECOGNISED)
    async def test_two_effects_are_both_told_oldest_first(
        self, world: World, kind: WriteKind
    ) -> None:
        needs(world, kind)
        if not world.features.writes[kind].can_probe:
            pytest.skip("nothing can be looked up")
        write = world.write_of(kind, await target(world, kind))
        sent_at = world.clock.now()
        first = await world.send(write)
        world.advance(5)
        since = world.mark
        again = await world.send(write)
        if not world.done(since):
            assert identity(again) == identity(first), "it was found there, and not made again"
            return
        found = await probed(world, write, sent_at)
        assert found.finding is Finding.FOUND
        assert found.receipt is not None
        assert identity(found.receipt) == identity(first)
        (other,) = found.others
        assert identity(other) != identity(first)

    @pytest.mark.parametrize("kind", [WriteKind.CREATE, WriteKind.COMMENT])
    async def test_a_twin_under_another_key_is_not_ours(
        self, world: World, kind: WriteKind
    ) -> None:
        needs(world, kind)
        feature = world.features.writes[kind]
        if not (feature.can_probe and feature.marker):
            pytest.skip("nothing tells twins apart")
        ref = await target(world, kind)
        await world.send(world.write_of(kind, ref))
        write = world.write_of(kind, ref)
        sent_at = await world.lost(write, "error_before")
        assert (await probed(world, write, sent_at)).finding is Finding.ABSENT

    @pytest.mark.parametrize("fault", ["garbage", "error_before", "rate_limited"])
    @pytest.mark.parametrize("kind", list(WriteKind))
    async def test_a_probe_that_could_not_look_saw_no_absence(
        self, world: World, kind: WriteKind, fault: str
    ) -> None:
        needs(world, kind)
        write = one_field(world, world.write_of(kind, await target(world, kind)))
        sent_at = await world.lost(write, "lost_answer")
        world.advance(3600)
        world.sandbox.faults.next(fault, count=100)
        told = await error_of(world.adapter.probe(write, sent_at))
        if isinstance(told, ProbeResult):
            assert told.finding is not Finding.ABSENT, told.looked_at
        else:
            assert isinstance(told, RemoteError)
            assert not isinstance(told, OutcomeUnknown)


def identity(receipt: Receipt) -> tuple[object, ...]:
    return receipt.ticket_id, receipt.comment_id, receipt.attachment_id


class TestOutcomeClasses:
    """Each answer to a write is one of R3's classes."""

    @pytest.mark.parametrize("status", SURE)
    async def test_a_sure_refusal_had_no_effect(self, world: World, status: int) -> None:
        needs_remote(world)
        for kind in world.features.writes:
            told, since = await self.answered(world, kind, status)
            assert isinstance(told, Refused | NotFound), (kind, status, told)
            assert (len(world.sends(since)), world.done(since)) == (1, 0)

    @pytest.mark.parametrize("status", UNKNOWN)
    async def test_what_is_no_sure_refusal_is_unknown(self, world: World, status: int) -> None:
        needs_remote(world)
        for kind in world.features.writes:
            told, since = await self.answered(world, kind, status)
            assert isinstance(told, OutcomeUnknown), (kind, status, told)
            assert told.closed_at is not None
            assert len(world.sends(since)) == 1

    async def test_being_asked_to_wait_costs_nothing_and_says_how_long(self, world: World) -> None:
        needs_remote(world)
        for kind in world.features.writes:
            for asked in (7.0, None):
                since, told = await self.faulty(world, kind, "rate_limited", retry_after_s=asked)
                assert isinstance(told, RateLimited), (kind, told)
                assert told.retry_after_s == asked
                assert (len(world.sends(since)), world.done(since)) == (1, 0)
                world.advance(60)

    async def answered(self, world: World, kind: WriteKind, status: int) -> tuple[object, int]:
        since, told = await self.faulty(world, kind, "error_before", status=status)
        world.advance(3600)
        return told, since

    async def faulty(
        self, world: World, kind: WriteKind, fault: str, **options: object
    ) -> tuple[int, object]:
        write = one_field(world, world.write_of(kind, await target(world, kind)))
        operation = await operation_of(world.fixture, kind)
        world.sandbox.faults.next(fault, operation=operation, **options)
        since = world.mark
        return since, await error_of(world.send(write))
