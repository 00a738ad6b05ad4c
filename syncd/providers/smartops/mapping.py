"""Neutral names and values to the contract's and back. Pure.

Flow: `to_ticket` makes a Ticket of what was answered; `ticket_json` makes the template of what is
written; `normalise` is N of DESIGN R5 for both.

Invariants: markers never stay in a field or a comment's body; nothing is written as null, and an
empty value only where the template says that it clears (O16).
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

import orjson

from syncd.core import marker
from syncd.model.ids import CommentId, OperationKey, TicketId
from syncd.model.operation import WriteKind
from syncd.model.ticket import Comment, CommentKind, FieldInfo, Ticket, Value, Visibility
from syncd.providers.smartops.wire import (
    FIELD_NAMES,
    Details,
    Note,
    NoteList,
    parse_instant,
)

TICKET_KIND = "ticket"
"""The one kind of ticket the contract knows."""

NORMALISER_VERSION = 1
"""Changes whenever `normalise` gives another result for any value."""


class CannotCarry(ValueError):
    """A value cannot be sent; the text says which field and why."""


class Access(StrEnum):
    """What a key of the customer's ticket template is good for."""

    READ = "read"
    WRITE = "write"
    READ_WRITE = "read_write"


class FieldKind(StrEnum):
    """What a field holds; decides how N compares it."""

    TEXT = "text"
    LABEL = "label"
    NUMBER = "number"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateField:
    """One key of the customer's ticket template.

    Attributes:
        name: neutral name.
        key: name in `ticketJSON`, and in `ticketFields` where it can be read.
        access: what it is good for.
        max_chars: longest text it takes; None where there is no known limit.
        kind: how it is compared.
        clearable: an empty value empties it instead of leaving it unchanged (O16).
    """

    name: str
    key: str
    access: Access = Access.READ_WRITE
    max_chars: int | None = None
    kind: FieldKind = FieldKind.TEXT
    clearable: bool = False

    @property
    def is_readable(self) -> bool:
        """It is asked for beside the 25."""
        return self.access is not Access.WRITE

    @property
    def is_writable(self) -> bool:
        """It may stand in `ticketJSON`."""
        return self.access is not Access.READ


NOTE_LISTS: Mapping[CommentKind, NoteList] = {
    CommentKind.COMMENT: NoteList.COMMENTS,
    CommentKind.WORK_NOTE: NoteList.WORK_NOTES,
    CommentKind.CLOSURE_NOTE: NoteList.CLOSURE_NOTES,
}
"""Where each kind of comment is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a connection knows of the customer's ticket template.

    Attributes:
        fields: neutral name -> key; one named like a standard field says where that is written.
        note_keys: the key a comment of each kind is written under.
        visibilities: who may see each list (DESIGN R9).
        business_times: the two clocks that run while nothing happens are part of a ticket.
    """

    fields: Mapping[str, TemplateField] = field(default_factory=dict)
    note_keys: Mapping[CommentKind, str] = field(
        default_factory=lambda: {kind: str(name) for kind, name in NOTE_LISTS.items()}
    )
    visibilities: Mapping[NoteList, Visibility] = field(default_factory=dict)
    business_times: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standard:
    name: str
    wire: str
    kind: FieldKind
    writable: bool = True


def _table() -> tuple[_Standard, ...]:
    label, text, number, time = (
        FieldKind.LABEL,
        FieldKind.TEXT,
        FieldKind.NUMBER,
        FieldKind.TIME,
    )
    rows = (
        ("number", "ticketNumber", label, False),
        ("id", "sysId", label, False),
        ("status", "ticketStatus", label, True),
        ("priority", "ticketPriority", label, True),
        ("urgency", "urgency", label, True),
        ("severity", "ticketSeverity", label, True),
        ("title", "shortDescription", text, True),
        ("description", "longDescription", text, True),
        ("category", "category", label, True),
        ("sub_category", "subCategory", label, True),
        ("assigned_group", "assignedGroup", label, True),
        ("assigned_to", "assignedTo", label, True),
        ("caller", "callerId", label, True),
        ("business_duration", "ticketBusinessDuration", number, False),
        ("business_time_left", "ticketBusinessTimeLeft", number, False),
        ("created_at", "createdTime", time, False),
        ("updated_at", "updatedTime", time, False),
        ("resolved_at", "resolvedTime", time, False),
        ("created_by", "createdBy", label, False),
        ("updated_by", "updatedBy", label, False),
        ("resolved_by", "resolvedBy", label, False),
        ("closed_by", "closedBy", label, False),
    )
    return tuple(_Standard(name=n, wire=w, kind=k, writable=ok) for n, w, k, ok in rows)


