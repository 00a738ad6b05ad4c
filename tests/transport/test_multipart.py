"""Files up and down, streamed."""

import asyncio
import email.parser
import email.policy
import gc
import gzip
import tracemalloc
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from syncd.ports.errors import NotFound, OddAnswer, OutcomeUnknown, Refused, Unreachable
from syncd.transport.options import Pace, Timeouts
from syncd.transport.request import FilePart, Request
from tests.transport.rig import GUARD_S, Reply, Rig, Sent, Then, http, raw_server, web_server

MEGABYTE = 1024 * 1024
GET = Request(operation="download", method="GET", path="/files/1")


def upload(
    *chunks: bytes, size_bytes: int | None = None, name: str = "a.txt", **others: str
) -> Request:
    async def read() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return uploading(
        read, sum(map(len, chunks)) if size_bytes is None else size_bytes, name, others
    )


def uploading(
    read: Callable[[], AsyncIterator[bytes]], size_bytes: int, name: str, others: dict[str, str]
) -> Request:
    part = FilePart(
        field="file", name=name, content_type="text/plain", size_bytes=size_bytes, open=read,
        others=others,
    )  # fmt: skip
    return Request(operation="upload", method="POST", path="/files", file=part)


def parsed(sent: Sent) -> list[tuple[str, str | None, object]]:
    head = f"Content-Type: {sent.headers['content-type']}\r\n\r\n".encode()
    whole = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + sent.body)
    return [
        (
            str(part.get_param("name", header="content-disposition")),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in whole.iter_parts()
    ]


async def test_a_file_is_sent_as_one_form_with_its_length(rig: Rig) -> None:
    async with raw_server(lambda _: http(201)) as server:
        await rig.transport(server.url).write(upload(b"one ", b"", b"two", note="Ærlig"))
    (sent,) = server.sent
    assert "transfer-encoding" not in sent.headers
    assert parsed(sent) == [("note", None, "Ærlig".encode()), ("file", "a.txt", b"one two")]


async def test_an_empty_file_is_sent(rig: Rig) -> None:
    async with raw_server(lambda _: http(201)) as server:
        await rig.transport(server.url).write(upload())
    assert parsed(server.sent[0]) == [("file", "a.txt", b"")]


async def test_a_name_cannot_break_out_of_its_quotes(rig: Rig) -> None:
    async with raw_server(lambda _: http(201)) as server:
        await rig.transport(server.url).write(upload(b"x", name='a"; x="\r\nEvil: 1'))
    assert b'filename="a%22; x=%22%0D%0AEvil: 1"' in server.sent[0].body


@pytest.mark.parametrize(("size", "told"), [(5, "longer"), (7, "shorter")])
async def test_a_file_of_another_length_is_cut_off_and_unknown(
    rig: Rig, size: int, told: str
) -> None:
    async with raw_server(lambda _: http(201)) as server:
        with pytest.raises(OutcomeUnknown, match=told):
            await rig.transport(server.url).write(upload(b"sixsix", size_bytes=size))
        await asyncio.wait_for(server.hung_up.wait(), GUARD_S)
    assert not server.sent, "a form that was cut off counts as received"


async def test_a_file_that_cannot_be_read_on_is_unknown(rig: Rig) -> None:
    async def read() -> AsyncIterator[bytes]:
        yield b"x"
        raise OSError("disk gone")

    async with raw_server(lambda _: http(201)) as server:
        with pytest.raises(OutcomeUnknown, match="disk gone"):
            await rig.transport(server.url).write(uploading(read, 2, "a", {}))


async def test_a_refusal_before_the_file_is_over_is_heard(rig: Rig) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=413)

    async with web_server(refuse) as url:
        with pytest.raises(Refused):
            await rig.transport(url).write(upload(*[b"x" * MEGABYTE] * 4))


