"""What the gateway works with, in tests: a clock that is told the time, an inbox that remembers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics, StoreSample
from syncd.gateway.server import Gateway, GatewayOptions, GatewayParts
from syncd.model.secret import Secret

TOKEN = "a-token-of-the-desk"
OTHER_TOKEN = "a-token-of-telenor"


@dataclass
class FakeClock:
    """A clock that jumps; `meanwhile` is what happens while somebody waits."""

    seconds: float = 0.0
    meanwhile: Callable[[], Awaitable[None]] | None = None

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic_s(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.meanwhile is not None:
            await self.meanwhile()
        await asyncio.sleep(0)


@dataclass
class FakeInbox:
    stored: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    broken: bool = False

    async def put(self, connection: str, numbers: tuple[str, ...], *, received_from: str) -> None:
        assert received_from == "127.0.0.1"
        if self.broken:
            raise OSError("disk full")
        self.stored.append((connection, numbers))


@dataclass
class Desk:
    """A gateway and all it works with."""

    clock: FakeClock = field(default_factory=FakeClock)
    inbox: FakeInbox = field(default_factory=FakeInbox)
    rings: list[int] = field(default_factory=list)
    sample: StoreSample | Exception = field(default_factory=StoreSample)

    def __post_init__(self) -> None:
        self.health = Health(clock=self.clock)
        self.metrics = Metrics(clock=self.clock, version="1.2.3")
        self.metrics.know(["desk", "telenor"])

    async def _sampled(self) -> StoreSample:
        if isinstance(self.sample, Exception):
            raise self.sample
        return self.sample

    def gateway(self, *, port_file: Path | None = None) -> Gateway:
        tokens: Mapping[str, Secret] = {
            "desk": Secret(TOKEN),
            "telenor": Secret(OTHER_TOKEN),
        }
        return Gateway(
            GatewayOptions(
                port=0, tokens=tokens, connections=frozenset({"desk", "telenor", "b612"}),
                port_file=port_file,
            ),
            GatewayParts(
                inbox=self.inbox, ring=lambda: self.rings.append(len(self.inbox.stored)),
                sample=self._sampled, health=self.health, metrics=self.metrics, clock=self.clock,
            ),
        )  # fmt: skip
