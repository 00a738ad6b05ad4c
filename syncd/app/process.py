"""The daemon as a process: log, event loop, exit status."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from syncd.app.collector import calm
from syncd.app.daemon import run_daemon
from syncd.app.options import DaemonOptions
from syncd.log import LogFormat, LogOptions, Redactor, set_up
from syncd.settings.load import load
from syncd.settings.values import LogSettings
from syncd.store.errors import StoreUnavailable

_log = structlog.get_logger()


def run(config_path: Path, *, port_file: Path | None = None) -> int:
    """Run a daemon in this process until it is told to stop.

    Args:
        config_path: of syncd.yaml.
        port_file: where the actual HTTP port is written; None: nowhere.

    Returns:
        Exit status: 0 stopped as told, 1 the store cannot be used.

    Raises:
        SettingsError, CommandRefused: it cannot run so: exit status 2.
    """
    settings = load(config_path)
    redactor = Redactor()
    set_log = partial(_set_log, redactor)
    set_log(settings.log)
    calm()
    options = DaemonOptions(port_file=port_file, redactor=redactor, set_log=set_log)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(run_daemon(settings, config_path=config_path, options=options))
    except StoreUnavailable as err:
        _log.critical("app.store_unusable", reason=str(err))
        return 1


def _set_log(redactor: Redactor, log: LogSettings) -> None:
    set_up(LogOptions(level=log.level, format=LogFormat(log.format)), redactor=redactor)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # there is none for every system
        return None
    return uvloop.new_event_loop
