"""db: the store's schema, and the first thing after a restored backup."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import writing
from syncd.cli.frame import FINE, Cli, command, group
from syncd.cli.show.lines import line

if TYPE_CHECKING:
    from syncd.settings.values import StoreSettings


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    made = group("db", "The store: its schema, and what to do after a restored backup.")
    command(made, "upgrade")(upgrade)
    command(made, "copy")(copy)
    command(made, "restored")(restored)
    command(made, "spool")(spool)
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


FromUrl = Annotated[
    str, typer.Argument(help="the store that is read: sqlite:////…, postgresql://…")
]
ToUrl = Annotated[str, typer.Argument(help="the store that is written; must be new or empty")]


async def copy(cli: Cli, from_url: FromUrl, to_url: ToUrl) -> int:
    """Copy the store to another database: SQLite to PostgreSQL, or back. No syncd may run on them.

    PostgreSQL's password is the settings' where the address is theirs, else PGPASSWORD's or that of
    ~/.pgpass. Files on their way lie in the spool, which is not copied.
    """
    from syncd.store import copying

    store = cli.settings().store
    source, target = _address(from_url, store), _address(to_url, store)
    rows = await copying.copy(source, target)
    filled = {name: count for name, count in rows.items() if count}
    told = {"ok": True, "rows": sum(rows.values()), "tables": rows}
    cli.out.show(
        told,
        [
            line(f"copied {sum(rows.values())} rows of {len(filled)} tables to {to_url}"),
            line(f"to use it: say so as `store.url`, and keep `store.spool: {store.spool}`"),
        ],
    )
    return FINE


def _address(url: str, store: "StoreSettings") -> str:
    """Give an address as the store takes it, with the settings' password where it is theirs.

    Raises:
        CommandRefused: it is none.
    """
    from syncd.app.places import store_url
    from syncd.model.errors import CommandRefused
    from syncd.settings.daemon import known_store

    try:
        known_store(url)
    except ValueError as error:
        raise CommandRefused(f"{url.partition('://')[0]}:…: {error}") from error
    return store_url(replace(store, url=url, password=store.password if url == store.url else None))


async def restored(cli: Cli) -> int:
    """Say that the store was restored from a backup.

    Every operation that was not settled counts as unknown: it is probed before it is sent. So is
    whatever is planned anew and may have been written in the lost time; links rest until both their
    tickets were read. What was pushed in the lost time is asked for by `syncd resync`.
    """
    from syncd.app.stored import PREFIX_CHARS
    from syncd.ports.clock import SystemIds

    prefix = SystemIds().token(PREFIX_CHARS)
    told = await writing.carry_out(cli.settings(), "db.restored", {"prefix": prefix})
    cli.out.show(told, [line("noted: what was not settled is probed before it is sent")])
    return FINE


async def spool(cli: Cli) -> int:
    """Say that the folder named as `store.spool` is the store's spool from now on.

    For one that was lost, or moved without its mark. The next daemon to start takes it; others of
    the same store need the same folder. Files that the folder lacks are counted.
    """
    from syncd.app.stored import MARK_CHARS
    from syncd.ports.clock import SystemIds
    from syncd.store.marking import read
    from syncd.store.spool import Spool

    settings = cli.settings()
    folder = settings.store.spool
    mark = read(folder) or SystemIds().token(MARK_CHARS)
    told = await writing.carry_out(settings, "db.spool", {"mark": mark})
    sizes = {digest: await Spool(folder).size(digest) for digest in told["in_use"]}
    missing = [digest for digest, size in sizes.items() if size is None]
    lines = [line(f"noted: the next daemon to start takes {folder} for the spool")]
    if missing:
        what = "those on their way are fetched again, those of served tickets need a backup"
        lines.append(line(f"{len(missing)} of {len(sizes)} files are not in it: {what}"))
    cli.out.show({"ok": True, "folder": str(folder), "missing": missing}, lines)
    return FINE
