"""What people type: parses a command line, asks the store or the daemon, prints.

Flow: `main` runs the typer application of `application`; each module named after a group of
commands does the input and output of that group, `facts` reads what a command shows out of store
and settings, `show` turns such facts into lines, and `writing` carries what changes something to
the one process that may write.

Invariants: exit status 0 is fine, 1 found something, 2 could not run; with `--json` standard
output holds one JSON document (`log --follow` and `plan`'s like: one a line); no text of a ticket
reaches the terminal with a control character in it; a command that only looks never writes.
Heavy modules are imported where they are used, so that help and mistakes answer at once.
"""

import sys


def main() -> None:
    """Run the command line of this process."""
    from syncd.cli.application import run

    sys.exit(run(sys.argv[1:]))


__all__ = ["main"]
