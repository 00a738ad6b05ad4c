"""Makes aioresponses work with an aiohttp whose ClientResponse wants a `stream_writer`.

aioresponses 0.7.9 builds responses without it (its issue 289). What it mocks bypasses time-outs,
limits and connections: whatever rests on those is tested against a real aiohttp.web server.
"""

from types import SimpleNamespace
from typing import Any

import aiohttp
import aioresponses.core

_NOTHING_SENT = SimpleNamespace(output_size=0)


class MockedResponse(aiohttp.ClientResponse):
    """A response that was never sent by anybody."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", _NOTHING_SENT)
        super().__init__(*args, **kwargs)


def repair_aioresponses() -> None:
    """Let aioresponses build `MockedResponse` wherever it would have built aiohttp's own."""
    aioresponses.core.ClientResponse = MockedResponse
