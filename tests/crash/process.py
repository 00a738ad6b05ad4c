"""The daemon's process: started, waited for, killed."""

import asyncio
import contextlib
import signal
from dataclasses import dataclass

from syncd.demo.daemon import Running
from tests.support.nursed import Nursed

STOP_MAX_S = 45.0
READY_MAX_S = 90.0
LOOK_S = 0.1


@dataclass(slots=True)
class Process:
    """One life after another of one configuration's daemon.

    Attributes:
        daemon: its configuration.
        child: the life that is lived.
    """

    daemon: Nursed
    child: Running | None = None

    def arm(self, commit: int) -> None:
        """Let it die before its n-th commit to SQLite from now on; 0: let it live.

        Must be called before the life it holds for starts, with 0 at least.
        """
        armed = self.daemon.config.with_name("armed")
        armed.unlink(missing_ok=True)
        self.daemon.armed = str(armed)
        if commit:
            # Renamed, so that nobody reads half of it.
            made = armed.with_name("arming")
            made.write_text(str(commit), encoding="ascii")
            made.rename(armed)

    async def start(self, *, file_bytes_max: int | None = None) -> None:
        """Start it; return at once.

        Args:
            file_bytes_max: it can write no file beyond that size; None: no limit.
        """
        self.daemon.file_bytes_max = file_bytes_max
        self.child = await self.daemon._spawn()

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
        if self.child is not None:
            self.child.kill()
            await self.child.wait()

    async def stop(self) -> int:
        """Tell it to stop; give its status."""
        assert self.child is not None
        self.child.terminate()
        status = await self.ended(STOP_MAX_S)
        assert status is not None, "it did not stop"
        return status

    def tell_where(self) -> None:
        """Let it write into its log where each of its threads stands."""
        if self.child is not None:
            self.child.send_signal(signal.SIGUSR1)

    def said(self, lines: int = 5) -> str:
        """Give the end of its log."""
        return "\n".join(self.daemon.log.read_text(errors="replace").splitlines()[-lines:])
