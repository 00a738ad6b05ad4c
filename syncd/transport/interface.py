"""The shape of the transport that adapters are written against."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from syncd.ports.errors import RemoteError
from syncd.transport.request import Answer, Request, StreamedAnswer


class ErrorReader(Protocol):
    """A provider's reading of an error answer: one table per provider (its errors.py)."""

    def __call__(self, status: int, body: bytes, *, is_write: bool) -> RemoteError | None:
        """Turn a status of 400 and above into an error; None leaves it to DESIGN R3's classes.

        The error's context is filled in by the transport.
        """
        ...


class Transport(Protocol):
    """One connection's way to its vendor."""

    async def read(self, request: Request) -> Answer:
        """Make a call without effect; repeated on failures that may pass, within limits.

        Raises:
            Unreachable, RateLimited, CredentialsRejected, NotFound, Refused, OddAnswer (too large).
        """
        ...

    async def write(self, request: Request) -> Answer:
        """Make a call with an effect, sending it exactly once.

        Raises:
            OutcomeUnknown: it left and its answer is none, 5xx, 408, 409, 3xx, or unreadable.
            TokenRejected: 401 with a cached token (which is dropped).
            CredentialsRejected: 401 on a fresh one.
            Unreachable (never left), RateLimited, NotFound, Refused: no effect.
        """
        ...

    def stream(self, request: Request) -> AbstractAsyncContextManager[StreamedAnswer]:
        """Make a read whose body comes in chunks; only its start is repeated."""
        ...
