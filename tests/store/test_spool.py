"""Bodies lie whole under their digest, or not at all, however large they are."""

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.store import spool
from syncd.store.errors import StoreUnavailable
from syncd.store.spool import FileTooLarge, Spool, SpoolFull
from tests.store.scene import Scene, attachment

BODY = b"".join(bytes([n % 256]) * 1_000 for n in range(1_000))
DIGEST = hashlib.sha256(BODY).hexdigest()


class Moving:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


async def pieces(body: bytes = BODY, size: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def body_of(spool_: Spool, digest: str) -> bytes:
    return b"".join([piece async for piece in spool_.source(digest).open()])


async def test_a_body_comes_back_as_it_went_in(tmp_path: Path) -> None:
    kept = Spool(tmp_path / "spool")
    saved = await kept.save(pieces(), max_bytes=10**9)
    assert (saved.digest, saved.size_bytes) == (DIGEST, len(BODY))
    assert await kept.size(DIGEST) == len(BODY)
    for _ in range(2):
        assert await body_of(kept, DIGEST) == BODY
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    again = await kept.save(pieces(), max_bytes=10**9)
    assert again == saved
    assert os.listdir(tmp_path / "spool") == [DIGEST]


async def test_an_empty_body_is_a_body(tmp_path: Path) -> None:
    kept = Spool(tmp_path)
    saved = await kept.save(pieces(b""), max_bytes=1)
    assert saved.size_bytes == await kept.size(saved.digest) == 0
    assert await body_of(kept, saved.digest) == b""


async def test_bodies_saved_at_once_do_not_mix(tmp_path: Path) -> None:
    kept = Spool(tmp_path)
    bodies = [os.urandom(300_000) for _ in range(5)]
    saved = await asyncio.gather(
        *(kept.save(pieces(body, 7_000), max_bytes=10**6) for body in [*bodies, bodies[0]])
    )
    for body, each in zip([*bodies, bodies[0]], saved, strict=True):
        assert await body_of(kept, each.digest) == body


async def test_daemons_that_share_the_folder_do_not_touch_each_others_unfinished_files(
    tmp_path: Path,
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        async for piece in pieces():
            yield piece
            begun.set()
            await go_on.wait()

    one, other = Spool(tmp_path), Spool(tmp_path)
    first = asyncio.create_task(one.save(slow(), max_bytes=len(BODY)))
    await begun.wait()
    second = await other.save(pieces(b"another"), max_bytes=7)
    go_on.set()
    assert ((await first).digest, second.size_bytes) == (DIGEST, 7)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("max_bytes", "total", "error"),
    [(len(BODY) - 1, 10**9, FileTooLarge), (10**9, len(BODY) - 1, SpoolFull)],
)
async def test_what_is_too_large_leaves_nothing(
    tmp_path: Path, max_bytes: int, total: int, error: type[Exception]
) -> None:
    kept = Spool(tmp_path, total_bytes=total)
    with pytest.raises(error):
        await kept.save(pieces(), max_bytes=max_bytes)
    assert os.listdir(tmp_path) == []


async def test_a_source_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 1_000_000
        raise ConnectionResetError

    kept = Spool(tmp_path)
    with pytest.raises((ConnectionResetError, StoreUnavailable)):
        await kept.save(broken(), max_bytes=10**9)
    assert os.listdir(tmp_path) == []


async def test_a_damaged_body_is_never_given_out_whole(tmp_path: Path) -> None:
    kept = Spool(tmp_path)
    await kept.save(pieces(), max_bytes=10**9)
    with (tmp_path / DIGEST).open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    got: list[bytes] = []

    async def send() -> None:
        async for piece in kept.source(DIGEST).open():
            got.append(piece)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(StoreUnavailable, match="damaged"):
        await send()
    assert len(b"".join(got)) < len(BODY)


async def test_a_body_that_is_not_there_is_said(tmp_path: Path) -> None:
    kept = Spool(tmp_path / "never made")
    assert await kept.size(DIGEST) is None
    with pytest.raises(StoreUnavailable):
        await body_of(kept, DIGEST)
    with pytest.raises(ValueError, match="hexadecimal"):
        kept.source("../../etc/passwd")
    assert await kept.drop_unused([]) == 0


async def test_only_old_files_that_nothing_names_are_dropped(tmp_path: Path) -> None:
    clock = Moving()
    kept = Spool(tmp_path, clock=clock)
    used = await kept.save(pieces(b"used"), max_bytes=9)
    await kept.save(pieces(b"unused"), max_bytes=9)
    (tmp_path / "1-1.partial").touch()
    os.utime(tmp_path / "1-1.partial", (0, 0))
    (tmp_path / "somebody's").touch()
    assert await kept.drop_unused([used.digest]) == 1
    clock.at += timedelta(seconds=spool.KEPT_UNUSED_S + 1)
    assert await kept.drop_unused([used.digest]) == 1
    assert sorted(os.listdir(tmp_path)) == sorted([used.digest, "somebody's"])


async def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    async def much() -> AsyncIterator[bytes]:
        piece = b"x" * 65_536
        for _ in range(1_600):
            yield piece

    kept = Spool(tmp_path)
    tracemalloc.start()
    try:
        saved = await kept.save(much(), max_bytes=10**9)
        async for _ in kept.source(saved.digest).open():
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert saved.size_bytes == 1_600 * 65_536
    assert peak < 8 * 1024 * 1024


async def test_digests_of_open_operations_are_in_use(scene: Scene) -> None:
    await scene.linked(attachment("a1"))
    assert await scene.db.read(spool.in_use) == frozenset()
    op = await scene.claim_one()
    from syncd.store import outbox

    await scene.db.write(outbox.attach_file, op.id, size_bytes=5, digest=DIGEST)
    assert await scene.db.read(spool.in_use) == {DIGEST}
