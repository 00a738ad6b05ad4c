"""The contract's requests and answers. Pure: JSON values in, JSON values out.

Source: "API contracts for ITSM Integration"; sections and O numbers as in providers/smartops.md.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import orjson

from syncd.model.ticket import CommentKind
from syncd.ports.offer import Offer, OfferedKey, OfferLimits
from syncd.ports.served import NoteDraft, ServedChange, ServedTicket

TEXT_NAMES = (
    "ticketNumber", "ticketStatus", "ticketPriority", "ticketBusinessDuration",
    "ticketBusinessTimeLeft", "sysId", "assignedTo", "assignedGroup", "shortDescription",
    "longDescription", "category", "subCategory", "callerId", "urgency", "ticketSeverity",
    "createdTime", "updatedTime", "resolvedTime", "createdBy", "updatedBy", "resolvedBy",
    "closedBy",
)  # fmt: skip
"""The names of `ticketFields` that are answered with a string (§2)."""
LISTS: Mapping[str, tuple[CommentKind, str]] = {
    "comments": (CommentKind.COMMENT, "comment"),
    "workNotes": (CommentKind.WORK_NOTE, "workNote"),
    "closureNotes": (CommentKind.CLOSURE_NOTE, "closureNote"),
}
"""The three that are answered with a list, and what the keys of its elements begin with."""
ALWAYS = ("sysId", "ticketNumber")
"""What is answered where nothing is asked for (O5)."""
NAME_CHARS_MAX = 128
"""Longest name of a field, key, sysId or number."""
DEPTH_MAX = 12
"""Deepest nesting of a request; the contract's own has four levels."""
EXTRA_CHARS_MAX = 1000
"""How much is kept of a value that no setting maps."""


class Refused(Exception):
    """A request is not carried out, and changed nothing.

    Attributes:
        code: statusCode.
        message: statusMessage: what is wrong, quoting no value.
        http: HTTP status; None: the outcome stands in the body alone (O3).
        allow: methods that the path takes, where it takes others.
    """

    def __init__(
        self, code: str, message: str, *, http: int | None = None, allow: str = ""
    ) -> None:
        """Keep them."""
        super().__init__(message)
        self.allow = allow
        self.code = code
        self.message = message
        self.http = http


