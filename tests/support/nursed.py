"""The demo's daemon and its commands, forked from a nursery instead of started from nothing."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from syncd.demo.daemon import COMMAND_MAX_S, Daemon, Running
from tests.support.nursery import Nursery, Wanted


@dataclass(slots=True, kw_only=True)
class Nursed(Daemon):
    """One configuration's daemon.

    Attributes:
        nursery: where it is born.
        armed: file that says before which commit it dies; empty: it is not mortal.
        file_bytes_max: what is started can write no file beyond that size; None: no limit.
    """

    nursery: Nursery
    armed: str = ""
    file_bytes_max: int | None = field(default=None)

    async def _spawn(self) -> Running:
        wanted = Wanted(
            arguments=("run", "--config", str(self.config)),
            log=self.log,
            environment=self.secrets,
            armed=self.armed,
            file_bytes_max=self.file_bytes_max,
        )
        return await self.nursery.fork(wanted)

    async def _ask(self, *arguments: str) -> tuple[int, bytes, bytes]:
        with tempfile.TemporaryDirectory(prefix="syncd-said-") as folder:
            output, errors = Path(folder) / "output", Path(folder) / "errors"
            wanted = Wanted(
                arguments=(*arguments, "--config", str(self.config)),
                log=output,
                errors=errors,
                environment=self.secrets,
            )
            child = await self.nursery.fork(wanted)
            try:
                async with asyncio.timeout(COMMAND_MAX_S):
                    status = await child.wait()
            finally:
                child.kill()
                await child.wait()
            return status, output.read_bytes(), errors.read_bytes()


def nursed(daemon: Daemon, nursery: Nursery) -> Nursed:
    """Give the same daemon, forked from now on."""
    return Nursed(
        config=daemon.config,
        port=daemon.port,
        secrets=daemon.secrets,
        log=daemon.log,
        nursery=nursery,
    )
