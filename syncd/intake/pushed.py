"""What a notification says, and what is said of it."""

from collections.abc import Mapping
from datetime import datetime

import orjson

from syncd.model.ids import TicketRow
from syncd.store.records import InboxItem, Line


def notified(
    item: InboxItem, now: datetime, event: str, detail: str, row: TicketRow | None
) -> Line:
    """Say in the journal what became of a notification."""
    return Line(at=now, event=event, detail=detail, connection=item.connection, ticket=row)


def numbers_of(body: str) -> tuple[str, ...]:
    """Read a notify's stored body: `{"numbers": […]}`; nothing when it is another."""
    try:
        parsed: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    numbers = parsed.get("numbers") if isinstance(parsed, Mapping) else None
    return tuple(str(each) for each in numbers) if isinstance(numbers, list) else ()