def malformed(message: str) -> Refused:
    """Say that a request is none of the contract's."""
    return Refused("400", message, http=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says, checked as to its shape.

    Attributes:
        sys_id, number: as given; empty: not given.
        ticket_json: as given.
        names: what to answer, each once; never empty.
        offset: of times without a zone; None: it cannot be understood.
    """

    sys_id: str = ""
    number: str = ""
    ticket_json: Mapping[str, object] = field(default_factory=dict)
    names: tuple[str, ...] = ALWAYS
    offset: timezone | None = UTC


# --- requests ------------------------------------------------------------------------------------


def parse_body(body: bytes) -> Mapping[str, object]:
    """Read a request's JSON.

    Raises:
        Refused: it is no object, nested too deep, or holds what no text may hold.
    """
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise malformed("the body is not JSON") from None
    if not isinstance(told, dict):
        raise malformed("the body is not a JSON object")
    _check_depth(told)
    return told


def _check_depth(whole: object) -> None:
    level: list[object] = [whole]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise malformed(f"the body is nested deeper than {DEPTH_MAX} levels")


def asked(told: Mapping[str, object], limits: OfferLimits) -> Asked:
    """Check the parts that the three calls share; what else stands there is ignored (O14).

    Raises:
        Refused: a part has an impossible shape.

    Spec: §1; §5 O5 (ticketFields), O9 (connectionDetails), O10 (itsmTimeZoneOffset).
    """
    if not isinstance(told.get("connectionDetails", {}), dict):
        raise malformed("connectionDetails is not an object")
    ticket_json = told.get("ticketJSON", {})
    if not isinstance(ticket_json, dict):
        raise malformed("ticketJSON is not an object")
    if len(ticket_json) > limits.keys:
        raise malformed(f"ticketJSON has more than {limits.keys} keys")
    return Asked(
        sys_id=_word(told, "sysId"),
        number=_word(told, "ticketNumber"),
        ticket_json=ticket_json,
        names=_names(told.get("ticketFields", []), limits),
        offset=parse_offset(_word(told, "itsmTimeZoneOffset")),
    )


_ONCE = ("ticketNumber", "itsmTimeZoneOffset")


def from_query(query: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Read what a fetch may say in its query string.

    Raises:
        Refused: it says what does not belong there, or one thing twice.

    Spec: §5 O1 (repeated or comma-separated; no connectionDetails in an address).
    """
    told: dict[str, object] = {}
    names: list[str] = []
    for name, value in query:
        if name == "connectionDetails":
            raise malformed("connectionDetails does not belong in an address")
        if name == "ticketFields":
            names += [each for each in value.split(",") if each]
        elif name in _ONCE and told.setdefault(name, value) != value:
            raise malformed(f"{name} is given twice")
    return told | ({"ticketFields": names} if names else {})


def joined(body: Mapping[str, object], query: Mapping[str, object]) -> dict[str, object]:
    """Join what body and query say.

    Raises:
        Refused: they disagree (O1).
    """
    for name, value in query.items():
        if name in body and body[name] != value:
            raise malformed(f"body and query disagree about {name}")
    return {**query, **body}


def _word(told: Mapping[str, object], name: str) -> str:
    value = told.get(name, "")
    if not isinstance(value, str):
        raise malformed(f"{name} is not a string")
    if len(value) > NAME_CHARS_MAX or not _is_storable(value):
        raise malformed(f"{name} is longer than {NAME_CHARS_MAX} characters, or no text")
    return value


def _names(listed: object, limits: OfferLimits) -> tuple[str, ...]:
    if not isinstance(listed, list):
        raise malformed("ticketFields is not a list")
    if len(listed) > limits.keys:
        raise malformed(f"ticketFields names more than {limits.keys} fields")
    for name in listed:
        if not isinstance(name, str) or len(name) > NAME_CHARS_MAX or not _is_storable(name):
            raise malformed("ticketFields holds what is no name")
    return tuple(dict.fromkeys(listed)) or ALWAYS


def _is_storable(text: str) -> bool:
    """A NUL ends a text in half of all systems; half a surrogate pair is no character."""
    return not _UNSTORABLE.search(text)


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


_WEST = ("-", "\N{MINUS SIGN}")
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*(?:([+\u2212-])?(\d{1,2})(?::?(\d{2}))?)?", re.IGNORECASE)


def parse_offset(text: str) -> timezone | None:
    """Read itsmTimeZoneOffset in its many spellings; empty is UTC; None: not understood.

    Without a sign it is east of UTC: in a query string a `+` that was not quoted is a blank.

    Spec: §5 O10.
    """
    text = text.strip()
    if text in ("", "Z", "z"):
        return UTC
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset >= timedelta(hours=24) or int(minutes or 0) >= 60:
        return None
    return timezone(-offset if sign in _WEST else offset)


_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?"
    r"\s*(?:([Zz])|([+-])(\d{2}):?(\d{2})?)?"
)


def utc_time(text: str, offset: timezone | None) -> str:
    """Give a time as the contract writes it; one without a zone is of the given offset.

    Raises:
        Refused: it is no time, or nobody can say of which zone.

    Spec: §3 Timestamps; §5 O10.
    """
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise Refused("400", "a time is written YYYY-MM-DDTHH:mm:ss, with a zone or without")
    day, clock, fraction, zulu, sign, hours, minutes = match.groups()
    zone = offset
    if zulu or sign:
        shift = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        zone = timezone(-shift if sign == "-" else shift) if shift < timedelta(hours=24) else None
    if zone is None:
        raise Refused("400", "a time without a zone needs an itsmTimeZoneOffset such as +05:30")
    try:
        at = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)
        # Truncated, not rounded (§3).
        at = at.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))
        return format_time(at)
    except (ValueError, OverflowError):
        raise Refused("400", "a time that no calendar has") from None


def format_time(at: datetime) -> str:
    """Write a time: UTC, six digits, no zone (§3)."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def fingerprint(call: str, *parts: object) -> str:
    """Give what tells one request from another, whatever the order of its keys."""
    whole = orjson.dumps([call, *parts], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(whole, digest_size=20).hexdigest()


# --- ticketJSON ----------------------------------------------------------------------------------


def change_of(request: Asked, offer: Offer, *, by: str, is_create: bool) -> ServedChange:
    """Turn `ticketJSON` into what it does to a ticket.

    Raises:
        Refused: a value cannot be taken.

    Spec: §5 O8 (keys, unknown ones), O16 (partial; empty leaves unchanged).
    """
    fields: dict[str, str] = {}
    notes: list[NoteDraft] = []
    extra: dict[str, str] = {}
    for key, value in request.ticket_json.items():
        kind = offer.note_keys.get(key)
        known = offer.keys.get(key)
        if kind is not None:
            notes += _notes(key, kind, value, by=by, limits=offer.limits)
        elif known is not None:
            text = _field_text(key, known, value, request.offset, offer.limits)
            if not text and (is_create or not known.is_clearable):
                continue
            if fields.setdefault(known.target, text) != text:
                raise Refused("400", f"ticketJSON says two things for {known.target}")
        else:
            extra[key] = _extra(key, value, offer)
    if len(notes) > offer.limits.notes:
        raise Refused("400", f"at most {offer.limits.notes} notes in one request")
    return ServedChange(by=by, fields=fields, notes=notes, extra=extra)


def _field_text(
    key: str, known: OfferedKey, value: object, offset: timezone | None, limits: OfferLimits
) -> str:
    text = _scalar(key, value, limits)
    if known.max_chars is not None and len(text) > known.max_chars:
        raise Refused("400", f"ticketJSON.{key} has more than {known.max_chars} characters")
    if known.is_time and text:
        return utc_time(text, offset)
    return text


def _scalar(key: str, value: object, limits: OfferLimits) -> str:
    """Take strings, numbers and booleans as text; nothing is an empty one (O8)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise Refused("400", f"ticketJSON.{key[:NAME_CHARS_MAX]} is neither text nor number")
    if len(value) > limits.text_chars:
        raise Refused("400", f"ticketJSON.{key} has more than {limits.text_chars} characters")
    if not _is_storable(value):
        raise Refused("400", f"ticketJSON.{key} holds a character that no text may hold")
    return value


