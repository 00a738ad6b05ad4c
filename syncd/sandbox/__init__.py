"""Simulators of the vendors' HTTP, written from their documents and from no adapter.

They import nothing of syncd, keep their own time, and record everything they receive.
"""

from collections.abc import Callable
from typing import Any

from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.faults import Fault, FaultKind
from syncd.sandbox.server import Sandbox, SandboxSettings
from syncd.sandbox.smartops import SmartOpsSandbox, SmartOpsSandboxSettings
from syncd.sandbox.telenor import TelenorSandbox, TelenorSandboxSettings

__all__ = [
    "SANDBOXES",
    "Fault",
    "FaultKind",
    "Sandbox",
    "SandboxClock",
    "SandboxSettings",
    "SmartOpsSandbox",
    "SmartOpsSandboxSettings",
    "TelenorSandbox",
    "TelenorSandboxSettings",
    "serve",
]


def _smartops(**options: Any) -> Sandbox:
    return SmartOpsSandbox(SmartOpsSandboxSettings(**options))


def _telenor(**options: Any) -> Sandbox:
    return TelenorSandbox(TelenorSandboxSettings(**options))


SANDBOXES: dict[str, Callable[..., Sandbox]] = {"smartops": _smartops, "telenor": _telenor}
"""Provider name to a factory taking the fields of its settings as keywords."""


async def serve(name: str, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Sandbox:
    """Start the sandbox of a provider and return it running; `base_url` says where.

    Args:
        name: a key of `SANDBOXES`.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        options: fields of the sandbox's settings.

    Raises:
        LookupError: there is no sandbox of that name.
    """
    if name not in SANDBOXES:
        raise LookupError(f"no sandbox {name}; there is: {', '.join(sorted(SANDBOXES))}")
    sandbox = SANDBOXES[name](**options)
    await sandbox.start(host, port)
    return sandbox
