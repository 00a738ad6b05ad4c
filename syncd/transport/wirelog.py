"""What the transport tells about each exchange: for logs, metrics and the attempt journal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from syncd.model.secret import Secret
from syncd.transport.redact import safe_headers, snippet


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request as it went over the wire and what became of it. Nothing here is secret.

    Attributes:
        connection, operation: whose, and its short name (few values: fit for metrics).
        method, path: as sent, without the query.
        is_write: whether it may have an effect.
        attempt: 1 for the first send of a call, more for a read's repeats and redirects.
        status: HTTP status; None when no answer came.
        outcome: `ok`, or the class name of the error raised (`Cancelled` for a cancelled one).
        detail: the error's text; empty when all went well.
        duration_s: from the moment it could be sent (paced, logged in) to its last byte.
        wait_s: spent waiting for its turn and its token before that.
        sent_bytes, received_bytes: bodies only, received after decompression.
        reused: it went over a kept connection.
        request_id: the vendor's, when it gives one.
    """

    connection: str
    operation: str
    method: str
    path: str
    is_write: bool
    attempt: int
    status: int | None
    outcome: str
    detail: str
    duration_s: float
    wait_s: float
    sent_bytes: int
    received_bytes: int
    reused: bool
    request_id: str
    _request_headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    _answer_headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    _request_body: bytes = field(repr=False, default=b"")
    _answer_body: bytes = field(repr=False, default=b"")
    _secrets: tuple[Secret, ...] = field(repr=False, default=())

    def request_headers(self) -> dict[str, str]:
        """Headers sent, redacted; made when asked for, as only a debug log wants them."""
        return safe_headers(self._request_headers, self._secrets)

    def answer_headers(self) -> dict[str, str]:
        """Headers received, redacted."""
        return safe_headers(self._answer_headers, self._secrets)

    def request_text(self) -> str:
        """Start of the body sent, redacted; empty for a streamed file."""
        return snippet(self._request_body, self._secrets)

    def answer_text(self) -> str:
        """Start of the body received, redacted; empty for a streamed one."""
        return snippet(self._answer_body, self._secrets)


class WireLog(Protocol):
    """Told once about every exchange, token calls included."""

    def request(self, exchange: Exchange) -> None:
        """Take note; must neither block nor raise."""
        ...


class NoWireLog:
    """Takes no notes."""

    def request(self, exchange: Exchange) -> None:
        """Do nothing."""
