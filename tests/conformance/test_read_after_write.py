"""What is written is read back, equal under N, and written once."""

import hashlib
from dataclasses import replace

import pytest

from syncd.model.operation import WriteKind
from tests.conformance.world import HELLO, KEY, OTHER_KEY, World, needs, one_field


class TestReadAfterWrite:
    """Own writes come back as they were sent."""

    async def test_a_created_ticket_reads_as_it_was_sent(self, world: World) -> None:
        needs(world, WriteKind.CREATE)
        write = world.write_of(WriteKind.CREATE, key=KEY)
        receipt = await world.send(write)
        ref = world.ref(receipt.ticket_id, receipt.ticket_number)
        assert ref.id in [one["id"] for one in world.sandbox.tickets()]
        ticket = await world.read(ref)
        assert (ticket.id, ticket.kind) == (receipt.ticket_id, world.fixture.kind)
        assert receipt.ticket_number in ("", ticket.number)
        world.assert_told(ticket, write.fields)
        world.assert_told(ticket, receipt.fields)
        if world.features.writes[WriteKind.CREATE].marker:
            assert ticket.keys == (KEY,)
        assert str(KEY) not in str(dict(ticket.fields)), "markers never reach a ticket's texts"

    async def test_an_update_changes_what_it_names_and_nothing_else(self, world: World) -> None:
        needs(world, WriteKind.UPDATE)
        ref = await world.opened()
        before = await world.read(ref)
        for name, value in world.fixture.change.items():
            world.advance(1)
            write = world.write_of(WriteKind.UPDATE, ref, fields={name: value})
            receipt = await world.send(write)
            assert receipt.ticket_id == ref.id
            after = await world.read(ref)
            world.assert_told(after, {name: value})
            for other in world.fixture.create:
                if other != name and other in before.fields:
                    world.assert_same(other, after.fields.get(other), before.fields[other])
            assert after.keys == before.keys
            before = after

    async def test_all_fields_can_be_updated_at_once(self, world: World) -> None:
        needs(world, WriteKind.UPDATE)
        ref = await world.opened()
        before = await world.read(ref)
        await world.send(world.write_of(WriteKind.UPDATE, ref, key=OTHER_KEY))
        after = await world.read(ref)
        world.assert_told(after, world.fixture.change)
        assert after.keys == before.keys, "the create's marker stays"

    async def test_a_status_is_read_back(self, world: World) -> None:
        needs(world, WriteKind.STATUS)
        ref = await world.opened()
        before = await world.read(ref)
        await world.send(world.write_of(WriteKind.STATUS, ref))
        after = await world.read(ref)
        world.assert_told(after, {"status": world.fixture.status["status"]})
        assert after.fields["status"] != before.fields["status"]

    async def test_comments_come_back_once_in_order_and_ours(self, world: World) -> None:
        needs(world, WriteKind.COMMENT)
        ref = await world.opened()
        before = await world.read(ref)
        for kind in sorted(world.features.comment_kinds):
            sent = [("Any news?", world.key()), ("Second line\nthird — Æ", world.key())]
            for body, key in sent:
                world.advance(2)
                draft = world.comment(body, kind)
                receipt = await world.send(
                    world.write_of(WriteKind.COMMENT, ref, key=key, comment=draft)
                )
                after = await world.read(ref)
                known = {one.id for one in before.comments}
                (added,) = (one for one in after.comments if one.id not in known)
                world.assert_same("comment", added.body, body)
                assert added.kind is kind
                if world.features.writes[WriteKind.COMMENT].returns_id:
                    assert receipt.comment_id == added.id
                if world.features.writes[WriteKind.COMMENT].marker:
                    assert added.keys == (key,)
                assert known < {one.id for one in after.comments}, "ids of others stay"
                assert after.comments[-1].id == added.id, "oldest first"
                before = after

    async def test_an_attachment_comes_back_whole(self, world: World) -> None:
        needs(world, WriteKind.ATTACHMENT)
        if not world.features.attachments:
            pytest.skip(f"{world.fixture.name} shows no attachments")
        ref = await world.opened()
        receipt = await world.send(world.write_of(WriteKind.ATTACHMENT, ref))
        (file,) = (await world.read(ref)).attachments
        assert file.name == "status.txt"
        assert file.size_bytes in (None, len(HELLO))
        if world.features.writes[WriteKind.ATTACHMENT].returns_id:
            assert receipt.attachment_id == file.id
        digest = hashlib.sha256()
        async with world.adapter.download(ref, file.id) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
        assert digest.digest() == hashlib.sha256(HELLO).digest()

    async def test_people_and_the_adapter_see_the_same_ticket(self, world: World) -> None:
        ref = world.person_opens()
        first = await world.read(ref)
        world.advance(30)
        world.person("updates", str(ref.id), world.fixture.person_change)
        second = await world.read(ref)
        assert second.fields != first.fields
        assert await world.read(replace(ref)) == second, "two reads of one state are equal"


class TestSentOnce:
    """Every write is one request with an effect, whatever the sandbox answers."""

    @pytest.mark.parametrize("kind", list(WriteKind))
    async def test_one_write_sends_one_request(self, world: World, kind: WriteKind) -> None:
        needs(world, kind)
        ref = None if kind is WriteKind.CREATE else await world.opened()
        since = world.mark
        await world.send(one_field(world, world.write_of(kind, ref)))
        assert len(world.sends(since)) == 1, [one["operation"] for one in world.sends(since)]
        assert world.done(since) == 1, world.effects(since)
