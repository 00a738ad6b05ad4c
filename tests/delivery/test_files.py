"""Attachments: streamed through the spool, cleaned, verified, never sent half."""

import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from syncd.model.features import Limits
from syncd.model.ids import AttachmentId, OperationId
from syncd.model.operation import OperationState, ParkReason, Receipt, Write
from syncd.ports.adapter import FileSource
from syncd.ports.errors import (
    CredentialsRejected,
    NotFound,
    RateLimited,
    Refused,
    RemoteError,
    Unreachable,
)
from syncd.store import connections, journal
from syncd.store.spool import Spool
from tests.delivery.world import DESK, VENDOR, World, a_world, attachment
from tests.support.clock import FakeClock
from tests.support.memory_adapter import Fault, MemoryAdapter

BODIES = {"empty": b"", "one byte": b"x", "some": b"0123456789" * 1000}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, FakeClock(auto_advance=True)) as made:
        yield made


async def plan_file(world: World, body: bytes, name: str = "log.txt") -> OperationId:
    link_id = await world.link()
    world.desk.put_file("D1", "f1", name, body)
    (file_id,) = await world.plan(link_id, attachment("f1", name))
    return file_id


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_file_arrives_whole_and_is_verified(world: World, body: bytes) -> None:
    file_id = await plan_file(world, body)
    with capture_logs() as lines:
        await world.delivery().run_round()
    assert await world.state(file_id) is OperationState.APPLIED
    assert world.vendor.file("V1", "a1") == ("log.txt", body)
    sent = world.vendor.sends[0].attachment
    assert sent is not None
    assert (sent.size_bytes, sent.digest) == (len(body), hashlib.sha256(body).hexdigest())
    assert "delivery.attachment_verified" in [line["event"] for line in lines]


async def test_a_files_name_is_cleaned(world: World) -> None:
    await plan_file(world, b"x", "../../etc/pass\x00wd\u202e.txt")
    await world.delivery().run_round()
    assert world.vendor.file("V1", "a1")[0] == "passwd.txt"


async def test_a_file_the_vendor_changed_is_an_alert_and_stands_in_the_journal(
    world: World,
) -> None:
    file_id = await plan_file(world, b"x" * 100)
    world.vendor.mangle = lambda body: body + b"<!-- scanned -->"
    await world.delivery().run_round()
    assert await world.state(file_id) is OperationState.APPLIED
    assert world.counts.alerts == ["altered"]
    events = [line.line.event for line in await world.db.read(journal.tail)]
    assert "attachment.altered" in events


async def test_a_file_that_cannot_be_read_back_is_said_to_be_unverified(world: World) -> None:
    file_id = await plan_file(world, b"x")
    world.vendor.download_errors.extend(NotFound("not yet") for _ in range(3))
    with capture_logs() as lines:
        await world.delivery().run_round()
    assert await world.state(file_id) is OperationState.APPLIED
    assert "delivery.attachment_unverified" in [line["event"] for line in lines]
    assert world.counts.alerts == []


async def test_a_file_that_is_readable_after_a_moment_is_verified(world: World) -> None:
    await plan_file(world, b"x")
    world.vendor.download_errors.append(NotFound("not yet"))
    with capture_logs() as lines:
        await world.delivery().run_round()
    assert "delivery.attachment_verified" in [line["event"] for line in lines]


async def test_where_the_vendor_gives_nothing_back_nothing_is_read_back(world: World) -> None:
    world.vendor.readable_files = False
    await plan_file(world, b"x")
    world.vendor.download_errors.append(AssertionError("nobody may ask"))
    await world.delivery().run_round()
    assert len(world.vendor.download_errors) == 1


FETCH_ROWS: list[tuple[RemoteError, OperationState, ParkReason | None]] = [
    (NotFound("gone"), OperationState.PARKED, ParkReason.INVALID),
    (Refused("no"), OperationState.PARKED, ParkReason.REFUSED),
    (Unreachable("down"), OperationState.READY, None),
    (RateLimited("wait"), OperationState.READY, None),
]