async def test_an_upload_that_stands_still_is_given_up(rig: Rig) -> None:
    """The vendor reads nothing: the socket's buffers fill and no time-out of aiohttp looks."""
    stop = asyncio.Event()

    async def never_reads(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop.wait()
        writer.close()

    server = await asyncio.start_server(never_reads, "127.0.0.1", 0, limit=1)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    timeouts = Timeouts(connect_s=0.2, read_s=0.2)
    with pytest.raises(OutcomeUnknown, match="timed out"):
        await rig.transport(url, timeouts=timeouts).write(upload(*[b"x" * MEGABYTE] * 64))
    stop.set()
    server.close()
    await server.wait_closed()


async def test_a_file_is_closed_soon_after_its_upload_broke_off(rig: Rig) -> None:
    closed = asyncio.Event()

    async def read() -> AsyncIterator[bytes]:
        try:
            for _ in range(64):
                yield b"x" * MEGABYTE
        finally:
            closed.set()

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=413)

    async with web_server(refuse) as url:
        with pytest.raises(Refused):
            await rig.transport(url).write(uploading(read, 64 * MEGABYTE, "a", {}))
        gc.disable()  # Whoever waits for the collector waits for ever.
        try:
            await asyncio.wait_for(closed.wait(), GUARD_S)
        finally:
            gc.enable()


async def test_a_slow_upload_outlives_the_total_of_ordinary_calls(rig: Rig) -> None:
    async def read() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0.04)
            yield b"x"

    async with raw_server(lambda _: http(201)) as server:
        timeouts = Timeouts(connect_s=5, read_s=5, total_s=0.1)
        await rig.transport(server.url, timeouts=timeouts).write(uploading(read, 5, "a", {}))


async def test_a_big_file_goes_up_and_down_in_constant_memory(rig: Rig) -> None:
    count = 48

    async def read() -> AsyncIterator[bytes]:
        for number in range(count):
            yield bytes([number]) * MEGABYTE

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            received = 0
            while chunk := await request.content.readany():
                received += len(chunk)
            return web.json_response(received)
        answer = web.StreamResponse()
        await answer.prepare(request)
        for number in range(count):
            await answer.write(bytes([number]) * MEGABYTE)
        return answer

    async with web_server(serve) as url:
        transport = rig.transport(url, timeouts=Timeouts())
        tracemalloc.start()
        answer = await transport.write(uploading(read, count * MEGABYTE, "big", {}))
        down = 0
        async with transport.stream(GET) as streamed:
            async for chunk in streamed.chunks:
                down += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer.json() == rig.log.exchanges[0].sent_bytes
    assert down == rig.log.exchanges[1].received_bytes == count * MEGABYTE
    assert peak < 8 * MEGABYTE


# --- down ----------------------------------------------------------------------------------------


async def fetched(rig: Rig, url: str, **options: object) -> bytes:
    async with rig.transport(url, **options).stream(GET) as streamed:  # type: ignore[arg-type]
        return b"".join([chunk async for chunk in streamed.chunks])


async def test_the_start_of_a_download_is_repeated(rig: Rig) -> None:
    replies = iter([http(500), http(302, b"", "Location: /there"), http(200, b"file")])
    async with raw_server(lambda _: next(replies)) as server:
        assert await fetched(rig, server.url) == b"file"
    assert len(server.sent) == 3


async def test_a_download_that_breaks_off_is_not_repeated_but_said(rig: Rig) -> None:
    cut = Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", Then.CLOSE)
    async with raw_server(lambda _: cut) as server:
        with pytest.raises(Unreachable):
            await fetched(rig, server.url)
    assert len(server.sent) == 1
    assert rig.log.exchanges[0].outcome == "Unreachable"


async def test_a_download_over_its_limit_is_odd(rig: Rig) -> None:
    bomb = http(200, gzip.compress(b"\0" * 10_000_000), "Content-Encoding: gzip")
    async with raw_server(lambda _: bomb) as server:
        with pytest.raises(OddAnswer):
            await fetched(rig, server.url, stream_bytes=1_000_000)


async def test_a_file_that_is_not_there_is_not_found(rig: Rig) -> None:
    async with raw_server(lambda _: http(404)) as server:
        with pytest.raises(NotFound):
            await fetched(rig, server.url)


async def test_what_the_reader_of_a_download_raises_is_its_own_and_frees_the_place(
    rig: Rig,
) -> None:
    async with raw_server(lambda _: http(200, b"file")) as server:
        transport = rig.transport(server.url, pace=Pace(concurrency=1))
        for _ in range(2):
            with pytest.raises(OSError, match="disk full"):
                async with transport.stream(GET):
                    raise OSError("disk full")
    assert len(server.sent) == 2
