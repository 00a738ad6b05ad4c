"""Neutral names and values to Telenor's and back; pure.

Every neutral field is a row of `FIELDS`. `normalise` is N of DESIGN R5: two spellings of one value
have one form. Round trip: N(read(rendered(v))) equals N(v) for every value we agree to send.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from syncd.core import marker
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
from syncd.providers.telenor.wire import (
    Activity,
    CaseUser,
    CommentItem,
    FileInfo,
    Incident,
    Stamp,
)

KIND = "incident"
"""The kind of ticket; orders are the document's other tree."""
NORMALISER_VERSION = 1
"""Raised whenever `normalise` gives another form for some value (DESIGN R5)."""
AUTHOR_WINDOW = timedelta(minutes=2)
"""How far a comment and its COMMENTED activity may lie apart (T14)."""

_COMMENTED = "COMMENTED"
_CREATED = frozenset({"CREATED", "NEW"})
_LATEST = datetime.max.replace(tzinfo=UTC)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_TRAILING = re.compile(r"[^\S\n]+(?=\n|$)")
_SPACES = re.compile(r"\s+")
_LETTERS = str.maketrans(
    {"Ø": "O", "ø": "o", "Æ": "Ae", "æ": "ae", "ß": "ss", "Ð": "D", "ð": "d", "Þ": "Th", "þ": "th"}
    | {"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Œ": "Oe", "œ": "oe"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A neutral field and where Telenor keeps it.

    Attributes:
        name: neutral name.
        wire: Telenor's name.
        kind: `text`, `line` (a text of one line), `label`, `contact` or `time`.
        writable: kinds of write that can set it.
        clearable: may be emptied by an empty text.
        source: section of the document.
    """

    name: str
    wire: str
    kind: str
    writable: frozenset[str] = frozenset()
    clearable: bool = False
    source: str = "section 5"


_BOTH = frozenset({"create", "update"})


def _field(
    name: str, wire: str, kind: str, writable: frozenset[str] = frozenset(), *, clear: bool = False
) -> Field:
    return Field(name=name, wire=wire, kind=kind, writable=writable, clearable=clear)


FIELDS: Mapping[str, Field] = {
    row.name: row
    for row in (
        _field("number", "caseNumber", "line"),
        _field("title", "subject", "line", _BOTH),
        _field("description", "description", "text", _BOTH, clear=True),
        Field(
            name="status",
            wire="status",
            kind="label",
            writable=frozenset({"status"}),
            source="section 6, I19; section 8, T9",
        ),
        _field("status_reason", "statusReason", "label"),
        _field("priority", "priority", "label", _BOTH),
        _field("location", "location", "line", _BOTH, clear=True),
        _field("product_category_name", "productCategoryName", "label", _BOTH),
        _field("incident_type", "incidentType", "label", _BOTH),
        _field("identification_number", "identificationNumber", "line", _BOTH, clear=True),
        _field("organization_number", "organizationNumber", "line", _BOTH),
        _field("root_cause", "rootCause", "line"),
        _field("root_cause_description", "rootCauseDescription", "text"),
        _field("owner", "owner", "line"),
        _field("caller", "createdBy", "line", frozenset({"create"})),
        _field("local_contact", "localContact", "contact", _BOTH),
        _field("contact", "contact", "contact", frozenset({"update"})),
        _field("closed_at", "closedDate", "time"),
    )
}
"""Neutral name -> where Telenor keeps it. Spec: Service Ticket API, section 5."""

_OWNERS = ("caseAssignedTo", "owner")


# --- normal form ---------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Take out what no ticket system keeps: control characters, lone surrogates, CR."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text).encode("utf-8", "ignore").decode("utf-8")


def one_line(text: str) -> str:
    """Give a text as one line, runs of white space as one blank."""
    return _SPACES.sub(" ", clean(text)).strip()


def normalise(name: str, value: Value) -> Value:
    """Give the form in which two spellings of one value are equal (N of DESIGN R5).

    Empty texts and empty contacts are None. Texts: markers out, LF, no white space at line ends
    or around the whole, NFC. Labels ignore capitals. Version: `NORMALISER_VERSION`.
    """
    row = FIELDS.get(name)
    kind = row.kind if row else "text"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        parts = {part: _plain(str(text), "line") for part, text in value.items()}
        return {part: text for part, text in sorted(parts.items()) if text} or None
    return _plain(str(value), kind) or None


def _plain(text: str, kind: str) -> str:
    """Apply the steps until nothing changes: taking out one marker may join the ends of another."""
    for _ in range(8):
        before = text
        text = marker.split(unicodedata.normalize("NFC", clean(text)))[0]
        text = _TRAILING.sub("", text) if kind == "text" else _SPACES.sub(" ", text)
        text = text.strip()
        if kind == "label":
            text = unicodedata.normalize("NFC", text.casefold())
        if text == before:
            break
    return text


def same_value(name: str, told: Value | Missing, wanted: Value) -> bool:
    """Say whether a field read back holds what was sent; not told counts as empty."""
    found = None if isinstance(told, Missing) else told
    return normalise(name, found) == normalise(name, wanted)


def header_name(name: str, chars_max: int) -> str:
    """Give a user's name as plain text for a header.

    Spec: Service Ticket API, section 8, T15.
    """
    plain = unicodedata.normalize("NFKD", one_line(name).translate(_LETTERS))
    ascii_only = plain.encode("ascii", "ignore").decode("ascii")
    return one_line(ascii_only)[:chars_max].strip() or "syncd"


# --- reading -------------------------------------------------------------------------------------


def ticket(
    incident: Incident,
    comments: Sequence[CommentItem],
    files: Sequence[FileInfo],
    unknown_author: str,
) -> Ticket:
    """Put a ticket together from its answers.

    Spec: Service Ticket API, section 5; section 8, T13 and T14.
    """
    titled = incident.told.get("subject") or ""
    return Ticket(
        id=TicketId(incident.id),
        number=incident.case_number,
        kind=KIND,
        fields=fields_of(incident),
        comments=comments_of(comments, incident.activities or (), unknown_author),
        attachments=attachments_of(files),
        created_at=_at(incident.created),
        updated_at=_at(incident.modified),
        keys=tuple(dict.fromkeys(description_keys(incident) + marker.split(titled)[1])),
    )


def fields_of(incident: Incident) -> dict[str, Value]:
    """Give the fields an answer told, markers taken out; what it did not tell is absent (T13)."""
    fields: dict[str, Value] = {}
    for row in FIELDS.values():
        if row.kind != "contact" and row.wire in incident.told:
            fields[row.name] = _told_text(incident.told[row.wire])
    fields |= _owner(incident.told)
    if incident.case_number:
        fields["number"] = incident.case_number
    if incident.created_by is not None:
        fields["caller"] = incident.created_by.name or None
    if incident.closed_told:
        fields["closed_at"] = _instant_text(incident.closed)
    for name in ("local_contact", "contact"):
        wire = FIELDS[name].wire
        if wire in incident.contacts:
            fields[name] = incident.contacts[wire] or None
    return fields


def _told_text(text: str | None) -> str | None:
    return marker.split(text)[0] or None if text else None


def _owner(told: Mapping[str, str | None]) -> dict[str, Value]:
    """Treat `owner` and `caseAssignedTo` as one; neither blanks the other (T13)."""
    found = [told[name] for name in _OWNERS if name in told]
    return {"owner": next((text for text in found if text), None)} if found else {}


def _instant_text(stamp: Stamp | None) -> str | None:
    """Give an instant as ISO 8601 UTC; one that cannot be read stays as it was told (T2)."""
    if stamp is None:
        return None
    return stamp.at.isoformat() if stamp.at else stamp.raw


def comments_of(
    items: Sequence[CommentItem], activities: Sequence[Activity], unknown_author: str
) -> tuple[Comment, ...]:
    """Give comments oldest first, each with the author its activity tells; all are public.

    Spec: Service Ticket API, section 8, T14.
    """
    authors = _authors(items, activities)
    comments: list[Comment] = []
    for item in items:
        body, keys = marker.split(item.body)
        user = authors.get(item.id)
        comments.append(
            Comment(
                id=CommentId(item.id),
                body=body,
                author=(user.name if user else "") or unknown_author,
                created_at=_at(item.created),
                visibility=Visibility.PUBLIC,
                kind=CommentKind.COMMENT,
                keys=keys,
            )
        )
    return tuple(sorted(comments, key=lambda one: one.created_at or _LATEST))


def _authors(items: Sequence[CommentItem], activities: Sequence[Activity]) -> dict[str, CaseUser]:
    """Match comments and COMMENTED activities one to one, closest in time first."""
    candidates: list[tuple[timedelta, int, int]] = []
    by_text: dict[str, list[tuple[int, Activity]]] = {}
    for place, activity in enumerate(activities):
        if activity.action.strip().upper() == _COMMENTED and activity.user and _at(activity.date):
            by_text.setdefault(comment_form(activity.content), []).append((place, activity))
    for index, item in enumerate(items):
        written = _at(item.created)
        for place, activity in by_text.get(comment_form(item.body), ()):
            noted = _at(activity.date)
            if written and noted and abs(written - noted) <= AUTHOR_WINDOW:
                candidates.append((abs(written - noted), index, place))
    authors: dict[str, CaseUser] = {}
    taken: set[int] = set()
    for _, index, place in sorted(candidates):
        user = activities[place].user
        if place not in taken and items[index].id not in authors and user is not None:
            authors[items[index].id] = user
            taken.add(place)
    return authors


def comment_form(body: str) -> str:
    """Give the form in which two spellings of one comment are equal: no marker, one line."""
    return one_line(_plain(body, "text"))


def comment_keys(item: CommentItem) -> tuple[OperationKey, ...]:
    """Give the operation keys a comment carries."""
    return marker.split(item.body)[1]


def description_keys(incident: Incident) -> tuple[OperationKey, ...]:
    """Give the operation keys an incident's description carries, then those it once carried.

    A person who rewrites a description may take our marker out; the activities still tell it.
    """
    texts = [incident.told.get("description") or ""]
    for activity in incident.activities or ():
        if activity.field_name.strip().casefold() == "description":
            texts += [activity.old_value, activity.new_value]
        elif activity.action.strip().upper() in _CREATED:
            texts.append(activity.content)
    return tuple(dict.fromkeys(key for text in texts for key in marker.split(text)[1]))


def subjects(incident: Incident) -> tuple[str, ...]:
    """Give the subject an incident has, then those its activities tell that it had."""
    texts = [incident.told.get("subject") or ""]
    for activity in incident.activities or ():
        if activity.field_name.strip().casefold() == "subject":
            texts += [activity.old_value, activity.new_value]
    return tuple(dict.fromkeys(text for text in texts if text))


def is_same_user(told: CaseUser | None, name: str) -> bool:
    """Say whether a user told is the one we named; headers carry names transliterated (T15)."""
    if told is None or not told.name.strip():
        return False
    return header_name(told.name, 80).casefold() == header_name(name, 80).casefold()


def attachments_of(files: Iterable[FileInfo]) -> tuple[Attachment, ...]:
    """Give attachments oldest first; those without a readable date last."""
    found = [
        Attachment(
            id=AttachmentId(item.id),
            name=item.name,
            size_bytes=item.size,
            content_type=item.content_type,
            created_at=_at(item.created),
        )
        for item in files
    ]
    return tuple(sorted(found, key=lambda one: one.created_at or _LATEST))


def _at(stamp: Stamp | None) -> datetime | None:
    return stamp.at if stamp else None
