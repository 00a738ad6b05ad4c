"""The values an HttpTransport is built from; all frozen, all handed in by app."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syncd.model.secret import Secret

CONNECT_S = 10.0
"""Seconds for DNS, TCP and TLS together."""
READ_S = 30.0
"""Seconds without a byte, either way, before an exchange is given up."""
TOTAL_S = 60.0
"""Seconds for a whole exchange whose bodies fit in memory."""
TRANSFER_TOTAL_S = 4 * 3600.0
"""Seconds for a whole exchange that streams a file: 1 GB over 1 Mbit/s takes 2.3 hours."""
BODY_BYTES = 8 * 1024 * 1024
"""Largest answer held in memory, counted after decompression."""
STREAM_BYTES = 4 * 1024 * 1024 * 1024
"""Largest streamed answer."""
WAIT_MAX_S = 60.0
"""Longest a call waits for its turn under the rate limit; beyond it the caller is told when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long an exchange may take, in seconds."""

    connect_s: float = CONNECT_S
    read_s: float = READ_S
    total_s: float = TOTAL_S
    transfer_total_s: float = TRANSFER_TOTAL_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a login may ask of its vendor.

    Attributes:
        requests_per_s: steady rate; None for no limit.
        burst: requests that may go at once after a pause.
        concurrency: requests under way at once.
        wait_max_s: longest wait for a turn, in seconds.
    """

    requests_per_s: float | None = None
    burst: int = 1
    concurrency: int = 4
    wait_max_s: float = WAIT_MAX_S


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportOptions:
    """One connection's way to its vendor.

    Attributes:
        connection: its name in syncd.yaml.
        base_url: scheme, host and path every request stays below.
        ca_file: PEM file of the only authorities trusted; None for the system's.
        headers: sent with every request; never Authorization. A `Secret` value goes through auth.
        timeouts: in seconds.
        body_bytes: largest answer held in memory.
        stream_bytes: largest streamed answer.
        secrets: of the connection's settings; no error repeats them, whatever an answer quotes.
    """

    connection: str
    base_url: str
    ca_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeouts: Timeouts = field(default_factory=Timeouts)
    body_bytes: int = BODY_BYTES
    stream_bytes: int = STREAM_BYTES
    secrets: tuple[Secret, ...] = ()
