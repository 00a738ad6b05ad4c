"""The tickets of one tree of the Telenor sandbox and everything that can change them.

Every change goes through here, whoever makes it: it makes a new state of the case, the
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
    CONTACT_FIELDS,
    Activity,
    Attachment,
    Case,
    Comment,
    Contact,
    vendor_id,
)
from syncd.sandbox.telenor.settings import TelenorSandboxSettings
from syncd.sandbox.telenor.trees import Tree


class Cases:
    """All tickets of one tree with their past, and their activities feed.

    Serials are shared by both trees: ids and case numbers are unique over them.
    """

    def __init__(
        self,
        tree: Tree,
        settings: TelenorSandboxSettings,
        clock: SandboxClock,
        record: Record,
        serials: dict[str, int],
    ) -> None:
        self.tree = tree
        self._settings = settings
        self._clock = clock
        self._record = record
        self._cases: dict[str, Versions[Case]] = {}
        self._numbers: dict[str, str] = {}
        self._feed: list[Activity] = []
        self._feeds: dict[str, list[Activity]] = {}
        self._serials = serials

    # --- reading ---------------------------------------------------------------------------------

    def all(self, seen_at: datetime | None = None) -> list[Case]:
        """Return the tickets as of `seen_at` (None: now), oldest first."""
        found = (versions.as_of(seen_at) for versions in self._cases.values())
        return [case for case in found if case is not None]

    def get(self, case_id: str, seen_at: datetime | None = None) -> Case | None:
        """Return one ticket by its technical id; None when there is none (yet, or no more)."""
        versions = self._cases.get(case_id)
        return versions.as_of(seen_at) if versions else None

    def find(self, ticket: str) -> Case | None:
        """Return one ticket as of now by id or case number; None when it is not in this tree."""
        return self.get(self._numbers.get(ticket, ticket))

    def need(self, ticket: str) -> Case:
        """Return one ticket as of now by id or case number, for people."""
        case = self.find(ticket)
        if case is None:
            raise LookupError(f"no {self.tree.name} {ticket}")
        return case

    def feed(self, case_id: str | None, seen_at: datetime | None) -> list[Activity]:
        """Return activities by (date shown, id), oldest first; of one ticket or of all."""
        activities = self._feed if case_id is None else self._feeds.get(case_id, [])
        if seen_at is None:
            return activities
        return [activity for activity in activities if activity.at <= seen_at]

    # --- changing --------------------------------------------------------------------------------

    def create(self, fields: Mapping[str, Any], who: Who) -> Case:
        """Open a ticket (I2, O2)."""
        at, serial = self._clock.now(), self._serial("case")
        names = (*self.tree.writable, *self.tree.agent_texts)
        kept = {name: self._kept(name, fields[name]) for name in names if name in fields}
        case_id, number = vendor_id("5004E0", serial), f"Case-{serial:08d}"
        created = self._activity(case_id, at, "CREATED", who, content=kept.get("subject"))
        case = Case(
            serial=serial,
            id=case_id,
            number=number,
            created_at=at,
            modified_at=at,
            last_activity=created,
            closed_at=None,
            status=self._settings.first_status,
            status_reason=None,
            fields=kept,
            contact=fields.get("contact"),
            local_contact=fields.get("localContact"),
            created_by=who,
        )
        self._cases[case.id] = Versions(at, case)
        self._numbers[case.number] = case.id
        self._add(created)
        self._note("ticket_created", case, who, status=case.status, fields=dict(fields))
        return case

    def update(self, case: Case, fields: Mapping[str, Any], who: Who) -> Case:
        """Change fields and contacts (I7, I16-I18); None for a contact removes it."""
        at = self._clock.now()
        changed: list[Activity] = []
        texts, contacts = dict(case.fields), _contacts(case)
        for name, new in fields.items():
            old = contacts[name] if name in CONTACT_FIELDS else texts.get(name)
            what = "field_unchanged" if old == new else "field_changed"
            self._note(what, case, who, field=name, old=old, new=new)
            if old == new:
                continue
            if name in CONTACT_FIELDS:
                contacts[name] = new
            else:
                texts[name] = new
            changed.append(
                self._activity(
                    case.id, at, "UPDATED", who, field=name, old=_flat(old), new=_flat(new)
                )
            )
        if not changed:
            return case
        updated = replace(
            case,
            fields=texts,
            contact=contacts["contact"],
            local_contact=contacts["localContact"],
            modified_at=at,
        )
        return self._put(updated, at, changed)

    def set_status(self, case: Case, status: str, who: Who, text: str | None = None) -> Case:
        """Change the status (I19); the same one again adds an activity and nothing else."""
        at = self._clock.now()
        if status == case.status:
            self._note("status_unchanged", case, who, status=status, text=text)
        else:
            self._note("status_changed", case, who, old=case.status, new=status, text=text)
        activities = [
            self._activity(
                case.id,
                at,
                "STATUS_CHANGED",
                who,
                content=text,
                field="status",
                old=case.status,
                new=status,
            )
        ]
        is_closed = status in self._settings.closed_statuses
        if is_closed and case.closed_at is None:
            activities.append(self._activity(case.id, at, "CLOSED", who, content=text))
        shows_reason = is_closed or status == "Solved"
        updated = replace(
            case,
            status=status,
            status_reason=(text or "Confirmed with customer") if shows_reason else None,
            closed_at=(case.closed_at or at) if is_closed else None,
            modified_at=at,
        )
        return self._put(updated, at, activities)

    def comment(self, case: Case, text: str, who: Who) -> Comment:
        """Add a remark (I15)."""
        at = self._clock.now()
        comment = Comment(
            id=vendor_id("00a4E0", self._serial("comment")), at=at, text=text, who=who
        )
        activity = self._activity(case.id, at, "COMMENTED", who, content=text)
        touched = at if self._settings.comment_touches else case.modified_at
        self._note("comment_added", case, who, comment=comment.id, kind="comment", text=text)
        updated = replace(case, comments=(*case.comments, comment), modified_at=touched)
        self._put(updated, at, [activity])
        return comment

    def attach(
        self, case: Case, name: str, content_type: str, body: StoredBody, who: Who
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
        activity = self._activity(case.id, at, "ADDED_ATTACHMENT", who, content=name)
        self._note(
            "attachment_added",
            case,
            who,
            attachment=attachment.id,
            name=name,
            content_type=content_type,
            size=body.size_bytes,
            sha256=body.sha256,
        )
        updated = replace(case, attachments=(*case.attachments, attachment), modified_at=at)
        self._put(updated, at, [activity])
        return attachment

    def detach(self, case: Case, attachment: Attachment, who: Who) -> None:
        """Delete a file (I13)."""
        at = self._clock.now()
        left = tuple(each for each in case.attachments if each.id != attachment.id)
        activity = self._activity(
            case.id, at, "UPDATED", who, field="attachment", old=attachment.name
        )
        self._note(
            "attachment_deleted",
            case,
            who,
            attachment=attachment.id,
            name=attachment.name,
        )
        self._put(replace(case, attachments=left, modified_at=at), at, [activity])

    def remove(self, case: Case, who: Who) -> None:
        """Make a ticket vanish: reads by id answer 404002 from now on."""
        self._note("ticket_removed", case, who)
        self._cases[case.id].put(self._clock.now(), None)

    # --- below -----------------------------------------------------------------------------------

    def _put(self, case: Case, at: datetime, activities: Iterable[Activity]) -> Case:
        for activity in activities:
            self._add(activity)
            case = replace(case, last_activity=activity)
        self._cases[case.id].put(at, case)
        return case

    def _add(self, activity: Activity) -> None:
        key: Callable[[Activity], tuple[datetime, str]] = self.feed_key
        insort(self._feed, activity, key=key)
        insort(self._feeds.setdefault(activity.case_id, []), activity, key=key)

    def feed_key(self, activity: Activity) -> tuple[datetime, str]:
        """Order of the feed: the date as shown, then the id."""
        return self.shown(activity.at), activity.id

    def shown(self, at: datetime) -> datetime:
        """Cut an instant to what the answers show."""
        return at.replace(microsecond=0) if self._settings.whole_seconds else at

    def _activity(
        self, case_id: str, at: datetime, action: str, who: Who, **contents: str | None
    ) -> Activity:
        serial = self._serial("activity")
        return Activity(
            serial=serial,
            id=vendor_id("a0z4E0", serial),
            at=at,
            case_id=case_id,
            action=action,
            who=who,
            **contents,
        )

    def _kept(self, name: str, value: Any) -> Any:
        return value if name in (*self.tree.numbers, *self.tree.addresses) else str(value)

    def _serial(self, kind: str) -> int:
        self._serials[kind] = self._serials.get(kind, 0) + 1
        return self._serials[kind]

    def _note(self, what: str, case: Case, who: Who, **contents: Any) -> None:
        self._record.add(
            what, who, tree=self.tree.name, ticket=case.id, number=case.number, **contents
        )


def _contacts(case: Case) -> dict[str, Contact | None]:
    return {"contact": case.contact, "localContact": case.local_contact}


def _flat(value: Any) -> str | None:
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values())
    return None if value is None else str(value)
