"""SIP Synergy's JSON, read tolerantly; nothing here decides anything.

Spec: Tickets Microservice, sections 3 and 5; section 6 for everything that is odd.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TypeVar

from syncd.core import loose_json

_DATE = re.compile(
    r"(\d{4})[-+/](\d{2})[-+/](\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?\s*"
    r"(?:(Z)|([+-])(\d{2}):?(\d{2}))?",
    re.IGNORECASE,
)
_COLLECTIONS = frozenset({"tickets", "comments"})
"""Last segments of addresses that name no single one."""
_NOTHING = frozenset({"", "na", "n/a"})
_Item = TypeVar("_Item")
JsonObject = Mapping[str, object]

TEXT_FIELDS = (
    "organisationHumanId",
    "contractHumanId",
    "tenantHumanId",
    "title",
    "description",
    "reporterHumanId",
)
"""Ticket Create (section 3): what an update must repeat whole (S6)."""

EXTRA_FIELDS: Mapping[str, tuple[str, ...]] = {
    "status": ("status", "state"),
    "priority": ("priority",),
    "category": ("category",),
    "outcome": ("outcome",),
    "serviceImpact": ("serviceImpact",),
    "assigned": ("assigned", "assignee"),
}
"""What the live service may send beyond the document (S13): name -> keys looked at."""


class Malformed(Exception):
    """An answer, or one item of it, cannot be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A date as told; `at` is None where it cannot be read."""

    raw: str
    at: datetime | None
    assumed_utc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketItem:
    """A ticket. Spec: section 3, Ticket Full.

    Attributes:
        id: its human id.
        told: name -> text or None, for the fields the answer named, extras included.
        buyer, consumer: organisation names; empty when not told.
        odd: what could not be read.
    """

    id: str
    told: Mapping[str, str | None]
    buyer: str = ""
    consumer: str = ""
    created: Stamp | None = None
    updated: Stamp | None = None
    odd: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All tickets; `unreadable` says what stood there beside them."""

    items: tuple[TicketItem, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentItem:
    """A comment. Spec: section 3, Comment Full."""

    id: str
    text: str
    user: str
    created: Stamp | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeItem:
    """An attribute. Spec: section 3, Ticket Attribute Full."""

    id: str
    key: str
    value: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserItem:
    """A user. Spec: section 3, User Full; section 6, S10, S15."""

    id: str
    human_id: str
    organisation_id: str
    name: str
    email: str
    phone: str
    is_admin: bool
    is_agent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupItem:
    """A group. Spec: section 3, Group Full."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateItem:
    """A state; its number `type` is kept and never interpreted (S11)."""

    id: str
    description: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventItem:
    """An event. Spec: section 3, Event Full."""

    id: str
    key: str
    value: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A row of the report; a field is None for `NA` and its like (S16).

    Attributes:
        told: the report's own names -> text or None.
    """

    number: str
    told: Mapping[str, str | None] = field(default_factory=dict)


# --- dates and texts -----------------------------------------------------------------------------


def parse_stamp(raw: object, zone: tzinfo = UTC) -> Stamp | None:
    """Read a date-time with `-` or `+` between its parts.

    Args:
        raw: as told.
        zone: of one that names no offset.

    Returns:
        None for null, absent or empty; a Stamp without `at` for what cannot be read.

    Spec: section 5; section 6, S2 and S19.
    """
    if raw is None or raw == "":
        return None
    text = raw if isinstance(raw, str) else str(raw)
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return Stamp(raw=text, at=None)
    is_bare = found[8] is None and found[9] is None
    try:
        offset = zone if is_bare else timezone(_offset(found[9], found[10], found[11]))
        year, month, day, hour, minute, second = (int(found[part]) for part in range(1, 7))
        micros = int((found[7] or "").ljust(6, "0")[:6])
        at = datetime(year, month, day, hour, minute, second, micros, offset).astimezone(UTC)
    except (ValueError, OverflowError):
        return Stamp(raw=text, at=None)
    return Stamp(raw=text, at=at, assumed_utc=is_bare)


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> timedelta:
    span = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return -span if sign == "-" else span


def text_of(raw: object) -> str | None:
    """Read a text; a number or a boolean becomes one (S9, S10), null and structures do not."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float):
        return str(raw)
    return None


def label_of(raw: object) -> str | None:
    """Read a label told as a text, or as an object that describes it (S13)."""
    if isinstance(raw, dict):
        raw = next((raw[name] for name in ("description", "name", "value") if raw.get(name)), None)
    return text_of(raw)


def report_text(raw: object) -> str | None:
    """Read a report's text; `NA`, `N/A`, empty and null are absent. Spec: section 6, S16."""
    text = text_of(raw)
    return None if text is None or text.strip().casefold() in _NOTHING else text


# --- answers -------------------------------------------------------------------------------------


def unwrapped(raw: object) -> object:
    """Take the contents out of `data`; a bare object stands for itself (S1)."""
    return raw["data"] if isinstance(raw, dict) and "data" in raw else raw


def parse_ticket(raw: object) -> TicketItem:
    """Read a ticket.

    Raises:
        Malformed: it is not an object with an id.

    Spec: section 3, Ticket Full; section 6, S9, S13, S14, S24.
    """
    source = _object(raw, "a ticket")
    ticket_id = (text_of(source.get("id")) or "").strip()
    if not ticket_id:
        raise Malformed("a ticket without an id")
    told: dict[str, str | None] = {}
    odd: list[str] = []
    for name in TEXT_FIELDS:
        if name in source:
            text = text_of(source[name])
            if text is None and source[name] is not None:
                odd.append(f"{name} is not a text")
            else:
                told[name] = text
    for name, keys in EXTRA_FIELDS.items():
        label = next((found for key in keys if (found := label_of(source.get(key)))), None)
        if label is not None:
            told[name] = label
    stamps = {name: parse_stamp(source.get(name)) for name in ("dateCreated", "dateUpdated")}
    for name, stamp in stamps.items():
        if stamp is not None and stamp.at is None:
            odd.append(f"{name} {stamp.raw[:40]!r} cannot be read as a date")
        elif stamp is not None and stamp.assumed_utc:
            odd.append(f"{name} {stamp.raw[:40]!r} names no offset, taken as UTC")
    return TicketItem(
        id=ticket_id,
        told=told,
        buyer=_party(source.get("buyer")),
        consumer=_party(source.get("consumer")),
        created=stamps["dateCreated"],
        updated=stamps["dateUpdated"],
        odd=tuple(odd),
    )


def parse_one_ticket(raw: object, asked: str) -> TicketItem | None:
    """Read the answer about one ticket: an object, or an array (S1).

    Returns:
        None for an empty array: it is not there.

    Raises:
        Malformed: it cannot be read, or none of several is the one asked for.
    """
    inner = unwrapped(raw)
    if not isinstance(inner, list):
        return parse_ticket(inner)
    if not inner:
        return None
    if len(inner) == 1:
        return parse_ticket(inner[0])
    for item in inner:
        if isinstance(item, dict) and text_of(item.get("id")) == asked:
            return parse_ticket(item)
    raise Malformed(f"{len(inner)} tickets, none of them {asked}")


def parse_tickets(raw: object) -> Listing:
    """Read the list of all tickets; an item that cannot be read is stepped over and named.

    Raises:
        Malformed: there is no list in it.
    """
    items, unreadable = _several(raw, "tickets", parse_ticket)
    return Listing(items=items, unreadable=unreadable)


def parse_comments(raw: object) -> tuple[CommentItem, ...]:
    """Read a ticket's comments; Malformed when any cannot be read: none may be overlooked."""
    return _all(raw, "comments", parse_comment)


def parse_comment(raw: object) -> CommentItem:
    """Read one comment. Spec: section 3, Comment Full."""
    source = _object(raw, "a comment")
    comment_id = text_of(source.get("id"))
    if not comment_id:
        raise Malformed("a comment without an id")
    return CommentItem(
        id=comment_id,
        text=text_of(source.get("description")) or "",
        user=text_of(source.get("userHumanId")) or "",
        created=parse_stamp(source.get("dateCreated")),
    )


def parse_attributes(raw: object) -> tuple[AttributeItem, ...]:
    """Read a ticket's attributes. Spec: section 3, Ticket Attribute Full."""
    return _all(raw, "attributes", _attribute)


def _attribute(raw: object) -> AttributeItem:
    source = _object(raw, "an attribute")
    return AttributeItem(
        id=text_of(source.get("id")) or "",
        key=text_of(source.get("key")) or "",
        value=text_of(source.get("value")) or "",
        type=text_of(source.get("type")) or "",
    )


def parse_user(raw: object) -> UserItem:
    """Read a user. Spec: section 3, User Full; section 6, S10."""
    source = _object(unwrapped(raw), "a user")
    if not {"id", "humanId", "name", "email"} & set(source):
        raise Malformed("a user without id and name")
    return UserItem(
        id=text_of(source.get("id")) or "",
        human_id=text_of(source.get("humanId")) or "",
        organisation_id=text_of(source.get("organisationId")) or "",
        name=text_of(source.get("name")) or "",
        email=text_of(source.get("email")) or "",
        phone=text_of(source.get("phoneNumber")) or "",
        is_admin=source.get("admin") is True,
        is_agent=source.get("agent") is True,
    )


def parse_users(raw: object) -> tuple[UserItem, ...]:
    """Read a list of users."""
    return _all(raw, "users", parse_user)


def parse_group(raw: object) -> GroupItem:
    """Read a group. Spec: section 3, Group Full."""
    source = _object(unwrapped(raw), "a group")
    name = text_of(source.get("name"))
    if not name:
        raise Malformed("a group without a name")
    return GroupItem(id=text_of(source.get("id")) or "", name=name)


def parse_groups(raw: object) -> tuple[GroupItem, ...]:
    """Read all groups."""
    return _all(raw, "groups", parse_group)


def parse_states(raw: object) -> tuple[StateItem, ...]:
    """Read states. Spec: section 3, State; section 6, S11."""
    return _all(raw, "states", _state)


def _state(raw: object) -> StateItem:
    source = _object(raw, "a state")
    return StateItem(
        id=text_of(source.get("id")) or "",
        description=text_of(source.get("description")) or "",
        type=text_of(source.get("type")) or "",
    )


def parse_event(raw: object) -> EventItem:
    """Read an event. Spec: section 3, Event Full."""
    source = _object(unwrapped(raw), "an event")
    if not {"id", "key"} & set(source):
        raise Malformed("an event without id and key")
    return EventItem(
        id=text_of(source.get("id")) or "",
        key=text_of(source.get("key")) or "",
        value=text_of(source.get("value")) or "",
        target=text_of(source.get("target")) or "",
    )


def parse_report(raw: object) -> tuple[ReportRow, ...]:
    """Read the report; a row without a ticket's number is stepped over.

    Raises:
        Malformed: there is no list in it.

    Spec: section 2.7; section 3, Ticket Report Json; section 6, S16 and S18.
    """
    return tuple(row for row in _several(raw, "rows", _report_row)[0] if row.number)


def _report_row(raw: object) -> ReportRow:
    source = _object(raw, "a row")
    number = (report_text(source.get("ticketNumber")) or "").strip()
    told = {name: report_text(value) for name, value in source.items() if name != "ticketNumber"}
    return ReportRow(number=number, told=told)


def created_id(body: bytes, location: str) -> str | None:
    """Find the id of what a write made: in `Location`, else in the body's `data.id`.

    Spec: section 6, S8.
    """
    last = location.split("?", 1)[0].split("#", 1)[0].rstrip("/").rsplit("/", 1)[-1].strip()
    if last and last not in _COLLECTIONS:
        return last
    try:
        inner = unwrapped(loose_json.loads(body))
    except ValueError:
        return None
    if isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    found = text_of(inner.get("id")) if isinstance(inner, dict) else None
    return found.strip() or None if found else None


# --- below ---------------------------------------------------------------------------------------


def _party(raw: object) -> str:
    """Read the name of a buyer or consumer. Spec: section 3, Ticket Full."""
    attributes = raw.get("attributes") if isinstance(raw, dict) else None
    if not isinstance(attributes, dict):
        return ""
    return text_of(attributes.get("name")) or text_of(attributes.get("legalName")) or ""


def _object(raw: object, what: str) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise Malformed(f"{what} is not an object")
    return raw


def _list(raw: object, what: str) -> Sequence[object]:
    inner = unwrapped(raw)
    if not isinstance(inner, list):
        raise Malformed(f"no list of {what}")
    return inner


def _all(raw: object, what: str, parse: Callable[[object], _Item]) -> tuple[_Item, ...]:
    return tuple(parse(item) for item in _list(raw, what))


def _several(
    raw: object, what: str, parse: Callable[[object], _Item]
) -> tuple[tuple[_Item, ...], tuple[str, ...]]:
    items: list[_Item] = []
    unreadable: list[str] = []
    for item in _list(raw, what):
        try:
            items.append(parse(item))
        except Malformed as err:
            unreadable.append(str(err))
    return tuple(items), tuple(unreadable)
