"""Incidents as the document's JSON (sections 4.4 and 5), its oddities included where asked for."""

from datetime import datetime
from typing import Any

from syncd.sandbox.record import Who
from syncd.sandbox.telenor.model import Activity, Attachment, Comment, Incident, vendor_date
from syncd.sandbox.telenor.settings import Category, TelenorSandboxSettings
from syncd.sandbox.telenor.state import Incidents

Json = dict[str, Any]


class Views:
    """Render answers; which ticket shows which oddity follows from its serial number."""

    def __init__(self, settings: TelenorSandboxSettings, incidents: Incidents) -> None:
        self._settings = settings
        self._incidents = incidents

    def list_item(self, incident: Incident) -> Json:
        """Section 5, column *List item*."""
        last = self.activity(incident.last_activity)
        return self._common(incident) | {
            "owner": incident.fields.get("caseAssignedTo", "System"),
            "lastActivity": last,
        }

    def detail(self, incident: Incident, seen_at: datetime | None) -> Json:
        """Section 5, column *GET one*."""
        activities = self._incidents.feed(incident.id, seen_at)
        return self._common(incident) | {
            "caseAssignedTo": incident.fields.get("caseAssignedTo", "System"),
            "contact": incident.contact,
            "localContact": incident.local_contact,
            "attachments": [self.attachment(each) for each in incident.attachments],
            "activities": [self.activity(each) for each in activities],
        }

    def activity(self, activity: Activity, incident: Incident | None = None) -> Json:
        """Section 4.4 *Activity*; with its `ticket` in lists."""
        view: Json = {
            "id": activity.id,
            "date": self._date(activity.at),
            "content": activity.content,
            "action": activity.action,
            "fieldName": activity.field,
            "oldValue": activity.old,
            "newValue": activity.new,
            "user": self._user(activity.who, activity.serial % 5 == 0),
        }
        if incident is not None:
            view["ticket"] = {
                "id": incident.id,
                "caseNumber": incident.number,
                "subject": incident.fields.get("subject"),
                "location": incident.fields.get("location"),
                "productCategoryName": incident.fields.get("productCategoryName"),
                "incidentType": incident.fields.get("incidentType"),
            }
        return view

    def attachment(self, attachment: Attachment) -> Json:
        """Section 4.4 *Attachment metadata*."""
        return {
            "id": attachment.id,
            "name": attachment.name,
            "size": attachment.body.size_bytes,
            "contentType": attachment.content_type,
            "createdDate": self._date(attachment.at),
        }

    def comment(self, comment: Comment) -> Json:
        """Section 4.4 *Comment* (read): no author."""
        return {
            "id": comment.id,
            "createdDate": self._date(comment.at),
            "commentBody": comment.text,
        }

    def category(self, category: Category, place: int) -> Json:
        """I5; `incidentTypes` is an array or, as in the sample, one string (T7)."""
        types: Any = list(category.incident_types)
        if self._settings.oddities and place % 2 == 0:
            types = ", ".join(category.incident_types)
        organizations = self._settings.organizations or ("971183675",)
        return {
            "orgNo": organizations[0],
            "incidentTypes": types,
            "productCatName": category.name,
            "products": [
                {"productId": product_id, "productName": name}
                for product_id, name in category.products
            ],
        }

    def _common(self, incident: Incident) -> Json:
        fields = incident.fields
        is_odd = self._settings.oddities and incident.serial % 3 == 0
        view: Json = {
            "id": incident.id,
            "caseNumber": incident.number,
            "createdDate": self._date(incident.created_at),
            "lastModifiedDate": self._date(incident.modified_at, cut=is_odd),
            "closedDate": self._date(incident.closed_at) if incident.closed_at else None,
            "status": incident.status,
            "statusReason": fields.get("statusReason", incident.status_reason),
            "subject": fields.get("subject"),
            "description": fields.get("description"),
            "identificationNumber": fields.get("identificationNumber"),
            "priority": fields.get("priority"),
            "location": fields.get("location"),
            "productCategoryName": fields.get("productCategoryName"),
            "incidentType": fields.get("incidentType"),
            "rootCause": fields.get("rootCause"),
            "rootCauseDescription": fields.get("rootCauseDescription"),
            "createdBy": self._user(incident.created_by, incident.serial % 4 == 0),
            "organizationNumber": fields.get("organizationNumber"),
        }
        if is_odd:
            # Absent and null both occur for what is not set.
            return {name: value for name, value in view.items() if value is not None}
        return view

    def _user(self, who: Who, may_be_odd: bool) -> Json:
        internal: bool | str = who.internal
        if self._settings.oddities and may_be_odd and not who.internal:
            internal = "N/A"
        return {"internalUser": internal, "userName": who.by}

    def _date(self, at: datetime, *, cut: bool = False) -> str:
        return vendor_date(self._incidents.shown(at), cut=cut)
