"""Neutral names and values to Telenor's and back; pure.

Every neutral field is a row of a `Tree`. `normalise` is N of DESIGN R5: two spellings of one value
have one form. Round trip: N(read(rendered(v))) equals N(v) for every value we agree to send.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from syncd.core import marker
from syncd.core.normal import comment_form, one_line, plain
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
from syncd.providers.telenor.trees import FIELD_KINDS, Tree
from syncd.providers.telenor.wire import (
    Activity,
    Case,
    CaseUser,
    CommentItem,
    FileInfo,
    Stamp,
    parse_decimal,
)

NORMALISER_VERSION = 1
"""Raised whenever `normalise` gives another form for some value (DESIGN R5)."""
AUTHOR_WINDOW = timedelta(minutes=2)
"""How far a comment and its COMMENTED activity may lie apart (T14)."""

_COMMENTED = "COMMENTED"
_CREATED = frozenset({"CREATED", "NEW"})
_LATEST = datetime.max.replace(tzinfo=UTC)
_LETTERS = str.maketrans(
    {"Ø": "O", "ø": "o", "Æ": "Ae", "æ": "ae", "ß": "ss", "Ð": "D", "ð": "d", "Þ": "Th", "þ": "th"}
    | {"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Œ": "Oe", "œ": "oe"}
)


_OWNERS = ("caseAssignedTo", "owner")


# --- normal form ---------------------------------------------------------------------------------


def normalise(name: str, value: Value) -> Value:
    """Give the form in which two spellings of one value are equal (N of DESIGN R5).

    Empty texts and empty contacts are None. Texts: markers out, LF, no white space at line ends
    or around the whole, NFC. Labels ignore capitals. Version: `NORMALISER_VERSION`.
    """
    row = FIELD_KINDS.get(name)
    kind = row.kind if row else "text"
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        parts = {part: plain(str(text), "line") for part, text in value.items()}
        return {part: text for part, text in sorted(parts.items()) if text} or None
    if kind == "number":
        return parse_decimal(value) or plain(str(value), "line") or None
    return plain(str(value), kind) or None


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
    case: Case,
    tree: Tree,
    comments: Sequence[CommentItem],
    files: Sequence[FileInfo],
    unknown_author: str,
) -> Ticket:
    """Put a ticket together from its answers.

    Spec: Service Ticket API, sections 5 and 7; section 8, T13 and T14.
    """
    return Ticket(
        id=TicketId(case.id),
        number=case.case_number,
        kind=tree.kind,
        fields=fields_of(case, tree),
        comments=comments_of(comments, case.activities or (), unknown_author),
        attachments=attachments_of(files),
        created_at=_at(case.created),
        updated_at=_at(case.modified),
        keys=ticket_keys(case, tree),
    )


def ticket_keys(case: Case, tree: Tree) -> tuple[OperationKey, ...]:
    """Give the keys that say which of our creates made a ticket.

    Where a field of its own holds the key, a marker in a text is somebody's quote.
    """
    titled = "" if tree.key_field else case.told.get("subject") or ""
    return tuple(dict.fromkeys(own_keys(case, tree) + marker.split(titled)[1]))


def fields_of(case: Case, tree: Tree) -> dict[str, Value]:
    """Give the fields an answer told, markers taken out; what it did not tell is absent (T13)."""
    fields: dict[str, Value] = {}
    for row in tree.fields.values():
        if row.wire in case.told:
            fields[row.name] = _told_text(case.told[row.wire])
            if row.wire == tree.key_field and marker.bare(case.told[row.wire] or ""):
                fields[row.name] = None
        elif row.parts and row.wire in case.structures:
            told = case.structures[row.wire] or {}
            parts = {name: told[wire] for name, wire in row.parts.items() if wire in told}
            fields[row.name] = parts or None
    fields |= _owner(case.told)
    if case.case_number:
        fields["number"] = case.case_number
    if case.created_by is not None:
        fields["caller"] = case.created_by.name or None
    if case.closed_told:
        fields["closed_at"] = _instant_text(case.closed)
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


def comment_keys(item: CommentItem) -> tuple[OperationKey, ...]:
    """Give the operation keys a comment carries."""
    return marker.split(item.body)[1]


def key_place(tree: Tree) -> str:
    """Name Telenor's field in which our key travels: its own, or the description (R4)."""
    return tree.key_field or "description"


def own_keys(case: Case, tree: Tree) -> tuple[OperationKey, ...]:
    """Give the keys that stand in the key's place, then those that once stood there.

    A person who rewrites a description may take our marker out; the activities still tell it.

    Spec: Service Ticket API, section 10, POST incident and POST order.
    """
    place = key_place(tree)
    texts = _had(case, place)
    if not tree.key_field:
        texts += [one.content for one in case.activities or () if _is_creation(one)]
        return tuple(dict.fromkeys(key for text in texts for key in marker.split(text)[1]))
    return tuple(dict.fromkeys(key for text in texts if (key := marker.bare(text)) is not None))


def carries(case: Case, tree: Tree, key: OperationKey) -> bool:
    """Say whether a ticket carries a key in its place, or once did; a field of its own exactly."""
    if tree.key_field:
        return key in (text.strip() for text in _had(case, tree.key_field))
    return key in own_keys(case, tree)


def is_marked(case: Case, tree: Tree) -> bool:
    """Say whether a ticket carries, or carried, anything where our key stands."""
    if tree.key_field:
        return any(text.strip() for text in _had(case, tree.key_field))
    return bool(own_keys(case, tree))


def subjects(case: Case) -> tuple[str, ...]:
    """Give the subject a ticket has, then those its activities tell that it had."""
    return tuple(dict.fromkeys(text for text in _had(case, "subject") if text))


def _had(case: Case, wire: str) -> list[str]:
    """Give what a field holds, then what its activities tell that it held."""
    texts = [case.told.get(wire) or ""]
    for activity in case.activities or ():
        if activity.field_name.strip().casefold() == wire.casefold():
            texts += [activity.old_value, activity.new_value]
    return texts


def _is_creation(activity: Activity) -> bool:
    return activity.action.strip().upper() in _CREATED


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