_STANDARD = {row.name: row for row in _table()}

STANDARD_NAMES = frozenset(_STANDARD)
"""Neutral names of the fields every implementation of the contract answers."""

WRITABLE_STANDARD_NAMES = frozenset(row.name for row in _STANDARD.values() if row.writable)
"""Those of them that may be written (O8: the 25 names are accepted as keys)."""

BUSINESS_TIMES = frozenset({"business_duration", "business_time_left"})
"""Fields that change by themselves with every read (§2, rows 4 and 5)."""

STORED_KEYS = tuple(
    row.wire for row in _STANDARD.values() if row.writable or row.name in BUSINESS_TIMES
)
"""Names in the contract of what is kept of a served ticket, beside the template's own keys."""

NOTE_NAMES = frozenset(str(kind) for kind in CommentKind)
"""Neutral names that write a comment of that kind."""


# --- reading -------------------------------------------------------------------------------------


def read_names(template: Template) -> tuple[str, ...]:
    """List what a read asks for: the 25, then the template's readable keys.

    Spec: §2 fields that may appear in `ticketFields`.
    """
    own = (one.key for one in template.fields.values() if _is_own(one) and one.is_readable)
    return (*FIELD_NAMES, *own)


def answer_names(written: Iterable[str], template: Template) -> tuple[str, ...]:
    """List what a write's answer is asked for: the ids, and what was written where it is readable.

    Spec: §6, ticketFields ("fields to be fetched from the ITSM after the operation").
    """
    names = ["sysId", "ticketNumber"]
    for name in written:
        if name in NOTE_NAMES:
            names.append(str(NOTE_LISTS[CommentKind(name)]))
        elif (key := _read_key(name, template)) is not None:
            names.append(key)
    return tuple(names)


def to_ticket(details: Details, template: Template) -> Ticket:
    """Make a Ticket of a whole answer whose identity has been checked.

    Spec: §2 fields; §3 timestamps; §5 O6 (empty values), O17 (oldest first).
    """
    texts = [details.texts.get("longDescription", ""), details.texts.get("shortDescription", "")]
    texts += [details.texts.get(one.key, "") for one in template.fields.values() if one.is_readable]
    keys = dict.fromkeys(key for text in texts for key in marker.split(text)[1])
    return Ticket(
        id=TicketId(details.sys_id),
        number=details.number,
        kind=TICKET_KIND,
        fields=field_values(details, template),
        comments=to_comments(details, template),
        created_at=parse_instant(details.texts.get("createdTime", "")),
        updated_at=parse_instant(details.texts.get("updatedTime", "")),
        keys=tuple(keys),
    )


def field_values(details: Details, template: Template) -> dict[str, Value]:
    """Give neutral name -> raw value of what an answer told; markers are taken out.

    Spec: §2 fields that may appear in `ticketFields`.
    """
    values: dict[str, Value] = {}
    for name in (*_STANDARD, *template.fields):
        key = _read_key(name, template)
        if key is not None and key in details.texts:
            values[name] = _raw(details.texts[key], _kind(name, template))
    return values


def to_comments(details: Details, template: Template) -> tuple[Comment, ...]:
    """Make comments of the three lists, oldest first whatever the order answered.

    Spec: §2, rows 16 to 18; §5 O17.
    """
    dated: list[tuple[datetime | None, Comment]] = []
    for kind, name in NOTE_LISTS.items():
        visibility = template.visibilities.get(name, Visibility.PRIVATE)
        dated += _comments(kind, details.notes.get(name, ()), visibility)
    return tuple(_oldest_first(dated))


def raw_keys(details: Details) -> tuple[OperationKey, ...]:
    """Give the keys whose markers stand in the description now, in order, each once."""
    return tuple(dict.fromkeys(marker.split(details.texts.get("longDescription", ""))[1]))


def _comments(
    kind: CommentKind, notes: Sequence[Note], visibility: Visibility
) -> list[tuple[datetime | None, Comment]]:
    seen: dict[bytes, int] = {}
    comments: list[tuple[datetime | None, Comment]] = []
    for note in _in_order(notes):
        at = parse_instant(note.time)
        body, keys = marker.split(note.text)
        # What identifies it; an equal one is told apart by its place among its equals (R5).
        content = orjson.dumps(
            [
                str(kind),
                _label(note.author),
                at.isoformat() if at else note.time.strip(),
                normalise_text(body),
                list(keys),
            ]
        )
        occurrence = seen[content] = seen.get(content, -1) + 1
        digest = hashlib.blake2b(content + b"#%d" % occurrence, digest_size=16).hexdigest()
        comment = Comment(
            id=CommentId(f"{kind}-{digest}"),
            body=body.rstrip() if keys else body,
            author=note.author,
            created_at=at,
            visibility=visibility,
            kind=kind,
            keys=keys,
        )
        comments.append((at, comment))
    return comments


