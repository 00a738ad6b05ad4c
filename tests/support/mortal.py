"""Children that do not outlive the test runner, however it ends."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def with_us(also: Callable[[], None] | None = None) -> Callable[[], None]:
    """Give what a child calls before it becomes a program: it is killed when we are gone.

    A runner that is killed runs no fixture's end. Linux alone has this; elsewhere nothing is done.

    Args:
        also: called in the child as well.
    """
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def bind() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
        if also is not None:
            also()

    return bind
