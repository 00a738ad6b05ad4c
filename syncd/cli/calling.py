"""call: a vendor's calls that keeping tickets in step does not need."""

from typing import Annotated

import typer

from syncd.cli import finding, plants
from syncd.cli.frame import FINE, Cli, command
from syncd.cli.show.lines import columns, line
from syncd.model.errors import CommandRefused


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "call", panel="Administer")(call)


async def call(
    cli: Cli,
    connection: Annotated[str, typer.Argument(help="Whom to ask.")],
    name: Annotated[
        str | None, typer.Argument(help="Which call; without it, which there are.")
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE…", help="What it takes.")
    ] = None,
) -> int:
    """Make one of the vendor's other calls by its name, and print the answer as JSON."""
    settings = cli.settings(with_secrets=True)
    where = finding.need_connection(settings, connection)
    given = _pairs(arguments or [])
    async with plants.adapter(settings, where) as adapter:
        offered = adapter.calls()
        if name is None:
            rows = [(each, text) for each, text in sorted(offered.items())]
            none = [line(f"{where} offers no further calls")]
            cli.out.show({"connection": where, "calls": offered}, columns(rows) or none)
            return FINE
        if name not in offered:
            raise finding.no_such("call", name, sorted(offered))
        answer = await adapter.call(name, given)
    cli.out.document(answer)
    return FINE


def _pairs(words: list[str]) -> dict[str, str]:
    """Read `key=value` words.

    Raises:
        CommandRefused: one is none.
    """
    pairs = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise CommandRefused(f"{word!r} is no argument; accepted: KEY=VALUE")
        pairs[key] = value
    return pairs
