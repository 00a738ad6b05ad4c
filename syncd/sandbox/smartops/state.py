"""The tickets of the ITSM behind the contract, and everything that can change them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from syncd.sandbox.chance import Chance
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.history import Versions
from syncd.sandbox.record import Record, Who
from syncd.sandbox.smartops.settings import LISTS, SmartOpsSandboxSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A member of one of the three lists; `kind` is the list's name (section 2)."""

    serial: int
    kind: str
    at: datetime
    text: str
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One ticket at one moment."""

    sys_id: str
    number: str
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    created_by: Who
    updated_by: str
    resolved_by: str
    closed_by: str
    fields: dict[str, str]
    notes: tuple[Note, ...] = ()

    @property
    def status(self) -> str:
        """The ITSM's own status value."""
        return self.fields["ticketStatus"]


class Tickets:
    """All tickets with their past.

    `on_change` is rung with the ticket and who changed it, after every change.
    """

    def __init__(
        self,
        settings: SmartOpsSandboxSettings,
        clock: SandboxClock,
        record: Record,
        on_change: Callable[[Ticket, Who], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._record = record
        self._on_change = on_change
        self._chance = Chance(settings.seed, "sys_id")
        self._tickets: dict[str, Versions[Ticket]] = {}
        self._numbers: dict[str, str] = {}
        self._notes = 0

    # --- reading ---------------------------------------------------------------------------------

    def all(self) -> list[Ticket]:
        """Return the tickets as of now, oldest first."""
        found = (versions.latest for versions in self._tickets.values())
        return [ticket for ticket in found if ticket is not None]

    def by_sys_id(self, sys_id: str, seen_at: datetime | None = None) -> Ticket | None:
        """Return one ticket by its `sysId`."""
        versions = self._tickets.get(sys_id)
        return versions.as_of(seen_at) if versions else None

    def by_number(self, number: str, seen_at: datetime | None = None) -> Ticket | None:
        """Return one ticket by its number."""
        return self.by_sys_id(self._numbers.get(number, ""), seen_at)

    def need(self, ticket: str) -> Ticket:
        """Return one ticket by `sysId` or number, for people."""
        found = self.by_sys_id(ticket) or self.by_number(ticket)
        if found is None:
            raise LookupError(f"no ticket {ticket}")
        return found

    # --- changing --------------------------------------------------------------------------------

    def create(
        self, fields: Mapping[str, str], who: Who, notes: Mapping[str, str] | None = None
    ) -> Ticket:
        """Open a ticket; `notes` are list name to text."""
        at = self._clock.now()
        defaults = {"ticketStatus": self._settings.statuses[0]}
        if "3" in self._settings.priorities:
            defaults["ticketPriority"] = "3"
        number = f"INC{12_399 + len(self._tickets):07d}"
        ticket = Ticket(
            sys_id=self._chance.hex(32),
            number=number,
            created_at=at,
            updated_at=at,
            resolved_at=None,
            created_by=who,
            updated_by=who.by,
            resolved_by="",
            closed_by="",
            fields=defaults | dict(fields),
        )
        self._tickets[ticket.sys_id] = Versions(at, ticket)
        self._numbers[number] = ticket.sys_id
        self._note("ticket_created", ticket, who, status=ticket.status, fields=dict(fields))
        settled = self._settled(ticket, "", who, at)
        for kind, text in (notes or {}).items():
            settled = self._with_note(settled, kind, text, who, at)
        return self._put(settled, who, at)

    def change(
        self,
        ticket: Ticket,
        fields: Mapping[str, str],
        who: Who,
        notes: Mapping[str, str] | None = None,
    ) -> Ticket:
        """Change fields and add notes in one step; what is equal already stays."""
        at = self._clock.now()
        for name, new in fields.items():
            old = ticket.fields.get(name, "")
            what = "status" if name == "ticketStatus" else "field"
            happened = f"{what}_unchanged" if old == new else f"{what}_changed"
            self._note(happened, ticket, who, field=name, old=old, new=new)
        changed = replace(ticket, fields=ticket.fields | dict(fields))
        changed = self._settled(changed, ticket.status, who, at)
        for kind, text in (notes or {}).items():
            changed = self._with_note(changed, kind, text, who, at)
        if changed == ticket:
            return ticket
        return self._put(replace(changed, updated_at=at, updated_by=who.by), who, at)

    def remove(self, ticket: Ticket, who: Who) -> None:
        """Make a ticket vanish: it is answered with "404" from now on."""
        self._note("ticket_removed", ticket, who)
        self._tickets[ticket.sys_id].put(self._clock.now(), None)
        self._on_change(ticket, who)

    # --- below -----------------------------------------------------------------------------------

    def _settled(self, ticket: Ticket, before: str, who: Who, at: datetime) -> Ticket:
        """Set who resolved or closed, and when, after the status moved; reopening clears both."""
        now = ticket.status
        if now == before:
            return ticket
        settings = self._settings
        if now in settings.resolved_statuses:
            return replace(ticket, resolved_at=at, resolved_by=who.by, closed_by="")
        if now in settings.closed_statuses:
            return replace(ticket, closed_by=who.by)
        return replace(ticket, resolved_at=None, resolved_by="", closed_by="")

    def _with_note(self, ticket: Ticket, kind: str, text: str, who: Who, at: datetime) -> Ticket:
        if kind not in LISTS:
            raise ValueError(f"no list {kind}; there is: {', '.join(LISTS)}")
        self._notes += 1
        note = Note(serial=self._notes, kind=kind, at=at, text=text, who=who)
        self._note("comment_added", ticket, who, comment=note.serial, kind=kind, text=text)
        return replace(ticket, notes=(*ticket.notes, note))

    def _put(self, ticket: Ticket, who: Who, at: datetime) -> Ticket:
        self._tickets[ticket.sys_id].put(at, ticket)
        self._on_change(ticket, who)
        return ticket

    def _note(self, what: str, ticket: Ticket, who: Who, **contents: Any) -> None:
        self._record.add(what, who, ticket=ticket.sys_id, number=ticket.number, **contents)


def details(
    ticket: Ticket, names: list[str], settings: SmartOpsSandboxSettings, now: datetime
) -> dict[str, Any]:
    """Answer every name asked for, unknown ones with "" (O5, O6)."""
    values = _values(ticket, settings, now)
    for kind, keys in LISTS.items():
        members = [
            dict(zip(keys, (note.who.by, _time(note.at, settings), note.text), strict=True))
            for note in ticket.notes
            if note.kind == kind
        ]
        values[kind] = members[::-1] if settings.notes_newest_first else members
    return {name: values.get(name, "") for name in names}


def _values(ticket: Ticket, settings: SmartOpsSandboxSettings, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: value
        for name, value in ticket.fields.items()
        if settings.template_keys.get(name) != "write"
    }
    if settings.spelled_priority:
        priority = values.get("ticketPriority", "")
        values["ticketPriority"] = settings.priorities.get(priority, priority)
    spent_s = int(((ticket.resolved_at or now) - ticket.created_at).total_seconds())
    return values | {
        "sysId": ticket.sys_id,
        "ticketNumber": ticket.number,
        "ticketBusinessDuration": str(spent_s),
        "ticketBusinessTimeLeft": str(settings.sla_s - spent_s),
        "createdTime": _time(ticket.created_at, settings),
        "updatedTime": _time(ticket.updated_at, settings),
        "resolvedTime": _time(ticket.resolved_at, settings) if ticket.resolved_at else "",
        "createdBy": ticket.created_by.by,
        "updatedBy": ticket.updated_by,
        "resolvedBy": ticket.resolved_by,
        "closedBy": ticket.closed_by,
    }


def _time(at: datetime, settings: SmartOpsSandboxSettings) -> str:
    """Section 3: UTC, six fractional digits, no zone."""
    at = at.astimezone(UTC)
    return f"{at.replace(microsecond=0) if settings.whole_seconds else at:%Y-%m-%dT%H:%M:%S.%f}"
