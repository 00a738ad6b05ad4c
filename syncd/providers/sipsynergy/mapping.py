"""Neutral names and values to SIP Synergy's and back; pure.

Every neutral field is a row of `FIELDS`. `normalise` is N of DESIGN R5: two spellings of one value
have one form.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

import orjson

from syncd.core import marker
from syncd.core.normal import one_line, plain
from syncd.model.ids import CommentId, OperationKey, TicketId
from syncd.model.ticket import Comment, CommentKind, Missing, Ticket, Value, Visibility
from syncd.providers.sipsynergy.wire import (
    AttributeItem,
    CommentItem,
    ReportRow,
    Stamp,
    TicketItem,
    parse_stamp,
)

KIND = "ticket"
"""The only kind of ticket there is."""
NORMALISER_VERSION = 1
"""Raised whenever `normalise` gives another form for some value (DESIGN R5)."""
TITLE_CHARS_MAX = 80
"""Of a title taken from a description's first line (S22)."""

_LATEST = datetime.max.replace(tzinfo=UTC)
_PRIORITY = re.compile(r"p\s*(\d)\b.*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A neutral field and where SIP Synergy keeps it.

    Attributes:
        name: neutral name.
        wire: their name.
        kind: `text`, `line`, `label` or `time`.
        writable: kinds of write that can set it.
        place: `ticket`, `report` (only the report tells it) or `contact` (the create's attributes).
        source: section of the document.
    """

    name: str
    wire: str
    kind: str
    writable: frozenset[str] = frozenset()
    place: str = "ticket"
    source: str = "section 3, Ticket Full"


_BOTH = frozenset({"create", "update"})


def _own(name: str, wire: str, kind: str, writable: frozenset[str] = frozenset()) -> Field:
    return Field(name=name, wire=wire, kind=kind, writable=writable)


def _report(name: str, wire: str, kind: str) -> Field:
    source = "section 3, Ticket Report Json; section 6, S13"
    return Field(name=name, wire=wire, kind=kind, place="report", source=source)


def _contact(name: str, wire: str) -> Field:
    source = "section 3, Ticket Attributes Create; section 6, S5"
    return Field(
        name=name,
        wire=wire,
        kind="line",
        writable=frozenset({"create"}),
        place="contact",
        source=source,
    )


FIELDS: Mapping[str, Field] = {
    row.name: row
    for row in (
        _own("number", "id", "line"),
        _own("title", "title", "line", _BOTH),
        _own("description", "description", "text", _BOTH),
        _own("organisation_human_id", "organisationHumanId", "line", _BOTH),
        _own("contract_human_id", "contractHumanId", "line", _BOTH),
        _own("tenant_human_id", "tenantHumanId", "line", _BOTH),
        _own("reporter_human_id", "reporterHumanId", "line", _BOTH),
        _own("buyer", "buyer", "line"),
        _own("consumer", "consumer", "line"),
        _report("status", "status", "label"),
        _report("priority", "priority", "label"),
        _report("category", "category", "label"),
        _report("outcome", "outcome", "label"),
        _report("service_impact", "serviceImpact", "label"),
        _report("assigned_to", "assigned", "line"),
        _report("customer", "customer", "line"),
        _report("contact_name", "primaryContactName", "line"),
        _report("contact_email", "primaryContactEmail", "line"),
        _report("resolved_at", "resolutionDate", "time"),
        _contact("preferred_contact_method", "preferredContactMethod"),
        _contact("main_email", "mainEmail"),
        _contact("phone_number", "phoneNumber"),
        _contact("additional_emails", "additionalEmails"),
        Field(
            name="attributes",
            wire="attributes",
            kind="text",
            place="attributes",
            source="section 2.2; section 3, Ticket Attribute Full",
        ),
    )
}
"""Neutral name -> where SIP Synergy keeps it."""

REPORT_FIELDS = tuple(row for row in FIELDS.values() if row.place == "report")
"""What the report tells; the durations it also tells change every minute and are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the report told of one ticket, by neutral name; a field it leaves out is not there."""

    told: Mapping[str, str] = field(default_factory=dict)


# --- normal form ---------------------------------------------------------------------------------


def normalise(name: str, value: Value) -> Value:
    """Give the form in which two spellings of one value are equal (N of DESIGN R5).

    Empty texts are None. Texts: markers out, LF, no white space at line ends or around the whole,
    NFC. Labels ignore capitals; of a priority only its leading `P<digit>` counts (S17).
    Version: `NORMALISER_VERSION`.
    """
    row = FIELDS.get(name)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {part: str(text) for part, text in sorted(value.items()) if str(text)} or None
    form = plain(str(value), row.kind if row else "text")
    found = _PRIORITY.fullmatch(form) if name == "priority" else None
    return f"p{found[1]}" if found else form or None


def same_value(name: str, told: Value | Missing, wanted: Value) -> bool:
    """Say whether a field read back holds what was sent; not told counts as empty."""
    found = None if isinstance(told, Missing) else told
    return normalise(name, found) == normalise(name, wanted)


# --- reading -------------------------------------------------------------------------------------


def facts_of(row: ReportRow, zone: tzinfo) -> Facts:
    """Give what a row of the report tells. Spec: section 6, S16 and S19."""
    told: dict[str, str] = {}
    for field_ in REPORT_FIELDS:
        text = row.told.get(field_.wire)
        if text is not None:
            told[field_.name] = _instant_text(text, zone) if field_.kind == "time" else text
    return Facts(told=told)


def _instant_text(text: str, zone: tzinfo) -> str:
    stamp = parse_stamp(text, zone)
    return stamp.at.isoformat() if stamp is not None and stamp.at is not None else text


def ticket(
    item: TicketItem,
    facts: Facts | None,
    comments: Sequence[Comment],
    attributes: Sequence[AttributeItem] | None,
) -> Ticket:
    """Put a ticket together from its answers and what the report last told of it.

    Spec: section 3; section 6, S13 and S22.
    """
    return Ticket(
        id=TicketId(item.id),
        number=item.id,
        kind=KIND,
        fields=fields_of(item, facts) | _attributes(attributes),
        comments=tuple(comments),
        created_at=_at(item.created),
        updated_at=_at(item.updated),
        keys=keys_of(item),
    )


def fields_of(item: TicketItem, facts: Facts | None = None) -> dict[str, Value]:
    """Give the fields that were told, markers taken out; what nobody told is absent.

    What the ticket itself tells beyond its document counts more than the report (S13).
    """
    fields: dict[str, Value] = {"number": item.id}
    for row in FIELDS.values():
        if row.wire in item.told:
            fields[row.name] = _told(item.told[row.wire])
        elif row.place == "report" and facts is not None and row.name in facts.told:
            fields[row.name] = facts.told[row.name]
    if item.buyer:
        fields["buyer"] = item.buyer
    if item.consumer:
        fields["consumer"] = item.consumer
    if not fields.get("title"):
        fields["title"] = derived_title(str(fields.get("description") or "")) or None
    return fields


def derived_title(description: str) -> str:
    """Take a title from a description's first line. Spec: section 6, S22."""
    first = next((line for line in description.splitlines() if line.strip()), "")
    return one_line(first)[:TITLE_CHARS_MAX].strip()


def keys_of(item: TicketItem) -> tuple[OperationKey, ...]:
    """Give the operation keys that title and description carry, the title's first."""
    texts = (item.told.get("title") or "", item.told.get("description") or "")
    return tuple(dict.fromkeys(key for text in texts for key in marker.split(text)[1]))


def _told(text: str | None) -> str | None:
    return marker.split(text)[0] or None if text else None


def _attributes(items: Sequence[AttributeItem] | None) -> dict[str, Value]:
    """Give attributes as lines `key: value` in a fixed order; None: they were not read."""
    if items is None:
        return {}
    lines = sorted({f"{one_line(one.key)}: {one_line(one.value)}" for one in items})
    return {"attributes": "\n".join(lines) or None}


def comments_of(
    items: Sequence[CommentItem], authors: Mapping[str, str], unknown_author: str
) -> tuple[Comment, ...]:
    """Give comments oldest first; whatever this API shows is public.

    Spec: section 3, Comment Full.
    """
    comments: list[Comment] = []
    for item in items:
        body, keys = marker.split(item.text)
        comments.append(
            Comment(
                id=CommentId(item.id),
                body=body,
                author=authors.get(item.user, item.user) or unknown_author,
                created_at=_at(item.created),
                visibility=Visibility.PUBLIC,
                kind=CommentKind.COMMENT,
                keys=keys,
            )
        )
    return tuple(sorted(comments, key=lambda one: (one.created_at or _LATEST, _place(one.id))))


def _place(comment_id: str) -> tuple[int, str]:
    """Order ids that are numbers as numbers."""
    return len(comment_id), comment_id


def digest_of(item: TicketItem, facts: Facts | None) -> bytes:
    """Give 16 bytes over what the list and the report tell of a ticket."""
    told = (
        sorted((name, text) for name, text in item.told.items()),
        (item.buyer, item.consumer, _stamp_text(item.created), _stamp_text(item.updated)),
        sorted(facts.told.items()) if facts is not None else [],
    )
    return hashlib.blake2b(orjson.dumps(told), digest_size=16).digest()


def _stamp_text(stamp: Stamp | None) -> str:
    """Give a date so that its two spellings are one (S2)."""
    if stamp is None:
        return ""
    return stamp.at.isoformat() if stamp.at else stamp.raw


def _at(stamp: Stamp | None) -> datetime | None:
    return stamp.at if stamp else None
