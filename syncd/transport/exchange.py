"""One send and its answer, over aiohttp; the only code that knows aiohttp's errors."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from syncd.transport.multipart import MultipartBody
from syncd.transport.options import Timeouts
from syncd.transport.outgoing import Outgoing
from syncd.transport.pool import TRIP, StoodStill, Trip

CHUNK_BYTES = 64 * 1024
"""Largest chunk a streamed answer is handed out in."""


class ExchangeFailed(Exception):
    """No whole answer came.

    Attributes:
        left: False when provably not one byte of the request left (R3).
        is_ours: it was given up here; that says nothing about the vendor.
    """

    def __init__(self, reason: str, *, left: bool, is_ours: bool = False) -> None:
        """Keep the reason, which names no secret."""
        super().__init__(reason)
        self.reason = reason
        self.left = left
        self.is_ours = is_ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What was read of an answer's body.

    Attributes:
        data: the bytes, at most the limit.
        too_large: there was more.
    """

    data: bytes
    too_large: bool = False


class LiveAnswer:
    """An answer whose head has arrived. Ends with `release` or `close`."""

    def __init__(self, response: aiohttp.ClientResponse, trip: Trip) -> None:
        """Wrap aiohttp's answer."""
        self._response = response
        self.trip = trip
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in response.headers.items()
        }

    async def read(self, limit_bytes: int) -> Body:
        """Read the body, stopping at the limit (counted after decompression).

        Raises:
            ExchangeFailed: it broke off.
        """
        parts: list[bytes] = []
        received = 0
        try:
            while part := await self._response.content.readany():
                received += len(part)
                if received > limit_bytes:
                    self.close()
                    return Body(data=b"".join([*parts, part])[:limit_bytes], too_large=True)
                parts.append(part)
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise _broken_off(err) from err
        return Body(data=parts[0] if len(parts) == 1 else b"".join(parts))

    async def next_chunk(self) -> bytes:
        """Read on; empty at the end.

        Raises:
            ExchangeFailed: it broke off.
        """
        try:
            return await self._response.content.read(CHUNK_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise _broken_off(err) from err

    def release(self) -> None:
        """Give the connection back; it is kept only when the body was read to its end."""
        self._response.release()

    def close(self) -> None:
        """Close the connection."""
        self._response.close()


async def send(
    session: aiohttp.ClientSession,
    outgoing: Outgoing,
    *,
    headers: Mapping[str, str],
    timeouts: Timeouts,
    is_stream: bool = False,
    may_leave: Callable[[], bool] | None = None,
) -> LiveAnswer:
    """Send a request once and wait for the head of its answer.

    Args:
        session: from the pool.
        outgoing: what to send.
        headers: the token's, added to it.
        timeouts: in seconds.
        is_stream: the answer's body may take long.
        may_leave: asked just before the first byte; None: it may.

    Raises:
        ExchangeFailed: no answer came.
    """
    trip = Trip(may_leave=may_leave)
    TRIP.set(trip)
    merged = {**outgoing.headers, **headers}
    multipart = outgoing.body if isinstance(outgoing.body, MultipartBody) else None
    try:
        if multipart is not None:
            response = await _uploaded(session, outgoing, multipart, merged, timeouts)
        else:
            response = await session.request(
                outgoing.method, outgoing.url, headers=merged, data=outgoing.body,
                timeout=_aiohttp_timeout(timeouts, is_stream), allow_redirects=False,
            )  # fmt: skip
    except StoodStill as err:
        raise ExchangeFailed(str(err), left=False, is_ours=True) from err
    except (aiohttp.ClientError, TimeoutError, OSError) as err:
        raise _failure(err, trip, multipart) from err
    return LiveAnswer(response, trip)


async def _uploaded(
    session: aiohttp.ClientSession,
    outgoing: Outgoing,
    multipart: MultipartBody,
    headers: dict[str, str],
    timeouts: Timeouts,
) -> aiohttp.ClientResponse:
    """Give up an upload that stands still: aiohttp's own time-outs look at reading only."""
    headers["Content-Length"] = str(multipart.size_bytes)
    async with asyncio.timeout(timeouts.connect_s + timeouts.read_s) as guard:
        return await session.request(
            outgoing.method, outgoing.url, headers=headers,
            data=_Upload(multipart.chunks(_postponing(guard, timeouts.read_s))),
            timeout=_aiohttp_timeout(timeouts, True), allow_redirects=False,
        )  # fmt: skip


class _Upload(aiohttp.AsyncIterablePayload):
    """A body that is closed with its send: aiohttp leaves one it broke off to the collector."""

    def __init__(self, chunks: AsyncGenerator[bytes]) -> None:
        super().__init__(chunks)
        self._chunks = chunks

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        try:
            await super().write_with_length(writer, content_length)
        finally:
            await self._chunks.aclose()


@functools.cache
def _aiohttp_timeout(timeouts: Timeouts, is_long: bool) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=timeouts.transfer_total_s if is_long else timeouts.total_s,
        connect=timeouts.connect_s,
        sock_read=timeouts.read_s,
    )


def _postponing(guard: asyncio.Timeout, seconds: float) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def postpone() -> None:
        # RuntimeError: the answer came before the upload was done, and the guard is over.
        with contextlib.suppress(RuntimeError):
            guard.reschedule(loop.time() + seconds)

    return postpone


def _broken_off(err: Exception) -> ExchangeFailed:
    return ExchangeFailed(f"the answer broke off: {_told(err)}", left=True)


def _failure(err: Exception, trip: Trip, multipart: MultipartBody | None) -> ExchangeFailed:
    never_left = not trip.connected and isinstance(
        err, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError
    )
    if multipart is not None and multipart.failure is not None:
        return ExchangeFailed(f"cut off while sending: {multipart.failure}", left=not never_left)
    if never_left:
        return ExchangeFailed(f"could not connect: {_told(err)}", left=False)
    kept = " on a kept connection" if trip.reused else ""
    return ExchangeFailed(f"no answer{kept}: {_told(err)}", left=True)


def _told(err: Exception) -> str:
    if isinstance(err, aiohttp.ClientConnectorError):
        return str(err)
    if isinstance(err, TimeoutError):
        return "timed out"
    return str(err) or type(err).__name__
