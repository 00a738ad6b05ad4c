"""Texts people write arrive as they wrote them, under N, and lose no marker."""

import pytest

from syncd.core.marker import MARKER_CHARS_MAX
from syncd.model.operation import WriteKind
from syncd.ports.errors import Refused
from tests.conformance.world import KEY, OTHER_KEY, THIRD_KEY, World, error_of, needs

TEXTS = {
    "emoji": "👩‍🔧 router 🔥 down 🇳🇴",
    "line ends": "one\r\ntwo\rthree\n\nfive\u2028six",
    "right to left": "שלום עולם \u202eabc\u202c مرحبا",
    "html": "<b>bold</b> &amp; <script>alert('x')</script> <a href=\"http://x\">y</a>",
    "control": "bell\x07 nul\x00 esc\x1b[31m red\x7f",
    "blanks": "  indented\n\ttabbed  \n  end  ",
    "combining": "e\u0301 is é, A\u030a is Å, \ufeffbom",
    "quotes": "\"quoted\" 'single' \\back\\ {json: [1,2]} %s ${x} {{y}}",
    "a marker": f"they wrote:\n> hello\n> [ref:{OTHER_KEY}]\nwhat is this?",
    "a marker at the end": f"hello\n[ref:{OTHER_KEY}]",
    "half a marker": f"[ref: [ref:] [ref:x-y] ref:{OTHER_KEY}] [re",
    "one letter": "x",
}
LONG = 32_000


def cut(text: str, limit: int | None) -> str:
    return text if limit is None else text[:limit]


class TestOddText:
    """No text is changed on its way beyond what N forgives."""

    @pytest.mark.parametrize("name", TEXTS)
    async def test_in_fields(self, world: World, name: str) -> None:
        fixture = world.fixture
        sent = {field: cut(TEXTS[name], limit_of(world, field)) for field in field_names(world)}
        if world.can(WriteKind.CREATE):
            write = world.write_of(WriteKind.CREATE, key=KEY, fields={**fixture.create, **sent})
            receipt = await world.send(write)
            ticket = await world.read(world.ref(receipt.ticket_id, receipt.ticket_number))
            world.assert_told(ticket, sent)
            if world.features.writes[WriteKind.CREATE].marker:
                assert KEY in ticket.keys
        if world.can(WriteKind.UPDATE):
            ref = await world.opened()
            before = await world.read(ref)
            writable = {one: sent[one] for one in sent if one in fixture.change}
            if writable:
                await world.send(world.write_of(WriteKind.UPDATE, ref, fields=writable))
            ticket = await world.read(ref)
            world.assert_told(ticket, writable)
            assert set(before.keys) <= set(ticket.keys), "the create's marker is gone"

    @pytest.mark.parametrize("name", TEXTS)
    async def test_in_comments(self, world: World, name: str) -> None:
        needs(world, WriteKind.COMMENT)
        ref = await world.opened()
        draft = world.comment(TEXTS[name])
        await world.send(world.write_of(WriteKind.COMMENT, ref, key=THIRD_KEY, comment=draft))
        (ours,) = (await world.read(ref)).comments
        world.assert_same("comment", ours.body, TEXTS[name])
        if world.features.writes[WriteKind.COMMENT].marker:
            assert THIRD_KEY in ours.keys
        assert str(THIRD_KEY) not in ours.body

    @pytest.mark.parametrize("name", TEXTS)
    async def test_from_people(self, world: World, name: str) -> None:
        if not world.can(WriteKind.COMMENT):
            pytest.skip("people cannot comment where nobody can")
        ref = world.person_opens()
        world.person("comments", str(ref.id), TEXTS[name])
        told = await world.read(ref)
        if field := world.fixture.remarks_in:
            said = world.adapter.normalise(field, TEXTS[name])
            assert str(world.adapter.normalise(field, told.fields[field])).endswith(str(said))
            return
        (theirs,) = told.comments
        world.assert_same("comment", theirs.body, TEXTS[name])

    async def test_as_long_as_a_text_may_be(self, world: World) -> None:
        limit = limit_of(world, world.fixture.text)
        long = cut(("0123456789 æøå\n" * (LONG // 14))[:LONG], limit).rstrip() + "."
        long = long[-min(LONG, limit or LONG) :]
        bytes_max = world.field(world.fixture.text).max_bytes or len(long.encode())
        long = long.encode()[:bytes_max].decode("utf-8", "ignore").rstrip()
        ref = await world.opened(**{world.fixture.text: long})
        if world.can(WriteKind.CREATE):
            world.assert_told(await world.read(ref), {world.fixture.text: long})
        if world.can(WriteKind.COMMENT):
            room = (world.features.limits.comment_bytes or LONG) - MARKER_CHARS_MAX
            body = "x" * min(LONG, room)
            await world.send(world.write_of(WriteKind.COMMENT, ref, comment=world.comment(body)))
            assert [one.body for one in (await world.read(ref)).comments] == [body]

    async def test_a_comment_beyond_the_limit_is_refused_unsent(self, world: World) -> None:
        needs(world, WriteKind.COMMENT)
        room = world.features.limits.comment_bytes
        if room is None:
            pytest.skip("no limit is known")
        ref = await world.opened()
        since = world.mark
        write = world.write_of(WriteKind.COMMENT, ref, comment=world.comment("æ" * room))
        assert isinstance(await error_of(world.send(write)), Refused)
        assert not world.sends(since)

    async def test_what_cannot_be_written_as_utf_8_is_refused_or_mended(self, world: World) -> None:
        text = "lone \ud800 surrogate"
        for kind in (WriteKind.CREATE, WriteKind.COMMENT):
            if world.can(kind):
                ref = None if kind is WriteKind.CREATE else await world.opened()
                write = world.write_of(kind, ref, comment=world.comment(text))
                if kind is WriteKind.CREATE:
                    fields = {**world.fixture.create, field_names(world)[0]: text}
                    write = world.write_of(kind, fields=fields)
                since = world.mark
                told = await error_of(world.send(write))
                if isinstance(told, Refused):
                    assert not world.sends(since)
                else:
                    assert world.done(since) == 1, told


def field_names(world: World) -> list[str]:
    return list(dict.fromkeys((world.fixture.title, world.fixture.text)))


def limit_of(world: World, name: str) -> int | None:
    return world.field(name).max_chars
