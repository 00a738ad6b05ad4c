"""Attachments up, down and away (telenor.md section 6, I10 to I13)."""

import asyncio
import hashlib
import io
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from syncd.sandbox import SandboxClock, TelenorSandbox, TelenorSandboxSettings
from syncd.sandbox.telenor.settings import PREFIX
from tests.sandbox.conftest import Caller, Got

MIB = 1024 * 1024


async def sent(call: Caller, ticket: str, name: str, content: bytes) -> Got:
    # Names travel as they are (RFC 7578), not percent-encoded.
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", io.BytesIO(content), filename=name, content_type="image/png")
    form.add_field("contentType", "image/jpeg")
    return await call("POST", f"/incidents/{ticket}/attachments", data=form)


@pytest.mark.parametrize("size", [0, 5, 300_000])
async def test_a_file_comes_back_as_it_was_sent(
    call: Caller, telenor: TelenorSandbox, size: int
) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    ticket = telenor.person_creates({"subject": "x"})

    answer = await sent(call, ticket, "bilde æ.jpg", content)
    listed = (await call("GET", f"/incidents/{ticket}/attachments")).json
    got = await call("GET", f"/incidents/{ticket}/attachments/{answer.json['id']}")

    assert answer.status == 201
    assert listed == [
        {
            "id": answer.json["id"],
            "name": "bilde æ.jpg",
            "size": size,
            "contentType": "image/jpeg",
            "createdDate": "2026-03-01T10:00:00.000+0000",
        }
    ]
    assert got.body == content
    added = telenor.record.of("attachment_added")[0]
    assert (added["actor"], added["sha256"]) == ("client", hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("name", ["setup.exe", "RUN.SH", "a/b.txt", "x" * 253 + ".txt"])
async def test_a_forbidden_name_is_refused_and_nothing_kept(
    call: Caller, telenor: TelenorSandbox, name: str
) -> None:
    ticket = telenor.person_creates({"subject": "x"})

    refused = await sent(call, ticket, name, b"x" * 400_000)

    assert (refused.status, refused.json["code"]) == (400, "400002")
    assert telenor.tickets()[0]["attachments"] == []
    assert len(telenor.violations) == 1


async def test_a_file_above_the_limit_is_refused_and_nothing_kept(
    session: aiohttp.ClientSession, clock: SandboxClock, tmp_path: Path
) -> None:
    settings = TelenorSandboxSettings(
        clock=clock, oddities=False, attachment_max_bytes=MIB, spool_dir=tmp_path
    )
    async with TelenorSandbox(settings) as sandbox:
        call = Caller(session, sandbox, PREFIX)
        call.headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}", "X-User-Name": "s"}
        ticket = sandbox.acts["create"]({"subject": "x"})

        refused = await sent(call, ticket, "big.bin", b"x" * (MIB + 1))
        fits = await sent(call, ticket, "big.bin", b"x" * MIB)

        assert (refused.status, refused.json["code"], fits.status) == (400, "400002", 201)
        assert len(list(tmp_path.iterdir())) == 1


async def test_deleting_needs_the_exact_name(call: Caller, telenor: TelenorSandbox) -> None:
    ticket = telenor.person_creates({"subject": "x"})
    attachment = telenor.person_attaches(ticket, "skjerm 1.png", b"x")
    path = f"/incidents/{ticket}/attachments/{attachment}"

    answers = [
        await call("DELETE", path),
        await call("DELETE", path, params={"fileName": "skjerm.png"}),
        await call("DELETE", path, params={"fileName": "skjerm 1.png"}),
        await call("DELETE", path, params={"fileName": "skjerm 1.png"}),
    ]

    assert [each.status for each in answers] == [400, 400, 200, 404]
    assert [each.json["code"] for each in answers if each.json] == ["400001", "400002", "404002"]
    assert telenor.record.of("attachment_deleted")[0]["name"] == "skjerm 1.png"


async def test_a_form_without_file_is_refused(call: Caller, telenor: TelenorSandbox) -> None:
    ticket = telenor.person_creates({"subject": "x"})
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("contentType", "text/plain")

    no_file = await call("POST", f"/incidents/{ticket}/attachments", data=form)
    no_form = await call("POST", f"/incidents/{ticket}/attachments", json={"file": "x"})

    assert (no_file.json["code"], no_form.json["code"]) == ("400001", "400002")


async def test_memory_does_not_grow_with_the_file(
    session: aiohttp.ClientSession, clock: SandboxClock
) -> None:
    size = 64 * MIB
    piece = bytes(256 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    settings = TelenorSandboxSettings(clock=clock, attachment_max_bytes=1024 * MIB)
    async with TelenorSandbox(settings) as sandbox:
        ticket = sandbox.acts["create"]({"subject": "x"})
        headers = {"Authorization": f"Bearer {sandbox.tokens.issue()}", "X-User-Name": "syncd"}
        url = f"{sandbox.base_url}{PREFIX}/incidents/{ticket}/attachments"
        form = aiohttp.FormData()
        form.add_field("file", pieces(), filename="dump.bin")
        tracemalloc.start()
        async with session.post(url, data=form, headers=headers) as answer:
            attachment = (await answer.json())["id"]
        received = 0
        async with session.get(f"{url}/{attachment}", headers=headers) as answer:
            async for got in answer.content.iter_chunked(MIB):
                received += len(got)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert received == size
        assert sandbox.tickets()[0]["attachments"][0]["size"] == size
        assert peak < 12 * MIB


async def test_an_upload_cut_off_by_the_client_has_no_effect(
    call: Caller, telenor: TelenorSandbox
) -> None:
    ticket = telenor.person_creates({"subject": "x"})

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 400_000
        raise asyncio.CancelledError

    form = aiohttp.FormData()
    form.add_field("file", pieces(), filename="half.bin")
    with pytest.raises((aiohttp.ClientError, asyncio.CancelledError)):
        await call("POST", f"/incidents/{ticket}/attachments", data=form)
    for _ in range(500):
        if telenor.record.requests("add_attachment"):
            break
        await asyncio.sleep(0.01)

    assert telenor.tickets()[0]["attachments"] == []
    assert telenor.record.requests("add_attachment")[0]["status"] is None


async def test_a_person_can_attach_a_file_where_it_lies(
    call: Caller, telenor: TelenorSandbox, tmp_path: Path
) -> None:
    path = tmp_path / "trace.pcap"
    path.write_bytes(b"y" * 2_000_000)
    ticket = telenor.person_creates({"subject": "x"})

    attachment = telenor.person_attaches(ticket, "trace.pcap", path, "application/pcap")
    got = await call("GET", f"/incidents/{ticket}/attachments/{attachment}")

    assert got.headers["Content-Type"] == "application/pcap"
    assert got.body == path.read_bytes()
