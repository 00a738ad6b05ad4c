"""Builds everything, schedules the polls, owns the tasks, and stops in time.

Flow: `run_daemon` opens the store, settles who we are, builds transports and adapters from the
settings, starts intake, delivery, polls, housekeeping and the gateway under one supervisor, and
waits for a signal. SIGHUP reads the configuration anew and swaps the whole of it, or nothing.

Invariants: objects are built here and nowhere else; a service that crashes is started again, and
only a store that stays unusable ends the daemon; after SIGTERM it is over within `STOP_MAX_S`,
whatever hangs; what was being sent then is found again at the next start.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd.app.daemon import run_daemon
    from syncd.app.options import DaemonOptions, Started
    from syncd.app.places import socket_path, store_url
    from syncd.app.process import run

__all__ = ["DaemonOptions", "Started", "run", "run_daemon", "socket_path", "store_url"]

_HOMES = {
    "DaemonOptions": "options",
    "Started": "options",
    "run": "process",
    "run_daemon": "daemon",
    "socket_path": "places",
    "store_url": "places",
}


def __getattr__(name: str) -> object:
    """Import what is asked for: a small command does not pay for the whole daemon."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