def _in_order(notes: Sequence[Note]) -> Sequence[Note]:
    """Turn a list that runs from new to old."""
    times = [at for note in notes if (at := parse_instant(note.time)) is not None]
    falls = sum(later < earlier for earlier, later in pairwise(times))
    rises = sum(later > earlier for earlier, later in pairwise(times))
    return tuple(reversed(notes)) if falls > rises else notes


def _oldest_first(dated: Sequence[tuple[datetime | None, Comment]]) -> list[Comment]:
    """Sort by time; what has none stays behind what it stood behind."""
    last: datetime | None = None
    keyed: list[tuple[bool, datetime | None, Comment]] = []
    kind: CommentKind | None = None
    for at, comment in dated:
        if comment.kind is not kind:
            kind, last = comment.kind, None
        last = at or last
        keyed.append((last is not None, last, comment))
    undated = [comment for known, _, comment in keyed if not known]
    timed = [(when, comment) for _, when, comment in keyed if when is not None]
    timed.sort(key=lambda pair: pair[0])
    return [*undated, *(comment for _, comment in timed)]


def _raw(text: str, kind: FieldKind) -> Value:
    if kind is FieldKind.TIME:
        at = parse_instant(text)
        return at.isoformat() if at else text
    body, keys = marker.split(text)
    return body.rstrip() if keys else body


# --- writing -------------------------------------------------------------------------------------


def ticket_json(
    kind: WriteKind,
    fields: Mapping[str, Value],
    template: Template,
    *,
    key: OperationKey,
    kept_keys: Sequence[OperationKey] = (),
) -> dict[str, str]:
    """Build `ticketJSON` of a create, an update or a status.

    Args:
        kind: CREATE leaves empty values out; the others refuse them (O16).
        fields: neutral name -> value.
        template: the customer's.
        key: a create's marker goes into the description; a note's into the note.
        kept_keys: markers that stand in the description and must survive its rewriting (R4).

    Raises:
        CannotCarry: a field cannot be written, is empty, or is too long.

    Spec: §5 O8 (keys), O16 (partial, empty leaves unchanged); §6, ticketJSON.
    """
    is_create = kind is WriteKind.CREATE
    written: dict[str, str] = {}
    if sum(name in NOTE_NAMES for name in fields) > (0 if is_create else 1):
        raise CannotCarry("one write carries one note at most, and a create none")
    for name, value in fields.items():
        if name in NOTE_NAMES:
            body = written_text(name, value)
            if body:
                written[note_key(CommentKind(name), template)] = marker.append(body, key)
                continue
        else:
            target = _write_field(name, template)
            text = written_text(name, value)
            if name == "description":
                text = _with_keys(text, () if is_create else kept_keys)
            if text or (target.clearable and not is_create):
                written[target.key] = _within(target, text)
                continue
        if not is_create:
            raise CannotCarry(f"{name}: empty, which the contract reads as leave unchanged (O16)")
    if is_create:
        target = _write_field("description", template)
        text = marker.append(written.get(target.key, ""), key)
        written[target.key] = _within(target, text)
    return written


def note_key(kind: CommentKind, template: Template) -> str:
    """Give the key of `ticketJSON` a kind of comment is written under.

    Raises:
        CannotCarry: the settings name none.
    """
    key = template.note_keys.get(kind)
    if key is None:
        raise CannotCarry(f"{kind}: the connection's `writes:` names no key for it")
    return key


def _with_keys(text: str, keys: Sequence[OperationKey]) -> str:
    if text:
        for key in keys:
            text = marker.append(text, key)
    return text


def _within(target: TemplateField, text: str) -> str:
    if target.max_chars is not None and len(text) > target.max_chars:
        raise CannotCarry(
            f"{target.name}: {len(text)} characters, marker included; {target.max_chars} are taken"
        )
    return text


