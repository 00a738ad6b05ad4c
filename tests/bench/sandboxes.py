"""Sandboxes in a process of their own, so that the vendor's work is not taken for ours.

Run by itself with `{NAME: {"provider", "options", "incidents", "aged_s", "file_bytes"}}` it says
`{NAME: {"url", "tickets", "attachment"}}` and serves until its input ends. A file is a hole of
that many bytes, served from the disk.
"""

import asyncio
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import uvloop

from syncd.sandbox import SANDBOXES, Sandbox, SandboxClock, TelenorSandbox
from tests.bench import process


def incident(number: int) -> dict[str, Any]:
    """Give what a person at Telenor types."""
    return {
        "subject": f"Link down at site {number}",
        "description": "No traffic since 02:50. " * 10,
        "priority": "High",
        "productCategoryName": "Ethernet Connect",
        "incidentType": "Annen type feil",
        "identificationNumber": f"LU-{number:08}",
        "organizationNumber": "912345678",
    }


def _prepare(sandbox: Sandbox, spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = {"tickets": []}
    if not isinstance(sandbox, TelenorSandbox):
        return told
    told["tickets"] = [
        sandbox.person_creates(incident(number)) for number in range(spec.get("incidents", 0))
    ]
    if spec.get("file_bytes"):
        path = folder / "attachment.bin"
        with path.open("wb") as file:
            file.truncate(spec["file_bytes"])
        told["attachment"] = sandbox.person_attaches(told["tickets"][0], path.name, path)
        small = folder / "small.bin"
        small.write_bytes(b"\1" * 2_000_000)
        told["small"] = sandbox.person_attaches(told["tickets"][0], small.name, small)
    return told


async def serve(specs: dict[str, dict[str, Any]], folder: Path) -> None:
    running: list[Sandbox] = []
    told: dict[str, Any] = {}
    for name, spec in specs.items():
        aged_s = spec.get("aged_s", 0)
        clock = SandboxClock(datetime.now(UTC) - timedelta(seconds=aged_s))
        spool = folder / name
        spool.mkdir()
        options = {"clock": clock, "spool_dir": spool, **spec.get("options", {})}
        sandbox = SANDBOXES[spec["provider"]](**options)
        await sandbox.start()
        running.append(sandbox)
        told[name] = _prepare(sandbox, spec, spool) | {"url": sandbox.base_url}
        clock.advance(aged_s)
        clock.resume()
    process.tell(told)
    await process.until_closed()
    await asyncio.gather(*(sandbox.stop() for sandbox in running))


def main() -> None:
    specs = orjson.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=sys.argv[2]) as folder:
        uvloop.run(serve(specs, Path(folder)))


if __name__ == "__main__":
    main()
