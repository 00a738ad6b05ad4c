"""plan: what would be sent now, with the configuration's files as they are now."""

from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import finding, stores
from syncd.cli.finding import SubjectKind
from syncd.cli.frame import FINE, FOUND, Cli, command
from syncd.model.errors import CommandRefused

if TYPE_CHECKING:
    from syncd.cli.facts.plan import Scope
    from syncd.settings.values import Settings
    from syncd.store.database import Database


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, "plan", panel="Look")(plan)


async def plan(
    cli: Cli,
    subject: Annotated[
        str | None,
        typer.Argument(metavar="[MAPPING|TICKET]", help="Of this only.", show_default=False),
    ] = None,
    *,
    mapping: Annotated[
        str | None, typer.Option(help="Of this mapping only.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Links, and tickets, looked at.")] = 1000,
) -> int:
    """Show what would be sent, also after editing a mapping; sends and stores nothing.

    Exit status 1 when something would be sent.
    """
    settings = cli.settings()
    from syncd.cli.facts import plan as facts
    from syncd.cli.facts.traits import intake_config
    from syncd.cli.show import plan as show

    async with stores.looking(settings) as db:
        scope = await scope_of(settings, db, subject, mapping, limit=limit)
        found = await db.read(facts.gather, intake_config(settings), scope, stores.now())
    cli.out.show(show.document(found), show.lines(found, settings))
    return FINE if found.is_empty else FOUND


async def scope_of(
    settings: "Settings", db: "Database", subject: str | None, mapping: str | None, *, limit: int
) -> "Scope":
    """Say what a plan is about."""
    from syncd.cli.facts.plan import Scope

    name = None if mapping is None else finding.need_mapping(settings, mapping)
    if subject is None:
        return Scope(mapping=name, limit=limit)
    kind, word = finding.subject(finding.configured(settings), subject)
    if kind is SubjectKind.CONNECTION:
        raise CommandRefused(f"{word} is a connection; accepted: a mapping or a ticket")
    if kind is SubjectKind.MAPPING:
        return Scope(mapping=finding.need_mapping(settings, word), limit=limit)
    ticket = await finding.the_ticket(db, word, settings)
    return Scope(ticket=ticket.row, mapping=name, limit=limit)
