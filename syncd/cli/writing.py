"""Commands that change something, carried to the one process that may write (DESIGN section 5).

On SQLite a running daemon holds the lock: the command goes through its socket. Without a daemon the
lock is taken here. On PostgreSQL everyone may write.
"""

import getpass
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncd.cli import stores

if TYPE_CHECKING:
    from syncd.settings.values import Settings


def actor() -> str:
    """Say who gives a command: `cli:<user>`; behind sudo the one who called it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"cli:{os.environ.get('SUDO_USER') or user}"


async def carry_out(
    settings: "Settings",
    name: str,
    arguments: Mapping[str, object],
) -> dict[str, Any]:
    """Carry a command out, committed when this returns.

    Args:
        settings: the configuration.
        name: a key of the store's COMMANDS.
        arguments: of the command, JSON-like.

    Returns:
        What the command tells.

    Raises:
        CommandRefused: it does not apply, or another process than a daemon holds the store.
        StoreUnavailable: it could not be stored.
    """
    from syncd.app.places import socket_path
    from syncd.gateway.operators import ask

    path = socket_path(settings)
    body = {"name": name, "args": dict(arguments), "actor": actor()}
    try:
        told = None if path is None or not path.exists() else await ask(path, "command", body)
    except (ConnectionError, FileNotFoundError):
        told = None  # Left behind by a daemon that was killed: nobody is there.
    if told is None:
        told = await _directly(settings, name, arguments)
    return told if isinstance(told, dict) else {"result": told}


async def _directly(settings: "Settings", name: str, arguments: Mapping[str, object]) -> object:
    from syncd.app.places import store_url
    from syncd.store.commands import COMMANDS
    from syncd.store.database import Database

    stores.be_quiet()
    what = f"syncd {name}"
    async with await Database.open(store_url(settings.store), what=what) as db:
        return await db.write(COMMANDS[name], arguments, actor(), stores.now())


async def daemon_info(settings: "Settings") -> Mapping[str, Any] | None:
    """Ask a running daemon about itself; None where none answers."""
    from syncd.app.places import socket_path
    from syncd.gateway.operators import ask

    path = socket_path(settings)
    if path is None or not path.exists():
        return None
    try:
        told = await ask(path, "info")
    except (OSError, TimeoutError):
        return None
    return told if isinstance(told, Mapping) else None
