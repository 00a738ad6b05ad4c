"""db: the store's schema, and the first thing after a restored backup."""

import typer

from syncd.cli import writing
from syncd.cli.frame import FINE, Cli, command, group
from syncd.cli.show.lines import line


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    made = group("db", "The store: its schema, and what to do after a restored backup.")
    command(made, "upgrade")(upgrade)
    command(made, "restored")(restored)
    app.add_typer(made, rich_help_panel="Administer")


async def upgrade(cli: Cli) -> int:
    """Make the store's tables, or bring an older schema up to date. No syncd may run on it."""
    settings = cli.settings()
    from syncd.app.places import store_url
    from syncd.store import schema, upgrading

    await upgrading.upgrade(store_url(settings.store))
    told = {"ok": True, "revision": schema.REVISION}
    cli.out.show(told, [line(f"the store's schema is {schema.REVISION}, as this syncd needs it")])
    return FINE


async def restored(cli: Cli) -> int:
    """Say that the store was restored from a backup.

    Every operation that was not settled counts as unknown: it is probed before it is sent.
    """
    from syncd.app.stored import PREFIX_CHARS
    from syncd.ports.clock import SystemIds

    prefix = SystemIds().token(PREFIX_CHARS)
    told = await writing.carry_out(cli.settings(), "db.restored", {"prefix": prefix})
    cli.out.show(told, [line("noted: what was not settled is probed before it is sent")])
    return FINE
