"""reconcile: a slow full comparison of linked tickets, and its repair (DESIGN R12)."""

from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import finding, plants, stores, writing
from syncd.cli.frame import FINE, FOUND, Cli, command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from syncd.cli.facts.drift import Drifted
    from syncd.intake import IntakeConfig
    from syncd.model.ids import ConnectionName, Side
    from syncd.model.ticket import Ticket
    from syncd.ports.adapter import Adapter
    from syncd.settings.values import Settings
    from syncd.store.database import Database
    from syncd.store.records import LinkRecord


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, "reconcile", panel="Look")(reconcile)


async def reconcile(
    cli: Cli,
    mapping: Annotated[
        str | None, typer.Argument(metavar="[MAPPING]", help="Of this only.", show_default=False)
    ] = None,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Read every linked ticket first, one by one.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Let what differs be written, as shown.")
    ] = False,
    with_status: Annotated[
        bool, typer.Option("--with-status", help="Repair statuses as well; else only shown.")
    ] = False,
) -> int:
    """Compare the tickets of every link, and show what differs as a plan.

    Exit status 1 when something differs.
    """
    settings = cli.settings(with_secrets=live)
    from syncd.cli.facts import drift as facts
    from syncd.cli.facts.traits import intake_config
    from syncd.cli.show import drift as show

    name = None if mapping is None else finding.need_mapping(settings, mapping)
    config = intake_config(settings)
    async with stores.looking(settings) as db:
        records = await db.read(facts.linked, name)
        compared = _live(db, settings, config, records) if live else _stored(db, config, records)
        found = [each async for each in compared]
    cli.out.show(
        show.document(found, compared=len(records), live=live),
        show.lines(found, settings, compared=len(records), live=live),
    )
    if repair and found:
        await _repaired(cli, settings, found, with_status=with_status)
    return FOUND if found else FINE


async def _stored(
    db: "Database", config: "IntakeConfig", records: "list[LinkRecord]"
) -> "AsyncIterator[Drifted]":
    from syncd.cli.facts import drift as facts

    for record in records:
        found = await db.read(facts.compare, record.id, config, stores.now())
        if found is not None and not found.is_empty:
            yield found


async def _live(
    db: "Database", settings: "Settings", config: "IntakeConfig", records: "list[LinkRecord]"
) -> "AsyncIterator[Drifted]":
    """Read both tickets of each link, then compare; a link whose ticket is gone is told as such."""
    from contextlib import AsyncExitStack

    from syncd.cli.facts import drift as facts

    async with AsyncExitStack() as stack:
        adapters: dict[ConnectionName, Adapter] = {}
        for name in settings.connections:
            adapters[name] = await stack.enter_async_context(plants.adapter(settings, name))
        for record in records:
            read, gone = await _read(db, adapters, record)
            if gone:
                yield facts.Drifted(
                    link_id=record.id,
                    mapping=record.mapping,
                    vendor=record.vendor,
                    numbers={},
                    gone=gone,
                )
                continue
            found = await db.read(facts.compare, record.id, config, stores.now(), read)
            if found is not None and not found.is_empty:
                yield found


async def _read(
    db: "Database", adapters: "Mapping[ConnectionName, Adapter]", record: "LinkRecord"
) -> "tuple[dict[Side, Ticket], tuple[Side, ...]]":
    from syncd.ports.adapter import TicketRef
    from syncd.ports.errors import NotFound
    from syncd.store import tickets

    stored = await db.read(tickets.load_tickets, list(record.rows.values()))
    read: dict[Side, Ticket] = {}
    gone: list[Side] = []
    for side, row in record.rows.items():
        known = stored[row]
        if known.connection not in adapters:
            continue
        ref = TicketRef(kind=known.kind, id=known.external_id, number=known.number)
        try:
            read[side] = await adapters[known.connection].read(ref)
        except NotFound:
            gone.append(side)
    return read, tuple(gone)


async def _repaired(
    cli: Cli, settings: "Settings", found: "list[Drifted]", *, with_status: bool
) -> None:
    """Let the next decisions carry what differs; have what was not read yet read."""
    from syncd.cli import repairing
    from syncd.cli.text import count

    repaired = read = 0
    for each in found:
        arguments = repairing.arguments(each, with_status=with_status)
        if arguments["moves"]:
            await writing.carry_out(settings, repairing.COMMAND, arguments)
            repaired += 1
        if each.unseen or each.gone:
            for number in filter(None, each.numbers.values()):
                about = {"kind": "ticket", "name": number}
                await writing.carry_out(settings, "resync", about)
                read += 1
    cli.out.say(
        f"{count(repaired, 'link')} will be decided anew, {count(read, 'ticket')} read again; "
        f"`syncd ops list` shows the writes"
    )
