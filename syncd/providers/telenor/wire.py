"""Telenor's payloads: typed, read tolerantly, never guessed (Service Ticket API, sections 4 and 8).

Absent, null and present stay apart: `told` of a payload holds only what the answer named. What
cannot be read is left out and named in `odd`; an answer that is not what it should be at all is
`Malformed`.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

import orjson

JsonObject = Mapping[str, object]
"""A JSON object on its way out: built here and in mapping, read nowhere else."""

_DATE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{0,9}))?\s*"
    r"(?:([Zz])|([+-])(\d{2,4}|\d{2}:\d{2}))?"
)
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.0*)?")
_TEXT_FIELDS = (
    "status",
    "statusReason",
    "subject",
    "description",
    "identificationNumber",
    "priority",
    "location",
    "productCategoryName",
    "incidentType",
    "rootCause",
    "rootCauseDescription",
    "organizationNumber",
    "owner",
    "caseAssignedTo",
    "reason",
    "type",
    "product",
    "orderReference",
    "customerReference",
    "productId",
    "productName",
    "originDetail",
    "internalSubSystemReference",
)
_STRUCTURES: Mapping[str, tuple[str, ...]] = {
    "contact": ("name", "email", "phone"),
    "localContact": ("name", "email", "phone"),
    "installationAddress": ("street", "floor", "zipCode", "city", "addressId"),
}
_DECIMAL = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?")
_Item = TypeVar("_Item")

COUNT_MAX = 2**53
"""Largest size or number of items that is believed."""


class Malformed(ValueError):
    """An answer is not what the document says it is, beyond what can be read tolerantly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A date as told.

    Attributes:
        raw: as it stood there.
        at: aware UTC instant; None when it cannot be read without guessing.
        assumed_utc: it named no offset.
    """

    raw: str
    at: datetime | None
    assumed_utc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseUser:
    """Who did something; `is_internal` None is unknown (T4). Spec: section 4.4, CaseUser."""

    name: str
    is_internal: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityTicket:
    """The ticket an activity of a list belongs to. Spec: section 4.4, Activity."""

    id: str
    case_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something that happened. Spec: section 4.4, Activity.

    Attributes:
        id: its id, or one made from its content where the answer has none.
    """

    id: str
    date: Stamp | None
    action: str
    content: str
    field_name: str
    old_value: str
    new_value: str
    user: CaseUser | None
    ticket: ActivityTicket | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """Attachment metadata. Spec: section 4.4, Attachment metadata."""

    id: str
    name: str
    size: int | None
    content_type: str
    created: Stamp | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentItem:
    """A comment, read form: no author. Spec: section 4.4, Comment (read)."""

    id: str
    body: str
    created: Stamp | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An incident or an order, in either form. Spec: sections 5 and 7.

    Attributes:
        told: Telenor's name -> text or None, for the text fields the answer named.
        created_by: None when not told.
        structures: `contact`, `localContact`, `installationAddress` -> parts, or None for null,
            where told.
        attachments: None when the answer has no such list.
        activities: newest or oldest first, as told; None when the answer has no such list.
        odd: what could not be read, for the operator.
    """

    id: str
    case_number: str
    told: Mapping[str, str | None]
    created: Stamp | None
    modified: Stamp | None
    closed: Stamp | None
    closed_told: bool
    created_by: CaseUser | None
    structures: Mapping[str, Mapping[str, str] | None]
    attachments: tuple[FileInfo, ...] | None
    activities: tuple[Activity, ...] | None
    odd: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """A page of a list. `length` counts what stood there, readable or not (T12)."""

    total: int | None
    length: int
    items: tuple[Case, ...]
    odd: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityPage:
    """A page of activities; unreadable ones stand in `unreadable` as (made-up id, why)."""

    total: int | None
    length: int
    items: tuple[Activity, ...]
    unreadable: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A product category with its incident types (of incidents alone). Spec: I5, O5."""

    organization: str
    name: str
    incident_types: tuple[str, ...]
    products: tuple[tuple[str, str], ...]


