"""Files go up and come down whole, streamed, whatever their size and name."""

import gc
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from syncd.model.ids import AttachmentId
from syncd.model.operation import WriteKind
from syncd.ports.adapter import TicketRef
from syncd.ports.errors import NotFound, Refused, Unsupported
from tests.conformance.world import HELLO, Bytes, World, draft_of, error_of, needs

MB = 1000 * 1000
BIG = 50 * MB
HELD_MAX = 16 * MB
"""What both ends of an upload and a download of 50 MB may hold of it at once."""
NAMES = (
    "Blåbær på Ærø.txt",
    "naïve 日本語 файл.pdf",
    "two  blanks & a=b;c.txt",
    "x" * 200,
)
ODD_NAMES = (
    "../../etc/passwd",
    "a/b.txt",
    "a\\b.txt",
    "nul\x00.txt",
    "line\r\nX-Evil: 1.txt",
    "",
    ".",
)


class Made:
    """A file made up while it is read."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    def open(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        for number in range(self.size_bytes // len(PIECE)):
            yield number.to_bytes(4, "big") + PIECE[4:]

    async def digest(self) -> str:
        whole = hashlib.sha256()
        async for piece in self.open():
            whole.update(piece)
        return whole.hexdigest()


PIECE = bytes(250_000)


async def downloaded(world: World, ref: TicketRef, file: str) -> tuple[str, int, int]:
    """Give digest, length and longest piece of a download."""
    digest, size, longest = hashlib.sha256(), 0, 0
    async with world.adapter.download(ref, AttachmentId(file)) as chunks:
        async for chunk in chunks:
            digest.update(chunk)
            size, longest = size + len(chunk), max(longest, len(chunk))
    return digest.hexdigest(), size, longest


def needs_files(world: World) -> None:
    """Skip where files cannot be sent, or are never shown again."""
    needs(world, WriteKind.ATTACHMENT)
    if not world.features.attachments:
        pytest.skip(f"{world.fixture.name} shows no attachments")


class TestAttachments:
    """Bytes are opaque, streamed and complete."""

    @pytest.mark.parametrize("size", [1, 255, 65_537, 3 * MB])
    async def test_files_of_any_size_go_up_and_come_down(self, world: World, size: int) -> None:
        needs_files(world)
        content = (bytes(range(256)) * (size // 256 + 1))[:size]
        ref = await world.opened()
        draft = draft_of("a.jpg", content, "image/jpeg")
        receipt = await world.send(
            world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft), content
        )
        (file,) = (await world.read(ref)).attachments
        assert receipt.attachment_id in (None, file.id)
        digest, length, _ = await downloaded(world, ref, file.id)
        assert (digest, length) == (draft.digest, size)
        assert file.size_bytes in (None, size)

    async def test_an_empty_file_is_carried_or_refused_unsent(self, world: World) -> None:
        needs_files(world)
        ref = await world.opened()
        since = world.mark
        write = world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft_of("a.txt", b""))
        told = await error_of(world.adapter.write(write, Bytes(b"")))
        takes_it = world.features.limits.attachment_bytes_min == 0
        assert isinstance(told, Refused) is not takes_it, told
        if not takes_it:
            assert not world.sends(since)
            return
        (file,) = (await world.read(ref)).attachments
        assert (await downloaded(world, ref, file.id))[1] == 0

    async def test_a_file_of_a_type_that_is_never_taken_is_refused_unsent(
        self, world: World
    ) -> None:
        needs(world, WriteKind.ATTACHMENT)
        if not world.features.limits.refused_types:
            pytest.skip("the vendor refuses no type of file")
        ref = await world.opened()
        since = world.mark
        for extension in sorted(world.features.limits.refused_types):
            draft = draft_of(f"a.{extension.upper()}", b"x")
            write = world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft)
            told = await error_of(world.send(write, b"x"))
            assert isinstance(told, Refused), told
        assert not world.sends(since)

    async def test_a_file_above_the_limit_is_refused_unsent(self, world: World) -> None:
        needs(world, WriteKind.ATTACHMENT)
        ref = await world.opened()
        since = world.mark
        draft = draft_of("a.bin", b"", size_bytes=world.features.limits.attachment_bytes + 1)
        told = await error_of(
            world.send(world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft))
        )
        assert isinstance(told, Refused), told
        assert not world.sends(since)

    async def test_fifty_megabytes_are_never_held(self, world: World) -> None:
        needs_files(world)
        if world.features.limits.attachment_bytes < BIG:
            pytest.skip("the vendor takes no file of 50 MB")
        ref = await world.opened()
        made = Made(BIG)
        digest = await made.digest()
        draft = replace(draft_of("big.bin", b"", size_bytes=BIG), digest=digest)
        gc.collect()
        tracemalloc.start(1)
        try:
            await world.adapter.write(
                world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft), made
            )
            (file,) = (await world.read(ref)).attachments
            told, size, longest = await downloaded(world, ref, file.id)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (told, size) == (digest, BIG)
        assert longest <= 2 * MB
        assert peak < HELD_MAX, f"{peak / MB:.1f} MB were held"

    @pytest.mark.parametrize("name", NAMES)
    async def test_names_people_give_files_are_kept(self, world: World, name: str) -> None:
        needs_files(world)
        ref = await world.opened()
        await world.send(
            world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft_of(name, HELLO))
        )
        assert [one.name for one in (await world.read(ref)).attachments] == [name]

    @pytest.mark.parametrize("name", ODD_NAMES)
    async def test_names_that_are_none_never_leave(self, world: World, name: str) -> None:
        needs_files(world)
        ref = await world.opened()
        since = world.mark
        write = world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft_of(name, HELLO))
        told = await error_of(world.send(write))
        if isinstance(told, Refused):
            assert not world.sends(since)
            return
        for file in (await world.read(ref)).attachments:
            assert file.name.isprintable()
            assert not set(file.name) & {"/", "\\"}

    async def test_a_persons_file_is_seen_and_comes_down(self, world: World) -> None:
        if not world.features.attachments:
            pytest.skip("it has no attachments")
        ref = world.person_opens()
        content = bytes(range(256)) * 4000
        world.person("attaches", str(ref.id), "Båt æ.jpg", content, "image/jpeg")
        (file,) = (await world.read(ref)).attachments
        assert file.name == "Båt æ.jpg"
        digest, size, longest = await downloaded(world, ref, file.id)
        assert (digest, size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert longest < len(content), "it came in one piece"

    async def test_a_download_left_early_and_a_missing_file_do_no_harm(self, world: World) -> None:
        ref = world.person_opens()
        if not world.features.attachments:
            with pytest.raises(Unsupported):
                await downloaded(world, ref, "x")
            return
        world.person("attaches", str(ref.id), "a.bin", bytes(3 * MB))
        (file,) = (await world.read(ref)).attachments
        async with world.adapter.download(ref, file.id) as chunks:
            assert await anext(chunks)
        assert (await downloaded(world, ref, file.id))[1] == 3 * MB
        with pytest.raises(NotFound):
            await downloaded(world, ref, "00P4E0000027tHNUAY")
