"""What a program wrote to the disk, flush by flush, as `strace` saw it; and disks after power cuts.

A power cut loses what was written to a file after its last fsync, and names made, changed or
removed after the last fsync of their folder; or keeps any part of it.
"""

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
DATA_BYTES_MAX = 1_000_000
TRACE_MAX_S = 120.0

_LINE = re.compile(rb"^(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_HANDLE = re.compile(rb"^(\d+)<([^>]*)>")


class Kept(Enum):
    """What of that which was not flushed is there after the cut."""

    NOTHING = "nothing"
    SOME = "some"
    ALL = "all"


@dataclass(slots=True)
class _File:
    """One file: what is surely on the disk, and writes since then."""

    sure: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def after(self, kept: Kept, chance: random.Random) -> bytes:
        found = bytearray(self.sure)
        for at, data in self.since:
            if kept is Kept.ALL or (kept is Kept.SOME and chance.random() < 0.5):
                _apply(found, at, data)
        return bytes(found)

    def flush(self) -> None:
        for at, data in self.since:
            _apply(self.sure, at, data)
        self.since.clear()

    @property
    def length(self) -> int:
        return len(self.after(Kept.ALL, random.Random(0)))


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        del content[at:]
        content.extend(bytes(max(0, at - len(content))))
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(data)] = data


@dataclass(frozen=True, slots=True)
class _Call:
    at_s: float
    name: str
    arguments: bytes
    result: int


class Disk:
    """A folder's files as they were before a program, and as each of its calls changed them."""

    def __init__(self, folder: Path) -> None:
        """Take what lies there for surely written."""
        self._folder = folder
        self._now = {
            str(path): _File(bytearray(path.read_bytes()))
            for path in folder.rglob("*")
            if path.is_file()
        }
        self._sure = dict(self._now)

    def change(self, call: _Call) -> bool:
        """Do what a call did; True when it made something sure."""
        handle = _HANDLE.match(call.arguments)
        path = _plain(handle[2]) if handle else ""
        if call.name in ("fsync", "fdatasync"):
            return self._flush(path)
        if handle and path in self._now:
            file = self._now[path]
            if call.name == "pwrite64":
                at = int(call.arguments.rsplit(b",", 1)[1])
                file.since.append((at, _texts(call.arguments)[0][: call.result]))
            elif call.name == "write":
                file.since.append((file.length, _texts(call.arguments)[0][: call.result]))
            elif call.name == "ftruncate":
                file.since.append((int(call.arguments.rsplit(b",", 1)[1]), None))
            return False
        self._name(call)
        return False

    def _name(self, call: _Call) -> None:
        names = [text.decode() for text in _texts(call.arguments)]
        if call.name == "openat" and self._is_here(names[0]) and b"O_CREAT" in call.arguments:
            file = self._now.setdefault(names[0], _File())
            if b"O_TRUNC" in call.arguments:
                file.since.append((0, None))
        elif call.name.startswith("rename") and self._is_here(names[0]):
            self._now[names[1]] = self._now.pop(names[0])
        elif call.name.startswith("unlink") and self._is_here(names[0]):
            self._now.pop(names[0], None)

    def _is_here(self, path: str) -> bool:
        return path.startswith(f"{self._folder}/")

    def _flush(self, path: str) -> bool:
        if path in self._now:
            self._now[path].flush()
            return True
        inside = [name for name in {**self._sure, **self._now} if str(Path(name).parent) == path]
        for name in inside:
            self._sure.pop(name, None)
            if name in self._now:
                self._sure[name] = self._now[name]
        return bool(inside)

    def cut(self, to: Path, kept: Kept, chance: random.Random) -> None:
        """Write down, below another folder, what a power cut now would leave."""
        files = self._now if kept is Kept.ALL else self._sure
        for name, file in files.items():
            path = to / Path(name).relative_to(self._folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.after(kept, chance))


def traced(command: Sequence[str], *, cwd: Path, into: Path) -> list[_Call]:
    """Run a program under `strace`; give what it did to files, in order.

    Args:
        command: the program.
        cwd: where it runs.
        into: an empty folder, for the traces.
    """
    strace = ["strace", "-ff", "-qq", "-ttt", "-y", "-xx", "-s", str(DATA_BYTES_MAX)]
    running = [*strace, "-e", f"trace={CALLS}", "-o", str(into / "calls"), *command]
    subprocess.run(running, cwd=cwd, check=True, timeout=TRACE_MAX_S, stdout=subprocess.DEVNULL)
    return sorted(_calls(into), key=lambda call: call.at_s)


def _calls(folder: Path) -> Iterator[_Call]:
    for path in folder.iterdir():
        for line in path.read_bytes().splitlines():
            found = _LINE.match(line)
            if found and int(found[4]) >= 0:
                yield _Call(float(found[1]), found[2].decode(), found[3], int(found[4]))


def said(call: _Call) -> str:
    """Give what a call wrote to standard output; empty: it did not."""
    if call.name != "write" or not call.arguments.startswith(b"1<"):
        return ""
    return _texts(call.arguments)[0].decode()


def _texts(arguments: bytes) -> list[bytes]:
    return [bytes.fromhex(each.replace(b"\\x", b"").decode()) for each in _TEXT.findall(arguments)]


def _plain(path: bytes) -> str:
    if path.startswith(b"\\x"):
        path = bytes.fromhex(path.replace(b"\\x", b"").decode())
    return path.decode()
