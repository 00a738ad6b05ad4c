"""The payloads of the SmartOps contract, as bytes-free JSON values in and frozen values out.

Document: "API contracts for ITSM Integration"; sections as numbered in providers/smartops.md.
Past this module nobody sees a JSON object of the contract.
"""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import orjson

from syncd.model.secret import Secret

TEXT_NAMES = (
    "ticketNumber",
    "ticketStatus",
    "ticketPriority",
    "ticketBusinessDuration",
    "ticketBusinessTimeLeft",
    "sysId",
    "assignedTo",
    "assignedGroup",
    "shortDescription",
    "longDescription",
    "category",
    "subCategory",
    "callerId",
    "urgency",
    "ticketSeverity",
    "createdTime",
    "updatedTime",
    "resolvedTime",
    "createdBy",
    "updatedBy",
    "resolvedBy",
    "closedBy",
)
"""The names of `ticketFields` that hold a string (§2)."""

MESSAGE_CHARS_MAX = 2_048
"""Longest statusMessage kept, in characters."""


class NoteList(StrEnum):
    """The three names of `ticketFields` that hold lists (§2, rows 16 to 18)."""

    COMMENTS = "comments"
    WORK_NOTES = "workNotes"
    CLOSURE_NOTES = "closureNotes"


FIELD_NAMES = (*TEXT_NAMES, *(str(name) for name in NoteList))
"""All 25 names that may stand in `ticketFields` (§2)."""

_NOTE_STEMS = {
    NoteList.COMMENTS: "comment",
    NoteList.WORK_NOTES: "workNote",
    NoteList.CLOSURE_NOTES: "closureNote",
}


