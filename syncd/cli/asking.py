"""watch, resync, pause, resume: what the daemon shall read again, or leave alone."""

from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import finding, instants, stores, writing
from syncd.cli.finding import SubjectKind
from syncd.cli.frame import FINE, Cli, command
from syncd.cli.show.lines import line
from syncd.cli.text import count
from syncd.model.errors import CommandRefused

if TYPE_CHECKING:
    from syncd.model.ids import ConnectionName
    from syncd.settings.values import Settings

PANEL = "Decide"
SUBJECT = "TICKET|MAPPING|CONNECTION"
SubjectArgument = Annotated[
    str, typer.Argument(metavar=SUBJECT, help="A ticket's number or id, or a name.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "watch", panel=PANEL)(watch)
    command(app, "resync", panel=PANEL)(resync)
    command(app, "pause", panel=PANEL)(pause)
    command(app, "resume", panel=PANEL)(resume)


async def watch(
    cli: Cli,
    connection: Annotated[str, typer.Argument(help="Where the tickets are.")],
    numbers: Annotated[list[str], typer.Argument(metavar="NUMBER…", help="Their numbers.")],
    *,
    kind: Annotated[
        str | None, typer.Option(help="Their kind, where there are several.", show_default=False)
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Watch them no more.")] = False,
) -> int:
    """Make tickets known by their numbers: they are read now, and again and again."""
    settings = cli.settings()
    name = finding.need_connection(settings, connection)
    of_kind = _kind(settings, name, kind)
    told = []
    for number in numbers:
        arguments = {"connection": name, "kind": of_kind, "number": number, "stop": stop}
        told.append(await writing.carry_out(settings, "watch", arguments))
    how = "not watched any more" if stop else "watched, and read at once"
    cli.out.show({"watched": told}, [line(f"{number}: {how}") for number in numbers])
    return FINE


def _kind(settings: "Settings", name: "ConnectionName", wanted: str | None) -> str:
    """Say which kind of ticket is meant: the named one, else the only one that mappings use."""
    from syncd.cli.facts.traits import features_of
    from syncd.model.ids import Side

    known = sorted(features_of(settings, name).kinds)
    if wanted is not None:
        if wanted not in known:
            raise finding.no_such("kind of ticket", wanted, known)
        return wanted
    used = {
        rules.kind(side)
        for rules in settings.mappings.values()
        for side in Side
        if name in rules.connections(side)
    } or set(known)
    if len(used) > 1:
        raise CommandRefused(f"say which kind of ticket: --kind {' or --kind '.join(sorted(used))}")
    return used.pop()


async def resync(
    cli: Cli,
    subject: SubjectArgument,
    *,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help=instants.HELP, show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many tickets.", show_default=False)
    ] = None,
) -> int:
    """Read tickets again and decide about them anew; of a mapping, a connection, or one."""
    settings = cli.settings_for_store()
    arguments = await _about(settings, subject)
    at = instants.since(since, stores.now())
    if at is not None:
        arguments["since"] = at.isoformat()
    if limit is not None:
        arguments["limit"] = limit
    told = await writing.carry_out(settings, "resync", arguments)
    number = int(told.get("tickets", 0))
    cli.out.show(told, [line(f"{count(number, 'ticket')} will be read and decided about anew")])
    return FINE


async def pause(
    cli: Cli,
    subject: SubjectArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; shown to whoever wonders.")] = "",
) -> int:
    """Stop writing for a ticket or a mapping, or all traffic of a connection.

    What is planned waits until it is resumed.
    """
    settings = cli.settings_for_store()
    arguments = await _about(settings, subject) | {"reason": reason}
    told = await writing.carry_out(settings, "pause", arguments)
    cli.out.show(told, [line(f"{subject} is paused; to go on: syncd resume {subject}")])
    return FINE


async def resume(cli: Cli, subject: SubjectArgument) -> int:
    """Let what was paused go on: what it held is accepted with it, and told.

    `syncd status` and `syncd ops list` show beforehand why it paused and what it holds.
    """
    settings = cli.settings_for_store()
    told = await writing.carry_out(settings, "resume", await _about(settings, subject))
    held = told.get("held")
    lines = [line(f"{subject} goes on")]
    if isinstance(held, dict):
        lines += [line(f"  with {count(int(n), f'held {kind}')}") for kind, n in held.items()]
    cli.out.show(told, lines)
    return FINE


async def _about(settings: "Settings", word: str) -> dict[str, object]:
    """Say what a command is about, as the store's commands want it.

    Raises:
        CommandRefused: nothing of that name is known to the store.
    """
    async with stores.looking(settings) as db:
        known = await db.read(finding.stored)
        # Broken files do not name everything that a daemon works with.
        names = known if settings.errors else finding.configured(settings)
        kind, name = finding.subject(names, word)
        if kind is SubjectKind.TICKET:
            ticket = await finding.the_ticket(db, name, settings)
            # Two systems may have the number; only one ticket has the id.
            by_id = ":" in word and ticket.external_id
            called = ticket.external_id if by_id else ticket.number or ticket.external_id
            return {"kind": str(kind), "name": called}
    if name not in known[kind]:
        raise CommandRefused(
            f"the {kind} {name} is configured, but no daemon has loaded it yet: start or reload it"
        )
    return {"kind": str(kind), "name": name}
