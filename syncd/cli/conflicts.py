"""conflicts: fields that both sides changed differently."""

from typing import Annotated

import typer

from syncd.cli import stores, writing
from syncd.cli.frame import FINE, Cli, command, group
from syncd.cli.show.lines import line
from syncd.model.ids import Side


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    made = group("conflicts", "Fields that both sides changed differently, frozen until decided.")
    command(made, "list")(list_conflicts)
    command(made, "resolve")(resolve)
    app.add_typer(made, rich_help_panel="Decide")


async def list_conflicts(cli: Cli) -> int:
    """List the conflicts that wait for a person."""
    from syncd.cli.show import conflicts as shown
    from syncd.store import conflicts

    settings = cli.settings_for_store()
    async with stores.looking(settings) as db:
        found = await db.read(conflicts.list_open)
    document = {"conflicts": found, "configuration_errors": settings.errors}
    cli.out.show(document, shown.listed(found, stores.now()))
    return FINE


async def resolve(
    cli: Cli,
    conflict: Annotated[int, typer.Argument(metavar="CONFLICT", help="Its number.", min=1)],
    *,
    keep: Annotated[Side, typer.Option(help="Whose value stays and is sent to the other side.")],
) -> int:
    """Decide a conflict: one side's value stays, the other's is kept in the journal."""
    told = await writing.carry_out(
        cli.settings_for_store(), "conflicts.resolve", {"id": conflict, "keep": str(keep)}
    )
    cli.out.show(told, [line(f"conflict {conflict}: the {keep} side's value stays")])
    return FINE
