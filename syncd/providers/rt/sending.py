"""What is sent to RT: bodies and file checks; pure, and strict before anything leaves.

RT refuses little and ignores or alters much: an unknown owner or custom field is left out, a long
subject cut, a word for a priority becomes 0. Whatever is known to end so is `Unsendable` here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.core import marker
from syncd.core.normal import clean, one_line
from syncd.model.ids import OperationKey
from syncd.model.operation import AttachmentDraft, CommentDraft
from syncd.model.ticket import CommentKind, FieldInfo, Value
from syncd.providers.rt.mapping import (
    FIELDS,
    NOBODY,
    Field,
    normalise,
    people,
)
from syncd.providers.rt.settings import RtField, RtSettings
from syncd.providers.rt.wire import JsonObject

TITLE_CHARS = 200
"""RT cuts a longer subject. Source: NOTES.md, Fidelity."""
NAME_CHARS = 200
"""Longest name of a queue, user or file."""
PRIORITY_MAX = 1_000_000
WAYS: Mapping[CommentKind, str] = {
    CommentKind.COMMENT: "correspond",
    CommentKind.WORK_NOTE: "comment",
}
"""Kind of comment -> the call that makes it: a public reply or a private comment."""
_UNSAFE_IN_NAMES = frozenset('/\\"')
"""A quote in the name of an uploaded file makes RT fail."""


class Unsendable(ValueError):
    """A value RT would not take, or would alter; found before anything is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What sending keeps to: a connection's settings, by the names it needs."""

    settings: RtSettings

    def custom(self, name: str) -> RtField | None:
        """Give the custom field a neutral name stands for."""
        return self.settings.custom_fields.get(name)


# --- creates and updates -------------------------------------------------------------------------


def create_body(fields: Mapping[str, Value], key: OperationKey, rules: Rules) -> JsonObject:
    """Build the body of a create; its key stands in the custom field for it, else the description.

    Raises:
        Unsendable: no queue, a field cannot be set by a create, or a value is too long or odd.
    """
    body, custom = _values(fields, "create", rules)
    queue = body.get("Queue") or rules.settings.queue
    if not queue:
        raise Unsendable("queue is missing: neither the mapping nor the connection names one")
    text = str(body.pop("Content", ""))
    if rules.settings.ticket_field:
        custom[rules.settings.ticket_field] = key
    else:
        text = marker.append(text, key)
    _within("description", text, rules)
    said = {"Content": text, "ContentType": "text/plain"} if text else {}
    given = {name: value for name, value in body.items() if value not in ("", [])}
    given_custom = {name: value for name, value in custom.items() if value}
    return {
        "Subject": "", **given, **said, "Queue": queue,
        **({"CustomFields": given_custom} if given_custom else {}),
    }  # fmt: skip


def update_body(fields: Mapping[str, Value], way: str, rules: Rules) -> JsonObject:
    """Build the body of an update (`way` is `update` or `status`).

    Raises:
        Unsendable: nothing in it, or a field cannot be updated or is too long.
    """
    if not fields:
        raise Unsendable("an update without a field")
    body, custom = _values(fields, way, rules)
    if body.get("Owner") == "":
        body["Owner"] = NOBODY
    for name in ("Queue", "Status", "Priority"):
        if body.get(name) == "":
            raise Unsendable(f"{name.lower()} cannot be emptied")
    return body | ({"CustomFields": custom} if custom else {})


def _values(
    fields: Mapping[str, Value], way: str, rules: Rules
) -> tuple[dict[str, object], dict[str, str]]:
    body: dict[str, object] = {}
    custom: dict[str, str] = {}
    for name, value in fields.items():
        own = rules.custom(name)
        if own is not None:
            custom[own.name] = _custom(name, own, value, way)
            continue
        row = _writable(name, way)
        text = _text(row, value, rules)
        body[row.wire] = list(people(text)) if row.kind == "people" else text
    return body, custom


def _custom(name: str, own: RtField, value: Value, way: str) -> str:
    if own.access == "read" or way == "status":
        raise Unsendable(f"{name} cannot be set by {way}")
    text = one_line(marker.split(_as_text(name, value))[0])
    if len(text) > own.max:
        raise Unsendable(f"{name}: {len(text)} characters, it takes {own.max}")
    if not own.values or not text:
        return text
    for one in own.values:
        if one.casefold() == text.casefold():
            return one
    raise Unsendable(f"{name} {text!r}: accepted: {', '.join(own.values)}")


def _writable(name: str, way: str) -> Field:
    row = FIELDS.get(name)
    if row is None:
        raise Unsendable(f"RT's tickets have no field {name}; is it among custom_fields?")
    ways = row.writable | (frozenset({"status"}) if "update" in row.writable else frozenset())
    if way not in ways:
        where = f"only by {' and '.join(sorted(row.writable))}" if row.writable else "by nobody"
        raise Unsendable(f"{name} cannot be set by {way}, {where}")
    return row


