"""The daemon's process: started, waited for, killed."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from syncd.demo.daemon import Daemon
from tests.support.mortal import with_us

MORTAL = Path(__file__).with_name("mortal.py")
FOREIGN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY")
STOP_MAX_S = 45.0
READY_MAX_S = 90.0
LOOK_S = 0.1


@dataclass(slots=True)
class Process:
    """One life after another of one configuration's daemon."""

    daemon: Daemon
    child: asyncio.subprocess.Process | None = None

    async def start(
        self, *, dies_at_commit: int = 0, limits: Callable[[], None] | None = None
    ) -> None:
        """Start it; return at once.

        Args:
            dies_at_commit: number of the commit it does not live to see; 0: none.
            limits: called in the child before it becomes the daemon.
        """
        how = [str(MORTAL), str(dies_at_commit)] if dies_at_commit else ["-m", "syncd"]
        own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        with self.daemon.log.open("ab") as log:
            self.child = await asyncio.create_subprocess_exec(
                sys.executable,
                *how,
                "run",
                "--config",
                str(self.daemon.config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=own | dict(self.daemon.secrets),
                preexec_fn=with_us(limits),
            )

    @property
    def is_alive(self) -> bool:
        return self.child is not None and self.child.returncode is None

    async def ready(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(READY_MAX_S):
            while await self.daemon.pulse() is None:
                assert self.is_alive, f"it ended by itself: {self.said()}"
                await asyncio.sleep(LOOK_S)

    async def ended(self, seconds: float) -> int | None:
        """Wait so long for its end; its status, or None when it goes on."""
        assert self.child is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self.child.wait()
        return None

    async def kill(self) -> None:
        """End it with SIGKILL."""
        if self.child is not None and self.child.returncode is None:
            self.child.kill()
            await self.child.wait()

    async def stop(self) -> int:
        """Tell it to stop; give its status."""
        assert self.child is not None
        if self.child.returncode is None:
            self.child.terminate()
        status = await self.ended(STOP_MAX_S)
        assert status is not None, "it did not stop"
        return status

    def said(self, lines: int = 5) -> str:
        """Give the end of its log."""
        return "\n".join(self.daemon.log.read_text(errors="replace").splitlines()[-lines:])
