"""ops: the outbox as an operator sees it, and the ways out of every parked state."""

from typing import Annotated

import typer

from syncd.cli import stores, writing
from syncd.cli.frame import FINE, Cli, command, group
from syncd.cli.show.lines import line

OperationArgument = Annotated[int, typer.Argument(metavar="OPERATION", help="Its number.", min=1)]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    made = group("ops", "Operations: intended writes that are open or wait for a person.")
    command(made, "list")(list_operations)
    command(made, "show")(show)
    command(made, "retry")(retry)
    command(made, "discard")(discard)
    command(made, "adopt")(adopt)
    app.add_typer(made, rich_help_panel="Decide")


async def list_operations(
    cli: Cli,
    *,
    parked: Annotated[bool, typer.Option("--parked", help="Only what waits for a person.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Each as `ops show` gives it.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 200,
) -> int:
    """List operations, oldest first."""
    settings = cli.settings_for_store()
    from syncd.cli.facts import operations as facts
    from syncd.cli.show import operations as shown
    from syncd.model.operation import OperationState
    from syncd.store import operations

    states = {OperationState.PARKED} if parked else (set(OperationState) if everything else None)
    async with stores.looking(settings) as db:
        found = await db.read(operations.list_operations, states=states, limit=limit)
        wholes = await db.read(facts.wholes, settings, found) if details else []
    now = stores.now()
    errors = {"configuration_errors": settings.errors}
    if details:
        documents = [shown.document(each, now) for each in wholes]
        cli.out.show({"operations": documents} | errors, shown.all_whole(wholes, now))
    else:
        cli.out.show({"operations": found} | errors, shown.listed(found, now))
    if len(found) == limit:
        cli.out.say(f"these are the first {limit}; --limit shows more")
    return FINE


async def show(cli: Cli, operation: OperationArgument) -> int:
    """Show an operation whole: what it writes, every try, why it waits, what can be done."""
    settings = cli.settings_for_store()
    from syncd.cli.facts import operations as facts
    from syncd.cli.show import operations as shown

    async with stores.looking(settings) as db:
        found = await db.read(facts.whole, settings, operation)
    cli.out.show(shown.document(found, stores.now()), shown.whole(found, stores.now()))
    return FINE


async def retry(
    cli: Cli,
    operation: OperationArgument,
    *,
    i_know: Annotated[
        bool, typer.Option("--i-know", help="It surely did not happen; send it without a probe.")
    ] = False,
) -> int:
    """Let a parked operation go on: probed first where it may have happened."""
    settings = cli.settings_for_store()
    from syncd.cli.facts import operations as facts

    async with stores.looking(settings) as db:
        found = await db.read(facts.whole, settings, operation)
    told = await writing.carry_out(
        settings,
        "ops.retry",
        {"id": operation, "i_know": i_know, "can_probe": found.can_probe},
    )
    cli.out.show(told, [line(f"operation {operation} goes on")])
    return FINE


async def discard(cli: Cli, operation: OperationArgument) -> int:
    """Give an operation up; its change counts as dealt with on the side it came from."""
    told = await writing.carry_out(cli.settings_for_store(), "ops.discard", {"id": operation})
    cli.out.show(told, [line(f"operation {operation} is given up")])
    return FINE


async def adopt(
    cli: Cli,
    operation: OperationArgument,
    external_id: Annotated[
        str,
        typer.Argument(
            metavar="[ID]",
            help="Of what it made: the ticket's number or id, the comment's or attachment's id.",
        ),
    ] = "",
) -> int:
    """Say that an operation happened, and what it made."""
    arguments = {"id": operation, "external_id": external_id}
    told = await writing.carry_out(cli.settings_for_store(), "ops.adopt", arguments)
    cli.out.show(told, [line(f"operation {operation} counts as done: {external_id}")])
    return FINE
