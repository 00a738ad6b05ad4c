"""Neutral names and values to RT's and back; pure.

Every field a ticket always has is a row of `FIELDS`; custom fields come from the settings.
`normalise` is N of DESIGN R5: two spellings of one value have one form. Round trip:
N(read(rendered(v))) equals N(v) for every value we agree to send.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.core import marker
from syncd.core.normal import clean, one_line, plain
from syncd.model.ids import AttachmentId, CommentId, OperationKey, TicketId
from syncd.model.ticket import (
    Attachment,
    Comment,
    CommentKind,
    Missing,
    Ticket,
    Value,
    Visibility,
)
from syncd.providers.rt.html import text_of
from syncd.providers.rt.wire import Entry, Part, TicketDoc

KIND = "ticket"
"""The one kind of ticket."""
NORMALISER_VERSION = 1
"""Raised whenever `normalise` gives another form for some value (DESIGN R5)."""
NOBODY = "Nobody"
"""Login of the owner of a ticket nobody owns."""
KINDS: Mapping[str, CommentKind] = {
    "Correspond": CommentKind.COMMENT,
    "Comment": CommentKind.WORK_NOTE,
}
"""Type of a transaction -> kind of comment; of no other type is a comment made."""
SPEAKING = (*KINDS, "Create")
"""Types of transactions whose parts are read; `EmailRecord` is noise."""

_NUMBER = re.compile(r"[+-]?\d{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A neutral field and where RT keeps it.

    Attributes:
        name: neutral name.
        wire: RT's name.
        kind: `text`, `line` (a text of one line), `label`, `people`, `number` or `time`.
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
        _field("title", "Subject", "line", _BOTH),
        _field("description", "Content", "text", _CREATE),
        _field("status", "Status", "label", frozenset({"status"})),
        _field("queue", "Queue", "label", _BOTH),
        _field("owner", "Owner", "label", _BOTH),
        _field("caller", "Requestor", "people", _BOTH),
        _field("priority", "Priority", "number", _BOTH),
        _field("created_by", "Creator", "line"),
        _field("time_worked", "TimeWorked", "number"),
        _field("due_at", "Due", "time"),
        _field("started_at", "Started", "time"),
        _field("resolved_at", "Resolved", "time"),
    )
}
"""Neutral name -> where RT keeps it, for what every ticket has. Spec: NOTES.md, Tickets."""


# --- normal form ---------------------------------------------------------------------------------


def people(text: str) -> tuple[str, ...]:
    """Split the people of a role, told by login or address."""
    parts = (one_line(part) for part in clean(text).split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def normalise(name: str, value: Value) -> Value:
    """Give the form in which two spellings of one value are equal (N of DESIGN R5).

    Empty texts are None, and so is the owner `Nobody`. Texts: markers out, LF, no white space at
    line ends or around the whole, NFC. Labels and logins ignore capitals; of several people the
    order does not count. Version: `NORMALISER_VERSION`.
    """
    row = FIELDS.get(name)
    kind = row.kind if row else "text"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {part: plain(str(text), "line") for part, text in sorted(value.items())} or None
    text = plain(str(value), kind)
    if name == "owner" and text == NOBODY.casefold():
        return None
    if kind == "people":
        return ",".join(sorted(one.casefold() for one in people(text))) or None
    if kind == "number" and _NUMBER.fullmatch(text):
        return str(int(text))
    return text or None


def same_value(name: str, told: Value | Missing, wanted: Value) -> bool:
    """Say whether a field read back holds what was sent; not told counts as empty."""
    found = None if isinstance(told, Missing) else told
    return normalise(name, found) == normalise(name, wanted)


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a connection calls its fields (from settings).

    Attributes:
        custom: neutral name -> RT's name of a custom field.
        ticket_key, transaction_key: custom fields that keep our keys; empty: none.
        user: our login.
        private_files: files of private comments are told as well, not ours alone.
    """

    custom: Mapping[str, str]
    ticket_key: str
    transaction_key: str
    user: str
    private_files: bool


def fields_of(doc: TicketDoc, names: Names) -> dict[str, Value]:
    """Give the fields `GET /ticket` tells, markers taken out; the description is not among them."""
    fields: dict[str, Value] = {
        "number": doc.id,
        "queue": doc.queue or None,
        "owner": None if doc.owner in ("", NOBODY) else doc.owner,
        "caller": ", ".join(doc.requestors) or None,
        "created_by": doc.creator or None,
    }
    for name in ("title", "status", "priority", "time_worked"):
        wire = FIELDS[name].wire
        if wire in doc.told:
            fields[name] = marker.split(doc.told[wire])[0].strip() or None
    for name in ("due_at", "started_at", "resolved_at"):
        at = doc.dates.get(FIELDS[name].wire)
        fields[name] = at.isoformat() if at else None
    for name, wire in names.custom.items():
        fields[name] = ", ".join(doc.custom.get(wire, ())) or None
    return fields


