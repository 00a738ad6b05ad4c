"""SIGTERM and SIGINT stop, the second one at once; SIGHUP reloads."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def handled(stop: asyncio.Event, hurry: asyncio.Event, reload: asyncio.Event) -> Iterator[None]:
    """Turn signals into events while the block lasts.

    Args:
        stop: set by the first SIGTERM or SIGINT.
        hurry: set by the next.
        reload: set by SIGHUP.
    """

    def terminate() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    handlers = {
        signal.SIGTERM: terminate, signal.SIGINT: terminate, signal.SIGHUP: reload.set,
    }  # fmt: skip
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
