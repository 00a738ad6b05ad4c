"""Neutral names and values to B-612's and back. Pure.

Flow: `to_ticket` makes a Ticket of what was answered; `texts_of` makes the elements of what is
written; `normalise` is N of DESIGN R5 for both.

Invariants: a marker never stays in a field; an amount is decimal text and never a float; a date
and a time are wall time of the site and are given no zone (B13).
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from syncd.model.ids import CommentId, TicketId
from syncd.model.operation import WriteKind
from syncd.model.ticket import Comment, CommentKind, FieldInfo, Ticket, Value, Visibility
from syncd.providers.b612 import todo
from syncd.providers.b612.wire import TODO, Told

TICKET_KIND = "ticket"
"""The one kind of ticket B-612 has."""

NORMALISER_VERSION = 1
"""Changes whenever `normalise` gives another result for any value."""

FIELDS: Mapping[str, str] = {
    "description": TODO,
    "priority": "client_details.priority",
    "customer_reference": "client_details.ticket_number",
    "owner_name": "client_details.owner_name",
    "owner_email": "client_details.owner_email",
    "rack": "client_details.rack",
    "shipment_courier": "client_details.shipment_courier",
    "shipment_tracking": "client_details.shipment_tracking",
    "site": "location.name",
    "data_center": "location.data_center",
    "address": "location.address",
    "city": "location.city",
    "postcode": "location.postcode",
}
"""Neutral name -> path, of the thirteen that can be written (§3)."""

SITE_FIELDS = ("site", "data_center")
"""Of these at least one is needed to send somebody somewhere (B10)."""

_DATES = {
    "created_date": "b612_details.date_created",
    "suggested_date": "b612_details.date_suggested",
}
_TIMES = {"suggested_time": "b612_details.time_suggested"}
_AMOUNTS = {
    "business_hours": "hours_log.total_business_hours",
    "non_business_hours": "hours_log.total_non_business_hours",
    "expenses": "hours_log.total_expenses",
}
_READ_ONLY: Mapping[str, str] = {
    "status": "b612_details.status",
    "sub_category": "b612_details.type",
    "assigned_to": "b612_details.b612_engineer",
    "engineer_email": "b612_details.b612_engineer_email",
    **_DATES,
    **_TIMES,
    **_AMOUNTS,
}
_WALL_TIME = "suggested_at"

_AMOUNT = re.compile(r"[+-]?\d{1,15}(?:\.\d{0,9})?|[+-]?\.\d{1,9}")
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


class CannotCarry(ValueError):
    """A value cannot be sent; the text says which field and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels whose capitals do not count (B11, B12)."""

    priorities: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    def of(self, name: str) -> tuple[str, ...]:
        """Give the labels of a field; none for one that is no label."""
        return {"priority": self.priorities, "status": self.statuses}.get(name, ())


# --- reading -------------------------------------------------------------------------------------


def to_ticket(told: Told, ticket_id: TicketId) -> Ticket:
    """Make a Ticket of a whole answer whose number has been checked.

    Spec: B-612 API Documentation, §3 GET.
    """
    parts = todo.split(told.texts.get(TODO, ""))
    return Ticket(
        id=ticket_id,
        number=told.number,
        kind=TICKET_KIND,
        fields=field_values(told),
        comments=tuple(_comment(remark) for remark in parts.remarks),
        keys=tuple(dict.fromkeys(parts.keys)),
    )


def field_values(told: Told) -> dict[str, Value]:
    """Give neutral name -> value of what an answer told.

    Dates and times are ISO text where they can be read, else as they came: never guessed (B13).

    Spec: B-612 API Documentation, §3 GET; b612.md §7, B11-B16.
    """
    texts = told.texts
    values: dict[str, Value] = {"number": told.number} if told.number else {}
    for name, path in {**FIELDS, **_READ_ONLY}.items():
        if path in texts:
            values[name] = _raw(name, texts[path])
    suggested = [values.get(name) for name in ("suggested_date", "suggested_time")]
    if None not in suggested:
        values[_WALL_TIME] = _wall_time(*map(str, suggested))
    return values


def _raw(name: str, text: str) -> str:
    if name == "description":
        return todo.split(text).text
    if name in _DATES:
        return _iso_date(text)
    if name in _TIMES:
        return _iso_time(text)
    return text


def _comment(remark: todo.Remark) -> Comment:
    return Comment(
        id=comment_id(remark.key),
        body=remark.body,
        created_at=remark.at,
        visibility=Visibility.PUBLIC,
        kind=CommentKind.COMMENT,
        keys=(remark.key,),
    )


def comment_id(key: str) -> CommentId:
    """Name a remark of ours: it has no id but its key."""
    return CommentId(f"todo-{key}")


def _iso_date(text: str) -> str:
    """Read `MM/DD/YYYY` or `YYYY-MM-DD`; anything else stays as it is (B13)."""
    text = text.strip()
    found = _US_DATE.fullmatch(text)
    try:
        if found is None:
            return date.fromisoformat(text).isoformat() if len(text) == 10 else text
        return date(int(found[3]), int(found[1]), int(found[2])).isoformat()
    except ValueError:
        return text


def _iso_time(text: str) -> str:
    """Read `HH:MM` or `HH:MM:SS`; anything else stays as it is (B13)."""
    text = text.strip()
    if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", text) is None:
        return text
    try:
        return time.fromisoformat(text.zfill(len(text) + (text.index(":") == 1))).isoformat()
    except ValueError:
        return text


def _wall_time(day: str, hour: str) -> str:
    """Join date and time of the site, without a zone; empty where one of them cannot be read."""
    try:
        return f"{date.fromisoformat(day).isoformat()}T{time.fromisoformat(hour).isoformat()}"
    except ValueError:
        return ""


# --- writing -------------------------------------------------------------------------------------


def texts_of(fields: Mapping[str, Value], labels: Labels) -> dict[str, str]:
    """Give path -> text of what is written; an empty value is meant to clear.

    Raises:
        CannotCarry: a field cannot be written, or its value is none B-612 takes.

    Spec: B-612 API Documentation, §4 POST (thirteen elements); b612.md §7, B11.
    """
    texts: dict[str, str] = {}
    for name, value in fields.items():
        path = FIELDS.get(name)
        if path is None:
            raise CannotCarry(f"{name}: B-612 lets nobody write it")
        text = _written(name, value)
        accepted = labels.of(name)
        if text and accepted:
            label = _label(text, accepted)
            if label not in accepted:
                raise CannotCarry(f"{name}: {text!r}; accepted: {', '.join(accepted)}")
            text = label
        texts[path] = text
    return texts


def ensure_complete(fields: Mapping[str, Value], required: tuple[str, ...]) -> None:
    """See to it that a new ticket has what an engineer needs: B-612 itself asks for nothing.

    Raises:
        CannotCarry: something is missing.

    Spec: B-612 API Documentation, §4 POST; b612.md §7, B10.
    """
    missing = [name for name in required if not _written(name, fields.get(name)).strip()]
    if not any(_written(name, fields.get(name)).strip() for name in SITE_FIELDS):
        missing.append(" or ".join(SITE_FIELDS))
    if missing:
        raise CannotCarry(f"not created without {', '.join(missing)}")


def _written(name: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise CannotCarry(f"{name}: only text can be written, not a value of several parts")


# --- N and the list of fields --------------------------------------------------------------------


def normalise(name: str, value: Value, labels: Labels) -> Value:
    """Give the form in which two spellings of one value are equal (N of DESIGN R5).

    Text: NFC, no markers, every run of white space one blank (B16). Labels: as they are listed.
    Amounts: decimal, without trailing zeros. Dates and times: ISO. Nothing and empty are both None.
    """
    if isinstance(value, Mapping):
        return {part: _text(text) for part, text in sorted(value.items())}
    text = _text(_written(name, value))
    if name in _AMOUNTS:
        text = _amount(text)
    elif name in _DATES:
        text = _iso_date(text)
    elif name in _TIMES:
        text = _iso_time(text)
    elif accepted := labels.of(name):
        text = _label(text, accepted)
    return text or None


def _text(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", todo.split(text).text).split())


def _label(text: str, accepted: tuple[str, ...]) -> str:
    folded = text.strip().casefold()
    return next((label for label in accepted if label.casefold() == folded), text.strip())


def _amount(text: str) -> str:
    if _AMOUNT.fullmatch(text) is None:
        return text
    plain = f"{Decimal(text).normalize():f}"
    return "0" if plain == "-0" else plain


def describe_fields(labels: Labels) -> tuple[FieldInfo, ...]:
    """List the fields for `syncd fields`.

    Spec: B-612 API Documentation, §3 GET (table of paths).
    """
    anywhere = frozenset({str(WriteKind.CREATE), str(WriteKind.UPDATE)})
    infos = [FieldInfo(name="number", kind="label", source="§3 b612_details.b612_ticket_number")]
    for name, path in {**FIELDS, **_READ_ONLY}.items():
        infos.append(
            FieldInfo(
                name=name,
                kind=_kind(name),
                writable=anywhere if name in FIELDS else frozenset(),
                values=labels.of(name),
                source=f"§3 {path}{_REMARKS.get(name, '')}",
            )
        )
    source = "§3 date_suggested and time_suggested together: wall time of the site, without a zone"
    infos.append(FieldInfo(name=_WALL_TIME, source=source))
    return tuple(infos)


_REMARKS = {
    "expenses": ", the currency is not told",
    "customer_reference": ", the customer's own number",
    "site": ", the customer's own name of it",
}


def _kind(name: str) -> str:
    if name in _AMOUNTS:
        return "number"
    return "label" if name in ("priority", "status", "sub_category") else "text"
