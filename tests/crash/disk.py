"""Disks that end: a limit on the daemon's files (an I/O error), a small disk of its own (full)."""

import errno
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.crash.place import LOOK_S, SETTLE_MAX_S, Place
from tests.crash.process import Process

KIB = 1024
BIG_BYTES = 6 * KIB * KIB
"""Of an attachment that finds no room."""
LEFT_BYTES = 16 * KIB
"""What is left for the store when its disk is about to be full."""
GIVES_UP_S = 90.0
"""Longer than the grace a store has, whatever else the machine does."""
GAVE_UP = 2
"""Exit status of a daemon that could not go on."""


def largest(folder: Path) -> int:
    """Give the size of the store's largest file, in bytes."""
    return max(path.stat().st_size for path in folder.glob("syncd.db*") if path.is_file())


@contextmanager
def small_disk(size_bytes: int) -> Iterator[Path]:
    """Mount a disk of its own.

    Raises:
        PermissionError: nobody may mount here.
    """
    with tempfile.TemporaryDirectory(prefix="syncd-disk-") as name:
        folder = Path(name)
        size = f"size={size_bytes}"
        mounting = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", name]
        try:
            subprocess.run(mounting, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise PermissionError(f"mount: {error}") from error
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", name], check=True, capture_output=True)


def fill(folder: Path, *, but_bytes: int) -> Path:
    """Fill a disk up, but for so much; give the file that does it."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    found = subprocess.run(
        ["df", "--output=avail", "-B1", str(folder)], check=True, capture_output=True, text=True
    )
    free = int(found.stdout.split()[-1])
    try:
        ballast.write_bytes(bytes(max(0, free - but_bytes)))
    except OSError as error:
        # The daemon writes too: what fits is there.
        if error.errno != errno.ENOSPC:
            raise
    return ballast


def told(here: Place, event: str) -> list[dict[str, object]]:
    """List what the daemon's log says of an event."""
    lines = here.world.daemon.log.read_bytes().splitlines()
    found = [orjson.loads(line) for line in lines if line.startswith(b"{")]
    return [each for each in found if each.get("event") == event]


async def gives_up(here: Place) -> str:
    """Wait until the daemon ends by itself; give the reason its log gives last."""
    process: Process = here.process
    status = await process.ended(GIVES_UP_S)
    assert status == GAVE_UP, f"status {status}: {process.said()}"
    return str(told(here, "app.given_up")[-1]["reason"])


async def until(here: Place, is_so: Callable[[], bool], what: str) -> None:
    """Wait, while the daemon lives, until something is so."""
    for _ in range(int(SETTLE_MAX_S / LOOK_S)):
        if is_so():
            return
        status = await here.process.ended(LOOK_S)
        assert status is None, f"it ended by itself: {here.process.said()}"
    raise AssertionError(f"{what}: {here.process.said()}")


def is_partnered(here: Place, number: int) -> bool:
    """Say whether a ticket has its partner."""
    life = here.lives[number]
    here.look(life)
    return bool(life.desk_ticket and life.vendor_ticket)


@dataclass(frozen=True, slots=True)
class Full:
    """A small disk that holds store and spool."""

    here: Place
    disk: Path

    async def happens(self) -> dict[str, object]:
        """Fill it up under a daemon that runs, and then but for a little; leave room in the end."""
        here = self.here
        await here.goes_live()
        here.goes_on()
        await here.process.start()
        await here.process.ready()
        await until(here, lambda: is_partnered(here, 0), "it never got its partner")
        ballast = fill(self.disk, but_bytes=0)
        for _ in range(3):
            here.goes_on()
        reason = await gives_up(here)
        fill(self.disk, but_bytes=BIG_BYTES // 2)
        await without_room_for_one_file(here)
        ballast.unlink()
        await here.process.start()
        return {"reason": reason}


async def without_room_for_one_file(here: Place, file_bytes_max: int | None = None) -> None:
    """See that all else goes on, and that it is said why one attachment does not."""
    await here.process.start(file_bytes_max=file_bytes_max)
    await here.process.ready()
    await until(here, lambda: is_partnered(here, 0), "it never got its partner")
    life = here.lives[0]
    here.carrier.person_attaches(
        life.vendor_ticket, f"{life.token()} big.bin", bytes(BIG_BYTES), by="Tone Telenor"
    )
    await until(here, lambda: "spool" in here.process.said(200), "nobody was told")
    here.goes_on()
    await until(here, lambda: is_partnered(here, -1), "what came after did not go on")
    assert await here.process.stop() == 0
