"""adopt: pairing the tickets that exist on both sides when a mapping begins."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import finding
from syncd.cli.frame import FAILED, FINE, FOUND, Cli, command
from syncd.model.errors import CommandRefused
from syncd.model.ids import ConnectionName, Side

if TYPE_CHECKING:
    from syncd.cli.facts.adopt import Findings, Site, Tell
    from syncd.core.pairing import Known, Match
    from syncd.core.rules import MappingRules

LINKED_AT_ONCE = 200
"""Pairs linked in one transaction: an interruption loses no more than these, for a moment."""


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    command(app, "adopt", panel="Decide")(adopt)


async def adopt(
    cli: Cli,
    *,
    mapping: Annotated[str, typer.Option(help="The mapping that shall keep them in step.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be linked.")
    ] = False,
    itsm_numbers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="ITSM tickets to read, one a line.")
    ] = None,
    vendor_numbers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Vendor tickets likewise; ACCOUNT/NUMBER of several."),
    ] = None,
    pace: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Part of each connection's rate to use.")
    ] = 0.5,
    open_unmatched: Annotated[
        bool, typer.Option("--open-unmatched", help="Open partners for tickets without one.")
    ] = False,
    side: Annotated[
        Side | None, typer.Option(help="Whose tickets get partners; else both sides'.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Partners opened at most; oldest tickets first.")
    ] = None,
) -> int:
    """Pair tickets that exist on both sides already, by the references they carry.

    Only what is unambiguous is linked. Run it again after an interruption: it goes on. Exit status
    1 when something is doubtful, 2 when a system could not be read: then nothing is linked.
    """
    settings = cli.settings(with_secrets=True)
    from syncd.cli.facts.adopt import ConfiguredSite, Gathering, Wish
    from syncd.cli.show import adopt as show

    rules = settings.mappings[finding.need_mapping(settings, mapping)]
    if open_unmatched and limit is None:
        raise CommandRefused("--open-unmatched needs --limit: how many partners are opened at most")
    numbers = _numbers(rules, Side.ITSM, itsm_numbers)
    numbers |= _numbers(rules, Side.VENDOR, vendor_numbers)
    with _progress() as tell:
        wish = Wish(numbers=numbers, share=pace, keep=not dry_run, tell=tell)
        site = ConfiguredSite(settings)
        found = await Gathering(site, rules, wish).find()
        done: dict[str, object] = {"dry_run": dry_run}
        if not dry_run and not found.failed:
            if open_unmatched:
                done |= await open_partners(site, rules, wanted(found, side), limit or 0)
            else:
                done |= await link_matches(site, rules, found, tell)
    cli.out.show(show.document(found, done), show.lines(found, done))
    if found.failed:
        return FAILED
    return FOUND if found.pairing.doubtful or done.get("refused") else FINE


# --- what is read -------------------------------------------------------------------------------


def _numbers(
    rules: "MappingRules", side: Side, file: Path | None
) -> dict[ConnectionName, list[str]]:
    """Read numbers from a file, by connection.

    Raises:
        CommandRefused: the file cannot be read, or does not say of which account a number is.
    """
    if file is None:
        return {}
    try:
        listed = file.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandRefused(f"{file} cannot be read: {error}") from error
    accepted = rules.connections(side)
    found: dict[ConnectionName, list[str]] = {}
    for word in dict.fromkeys(listed):
        account, _, number = word.partition("/")
        if number and account in accepted:
            found.setdefault(ConnectionName(account), []).append(number)
        elif len(accepted) == 1:
            found.setdefault(accepted[0], []).append(word)
        else:
            raise CommandRefused(
                f"{file}: {word} may be of {', '.join(accepted)}; write {accepted[0]}/{word}"
            )
    return found


@contextmanager
def _progress() -> "Iterator[Tell]":
    """Show on a terminal how far each connection is."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    console = Console(stderr=True)
    shown = sys.stderr.isatty()
    with Progress(console=console, transient=True, disable=not shown) as progress:

        def tell(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield tell


# --- what is done -------------------------------------------------------------------------------


async def link_matches(
    site: "Site", rules: "MappingRules", found: "Findings", tell: "Tell"
) -> dict[str, object]:
    """Link the matches, some at a time."""
    matches = found.pairing.matches
    linked, refused = 0, []
    for start in range(0, len(matches), LINKED_AT_ONCE):
        pairs = [_arguments(site, rules, each) for each in matches[start:][:LINKED_AT_ONCE]]
        told = await site.carry_out("links.add", {"pairs": pairs})
        linked += int(told["linked"])
        refused += told["refused"]
        tell(ConnectionName("links"), start + len(pairs), len(matches))
    return {"linked": linked, "refused": refused}


def _arguments(site: "Site", rules: "MappingRules", match: "Match") -> dict[str, object]:
    from syncd.model.features import Reading

    arguments: dict[str, object] = {"mapping": rules.name}
    for side, known in ((Side.ITSM, match.itsm), (Side.VENDOR, match.vendor)):
        connection = known.who.connection
        arguments |= {
            f"{side}_connection": connection,
            f"{side}_kind": rules.kind(side),
            f"{side}_ticket": known.who.id,
            f"{side}_watched": site.config.traits[connection].features.reading is Reading.WATCH,
        }
    return arguments


def wanted(found: "Findings", side: Side | None) -> "list[Known]":
    """List the tickets whose partners the mapping would open, oldest first."""
    from syncd.core.pairing import Opens

    them = [
        each
        for one, listed in found.pairing.unmatched.items()
        if side in (None, one)
        for each in listed
        if each.opens is Opens.YES
    ]
    return sorted(them, key=lambda each: (str(each.created_at or ""), each.number))


async def open_partners(
    site: "Site", rules: "MappingRules", tickets: "list[Known]", limit: int
) -> dict[str, object]:
    """Ask for the partners of so many tickets; the daemon creates them as any other."""
    from syncd.store.adopting import PAIRS_MAX

    asked = 0
    chosen = tickets[:limit]
    for connection in dict.fromkeys(each.who.connection for each in chosen):
        ids = [each.who.id for each in chosen if each.who.connection == connection]
        for start in range(0, len(ids), PAIRS_MAX):
            arguments = {
                "mapping": rules.name,
                "connection": connection,
                "tickets": ids[start : start + PAIRS_MAX],
            }
            told = await site.carry_out("adopt.open", arguments)
            asked += int(told["asked"])
    return {"asked": asked, "left": len(tickets) - len(chosen)}
