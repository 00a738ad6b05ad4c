"""RT's payloads: typed, read tolerantly, never guessed (NOTES.md).

Ids are numbers in single objects and texts in lists; numbers elsewhere are texts; an unset date is
the epoch. What cannot be read is left out and named in `odd`; an answer that is not what it should
be at all is `Malformed`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

JsonObject = Mapping[str, object]
"""A JSON object on its way out: built here and in sending, read nowhere else."""

_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})Z")
_ID = re.compile(r"[1-9]\d{0,17}")
_SIZE = re.compile(r"\d{1,15}")
_LAST = re.compile(r"/([1-9]\d{0,17})/?$")
_Item = TypeVar("_Item")


class Malformed(ValueError):
    """An answer is not what REST2 gives, beyond what can be read tolerantly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user as named: `name` is the login, `real_name` empty where not told."""

    name: str
    real_name: str = ""

    @property
    def shown(self) -> str:
        """What people call them."""
        return self.real_name or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A status change that the ticket's lifecycle offers us now."""

    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDoc:
    """A ticket as told. Spec: NOTES.md, Tickets.

    Attributes:
        id: its own; for the id of a merged ticket, that of the one it was merged into.
        told: RT's name -> text, for texts and numbers.
        queue, lifecycle: empty where not told.
        owner: login; `Nobody` for none.
        requestors: logins, in RT's order.
        custom: name of a custom field -> its values, empty ones left out.
        transitions: what the lifecycle lets us do from here.
    """

    id: str
    told: Mapping[str, str]
    queue: str
    lifecycle: str
    owner: str
    creator: str
    requestors: tuple[str, ...]
    custom: Mapping[str, tuple[str, ...]]
    dates: Mapping[str, datetime]
    transitions: tuple[Transition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A ticket in the answer to a search.

    Attributes:
        updated: None where it was not asked for.
    """

    id: str
    status: str
    queue: str
    created: datetime | None
    updated: datetime | None
    custom: Mapping[str, tuple[str, ...]]
    transitions: tuple[Transition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transaction: something that happened to a ticket. Spec: NOTES.md, History."""

    id: str
    type: str
    field: str
    old: str
    new: str
    created: datetime | None
    creator: Person
    custom: Mapping[str, tuple[str, ...]]
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a transaction's message: its text, a file, or a container without content.

    Attributes:
        size: bytes of a file as RT counts them; None where not told.
        content: its text, where it was asked for.
    """

    id: str
    transaction: str
    name: str
    content_type: str
    size: int | None
    created: datetime | None
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDoc:
    """A queue as its API user sees it: name, lifecycle and the names of its custom fields."""

    id: str
    name: str
    lifecycle: str
    ticket_fields: tuple[str, ...]
    transaction_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_Item]):
    """A page of a collection; `length` counts what stood there, readable or not.

    Attributes:
        pages, total: None where RT does not tell them (the user is no superuser).
    """

    items: tuple[_Item, ...]
    odd: tuple[str, ...]
    length: int
    pages: int | None
    total: int | None


def parse_date(raw: object) -> datetime | None:
    """Read a date, always UTC and whole seconds; the epoch stands for none."""
    found = _DATE.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00")
    except ValueError:
        return None
    return None if at.timestamp() == 0 else at.astimezone(UTC)


def parse_ticket(raw: object) -> TicketDoc:
    """Read `GET /ticket/{id}`."""
    node = _object(raw, "ticket")
    queue = node.get("Queue")
    texts = ("Subject", "Status", "Priority", "TimeWorked", "Type")
    for name in ("Subject", "Status"):
        if not isinstance(node.get(name), str):
            raise Malformed(f"a ticket without {name}")
    dates = {name: at for name in _DATES if (at := parse_date(node.get(name))) is not None}
    return TicketDoc(
        id=parse_id(node.get("id")),
        told={name: _text(node[name]) for name in texts if node.get(name) is not None},
        queue=_text(queue.get("Name")) if isinstance(queue, dict) else "",
        lifecycle=_text(queue.get("Lifecycle")) if isinstance(queue, dict) else "",
        owner=_person(node.get("Owner")).name,
        creator=_person(node.get("Creator")).name,
        requestors=tuple(one.name for one in map(_person, _list(node.get("Requestor")))),
        custom=_custom(node.get("CustomFields")),
        dates=dates,
        transitions=tuple(_transitions(node.get("_hyperlinks"))),
    )


_DATES = ("Created", "LastUpdated", "Started", "Due", "Resolved")


def parse_row(raw: object) -> Row:
    """Read one ticket of a search's answer."""
    node = _object(raw, "ticket")
    queue = node.get("Queue")
    return Row(
        id=parse_id(node.get("id")),
        status=_text(node.get("Status")),
        queue=_text(queue.get("Name")) if isinstance(queue, dict) else "",
        created=parse_date(node.get("Created")),
        updated=parse_date(node.get("LastUpdated")),
        custom=_custom(node.get("CustomFields")),
        transitions=tuple(_transitions(node.get("_hyperlinks"))),
    )


def parse_changed_row(raw: object) -> Row:
    """Read one ticket of a search for what changed: its date must be told."""
    row = parse_row(raw)
    if row.updated is None:
        raise Malformed(f"ticket {row.id} without LastUpdated")
    return row


def parse_entry(raw: object) -> Entry:
    """Read one transaction."""
    node = _object(raw, "transaction")
    kind = node.get("Type")
    if not isinstance(kind, str) or not kind:
        raise Malformed("a transaction without Type")
    return Entry(
        id=parse_id(node.get("id")),
        type=kind,
        field=_text(node.get("Field")),
        old=_text(node.get("OldValue")),
        new=_text(node.get("NewValue")),
        created=parse_date(node.get("Created")),
        creator=_person(node.get("Creator")),
        custom=_custom(node.get("CustomFields")),
        parts=tuple(_attached(node.get("_hyperlinks"))),
    )


def parse_part(raw: object) -> Part:
    """Read one attachment, in RT's sense: also a message's text is one."""
    node = _object(raw, "attachment")
    size = node.get("ContentLength")
    content = node.get("Content")
    return Part(
        id=parse_id(node.get("id")),
        transaction=parse_id(node.get("TransactionId")),
        name=_text(node.get("Filename")),
        content_type=_text(node.get("ContentType")).lower(),
        size=int(_text(size)) if _SIZE.fullmatch(_text(size)) else None,
        created=parse_date(node.get("Created")),
        content=content if isinstance(content, str) else None,
    )


def parse_queue(raw: object) -> QueueDoc:
    """Read `GET /queue/{id}`."""
    node = _object(raw, "queue")
    return QueueDoc(
        id=parse_id(node.get("id")),
        name=_text(node.get("Name")),
        lifecycle=_text(node.get("Lifecycle")),
        ticket_fields=_names(node.get("TicketCustomFields")),
        transaction_fields=_names(node.get("TicketTransactionCustomFields")),
    )


def page_of(parse: Callable[[object], _Item]) -> Callable[[object], Page[_Item]]:
    """Give a reader of a page whose items `parse` reads; an unreadable one is named in `odd`."""

    def read(raw: object) -> Page[_Item]:
        node = _object(raw, "page")
        rows = node.get("items")
        if not isinstance(rows, list):
            raise Malformed("a page without items")
        items: list[_Item] = []
        odd: list[str] = []
        for row in rows:
            try:
                items.append(parse(row))
            except Malformed as err:
                odd.append(str(err))
        return Page(
            items=tuple(items), odd=tuple(odd), length=len(rows),
            pages=_count(node.get("pages")), total=_count(node.get("total")),
        )  # fmt: skip

    return read


def parse_messages(raw: object) -> tuple[str, ...]:
    """Read what RT says about an update: a list of texts.

    Raises:
        Malformed: it is something else, so it does not come from RT's update.
    """
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        raise Malformed("no list of messages")
    return tuple(" ".join(one.split()) for one in raw)


def made_by(location: str, kind: str) -> str | None:
    """Give the id at the end of a Location of `transaction` or `ticket`; None: there is none."""
    found = _LAST.search(location)
    return found[1] if found and f"/{kind}/" in location else None


def parse_id(raw: object) -> str:
    """Read an id, a number or a text.

    Raises:
        Malformed: it is none.
    """
    text = str(raw) if isinstance(raw, int | str) and not isinstance(raw, bool) else ""
    if not _ID.fullmatch(text):
        raise Malformed(f"{raw!r:.40} is no id")
    return text


# --- pieces --------------------------------------------------------------------------------------


def _object(raw: object, what: str) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise Malformed(f"no {what}, but {type(raw).__name__}")
    return raw


def _list(raw: object) -> list[object]:
    return raw if isinstance(raw, list) else []


def _text(raw: object) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return ""
    return str(raw)


def _count(raw: object) -> int | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    return int(raw) if 0 <= raw < 10**15 else None


def _person(raw: object) -> Person:
    if not isinstance(raw, dict):
        return Person(name="")
    return Person(name=_text(raw.get("id")), real_name=_text(raw.get("RealName")).strip())


def _custom(raw: object) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in _list(raw):
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            values = (_text(value) for value in _list(one.get("values")))
            found[one["name"]] = tuple(value for value in values if value)
    return found


def _names(raw: object) -> tuple[str, ...]:
    told = (one.get("name") for one in _list(raw) if isinstance(one, dict))
    return tuple(name for name in told if isinstance(name, str))


def _transitions(raw: object) -> Iterator[Transition]:
    for one in _list(raw):
        if isinstance(one, dict) and one.get("ref") == "lifecycle":
            yield Transition(before=_text(one.get("from")), after=_text(one.get("to")))


def _attached(raw: object) -> Iterator[str]:
    for one in _list(raw):
        if isinstance(one, dict) and one.get("ref") == "attachment":
            found = _LAST.search(_text(one.get("_url")))
            if found:
                yield found[1]
