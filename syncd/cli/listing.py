"""status and log: how things stand, and what happened."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import finding, instants, stores, writing
from syncd.cli.frame import FINE, FOUND, Cli, command

if TYPE_CHECKING:
    from syncd.cli.facts.journal import Reading, ToldLine
    from syncd.store.database import Database

PANEL = "Look"
FOLLOW_S = 0.5
"""Seconds between two looks for new lines."""
LINES_MAX = 10_000


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "status", panel=PANEL)(status)
    command(app, "log", panel=PANEL)(log)


async def status(cli: Cli) -> int:
    """Show on one screen what needs a person, what is late, and how all parts are.

    Exit status 1 when something needs a person or is late.
    """
    settings = cli.settings_for_store()
    from syncd.cli.facts import status as facts
    from syncd.cli.show import status as show

    info = await writing.daemon_info(settings)
    async with stores.looking(settings) as db:
        found = await db.read(facts.gather, settings, info, stores.now())
    cli.out.show(show.document(found), show.lines(found), cut=True)
    return FOUND if found.needs or found.late else FINE


async def log(
    cli: Cli,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    mapping: Annotated[
        str | None, typer.Option(help="Of this mapping only.", show_default=False)
    ] = None,
    connection: Annotated[
        str | None, typer.Option(help="Of this connection only.", show_default=False)
    ] = None,
    ticket: Annotated[
        str | None, typer.Option(help="Of this ticket and its links only.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option(help=instants.HELP, metavar="WHEN", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=LINES_MAX, help="The newest so many.")] = 200,
) -> int:
    """Show the journal: what was seen, decided, sent and answered, and who changed what."""
    settings = cli.settings_for_store()
    from syncd.cli.facts.journal import Reading
    from syncd.store.records import JournalFilter

    if mapping is not None and not settings.errors:
        finding.need_mapping(settings, mapping)
    if connection is not None and not settings.errors:
        finding.need_connection(settings, connection)
    where = JournalFilter(
        connection=connection, mapping=mapping, since=instants.since(since, stores.now())
    )
    async with stores.looking(settings) as db:
        row = None if ticket is None else (await finding.the_ticket(db, ticket)).row
        reader = _Reader(cli, db, Reading(where=where, ticket=row), settings.errors)
        await reader.show_newest(limit, one_by_one=follow)
        if follow:
            await reader.follow()
    return FINE


@dataclass(slots=True)
class _Reader:
    """Shows the journal, and goes on with what is added."""

    cli: Cli
    db: "Database"
    reading: "Reading"
    errors: tuple[str, ...]
    last_id: int = 0
    day: str = field(default="")

    async def show_newest(self, limit: int, *, one_by_one: bool) -> None:
        """Show the newest lines there are."""
        from syncd.cli.facts import journal as facts
        from syncd.store import journal

        self.last_id = await self.db.read(journal.last_id)
        found = await self.db.read(facts.newest, self.reading, limit)
        if self.cli.out.json and not one_by_one:
            self.cli.out.document({"lines": found, "configuration_errors": self.errors})
        else:
            self._show(found)

    async def follow(self) -> None:
        """Show what is added, until interrupted."""
        from syncd.cli.facts import journal as facts
        from syncd.ports.clock import SystemClock

        clock = SystemClock()
        while True:
            found = await self.db.read(facts.after, self.reading, self.last_id)
            self._show(found)
            if not found:
                await clock.sleep(FOLLOW_S)

    def _show(self, found: "list[ToldLine]") -> None:
        from syncd.cli.show.journal import lines

        if found:
            self.last_id = max(self.last_id, found[-1].id)
        if self.cli.out.json:
            for one in found:
                self.cli.out.document_line(one)
            return
        made, self.day = lines(found, self.day)
        self.cli.out.lines(made)
