"""Opening the store to look into it, beside whatever runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd.settings.values import Settings
    from syncd.store.database import Database


@asynccontextmanager
async def looking(settings: "Settings") -> "AsyncIterator[Database]":
    """Open the store for reading only; needs no lock and works beside a daemon.

    Raises:
        CommandRefused: there is none yet, or its schema is of another version.
        StoreUnavailable: it cannot be reached.
    """
    from syncd.app.places import store_url
    from syncd.store.database import Database

    be_quiet()
    async with await Database.open(store_url(settings.store), read_only=True) as db:
        yield db


def now() -> datetime:
    """Return the current instant, aware, UTC."""
    from syncd.ports.clock import SystemClock

    return SystemClock().now()


def be_quiet() -> None:
    """Keep logs off standard output: only warnings, on standard error."""
    from syncd.log import LogFormat, LogOptions, set_up

    set_up(LogOptions(level="warning", format=LogFormat.CONSOLE))
