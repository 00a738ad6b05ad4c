"""run, demo, sandbox: what goes on until it is stopped."""

import asyncio
import gc
import importlib
from pathlib import Path
from typing import Annotated

import typer

from syncd.cli.frame import FAILED, FINE, Cli, command
from syncd.model.errors import CommandRefused

PANEL = "Run"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "run", panel=PANEL)(run)
    command(app, "demo", panel=PANEL)(demo)
    command(app, "sandbox", panel=PANEL)(sandbox)


def run(
    cli: Cli,
    *,
    port_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the actual HTTP port there.", show_default=False),
    ] = None,
) -> int:
    """Run the daemon until it is told to stop.

    SIGTERM and Ctrl-C stop it, a second one at once; SIGHUP reads the configuration anew.
    """
    path = cli.config_path()
    # Until the daemon stands, which turns it on: nothing that is imported is garbage, and looking
    # at it again and again takes a fifth of the start.
    gc.disable()
    try:
        from syncd.app import run as run_process

        return FINE if run_process(path, port_file=port_file) == 0 else FAILED
    finally:
        gc.enable()


def demo(
    cli: Cli,
    *,
    seconds: Annotated[
        float, typer.Option("--for", metavar="SECONDS", help="How long people act.")
    ] = 20.0,
    seed: Annotated[
        int | None, typer.Option(help="Makes the run repeatable.", show_default=False)
    ] = None,
    faults: Annotated[
        bool, typer.Option("--faults", help="The simulated systems misbehave.")
    ] = False,
    kills: Annotated[int, typer.Option(help="Kill the daemon so often while people act.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's folder.")] = False,
    vendors: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Only these, such as telenor,b612.", show_default=False),
    ] = None,
) -> int:
    """Show an ITSM and its vendors being kept in step, all simulated, by a real daemon."""
    demonstration = importlib.import_module("syncd.demo")
    options_of = importlib.import_module("syncd.demo.options").DemoOptions
    try:
        options = options_of(
            seconds=seconds,
            seed=seed,
            faults=faults,
            kills=kills,
            json=cli.out.json,
            keep=keep,
            vendors=tuple(filter(None, map(str.strip, (vendors or "").split(",")))),
        )
    except ValueError as error:
        raise CommandRefused(str(error)) from error
    return int(asyncio.run(demonstration.run_demo(options)))


async def sandbox(
    cli: Cli,
    provider: Annotated[str, typer.Argument(help="The system to play, such as telenor.")],
    *,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="Makes ids and oddities repeatable.")] = 0,
) -> int:
    """Serve a simulated system until interrupted, to try a mapping against."""
    from syncd.cli.show.sandbox import document, lines
    from syncd.sandbox import serve

    try:
        served = await serve(provider, host, port, seed=seed)
    except LookupError as error:
        raise CommandRefused(str(error.args[0])) from error
    except OverflowError as error:
        raise CommandRefused(f"there is no port {port}; accepted: 0 to 65535") from error
    try:
        told = document(provider, served.base_url, getattr(served, "settings", None))
        cli.out.show(told, lines(told))
        await asyncio.Event().wait()
    finally:
        await served.stop()
    return FINE
