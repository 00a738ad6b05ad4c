"""Neutral names and values to Digital Realty's and back; pure.

Every neutral field is a row of `FIELDS`. `normalise` is N of DESIGN R5: two spellings of one value
have one form. Round trip: N(read(rendered(v))) equals N(v) for every value we agree to send.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import orjson

from syncd.core import marker
from syncd.core.normal import clean, comment_form, one_line, plain
from syncd.model.ids import CommentId, OperationKey, TicketId
from syncd.model.ticket import Comment, CommentKind, Missing, Ticket, Value, Visibility
from syncd.providers.digital_realty.wire import Order, Remark, parse_date

KIND = "ticket"
"""The one kind of ticket of this API: customer support tickets."""
NORMALISER_VERSION = 1
"""Raised whenever `normalise` gives another form for some value (DESIGN R5)."""

OPEN_STATUSES = ("New", "In Progress")
COMPLETED, CANCELLED = "Completed", "Cancelled"
STATUSES = (*OPEN_STATUSES, COMPLETED, CANCELLED)
"""Spec: Customer Support Tickets API, section 3."""
CANCEL_REASONS = (
    "Duplicate request",
    "Request entered in error",
    "Request no longer needed",
)
"""Spec: Customer Support Tickets API, section 5.5."""

_SAME_STATUS = {
    "closed": "completed",
    "canceled": "cancelled",
    "inprogress": "in progress",
    "in-progress": "in progress",
    "in_progress": "in progress",
}
_BETWEEN_ADDRESSES = re.compile(r"[,;]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A neutral field and where Digital Realty keeps it.

    Attributes:
        name: neutral name.
        wire: the vendor's name.
        kind: `text`, `line` (a text of one line), `label`, `addresses` or `time`.
        writable: kinds of write that can set it.
    """

    name: str
    wire: str
    kind: str
    writable: frozenset[str] = frozenset()


_CREATE = frozenset({"create"})
_BOTH = frozenset({"create", "update"})


def _field(name: str, wire: str, kind: str, writable: frozenset[str] = frozenset()) -> Field:
    return Field(name=name, wire=wire, kind=kind, writable=writable)


FIELDS: Mapping[str, Field] = {
    row.name: row
    for row in (
        _field("number", "id", "line"),
        _field("title", "title", "line", _CREATE),
        _field("description", "description", "text", _CREATE),
        _field("status", "status", "label", frozenset({"status"})),
        _field("site", "site", "line", _CREATE),
        _field("location", "location", "line", _CREATE),
        _field("request_type", "requestType", "label", _CREATE),
        _field("category", "category", "label", _CREATE),
        _field("customer_reference", "customerReference", "line", _BOTH),
        _field("notification_recipients", "notificationRecipients", "addresses", _BOTH),
        _field("caller", "createdBy", "line"),
        _field("ticket_type", "ticketType", "label"),
        _field("closed_at", "closedOn", "time"),
    )
}
"""Neutral name -> where Digital Realty keeps it. Spec: section 3."""

CANCEL_REASON = "cancel_reason"
"""What may go with the status `Cancelled`."""


# --- normal form ---------------------------------------------------------------------------------


def addresses(text: str) -> tuple[str, ...]:
    """Split recipients; what is no address stays as text. Spec: section 7, D8."""
    parts = (one_line(part) for part in _BETWEEN_ADDRESSES.split(clean(text)))
    return tuple(dict.fromkeys(part for part in parts if part))


def normalise(name: str, value: Value) -> Value:
    """Give the form in which two spellings of one value are equal (N of DESIGN R5).

    Empty texts are None. Texts: markers out, LF, no white space at line ends or around the whole,
    NFC. Labels ignore capitals, statuses their other spellings too (D5); of recipients neither
    the separators (D8) nor capitals count. Version: `NORMALISER_VERSION`.
    """
    row = FIELDS.get(name)
    kind = row.kind if row else "text"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {part: plain(str(text), "line") for part, text in sorted(value.items())} or None
    text = plain(str(value), kind)
    if name == "status":
        return _SAME_STATUS.get(text, text) or None
    if kind == "addresses":
        return ",".join(one.casefold() for one in addresses(text)) or None
    return text or None


def same_value(name: str, told: Value | Missing, wanted: Value) -> bool:
    """Say whether a field read back holds what was sent; not told counts as empty."""
    found = None if isinstance(told, Missing) else told
    return normalise(name, found) == normalise(name, wanted)