def _notes(
    key: str, kind: CommentKind, value: object, *, by: str, limits: OfferLimits
) -> list[NoteDraft]:
    """Take one note, or a list of them as the contract answers them (§2, rows 16 to 18)."""
    stem = next(stem for each, stem in LISTS.values() if each is kind)
    elements = value if isinstance(value, list) else [value]
    if len(elements) > limits.notes:
        raise Refused("400", f"at most {limits.notes} notes in one request")
    drafts: list[NoteDraft] = []
    for element in elements:
        author, body = by, element
        if isinstance(element, dict):
            body = element.get(stem)
            author = _scalar(key, element.get(f"{stem}By"), limits)[:NAME_CHARS_MAX] or by
        text = _scalar(key, body, limits)
        if text.strip():
            drafts.append(NoteDraft(kind=kind, author=author, body=text))
    return drafts


def _extra(key: str, value: object, offer: Offer) -> str:
    if not key or len(key) > NAME_CHARS_MAX or not _is_storable(key):
        raise Refused("400", f"a key of ticketJSON has 1 to {NAME_CHARS_MAX} characters")
    if offer.rejects_unknown:
        raise Refused("400", f"ticketJSON.{key} is not a key of the template")
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text.replace("\0", "")[:EXTRA_CHARS_MAX]


# --- answers -------------------------------------------------------------------------------------


def envelope(
    code: str, message: str, details: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Build an answer (§1); nothing asked for can be told of a failure (O4)."""
    return {"statusCode": code, "statusMessage": message, "ticketDetails": details or {}}


def details_of(
    ticket: ServedTicket, names: Sequence[str], offer: Offer, *, now: datetime
) -> dict[str, object]:
    """Answer every name asked for and no other; what is not known is empty.

    Spec: §2 fields; §5 O5, O6 (empty by type), O7 (seconds as text), O17 (oldest first).
    """
    told = _computed(ticket, offer, now)
    answered: dict[str, object] = {}
    for name in names:
        if name in LISTS:
            answered[name] = _listed(ticket, name)
        elif name in told:
            answered[name] = told[name]
        else:
            key = offer.keys.get(name)
            answered[name] = ticket.fields.get(key.target if key else name, "")
    return answered


def _listed(ticket: ServedTicket, name: str) -> list[dict[str, str]]:
    kind, stem = LISTS[name]
    return [
        {f"{stem}By": note.author, f"{stem}Time": format_time(note.at), stem: note.body}
        for note in ticket.notes
        if note.kind is kind
    ]


def _computed(ticket: ServedTicket, offer: Offer, now: datetime) -> dict[str, str]:
    spent_s = int(((ticket.resolved_at or now) - ticket.created_at).total_seconds())
    target_s = offer.targets_s.get(ticket.fields.get("ticketPriority", ""))
    return {
        "sysId": ticket.sys_id,
        "ticketNumber": ticket.shown_number,
        # Of working hours nothing is known: all hours count.
        "ticketBusinessDuration": str(spent_s),
        "ticketBusinessTimeLeft": "" if target_s is None else str(int(target_s) - spent_s),
        "createdTime": format_time(ticket.created_at),
        "updatedTime": format_time(ticket.updated_at),
        "resolvedTime": format_time(ticket.resolved_at) if ticket.resolved_at else "",
        "createdBy": ticket.created_by,
        "updatedBy": ticket.updated_by,
        "resolvedBy": ticket.resolved_by,
        "closedBy": ticket.closed_by,
    }
