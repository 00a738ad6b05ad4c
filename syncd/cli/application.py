"""The typer application: every command, gathered from its module."""

import itertools
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, cast

import typer

from syncd.cli import (
    adopting,
    asking,
    calling,
    checking,
    conflicts,
    database,
    explaining,
    links,
    listing,
    operations,
    planning,
    reconciling,
    running,
)
from syncd.cli.frame import FAILED, ConfigOption, JsonOption, remember
from syncd.cli.output import Output

HELP = """Keeps tickets in step between a customer's ITSM and its vendors, both ways.

Exit status: 0 fine, 1 found something, 2 could not run.
"""


# What every mistake of a command line is; typer itself names only some of them.
_MISTAKE = cast(type[Exception], typer.BadParameter.__mro__[1])


def make() -> typer.Typer:
    """Put the application together."""
    app = typer.Typer(
        name="syncd",
        help=HELP,
        no_args_is_help=True,
        # Its tracebacks would show local variables, and so whatever secrets they hold.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in (running, checking, listing, explaining, planning, reconciling):
        module.add_to(app)
    for module in (operations, conflicts, links, adopting, asking, calling, database):
        module.add_to(app)
    return app


def _version(is_asked: bool) -> None:
    if is_asked:
        from syncd import __version__

        typer.echo(f"syncd {__version__}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    config: ConfigOption = None,
    json: JsonOption = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_version, help="Say which version this is."
        ),
    ] = False,
) -> None:
    remember(ctx, config, json)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows no `✓` gets its number, not an error.
            stream.reconfigure(errors="backslashreplace")
    try:
        if _wants_json(arguments):
            return _flushed(_for_programs(arguments))
        make()(args=list(arguments), prog_name="syncd")
    except SystemExit as error:
        return _flushed(error.code if isinstance(error.code, int) else FAILED)
    return 0


def _wants_json(arguments: Sequence[str]) -> bool:
    return "--json" in itertools.takewhile(lambda word: word != "--", arguments)


def _for_programs(arguments: Sequence[str]) -> int:
    """Run a command line whose mistakes a program reads: they are one JSON document, too."""
    try:
        status = make()(args=list(arguments), prog_name="syncd", standalone_mode=False)
    except typer.Abort:
        return 1
    except _MISTAKE as error:
        told = getattr(error, "format_message", None)
        Output(json=True).failed([told() if told else str(error)], kind="usage")
        return FAILED
    return status if isinstance(status, int) else 0


def _flushed(status: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        from syncd.cli.frame import nobody_reads

        nobody_reads()
    return status
