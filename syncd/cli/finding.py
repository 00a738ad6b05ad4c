"""What an operator's word names: a connection, a mapping, or a ticket by number or id."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from syncd.model.errors import CommandRefused
from syncd.model.ids import ConnectionName, MappingName

if TYPE_CHECKING:
    from syncd.settings.values import Settings
    from syncd.store.database import Database, Tx
    from syncd.store.records import StoredTicket

TICKET_WORD = "A ticket's number or id; CONNECTION:NUMBER where two systems have it."


class SubjectKind(StrEnum):
    """What a command may be about."""

    CONNECTION = "connection"
    MAPPING = "mapping"
    TICKET = "ticket"


def configured(settings: "Settings") -> Mapping[SubjectKind, Collection[str]]:
    """Give the names that a configuration has."""
    return {
        SubjectKind.CONNECTION: frozenset(settings.connections),
        SubjectKind.MAPPING: frozenset(settings.mappings),
    }


def stored(tx: "Tx") -> Mapping[SubjectKind, Collection[str]]:
    """Give the names that the store knows, whatever a configuration says (a unit of the store)."""
    from syncd.store import connections, mappings

    return {
        SubjectKind.CONNECTION: {str(each.pin.name) for each in connections.overview(tx)},
        SubjectKind.MAPPING: {str(each.name) for each in mappings.overview(tx)},
    }


def subject(names: Mapping[SubjectKind, Collection[str]], word: str) -> tuple[SubjectKind, str]:
    """Say what a word names; `mapping:NAME`, `connection:NAME` and `ticket:NUMBER` say it.

    Args:
        names: of connections and mappings.
        word: what was typed.

    Raises:
        CommandRefused: a connection and a mapping have this name, or none has the one named so.
    """
    kind, _, rest = word.partition(":")
    if rest and kind in set(SubjectKind):
        wanted = SubjectKind(kind)
        if wanted in names and rest not in names[wanted]:
            raise no_such(wanted, rest, sorted(names[wanted]))
        return wanted, rest
    word = not_empty(word)
    found = [each for each, known in names.items() if word in known]
    if len(found) > 1:
        raise CommandRefused(
            f"a connection and a mapping are called {word}; say connection:{word} or mapping:{word}"
        )
    return (found[0], word) if found else (SubjectKind.TICKET, word)


def not_empty(word: str) -> str:
    """Give a word without the spaces around it.

    Raises:
        CommandRefused: nothing is left of it.
    """
    if not word.strip():
        raise CommandRefused("an empty word names nothing; a ticket's number, or a name, is needed")
    return word.strip()


def no_such(kind: str, word: str, known: Sequence[str]) -> CommandRefused:
    """Make the refusal of a name nobody has, with the nearest there is."""
    import difflib

    close = difflib.get_close_matches(word, known, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return CommandRefused(f"there is no {kind} {word}{hint}; known: {', '.join(known) or 'none'}")


def need_connection(settings: "Settings", word: str) -> ConnectionName:
    """Give a connection's name back, if there is one.

    Raises:
        CommandRefused: there is none of that name.
    """
    if word not in settings.connections:
        raise no_such("connection", word, sorted(settings.connections))
    return ConnectionName(word)


def need_mapping(settings: "Settings", word: str) -> MappingName:
    """Give a mapping's name back, if there is one.

    Raises:
        CommandRefused: there is none of that name.
    """
    if word not in settings.mappings:
        raise no_such("mapping", word, sorted(settings.mappings))
    return MappingName(word)


def tickets_named(tx: "Tx", word: str) -> "list[StoredTicket]":
    """Find all tickets a word names (a unit of the store)."""
    from syncd.store import tickets

    connection, _, rest = word.partition(":")
    found = list(tickets.load_tickets(tx, tickets.find_anywhere(tx, word)).values())
    if not found and rest:
        name = ConnectionName(connection)
        rows = tickets.find_anywhere(tx, rest)
        found = [
            each for each in tickets.load_tickets(tx, rows).values() if each.connection == name
        ]
    return found


def _nearest(word: str, settings: "Settings | None") -> str:
    import difflib

    known = [*settings.connections, *settings.mappings] if settings else []
    close = difflib.get_close_matches(word, map(str, known), 1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


async def the_ticket(
    db: "Database", word: str, settings: "Settings | None" = None
) -> "StoredTicket":
    """Give the one ticket a word names.

    Args:
        db: where tickets are known.
        word: what was typed.
        settings: where the word might have been a connection's or mapping's name, mistyped.

    Raises:
        CommandRefused: none is known, or several.
    """
    found = await db.read(tickets_named, word)
    if not found:
        near = _nearest(word, settings)
        raise CommandRefused(
            f"no ticket {word} is known{near}; `syncd explain {word}` says why, "
            f"`syncd watch CONNECTION {word}` makes it known"
        )
    if len(found) > 1:
        words = ", ".join(sorted(f"{each.connection}:{each.number}" for each in found))
        raise CommandRefused(f"several tickets are called {word}; say which: {words}")
    return found[0]
