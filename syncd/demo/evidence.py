"""Reads the sandboxes' records into what people did and what the client wrote. Pure.

Every text a person writes in the demo begins with a token of its own (`T0102-abc`); the same token
twice means that a person said the same twice. The first token of a text says what it is a copy of;
later ones are quotations or the marked end of a long text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from syncd.demo.pairing import Pairing, Side

Event = Mapping[str, Any]

TOKEN = re.compile(r"T\d{4,5}-[a-z0-9]{3}|\bDrift \d+\b")
"""`Drift 12` is what the vendor's sandbox itself lets somebody say to shift its pages."""

PERSON = "person"


class Kind(StrEnum):
    """What a person did."""

    TICKETS = "tickets"
    COMMENTS = "comments"
    ATTACHMENTS = "attachments"
    FIELD_CHANGES = "field_changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A ticket from its first line in the record."""

    side: Side
    id: str
    number: str
    at: datetime
    by_person: bool
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text somebody wrote: a comment, an attachment's name, or a field's value.

    Attributes:
        what: `comment`, `attachment`, or the field's name; `created` fields carry theirs too.
        list: which list a comment went to.
        size, sha256: of an attachment.
    """

    side: Side
    ticket: str
    what: str
    text: str
    at: datetime
    by_person: bool
    by: str = ""
    list: str = ""
    size: int = 0
    sha256: str = ""

    @property
    def token(self) -> str:
        """The first token; "" for none."""
        return token_of(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A field, status included, was given a value."""

    side: Side
    ticket: str
    name: str
    old: str
    new: str
    at: datetime
    by_person: bool
    is_change: bool


@dataclass(slots=True)
class Evidence:
    """Both records, sorted into what matters, oldest first.

    Attributes:
        cases: by (side, ticket id).
        texts: every text, in the order of time.
        changes: every field written, in the order of time.
        requests: received, by system.
        violations: how often the client broke a document, by system.
    """

    cases: dict[tuple[Side, str], Case] = field(default_factory=dict)
    texts: list[Text] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)

    def of(self, side: Side, ticket: str) -> list[Change]:
        """The changes of one ticket, oldest first."""
        return [each for each in self.changes if (each.side, each.ticket) == (side, ticket)]


def tokens_of(text: str) -> list[str]:
    """Every token in a text, in order."""
    return TOKEN.findall(text)


def token_of(text: str) -> str:
    """The first token in a text; "" for none."""
    found = TOKEN.search(text)
    return found.group() if found else ""


def read(pairing: Pairing, itsm: Iterable[Event], vendor: Iterable[Event]) -> Evidence:
    """Sort both records of a pairing."""
    evidence = Evidence()
    for side, record in ((Side.ITSM, itsm), (Side.VENDOR, vendor)):
        for event in record:
            _take(evidence, side, event, pairing.names(side))
    # Both sandboxes show the same real time.
    evidence.texts.sort(key=lambda each: each.at)
    evidence.changes.sort(key=lambda each: each.at)
    return evidence


def _take(evidence: Evidence, side: Side, event: Event, names: Mapping[str, str]) -> None:
    match event["what"]:
        case "request":
            evidence.requests[side] += 1
        case "violation":
            evidence.violations[side] += 1
        case "ticket_created":
            _born(evidence, side, event, names)
        case "comment_added":
            evidence.texts.append(_text(side, event, "comment", event["text"]))
        case "attachment_added":
            evidence.texts.append(_text(side, event, "attachment", event["name"]))
        case "field_changed" | "field_unchanged" | "status_changed" | "status_unchanged":
            _changed(evidence, side, event, names)
        case _:
            return


def _born(evidence: Evidence, side: Side, event: Event, names: Mapping[str, str]) -> None:
    fields = {
        names[name]: str(value) for name, value in dict(event["fields"]).items() if name in names
    }
    evidence.cases[side, event["ticket"]] = Case(
        side=side,
        id=event["ticket"],
        number=event["number"],
        at=_at(event),
        by_person=event["actor"] == PERSON,
        fields=fields | {"status": fields.get("status", str(event["status"]))},
    )
    for name, value in fields.items():
        evidence.texts.append(_text(side, event, name, value))


def _changed(evidence: Evidence, side: Side, event: Event, names: Mapping[str, str]) -> None:
    name = neutral_of(event, names)
    if not name:
        return
    new = event["new"] if "new" in event else event["status"]
    change = Change(
        side=side,
        ticket=event["ticket"],
        name=name,
        old=str(event.get("old") or ""),
        new=str(new or ""),
        at=_at(event),
        by_person=event["actor"] == PERSON,
        is_change=event["what"].endswith("_changed"),
    )
    evidence.changes.append(change)
    if name != "status" and change.is_change:
        evidence.texts.append(_text(side, event, name, change.new))


def neutral_of(event: Event, names: Mapping[str, str]) -> str:
    """Our name of the field that changed; "" for one nobody changes here."""
    if str(event["what"]).startswith("status_"):
        return "status"
    return names.get(str(event.get("field", "")), "")


def _text(side: Side, event: Event, what: str, text: str) -> Text:
    return Text(
        side=side,
        ticket=event["ticket"],
        what=what,
        text=text,
        at=_at(event),
        by_person=event["actor"] == PERSON,
        by=str(event.get("by", "")),
        list=str(event.get("kind", "")),
        size=int(event.get("size", 0)),
        sha256=str(event.get("sha256", "")),
    )


def _at(event: Event) -> datetime:
    return datetime.fromisoformat(str(event["at"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A person's ticket and the first copy the client opened for it."""

    origin: Case
    copy: Case

    def id_on(self, side: Side) -> str:
        """Its ticket on a side."""
        return self.origin.id if self.origin.side is side else self.copy.id

    @property
    def number(self) -> str:
        """Both numbers, the ITSM's first."""
        ours = self.origin if self.origin.side is Side.ITSM else self.copy
        theirs = self.copy if ours is self.origin else self.origin
        return f"{ours.number}/{theirs.number}"
