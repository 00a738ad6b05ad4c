"""The tickets and users of the SIP Synergy sandbox and everything that can change them.

Every change goes through here, whoever makes it: it makes a new state of the ticket and a line in
the record.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.sandbox.chance import Chance
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.history import Versions
from syncd.sandbox.record import Record, Who
from syncd.sandbox.sipsynergy.model import (
    CREATE_FIELDS,
    REPORT_FIELDS,
    Attribute,
    Comment,
    Ticket,
    User,
)
from syncd.sandbox.sipsynergy.settings import SipSynergySandboxSettings

ORGANISATION = "ORG-1000000000"


class Tickets:
    """All tickets with their past."""

    def __init__(
        self,
        settings: SipSynergySandboxSettings,
        clock: SandboxClock,
        record: Record,
        chance: Chance,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._record = record
        self._chance = chance
        self._tickets: dict[str, Versions[Ticket]] = {}
        self._serials: dict[str, int] = {}

    # --- reading ---------------------------------------------------------------------------------

    def all(self, seen_at: datetime | None = None) -> list[Ticket]:
        """Return the tickets as of `seen_at` (None: now), in the order they were opened."""
        found = (versions.as_of(seen_at) for versions in self._tickets.values())
        return [ticket for ticket in found if ticket is not None]

    def get(self, ticket_id: str, seen_at: datetime | None = None) -> Ticket | None:
        """Return one ticket; None when there is none (yet, or no more)."""
        versions = self._tickets.get(ticket_id)
        return versions.as_of(seen_at) if versions else None

    def need(self, ticket_id: str) -> Ticket:
        """Return one ticket as of now, for people."""
        found = self.get(ticket_id)
        if found is None:
            raise LookupError(f"no ticket {ticket_id}")
        return found

    # --- changing --------------------------------------------------------------------------------

    def create(
        self, fields: Mapping[str, str], who: Who, attributes: Mapping[str, str] | None = None
    ) -> Ticket:
        """Open a ticket; ids are random, not rising (section 8)."""
        at, serial = self._clock.now(), self._serial("ticket")
        settings = self._settings
        ticket = Ticket(
            serial=serial,
            id=self._human_id("INC"),
            created_at=at,
            updated_at=at,
            changed_at=at,
            status=settings.first_status,
            resolved_at=None,
            fields={name: str(fields[name]) for name in CREATE_FIELDS if name in fields},
            report={"priority": settings.first_priority, "category": "Default"}
            | {name: str(fields[name]) for name in REPORT_FIELDS if name in fields},
            created_by=who,
            attributes=tuple(
                Attribute(id=self._serial("attribute"), key=key, value=value, type="Contact", at=at)
                for key, value in (attributes or {}).items()
            ),
        )
        self._tickets[ticket.id] = Versions(at, ticket)
        self._note("ticket_created", ticket, who, status=ticket.status, fields=dict(fields))
        return ticket

    def update(self, ticket: Ticket, fields: Mapping[str, str], who: Who) -> Ticket:
        """Change what is named; the report's fields move no `dateUpdated`."""
        at = self._clock.now()
        written, report, is_touched, is_changed = dict(ticket.fields), dict(ticket.report), 0, 0
        for name, new in fields.items():
            place = report if name in REPORT_FIELDS else written
            old = place.get(name)
            what = "field_unchanged" if old == new else "field_changed"
            self._note(what, ticket, who, field=name, old=old, new=new)
            if old != new:
                place[name] = new
                is_changed += 1
                is_touched += place is written
        if not is_changed:
            return ticket
        changed = replace(
            ticket,
            fields=written,
            report=report,
            changed_at=at,
            updated_at=at if is_touched else ticket.updated_at,
        )
        return self._put(changed, at)

    def set_status(self, ticket: Ticket, status: str, who: Who) -> Ticket:
        """Change the status, which no call can."""
        at = self._clock.now()
        if status == ticket.status:
            self._note("status_unchanged", ticket, who, status=status)
            return ticket
        self._note("status_changed", ticket, who, old=ticket.status, new=status)
        is_closed = status in self._settings.closed_statuses
        changed = replace(
            ticket,
            status=status,
            changed_at=at,
            updated_at=at if self._settings.status_touches else ticket.updated_at,
            resolved_at=(ticket.resolved_at or at) if is_closed else None,
        )
        return self._put(changed, at)

    def comment(self, ticket: Ticket, text: str, user: str, who: Who) -> Comment:
        """Add a comment."""
        at = self._clock.now()
        comment = Comment(id=self._serial("comment"), at=at, text=text, user=user, who=who)
        self._note("comment_added", ticket, who, comment=comment.id, kind="comment", text=text)
        touched = at if self._settings.comment_touches else ticket.updated_at
        self._put(replace(ticket, comments=(*ticket.comments, comment), updated_at=touched), at)
        return comment

    def confirm(self, ticket: Ticket, who: Who) -> None:
        """Log the confirm-contacts event and mail the contacts; each call mails (section 7)."""
        serial = self._serial("event")
        self._note("mail_sent", ticket, who, event=serial)
        self._put(replace(ticket, confirmed=serial), self._clock.now())

    def remove(self, ticket: Ticket, who: Who) -> None:
        """Delete a ticket: reads answer 404 from now on."""
        self._note("ticket_removed", ticket, who)
        self._tickets[ticket.id].put(self._clock.now(), None)

    def attached(self, ticket: Ticket, who: Who, **contents: Any) -> None:
        """Note a file somebody kept elsewhere: tickets here have none."""
        self._note("attachment_added", ticket, who, is_visible=False, **contents)

    # --- below -----------------------------------------------------------------------------------

    def _put(self, ticket: Ticket, at: datetime) -> Ticket:
        self._tickets[ticket.id].put(at, ticket)
        return ticket

    def _serial(self, kind: str) -> int:
        self._serials[kind] = self._serials.get(kind, 0) + 1
        return self._serials[kind]

    def _human_id(self, prefix: str) -> str:
        while True:
            made = f"{prefix}-{int(self._chance.draw() * 10**10):010d}"
            if made not in self._tickets:
                return made

    def _note(self, what: str, ticket: Ticket, who: Who, **contents: Any) -> None:
        self._record.add(what, who, ticket=ticket.id, number=ticket.id, **contents)


