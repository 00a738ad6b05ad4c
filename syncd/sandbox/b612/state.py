"""B-612's tickets with their past, and everything that can change one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from syncd.sandbox.b612.settings import (
    DETAILS,
    HOURS_LOG,
    WRITABLE,
    B612SandboxSettings,
)
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.history import Versions
from syncd.sandbox.record import Record, Who

FIRST_NUMBER = 45_176
"""The document's own example goes on from here."""

LOST_LINE_BREAK = " \N{NO-BREAK SPACE} "
"""What stands in the document's example where a line break was (B16)."""

CHANGEABLE = frozenset({*WRITABLE, *DETAILS, *HOURS_LOG} - {"b612_ticket_number"})
"""What somebody at B-612 can change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One ticket at one moment; `fields` has the 13 writable, the read-only and the hours."""

    number: str
    created_at: datetime
    created_by: Who
    fields: Mapping[str, str]

    @property
    def status(self) -> str:
        """`Open`, `Closed`, or whatever a person wrote."""
        return self.fields["status"]


class Tickets:
    """All tickets by number; numbers are compared without regard to capitals."""

    def __init__(self, settings: B612SandboxSettings, clock: SandboxClock, record: Record) -> None:
        self._settings = settings
        self._clock = clock
        self._record = record
        self._tickets: dict[str, Versions[Ticket]] = {}

    def all(self) -> Iterator[Ticket]:
        """Return every ticket there is, oldest first."""
        for versions in self._tickets.values():
            if versions.latest is not None:
                yield versions.latest

    def get(self, number: str, seen_at: datetime | None = None) -> Ticket | None:
        """Return one ticket, now or as it was."""
        versions = self._tickets.get(number.strip().upper())
        return versions.as_of(seen_at) if versions else None

    def need(self, number: str) -> Ticket:
        """Return one ticket, for people."""
        found = self.get(number)
        if found is None:
            raise LookupError(f"no ticket {number}")
        return found

    def create(self, fields: Mapping[str, str], who: Who) -> Ticket:
        """Open a ticket (section 4)."""
        at = self._clock.now()
        number = f"B-612-R{FIRST_NUMBER + len(self._tickets)}"
        ticket = Ticket(
            number=number,
            created_at=at,
            created_by=who,
            fields=self._blank(number, at) | self._kept(fields),
        )
        self._tickets[number] = Versions(at, ticket)
        self._note("ticket_created", ticket, who, status=ticket.status, fields=dict(fields))
        return ticket

    def change(self, ticket: Ticket, fields: Mapping[str, str], who: Who) -> Ticket:
        """Change fields in one step; what is equal already is noted as unchanged."""
        kept = self._kept(fields)
        for name, new in kept.items():
            old = ticket.fields.get(name, "")
            what = "status" if name == "status" else "field"
            happened = f"{what}_unchanged" if old == new else f"{what}_changed"
            self._note(happened, ticket, who, field=name, old=old, new=new)
        changed = replace(ticket, fields={**ticket.fields, **kept})
        if changed != ticket:
            self._tickets[ticket.number].put(self._clock.now(), changed)
        return changed

    def remove(self, ticket: Ticket, who: Who) -> None:
        """Make a ticket vanish."""
        self._note("ticket_removed", ticket, who)
        self._tickets[ticket.number].put(self._clock.now(), None)

    def _blank(self, number: str, at: datetime) -> dict[str, str]:
        settings = self._settings
        local = at.astimezone(ZoneInfo(settings.zone))
        return {
            **dict.fromkeys((*WRITABLE, *DETAILS), ""),
            **dict.fromkeys(HOURS_LOG, "0"),
            "b612_ticket_number": number,
            "date_created": f"{local:%m/%d/%Y}",
            "status": settings.first_status,
            "type": settings.first_type,
        }

    def _kept(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Give what stays of the texts sent: `todo` may lose its lines (B16)."""
        kept = dict(fields)
        if "todo" in kept and not self._settings.keeps_lines:
            lines = kept["todo"].replace("\r\n", "\n").replace("\r", "\n")
            kept["todo"] = lines.replace("\n", LOST_LINE_BREAK)
        return kept

    def _note(self, what: str, ticket: Ticket, who: Who, **contents: Any) -> None:
        self._record.add(what, who, ticket=ticket.number, number=ticket.number, **contents)
