"""Runs the daemon as it is, and kills it the moment before its n-th commit to SQLite.

python tests/crash/mortal.py N run --config FILE

Python tells an audit hook of every connection that is opened, and SQLite a connection's trace of
every statement: so nothing of the daemon is changed. Death before the n-th commit is death anywhere
between the commit before it and this one.
"""

import os
import runpy
import signal
import sqlite3
import sys


def main() -> None:
    """Arm the trap and become the daemon."""
    left = int(sys.argv.pop(1))

    def heard(statement: str) -> None:
        nonlocal left
        if statement == "COMMIT":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def opened(event: str, arguments: tuple[object, ...]) -> None:
        if event == "sqlite3.connect/handle" and isinstance(arguments[0], sqlite3.Connection):
            arguments[0].set_trace_callback(heard)

    sys.addaudithook(opened)
    sys.path[0] = os.getcwd()
    runpy.run_module("syncd", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
