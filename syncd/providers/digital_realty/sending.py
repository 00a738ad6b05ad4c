"""What is sent to Digital Realty: bodies and file checks; pure, and strict before anything leaves.

Whatever the vendor would refuse, or cut in a way we do not know, is `Unsendable` here: nothing
invalid is ever sent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd.core import marker
from syncd.core.normal import clean, one_line
from syncd.model.ids import OperationKey
from syncd.model.operation import AttachmentDraft, CommentDraft
from syncd.model.ticket import FieldInfo, Value
from syncd.providers.digital_realty.mapping import (
    CANCEL_REASON,
    CANCEL_REASONS,
    CANCELLED,
    FIELDS,
    STATUSES,
    Field,
    addresses,
    normalise,
    same_value,
)
from syncd.providers.digital_realty.wire import JsonObject

MANDATORY = ("title", "site", "request_type", "category", "description")
"""Spec: section 5.3."""
KEY_CHARS_USUAL = 19
"""Length of the keys this version makes: six of the instance, a hyphen, twelve of chance."""
_UNSAFE_IN_NAMES = frozenset("/\\")


class Unsendable(ValueError):
    """A value Digital Realty would not take, found before anything is sent; for people to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The sizes and choices sending keeps to (from settings)."""

    title_chars: int
    site_chars: int
    location_chars: int
    reference_chars: int
    text_chars: int
    comment_chars: int
    attachment_bytes: int
    file_name_chars: int
    cancel_reason: str
    updates_texts: bool


# --- creates and updates -------------------------------------------------------------------------


def create_body(fields: Mapping[str, Value], key: OperationKey, bounds: Bounds) -> JsonObject:
    """Build the body of a create; its key ends the customer's reference.

    Raises:
        Unsendable: a mandatory field is missing, one cannot be set by a create, or is too long.

    Spec: Customer Support Tickets API, section 5.3; section 7, D8, D10 and D19; section 9.
    """
    body: dict[str, str] = {}
    for name, value in fields.items():
        row = _writable(name, "create", bounds)
        text = _text(row, value, bounds)
        if text and name != "customer_reference":
            body[row.wire] = text
    for name in MANDATORY:
        if FIELDS[name].wire not in body:
            raise Unsendable(f"{name} is missing: Digital Realty does not open a ticket without it")
    given = _as_text("customer_reference", fields.get("customer_reference"))
    body["customerReference"] = referenced(given, (key,), bounds)
    return body


def update_body(
    fields: Mapping[str, Value], present: Mapping[str, str], bounds: Bounds, *, sends_both: bool
) -> JsonObject:
    """Build the body of an update.

    Args:
        fields: what changes.
        present: what was told right before: its markers stay (R4), and the field that does not
            change goes along as it is where `sends_both`, lest a missing one is emptied.
        bounds: sizes.
        sends_both: see `put_sends_both`.

    Raises:
        Unsendable: nothing in it, or a field cannot be updated or is too long.

    Spec: Customer Support Tickets API, section 5.4; section 7, D2.
    """
    if not fields:
        raise Unsendable("an update without a field")
    body: dict[str, str] = {}
    for name, value in fields.items():
        row = _writable(name, "update", bounds)
        text = _text(row, value, bounds)
        if not text and name in MANDATORY:
            raise Unsendable(f"{name} cannot be emptied")
        body[row.wire] = text
    if "customer_reference" in fields:
        keys = dict.fromkeys(marker.split(present.get("customerReference", ""))[1])
        given = _as_text("customer_reference", fields["customer_reference"])
        body["customerReference"] = referenced(given, keys, bounds)
    for wire in ("customerReference", "notificationRecipients"):
        if sends_both and wire not in body and present.get(wire):
            body[wire] = present[wire]
    return body


def referenced(text: str, keys: Iterable[OperationKey], bounds: Bounds) -> str:
    """Give a customer's reference with our markers behind it, on one line.

    Raises:
        Unsendable: longer than the vendor's limit, markers included.

    Spec: Customer Support Tickets API, section 3 (40 characters); section 9, POST ticket.
    """
    plain = one_line(marker.split(clean(text))[0])
    whole = " ".join(part for part in (plain, *map(marker.render, keys)) if part)
    if len(whole) > bounds.reference_chars:
        room = max(0, bounds.reference_chars - (len(whole) - len(plain)))
        raise Unsendable(
            f"customer_reference: {len(plain)} characters; beside our marker there is room for "
            f"{room} of {bounds.reference_chars}"
        )
    return whole


def recipients(value: str) -> str:
    """Give recipients as they are sent: joined by a comma, without blanks.

    Raises:
        Unsendable: one of them is no address.

    Spec: Customer Support Tickets API, section 5.3; section 7, D8.
    """
    found = addresses(value)
    for one in found:
        name, at, host = one.partition("@")
        if not (name and at and "." in host) or " " in one or "@" in host:
            raise Unsendable(f"notification_recipients: {one!r} is no e-mail address")
    return ",".join(found)


# --- the other writes ----------------------------------------------------------------------------


def cancel_body(fields: Mapping[str, Value], bounds: Bounds) -> JsonObject:
    """Build the body of a cancel; its reason is always named (D4).

    Raises:
        Unsendable: another status than `Cancelled`, an unlisted reason, or an unknown companion.

    Spec: Customer Support Tickets API, section 5.5; section 1 (other status changes: none).
    """
    strangers = sorted(set(fields) - {"status", CANCEL_REASON})
    if strangers:
        raise Unsendable(f"a cancel takes `{CANCEL_REASON}`, not {', '.join(strangers)}")
    if not same_value("status", fields.get("status"), CANCELLED):
        raise Unsendable(
            f"status {fields.get('status')!r}: we can only cancel ({CANCELLED}), Digital Realty "
            "moves every other status; say it by a comment"
        )
    wanted = one_line(_as_text(CANCEL_REASON, fields.get(CANCEL_REASON))) or bounds.cancel_reason
    listed = (one for one in CANCEL_REASONS if one.casefold() == wanted.casefold())
    reason = next(listed, None)
    if reason is None:
        raise Unsendable(f"{CANCEL_REASON} {wanted!r}: accepted: {', '.join(CANCEL_REASONS)}")
    return {"cancelReason": reason}


def comment_body(
    ticket_id: str, draft: CommentDraft, key: OperationKey, bounds: Bounds
) -> JsonObject:
    """Build the body of a comment: the key's marker is its last line.

    Raises:
        Unsendable: empty, or longer than the limit in characters or bytes.

    Spec: Customer Support Tickets API, section 8, Comments API v1; section 9, POST comment.
    """
    plain = marker.split(clean(draft.body))[0].rstrip()
    if not plain.strip():
        raise Unsendable("a comment without text")
    whole = marker.append(plain, key)
    _within("a comment with its marker", whole, bounds.comment_chars, in_bytes=True)
    return {"requestId": ticket_id, "comment": whole}


def checked_file(draft: AttachmentDraft, bounds: Bounds) -> tuple[str, str, int]:
    """Check a file before it is sent.

    Returns:
        Name, MIME type and size in bytes, as they are sent.

    Raises:
        Unsendable: empty, too large, or with a name that is a path.

    Spec: Customer Support Tickets API, section 8, Attachments API v1.
    """
    name = draft.name.strip()
    if not name or name != clean(name) or "\n" in name or _UNSAFE_IN_NAMES & set(name):
        raise Unsendable(
            f"file name {draft.name!r} is empty, or holds a path or control characters"
        )
    if len(name) > bounds.file_name_chars:
        raise Unsendable(f"file name of {len(name)} characters, we send {bounds.file_name_chars}")
    if not draft.size_bytes:
        raise Unsendable(f"{name}: the file is empty")
    if draft.size_bytes > bounds.attachment_bytes:
        raise Unsendable(f"{name}: {draft.size_bytes} bytes, we send {bounds.attachment_bytes}")
    content_type = draft.content_type.strip().lower() or "application/octet-stream"
    return name, content_type, draft.size_bytes


# --- the list of fields --------------------------------------------------------------------------


def field_infos(bounds: Bounds) -> tuple[FieldInfo, ...]:
    """List a ticket's fields for `syncd fields`. Spec: sections 3, 5.3, 5.4 and 5.5."""
    infos = [
        FieldInfo(
            name=row.name,
            kind=_SHOWN.get(row.kind, row.kind),
            max_chars=_chars_max(row, bounds),
            max_bytes=bounds.text_chars if row.kind in ("text", "addresses") else None,
            writable=_ways(row, bounds),
            values=STATUSES if row.name == "status" else (),
            source=f"Customer Support Tickets API, section 3 ({row.wire})",
        )
        for row in FIELDS.values()
    ]
    infos.append(
        FieldInfo(
            name=CANCEL_REASON,
            kind="label",
            writable=frozenset({"status"}),
            readable=False,
            values=CANCEL_REASONS,
            source="Customer Support Tickets API, section 5.5 (cancelReason)",
        )
    )
    return tuple(infos)