def is_open(status: Value | Missing) -> bool:
    """Say whether a status takes writes. Spec: sections 5.4 and 5.5; section 7, D5."""
    return any(same_value("status", status, one) for one in OPEN_STATUSES)


# --- reading -------------------------------------------------------------------------------------


def ticket(order: Order, unknown_author: str) -> Ticket:
    """Put a ticket together from the answer to a read of it.

    Spec: Customer Support Tickets API, section 3; section 7, D1 and D7.
    """
    return Ticket(
        id=TicketId(order.id),
        number=order.id,
        kind=KIND,
        fields=fields_of(order),
        comments=comments_of(order.comments or (), unknown_author),
        created_at=parse_date(order.dates.get("createdOn", "")),
        updated_at=parse_date(order.dates.get("updatedOn", "")),
        keys=keys_of(order),
    )


def fields_of(order: Order) -> dict[str, Value]:
    """Give the fields an answer told, markers taken out; what it did not tell is absent (D20)."""
    fields: dict[str, Value] = {"number": order.id}
    for row in FIELDS.values():
        if row.wire in order.told:
            fields[row.name] = marker.split(order.told[row.wire])[0].strip() or None
    if "closedOn" in order.dates:
        fields["closed_at"] = _instant_text(order.dates["closedOn"])
    return fields


def keys_of(order: Order) -> tuple[OperationKey, ...]:
    """Give the operation keys a ticket's reference, title and description carry."""
    texts = [order.told.get(name, "") for name in ("customerReference", "title", "description")]
    return tuple(dict.fromkeys(key for text in texts for key in marker.split(text)[1]))


def reference_keys(order: Order) -> tuple[OperationKey, ...]:
    """Give the operation keys its reference carries."""
    return marker.split(order.told.get("customerReference", ""))[1]


def _instant_text(text: str) -> str | None:
    """Give an instant as ISO 8601 UTC; one that cannot be read stays as it was told."""
    at = parse_date(text)
    return at.isoformat() if at else (text or None)


def comments_of(remarks: Sequence[Remark], unknown_author: str) -> tuple[Comment, ...]:
    """Give comments oldest first, each with an id made from what identifies it.

    There is no id: author, time and text are one, and equal ones are told apart by their place
    among their equals (DESIGN R5). Whatever a customer's API shows is public.

    Spec: Customer Support Tickets API, section 7, D1; sections 8 and 9.
    """
    seen: dict[bytes, int] = {}
    comments: list[Comment] = []
    for remark in _in_order(remarks):
        at = parse_date(remark.time)
        body, keys = marker.split(remark.text)
        content = orjson.dumps(
            [
                one_line(remark.author),
                at.isoformat() if at else remark.time,
                comment_form(remark.text),
                list(keys),
            ]
        )
        occurrence = seen[content] = seen.get(content, -1) + 1
        digest = hashlib.blake2b(content + b"#%d" % occurrence, digest_size=16).hexdigest()
        comments.append(
            Comment(
                id=CommentId(f"comment-{digest}"),
                body=body.rstrip() if keys else body,
                author=remark.author or unknown_author,
                created_at=at,
                visibility=Visibility.PUBLIC,
                kind=CommentKind.COMMENT,
                keys=keys,
            )
        )
    return tuple(comments)


def _in_order(remarks: Sequence[Remark]) -> Sequence[Remark]:
    """Put remarks oldest first; what has no time stays behind what it stood behind."""
    times = [at for one in remarks if (at := parse_date(one.time)) is not None]
    falls = sum(later < earlier for earlier, later in pairwise(times))
    rises = sum(later > earlier for earlier, later in pairwise(times))
    ordered = list(reversed(remarks)) if falls > rises else list(remarks)
    last: datetime | None = None
    keyed: list[tuple[bool, datetime | None, Remark]] = []
    for one in ordered:
        last = parse_date(one.time) or last
        keyed.append((last is not None, last, one))
    undated = [one for known, _, one in keyed if not known]
    dated = [(at, one) for _, at, one in keyed if at is not None]
    dated.sort(key=lambda pair: pair[0])
    return [*undated, *(one for _, one in dated)]


def row_digest(order: Order) -> bytes:
    """Give 16 bytes over all that a list tells of a ticket; another value is news (D11, D13)."""
    told = {str(name): value for name, value in order.row.items()}
    whole = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(whole, digest_size=16).digest()
