"""The tickets of the RT sandbox and everything that can change them.

Every change goes through here, whoever makes it: it makes a new state of the ticket, the
transactions RT makes for it, and a line in the record. RT keeps whole seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from syncd.sandbox.bodies import StoredBody
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.history import Versions
from syncd.sandbox.record import PERSON, Record, Who
from syncd.sandbox.rt.model import NOBODY, SYSTEM, Entry, Part, Ticket
from syncd.sandbox.rt.settings import INACTIVE, RtSandboxSettings

SUBJECT_MAX = 200
_WIRE = {
    "subject": "Subject", "priority": "Priority", "owner": "Owner", "queue": "Queue",
}  # fmt: skip


def _with(ticket: Ticket, member: str, new: str) -> Ticket:
    match member:
        case "subject":
            return replace(ticket, subject=new)
        case "priority":
            return replace(ticket, priority=new)
        case "owner":
            return replace(ticket, owner=new)
        case _:
            return replace(ticket, queue=new)


class Tickets:
    """All tickets with their past."""

    def __init__(self, settings: RtSandboxSettings, clock: SandboxClock, record: Record) -> None:
        self._settings = settings
        self._clock = clock
        self._record = record
        self._tickets: dict[int, Versions[Ticket]] = {}
        self._last_ticket = settings.first_id - 1
        self._last_entry = 1000
        self._last_part = 500

    # --- reading ---------------------------------------------------------------------------------

    def all(self, seen_at: datetime | None = None) -> list[Ticket]:
        """Return the tickets as of `seen_at` (None: now), oldest first."""
        found = (versions.as_of(seen_at) for versions in self._tickets.values())
        return [ticket for ticket in found if ticket is not None]

    def get(self, ticket_id: int, seen_at: datetime | None = None) -> Ticket | None:
        """Return one ticket; for a merged one the one it was merged into."""
        versions = self._tickets.get(ticket_id)
        found = versions.as_of(seen_at) if versions else None
        if found is not None and found.merged_into is not None:
            return self.get(found.merged_into, seen_at)
        return found

    def need(self, ticket: str) -> Ticket:
        """Return one ticket as of now, for people."""
        found = self.get(int(ticket)) if str(ticket).isdecimal() else None
        if found is None:
            raise LookupError(f"no ticket {ticket}")
        return found

    # --- changing --------------------------------------------------------------------------------

    def create(
        self,
        fields: Mapping[str, str],
        who: Who,
        *,
        requestors: Sequence[str] = (),
        custom: Mapping[str, str],
        text: str | None,
    ) -> Ticket:
        """Open a ticket; `fields` are subject, queue, status, priority and owner."""
        at = self._now()
        self._last_ticket += 1
        parts = self._message(text, "text/plain", ()) if text else ()
        status = fields.get("status") or "new"
        ticket = Ticket(
            id=self._last_ticket,
            queue=fields["queue"],
            subject=fields.get("subject", "").replace("\n", "")[:SUBJECT_MAX],
            status=status,
            priority=fields.get("priority") or "0",
            owner=fields.get("owner") or NOBODY,
            requestors=tuple(requestors),
            creator=who.by,
            created=at,
            updated=at,
            updated_by=who.by,
            who=who,
            custom=dict(custom),
        )
        created = self._entry("Create", who, parts=parts)
        ticket = replace(ticket, entries=(created, *self._mail(1)))
        self._tickets[ticket.id] = Versions(self._clock.now(), ticket)
        self._note(
            "ticket_created", ticket, who, status=status, fields={**fields, **custom}, text=text
        )
        return ticket

    def set_field(self, ticket: Ticket, member: str, new: str, who: Who) -> Ticket:
        """Change subject, queue, priority or owner; what stays makes no transaction."""
        if member == "subject":
            new = new.replace("\n", "")[:SUBJECT_MAX]
        old = getattr(ticket, member)
        name = _WIRE[member]
        if old == new:
            self._note("field_unchanged", ticket, who, field=name, old=old, new=new)
            return ticket
        self._note("field_changed", ticket, who, field=name, old=old, new=new)
        was, now = (self._user(old), self._user(new)) if member == "owner" else (old, new)
        entry = self._entry("Set", who, field=name, old=was, new=now)
        changed = _with(ticket, member, new)
        more = (
            (self._entry("SetWatcher", who, field="Owner", old=was, new=now),)
            if member == "owner"
            else ()
        )
        return self._put(changed, who, entry, *more)

    def set_custom(self, ticket: Ticket, name: str, new: str, who: Who) -> Ticket:
        """Change a custom field; an empty value deletes the one there is."""
        old = ticket.custom.get(name, "")
        if old == new:
            self._note("field_unchanged", ticket, who, field=name, old=old, new=new)
            return ticket
        self._note("field_changed", ticket, who, field=name, old=old, new=new)
        number = next(one.id for one in self._settings.custom_fields if one.name == name)
        entry = self._entry("CustomField", who, field=str(number), old=old, new=new)
        return self._put(replace(ticket, custom={**ticket.custom, name: new}), who, entry)

    def set_requestors(self, ticket: Ticket, new: Sequence[str], who: Who) -> Ticket:
        """Replace the requestors."""
        if tuple(new) == ticket.requestors:
            return ticket
        old, told = ", ".join(ticket.requestors), ", ".join(new)
        self._note("field_changed", ticket, who, field="Requestor", old=old, new=told)
        added = [one for one in new if one not in ticket.requestors]
        gone = [one for one in ticket.requestors if one not in new]
        entries = [self._entry("AddWatcher", who, field="Requestor", new=one) for one in added]
        entries += [self._entry("DelWatcher", who, field="Requestor", old=one) for one in gone]
        return self._put(replace(ticket, requestors=tuple(new)), who, *entries)

    def set_status(self, ticket: Ticket, status: str, who: Who) -> Ticket:
        """Move the status."""
        if status == ticket.status:
            self._note("status_unchanged", ticket, who, status=status)
            return ticket
        self._note("status_changed", ticket, who, old=ticket.status, new=status, text=None)
        at = self._now()
        entry = self._entry("Status", who, field="Status", old=ticket.status, new=status)
        moved = replace(
            ticket,
            status=status,
            started=ticket.started or (at if status != "new" else None),
            resolved=at if status in INACTIVE else ticket.resolved,
        )
        return self._put(moved, who, entry)

    def say(
        self,
        ticket: Ticket,
        way: str,
        text: str | None,
        who: Who,
        *,
        content_type: str = "text/plain",
        files: Sequence[tuple[str, str, StoredBody, int]] = (),
        key: str = "",
    ) -> Entry:
        """Reply (`correspond`) or comment, with or without files: (name, type, bytes, size)."""
        parts = self._message(text, content_type, files)
        entry = self._entry(way.capitalize(), who, data="No Subject", key=key, parts=parts)
        told = self._mail(2) if way == "correspond" else ()
        self._put(ticket, who, entry, *told)
        if text:
            self._note("comment_added", ticket, who, comment=str(entry.id), kind=way, text=text)
        for part in entry.parts:
            if part.name and part.body is not None:
                self._note(
                    "attachment_added", ticket, who, attachment=f"{entry.id}-{part.id}",
                    name=part.name, content_type=part.content_type, size=part.body.size_bytes,
                    sha256=part.body.sha256, kind=way,
                )  # fmt: skip
        if way == "correspond" and self._settings.opens_on_reply:
            self._reopened(ticket.id, who)
        return entry

    def told_cut(self, ticket: Ticket, kind: str, who: Who) -> None:
        """Note that a file was cut or dropped, as RT does: by a transaction that follows."""
        self._put(self.need(str(ticket.id)), who, self._entry(kind, who))

    def merge(self, ticket: Ticket, target: Ticket, who: Who) -> None:
        """Merge a ticket into another: its id leads there from now on, searches do not find it."""
        self._note("ticket_merged", ticket, who, into=str(target.id))
        link = f"fsck.com-rt://sandbox/ticket/{target.id}"
        entry = self._entry("AddLink", who, field="MergedInto", new=link)
        gone = replace(ticket, merged_into=target.id)
        self._tickets[ticket.id].put(self._clock.now(), gone)
        entries = sorted((*target.entries, *ticket.entries, entry), key=lambda one: one.id)
        merged = replace(target, entries=tuple(entries), updated=self._now(), updated_by=who.by)
        self._tickets[target.id].put(self._clock.now(), merged)

    def remove(self, ticket: Ticket, who: Who) -> None:
        """Make a ticket vanish, as RT's shredder does: reads by id answer 404."""
        self._note("ticket_removed", ticket, who)
        self._tickets[ticket.id].put(self._clock.now(), None)

    # --- details ---------------------------------------------------------------------------------

    def _reopened(self, ticket_id: int, who: Who) -> None:
        """RT's own scrip: a reply opens what is closed, or new unless a requestor speaks."""
        ticket = self.need(str(ticket_id))
        is_inbound = who.by in ticket.requestors
        if ticket.status in INACTIVE or (ticket.status == "new" and not is_inbound):
            self.set_status(ticket, "open", Who(actor=PERSON, by=SYSTEM, request=who.request))

    def _message(
        self,
        text: str | None,
        content_type: str,
        files: Sequence[tuple[str, str, StoredBody, int]],
    ) -> tuple[Part, ...]:
        parts: list[Part] = []
        if files:
            parts.append(self._part("", "multipart/mixed"))
        told = text.replace("\r\n", "\n") if text else None
        kind = content_type if told else "application/octet-stream"
        parts.append(self._part("", kind, text=told, size=len((told or "").encode())))
        for name, file_type, body, size in files:
            part = self._part(name.replace("\\", "/").rpartition("/")[2], file_type, size=size)
            parts.append(replace(part, body=body, parent=parts[0].id))
        return tuple(parts)

    def _part(self, name: str, content_type: str, text: str | None = None, size: int = 0) -> Part:
        self._last_part += 1
        return Part(
            id=self._last_part, transaction=0, parent=0, name=name, content_type=content_type,
            created=self._now(), text=text, size=size,
        )  # fmt: skip

    def _entry(
        self,
        kind: str,
        who: Who,
        *,
        field: str = "",
        old: str = "",
        new: str = "",
        data: str = "",
        key: str = "",
        parts: tuple[Part, ...] = (),
    ) -> Entry:
        self._last_entry += 1
        number = self._last_entry
        return Entry(
            id=number, type=kind, created=self._now(), creator=who.by, who=who, field=field,
            old=old, new=new, data=data, key=key,
            parts=tuple(replace(part, transaction=number) for part in parts),
        )  # fmt: skip

    def _mail(self, count: int) -> tuple[Entry, ...]:
        """RT tells people by mail and notes it: noise for a client."""
        if not self._settings.shows_mail:
            return ()
        system = Who(actor=PERSON, by=SYSTEM)
        return tuple(
            self._entry(
                "EmailRecord", system, data="<rt@sandbox>",
                parts=self._message("Greetings,\n\nThis is a mail.", "text/plain", ()),
            )
            for _ in range(count)
        )  # fmt: skip

    def _put(self, ticket: Ticket, who: Who, *entries: Entry) -> Ticket:
        present = self._tickets[ticket.id].latest
        told = present.entries if present is not None else ticket.entries
        after = replace(ticket, entries=(*told, *entries), updated=self._now(), updated_by=who.by)
        self._tickets[ticket.id].put(self._clock.now(), after)
        return after

    def _user(self, login: str) -> str:
        """Give a user's id, which histories show instead of the login."""
        owners = self._settings.owners
        return str(27 + owners.index(login)) if login in owners else "6"

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)

    def _note(self, what: str, ticket: Ticket, who: Who, **contents: object) -> None:
        self._record.add(what, who, ticket=str(ticket.id), number=str(ticket.id), **contents)
