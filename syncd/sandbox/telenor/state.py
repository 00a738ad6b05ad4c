"""The incidents of the Telenor sandbox and everything that can change them.

Every change goes through here, whoever makes it: it makes a new state of the incident, the
activities the document promises (section 4.4), and a line in the record.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.sandbox.bodies import StoredBody
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.history import Versions
from syncd.sandbox.record import Record, Who
from syncd.sandbox.telenor.model import (
    AGENT_FIELDS,
    CONTACT_FIELDS,
    TEXT_FIELDS,
    Activity,
    Attachment,
    Comment,
    Contact,
    Incident,
    vendor_id,
)
from syncd.sandbox.telenor.settings import TelenorSandboxSettings


class Incidents:
    """All incidents with their past, and the activities feed."""

    def __init__(
        self, settings: TelenorSandboxSettings, clock: SandboxClock, record: Record
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._record = record
        self._incidents: dict[str, Versions[Incident]] = {}
        self._numbers: dict[str, str] = {}
        self._feed: list[Activity] = []
        self._feeds: dict[str, list[Activity]] = {}
        self._serials: dict[str, int] = {}

    # --- reading ---------------------------------------------------------------------------------

    def all(self, seen_at: datetime | None = None) -> list[Incident]:
        """Return the incidents as of `seen_at` (None: now), oldest first."""
        found = (versions.as_of(seen_at) for versions in self._incidents.values())
        return [incident for incident in found if incident is not None]

    def get(self, incident_id: str, seen_at: datetime | None = None) -> Incident | None:
        """Return one incident by its technical id; None when there is none (yet, or no more)."""
        versions = self._incidents.get(incident_id)
        return versions.as_of(seen_at) if versions else None

    def need(self, ticket: str) -> Incident:
        """Return one incident as of now by id or case number, for people."""
        incident = self.get(self._numbers.get(ticket, ticket))
        if incident is None:
            raise LookupError(f"no incident {ticket}")
        return incident

    def feed(self, incident_id: str | None, seen_at: datetime | None) -> list[Activity]:
        """Return activities by (date shown, id), oldest first; of one incident or of all."""
        activities = self._feed if incident_id is None else self._feeds.get(incident_id, [])
        if seen_at is None:
            return activities
        return [activity for activity in activities if activity.at <= seen_at]

    # --- changing --------------------------------------------------------------------------------

    def create(self, fields: Mapping[str, Any], who: Who) -> Incident:
        """Open an incident (I2)."""
        at, serial = self._clock.now(), self._serial("case")
        texts = {name: str(fields[name]) for name in TEXT_FIELDS if name in fields}
        texts |= {name: str(fields[name]) for name in AGENT_FIELDS if name in fields}
        incident_id, number = vendor_id("5004E0", serial), f"Case-{serial:08d}"
        created = self._activity(incident_id, at, "CREATED", who, content=texts.get("subject"))
        incident = Incident(
            serial=serial,
            id=incident_id,
            number=number,
            created_at=at,
            modified_at=at,
            last_activity=created,
            closed_at=None,
            status=self._settings.first_status,
            status_reason=None,
            fields=texts,
            contact=fields.get("contact"),
            local_contact=fields.get("localContact"),
            created_by=who,
        )
        self._incidents[incident.id] = Versions(at, incident)
        self._numbers[incident.number] = incident.id
        self._add(created)
        self._note("ticket_created", incident, who, status=incident.status, fields=dict(fields))
        return incident

    def update(self, incident: Incident, fields: Mapping[str, Any], who: Who) -> Incident:
        """Change fields and contacts (I7, I16, I17, I18); None for a contact removes it."""
        at = self._clock.now()
        changed: list[Activity] = []
        texts, contacts = dict(incident.fields), _contacts(incident)
        for name, new in fields.items():
            old = contacts[name] if name in CONTACT_FIELDS else texts.get(name)
            what = "field_unchanged" if old == new else "field_changed"
            self._note(what, incident, who, field=name, old=old, new=new)
            if old == new:
                continue
            if name in CONTACT_FIELDS:
                contacts[name] = new
            else:
                texts[name] = new
            changed.append(
                self._activity(
                    incident.id, at, "UPDATED", who, field=name, old=_flat(old), new=_flat(new)
                )
            )
        if not changed:
            return incident
        updated = replace(
            incident,
            fields=texts,
            contact=contacts["contact"],
            local_contact=contacts["localContact"],
            modified_at=at,
        )
        return self._put(updated, at, changed)

    def set_status(
        self, incident: Incident, status: str, who: Who, text: str | None = None
    ) -> Incident:
        """Change the status (I19); the same one again adds an activity and nothing else."""
        at = self._clock.now()
        if status == incident.status:
            self._note("status_unchanged", incident, who, status=status, text=text)
        else:
            self._note("status_changed", incident, who, old=incident.status, new=status, text=text)
        activities = [
            self._activity(
                incident.id,
                at,
                "STATUS_CHANGED",
                who,
                content=text,
                field="status",
                old=incident.status,
                new=status,
            )
        ]
        is_closed = status in self._settings.closed_statuses
        if is_closed and incident.closed_at is None:
            activities.append(self._activity(incident.id, at, "CLOSED", who, content=text))
        shows_reason = is_closed or status == "Solved"
        updated = replace(
            incident,
            status=status,
            status_reason=(text or "Confirmed with customer") if shows_reason else None,
            closed_at=(incident.closed_at or at) if is_closed else None,
            modified_at=at,
        )
        return self._put(updated, at, activities)

    def comment(self, incident: Incident, text: str, who: Who) -> Comment:
        """Add a remark (I15)."""
        at = self._clock.now()
        comment = Comment(
            id=vendor_id("00a4E0", self._serial("comment")), at=at, text=text, who=who
        )
        activity = self._activity(incident.id, at, "COMMENTED", who, content=text)
        touched = at if self._settings.comment_touches else incident.modified_at
        self._note("comment_added", incident, who, comment=comment.id, kind="comment", text=text)
        updated = replace(incident, comments=(*incident.comments, comment), modified_at=touched)
        self._put(updated, at, [activity])
        return comment

    def attach(
        self, incident: Incident, name: str, content_type: str, body: StoredBody, who: Who
    ) -> Attachment:
        """Add a file (I11)."""
        at = self._clock.now()
        attachment = Attachment(
            id=vendor_id("00P4E0", self._serial("attachment")),
            at=at,
            name=name,
            content_type=content_type,
            body=body,
            who=who,
        )
        activity = self._activity(incident.id, at, "ADDED_ATTACHMENT", who, content=name)
        self._note(
            "attachment_added",
            incident,
            who,
            attachment=attachment.id,
            name=name,
            content_type=content_type,
            size=body.size_bytes,
            sha256=body.sha256,
        )
        updated = replace(incident, attachments=(*incident.attachments, attachment), modified_at=at)
        self._put(updated, at, [activity])
        return attachment

    def detach(self, incident: Incident, attachment: Attachment, who: Who) -> None:
        """Delete a file (I13)."""
        at = self._clock.now()
        left = tuple(each for each in incident.attachments if each.id != attachment.id)
        activity = self._activity(
            incident.id, at, "UPDATED", who, field="attachment", old=attachment.name
        )
        self._note(
            "attachment_deleted",
            incident,
            who,
            attachment=attachment.id,
            name=attachment.name,
        )
        self._put(replace(incident, attachments=left, modified_at=at), at, [activity])

    def remove(self, incident: Incident, who: Who) -> None:
        """Make an incident vanish: reads by id answer 404002 from now on."""
        self._note("ticket_removed", incident, who)
        self._incidents[incident.id].put(self._clock.now(), None)

    # --- below -----------------------------------------------------------------------------------

    def _put(self, incident: Incident, at: datetime, activities: Iterable[Activity]) -> Incident:
        for activity in activities:
            self._add(activity)
            incident = replace(incident, last_activity=activity)
        self._incidents[incident.id].put(at, incident)
        return incident

    def _add(self, activity: Activity) -> None:
        key: Callable[[Activity], tuple[datetime, str]] = self.feed_key
        insort(self._feed, activity, key=key)
        insort(self._feeds.setdefault(activity.incident_id, []), activity, key=key)

    def feed_key(self, activity: Activity) -> tuple[datetime, str]:
        """Order of the feed: the date as shown, then the id."""
        return self.shown(activity.at), activity.id

    def shown(self, at: datetime) -> datetime:
        """Cut an instant to what the answers show."""
        return at.replace(microsecond=0) if self._settings.whole_seconds else at

    def _activity(
        self, incident_id: str, at: datetime, action: str, who: Who, **contents: str | None
    ) -> Activity:
        serial = self._serial("activity")
        return Activity(
            serial=serial,
            id=vendor_id("a0z4E0", serial),
            at=at,
            incident_id=incident_id,
            action=action,
            who=who,
            **contents,
        )

    def _serial(self, kind: str) -> int:
        self._serials[kind] = self._serials.get(kind, 0) + 1
        return self._serials[kind]

    def _note(self, what: str, incident: Incident, who: Who, **contents: Any) -> None:
        self._record.add(what, who, ticket=incident.id, number=incident.number, **contents)


def _contacts(incident: Incident) -> dict[str, Contact | None]:
    return {"contact": incident.contact, "localContact": incident.local_contact}


def _flat(value: Any) -> str | None:
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values())
    return None if value is None else str(value)
