"""What is sent, built and checked before anything leaves; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.core import marker
from syncd.core.normal import clean, one_line
from syncd.model.ids import OperationKey
from syncd.model.operation import CommentDraft
from syncd.model.ticket import FieldInfo, Value
from syncd.providers.sipsynergy.mapping import FIELDS, Field, derived_title
from syncd.providers.sipsynergy.wire import TEXT_FIELDS, JsonObject, TicketItem

_ROOM = marker.MARKER_CHARS_MAX + 1
"""Characters a marker may need at a text's end."""


class Unsendable(Exception):
    """It would be refused, so it is not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The sizes, lists and defaults sending keeps to.

    Attributes:
        title_chars, description_chars, comment_chars, text_chars: longest texts.
        statuses, priorities: labels the report may show.
        marker_in: `title` or `description`: where a create carries its key.
        defaults: neutral name -> what a create says where the mapping does not.
        contacts: send the `attributes` object.
        contact_method: its required part where the mapping does not say.
    """

    title_chars: int
    description_chars: int
    comment_chars: int
    text_chars: int
    statuses: tuple[str, ...]
    priorities: tuple[str, ...]
    marker_in: str
    defaults: Mapping[str, str]
    contacts: bool
    contact_method: str


def create_body(fields: Mapping[str, Value], key: OperationKey, bounds: Bounds) -> JsonObject:
    """Build the body of a create: the whole Ticket Create, and `attributes` where they are sent.

    Raises:
        Unsendable: a field cannot be written, is too long, or one that must be there is not.

    Spec: section 3, Ticket Create and Ticket Attributes Create; section 6, S5, S9, S21, S22.
    """
    texts = {**bounds.defaults, **_checked(fields, "create", bounds)}
    contacts = {
        row.wire: texts.pop(row.name)
        for row in FIELDS.values()
        if row.place == "contact" and row.name in texts
    }
    texts["title"] = texts.get("title") or derived_title(texts.get("description", ""))
    _ensure_whole(texts)
    body: dict[str, object] = {FIELDS[name].wire: text for name, text in texts.items()}
    keys = (key,)
    body["title"] = titled(texts["title"], keys if bounds.marker_in == "title" else (), bounds)
    if bounds.marker_in == "description":
        body["description"] = described(texts["description"], keys, bounds)
    if bounds.contacts:
        body["attributes"] = _attributes(contacts, bounds)
    elif contacts:
        raise Unsendable(f"{', '.join(contacts)}: `contacts.send` is false")
    return body


def update_body(fields: Mapping[str, Value], present: TicketItem, bounds: Bounds) -> JsonObject:
    """Build the body of an update: what stands there now, our changes laid over it.

    A rewritten text keeps the markers that the present one carries (R4).

    Raises:
        Unsendable: as above, or the ticket as it stands lacks what an update must repeat.

    Spec: section 2.2; section 6, S6 and S9.
    """
    body = {name: text for name in TEXT_FIELDS if (text := present.told.get(name))}
    for name, text in _checked(fields, "update", bounds).items():
        wire_name = FIELDS[name].wire
        keys = marker.split(present.told.get(wire_name) or "")[1]
        if name == "title":
            body[wire_name] = titled(text, keys, bounds)
        elif name == "description":
            body[wire_name] = described(text, keys, bounds)
        else:
            body[wire_name] = text
    lacking = [name for name in TEXT_FIELDS if name != "title" and not body.get(name)]
    if lacking:
        raise Unsendable(f"the ticket has no {', '.join(lacking)}, which an update must repeat")
    return body


def comment_body(
    draft: CommentDraft, key: OperationKey, ticket_id: str, user: str, bounds: Bounds
) -> JsonObject:
    """Build the body of a comment: the key's marker is its last line.

    Raises:
        Unsendable: empty or too long.

    Spec: section 3, Comment Create; section 6, S4.
    """
    text = marker.split(clean(draft.body))[0].rstrip()
    if not text.strip():
        raise Unsendable("a comment without text")
    whole = marker.append(text, key)
    if len(whole) > bounds.comment_chars:
        raise Unsendable(
            f"a comment of {len(whole)} characters with its marker, at most {bounds.comment_chars}"
        )
    return {"ticketId": ticket_id, "description": whole, "userHumanId": user}


def titled(title: str, keys: Sequence[OperationKey], bounds: Bounds) -> str:
    """Give a title with its markers, on one line.

    Raises:
        Unsendable: together they are too long.
    """
    return _within("title", " ".join([title, *map(marker.render, keys)]), bounds.title_chars)


def described(text: str, keys: Sequence[OperationKey], bounds: Bounds) -> str:
    """Give a description with its markers as last lines.

    Raises:
        Unsendable: together they are too long.
    """
    for key in keys:
        text = marker.append(text, key)
    return _within("description", text, bounds.description_chars)


def field_infos(bounds: Bounds) -> tuple[FieldInfo, ...]:
    """List a ticket's fields for `syncd fields`."""
    listed = {"status": bounds.statuses, "priority": bounds.priorities}
    return tuple(
        FieldInfo(
            name=row.name,
            kind="text" if row.kind == "line" else row.kind,
            max_chars=_chars_max(row, bounds),
            writable=row.writable,
            # A create's contacts become attributes, whose keys are not documented.
            readable=row.place != "contact",
            values=listed.get(row.name, ()),
            source=f"Tickets Microservice, {row.source}",
        )
        for row in FIELDS.values()
    )


def _checked(fields: Mapping[str, Value], way: str, bounds: Bounds) -> dict[str, str]:
    """Give the texts to send by neutral name."""
    texts: dict[str, str] = {}
    for name, value in fields.items():
        row = FIELDS.get(name)
        if row is None:
            raise Unsendable(f"SIP Synergy's tickets have no field {name}")
        if way not in row.writable:
            where = " and ".join(sorted(row.writable)) or "nobody but SIP Synergy"
            raise Unsendable(f"{name} cannot be set by {way}, only by {where}")
        text = _text(row, value)
        if not text and row.place != "contact":
            if way == "create":
                continue
            raise Unsendable(f"{name} cannot be emptied")
        if text:
            texts[name] = _within(name, text, _chars_max(row, bounds))
    return texts


def _text(row: Field, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        raise Unsendable(f"{row.name} is a text")
    text = marker.split(clean(str(value)))[0]
    return text.strip() if row.kind == "text" else one_line(text)


def _within(name: str, text: str, limit: int | None) -> str:
    if limit is not None and len(text) > limit:
        raise Unsendable(f"{name}: {len(text)} characters, at most {limit}")
    return text


def _chars_max(row: Field, bounds: Bounds) -> int | None:
    """Give the longest text a mapping may send; there is room for a marker beside it."""
    if not row.writable:
        return None
    if row.name == "title":
        return bounds.title_chars - _ROOM
    if row.name == "description":
        return bounds.description_chars - _ROOM
    return bounds.text_chars


def _ensure_whole(texts: Mapping[str, str]) -> None:
    missing = [
        row.name for row in FIELDS.values() if row.wire in TEXT_FIELDS and not texts.get(row.name)
    ]
    if missing:
        raise Unsendable(f"a ticket needs {', '.join(missing)}")


def _attributes(contacts: Mapping[str, str], bounds: Bounds) -> JsonObject:
    made: dict[str, object] = {"preferredContactMethod": bounds.contact_method}
    for name, text in contacts.items():
        if name == "additionalEmails":
            parts = [part.strip() for part in text.replace(";", ",").split(",")]
            made[name] = [part for part in parts if part]
        elif text:
            made[name] = text
    return made