def parse_stamp(raw: object) -> Stamp | None:
    """Read a date, of any of the forms seen.

    Returns:
        None for null, absent or empty; a Stamp without `at` for what cannot be read without
        guessing (a three-digit offset other than `000`, an impossible date).

    Spec: section 4.1; section 8, T2.
    """
    if raw is None or raw == "":
        return None
    text = raw if isinstance(raw, str) else str(raw)
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return Stamp(raw=text, at=None)
    offset = _offset(found[8], found[9], found[10])
    if offset is None:
        return Stamp(raw=text, at=None)
    micros = int((found[7] or "").ljust(6, "0")[:6])
    try:
        year, month, day, hour, minute, second = (int(found[part]) for part in range(1, 7))
        local = datetime(year, month, day, hour, minute, second, micros, timezone(offset))
        at = local.astimezone(UTC)
    except (ValueError, OverflowError):
        return Stamp(raw=text, at=None)
    return Stamp(raw=text, at=at, assumed_utc=found[8] is None and found[9] is None)


def _offset(zulu: str | None, sign: str | None, digits: str | None) -> timedelta | None:
    """Give the offset from UTC, or None where only a guess would give one."""
    if zulu or sign is None or digits is None:
        return timedelta()
    digits = digits.replace(":", "")
    if len(digits) == 3:
        return timedelta() if digits == "000" else None
    hours, minutes = int(digits[:2]), int(digits[2:] or "0")
    if hours > 23 or minutes > 59:
        return None
    span = timedelta(hours=hours, minutes=minutes)
    return -span if sign == "-" else span


def parse_number(raw: object) -> int | None:
    """Read a count or its text; anything else is absent. Spec: section 8, T5."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, str) and _NUMBER.fullmatch(raw.strip()):
        raw = float(raw.strip())
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    return raw if isinstance(raw, int) and 0 <= raw <= COUNT_MAX else None


def parse_decimal(raw: object) -> str | None:
    """Read an amount, as text without needless zeros; what is no number is absent.

    Spec: section 8, T5 (a number, `"N/A"` and `"number"` all occur).
    """
    if isinstance(raw, bool):
        return None
    text = raw.strip() if isinstance(raw, str) else str(raw)
    if not _DECIMAL.fullmatch(text):
        return None
    whole, _, rest = text.removeprefix("+").partition(".")
    rest = rest.rstrip("0")
    return f"{int(whole)}.{rest}" if rest else str(int(whole))


def parse_internal(raw: object) -> bool | None:
    """Read `internalUser`; what is neither true nor false is unknown. Spec: section 8, T4."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        return {"true": True, "false": False}.get(raw.strip().lower())
    return None


def parse_user(raw: object) -> CaseUser | None:
    """Read a CaseUser; None when there is none. Spec: section 4.4, CaseUser."""
    if isinstance(raw, str) and raw.strip():
        return CaseUser(name=raw, is_internal=None)
    if not isinstance(raw, dict):
        return None
    return CaseUser(
        name=text_of(raw.get("userName")) or "", is_internal=parse_internal(raw.get("internalUser"))
    )