_SHOWN = {"line": "text", "addresses": "list"}


def _chars_max(row: Field, bounds: Bounds) -> int | None:
    """Give the longest text a mapping may send; a reference leaves room for our marker."""
    room = bounds.reference_chars - len(" [ref:]") - KEY_CHARS_USUAL
    return {
        "title": bounds.title_chars,
        "site": bounds.site_chars,
        "location": bounds.location_chars,
        "customer_reference": max(1, room),
        "description": bounds.text_chars,
        "notification_recipients": bounds.text_chars,
    }.get(row.name)


def _ways(row: Field, bounds: Bounds) -> frozenset[str]:
    if bounds.updates_texts and row.name in ("title", "description"):
        return row.writable | {"update"}
    return row.writable


def _writable(name: str, way: str, bounds: Bounds) -> Field:
    row = FIELDS.get(name)
    if row is None:
        raise Unsendable(f"Digital Realty's tickets have no field {name}")
    ways = _ways(row, bounds)
    if way not in ways:
        where = f"only by {' and '.join(sorted(ways))}" if ways else "by nobody but Digital Realty"
        raise Unsendable(f"{name} cannot be set by {way}, {where}")
    return row


def _text(row: Field, value: Value, bounds: Bounds) -> str:
    """Give a field's text as sent, checked against its limit."""
    given = marker.split(_as_text(row.name, value))[0]
    if row.kind == "addresses":
        text = recipients(given)
    else:
        text = given.strip() if row.kind == "text" else one_line(given)
    if row.name == "customer_reference" or normalise(row.name, text) is None:
        return text  # a reference is checked with its marker
    limit = _chars_max(row, bounds)
    if limit is not None:
        _within(row.name, text, limit, in_bytes=row.kind in ("text", "addresses"))
    return text


def _within(what: str, text: str, limit: int, *, in_bytes: bool) -> None:
    """Check a length; where the document may count bytes, both must fit (D10)."""
    if len(text) > limit:
        raise Unsendable(f"{what}: {len(text)} characters, Digital Realty takes {limit}")
    size = len(text.encode())
    if in_bytes and size > limit:
        raise Unsendable(
            f"{what}: {size} bytes in UTF-8; the vendor's limit of {limit} may count bytes"
        )


def _as_text(name: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        raise Unsendable(f"{name} is a text, not a contact")
    return clean(str(value))
