"""Reads that go wrong: not there, not this ticket, not understood, not now."""

from dataclasses import replace

import pytest

from syncd.model.operation import Receipt, WriteKind
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import (
    NotFound,
    OddAnswer,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unreachable,
)
from syncd.transport.request import Answer, Request
from tests.conformance.world import World, error_of, needs_remote

TO_A_TICKET = tuple(kind for kind in WriteKind if kind is not WriteKind.CREATE)


class TestNotThere:
    """What is not there is not found, and writing to it is surely without effect."""

    async def test_a_ticket_that_never_was(self, world: World) -> None:
        assert isinstance(await error_of(world.read(world.absent())), NotFound)

    async def test_a_ticket_that_was_removed(self, world: World) -> None:
        ref = world.person_opens()
        await world.read(ref)
        world.person("removes", str(ref.id))
        assert isinstance(await error_of(world.read(ref)), NotFound)

    async def test_writing_to_it(self, world: World) -> None:
        for kind in TO_A_TICKET:
            if world.can(kind):
                told = await error_of(world.send(world.write_of(kind, world.absent())))
                assert isinstance(told, NotFound | Refused), (kind, told)


def swapped(one: TicketRef, other: TicketRef) -> dict[bytes, bytes]:
    pairs = {str(one.id): str(other.id), one.number: other.number}
    return {old.encode(): new.encode() for old, new in pairs.items() if old}


class TestAnotherTicket:
    """An answer about another ticket is never applied (R8)."""

    def arrange(self, world: World, ref: TicketRef) -> None:
        other = world.person_opens()

        def rewrite(_request: Request, answer: Answer) -> Answer:
            body = answer.body
            headers = dict(answer.headers)
            for old, new in swapped(ref, other).items():
                body = body.replace(old, new)
                headers = {
                    name: value.replace(old.decode(), new.decode())
                    for name, value in headers.items()
                }
            return replace(answer, body=body, headers=headers)

        world.wire.rewrite = rewrite

    async def test_a_read_answered_with_another_ticket_is_odd(self, world: World) -> None:
        needs_remote(world)
        ref = world.person_opens()
        assert (await world.read(ref)).id == ref.id
        self.arrange(world, ref)
        told = await error_of(world.read(ref))
        assert isinstance(told, OddAnswer), told

    @pytest.mark.parametrize("kind", TO_A_TICKET)
    async def test_a_write_answered_with_another_ticket_is_not_its_receipt(
        self, world: World, kind: WriteKind
    ) -> None:
        needs_remote(world)
        if not world.can(kind):
            pytest.skip(f"{world.fixture.name} declares no {kind}")
        ref = await world.opened()
        self.arrange(world, ref)
        told = await error_of(world.send(world.write_of(kind, ref)))
        if isinstance(told, Receipt):
            assert told.ticket_id == ref.id
        else:
            # Unreachable: a read right before the write; nothing was sent.
            assert isinstance(told, OutcomeUnknown | Unreachable), told


class TestBadAnswers:
    """Whatever a read is answered, a RemoteError that tells what to do comes of it."""

    async def operations(self, world: World, ref: TicketRef) -> list[str]:
        # What an adapter keeps between reads, such as a report, is asked for once.
        await world.read(ref)
        since = world.mark
        await world.read(ref)
        made = [str(one["operation"]) for one in world.requests(since)]
        return [name for name in dict.fromkeys(made) if name != "token"]

    @pytest.mark.parametrize("body", ["html", "cut"])
    async def test_garbage_with_200_is_odd(self, world: World, body: str) -> None:
        needs_remote(world)
        ref = world.person_opens()
        for operation in await self.operations(world, ref):
            world.sandbox.faults.next("garbage", operation=operation, body=body)
            told = await error_of(world.read(ref))
            assert isinstance(told, OddAnswer), (operation, told)
        assert (await world.read(ref)).id == ref.id

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"7", b'"x"', b"\xff", b"[[["])
    async def test_json_of_another_shape_is_odd(self, world: World, body: bytes) -> None:
        needs_remote(world)
        ref = world.person_opens()
        world.wire.rewrite = lambda _request, answer: replace(answer, body=body)
        told = await error_of(world.read(ref))
        assert isinstance(told, OddAnswer | NotFound), told

    @pytest.mark.parametrize("fault", ["error_before", "lost_answer", "reset_before"])
    async def test_an_outage_is_unreachable_and_a_hiccup_is_not_noticed(
        self, world: World, fault: str
    ) -> None:
        needs_remote(world)
        ref = world.person_opens()
        operation = (await self.operations(world, ref))[0]
        world.sandbox.faults.next(fault, operation=operation, status=503)
        assert (await world.read(ref)).id == ref.id
        world.sandbox.faults.next(fault, operation=operation, status=503, count=50)
        assert isinstance(await error_of(world.read(ref)), Unreachable)

    async def test_being_asked_to_wait_for_ever_is_told(self, world: World) -> None:
        needs_remote(world)
        ref = world.person_opens()
        operation = (await self.operations(world, ref))[0]
        world.sandbox.faults.next("rate_limited", operation=operation, retry_after_s=2)
        assert (await world.read(ref)).id == ref.id, "a read waits and repeats"
        world.sandbox.faults.next("rate_limited", operation=operation, retry_after_s=900, count=50)
        told = await error_of(world.read(ref))
        assert isinstance(told, RateLimited), told
        assert told.retry_after_s is not None
