"""Tickets, users and reports as the document's JSON (section 3), oddities where asked for."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

from syncd.sandbox.sipsynergy.model import Attribute, Comment, Ticket, User, stamp
from syncd.sandbox.sipsynergy.settings import SipSynergySandboxSettings
from syncd.sandbox.sipsynergy.state import Users

Json = dict[str, Any]
EPOCH = "2016-12-02T17:21:22+0000"
"""When groups and states were made."""


class Views:
    """Render answers; which ticket shows which oddity follows from its serial number."""

    def __init__(self, settings: SipSynergySandboxSettings, users: Users) -> None:
        self._settings = settings
        self._users = users

    def ticket(self, ticket: Ticket) -> Json:
        """Ticket Full."""
        fields = ticket.fields
        tenant: str | int = fields.get("tenantHumanId", "")
        is_odd = self._odd(ticket, 4)
        if is_odd and str(tenant).isdigit() and not str(tenant).startswith("0"):
            tenant = int(tenant)
        view: Json = {
            "id": ticket.id,
            "organisationHumanId": fields.get("organisationHumanId", ""),
            "contractHumanId": fields.get("contractHumanId", ""),
            "tenantHumanId": tenant,
            "title": fields.get("title"),
            "description": fields.get("description", ""),
            "reporterHumanId": fields.get("reporterHumanId", ""),
            "links": {
                "self": f"/tickets/{ticket.id}",
                "comments": f"/tickets/{ticket.id}/comments",
            },
            "dateCreated": self._date(ticket, ticket.created_at),
            "dateUpdated": self._date(ticket, ticket.updated_at),
            "buyer": self._party("partner", ticket),
            "consumer": self._party("customer", ticket),
        }
        if self._settings.show_status:
            view["status"] = ticket.status
        if view["title"] is None:
            del view["title"]
        return view

    def comment(self, ticket: Ticket, comment: Comment) -> Json:
        """Comment Full."""
        return {
            "id": comment.id,
            "ticketId": ticket.id,
            "description": comment.text,
            "userHumanId": comment.user,
            "dateCreated": self._date(ticket, comment.at),
            "dateUpdated": self._date(ticket, comment.at),
        }

    def attribute(self, attribute: Attribute) -> Json:
        """Ticket Attribute Full."""
        return {
            "id": attribute.id,
            "key": attribute.key,
            "value": attribute.value,
            "type": attribute.type,
            "dateCreated": stamp(attribute.at),
        }

    def user(self, user: User) -> Json:
        """User Full; the phone is a number where it can be one (S10)."""
        phone: str | int = user.phone
        if self._settings.oddities and user.phone.isdigit() and not user.phone.startswith("0"):
            phone = int(user.phone)
        return {
            "id": user.id,
            "humanId": user.human_id,
            "organisationId": user.organisation_id,
            "email": user.email,
            "name": user.name,
            "phoneNumber": phone,
            "admin": user.is_admin,
            "agent": user.is_agent,
        }

    def group(self, number: int) -> Json:
        """Group Full."""
        name = self._settings.groups[number - 1]
        return {"id": number, "name": name, "dateCreated": EPOCH, "dateUpdated": EPOCH}

    def states(self, kind: str | None) -> list[Json]:
        """State; `type` is a number that has nothing to do with the filter's word (S11)."""
        found: list[Json] = []
        serial = 0
        for place, (name, labels) in enumerate(self._settings.states.items(), start=1):
            for label in labels:
                serial += 1
                if kind in (None, "all", name):
                    found.append(
                        {
                            "id": serial,
                            "description": label,
                            "type": place,
                            "dateCreated": EPOCH,
                            "dateUpdated": EPOCH,
                        }
                    )
        return found

    def event(self, ticket: Ticket) -> Json:
        """Event Full."""
        return {
            "id": ticket.confirmed,
            "key": "notification.ticket.confirm-contacts",
            "value": "Confirm contacts notification sent.",
            "target": ticket.id,
        }

    def report_row(self, ticket: Ticket, now: datetime) -> Json:
        """Ticket Report Json: all strings, `NA` for what there is not (S16)."""
        report = ticket.report
        resolved = ticket.resolved_at
        description = ticket.fields.get("description", "")
        return {
            "ticketNumber": ticket.id,
            "customer": report.get("customer", "NA"),
            "buyer": report.get("buyer", "NA"),
            "ticketDescription": "" if self._odd(ticket, 3) else description,
            "priority": report.get("priority", "NA"),
            "category": report.get("category", "NA"),
            "serviceImpact": report.get("serviceImpact", "NA"),
            "outcome": report.get("outcome", "NA"),
            "status": ticket.status,
            "primaryContactName": report.get("primaryContactName", "NA"),
            "primaryContactEmail": report.get("primaryContactEmail", "NA"),
            "createdAt": f"{ticket.created_at:%Y-%m-%d %H:%M:%S}",
            "resolutionDate": f"{resolved:%Y-%m-%d %H:%M:%S}" if resolved else "NA",
            "assigned": report.get("assigned", "NA"),
            "slaAssignedTime": "00:00:00",
            "ticketRunTime": _duration((resolved or now) - ticket.created_at),
        }

    def csv(self, rows: list[Json]) -> bytes:
        """The same as the CSV download."""
        text = io.StringIO()
        names = list(rows[0]) if rows else ["ticketNumber", "status"]
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    def _party(self, role: str, ticket: Ticket) -> Json:
        human_id = ticket.fields.get("organisationHumanId", "")
        name = "Acme" if role == "customer" else "Acme Partner"
        attributes = {"legalName": f"{name} Company", "name": name, "role": role}
        return {"type": "organisations", "id": human_id, "attributes": attributes}

    def _odd(self, ticket: Ticket, every: int) -> bool:
        return self._settings.oddities and ticket.serial % every == 0

    def _date(self, ticket: Ticket, at: datetime) -> str:
        return stamp(at, plus=self._odd(ticket, 2))


def _duration(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
