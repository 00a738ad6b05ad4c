"""Digital Realty's payloads: typed, read tolerantly, never guessed.

Absent and empty are one (D7). What cannot be read is left out and named; an answer that is not
what it should be at all is `Malformed`.

Source: Customer Support Tickets API v1, sections 3, 5, 7 (D numbers) and 8.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

JsonObject = Mapping[str, object]
"""A JSON object on its way out: built here and in sending, read nowhere else."""

TEXT_FIELDS = (
    "title",
    "status",
    "site",
    "location",
    "requestType",
    "category",
    "description",
    "customerReference",
    "createdBy",
    "ticketType",
    "notificationRecipients",
)
"""Text members of a ticket. Spec: section 3."""
_DATES = ("createdOn", "updatedOn", "closedOn")
_DATE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?\s*(?:[Zz]|\+00:?00)?"
)
_NUMBER = re.compile(r"[0-9]{1,15}")
_COMMENT_TEXTS = ("comment", "text", "body", "value")


class Malformed(ValueError):
    """An answer is not what the document says it is, beyond what can be read tolerantly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment as told; author and time may be unknown. Spec: section 7, D1; section 8."""

    text: str
    author: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A work order as told, in a list or whole. Spec: section 3.

    Attributes:
        id: its identifier.
        told: vendor's name -> text (empty for none), for the members the answer named.
        dates: vendor's name -> text of a date, where there is one.
        comments: as told; None when the answer does not tell them (D1).
        row: all members of a list item, for its digest.
    """

    id: str
    told: Mapping[str, str]
    dates: Mapping[str, str]
    comments: tuple[Remark, ...] | None
    row: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the list. Spec: section 5.2; section 7, D14.

    Attributes:
        items: its tickets.
        odd: what could not be read, for the operator.
        length: how many items it had, readable or not.
        is_last: whether it says that it is the last; None when it does not say.
        total: number of all tickets listed; None when not told.
    """

    items: tuple[Order, ...]
    odd: tuple[str, ...]
    length: int
    is_last: bool | None
    total: int | None


def parse_order(node: object) -> Order:
    """Read a ticket.

    Raises:
        Malformed: it is no object, or has no id.

    Spec: Customer Support Tickets API, sections 3 and 5.1; section 7, D1 and D7.
    """
    if not isinstance(node, dict):
        raise Malformed("a ticket is no object")
    found = node.get("id")
    if not isinstance(found, str | int) or isinstance(found, bool) or not str(found).strip():
        raise Malformed("a ticket has no id")
    told = {name: _text(node[name]) for name in TEXT_FIELDS if name in node}
    dates = {name: _text(node.get(name)).strip() for name in _DATES if name in node}
    return Order(id=str(found).strip(), told=told, dates=dates, comments=_remarks(node), row=node)


def parse_page(node: object) -> Page:
    """Read a page of the list.

    Raises:
        Malformed: it has no `content`.

    Spec: Customer Support Tickets API, section 5.2; section 7, D14.
    """
    if not isinstance(node, dict) or not isinstance(node.get("content"), list):
        raise Malformed("a page has no content")
    items: list[Order] = []
    odd: list[str] = []
    for place, item in enumerate(node["content"]):
        try:
            items.append(parse_order(item))
        except Malformed as err:
            odd.append(f"item {place}: {err}")
    told = node.get("pageable")
    paging = {**node, **(told if isinstance(told, dict) else {})}
    return Page(
        items=tuple(items),
        odd=tuple(odd),
        length=len(node["content"]),
        is_last=_is_last(paging),
        total=_number(paging.get("totalElements")),
    )


def parse_categories(node: object) -> Mapping[str, tuple[str, ...]]:
    """Read request types and their categories, of one type or of all (D3).

    Raises:
        Malformed: nothing of the kind is there.

    Spec: Customer Support Tickets API, section 5.6.
    """
    rows = node.get("result") if isinstance(node, dict) else None
    if not isinstance(rows, list):
        raise Malformed("categories without a result")
    table: dict[str, tuple[str, ...]] = {}
    for row in rows:
        kind = row.get("requestType") if isinstance(row, dict) else None
        if not isinstance(kind, dict) or not _text(kind.get("name")).strip():
            continue
        listed = kind.get("categories")
        names = [
            _text(one.get("name")).strip()
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, dict)
        ]
        table[_text(kind.get("name")).strip()] = tuple(name for name in names if name)
    if not any(table.values()):
        raise Malformed("categories without a name")
    return table


def parse_remark(node: object) -> Remark | None:
    """Read the answer to a comment; None when it is none. Spec: section 8, Comments API v1."""
    return _remark(node) if isinstance(node, dict) else None


def parse_plain(node: object) -> object:
    """Give an answer as it is: the look-up calls only show theirs. Spec: section 8."""
    return node


def parse_date(text: str) -> datetime | None:
    """Read a date as UTC; None when it is empty or no date.

    Spec: Customer Support Tickets API, section 3; section 7, D13.
    """
    found = _DATE.fullmatch(text.strip())
    if not found:
        return None
    numbers = [int(part) for part in found.groups()[:6]]
    micros = int((found[7] or "0").ljust(6, "0")[:6])
    try:
        return datetime(*numbers[:6], micros, tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None


def _remarks(node: Mapping[str, object]) -> tuple[Remark, ...] | None:
    """Read `comments`: missing and null tell nothing, the rest is a text or a list (D1)."""
    told = node.get("comments")
    if told is None:
        return None
    items = told if isinstance(told, list) else [told]
    return tuple(_remarks_in(items))


def _remarks_in(items: list[object]) -> Iterator[Remark]:
    for item in items:
        if isinstance(item, str) and item.strip():
            yield Remark(text=item)
        elif isinstance(item, dict) and (found := _remark(item)) is not None:
            yield found


def _remark(node: Mapping[str, object]) -> Remark | None:
    text = next((_text(node[name]) for name in _COMMENT_TEXTS if _text(node.get(name))), "")
    if not text.strip():
        return None
    return Remark(
        text=text,
        author=_text(node.get("commentedBy")).strip(),
        time=_text(node.get("commentedOn")).strip(),
    )


def _is_last(paging: Mapping[str, object]) -> bool | None:
    last = paging.get("last")
    if isinstance(last, bool):
        return last
    number, pages = _number(paging.get("number")), _number(paging.get("totalPages"))
    if number is None or pages is None:
        return None
    return number + 1 >= pages


def _number(value: object) -> int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else str(value)
