"""Some daemons with one store, used as one: the demo's people and judge notice no difference."""

import asyncio
import contextlib
import random
import re
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from syncd.demo.daemon import Daemon, Pulse, parse_metrics
from tests.replicas.base import Base
from tests.support.nursed import Nursed
from tests.support.nursery import Child, Nursery

LEASE_S = 8.0
"""How long what a dead one was sending is its own: longer than a request may take (setup)."""
STILL_S = (LEASE_S + 1.0, 3 * LEASE_S)
"""How long one stands still, from and to: beyond its lease, also beyond the settle times."""
_POLLED = "syncd_last_complete_poll_age_seconds"

LOOK_S = 0.02
SENDS_WITHIN_S = 3.0
"""So long one is looked for that is sending, before whichever one is stopped."""


@dataclass(slots=True, kw_only=True)
class Fleet(Daemon):
    """Daemons that share a store; the first listens where the ITSM's webhook rings.

    Attributes:
        members: all of them, each with a configuration file of its own.
        away: those that were killed or stand still, until they go on.
        base: the store, seen from outside.
    """

    members: Sequence[Daemon] = ()
    away: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)
    base: Base

    async def start(self) -> None:
        # The first makes the tables and pins what is configured; the others find that done.
        first, *others = self.members
        await first.start()
        await asyncio.gather(*(each.start() for each in others))

    def check(self) -> None:
        for _, member in self._there():
            member.check()

    def _there(self) -> list[tuple[int, Daemon]]:
        return [each for each in enumerate(self.members) if each[0] not in self.away]

    async def kill(self) -> None:
        await asyncio.gather(*(each.kill() for each in self.members))

    async def stop(self) -> None:
        for task in self.away.values():
            task.cancel()
        await asyncio.gather(*self.away.values(), return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in self.members))

    async def pulse(self) -> Pulse | None:
        for _, member in self._there():
            if (pulse := await member.pulse()) is not None:
                return replace(pulse, polled_s=await self._polled_s()) if pulse.is_quiet else pulse
        return None

    async def _polled_s(self) -> float:
        """Seconds since every connection was read completely, by whichever member."""
        ages: dict[str, float] = {}
        for _, member in self._there():
            _, page = await member._get("/metrics")
            for each in parse_metrics(page):
                if each.name == _POLLED:
                    name = each.labels["connection"]
                    ages[name] = min(each.value, ages.get(name, each.value))
        return max(ages.values(), default=0.0)

    def crashes(self) -> list[str]:
        return [each for member in self.members for each in member.crashes()]

    # --- what is done to them ----------------------------------------------------------------

    def kill_one(self, chance: random.Random) -> bool:
        """End one that runs and start it again behind our back; False when only one runs."""
        there = self._there()
        if len(there) < 2:
            return False
        self._goes(chance.choice(there)[0], self._again)
        return True

    async def still_one(self, chance: random.Random, *, is_cut: bool) -> bool:
        """Stop one in the middle of a write (SIGSTOP), and let it go on later.

        Args:
            chance: draws for how long, and which where none is met that sends.
            is_cut: its sessions on the database are ended meanwhile, as of a machine that is
                suspended, and then others take it for dead.

        Returns:
            False when only one runs.
        """
        seconds = chance.uniform(*STILL_S)
        until_s = asyncio.get_running_loop().time() + SENDS_WITHIN_S
        while not (sending := await self._sending()):
            if asyncio.get_running_loop().time() > until_s:
                break
            await asyncio.sleep(LOOK_S)
        there = self._there()
        if len(there) < 2:
            return False
        number = chance.choice(sending or [number for number, _ in there])
        self._goes(number, partial(self._still, seconds=seconds, is_cut=is_cut))
        return True

    async def _sending(self) -> list[int]:
        senders = await self.base.senders()
        return [
            number
            for number, member in self._there()
            if isinstance(child := member._process, Child) and child.pid in senders
        ]

    def _goes(self, number: int, what: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        async def until_back() -> None:
            try:
                await what(number)
            finally:
                del self.away[number]

        self.away[number] = asyncio.create_task(until_back())

    async def _again(self, number: int) -> None:
        await self.members[number].kill()
        await self.members[number].start()

    async def _still(self, number: int, *, seconds: float, is_cut: bool) -> None:
        process = self.members[number]._process
        if process is None:
            return
        process.send_signal(signal.SIGSTOP)
        try:
            if is_cut:
                await self.base.cut(number)
            await asyncio.sleep(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)

    async def all_back(self) -> None:
        """Wait until every one that was killed or stands still is back.

        Raises:
            DemoFailed: one could not start.
        """
        while self.away:
            await asyncio.gather(*self.away.values())

    def told(self, event: str) -> list[dict[str, Any]]:
        """List what all their logs say of an event."""
        lines = [line for each in self.members for line in each.log.read_bytes().splitlines()]
        found = [orjson.loads(line) for line in lines if line.startswith(b"{")]
        return [each for each in found if each.get("event") == event]

    async def command(self, *arguments: str) -> tuple[int, Any]:
        return await self.members[0].command(*arguments)


def fleet_of(daemon: Daemon, base: Base, nursery: Nursery) -> Fleet:
    """Make a fleet of the demo's daemon: its configuration, once per address of the store."""
    members = []
    for number, store_url in enumerate(base.urls):
        port = daemon.port if number == 0 else _free_port()
        config = daemon.config.with_name(f"syncd-{number}.yaml")
        config.write_text(_configured(daemon.config, port, store_url), encoding="utf-8")
        log = daemon.log.with_name(f"daemon-{number}.log")
        members.append(
            Nursed(config=config, port=port, secrets=daemon.secrets, log=log, nursery=nursery)
        )
    return Fleet(
        config=members[0].config,
        port=daemon.port,
        secrets=daemon.secrets,
        log=daemon.log.with_name("daemon-*.log"),
        base=base,
        members=members,
    )


def _configured(config: Path, port: int, store_url: str) -> str:
    spool = config.parent.parent / "spool"
    plain = store_url.replace("postgresql+asyncpg://", "postgresql://")
    text = config.read_text(encoding="utf-8")
    store = f'url: "{plain}", spool: {spool}, lease: {LEASE_S:g}s'
    text = re.sub(r'url: "sqlite:[^"]+"', store, text)
    return re.sub(r'listen: "[^"]+"', f'listen: "127.0.0.1:{port}"', text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
