"""Tickets as the document's JSON (sections 4.4, 5 and 7), its oddities included where asked for."""

from datetime import datetime
from typing import Any

from syncd.sandbox.record import Who
from syncd.sandbox.telenor.model import Activity, Attachment, Case, Comment, vendor_date
from syncd.sandbox.telenor.settings import Category, TelenorSandboxSettings
from syncd.sandbox.telenor.state import Cases
from syncd.sandbox.telenor.trees import INCIDENTS

Json = dict[str, Any]


class Views:
    """Render answers; which ticket shows which oddity follows from its serial number."""

    def __init__(self, settings: TelenorSandboxSettings, cases: Cases) -> None:
        self._settings = settings
        self._cases = cases
        self._tree = cases.tree

    def list_item(self, case: Case) -> Json:
        """Sections 5 and 7, column *List item*."""
        assigned = case.fields.get("caseAssignedTo", "System")
        return {
            **dict.fromkeys(self._tree.list_only, assigned),
            **self._common(case),
            "lastActivity": self.activity(case.last_activity),
        }

    def detail(self, case: Case, seen_at: datetime | None) -> Json:
        """Sections 5 and 7, column *GET one*."""
        activities = self._cases.feed(case.id, seen_at)
        assigned = case.fields.get("caseAssignedTo", "System")
        return {
            **dict.fromkeys(self._tree.whole_only, assigned),
            **self._common(case),
            "contact": case.contact,
            "localContact": case.local_contact,
            "attachments": [self.attachment(each) for each in case.attachments],
            "activities": [self.activity(each) for each in activities],
        }

    def activity(self, activity: Activity, case: Case | None = None) -> Json:
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
        if case is not None:
            view["ticket"] = {
                "id": case.id,
                "caseNumber": case.number,
                "subject": case.fields.get("subject"),
                "location": case.fields.get("location"),
                "productCategoryName": case.fields.get("productCategoryName"),
                # The order samples show it too (T19).
                "incidentType": case.fields.get("incidentType"),
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
        """I5 and O5; `incidentTypes`, of incidents alone, an array or one string (T7)."""
        types: Any = list(category.incident_types)
        if self._settings.oddities and place % 2 == 0:
            types = ", ".join(category.incident_types)
        organizations = self._settings.organizations or ("971183675",)
        return {
            "orgNo": organizations[0],
            **({"incidentTypes": types} if self._tree.sets_status else {}),
            "productCatName": category.name,
            "products": [
                {"productId": product_id, "productName": name}
                for product_id, name in category.products
            ],
        }

    def _common(self, case: Case) -> Json:
        fields = case.fields
        is_odd = self._settings.oddities and case.serial % 3 == 0
        view: Json = {
            "id": case.id,
            "caseNumber": case.number,
            "createdDate": self._date(case.created_at),
            "lastModifiedDate": self._date(case.modified_at, cut=is_odd),
            "closedDate": self._date(case.closed_at) if case.closed_at else None,
            "status": case.status,
            **{name: fields.get(name) for name in (*self._tree.writable, *self._tree.agent_texts)},
            "createdBy": self._user(case.created_by, case.serial % 4 == 0),
        }
        if self._tree is INCIDENTS:
            view["statusReason"] = fields.get("statusReason", case.status_reason)
            del view["caseAssignedTo"]
        else:
            del view["statusReason"], view["caseAssignedTo"]
            view["owner"] = fields.get("owner", "System")
            view["priority"] = fields.get("priority", "High")
            view["quantity"] = self.number(fields.get("quantity"), case.serial)
        if is_odd:
            # Absent and null both occur for what is not set.
            return {name: value for name, value in view.items() if value is not None}
        return view

    def number(self, value: Any, serial: int) -> Any:
        """Show a number as the order samples do: as a text now and then, `N/A` for none (T5)."""
        if not self._settings.oddities or serial % 2:
            return value
        return "N/A" if value is None else str(value)

    def _user(self, who: Who, may_be_odd: bool) -> Json:
        internal: bool | str = who.internal
        if self._settings.oddities and may_be_odd and not who.internal:
            internal = "N/A"
        return {"internalUser": internal, "userName": who.by}

    def _date(self, at: datetime, *, cut: bool = False) -> str:
        return vendor_date(self._cases.shown(at), cut=cut)
