"""What all commands share: `--config` and `--json` anywhere, errors told plainly, exit statuses."""

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from syncd.cli.output import Output
from syncd.model.errors import BrokenInvariant, SettingsError, SyncdError

if TYPE_CHECKING:
    from syncd.settings.values import Settings

FINE, FOUND, FAILED = 0, 1, 2
"""Exit statuses: all is well; something was found; the command could not run."""
INTERRUPTED = 130

BROKEN_RULES = (
    "warning: the configuration's files have the errors above; a running daemon goes on with its"
    " last good configuration. What the store knows can be used; what needs the rules is left out."
)

P = ParamSpec("P")
T = TypeVar("T")

EVERYWHERE = "Everywhere"
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; else SYNCD_CONFIG, ./config/syncd.yaml, /etc/syncd/syncd.yaml.",
        rich_help_panel=EVERYWHERE,
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="One JSON document for programs.", rich_help_panel=EVERYWHERE),
]


@dataclass(slots=True)
class Given:
    """What was said before the command's name."""

    config: Path | None = None
    json: bool = False


@dataclass(slots=True)
class Cli:
    """What a command works with.

    Attributes:
        config: the file named by `--config`; None when it was not.
        out: where results go.
    """

    config: Path | None
    out: Output

    def config_path(self) -> Path:
        """Say which file is the configuration.

        Raises:
            SettingsError: there is none.
        """
        from syncd.settings.load import find_config

        return find_config(self.config)

    def settings(self, *, with_secrets: bool = False) -> "Settings":
        """Read the configuration.

        Args:
            with_secrets: secrets are needed, because a vendor is talked to; else one that cannot
                be read here is none of this command's business.

        Raises:
            SettingsError: with every problem.
        """
        from syncd.settings.load import load
        from syncd.settings.secrets import SecretSource

        return load(self.config_path(), secrets=SecretSource(needed=with_secrets))

    def settings_for_store(self) -> "Settings":
        """Read the configuration to show or decide what the store knows, whatever its rules are.

        Errors of connections, mappings and tables are told as a warning: a daemon works on beside
        them, and an operator's decision about what it has stored needs none of them.

        Raises:
            SettingsError: syncd.yaml does not say where the store is, with every problem.
        """
        from syncd.settings.load import load
        from syncd.settings.secrets import SecretSource

        settings = load(self.config_path(), secrets=SecretSource(needed=False), to_look=True)
        for error in settings.errors:
            self.out.say(error)
        if settings.errors:
            self.out.say(BROKEN_RULES)
        return settings


Function = Callable[Concatenate[Cli, P], int | Coroutine[Any, Any, int]]


def group(name: str, help_text: str) -> typer.Typer:
    """Make a group of commands; it takes `--config` and `--json` as well."""
    made = typer.Typer(name=name, help=help_text, no_args_is_help=True)
    made.callback()(remember)
    return made


def remember(ctx: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Keep what was said before the command's name."""
    before = ctx.obj if isinstance(ctx.obj, Given) else Given()
    ctx.obj = Given(config=config or before.config, json=json or before.json)


def command(
    app: typer.Typer, name: str, *, panel: str | None = None, hidden: bool = False
) -> Callable[[Function[P]], Function[P]]:
    """Make a function a command: it takes a `Cli` first and gives the exit status."""

    def register(function: Function[P]) -> Function[P]:
        def called(ctx: typer.Context, config: Any, json: Any, **arguments: Any) -> None:
            before = ctx.obj if isinstance(ctx.obj, Given) else Given()
            cli = Cli(config=config or before.config, out=Output(json=json or before.json))
            status = carry_out(cli, lambda: function(cli, **arguments))  # type: ignore[call-arg]
            raise typer.Exit(status)

        called.__doc__ = function.__doc__
        called.__name__ = function.__name__
        called.__module__ = function.__module__
        called.__signature__ = _with_options(function)  # type: ignore[attr-defined]
        called.__annotations__ = {}
        app.command(name, rich_help_panel=panel, hidden=hidden)(called)
        return function

    return register


def _with_options(function: Callable[..., object]) -> inspect.Signature:
    """Give a function's signature with the context and the options of every command."""
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        inspect.Parameter("config", keyword, default=None, annotation=ConfigOption),
        inspect.Parameter("json", keyword, default=False, annotation=JsonOption),
    ]
    return inspect.Signature([*(each.replace(kind=keyword) for each in own), *added])


def carry_out(cli: Cli, work: Callable[[], int | Coroutine[Any, Any, int]]) -> int:
    """Run a command and turn what goes wrong into a text and an exit status."""
    try:
        status = work()
        status = status if isinstance(status, int) else asyncio.run(status)
        sys.stdout.flush()
    except SettingsError as error:
        cli.out.failed(error.problems, kind="settings")
    except BrokenInvariant as error:
        _broke(cli, error)
    except SyncdError as error:
        cli.out.failed([str(error)], kind=type(error).__name__)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    except BrokenPipeError:
        nobody_reads()
        return FINE
    except Exception as error:  # noqa: BLE001 - the end of the line: told, and status 2, not 1
        _failed(cli, error)
    else:
        return status
    return FAILED


def _failed(cli: Cli, error: Exception) -> None:
    from syncd.ports.errors import RemoteError

    if isinstance(error, RemoteError):
        where = error.context.connection
        cli.out.failed([f"{where}: {error}" if where else str(error)], kind=type(error).__name__)
    elif isinstance(error, OSError):
        cli.out.failed([str(error)], kind="system")
    else:
        _broke(cli, error)


def _broke(cli: Cli, error: Exception) -> None:
    import traceback

    trace = "".join(traceback.format_exception(error))
    cli.out.failed([*trace.splitlines(), "this is a bug in syncd; please report it"], kind="bug")


def nobody_reads() -> None:
    """Let what is still to be written go nowhere: whoever read us went away."""
    # Python flushes once more at its end: then it must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