def ticket(
    doc: TicketDoc, entries: Sequence[Entry], parts: Mapping[str, Sequence[Part]], names: Names
) -> Ticket:
    """Put a ticket together.

    Args:
        doc: the ticket.
        entries: its history, oldest first.
        parts: id of a transaction -> its parts, with texts where they are messages.
        names: of the connection's fields.
    """
    fields, keys = fields_of(doc, names), list(ticket_keys(doc.custom, names))
    comments: list[Comment] = []
    files: list[Attachment] = []
    for entry in entries:
        own = parts.get(entry.id, ())
        if _may_be_told(entry, names):
            files += [_file(entry, part) for part in own if part.name]
        said = message_of(own)
        if entry.type == "Create" and "description" not in fields:
            text, found = marker.split(said)
            fields["description"] = text.rstrip() or None
            keys += found
        elif entry.type in KINDS and said.strip():
            comments.append(_comment(entry, said, names))
    fields.setdefault("description", None)
    return Ticket(
        id=TicketId(doc.id),
        number=doc.id,
        kind=KIND,
        fields=fields,
        comments=tuple(comments),
        attachments=tuple(files),
        created_at=doc.dates.get("Created"),
        updated_at=doc.dates.get("LastUpdated"),
        keys=tuple(dict.fromkeys(keys)),
    )


def _may_be_told(entry: Entry, names: Names) -> bool:
    """Say whether a transaction's files may be told of: they have no visibility (R9)."""
    is_private = KINDS.get(entry.type) is CommentKind.WORK_NOTE
    is_ours = entry.creator.name.casefold() == names.user.casefold()
    return names.private_files or not is_private or is_ours


def ticket_keys(custom: Mapping[str, Sequence[str]], names: Names) -> tuple[OperationKey, ...]:
    """Give the keys in the custom field of tickets that keeps them."""
    return _keys_in(custom.get(names.ticket_key, ())) if names.ticket_key else ()


def entry_keys(entry: Entry, names: Names) -> tuple[OperationKey, ...]:
    """Give the keys in the custom field of transactions that keeps them."""
    return _keys_in(entry.custom.get(names.transaction_key, ())) if names.transaction_key else ()


def _keys_in(values: Sequence[str]) -> tuple[OperationKey, ...]:
    """Read a field of ours that holds nothing but a key."""
    return tuple(key for value in values for key in marker.split(f"[ref:{value.strip()}]")[1])


def message_of(parts: Sequence[Part]) -> str:
    """Give what a transaction says: its first plain text, else its first HTML as plain text."""
    told = [part for part in parts if not part.name and part.content]
    for part in told:
        if part.content_type in ("text/plain", ""):
            return part.content or ""
    for part in told:
        if part.content_type == "text/html":
            return text_of(part.content or "")
    return ""


def is_message(part: Part) -> bool:
    """Say whether a part may be what its transaction says, so that its text is to be read."""
    return not part.name and part.content_type in ("text/plain", "text/html")


def attachment_id(part: Part) -> AttachmentId:
    """Give a file's id: its transaction's and its own, for a download names both."""
    return AttachmentId(f"{part.transaction}-{part.id}")


def _file(entry: Entry, part: Part) -> Attachment:
    name = part.name.replace("\\", "/").rpartition("/")[2]
    return Attachment(
        id=attachment_id(part),
        name=clean(name).strip() or f"file-{part.id}",
        size_bytes=part.size,
        content_type=part.content_type or "application/octet-stream",
        created_at=part.created or entry.created,
        author=entry.creator.shown,
    )


def _comment(entry: Entry, said: str, names: Names) -> Comment:
    """Make a comment of a transaction; the key our field keeps goes before those people quote."""
    body, quoted = marker.split(said)
    kind = KINDS[entry.type]
    is_public = kind is CommentKind.COMMENT
    return Comment(
        id=CommentId(entry.id),
        body=body.rstrip() if quoted else body,
        author=entry.creator.shown,
        created_at=entry.created,
        visibility=Visibility.PUBLIC if is_public else Visibility.PRIVATE,
        kind=kind,
        keys=tuple(dict.fromkeys((*entry_keys(entry, names), *quoted))),
    )
