"""A multipart form with one file, streamed with a known length and constant memory (RFC 7578)."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from syncd.transport.request import FilePart

SLICE_BYTES = 64 * 1024
"""Most bytes handed to the socket at once, so that progress is seen even with large chunks."""


class FileLengthError(Exception):
    """The file's bytes were not as many as announced; the request was cut off."""


class MultipartBody:
    """The body of one request; iterated anew for each send."""

    def __init__(self, file: FilePart, boundary: str) -> None:
        """Lay out everything but the file's bytes."""
        self._file = file
        self._head = b"".join(
            _part(boundary, f'name="{_escape(name)}"') + value.encode() + b"\r\n"
            for name, value in file.others.items()
        ) + _part(
            boundary,
            f'name="{_escape(file.field)}"; filename="{_escape(file.name)}"',
            _one_line(file.content_type),
        )
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.size_bytes = len(self._head) + file.size_bytes + len(self._tail)
        self.failure: Exception | None = None

    async def chunks(self, progressed: Callable[[], None]) -> AsyncGenerator[bytes]:
        """Give the body in slices.

        Args:
            progressed: called each time the socket asks for more.

        Raises:
            FileLengthError: the file is longer or shorter than announced. It, and whatever
                reading the file raises, is also kept in `failure`.
        """
        try:
            yield self._head
            left = self._file.size_bytes
            async with _closing(self._file.open()) as file:
                async for chunk in file:
                    left -= len(chunk)
                    if left < 0:
                        raise FileLengthError("the file is longer than announced")
                    for start in range(0, len(chunk), SLICE_BYTES):
                        progressed()
                        yield chunk[start : start + SLICE_BYTES]
            if left > 0:
                raise FileLengthError("the file is shorter than announced")
            progressed()
            yield self._tail
            progressed()
        except Exception as err:
            self.failure = err
            raise


@contextlib.asynccontextmanager
async def _closing(file: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Close a file's reader where it is a generator: a send may stop in its middle."""
    try:
        yield file
    finally:
        if isinstance(file, AsyncGenerator):
            await file.aclose()


def _part(boundary: str, disposition: str, content_type: str = "") -> bytes:
    lines = [f"--{boundary}", f"Content-Disposition: form-data; {disposition}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _escape(text: str) -> str:
    """Encode what would end a quoted name, as browsers do (WHATWG HTML, multipart/form-data)."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
