"""What `run_daemon` takes beside the settings; everything has the value a real run needs."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syncd.log import Redactor
from syncd.ports.clock import Clock, IdSource, SystemClock, SystemIds
from syncd.settings.load import load
from syncd.settings.values import LogSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Where a daemon that is up can be reached.

    Attributes:
        port: of its HTTP port.
        socket: the operators' socket; None on PostgreSQL, where commands go to the database.
    """

    port: int
    socket: Path | None


def _ignore(_told: object) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonOptions:
    """How a daemon is run.

    Attributes:
        clock, ids: time and randomness.
        environ: the environment, for systemd.
        load: reads the configuration anew for a reload.
        port_file: where the actual HTTP port is written; None: nowhere.
        signals: handle SIGTERM, SIGINT and SIGHUP.
        stop: set to stop, as SIGTERM does.
        hurry: set to stop at once what does not stop by itself, as a second SIGTERM does.
        reload: set to reload, as SIGHUP does.
        store_grace_s: seconds the store may fail before the daemon gives up; None: by its kind.
        started: told once when all services run.
        redactor: of the log, told about the configuration's secrets.
        set_log: sets the log up anew after a reload.
    """

    clock: Clock = field(default_factory=SystemClock)
    ids: IdSource = field(default_factory=SystemIds)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    load: Callable[[Path], Settings] = load
    port_file: Path | None = None
    signals: bool = True
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)
    store_grace_s: float | None = None
    started: Callable[[Started], None] = _ignore
    redactor: Redactor = field(default_factory=Redactor)
    set_log: Callable[[LogSettings], None] = _ignore
