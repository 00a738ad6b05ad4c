"""What is sent to Telenor: bodies and file checks; pure, and strict before anything leaves.

Whatever Telenor would refuse, or would take with a surprise, is `Unsendable` here: nothing invalid
is ever sent. Limits that the document leaves open come in as `Bounds`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from syncd.core import marker
from syncd.core.normal import clean, one_line
from syncd.model.ids import OperationKey
from syncd.model.operation import AttachmentDraft, CommentDraft
from syncd.model.ticket import CommentKind, FieldInfo, Value
from syncd.providers.telenor.mapping import normalise
from syncd.providers.telenor.trees import CONTACT_PARTS, Field, Tree
from syncd.providers.telenor.wire import JsonObject, parse_decimal

STATUS_TEXT = "text"
"""What may go with a status: `text`, the additional status comment of I19."""
_REAL_TYPES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}
_UNSAFE_IN_NAMES = frozenset("/\\")


class Unsendable(ValueError):
    """A value Telenor would not take, found before anything is sent; the text is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The sizes and lists sending keeps to (from settings)."""

    comment_bytes: int
    subject_chars: int
    description_chars: int
    text_chars: int
    file_name_chars: int
    attachment_bytes: int
    statuses: tuple[str, ...]
    priorities: tuple[str, ...]
    denied_extensions: frozenset[str]
    contact_in_create: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateParts:
    """An update taken apart into Telenor's calls, each idempotent by itself.

    Attributes:
        body: for I7, without the description; None when no such field changes.
        description: new description without markers; None when it does not change.
        contact: for I16; None when it does not change.
        local_contact: for I17; None when it does not change or is to be removed.
        removes_local_contact: I18.
    """

    body: JsonObject
    description: str | None = None
    contact: JsonObject | None = None
    local_contact: JsonObject | None = None
    removes_local_contact: bool = False


def create_body(
    fields: Mapping[str, Value],
    key: OperationKey,
    user_name: str,
    bounds: Bounds,
    tree: Tree,
) -> JsonObject:
    """Build the body of a create: empty values left out, the key in the tree's place for it.

    Raises:
        Unsendable: a field cannot be set by a create, is too long, or not among the listed values.

    Spec: Service Ticket API, sections 5 and 7; section 6, I2; section 7, O2; section 8, T4, T6,
    T16; section 10.
    """
    body: dict[str, object] = {}
    for name, value in fields.items():
        row = _writable(name, "create", bounds, tree)
        if normalise(name, value) is None or name in ("caller", "description"):
            continue
        body[row.wire] = _plain_value(row, value, bounds)
    caller = ""
    if normalise("caller", fields.get("caller")) is not None:
        caller = _text(tree.fields["caller"], fields["caller"], bounds)
    text = _as_text("description", fields.get("description"))
    keys = () if tree.key_field else (key,)
    if keys or text.strip():
        body["description"] = described(text, keys, bounds)
    if tree.key_field:
        body[tree.key_field] = str(key)
    body["createdBy"] = {"internalUser": False, "userName": caller or user_name}
    return body


def update_parts(fields: Mapping[str, Value], bounds: Bounds, tree: Tree) -> UpdateParts:
    """Take an update apart; only what changed is in it, nothing is null.

    Raises:
        Unsendable: nothing in it, or a field cannot be updated, emptied, is too long or unlisted.

    Spec: Service Ticket API, section 6, I7, I16-I18; section 8, T17.
    """
    if not fields:
        raise Unsendable("an update without a field")
    body: dict[str, object] = {}
    description: str | None = None
    contacts: dict[str, JsonObject | None] = {}
    for name, value in fields.items():
        row = _writable(name, "update", bounds, tree)
        if row.kind == "contact":
            is_empty = normalise(name, value) is None
            contacts[name] = None if is_empty else contact_body(name, value)
        elif name == "description":
            description = _as_text(name, value)
        else:
            body[row.wire] = _plain_value(row, value, bounds)
    if "contact" in contacts and contacts["contact"] is None:
        raise Unsendable("the main contact cannot be emptied: Telenor has no call for it")
    return UpdateParts(
        body=body,
        description=description,
        contact=contacts.get("contact"),
        local_contact=contacts.get("local_contact"),
        removes_local_contact="local_contact" in contacts and contacts["local_contact"] is None,
    )


def described(text: str, keys: Iterable[OperationKey], bounds: Bounds) -> str:
    """Give a description with its markers as last lines.

    Raises:
        Unsendable: longer than the limit, markers included.

    Spec: Service Ticket API, section 10, POST incident.
    """
    whole = marker.split(clean(text))[0].rstrip()
    for key in keys:
        whole = marker.append(whole, key)
    if len(whole) > bounds.description_chars:
        raise Unsendable(
            f"description: {len(whole)} characters with its marker, Telenor takes "
            f"{bounds.description_chars}"
        )
    return whole


def status_body(fields: Mapping[str, Value], key: OperationKey, bounds: Bounds) -> JsonObject:
    """Build the body of a status change: exactly a listed literal, and its text with our marker.

    The text may come back as a comment or an activity, so it carries the key like a comment.

    Raises:
        Unsendable: no status, an unlisted one, an unknown companion, or too long a text.

    Spec: Service Ticket API, section 6, I19; section 8, T9.
    """
    strangers = sorted(set(fields) - {"status", STATUS_TEXT})
    if strangers:
        raise Unsendable(f"a status change takes `status` and `text`, not {', '.join(strangers)}")
    wanted = normalise("status", fields.get("status"))
    literal = next((one for one in bounds.statuses if normalise("status", one) == wanted), None)
    if wanted is None or literal is None:
        raise Unsendable(
            f"status {fields.get('status')!r} is not listed: {', '.join(bounds.statuses)}"
        )
    body: dict[str, object] = {"status": literal}
    text = _as_text(STATUS_TEXT, fields.get(STATUS_TEXT)).strip()
    if text:
        body["text"] = _marked_comment(text, key, bounds, "the text of a status change")
    return body


def comment_body(
    draft: CommentDraft, key: OperationKey, user_name: str, bounds: Bounds
) -> JsonObject:
    """Build the body of a comment: the key's marker is its last line.

    Raises:
        Unsendable: empty, longer than the limit in bytes, or of a kind Telenor has not.

    Spec: Service Ticket API, section 6, I15; section 8, T14, T15, T18; section 9, limits.
    """
    if draft.kind is not CommentKind.COMMENT:
        raise Unsendable(f"Telenor has no {draft.kind.value}")
    return {"text": _marked_comment(draft.body, key, bounds, "a comment"), "userName": user_name}


def _marked_comment(text: str, key: OperationKey, bounds: Bounds, what: str) -> str:
    plain = marker.split(clean(text))[0].rstrip()
    if not plain.strip():
        raise Unsendable(f"{what} without text")
    whole = marker.append(plain, key)
    size = len(whole.encode())
    if size > bounds.comment_bytes:
        raise Unsendable(
            f"{what} of {size} bytes with its marker, Telenor takes {bounds.comment_bytes}"
        )
    return whole


def contact_body(name: str, value: Value) -> JsonObject:
    """Build a contact: the parts given, none of them empty.

    Raises:
        Unsendable: it is no contact, or has other parts than name, email and phone.

    Spec: Service Ticket API, section 4.4, Contact.
    """
    return _structure(name, value, CONTACT_PARTS)


def _structure(name: str, value: Value, known: Mapping[str, str]) -> JsonObject:
    if not isinstance(value, Mapping):
        raise Unsendable(f"{name} has {', '.join(known)}, it is not {value!r}")
    strangers = sorted(set(value) - set(known))
    if strangers:
        raise Unsendable(f"{name}: Telenor has no {', '.join(strangers)} there")
    parts = {wire: one_line(value[part]) for part, wire in known.items() if part in value}
    return {part: text for part, text in parts.items() if text}


def _number(name: str, value: Value) -> int | float:
    """Give an amount as a JSON number. Spec: Service Ticket API, section 8, T5."""
    text = parse_decimal(value)
    if text is None:
        raise Unsendable(f"{name} {value!r} is no number")
    return float(text) if "." in text else int(text)


def checked_file(draft: AttachmentDraft, bounds: Bounds) -> tuple[str, str, int]:
    """Check a file before it is sent.

    Returns:
        Name, MIME type and size in bytes, as they are sent.

    Raises:
        Unsendable: empty, too large, executable, or with a name Telenor would not take.

    Spec: Service Ticket API, section 6, I11; section 8, T18, T22; section 9, limits.
    """
    name = draft.name.strip()
    if not name or name != clean(name) or "\n" in name or _UNSAFE_IN_NAMES & set(name):
        raise Unsendable(
            f"file name {draft.name!r} is empty, or holds a path or control characters"
        )
    if len(name) > bounds.file_name_chars:
        raise Unsendable(
            f"file name of {len(name)} characters, Telenor takes {bounds.file_name_chars}"
        )
    extension = name.rstrip(" .").rpartition(".")[2].casefold()
    if "." in name and extension in bounds.denied_extensions:
        raise Unsendable(f"{name}: executable files (.{extension}) are not permitted")
    if not draft.size_bytes:
        raise Unsendable(f"{name}: the file is empty")
    if draft.size_bytes > bounds.attachment_bytes:
        raise Unsendable(
            f"{name}: {draft.size_bytes} bytes, Telenor takes {bounds.attachment_bytes}"
        )
    content_type = draft.content_type.strip().lower() or "application/octet-stream"
    return name, _REAL_TYPES.get(content_type, content_type), draft.size_bytes


def field_infos(bounds: Bounds, tree: Tree) -> tuple[FieldInfo, ...]:
    """List the fields of one kind of ticket for `syncd fields`.

    Spec: Service Ticket API, sections 5 and 7.
    """
    return tuple(
        FieldInfo(
            name=row.name,
            kind="text" if row.kind == "line" else row.kind,
            parts=tuple(row.parts),
            max_chars=_chars_max(row, bounds),
            writable=_ways(row, bounds),
            readable=True,
            values=_values(row, bounds),
            source=f"Service Ticket API, {row.source}",
        )
        for row in tree.fields.values()
    )


def _writable(name: str, way: str, bounds: Bounds, tree: Tree) -> Field:
    row = tree.fields.get(name)
    if row is None:
        raise Unsendable(f"Telenor's {tree.plural} have no field {name}")
    ways = _ways(row, bounds)
    if way not in ways:
        where = f"only by {' and '.join(sorted(ways))}" if ways else "by nobody but Telenor"
        raise Unsendable(f"{name} cannot be set by {way}, {where}")
    return row


def _ways(row: Field, bounds: Bounds) -> frozenset[str]:
    if row.kind == "contact" and bounds.contact_in_create:
        return row.writable | {"create"}
    return row.writable


def _values(row: Field, bounds: Bounds) -> tuple[str, ...]:
    return {"status": bounds.statuses, "priority": bounds.priorities}.get(row.name, ())


def _chars_max(row: Field, bounds: Bounds) -> int | None:
    """Give the longest text a mapping may send; a description leaves room for its marker."""
    if row.name == "title":
        return bounds.subject_chars
    if row.name == "description":
        return bounds.description_chars - marker.MARKER_CHARS_MAX
    return bounds.text_chars if row.kind in ("line", "label") and row.writable else None


def _plain_value(row: Field, value: Value, bounds: Bounds) -> object:
    """Give a field's value as it stands in a body."""
    if row.parts:
        parts = _structure(row.name, value, row.parts)
        if not parts:
            raise Unsendable(f"{row.name} cannot be emptied")
        return parts
    if row.kind == "number":
        return _number(row.name, value)
    return _text(row, value, bounds)


def _text(row: Field, value: Value, bounds: Bounds) -> str:
    """Give a field's text as sent: a listed literal exactly, one line where it is one."""
    text = one_line(marker.split(_as_text(row.name, value))[0])
    if not text:
        if row.clearable:
            return ""
        raise Unsendable(f"{row.name} cannot be emptied")
    listed = _values(row, bounds)
    literal = next(
        (one for one in listed if normalise(row.name, one) == normalise(row.name, text)), None
    )
    if listed and literal is None:
        raise Unsendable(f"{row.name} {text!r} is not listed: {', '.join(listed)}")
    limit = _chars_max(row, bounds)
    if limit is not None and len(text) > limit:
        raise Unsendable(f"{row.name}: {len(text)} characters, Telenor takes {limit}")
    return literal or text


def _as_text(name: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        raise Unsendable(f"{name} is a text, not a contact")
    return clean(str(value))