def written_text(name: str, value: Value) -> str:
    """Give a value as the text that is written.

    Raises:
        CannotCarry: it has several parts.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise CannotCarry(f"{name}: only text can be written, not a value of several parts")


def _write_field(name: str, template: Template) -> TemplateField:
    own = template.fields.get(name)
    if own is not None:
        if not own.is_writable:
            raise CannotCarry(f"{name}: its access is {own.access}")
        return own
    standard = _STANDARD.get(name)
    if standard is None:
        raise CannotCarry(f"{name}: no such field; the connection's `fields:` can name one")
    if not standard.writable:
        raise CannotCarry(f"{name}: the ITSM sets it, it can only be read")
    return TemplateField(name=name, key=standard.wire, kind=standard.kind)


# --- N and the list of fields --------------------------------------------------------------------


def normalise(name: str, value: Value, template: Template) -> Value:
    """Give the form in which two spellings of one value are equal (N of DESIGN R5).

    Text: line ends, NFC, no trailing white space, no markers. Labels: trimmed as well. Times: UTC.
    Numbers and booleans are the text they are sent as; nothing and empty are both None.
    """
    if isinstance(value, Mapping):
        return {part: normalise_text(text) for part, text in sorted(value.items())}
    text = written_text(name, value)
    kind = _kind(name, template)
    if kind is FieldKind.TIME and (at := parse_instant(text)) is not None:
        return at.isoformat()
    multiline = name in NOTE_NAMES or (kind is FieldKind.TEXT and name != "title")
    return (normalise_text(text) if multiline else _label(text)) or None


def normalise_text(text: str) -> str:
    """Give the form of a longer text in which spellings are equal: see `normalise`."""
    text = storable(text).replace("\r\n", "\n").replace("\r", "\n")
    keys: tuple[OperationKey, ...] = (OperationKey(""),)
    while keys:
        text, keys = marker.split(text)
    lines = unicodedata.normalize("NFC", text).split("\n")
    return "\n".join(line.rstrip() for line in lines).rstrip("\n")


def storable(text: str) -> str:
    """Take out what no text may hold: NUL, which PostgreSQL refuses, and half surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def _label(text: str) -> str:
    return normalise_text(text).strip()


def describe_fields(template: Template) -> tuple[FieldInfo, ...]:
    """List the standard fields, the notes and the template's own, for `syncd fields`.

    Spec: §2 fields; §5 O5 ("" for an unknown name), O8.
    """
    anywhere = frozenset(map(str, (WriteKind.CREATE, WriteKind.UPDATE, WriteKind.STATUS)))
    infos = [_describe_standard(row, template, anywhere) for row in _STANDARD.values()]
    for kind, key in template.note_keys.items():
        infos.append(
            FieldInfo(
                name=str(kind),
                writable=frozenset({str(WriteKind.UPDATE), str(WriteKind.STATUS)}),
                readable=False,
                source=f"written as {key}, read as comments (§2 {NOTE_LISTS[kind]})",
            )
        )
    for one in template.fields.values():
        if not _is_own(one):
            continue
        infos.append(
            FieldInfo(
                name=one.name,
                kind=str(one.kind),
                max_chars=one.max_chars,
                writable=anywhere if one.is_writable else frozenset(),
                readable=one.is_readable,
                source=f'template key {one.key}; "" may mean that it is not answered (§5 O5)',
            )
        )
    return tuple(infos)


def _describe_standard(row: _Standard, template: Template, anywhere: frozenset[str]) -> FieldInfo:
    own = template.fields.get(row.name)
    hidden = None
    if _read_key(row.name, template) is None:
        hidden = ", read with `business_times: true`: it changes with every read"
    room = own.max_chars if own else None
    if room is not None and row.name == "description":
        room -= marker.MARKER_CHARS_MAX
    return FieldInfo(
        name=row.name,
        kind=str(row.kind),
        max_chars=room,
        writable=anywhere if row.writable else frozenset(),
        readable=hidden is None,
        source=f"§2 {row.wire}" + (hidden or (f", written as {own.key}" if own else "")),
    )


def stored_key(name: str, template: Template) -> str | None:
    """Give the name a served ticket keeps a field under; None: there is no such field."""
    standard = _STANDARD.get(name)
    if standard is not None:
        return standard.wire
    own = template.fields.get(name)
    return None if own is None else own.key


def _is_own(one: TemplateField) -> bool:
    return one.name not in _STANDARD


def _read_key(name: str, template: Template) -> str | None:
    standard = _STANDARD.get(name)
    if name in BUSINESS_TIMES and not template.business_times:
        return None
    if standard is not None:
        return standard.wire
    own = template.fields.get(name)
    return own.key if own is not None and own.is_readable else None


def _kind(name: str, template: Template) -> FieldKind:
    standard = _STANDARD.get(name)
    if standard is not None:
        return standard.kind
    own = template.fields.get(name)
    return own.kind if own is not None else FieldKind.TEXT
