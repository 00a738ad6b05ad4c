"""Some daemons with one store, used as one: the demo's people and judge notice no difference."""

import asyncio
import contextlib
import random
import re
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncd.demo.daemon import Daemon, DemoFailed, Pulse
from tests.support.nursed import Nursed
from tests.support.nursery import Nursery


@dataclass(slots=True)
class Fleet(Daemon):
    """Daemons that share a store; the first listens where the ITSM's webhook rings.

    Attributes:
        members: all of them, each with a configuration file of its own.
        starting: those that are being started again after a kill.
    """

    members: Sequence[Daemon] = ()
    starting: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)

    async def start(self) -> None:
        # The first makes the tables and pins what is configured; the others find that done.
        first, *others = self.members
        await first.start()
        await asyncio.gather(*(each.start() for each in others))

    def check(self) -> None:
        for number, member in enumerate(self.members):
            if number not in self.starting:
                member.check()

    async def kill(self) -> None:
        await asyncio.gather(*(each.kill() for each in self.members))

    async def stop(self) -> None:
        for task in self.starting.values():
            task.cancel()
        await asyncio.gather(*self.starting.values(), return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in self.members))

    async def pulse(self) -> Pulse | None:
        for number, member in enumerate(self.members):
            if number not in self.starting and (pulse := await member.pulse()) is not None:
                return pulse
        return None

    def crashes(self) -> list[str]:
        return [each for member in self.members for each in member.crashes()]

    # --- what is done to them ----------------------------------------------------------------

    def kill_one(self, chance: random.Random, *, spared: int | None) -> bool:
        """End one that runs and start it again behind our back; False when only one runs."""
        running = [n for n in range(len(self.members)) if n not in self.starting and n != spared]
        if len(running) < 2:
            return False
        number = chance.choice(running)
        self.starting[number] = asyncio.ensure_future(self._again(number))
        return True

    async def _again(self, number: int) -> None:
        member = self.members[number]
        await member.kill()
        try:
            await member.start()
        finally:
            del self.starting[number]

    async def command(self, *arguments: str) -> tuple[int, Any]:
        return await self.members[0].command(*arguments)

    async def all_started(self) -> None:
        """Wait until every one that was killed is back.

        Raises:
            DemoFailed: one could not start.
        """
        while self.starting:
            await asyncio.gather(*self.starting.values())

    async def pause(self, number: int, seconds: float) -> None:
        """Stop one in the middle of whatever it does (SIGSTOP), and let it go on later."""
        process = self.members[number]._process
        if process is None:
            raise DemoFailed("the daemon to be paused does not run")
        process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)


def fleet_of(daemon: Daemon, processes: int, store_url: str, nursery: Nursery) -> Fleet:
    """Make a fleet of the demo's daemon: its configuration, once per process, on another store."""
    members = []
    for number in range(processes):
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
        members=members,
    )


def _configured(config: Path, port: int, store_url: str) -> str:
    spool = config.parent.parent / "spool"
    plain = store_url.replace("postgresql+asyncpg://", "postgresql://")
    text = config.read_text(encoding="utf-8")
    text = re.sub(r'url: "sqlite:[^"]+"', f'url: "{plain}", spool: {spool}', text)
    return re.sub(r'listen: "[^"]+"', f'listen: "127.0.0.1:{port}"', text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