def _text(row: Field, value: Value, rules: Rules) -> str:
    """Give a field's text as sent, checked against what RT would do to it."""
    given = marker.split(clean(_as_text(row.name, value)))[0]
    if row.kind == "text":
        text = given.strip("\n").rstrip()
        _within(row.name, text, rules)
        return text
    text = one_line(given)
    limit = TITLE_CHARS if row.name == "title" else NAME_CHARS
    if row.kind != "people" and len(text) > limit:
        raise Unsendable(f"{row.name}: {len(text)} characters, RT takes {limit}")
    if row.kind == "people" and any(len(one) > NAME_CHARS for one in people(text)):
        raise Unsendable(f"{row.name}: a name of more than {NAME_CHARS} characters")
    if row.kind == "number" and text and not (text.isdecimal() and int(text) <= PRIORITY_MAX):
        raise Unsendable(f"{row.name} {text!r} is no number, and RT would make 0 of it")
    if row.name == "status":
        return _status(text, rules)
    return text


def _status(text: str, rules: Rules) -> str:
    for one in rules.settings.statuses:
        if normalise("status", one) == normalise("status", text):
            return one
    raise Unsendable(f"status {text!r}: accepted: {', '.join(rules.settings.statuses)}")


# --- messages and files --------------------------------------------------------------------------


def message_body(draft: CommentDraft, key: OperationKey, rules: Rules) -> JsonObject:
    """Build the body of a reply or comment.

    Raises:
        Unsendable: it says nothing, or is too long.
    """
    text = marker.split(clean(draft.body))[0].rstrip()
    if not text.strip():
        raise Unsendable("a comment without text")
    _within("a comment", text, rules)
    # RT takes a text of "0" for none.
    content = f"{text} " if text == "0" else text
    return {"Content": content, "ContentType": "text/plain", **marked(key, rules)}


def marked(key: OperationKey, rules: Rules) -> JsonObject:
    """Give what keeps our key in a transaction; nothing where there is no field for it."""
    name = rules.settings.transaction_field
    return {"TxnCustomFields": {name: key}} if name else {}


def checked_file(draft: AttachmentDraft, rules: Rules) -> tuple[str, str, int]:
    """Check a file before it is sent.

    Returns:
        Name, MIME type and size in bytes, as they are sent. A text is sent as bytes: RT would
        convert one that is not UTF-8.

    Raises:
        Unsendable: empty, too large, or with a name that is a path.
    """
    name = draft.name.strip()
    odd = name in ("", ".", "..") or name != clean(name) or "\n" in name
    if odd or _UNSAFE_IN_NAMES & set(name):
        raise Unsendable(
            f"file name {draft.name!r} is empty, or holds a path, quotes or control characters"
        )
    if len(name) > NAME_CHARS:
        raise Unsendable(f"file name of {len(name)} characters, we send {NAME_CHARS}")
    if not draft.size_bytes:
        raise Unsendable(f"{name}: the file is empty, and RT takes none that is")
    limit = rules.settings.limits.attachment_bytes
    if draft.size_bytes > limit:
        raise Unsendable(f"{name}: {draft.size_bytes} bytes, we send {limit}")
    content_type = draft.content_type.strip().lower() or "application/octet-stream"
    if content_type.startswith(("text/", "message/", "multipart/")):
        content_type = "application/octet-stream"
    return name, content_type, draft.size_bytes


# --- the list of fields --------------------------------------------------------------------------


def field_infos(rules: Rules) -> tuple[FieldInfo, ...]:
    """List a ticket's fields for `syncd fields`, the configured ones last."""
    settings = rules.settings
    infos = [
        FieldInfo(
            name=row.name,
            kind=_SHOWN.get(row.kind, row.kind),
            max_chars={"title": TITLE_CHARS}.get(row.name),
            max_bytes=settings.limits.text_bytes if row.kind == "text" else None,
            writable=row.writable,
            values=settings.statuses if row.name == "status" else (),
            source=f"REST2, ticket ({row.wire})",
        )
        for row in FIELDS.values()
    ]
    for name, own in settings.custom_fields.items():
        writable = frozenset({"create", "update"}) if own.access == "read_write" else frozenset()
        infos.append(
            FieldInfo(
                name=name,
                kind="label" if own.values else "text",
                max_chars=own.max,
                writable=writable,
                values=own.values,
                source=f"custom field {own.name}",
            )
        )
    return tuple(infos)


_SHOWN = {"line": "text", "people": "list"}


def _within(what: str, text: str, rules: Rules) -> None:
    limit, size = rules.settings.limits.text_bytes, len(text.encode())
    if size > limit:
        raise Unsendable(f"{what}: {size} bytes in UTF-8, we send {limit}")


def _as_text(name: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        raise Unsendable(f"{name} is a text, not a contact")
    return clean(str(value))
