"""explain: what was seen, decided, sent and answered about one ticket, and why it waits."""

from typing import Annotated

import typer

from syncd.cli import finding, stores
from syncd.cli.finding import TICKET_WORD
from syncd.cli.frame import FINE, FOUND, Cli, command
from syncd.cli.show.lines import line


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, "explain", panel="Look")(explain)


async def explain(
    cli: Cli,
    ticket: Annotated[str, typer.Argument(help=TICKET_WORD)],
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="The whole history, not only its newest part.")
    ] = False,
) -> int:
    """Tell a ticket's story: its partner, what happened, what waits, why, and what to do.

    Exit status 1 when no such ticket is known.
    """
    settings, ticket = cli.settings_for_store(), finding.not_empty(ticket)
    from syncd.cli.facts import explain as facts
    from syncd.cli.show import explain as show

    now = stores.now()
    errors = {"configuration_errors": settings.errors}
    async with stores.looking(settings) as db:
        found = await db.read(finding.tickets_named, ticket)
        if not found:
            unknown = await db.read(facts.unknown, settings, ticket, now)
            cli.out.show(show.unknown_document(unknown) | errors, show.unknown_lines(unknown))
            return FOUND
        told = [await db.read(facts.gather, settings, each.row, now) for each in found]
    if cli.out.json:
        documents = [show.document(each) for each in told]
        told_of = documents[0] if len(documents) == 1 else {"tickets": documents}
        cli.out.document(told_of | errors)
        return FINE
    for at, each in enumerate(told):
        cli.out.lines([*([line()] if at else []), *show.lines(each, everything=everything)])
    return FINE
