"""link: which tickets are partners, and pairing those that exist already."""

from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import finding, stores, writing
from syncd.cli.frame import FINE, Cli, command, group
from syncd.cli.show.lines import line
from syncd.model.errors import CommandRefused
from syncd.model.ids import ConnectionName, LinkRow, MappingName, Side

if TYPE_CHECKING:
    from syncd.core.rules import MappingRules
    from syncd.settings.values import Settings
    from syncd.store.database import Database

LISTED_MAX = 1_000
"""Links listed unless more are asked for: a hundred thousand take a minute to print."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    made = group("link", "Links: which tickets are partners.")
    command(made, "list")(list_links)
    command(made, "add")(add)
    command(made, "remove")(remove)
    app.add_typer(made, rich_help_panel="Decide")


async def list_links(
    cli: Cli,
    *,
    mapping: Annotated[
        str | None, typer.Option(help="Of this mapping only.", show_default=False)
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="The newest so many.")
    ] = LISTED_MAX,
) -> int:
    """List the links that are not removed, with what is open on each."""
    settings = cli.settings_for_store()
    from syncd.cli.show import links as shown
    from syncd.store import links

    if mapping is not None and not settings.errors:
        finding.need_mapping(settings, mapping)
    name = None if mapping is None else MappingName(mapping)
    async with stores.looking(settings) as db:
        found = await db.read(links.overview, mapping=name, limit=limit)
    document = {"links": found, "configuration_errors": settings.errors}
    cli.out.show(document, shown.listed(found, stores.now()))
    if len(found) == limit:
        cli.out.say(f"these are the newest {limit}; --limit shows more")
    return FINE


async def add(
    cli: Cli,
    mapping: Annotated[str, typer.Argument(help="The mapping that shall keep them in step.")],
    itsm_number: Annotated[str, typer.Argument(help="The ITSM ticket's number or id.")],
    vendor_number: Annotated[str, typer.Argument(help="The vendor ticket's number or id.")],
) -> int:
    """Pair two tickets that exist already.

    What differs becomes conflicts; earlier comments and attachments stay where they are.
    """
    settings = cli.settings()
    from syncd.cli.facts.traits import features_of
    from syncd.model.features import Reading

    rules = settings.mappings[finding.need_mapping(settings, mapping)]
    arguments: dict[str, object] = {"mapping": rules.name}
    for side, word in ((Side.ITSM, itsm_number), (Side.VENDOR, vendor_number)):
        connection = rules.itsm
        if side is Side.VENDOR:
            connection = await _vendor(settings, rules, word)
        arguments |= {
            f"{side}_connection": connection,
            f"{side}_kind": rules.kind(side),
            f"{side}_ticket": word.removeprefix(f"{connection}/"),
            f"{side}_watched": features_of(settings, connection).reading is Reading.WATCH,
        }
    told = await writing.carry_out(settings, "link.add", arguments)
    text = f"{itsm_number} and {vendor_number} are partners now; both are read at once"
    cli.out.show(told, [line(text)])
    return FINE


async def _vendor(settings: "Settings", rules: "MappingRules", word: str) -> "ConnectionName":
    """Say on which of a mapping's vendor connections a ticket is.

    Raises:
        CommandRefused: the mapping has several, and not exactly one of them knows the ticket.
    """
    from syncd.store import tickets

    accepted = rules.connections(Side.VENDOR)
    if len(accepted) == 1:
        return accepted[0]
    account, _, number = word.partition("/")
    if number and account in accepted:
        return ConnectionName(account)
    async with stores.looking(settings) as db:
        rows = await db.read(tickets.find_anywhere, word)
        known = (await db.read(tickets.load_tickets, rows)).values()
    found = sorted({each.connection for each in known} & set(accepted))
    if len(found) == 1:
        return found[0]
    said = f"{word} may be of {', '.join(accepted)}; say which: {accepted[0]}/{word}"
    raise CommandRefused(said)


async def remove(
    cli: Cli,
    word: Annotated[
        str, typer.Argument(metavar="LINK|TICKET", help="A link's number, or one of its tickets.")
    ],
) -> int:
    """Part two tickets; nothing is deleted anywhere, and adding them again goes on from there."""
    settings = cli.settings_for_store()
    link_id = int(word) if word.isdigit() else None
    if link_id is None:
        async with stores.looking(settings) as db:
            link_id = await _only_link(db, word)
    told = await writing.carry_out(settings, "link.remove", {"id": link_id})
    cli.out.show(told, [line(f"link {link_id} is removed")])
    return FINE


async def _only_link(db: "Database", word: str) -> LinkRow:
    """Give the one live link of a ticket.

    Raises:
        CommandRefused: there is none, or several.
    """
    from syncd.store import links

    ticket = await finding.the_ticket(db, word)
    found = [
        each for each in await db.read(links.links_of, ticket.row) if each.tombstone_at is None
    ]
    if len(found) == 1:
        return found[0].id
    which = ", ".join(f"{each.id} ({each.mapping})" for each in found)
    raise CommandRefused(
        f"{word} has several links; say which: {which}" if found else f"{word} has no link"
    )
