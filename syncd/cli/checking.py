"""check, fields, schema: the configuration, held against itself and the live systems."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import finding, plants, realms, stores
from syncd.cli.frame import FINE, FOUND, Cli, command
from syncd.model.errors import CommandRefused, SyncdError

if TYPE_CHECKING:
    from syncd.model.ids import ConnectionName
    from syncd.ports.adapter import CheckFinding
    from syncd.settings.values import Settings

PANEL = "Configure"


class SchemaOf(StrEnum):
    """The two kinds of file."""

    DAEMON = "daemon"
    MAPPING = "mapping"


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "check", panel=PANEL)(check)
    command(app, "fields", panel=PANEL)(fields)
    command(app, "schema", panel=PANEL)(schema)


async def check(
    cli: Cli,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the systems themselves as well; reads only.")
    ] = False,
    secrets: Annotated[
        bool, typer.Option(help="Look secrets up; where checks are made there may be none.")
    ] = True,
) -> int:
    """Read the whole configuration, run the mappings' tests; exit status 1 when one fails."""
    settings = cli.settings(with_secrets=secrets or live)
    from syncd.cli.facts import checks
    from syncd.cli.show import check as show
    from syncd.settings.run_tests import run_tests

    outcomes = run_tests(settings)
    notes = checks.notes(settings)
    found = await _asked(settings) if live else {}
    result = checks.Result(settings=settings, outcomes=outcomes, notes=notes, live=found)
    cli.out.show(show.document(result), show.lines(result))
    return FINE if result.is_fine else FOUND


async def _asked(settings: "Settings") -> "dict[ConnectionName, list[CheckFinding]]":
    """Ask every connection whether what the mappings expect of it holds."""
    from syncd.cli.facts import checks
    from syncd.ports.adapter import CheckFinding
    from syncd.ports.errors import RemoteError

    found: dict[ConnectionName, list[CheckFinding]] = {}
    for name in settings.connections:
        try:
            async with plants.adapter(settings, name) as adapter:
                asked = await adapter.check(checks.expectation(settings, name))
        except (RemoteError, CommandRefused) as error:
            asked = [CheckFinding(ok=False, what=f"{type(error).__name__}: {error}")]
        found[name] = [*asked, *await realms.asked(settings, name)]
    return found


async def fields(
    cli: Cli,
    connection: Annotated[str, typer.Argument(help="A connection's name.")],
    *,
    kind: Annotated[
        str | None, typer.Option(help="Of this kind of ticket only.", show_default=False)
    ] = None,
) -> int:
    """List a connection's fields: type, limit, when writable, accepted values, values seen."""
    settings = cli.settings()
    name = finding.need_connection(settings, connection)
    from syncd.cli.facts import fields as facts
    from syncd.cli.show import fields as show

    described = facts.describe(settings, name, kind)
    try:
        async with stores.looking(settings) as db:
            seen = await db.read(facts.values_seen, name)
    except SyncdError as error:
        seen = {}
        cli.out.say(f"no values seen: {error}")
    listed = facts.with_seen(described, seen)
    cli.out.show({"connection": name, "fields": listed}, show.lines(name, listed))
    return FINE


def schema(
    cli: Cli,
    of: Annotated[SchemaOf, typer.Argument(help="Which kind of file.")] = SchemaOf.DAEMON,
) -> int:
    """Print the JSON Schema of syncd.yaml or of a mapping, for editors."""
    from syncd.settings import schema as schemas

    keys = {SchemaOf.DAEMON: "syncd.yaml", SchemaOf.MAPPING: "mapping"}
    cli.out.document(schemas.schema()[keys[of]])
    return FINE
