"""Tickets, transactions and attachments as REST2's JSON.

Ids are numbers in single objects and texts in lists; other numbers are texts.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from syncd.sandbox.rt.model import UNSET, Entry, Part, Ticket, rt_date
from syncd.sandbox.rt.settings import ACTIONS, ROOT, Queue, RtSandboxSettings

Json = dict[str, Any]


class UnknownField(Exception):
    """`fields` names something the object does not have: RT fails."""


class Views:
    """Render answers."""

    def __init__(self, settings: RtSandboxSettings, base_url: Callable[[], str]) -> None:
        self._settings = settings
        self._base_url = base_url
        self._queues = {one.name: one for one in settings.queues}

    def ticket(self, ticket: Ticket, of_queue: Sequence[str] = ()) -> Json:
        """`GET /ticket/{id}`, with the fields of its queue asked for."""
        told = self._told(ticket)
        queue = self._queues[ticket.queue]
        more = {"Name": queue.name, "Lifecycle": queue.lifecycle}
        told["Queue"] |= {name: more[name] for name in of_queue if name in more}
        return {
            **told,
            "id": ticket.id,
            "Type": "ticket",
            "_hyperlinks": self._links(ticket),
        }

    def search_form(self) -> str:
        """`GET /Search/Build.html`, as far as somebody reads it."""
        shared = ", ".join(sorted({one.lifecycle for one in self._settings.queues}))
        groups = {shared: tuple(self._settings.lifecycle), **self._settings.other_lifecycles}
        told = "".join(_group(name, statuses) for name, statuses in groups.items())
        if len(groups) == 1:
            told = _options(tuple(self._settings.lifecycle))
        return (
            "<!DOCTYPE html><html><head><title>Query Builder</title></head><body>"
            '<select name="ValueOfStatus" class="selectpicker"><option value="">-</option>'
            '<option value="__Active__">Active</option>'
            f'<option value="__Inactive__">Inactive</option>{told}</select></body></html>'
        )

    def ticket_item(self, ticket: Ticket, fields: Sequence[str]) -> Json:
        """One ticket of a search, with the fields asked for."""
        told = {**self._told(ticket), "id": ticket.id, "_hyperlinks": self._links(ticket)}
        return {**self._ref("ticket", str(ticket.id)), **_chosen(told, fields)}

    def entry_item(self, entry: Entry, fields: Sequence[str], *, names: bool) -> Json:
        """One transaction of a history, with the fields asked for."""
        creator = self._ref("user", entry.creator)
        if names:
            creator["RealName"] = self._real_name(entry.creator)
        told = {
            "Type": entry.type,
            "Field": entry.field,
            "OldValue": entry.old,
            "NewValue": entry.new,
            "Data": entry.data,
            "Created": rt_date(entry.created),
            "Creator": creator,
            "Object": "",
            "CustomFields": self._transaction_fields(entry),
            "_hyperlinks": [
                {"ref": "self", **self._ref("transaction", str(entry.id)), "id": entry.id},
                *({"ref": "attachment", "_url": self._url("attachment", part.id)}
                  for part in entry.parts),
            ],
        }  # fmt: skip
        return {**self._ref("transaction", str(entry.id)), **_chosen(told, fields)}

    def part_item(self, part: Part, fields: Sequence[str]) -> Json:
        """One attachment of a ticket, with the fields asked for."""
        told = {
            "Filename": part.name,
            "ContentType": part.content_type,
            "ContentLength": str(part.size),
            "TransactionId": str(part.transaction),
            "Created": rt_date(part.created),
            "Subject": "",
            "Content": part.text or "",
        }
        return {**self._ref("attachment", str(part.id)), **_chosen(told, fields)}

    def queue(self, queue: Queue) -> Json:
        """`GET /queue/{name}`."""
        settings = self._settings
        fields = [(one.id, one.name) for one in settings.custom_fields]
        own = [(9, settings.transaction_field)] if settings.transaction_field else []
        return {
            "id": queue.id,
            "Name": queue.name,
            "Lifecycle": queue.lifecycle,
            "Disabled": "0",
            "TicketCustomFields": [{"ref": "customfield", **self._field(*one)} for one in fields],
            "TicketTransactionCustomFields": [
                {"ref": "customfield", **self._field(*one)} for one in own
            ],
        }

    def queue_item(self, queue: Queue) -> Json:
        """One queue of the list."""
        return self._ref("queue", str(queue.id))

    def made(self, ticket: Ticket) -> Json:
        """What a create answers."""
        return self._ref("ticket", str(ticket.id))

    # --- pieces ----------------------------------------------------------------------------------

    def _told(self, ticket: Ticket) -> Json:
        queue = self._queues[ticket.queue]
        return {
            "Subject": ticket.subject,
            "Status": ticket.status,
            "Priority": ticket.priority,
            "InitialPriority": "0",
            "FinalPriority": "0",
            "TimeWorked": "0",
            "TimeLeft": "0",
            "TimeEstimated": "0",
            "Queue": self._ref("queue", str(queue.id)),
            "Owner": self._ref("user", ticket.owner),
            "Creator": self._ref("user", ticket.creator),
            "LastUpdatedBy": self._ref("user", ticket.updated_by),
            "Requestor": [self._ref("user", one) for one in ticket.requestors],
            "Cc": [],
            "AdminCc": [],
            "CustomFields": [
                {**self._field(one.id, one.name), "values": _values(ticket.custom, one.name)}
                for one in self._settings.custom_fields
            ],
            "Created": rt_date(ticket.created),
            "LastUpdated": rt_date(ticket.updated),
            "Started": rt_date(ticket.started),
            "Starts": UNSET,
            "Due": UNSET,
            "Resolved": rt_date(ticket.resolved),
        }

    def _links(self, ticket: Ticket) -> list[Json]:
        own = self._url("ticket", ticket.id)
        return [
            {"ref": "self", "type": "ticket", "id": ticket.id, "_url": own},
            {"ref": "history", "_url": f"{own}/history"},
            {"ref": "correspond", "_url": f"{own}/correspond"},
            {"ref": "comment", "_url": f"{own}/comment"},
            *(
                {"ref": "lifecycle", "from": ticket.status, "to": to, "_url": own}
                for to in ACTIONS.get(ticket.status, ())
            ),
        ]

    def _transaction_fields(self, entry: Entry) -> list[Json]:
        name = self._settings.transaction_field
        return (
            [{**self._field(9, name), "values": [entry.key] if entry.key else []}] if name else []
        )

    def _field(self, number: int, name: str) -> Json:
        return {**self._ref("customfield", str(number)), "name": name}

    def _ref(self, kind: str, name: str) -> Json:
        return {"type": kind, "id": name, "_url": self._url(kind, name)}

    def _url(self, kind: str, name: object) -> str:
        return f"{self._base_url()}{ROOT}/{kind}/{name}"

    def _real_name(self, login: str) -> str:
        if login == self._settings.client_user:
            return self._settings.client_name
        return "The RT System itself" if login == "RT_System" else ""


def _values(custom: Mapping[str, str], name: str) -> list[str | None]:
    """A field that never had a value has none; one that was emptied has null."""
    if name not in custom:
        return []
    return [custom[name] or None]


def _chosen(told: Json, fields: Sequence[str]) -> Json:
    for name in fields:
        if name not in told:
            raise UnknownField(name)
    return {name: told[name] for name in fields}


def _group(name: str, statuses: Sequence[str]) -> str:
    return f'<optgroup label="{escape(name)}">{_options(statuses)}</optgroup>'


def _options(statuses: Sequence[str]) -> str:
    """Give a search's choice of statuses: deleted tickets are never found."""
    return "".join(
        f'<option value="{escape(one)}" >{escape(one)}</option>'
        for one in statuses
        if one != "deleted"
    )