def text_of(raw: object) -> str | None:
    """Read a text; numbers and booleans become one, null and structures do not."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float):
        return str(raw)
    return None


def parse_activity(raw: object) -> Activity:
    """Read one activity.

    Raises:
        Malformed: it is not an object.

    Spec: section 4.4, Activity; section 6, I9.
    """
    source = _object(raw, "an activity")
    ticket = source.get("ticket")
    return Activity(
        id=text_of(source.get("id")) or made_up_id(raw),
        date=parse_stamp(source.get("date")),
        action=text_of(source.get("action")) or "",
        content=text_of(source.get("content")) or "",
        field_name=text_of(source.get("fieldName")) or "",
        old_value=text_of(source.get("oldValue")) or "",
        new_value=text_of(source.get("newValue")) or "",
        user=parse_user(source.get("user")),
        ticket=_activity_ticket(ticket),
    )


def _activity_ticket(raw: object) -> ActivityTicket | None:
    if not isinstance(raw, dict):
        return None
    ticket_id, number = text_of(raw.get("id")) or "", text_of(raw.get("caseNumber")) or ""
    return ActivityTicket(id=ticket_id, case_number=number) if ticket_id or number else None


def parse_activity_page(raw: object) -> ActivityPage:
    """Read a page of activities; an item that cannot be read is stepped over and named.

    Raises:
        Malformed: there is no list in it.

    Spec: section 6, I3 and I8; section 8, T11 and T12.
    """
    source = _object(raw, "a list of activities")
    items: list[Activity] = []
    unreadable: list[tuple[str, str]] = []
    found = _list(source.get("activities"), "activities")
    for item in found:
        try:
            items.append(parse_activity(item))
        except Malformed as err:
            unreadable.append((made_up_id(item), str(err)))
    return ActivityPage(
        total=parse_number(source.get("totalSize")),
        length=len(found),
        items=tuple(items),
        unreadable=tuple(unreadable),
    )


def parse_case(raw: object) -> Case:
    """Read an incident or an order, list form or whole.

    Raises:
        Malformed: it is not an object with an id.

    Spec: sections 5 and 7; section 8, T6 and T13.
    """
    source = _object(raw, "a ticket")
    case_id = text_of(source.get("id"))
    if not case_id:
        raise Malformed("a ticket without an id")
    odd: list[str] = []
    stamps = {name: parse_stamp(source.get(name)) for name in _STAMPS}
    odd.extend(_odd_stamps(stamps))
    return Case(
        id=case_id,
        case_number=text_of(source.get("caseNumber")) or "",
        told=_told(source, odd),
        created=stamps["createdDate"],
        modified=stamps["lastModifiedDate"],
        closed=stamps["closedDate"],
        closed_told="closedDate" in source,
        created_by=parse_user(source.get("createdBy")),
        structures=_structures(source, odd),
        attachments=_optional_list(source, "attachments", parse_file, odd),
        activities=_optional_list(source, "activities", parse_activity, odd),
        odd=tuple(odd),
    )


_STAMPS = ("createdDate", "lastModifiedDate", "closedDate")


def _told(source: Mapping[str, object], odd: list[str]) -> Mapping[str, str | None]:
    told: dict[str, str | None] = {}
    for name in _TEXT_FIELDS:
        if name not in source:
            continue
        value = source[name]
        text = text_of(value)
        if text is None and value is not None:
            odd.append(f"{name} is not a text")
            continue
        told[name] = text
    if "quantity" in source:
        told["quantity"] = parse_decimal(source["quantity"])
    return told


def _odd_stamps(stamps: Mapping[str, Stamp | None]) -> Iterator[str]:
    for name, stamp in stamps.items():
        if stamp is not None and stamp.at is None:
            yield f"{name} {stamp.raw[:40]!r} cannot be read as a date"
        elif stamp is not None and stamp.assumed_utc:
            yield f"{name} {stamp.raw[:40]!r} names no offset, taken as UTC"


def _structures(
    source: Mapping[str, object], odd: list[str]
) -> Mapping[str, Mapping[str, str] | None]:
    structures: dict[str, Mapping[str, str] | None] = {}
    for name, known in _STRUCTURES.items():
        if name not in source:
            continue
        value = source[name]
        if value is None:
            structures[name] = None
        elif isinstance(value, dict):
            parts = {part: text_of(value.get(part)) for part in known}
            structures[name] = {part: text for part, text in parts.items() if text}
        else:
            odd.append(f"{name} is not an object")
    return structures


def _optional_list(
    source: Mapping[str, object], name: str, parse: Callable[[object], _Item], odd: list[str]
) -> tuple[_Item, ...] | None:
    """Read a list of the whole form; an odd item is named, a list that is none is not told."""
    value = source.get(name)
    if not isinstance(value, list):
        return None
    items: list[_Item] = []
    for item in value:
        try:
            items.append(parse(item))
        except Malformed as err:
            odd.append(f"{name}: {err}")
    return tuple(items)


def parse_case_page(raw: object, plural: str) -> CasePage:
    """Read a page of incidents or orders; an item that cannot be read is named.

    Raises:
        Malformed: there is no list in it.

    Spec: section 6, I1; section 7, O1; section 8, T11 and T12.
    """
    source = _object(raw, f"a list of {plural}")
    found = _list(source.get(plural), plural)
    odd: list[str] = []
    return CasePage(
        total=parse_number(source.get("totalSize")),
        length=len(found),
        items=_optional_list(source, plural, parse_case, odd) or (),
        odd=tuple(odd),
    )


def parse_file(raw: object) -> FileInfo:
    """Read attachment metadata.

    Raises:
        Malformed: it is not an object with an id.

    Spec: section 4.4, Attachment metadata.
    """
    source = _object(raw, "an attachment")
    file_id = text_of(source.get("id"))
    if not file_id:
        raise Malformed("an attachment without an id")
    return FileInfo(
        id=file_id,
        name=text_of(source.get("name")) or "",
        size=parse_number(source.get("size")),
        content_type=text_of(source.get("contentType")) or "application/octet-stream",
        created=parse_stamp(source.get("createdDate")),
    )


def parse_files(raw: object) -> tuple[FileInfo, ...]:
    """Read a list of attachments.

    Raises:
        Malformed: it is no list, or an item is unreadable: a hole would look like absence.

    Spec: section 6, I10.
    """
    return tuple(parse_file(item) for item in _bare_list(raw, "attachments"))


def parse_comments(raw: object) -> tuple[CommentItem, ...]:
    """Read a list of comments; one without an id gets one from its date, text and occurrence.

    Raises:
        Malformed: it is no list, or an item is no object: a hole would look like absence.

    Spec: section 6, I14; section 8, T14.
    """
    items: list[CommentItem] = []
    occurrences: dict[str, int] = {}
    for item in _bare_list(raw, "comments"):
        source = _object(item, "a comment")
        body = text_of(source.get("commentBody"))
        if body is None:
            body = text_of(source.get("text")) or ""
        made = made_up_id([text_of(source.get("createdDate")), body])
        occurrences[made] = occurrences.get(made, 0) + 1
        items.append(
            CommentItem(
                id=text_of(source.get("id")) or f"{made}-{occurrences[made]}",
                body=body,
                created=parse_stamp(source.get("createdDate")),
            )
        )
    return tuple(items)


def parse_categories(raw: object) -> tuple[Category, ...]:
    """Read product categories, incident types being an array or a comma-separated text.

    Raises:
        Malformed: it is no list.

    Spec: section 6, I5; section 8, T7.
    """
    categories: list[Category] = []
    for item in _bare_list(raw, "productcategories"):
        source = _object(item, "a product category")
        categories.append(
            Category(
                organization=text_of(source.get("orgNo")) or "",
                name=text_of(source.get("productCatName")) or "",
                incident_types=_incident_types(source.get("incidentTypes")),
                products=tuple(_products(source.get("products"))),
            )
        )
    return tuple(categories)


def _incident_types(raw: object) -> tuple[str, ...]:
    parts = raw if isinstance(raw, list) else [raw]
    texts = (text_of(part) or "" for part in parts)
    return tuple(piece.strip() for text in texts for piece in text.split(",") if piece.strip())


def _products(raw: object) -> Iterator[tuple[str, str]]:
    for item in raw if isinstance(raw, list) else ():
        if isinstance(item, dict):
            yield text_of(item.get("productId")) or "", text_of(item.get("productName")) or ""


def parse_count(raw: object) -> int:
    """Read a count. Spec: section 6, I4.

    Raises:
        Malformed: there is no number in it.
    """
    count = parse_number(_object(raw, "a count").get("count"))
    if count is None:
        raise Malformed("a count without a number")
    return count


def made_up_id(raw: object) -> str:
    """Make an id from an item's content, for items that have none."""
    try:
        canonical = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than anything sensible: all such are one
        canonical = b"too deep"
    return "~" + hashlib.blake2b(canonical, digest_size=9).hexdigest()


def _object(raw: object, what: str) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise Malformed(f"{what} is not an object")
    return raw


def _list(raw: object, what: str) -> list[object]:
    if not isinstance(raw, list):
        raise Malformed(f"`{what}` is not a list")
    return raw


def _bare_list(raw: object, what: str) -> list[object]:
    """Read an answer that is a list, or an object holding it under its own name."""
    return _list(raw.get(what) if isinstance(raw, dict) else raw, what)