class Users:
    """The users: the integration's own, and everybody who ever said something."""

    def __init__(self, settings: SipSynergySandboxSettings, record: Record) -> None:
        self._record = record
        self._users: dict[int, User] = {}
        self._count = 0
        self.own = self.add(settings.integration_name, human_id=settings.integration_user)

    def all(self) -> list[User]:
        """Return all users, oldest first."""
        return list(self._users.values())

    def get(self, number: str) -> User | None:
        """Return a user by database id."""
        return self._users.get(int(number)) if number.isascii() and number.isdigit() else None

    def by_human_id(self, human_id: str) -> User | None:
        """Return a user by human id."""
        return next((one for one in self._users.values() if one.human_id == human_id), None)

    def named(self, name: str) -> User:
        """Return the user of that name; one more agent where there is none."""
        found = next((one for one in self._users.values() if one.name == name), None)
        return found or self.add(name, is_agent=True)

    def add(self, name: str, *, human_id: str = "", is_agent: bool = False) -> User:
        """Add a user."""
        self._count += 1
        user = User(
            id=self._count,
            human_id=human_id or f"USR-{1_000_000_000 + self._count:010d}",
            organisation_id=ORGANISATION,
            name=name,
            email=f"user{self._count}@example.com",
            phone="",
            is_admin=False,
            is_agent=is_agent,
        )
        self._users[user.id] = user
        return user

    def create(self, given: Mapping[str, Any], who: Who) -> User:
        """Add a user as a client asks for it (section 2.1)."""
        made = self.add(str(given["name"]), human_id=str(given.get("humanId", "")))
        self._record.add("user_created", who, user=made.id)
        return self._filled(
            replace(made, organisation_id=str(given.get("organisationId", ORGANISATION))), given
        )

    def update(self, user: User, given: Mapping[str, Any], who: Who) -> User:
        """Change a user (section 2.1)."""
        self._record.add("user_updated", who, user=user.id)
        return self._filled(user, given)

    def remove(self, user: User, who: Who) -> None:
        """Delete a user (section 2.1)."""
        self._record.add("user_removed", who, user=user.id)
        del self._users[user.id]

    def _filled(self, user: User, given: Mapping[str, Any]) -> User:
        filled = replace(
            user,
            name=str(given.get("name", user.name)),
            email=str(given.get("email", user.email)),
            phone=str(given.get("phoneNumber", user.phone)),
            is_admin=bool(given.get("admin", user.is_admin)),
            is_agent=bool(given.get("agent", user.is_agent)),
        )
        self._users[filled.id] = filled
        return filled