@pytest.mark.parametrize(("error", "state", "reason"), FETCH_ROWS)
async def test_what_keeps_the_file_from_being_fetched_sends_nothing(
    world: World, error: RemoteError, state: OperationState, reason: ParkReason | None
) -> None:
    file_id = await plan_file(world, b"x")
    world.desk.download_errors.append(error)
    await world.delivery().run_round()
    record = (await world.show(file_id)).record
    assert (record.state, record.park_reason, record.sends) == (state, reason, 0)
    assert world.vendor.sends == []


async def test_a_source_that_refuses_our_credentials_is_the_one_that_is_paused(
    world: World,
) -> None:
    await plan_file(world, b"x")
    world.desk.download_errors.append(CredentialsRejected("no"))
    await world.delivery().run_round()
    paused = await world.db.read(connections.paused)
    assert set(paused) == {DESK}


async def test_a_file_larger_than_the_target_takes_is_parked_with_the_reason(
    world: World,
) -> None:
    world.vendor.limits = Limits(attachment_bytes=10)
    file_id = await plan_file(world, b"x" * 11)
    await world.delivery().run_round()
    record = (await world.show(file_id)).record
    assert (record.state, record.park_reason) == (OperationState.PARKED, ParkReason.INVALID)
    assert "10 bytes" in record.detail
    assert world.vendor.sends == []


async def test_a_spool_without_room_is_waited_for(world: World, tmp_path: Path) -> None:
    world.spool = Spool(tmp_path / "small", total_bytes=10)
    file_id = await plan_file(world, b"x" * 11)
    delivery = world.delivery()
    for _ in range(20):
        await delivery.run_round()
        assert isinstance(world.clock, FakeClock)
        world.clock.advance(60)
    assert await world.state(file_id) is OperationState.READY
    world.spool = Spool(tmp_path / "large")
    await world.drive(world.delivery())
    assert await world.state(file_id) is OperationState.APPLIED


async def test_a_file_in_the_spool_is_not_fetched_again(world: World) -> None:
    await plan_file(world, b"x")
    fetched: list[str] = []
    world.desk.step = _noting(fetched)
    world.vendor.script.extend([RateLimited("wait", retry_after_s=1), Fault.CUT])
    await world.drive(world.delivery())
    assert len(world.vendor.sends) == 3
    assert fetched == ["download"]


def _noting(names: list[str]) -> Callable[[str], Awaitable[None]]:
    async def step(name: str) -> None:
        names.append(name)

    return step


async def test_a_lost_upload_is_looked_for_with_its_name_size_and_digest(world: World) -> None:
    await plan_file(world, b"xyz", "a/b.txt")
    world.vendor.script.append(Fault.LOST)
    await world.drive(world.delivery())
    (probed,) = world.vendor.probes
    assert probed.attachment is not None
    assert probed.attachment == world.vendor.sends[0].attachment
    assert probed.attachment.size_bytes == 3
    assert len(world.vendor.effects) == 1


class Swallowing(MemoryAdapter):
    """Takes files without keeping them, as a vendor elsewhere would."""

    async def write(self, write: Write, file: FileSource | None = None) -> Receipt:
        assert file is not None
        digest = hashlib.sha256()
        async for chunk in file.open():
            digest.update(chunk)
        self.taken = digest.hexdigest()
        assert write.ticket_id is not None
        return Receipt(ticket_id=write.ticket_id, attachment_id=AttachmentId("big"))


@pytest.mark.slow
async def test_memory_does_not_grow_with_the_file(world: World) -> None:
    size_mb = 200
    link_id = await world.link()
    chunk = b"\x5a" * 65_536
    big = (size_mb * 16, chunk)
    world.desk.big_files[AttachmentId("f1")] = big
    vendor = Swallowing(world.clock, limits=Limits(attachment_bytes=size_mb * 1024 * 1024))
    vendor.big_files[AttachmentId("big")] = big
    world.adapters[VENDOR] = vendor
    (file_id,) = await world.plan(link_id, attachment("f1"))
    tracemalloc.start()
    with capture_logs() as lines:
        await world.delivery().run_round()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert await world.state(file_id) is OperationState.APPLIED
    assert "delivery.attachment_verified" in [line["event"] for line in lines]
    assert peak_bytes < 8 * 1024 * 1024