class WireError(ValueError):
    """An answer does not have the shape the contract gives it; the text says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One element of a list of notes, as written there.

    Attributes:
        author: display name, free text (O17).
        time: the time as written; may be empty.
        text: the text as written.
    """

    author: str
    time: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """The `ticketDetails` of an answer.

    Attributes:
        texts: name -> text of everything that is no list of notes; only what the answer had.
        notes: the lists of notes the answer had, in its order.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[NoteList, tuple[Note, ...]] = field(default_factory=dict)

    @property
    def sys_id(self) -> str:
        """What an update is keyed by; empty when not told."""
        return self.texts.get("sysId", "")

    @property
    def number(self) -> str:
        """What a fetch is keyed by; empty when not told."""
        return self.texts.get("ticketNumber", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A whole answer (§1).

    Attributes:
        code: statusCode as text; empty when the answer has none.
        message: statusMessage, cut at MESSAGE_CHARS_MAX.
        details: ticketDetails.
    """

    code: str
    message: str
    details: Details


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What stands in every request beside the call's own keys.

    Attributes:
        connection_details: values not yet encoded; a secret is revealed when it is sent.
        time_zone_offset: itsmTimeZoneOffset; empty for none.
    """

    connection_details: Mapping[str, str | Secret] = field(default_factory=dict)
    time_zone_offset: str = ""


def create_body(
    ticket_json: Mapping[str, str], ticket_fields: Sequence[str], around: Surroundings
) -> dict[str, object]:
    """Build the request of "Create a ticket".

    Spec: §1 The three calls; §6 recovered field descriptions.
    """
    return {
        "connectionDetails": encode_connection_details(around.connection_details),
        "ticketJSON": dict(ticket_json),
        "ticketFields": _unique(ticket_fields),
        "itsmTimeZoneOffset": around.time_zone_offset,
    }


def update_body(
    sys_id: str,
    ticket_json: Mapping[str, str],
    ticket_fields: Sequence[str],
    around: Surroundings,
) -> dict[str, object]:
    """Build the request of "Update a ticket".

    Spec: §1 The three calls; §5 O14 (exact names, order irrelevant), O16 (partial).
    """
    return {"sysId": sys_id, **create_body(ticket_json, ticket_fields, around)}


def details_body(
    number: str, ticket_fields: Sequence[str], around: Surroundings
) -> dict[str, object]:
    """Build the request of "Fetch a ticket's details".

    Spec: §1 The three calls; §5 O1, O5.
    """
    return {
        "ticketNumber": number,
        "connectionDetails": encode_connection_details(around.connection_details),
        "ticketFields": _unique(ticket_fields),
        "itsmTimeZoneOffset": around.time_zone_offset,
    }


def encode_connection_details(values: Mapping[str, str | Secret]) -> dict[str, str]:
    """Encode every value in base64, save `itsmVersion`.

    Spec: §6, connectionDetails.
    """
    return {
        name: _plain(value) if name == "itsmVersion" else encode(_plain(value))
        for name, value in values.items()
    }


def encode(value: str) -> str:
    """Give base64 of a text. Spec: §6, connectionDetails."""
    return base64.b64encode(value.encode()).decode()


def parse_envelope(answer: object) -> Envelope:
    """Read an answer, tolerantly.

    A numeric statusCode is text (O3); `results` stands in for `ticketDetails` (§6); a null or
    missing object is an empty one (O4).

    Raises:
        WireError: it is no object, or a part of it has an impossible shape.

    Spec: §1; §5 O3, O4; §6, ambiguity of `results`.
    """
    if not isinstance(answer, dict):
        raise WireError("the answer is not a JSON object")
    details = answer.get("ticketDetails")
    if not details:
        details = answer.get("results") or details
    if details is not None and details != "" and not isinstance(details, dict):
        raise WireError("ticketDetails is not an object")
    return Envelope(
        code=_code(answer.get("statusCode")),
        message=_text(answer.get("statusMessage"))[:MESSAGE_CHARS_MAX],
        details=parse_details(details or {}),
    )


def parse_details(details: Mapping[str, object]) -> Details:
    """Read `ticketDetails`.

    Raises:
        WireError: a list of notes is no list, or an element of it is no note.

    Spec: §2 fields; §5 O6, O17.
    """
    texts: dict[str, str] = {}
    notes: dict[NoteList, tuple[Note, ...]] = {}
    lists = {str(name): name for name in NoteList}
    for key, value in details.items():
        if key in lists:
            # An implementation that does not know the name answers "" (O5): that tells nothing.
            if value is not None and value != "":
                notes[lists[key]] = _notes(lists[key], value)
        else:
            texts[key] = _text(value)
    return Details(texts=texts, notes=notes)


def note_object(name: NoteList, note: Note) -> dict[str, str]:
    """Build one element of a list of notes.

    Spec: §2, rows 16 to 18.
    """
    stem = _NOTE_STEMS[name]
    return {f"{stem}By": note.author, f"{stem}Time": note.time, stem: note.text}


_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?"
    r"\s*(?:([Zz])|([+-])(\d{2}):?(\d{2})?)?"
)


def parse_instant(text: str) -> datetime | None:
    """Read a time, tolerantly; what is finer than microseconds is cut off.

    Returns:
        An aware UTC instant; None when it cannot be understood.

    Spec: §3 Timestamps (always UTC; 0 to 9 digits, optional `Z` or offset, `T` or a space).
    """
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        return None
    day, time, fraction, _zulu, sign, hours, minutes = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{time}")
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
        at = at.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")), tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_instant(at: datetime) -> str:
    """Write a time as the contract wants it: UTC, six digits, no zone.

    Spec: §3 Timestamps.
    """
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _code(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _notes(name: NoteList, value: object) -> tuple[Note, ...]:
    if not isinstance(value, list):
        raise WireError(f"{name} is not a list")
    stem = _NOTE_STEMS[name]
    notes: list[Note] = []
    for element in value:
        if not isinstance(element, dict) or stem not in element:
            raise WireError(f"an element of {name} has no `{stem}`")
        notes.append(
            Note(
                author=_text(element.get(f"{stem}By")),
                time=_text(element.get(f"{stem}Time")),
                text=_text(element[stem]),
            )
        )
    return tuple(notes)
