"""The fields of a connection's tickets: as declared, and with the values seen in the store."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from syncd.cli.finding import no_such
from syncd.core.evaluate import as_text
from syncd.model.ids import ConnectionName, TicketRow
from syncd.model.ticket import FieldInfo
from syncd.registry import PROVIDERS
from syncd.settings.values import Settings
from syncd.store import tickets
from syncd.store.database import Tx

TICKETS_MAX = 2_000
"""Newest tickets that values are gathered from."""
CHUNK = 250
VALUES_MAX = 8
"""Values shown of one field, the most frequent first."""
VALUE_CHARS_MAX = 60
"""Longer values are free text, not worth listing."""

Seen = Mapping[tuple[str, str], tuple[str, ...]]
"""(kind, field) -> values seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownField:
    """A field with what is known of it.

    Attributes:
        ticket_kind: the kind of ticket that has it.
        info: as the provider declares it.
        seen: values met in the store, the most frequent first.
    """

    ticket_kind: str
    info: FieldInfo
    seen: tuple[str, ...] = ()


def describe(settings: Settings, name: ConnectionName, kind: str | None) -> list[KnownField]:
    """List a connection's fields by kind of ticket.

    Raises:
        CommandRefused: it has no such kind.
    """
    connection = settings.connections[name]
    provider = PROVIDERS[connection.provider]
    kinds = sorted(provider.features(connection.options).kinds)
    if kind is not None and kind not in kinds:
        raise no_such("kind of ticket", kind, kinds)
    return [
        KnownField(ticket_kind=each, info=info)
        for each in kinds
        if kind in (None, each)
        for info in provider.fields(connection.options, each)
    ]


def values_seen(tx: Tx, name: ConnectionName) -> Seen:
    """Gather the values of a connection's newest tickets (a unit of the store)."""
    rows = list(tickets.known_rows(tx, name))[-TICKETS_MAX:]
    counted: dict[tuple[str, str], Counter[str]] = {}
    for chunk in _chunks(rows):
        for stored in tickets.load_tickets(tx, chunk).values():
            if stored.snapshot is None:
                continue
            for field, value in stored.snapshot.fields.items():
                text = as_text(value)
                if text and len(text) <= VALUE_CHARS_MAX:
                    counted.setdefault((stored.kind, field), Counter())[text] += 1
    return {
        key: tuple(text for text, _ in counter.most_common(VALUES_MAX))
        for key, counter in counted.items()
    }


def _chunks(rows: Sequence[TicketRow]) -> Iterator[list[TicketRow]]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        yield chunk


def with_seen(described: Sequence[KnownField], seen: Seen) -> list[KnownField]:
    """Put the values seen beside the declarations."""
    return [
        KnownField(
            ticket_kind=each.ticket_kind,
            info=each.info,
            seen=seen.get((each.ticket_kind, each.info.name), ()),
        )
        for each in described
    ]
